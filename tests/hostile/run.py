"""`make siege MINUTES=1`: every attack at once, and what became of nodes, probes, memory and log."""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from hostile.attacks import ATTACKS
from hostile.siege import Seen, besieged, licensed, peak_mib, watched
from support.daemon import Daemon


def main() -> int:
    """Run; exit code 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--attack", choices=ATTACKS, action="append", help="only this one; may be given again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, licensed(Path(folder)) as (daemon, nodes):
        lines = len(daemon.log)
        with watched(daemon, nodes) as seen, besieged(daemon, options.attack or list(ATTACKS)):
            time.sleep(60 * options.minutes)
        report(seen, daemon, (len(daemon.log) - lines) / (60 * options.minutes))
    return 1 if seen.wrong else 0


def report(seen: Seen, daemon: Daemon, lines_a_second: float) -> None:
    """What was seen, in lines."""
    probes, calls = _spread(seen.probes), _spread(seen.calls)
    sys.stdout.write(
        f"nodes looked at {seen.looks:,} times; {len(seen.wrong)} things were wrong: {seen.wrong[:3]}\n"
        f"probes: {len(seen.probes)}, {probes}\nhonest calls: {len(seen.calls)}, {calls}\n"
        f"memory: {peak_mib(daemon):.0f} MiB at most; log: {lines_a_second:.1f} lines a second\n"
    )


def _spread(seconds: list[float]) -> str:
    percentiles = [1000 * each for each in statistics.quantiles(seconds, n=100)]
    return f"p50 {percentiles[49]:.0f} ms, p99 {percentiles[98]:.0f} ms, longest {1000 * max(seconds):.0f} ms"


if __name__ == "__main__":
    sys.exit(main())
