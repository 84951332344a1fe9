"""Seeded faults on real processes over real sockets (R13, R14, R16-R18, R31, R33)."""

from pathlib import Path

import pytest
from faults.cluster import OPTIONS, MakeDaemon
from faults.nemesis import FAULTS, play, schedule
from support.skew import Skew
from support.vendor import TestVendor

SEEDS = (416, 1867, 2289, 2456, 2963)


@pytest.mark.parametrize("seed", SEEDS)
def test_R13_R17_a_real_cluster_keeps_its_promises_under_faults(
    make_daemon: MakeDaemon, vendor: TestVendor, tmp_path: Path, seed: int
) -> None:
    clock = Skew(tmp_path / "clock")
    violations = play(seed, make_daemon(*OPTIONS, env=clock.env), vendor, tmp_path, clock)
    assert violations == [], schedule(seed)


def test_these_seeds_try_every_fault() -> None:
    assert {step.fault for seed in SEEDS for step in schedule(seed)} == set(FAULTS)
