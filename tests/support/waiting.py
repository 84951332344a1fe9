"""Waiting on a condition with a deadline; never for a time."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(condition: Callable[[], T | None], timeout: float = 10.0) -> T:
    """Asks until the answer is true, and gives it; fails with the last answer after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"never came true, last: {answer!r}"
        time.sleep(0.02)
    return answer


async def until(condition: Callable[[], object], what: str = "the condition holds", timeout: float = 20.0) -> None:
    """Asks in the event loop until the answer is true; fails after `timeout` seconds with what was waited for."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout:g} s: {what}"
        await asyncio.sleep(0.005)
