"""Reads the histories of real processes afterwards, and says what they show against the rules.

- `seats`: at no instant of boottime do more than `max_nodes` processes believe (R13).
- `leases`: no process believes for longer than a lease from any instant at which it was licensed or renewed.
- `journal`: transitions are those of the table, the count of wrong codes falls by a right code only, epochs rise (R9,
  R14, R17); every event that was acknowledged is there after recovery.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults.transitions import ALLOWED

from licd_daemon.core.evolve import evolve
from licd_daemon.core.model import State
from licd_daemon.core.view import registration_state
from licd_daemon.journal import chain
from licd_daemon.journal.port import Head, Record

SEEN_S = 0.01
"""Seconds before a stop within which a process was seen to believe, to be known to believe in it."""


@dataclass(frozen=True, slots=True)
class Stop:
    """A process was stopped from `start` to `end`, boottime in seconds."""

    pid: int
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Belief:
    """A process believed from `start` to `end`, boottime in seconds."""

    node: str
    start: float
    end: float


def beliefs(history: Path, killed: dict[int, float], stopped: Sequence[Stop], now: float) -> list[Belief]:
    """The intervals in which each node believed.

    The end is the last instant at which it was seen to believe. One that was stopped then believes until it goes on,
    one that was killed until its death, and both no longer than their lease.
    """
    begun: dict[tuple[str, int], tuple[float, float]] = {}
    found: list[Belief] = []
    for line in history.read_text().splitlines():
        entry = json.loads(line)
        key = entry["node"], entry["pid"]
        start, until = begun.pop(key, (None, 0.0))
        if start is not None and not entry["licensed"]:
            found.append(Belief(entry["node"], start, max(entry["seen"], min(until, _stopped(entry, stopped)))))
        elif start is not None and entry["at"] >= until:
            found.append(Belief(entry["node"], start, until))
            start = None
        if entry["licensed"]:
            begun[key] = start or entry["at"], max(until, entry["until"])
    for (node, pid), (start, until) in begun.items():
        found.append(Belief(node, start, min(until, killed.get(pid, now), now)))
    return found


def _stopped(entry: dict[str, Any], stopped: Sequence[Stop]) -> float:
    """Until when the process was stopped, if that is why it said nothing since it was seen to believe."""
    return max(
        (stop.end for stop in stopped if stop.pid == entry["pid"] and 0 <= stop.start - entry["seen"] < SEEN_S),
        default=0.0,
    )


def seats(found: Sequence[Belief], max_nodes: int) -> list[str]:
    """Where too many believe at one instant."""
    edges = sorted([(b.end, 0, b.node) for b in found] + [(b.start, 1, b.node) for b in found])
    believing: list[str] = []
    violations = []
    for at, begins, node in edges:
        if not begins:
            believing.remove(node)
            continue
        believing.append(node)
        if len(believing) > max_nodes:
            violations.append(f"R13 at {at:.4f}: {sorted(believing)} believe, {max_nodes} may")
    return violations


def leases(history: Path, lease_s: float) -> list[str]:
    """Where a lease is said to run for longer than it was granted."""
    return [
        f"R13 at {entry['at']:.4f}: {entry['node']} believes for {entry['until'] - entry['at']:.3f} s of {lease_s} s"
        for line in history.read_text().splitlines()
        if (entry := json.loads(line))["licensed"] and entry["until"] - entry["at"] > lease_s + 0.001
    ]


def read_journal(path: Path) -> list[Record]:
    """Every record, by plain SQL: the reader under test is not trusted here."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT position, at, kind, body, digest FROM entries ORDER BY position").fetchall()
    connection.close()
    return [Record(*row) for row in rows]


def journal(records: Iterable[Record], acknowledged: Iterable[tuple[int, str]]) -> list[str]:
    """What the journal shows against the rules; `acknowledged`: positions and digests that were told before."""
    violations, state, head = [], State(), Head()
    digests: dict[int, str] = {}
    for record in records:
        head = chain.check(head, record)
        digests[record.position] = record.digest.hex()
        entry = chain.decode(record)
        before, state = state, evolve(state, entry.event, entry.now)
        kind = type(entry.event).__name__
        pair = registration_state(before), registration_state(state)
        if pair[0] != pair[1] and kind not in ALLOWED.get(pair, ()):
            violations.append(f"R17 at entry {record.position}: {pair[0]} -> {pair[1]} by {kind}")
        if state.lockout.wrong_codes < before.lockout.wrong_codes and kind != "CodeMatched":
            violations.append(f"R9 at entry {record.position}: the count fell by {kind}")
        if state.license is not None and state.tally.taken > state.license.max_nodes:
            violations.append(f"R13 at entry {record.position}: {state.tally.taken} seats are taken")
        if kind == "EpochStarted" and state.epoch <= before.epoch:
            violations.append(f"R14 at entry {record.position}: epoch {before.epoch} -> {state.epoch}")
    for position, digest in acknowledged:
        if digests.get(position) != digest:
            violations.append(f"entry {position} was acknowledged, and is not in the journal")
    return violations
