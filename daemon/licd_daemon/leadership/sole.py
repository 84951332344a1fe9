"""R31: leadership of the one daemon on a data directory, proven by its lock file.

Rules:

- The lock file is held by flock as long as the daemon leads; a second daemon fails at its start.
- flock alone does not show when the volume was moved away from under the daemon, so the file also names the epoch and
  its holder (random, so that equal epochs differ). A proof reads that line, rewrites it in place, syncs it, and reads
  it back by the file's path. It reads first: else it would wipe out the line of a new leader.
- A proof also looks whether the journal's path still names the file that is written to.
- `valid()` is true for one proof interval from the START of the last proof that succeeded. Proofs start at half the
  interval, on a thread of their own, where a disk that hangs holds up nothing else.
- Another's line, or another file at the lock's path: never valid again. A proof that fails otherwise is tried again.
- The file is 4096 bytes of real content, rewritten in place: a full disk does not end a proof. Its second line has the
  longest proof interval known, for which a leader that hangs may go on acknowledging; 0.1.0 reads the first line only.
"""

import asyncio
import fcntl
import os
import re
import secrets
import threading
from collections.abc import Callable
from pathlib import Path

import structlog

from licd_daemon.leadership.port import AlreadyLed, LeadershipUnavailable
from licd_kit.clock import boottime_ms

_SIZE = 4096
_LINE = re.compile(rb"licd lock 1 epoch ([0-9]{1,19}) holder [0-9a-f]{16}\n(?:proof-interval-ms ([0-9]{1,9})\n)?")
_PATIENCE = 0.2  # of the interval: a step that takes longer is named as what hangs
log = structlog.get_logger(__name__)


def _in_place() -> str:
    return ""


class SoleLeadership:
    """See `port.Leadership`."""

    def __init__(
        self,
        lock_path: Path,
        proof_interval_ms: int,
        *,
        misplaced: Callable[[], str] = _in_place,
        boot: Callable[[], int] = boottime_ms,
    ) -> None:
        """Nothing is touched before `acquire`.

        Args:
            lock_path: The lock file, in the data directory of the journal.
            proof_interval_ms: How long a proof holds.
            misplaced: Why what the journal writes now would be lost; "": it would not (`port.Journal.misplaced`).
            boot: Boottime in milliseconds.
        """
        self._path = lock_path
        self._interval_ms = proof_interval_ms
        self._longest_ms = proof_interval_ms
        self._misplaced = misplaced
        self._boot = boot
        self._content = b""
        self._proven_at: int | None = None
        self._sync_ms = 0
        self._failure = ""
        self._step: tuple[str, int] | None = None
        self._over = False
        self._stop = threading.Event()
        self._prover: threading.Thread | None = None

    async def acquire(self, at_least: int) -> int:
        """See `port.Leadership.acquire`.

        Raises:
            AlreadyLed: another daemon holds the lock file.
            LeadershipUnavailable: the lock file can't be written.
        """
        started = self._boot()
        try:
            descriptor, epoch = await asyncio.to_thread(self._take, at_least)
        except OSError as error:
            raise LeadershipUnavailable(f"the lock file {self._path} can't be written: {error.strerror}") from None
        self._proven_at = started
        self._prover = threading.Thread(target=self._prove_on, args=(descriptor,), name="licd-leadership", daemon=True)
        self._prover.start()
        return epoch

    def valid(self) -> bool:
        """See `port.Leadership.valid`."""
        proven_at = self._proven_at
        return not self._over and proven_at is not None and self._boot() < proven_at + self._interval_ms

    @property
    def proof_interval_ms(self) -> int:
        """See `port.Leadership.proof_interval_ms`."""
        return self._interval_ms

    @property
    def handover_ms(self) -> int:
        """See `port.Leadership.handover_ms`: the longest proof interval in the lock file, or this daemon's own."""
        return self._longest_ms

    def proof_age_ms(self) -> int | None:
        """See `port.Leadership.proof_age_ms`."""
        return None if self._proven_at is None else self._boot() - self._proven_at

    @property
    def sync_ms(self) -> int:
        """See `port.Leadership.sync_ms`."""
        return self._sync_ms

    def trouble(self) -> str:
        """See `port.Leadership.trouble`."""
        step = self._step
        hangs_ms = self._boot() - step[1] if step else 0
        if step and hangs_ms > self._interval_ms * _PATIENCE:
            return f"{step[0]} has taken {hangs_ms / 1000:.1f} s and is not done"
        return self._failure or ("" if self.valid() else "this process was stopped or starved for longer than a proof")

    async def release(self) -> None:
        """See `port.Leadership.release`. A proof that hangs keeps the lock until it or the process ends."""
        self._over = True
        self._stop.set()
        if self._prover:
            await asyncio.to_thread(self._prover.join, self._interval_ms / 1000)

    def _take(self, at_least: int) -> tuple[int, int]:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._lock(descriptor)
            os.ftruncate(descriptor, min(_SIZE, os.fstat(descriptor).st_size))
            found, interval_ms = self._recorded(descriptor)
            epoch, self._longest_ms = max(at_least, found + 1), max(self._interval_ms, interval_ms)
            lines = f"licd lock 1 epoch {epoch} holder {secrets.token_hex(8)}\nproof-interval-ms {self._longest_ms}\n"
            self._content = lines.encode().ljust(_SIZE, b" ")
            self._write(descriptor)
            _sync_folder(self._path.parent)
            if not self._still_ours(descriptor):
                raise self._already_led()
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor, epoch

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise self._already_led() from None

    def _already_led(self) -> AlreadyLed:
        return AlreadyLed(
            f"another daemon already uses {self._path.parent} (its lock file is held): stop it, or give this one"
            " another --data-dir"
        )

    def _recorded(self, descriptor: int) -> tuple[int, int]:
        """The epoch and the proof interval in ms that are in the file; 0 where there is none."""
        content = os.pread(descriptor, _SIZE, 0)
        line = _LINE.match(content)
        if not line and content.strip():
            # No reason to stay down: the journal knows the epoch too, and `at_least` is above it.
            log.warning("lock_file_unreadable", path=str(self._path))
        return (int(line[1]), int(line[2] or 0)) if line else (0, 0)

    def _write(self, descriptor: int) -> None:
        written = os.pwrite(descriptor, self._content, 0)
        if written != _SIZE:
            raise OSError(0, "only a part of it was written")
        getattr(os, "fdatasync", os.fsync)(descriptor)

    def _prove_on(self, descriptor: int) -> None:
        try:
            self._prove_until_over(descriptor)
        finally:
            os.close(descriptor)

    def _prove_until_over(self, descriptor: int) -> None:
        pause = self._interval_ms / 2000
        while not self._over and not self._stop.wait(pause):
            started = self._boot()
            try:
                self._prove(descriptor, started)
            except OSError as error:
                self._failure = f"the lock file {self._path} can't be used: {error.strerror}"
            finally:
                self._step = None
            pause = max(0, self._interval_ms / 2 - (self._boot() - started)) / 1000

    def _prove(self, descriptor: int, started: int) -> None:
        self._begin(f"reading the lock file {self._path}")
        if not self._still_ours(descriptor):
            self._lose()
            return
        self._begin(f"syncing the lock file {self._path}")
        syncing = self._boot()
        self._write(descriptor)
        self._sync_ms = self._boot() - syncing
        self._begin(f"reading the lock file {self._path} back")
        if not self._still_ours(descriptor):
            self._lose()
            return
        self._begin("looking at the journal's file")
        self._failure = self._misplaced()
        if not self._failure:
            # Last, and with the instant before the first step: what happened meanwhile is outside of the proof.
            self._proven_at = started

    def _begin(self, step: str) -> None:
        self._step = step, self._boot()

    def _lose(self) -> None:
        self._over = True
        self._failure = f"another daemon's lock file is at {self._path}: it leads, and this one never will again"
        log.critical("leadership_lost", path=str(self._path), reason="another daemon's lock file is there")

    def _still_ours(self, descriptor: int) -> bool:
        """Whether the file at the path is the locked one and holds our line."""
        found = os.open(self._path, os.O_RDONLY)
        try:
            same = os.path.samestat(os.fstat(found), os.fstat(descriptor))
            return same and os.pread(found, _SIZE + 1, 0) == self._content
        finally:
            os.close(found)


def _sync_folder(folder: Path) -> None:
    """Make a new file's name durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
