"""A disk whose syncs are slow or fail, under a real process: fsync and fdatasync go by way of this harness.

The process under test is started by `launcher`, which puts a seccomp filter on itself and becomes that process: the
kernel then asks the harness about each of the two calls (seccomp's user notification, Linux 5.5 and later; it needs no
privilege and no compiler). A call is let through, late or at once, or fails with EIO and never reaches the disk.
Nothing else of the process is touched, and one that is killed within a call is dead at once, as ever.

This file is run by itself as the launcher: `python sync_trap.py SOCKET COMMAND...`; the socket has no file.
"""

import ctypes
import errno
import fcntl
import os
import platform
import select
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

JOURNAL = "journal.db-wal"
EVERYTHING = ""

# seccomp, fsync, fdatasync
_CALLS = {"x86_64": (317, 74, 75), "aarch64": (277, 82, 83)}
_NO_NEW_PRIVILEGES = 38
_SET_MODE_FILTER, _NEW_LISTENER = 1, 8
_LOAD, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ASK = 0x7FFF0000, 0x7FC00000
_RECEIVE, _SEND, _CONTINUE = 0xC0502100, 0xC0182101, 1
_NOTICE = struct.Struct("=QIIiIQ6Q")  # struct seccomp_notif
_VERDICT = struct.Struct("=QqiI")  # struct seccomp_notif_resp


class SyncTrap:
    """Stands between processes and their disk. `caught`: syncs that were late, or failed."""

    def __init__(self) -> None:
        self.caught = 0
        self._fault = EVERYTHING, 0.0, 0
        self._healed = threading.Event()
        self._entrance = socket.socket(socket.AF_UNIX)
        self._entrance.bind("")
        self._entrance.listen()
        name: bytes = self._entrance.getsockname()
        self.launcher = (sys.executable, __file__, name[1:].decode())
        threading.Thread(target=self._admit, name="sync-trap", daemon=True).start()

    def slow(self, seconds: float, file: str = EVERYTHING) -> None:
        """From now on each sync of `file` (the end of its path) takes so long."""
        self._begin(file, seconds, 0)

    def fail(self, file: str = EVERYTHING) -> None:
        """From now on each sync of `file` fails with EIO."""
        self._begin(file, 0.0, errno.EIO)

    def _begin(self, file: str, seconds: float, error: int) -> None:
        self.heal()
        self._healed = threading.Event()
        self._fault = file, seconds, error

    def heal(self) -> None:
        """The disk works again; a sync that was under way is done."""
        self._fault = EVERYTHING, 0.0, 0
        self._healed.set()

    def close(self) -> None:
        """The disk works from now on, and no further process is taken."""
        self.heal()
        self._entrance.shutdown(socket.SHUT_RDWR)
        self._entrance.close()

    def _admit(self) -> None:
        with suppress(OSError):  # closed
            while True:
                connection, _ = self._entrance.accept()
                with connection:
                    _, descriptors, _, _ = socket.recv_fds(connection, 1, 1)
                threading.Thread(target=self._serve, args=(descriptors[0],), daemon=True).start()

    def _serve(self, listener: int) -> None:
        waiting = select.poll()
        waiting.register(listener, select.POLLIN)
        judging: list[threading.Thread] = []
        while waiting.poll()[0][1] & select.POLLIN:
            notice = bytearray(_NOTICE.size)
            with suppress(FileNotFoundError):  # killed before it was read
                fcntl.ioctl(listener, _RECEIVE, notice)
                judging = [thread for thread in judging if thread.is_alive()]
                judging.append(threading.Thread(target=self._judge, args=(listener, bytes(notice)), daemon=True))
                judging[-1].start()
        for thread in judging:
            thread.join()
        os.close(listener)

    def _judge(self, listener: int, notice: bytes) -> None:
        number, thread, _, _, _, _, descriptor, *_ = _NOTICE.unpack(notice)
        (file, seconds, error), healed = self._fault, self._healed
        verdict = _VERDICT.pack(number, 0, 0, _CONTINUE)
        with suppress(FileNotFoundError):  # killed meanwhile
            if (seconds or error) and os.readlink(f"/proc/{thread}/fd/{descriptor}").endswith(file):
                self.caught += 1
                healed.wait(seconds)
                verdict = _VERDICT.pack(number, 0, -error, 0) if error else verdict
            fcntl.ioctl(listener, _SEND, verdict)


@contextmanager
def sync_trap() -> Iterator[SyncTrap]:
    """A trap; what it holds up goes on at the end."""
    trap = SyncTrap()
    try:
        yield trap
    finally:
        trap.close()


def _listener() -> int:
    """Puts the filter on this process, and gives the descriptor on which the kernel asks."""
    seccomp, *syncs = _CALLS[platform.machine()]
    program = [(_LOAD, 0, 0, 0)]
    program += [(_IF_EQUAL, len(syncs) - place, 0, number) for place, number in enumerate(syncs)]
    program += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _ASK)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in program))
    argument = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    listener: int = libc.syscall(seccomp, _SET_MODE_FILTER, _NEW_LISTENER, argument)
    if listener < 0:
        raise OSError(ctypes.get_errno(), "seccomp's user notification: " + os.strerror(ctypes.get_errno()))
    return listener


def _launch(name: str, command: list[str]) -> None:
    with socket.socket(socket.AF_UNIX) as entrance:
        entrance.connect(f"\0{name}")
        socket.send_fds(entrance, [b"."], [_listener()])
    os.execvp(command[0], command)


if __name__ == "__main__":
    _launch(sys.argv[1], sys.argv[2:])
