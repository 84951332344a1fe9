"""`make coverage`, as seen by the tests that it would change."""

import os


def is_on() -> bool:
    """Whether the processes that are started now are measured."""
    return "COVERAGE_PROCESS_CONFIG" in os.environ


def unmeasured() -> dict[str, str]:
    """The environment of a process that loads no library of the measuring's own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
