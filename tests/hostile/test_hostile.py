"""R36: strangers and dishonest callers attack every port at once, and nobody who is honest notices."""

import time
from pathlib import Path

from hostile.attacks import ATTACKS
from hostile.siege import besieged, licensed, peak_mib, watched

SECONDS = 8
"""Long enough for each attack to come round; a lease of 15 s would not show a node that was cut off, its state does."""
MEMORY_MIB = 256
LINES_A_SECOND = 10


def test_R36_three_nodes_and_the_probes_do_not_blink_under_all_attacks_together(tmp_path: Path) -> None:
    with licensed(tmp_path) as (daemon, nodes):
        lines = len(daemon.log)
        with watched(daemon, nodes) as seen, besieged(daemon, list(ATTACKS)):
            time.sleep(SECONDS)  # the length of the siege
        assert seen.wrong == []
        assert min(len(seen.probes), len(seen.calls), seen.looks) > 5
        assert len(daemon.log) - lines < LINES_A_SECOND * SECONDS, daemon.log[-20:]
        assert peak_mib(daemon) < MEMORY_MIB
