"""The journal killed within an append, at any byte (R9, R14, R18: whatever was acknowledged survives)."""

import pytest
from faults.crash_points import crash, damaged

CRASHES = range(80)
FLIPS = range(20)


@pytest.mark.parametrize("block", range(4))
async def test_a_start_finds_what_was_acknowledged_or_one_append_more(block: int) -> None:
    for seed in CRASHES[block::4]:
        assert await crash(seed) == "", f"seed {seed}"


async def test_a_flipped_bit_is_told_with_its_entry_and_what_to_do() -> None:
    for seed in FLIPS:
        told = await damaged(seed)
        assert "entry" in told, f"seed {seed}: {told}"
        assert "backup" in told, f"seed {seed}: {told}"
