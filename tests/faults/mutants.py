"""Bugs planted on purpose, one or more for each sentence of R13-R18, and what must notice them.

A mutant is one replacement in one file of a COPY of the package, which stands first on PYTHONPATH of a subprocess:
the tree itself is never touched. Each names the seed from which the simulation hunts it; `EXPLORED` are found by the
search too. `python -m faults.mutants [NAME...]` plants and hunts them all.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
CORE = "daemon/licd_daemon/core"
SHELL = "daemon/licd_daemon"
NODE = "node_client"

SEEDS = 15
"""So many schedules, from its first seed on, may a mutant live."""
SEARCH_DEPTH = 5


@dataclass(frozen=True)
class Mutant:
    """A bug: `rule` is the sentence that it breaks; `first` the seed, `profile` the faults that it is hunted with."""

    name: str
    rule: str
    file: str
    old: str
    new: str
    first: int = 0
    profile: str = ""


MUTANTS = (
    Mutant(
        "node-counts-from-arrival",
        "R13: a node counts its lease from when it SENT what was acknowledged",
        f"{NODE}/belief.py",
        "max(self.lease_until, sent + lease_ttl)",
        "max(self.lease_until, now + lease_ttl)",
        first=15,
    ),
    Mutant(
        "answer-counts-from-arrival",
        "R13: (a heartbeat, Join or Resume)",
        f"{NODE}/driver.py",
        "belief.answered(answer, sent=sent)",
        "belief.answered(answer, sent=clock.boottime())",
        first=8,
    ),
    Mutant(
        "no-margin",
        "R13: the daemon from when it RECEIVED it, plus a margin for clock rate",
        f"{CORE}/leases.py",
        "return lease_ttl_ms + int(lease_ttl_ms * RATE_MARGIN) + 1",
        "return lease_ttl_ms",
        first=2,
    ),
    Mutant(
        "repeated-join-does-not-renew",
        "R13: a repeated one renews too",
        f"{SHELL}/rpc/node.py",
        "not self._coordinator.leases.renew(session_id, served)",
        "session_id not in self._coordinator.leases._leases",
        first=1,
    ),
    Mutant(
        "wall-clock-for-leases",
        "R13: the wall clock never frees or keeps a seat",
        f"{SHELL}/clock.py",
        "return time.clock_gettime_ns(_BOOTTIME) // _NS_PER_MS",
        "return time.time_ns() // _NS_PER_MS",
        first=14,
    ),
    Mutant(
        "node-wall-clock",
        "R13: leases use CLOCK_BOOTTIME",
        f"{NODE}/belief.py",
        "lease_until=sent + answer.lease_ttl",
        'lease_until=__import__("node_client.clock").clock.wall_ns() / 1e9 - 1.7e9 + 1e6 + answer.lease_ttl',
    ),
    Mutant(
        "granted-on-an-ended-lease",
        "R13, R17: a seat goes to the line, whose leases are judged first",
        f"{SHELL}/coordinator.py",
        "due = [*_over(first), c.Tick(), *_over(rest)]",
        "due = [c.Tick(), *_over(rest), *_over(first)]",
        first=13,
        profile="silence",
    ),
    Mutant(
        "evicted-seat-given-away",
        "R13: a seat is free for another only when its holder left, acknowledged the loss, or its lease has ended: for"
        " eviction",
        f"{CORE}/evolve.py",
        "EndReason.EVICTED: False",
        "EndReason.EVICTED: True",
        first=14,
    ),
    Mutant(
        "reset-frees-at-once",
        "R13: reset and a new registration too",
        f"{CORE}/evolve.py",
        "seat = Seat.DRAINING if session.seat is Seat.HELD else session.seat\n",
        "seat = Seat.NONE\n",
        first=0,
    ),
    Mutant(
        "registered-over-draining-seats",
        "R13, R10: every connected node has a seat, or waits for one that still drains",
        f"{CORE}/decide_registration.py",
        "seats = max(0, _license(state).max_nodes - (state.tally.taken - own))",
        "seats = _license(state).max_nodes",
        first=28,
    ),
    Mutant(
        "drain-ends-at-once",
        "R13: its lease has ended (the seat drains meanwhile)",
        f"{CORE}/leases.py",
        "self._leases.get(session_id, served + self._span))",
        "served)",
        first=8,
    ),
    Mutant(
        "any-heartbeat-acknowledges",
        "R13: only that echo acknowledges a loss",
        f"{SHELL}/presence.py",
        "self._loss_serial <= echoed_serial <= self.serial",
        "echoed_serial <= self.serial",
        first=17,
    ),
    Mutant(
        "older-state-applied",
        "R13: every state carries a serial that rises within the session and orders them",
        f"{SHELL}/presence.py",
        "self.serial += 1",
        "self.serial += 0 if self._told else 1",
        first=2,
    ),
    Mutant(
        "acknowledgement-revives",
        "R15: judged at the instant of the call, while the lease runs",
        f"{NODE}/belief.py",
        "return self.word if now < self.lease_until else NodeState.JEOPARDY",
        "return self.word",
        first=11,
    ),
    Mutant(
        "leave-before-it-stops-believing",
        "R15: a node stops believing before it sends Leave",
        f"{NODE}/driver.py",
        "            self._change(lambda belief: belief.ended(NodeState.EVICTED, _EVICTED))\n",
        "",
        first=14,
    ),
    Mutant(
        "epoch-not-raised",
        "R14: each start makes a new epoch",
        f"{SHELL}/coordinator.py",
        "command = c.StartEpoch(epoch, ",
        "command = c.StartEpoch(max(1, self.state.epoch), ",
    ),
    Mutant(
        "leave-keeps-the-seat",
        "R14: Leave frees the seat at once",
        f"{CORE}/evolve.py",
        "EndReason.LEFT: True",
        "EndReason.LEFT: False",
        first=9,
    ),
    Mutant(
        "silence-frees-nothing",
        "R14: silence frees it when the lease ends",
        f"{CORE}/evolve.py",
        "return _put(state, session, status=SessionStatus.LOST, seat=Seat.NONE, ",
        "return _put(state, session, status=SessionStatus.LOST, ",
        first=32,
    ),
    Mutant(
        "silent-new-session",
        "R16: a session is LIVE, LOST or ENDED; an unknown or ended one is never a silent new one",
        f"{CORE}/decide_sessions.py",
        "    if session.status is SessionStatus.ENDED:\n        ended = str(session.ended)\n"
        '        raise Refused(Reason.SESSION_EXPIRED, f"This session is over ({ended}).", metadata={"ended": '
        "ended})\n",
        "",
        first=10,
        profile="admin",
    ),
    Mutant(
        "lost-session-refused",
        "R16: LOST: it may resume",
        f"{CORE}/decide_sessions.py",
        "if session.status is SessionStatus.ENDED:\n        ended",
        "if session.status in (SessionStatus.ENDED, SessionStatus.LOST):\n        ended",
        first=2,
    ),
    Mutant(
        "returned-keeps-its-old-seat",
        "R16: LOST: its seat is free; it gets a seat if one is free, else the head of the line",
        f"{CORE}/evolve.py",
        "state = _put(state, session, status=SessionStatus.LIVE, since=None)",
        "state = _put(state, session, status=SessionStatus.LIVE, since=None, "
        "seat=Seat.HELD if session.holder else session.seat)",
        first=11,
    ),
    Mutant(
        "lost-ones-keep-nothing-alive",
        "R17: when none is LIVE but some are LOST it is RECOVERING",
        f"{CORE}/decide.py",
        "not tally.holders_awaited and not tally.holders_lost and",
        "not tally.holders_awaited and",
        first=0,
        profile="silence",
    ),
    Mutant(
        "window-skipped",
        "R17: if none does within the recovery window, it resets",
        f"{CORE}/decide_time.py",
        "return draft.now.served >= since + draft.policy.recovery_window_ms",
        "return True",
        first=0,
        profile="silence",
    ),
    Mutant(
        "window-never-ends",
        "R17: if none does within the recovery window, it resets",
        f"{CORE}/decide_time.py",
        "return draft.now.served >= since + draft.policy.recovery_window_ms",
        "return False",
        first=51,
    ),
    Mutant(
        "new-ones-granted-while-recovering",
        "R17: nothing new is granted, a new join is PENDING",
        f"{CORE}/decide.py",
        "if draft.state.recovering and draft.state.tally.holders_live:",
        "if draft.state.recovering and draft.state.tally.live:",
        first=1,
    ),
    Mutant(
        "strangers-keep-it-alive",
        "R17: a node that never held a seat keeps nothing alive",
        f"{CORE}/decide.py",
        "if living is None or tally.holders_live:",
        "if living is None or tally.live:",
        first=20,
    ),
    Mutant(
        "restart-resets",
        "R18: the daemon's own restart is not the nodes' restart",
        f"{CORE}/evolve.py",
        "        registration=registration,\n        lockout=lockout,\n        line=Map(),",
        "        registration=None,\n        lockout=lockout,\n        line=Map(),",
    ),
    Mutant(
        "no-grace-after-a-start",
        "R18: for the longest lease ever granted plus the margin no seat goes to anyone but its recorded holder",
        f"{CORE}/leases.py",
        "return with_margin(state.longest_lease_ms) + handover_ms if state.longest_lease_ms else 0",
        "return 0",
    ),
    Mutant(
        "draining-not-recorded",
        "R18: draining seats are recorded too",
        f"{CORE}/leases.py",
        "                self._set(Deadline.DRAIN, session.session_id, until)\n",
        "                self._set(Deadline.DRAIN, session.session_id, served)\n",
        first=43,
        profile="evictions",
    ),
    Mutant(
        "stall-taken-for-silence",
        "R18: a daemon that itself stalled extends every lease by the stall before it ends any",
        f"{SHELL}/clock.py",
        "if serving and self._serving and step <= STALL_MS:",
        "if serving and self._serving:",
        first=7,
        profile="daemon",
    ),
    Mutant(
        "unwritable-time-counts",
        "R17: only time in which the daemon could answer and write",
        f"{SHELL}/coordinator.py",
        "return self.clock.now(self.serving)",
        "return self.clock.now(True)",
        first=74,
        profile="daemon",
    ),
    Mutant(
        "told-before-it-is-durable",
        "R33: nothing that the journal must hold is acknowledged before it does",
        f"{SHELL}/coordinator.py",
        "        try:\n            await self._append(events, now)\n        except JournalUnavailable",
        "        before, self.state = self.state, head_state\n        self.publication.publish(before, head_state, "
        "events, now.served)\n        try:\n            await self._append(events, now)\n"
        "        except JournalUnavailable",
        first=6,
    ),
    Mutant(
        "count-after-compare",
        "R9: an attempt is counted in the journal BEFORE its code is compared",
        f"{CORE}/decide_registration.py",
        "    draft.emit(CodeAttempted(command.challenge_id))\n    return None",
        "    return None",
    ),
    Mutant(
        "a-challenge-clears-the-count",
        "R9: only a right code clears it",
        f"{CORE}/evolve.py",
        "return replace(_end_challenge(state), challenge=challenge)",
        "return replace(_end_challenge(state), challenge=challenge, lockout=Lockout())",
        first=4,
    ),
)


EXPLORED = (
    "evicted-seat-given-away",
    "reset-frees-at-once",
    "no-grace-after-a-start",
    "drain-ends-at-once",
    "any-heartbeat-acknowledges",
    "lost-ones-keep-nothing-alive",
    "window-skipped",
    "restart-resets",
)


def planted(mutant: Mutant, folder: Path) -> dict[str, str]:
    """Copies the mutant's package with the bug in it; gives the environment of who shall run it.

    Raises:
        ValueError: the code has changed, and the mutant with it must.
    """
    parent, package = ("daemon", "licd_daemon") if mutant.file.startswith("daemon/") else ("", "node_client")
    copy = folder / package
    shutil.copytree(ROOT / parent / package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    target = folder / mutant.file.removeprefix("daemon/")
    text = target.read_text()
    if text.count(mutant.old) != 1:
        message = f"{mutant.name}: its text stands {text.count(mutant.old)} times in {mutant.file}: adapt the mutant"
        raise ValueError(message)
    target.write_text(text.replace(mutant.old, mutant.new))
    return {**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), str(ROOT / "tests"))), "PYTHONHASHSEED": "0"}


def hunt(mutant: Mutant, timeout: float = 280) -> str:
    """What the simulation found first; empty: the mutant lives."""
    module: tuple[str, ...] = ("faults.simulate", str(mutant.first), str(SEEDS))
    if mutant.profile:
        module = (*module, "--profile", mutant.profile)
    return _found(mutant, module, "VIOLATION", timeout)


def hunt_by_search(mutant: Mutant, timeout: float = 280) -> str:
    """What the search of the model found; empty: the mutant lives."""
    return _found(mutant, ("faults.explore", "--depth", str(SEARCH_DEPTH)), "violated", timeout)


def _found(mutant: Mutant, module: tuple[str, ...], word: str, timeout: float) -> str:
    with tempfile.TemporaryDirectory() as name:
        env = planted(mutant, Path(name))
        command = [sys.executable, "-m", *module]
        # Elsewhere than in the tree, whose packages `-m` would put before the copies.
        done = subprocess.run(command, cwd=name, capture_output=True, text=True, env=env, timeout=timeout, check=False)
    lines = (done.stdout + done.stderr).strip().splitlines()
    found = [line[line.index(word) :] for line in lines if word in line]
    if done.returncode == 1 and found:
        return found[0]
    return "" if done.returncode == 0 else f"broken: {' | '.join(lines[-3:])}"


def main() -> int:
    """See the module."""
    wanted = set(sys.argv[1:])
    missed = 0
    for mutant in MUTANTS:
        if not wanted or mutant.name in wanted:
            found = hunt(mutant)
            missed += not found.startswith("VIOLATION")
            print(f"{mutant.name:36} {found or 'LIVES'}", flush=True)
    print(f"mutants: {len(wanted) or len(MUTANTS)}, {missed} not caught")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
