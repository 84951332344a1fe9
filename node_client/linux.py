"""What the agent asks of Linux that Python's `os` does not offer: prctl(2)."""

import ctypes
import os
import signal

_SET_PARENT_DEATH_SIGNAL = 1
_SET_NAME = 15
_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Become the parent of each descendant whose own parent ends, as PID 1 is in its namespace (R38)."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def end_with_parent(number: signal.Signals) -> None:
    """Get `number` when the thread ends that started this process; a setuid program is exempt."""
    _prctl(_SET_PARENT_DEATH_SIGNAL, number)


def name_process(name: str) -> None:
    """Give this process a name of at most 15 bytes for `ps`, which says what it is for."""
    _prctl(_SET_NAME, ctypes.create_string_buffer(name.encode()[:15]))


def _prctl(option: int, argument: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    unused = ctypes.c_ulong(0)
    given = ctypes.c_ulong(argument) if isinstance(argument, int) else argument
    if libc.prctl(option, given, unused, unused, unused) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "prctl")
