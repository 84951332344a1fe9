"""R31: the lock file proves that this daemon leads, and tells when it does not any more."""

import asyncio
import os
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from support.waiting import until

from licd_daemon.leadership.port import AlreadyLed, LeadershipUnavailable
from licd_daemon.leadership.sole import SoleLeadership

pytestmark = pytest.mark.asyncio
INTERVAL_MS = 200


@pytest_asyncio.fixture
async def leader(tmp_path: Path) -> AsyncIterator[SoleLeadership]:
    leadership = SoleLeadership(tmp_path / "lock", INTERVAL_MS)
    yield leadership
    await leadership.release()


async def test_the_file_is_private_and_preallocated(leader: SoleLeadership, tmp_path: Path) -> None:
    await leader.acquire(3)
    status = (tmp_path / "lock").stat()
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert status.st_size == 4096
    assert (tmp_path / "lock").read_bytes().startswith(b"licd lock 1 epoch 3 holder ")


async def test_the_proof_is_renewed_and_does_not_flap(tmp_path: Path) -> None:
    leader = SoleLeadership(tmp_path / "lock", 5000)
    await leader.acquire(1)
    first = (tmp_path / "lock").stat().st_mtime_ns
    while (tmp_path / "lock").stat().st_mtime_ns == first:
        assert leader.valid()
        await asyncio.sleep(0.005)
    await leader.release()


async def test_a_second_daemon_is_told_the_folder(leader: SoleLeadership, tmp_path: Path) -> None:
    await leader.acquire(1)
    script = (
        "import asyncio, sys; from pathlib import Path; from licd_daemon.leadership.sole import SoleLeadership;"
        "asyncio.run(SoleLeadership(Path(sys.argv[1]), 200).acquire(1))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "lock")]
    second = await asyncio.to_thread(lambda: subprocess.run(command, check=False, capture_output=True, text=True))
    assert second.returncode != 0
    assert f"another daemon already uses {tmp_path}" in second.stderr


async def test_kill_9_frees_the_lock_and_the_next_epoch_is_higher(tmp_path: Path) -> None:
    script = (
        "import asyncio, os, signal, sys; from pathlib import Path\n"
        "from licd_daemon.leadership.sole import SoleLeadership\n"
        "asyncio.run(SoleLeadership(Path(sys.argv[1]), 200).acquire(5)); os.kill(os.getpid(), signal.SIGKILL)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "lock")]
    killed = await asyncio.to_thread(lambda: subprocess.run(command, check=False, capture_output=True))
    assert killed.returncode == -9
    successor = SoleLeadership(tmp_path / "lock", INTERVAL_MS)
    assert await successor.acquire(1) == 6
    await successor.release()


async def test_a_foreign_epoch_ends_the_lead_for_ever(leader: SoleLeadership, tmp_path: Path) -> None:
    await leader.acquire(1)
    await until(leader.valid, "the lead is proven, however slow the disk is")
    own = (tmp_path / "lock").read_bytes()
    foreign = b"licd lock 1 epoch 2 holder 0123456789abcdef\n".ljust(4096, b" ")
    with (tmp_path / "lock").open("r+b") as file:
        file.write(foreign)
    await until(lambda: leader._over, "the foreign epoch is noticed")
    assert not leader.valid()
    assert (tmp_path / "lock").read_bytes() == foreign, "the new leader's line must not be wiped out"
    with (tmp_path / "lock").open("r+b") as file:
        file.write(own)
    await asyncio.sleep(2 * INTERVAL_MS / 1000)
    assert not leader.valid()


async def test_a_file_put_in_place_of_the_lock_ends_the_lead(leader: SoleLeadership, tmp_path: Path) -> None:
    await leader.acquire(1)
    (tmp_path / "copy").write_bytes((tmp_path / "lock").read_bytes())
    (tmp_path / "copy").replace(tmp_path / "lock")
    await until(lambda: not leader.valid(), "the other file is noticed")


async def test_a_volume_moved_away_ends_the_lead_and_its_return_restores_it(tmp_path: Path) -> None:
    folder = tmp_path / "volume"
    folder.mkdir()
    leader = SoleLeadership(folder / "lock", INTERVAL_MS)
    await leader.acquire(1)
    folder.rename(tmp_path / "elsewhere")
    await until(lambda: not leader.valid(), "the volume's absence is noticed")
    (tmp_path / "elsewhere").rename(folder)
    await until(leader.valid, "the lead is proven again")
    await leader.release()


@pytest.mark.parametrize(("recorded", "own", "longest"), [(9000, 200, 9000), (300, 4000, 4000)])
async def test_R31_the_longest_proof_interval_is_in_the_lock_file(
    tmp_path: Path, recorded: int, own: int, longest: int
) -> None:
    first = SoleLeadership(tmp_path / "lock", recorded)
    await first.acquire(1)
    await first.release()
    second = SoleLeadership(tmp_path / "lock", own)
    await second.acquire(2)
    assert (second.proof_interval_ms, second.handover_ms) == (own, longest)
    await second.release()
    third = SoleLeadership(tmp_path / "lock", 1)
    await third.acquire(3)
    assert third.handover_ms == longest
    await third.release()


async def test_R31_a_lock_file_of_0_1_0_gives_its_epoch_and_no_interval(tmp_path: Path) -> None:
    line = b"licd lock 1 epoch 7 holder 0123456789abcdef\n".ljust(4096, b" ")
    (tmp_path / "lock").write_bytes(line)
    leader = SoleLeadership(tmp_path / "lock", INTERVAL_MS)
    assert await leader.acquire(1) == 8
    assert leader.handover_ms == INTERVAL_MS
    assert (tmp_path / "lock").read_bytes().startswith(b"licd lock 1 epoch 8 holder "), "0.1.0 reads this line"
    await leader.release()


async def test_R31_a_journal_that_is_not_in_its_place_ends_the_proof_until_it_is_back(tmp_path: Path) -> None:
    misplaced = ""
    leader = SoleLeadership(tmp_path / "lock", INTERVAL_MS, misplaced=lambda: misplaced)
    await leader.acquire(1)
    await until(leader.valid, "the lead is proven")
    misplaced = "journal.db can't be found"
    # A machine that stalls ends the proof too, for a moment and with another cause.
    noticed = "journal.db can't be found"
    await until(lambda: not leader.valid() and leader.trouble() == noticed, "the journal's absence is noticed")
    misplaced = ""
    await until(leader.valid, "the lead is proven again")
    assert leader.trouble() == ""
    await leader.release()


async def test_a_hanging_disk_ends_the_proof_and_holds_up_nothing(tmp_path: Path) -> None:
    hang, may_end = threading.Event(), threading.Event()

    class SlowDisk(SoleLeadership):
        """The real one, on a disk that hangs when told to."""

        def _write(self, descriptor: int) -> None:
            if hang.is_set():
                may_end.wait()
            super()._write(descriptor)

    leader = SlowDisk(tmp_path / "lock", INTERVAL_MS)
    await leader.acquire(1)
    hang.set()
    await until(lambda: not leader.valid(), "the proof has run out")
    # While it hangs, not after it: an operator must not wait for the disk to learn of it (R31).
    await until(lambda: leader.trouble().startswith("syncing the lock file"), "the step that hangs is named")
    age_ms = leader.proof_age_ms()
    assert age_ms is not None
    assert age_ms >= INTERVAL_MS
    hang.clear()
    may_end.set()
    await until(leader.valid, "the lead is proven again")
    await leader.release()


async def test_a_proof_counts_from_its_start(tmp_path: Path) -> None:
    now = 0
    leader = SoleLeadership(tmp_path / "lock", INTERVAL_MS, boot=lambda: now)
    await leader.acquire(1)
    await leader.release()
    leader = SoleLeadership(tmp_path / "lock", 3_600_000, boot=lambda: now)
    await leader.acquire(1)
    now = 3_599_999
    assert leader.valid()
    now = 3_600_000
    assert not leader.valid()
    await leader.release()


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"garbage", b"x" * 9000])
async def test_a_lock_file_without_an_epoch_leaves_it_to_the_journal(
    leader: SoleLeadership, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "lock").write_bytes(content)
    assert await leader.acquire(9) == 9
    await until(lambda: (tmp_path / "lock").stat().st_size == 4096, "the file is rewritten")
    await until(leader.valid, "the lead is proven")


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LeadershipUnavailable, match="No such file"):
        await SoleLeadership(tmp_path / "missing" / "lock", INTERVAL_MS).acquire(1)


async def test_a_refused_daemon_leaves_the_lock_of_the_other_alone(leader: SoleLeadership, tmp_path: Path) -> None:
    await leader.acquire(1)
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    for _ in range(5):
        with pytest.raises(AlreadyLed):
            await SoleLeadership(tmp_path / "lock", INTERVAL_MS).acquire(1)
    if before:
        await until(lambda: len(os.listdir("/proc/self/fd")) <= before, "no descriptor is left but those of a proof")
    await until(leader.valid, "the lead is proven")
