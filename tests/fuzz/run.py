"""`make fuzz MINUTES=10`: inputs to every door until the time is up; what stands at the end is a count for each.

The first input that shows a fault is written to a file beside the seed and the door that it was found with, and the
exit code is 1. `--door NAME` tries one door only; `--file FILE` puts one input in again.
"""

import argparse
import random
import secrets
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import structlog
from fuzz import grpc_doors, web_doors
from fuzz.door import AT_ONCE, Door, Faults, tried
from fuzz.readers import READERS

DOORS: dict[str, Callable[[ExitStack], Door]] = {
    **READERS,
    "grpc-call": grpc_doors.calls,
    "http2-frames": grpc_doors.frames,
    "console": web_doors.console,
    "ops": web_doors.ops,
    "portal": web_doors.portal,
    "staff-page": web_doors.staff,
}


def main() -> int:
    """Run; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=2.0, help="for all doors together")
    parser.add_argument("--door", choices=DOORS, action="append", help="only this one; may be given again")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9), help="gives the same inputs again")
    parser.add_argument("--file", type=Path, help="put in what this file holds, at the doors given")
    options = parser.parse_args()
    names = options.door or list(DOORS)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))  # readers warn of what they pass over
    sys.stdout.write(f"seed {options.seed}\n")
    found = [fuzz(name, options.seed, 60 * options.minutes / len(names), options.file) for name in names]
    return 1 if any(found) else 0


def fuzz(name: str, seed: int, seconds: float, file: Path | None) -> bool:
    """Put inputs into one door for some seconds, or one file; whether a fault was found."""
    with ExitStack() as stack:
        door = DOORS[name](stack)
        began, count, faults = time.monotonic(), 0, door.enter([file.read_bytes()]) if file else []
        while not faults and not file and time.monotonic() < began + seconds:
            faults = tried(door, random.Random(f"{seed} {name} {count}"), AT_ONCE)
            count += AT_ONCE
        sys.stdout.write(f"{name:14} {count:9,} inputs in {time.monotonic() - began:5.0f} s, {len(faults)} faults\n")
        _report(name, faults)
        sys.stdout.flush()
    return bool(faults)


def _report(name: str, faults: Faults) -> None:
    for number, (content, what) in enumerate(faults[:3], 1):
        path = Path(f"fuzz-{name}-{number}.bin")
        path.write_bytes(content)
        sys.stdout.write(f"  {what[:600]}\n  put it in again: --door {name} --file {path}\n")


if __name__ == "__main__":
    sys.exit(main())
