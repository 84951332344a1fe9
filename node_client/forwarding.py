"""Which signals are passed on, and whether the program has them already (R38): pure, with time passed in.

The sender may have signalled the agent alone (`kill`, a container's runtime), or the program at the same time: a
terminal and `kill -- -GROUP` reach the whole process group, systemd the whole control group. The guardian is where the
program is, in the same group or control group: what has reached the guardian has reached the program.
"""

import dataclasses

SETTLING = 0.1
"""Seconds between a signal to the agent and its forwarding: so long may a sender take to reach all it signals."""
_MEMORY = 1.0


@dataclasses.dataclass(slots=True)
class Forwarding:
    """The signals under way."""

    _seen: dict[int, float] = dataclasses.field(default_factory=dict)
    _due: dict[int, float] = dataclasses.field(default_factory=dict)

    def seen(self, number: int, now: float) -> None:
        """The guardian itself got it."""
        self._seen[number] = now

    def asked(self, number: int, now: float) -> None:
        """The agent got it. One that comes again before it is forwarded is the same, as it is for the kernel."""
        self._due.setdefault(number, now + SETTLING)

    def ripe(self, now: float) -> list[tuple[int, bool]]:
        """The signals to be forwarded now, each with whether the guardian's groups have got it; once each."""
        ripe = [number for number, due in self._due.items() if due <= now]
        for number in ripe:
            del self._due[number]
        return [(number, now - self._seen.pop(number, -_MEMORY) <= SETTLING + _MEMORY) for number in ripe]

    def next_at(self) -> float | None:
        """When a signal is to be forwarded next."""
        return min(self._due.values(), default=None)
