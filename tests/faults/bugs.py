"""The bugs that `mutants.py` plants: what each breaks, where, and from which seed it is hunted.

Some sentences are kept by two lines of code, either of which is enough: there `also` breaks the other one too.
"""

from dataclasses import dataclass

CORE = "daemon/licd_daemon/core"
SHELL = "daemon/licd_daemon"
NODE = "node_client"


@dataclass(frozen=True)
class Mutant:
    """A bug: `rule` is the sentence that it breaks; `first` the seed, `profile` the faults that it is hunted with.

    `also`: another replacement in the same package, where two lines of code keep the sentence: file, old, new.
    """

    name: str
    rule: str
    file: str
    old: str
    new: str
    first: int = 0
    profile: str = ""
    also: tuple[tuple[str, str, str], ...] = ()


MUTANTS = (
    Mutant(
        "node-counts-from-arrival",
        "R13: a node counts its lease from when it SENT what was acknowledged",
        f"{NODE}/belief.py",
        "max(self.lease_until, sent + self._cut(lease_ttl))",
        "max(self.lease_until, now + self._cut(lease_ttl))",
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
        f"{SHELL}/engine/engine.py",
        "presence is None or not self.leases.renew(session_id, served)",
        "presence is None or session_id not in self.leases._leases",
        first=1,
    ),
    Mutant(
        "wall-clock-for-leases",
        "R13: the wall clock never frees or keeps a seat",
        "daemon/licd_kit/clock.py",
        "return time.clock_gettime_ns(_BOOTTIME) // _NS_PER_MS",
        "return time.time_ns() // _NS_PER_MS",
        first=14,
    ),
    Mutant(
        "node-wall-clock",
        "R13: leases use CLOCK_BOOTTIME",
        f"{NODE}/belief.py",
        "lease_until=sent + self._cut(answer.lease_ttl)",
        'lease_until=__import__("node_client.clock").clock.wall_ns() / 1e9 - 1.7e9 + 1e6 + answer.lease_ttl',
    ),
    Mutant(
        "granted-on-an-ended-lease",
        "R13, R17: a seat goes to the line, whose leases are judged first",
        f"{SHELL}/engine/engine.py",
        "return [*_over(first), self._tick(), *_over(rest), *drained,",
        "return [self._tick(), *_over(rest), *_over(first), *drained,",
        first=15,
        profile="silence",
    ),
    Mutant(
        "evicted-seat-given-away",
        "R13: a seat is free for another only when its holder left, acknowledged the loss, or its lease has ended: for"
        " eviction",
        f"{CORE}/evolve.py",
        "frozenset({EndReason.LEFT, EndReason.EXPIRED})",
        "frozenset({EndReason.LEFT, EndReason.EXPIRED, EndReason.EVICTED})",
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
        "seats = max(0, license_of(state).max_nodes - (state.tally.taken - own))",
        "seats = license_of(state).max_nodes",
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
        f"{SHELL}/engine/presence.py",
        "self._loss_serial <= echoed_serial <= self.serial",
        "echoed_serial <= self.serial",
        first=17,
    ),
    Mutant(
        "older-state-applied",
        "R13: every state carries a serial that rises within the session and orders them",
        f"{SHELL}/engine/presence.py",
        "self.serial += 1",
        "self.serial += 0 if self._reported else 1",
        first=2,
    ),
    Mutant(
        "acknowledgement-revives",
        "R15: judged at the instant of the call, while the lease runs",
        f"{NODE}/belief.py",
        "return self.reported if now < self.lease_until else NodeState.JEOPARDY",
        "return self.reported",
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
        f"{SHELL}/coordinator/coordinator.py",
        "command = c.StartEpoch(\n            epoch,",
        "command = c.StartEpoch(\n            max(1, self.state.epoch),",
    ),
    Mutant(
        "an-epoch-used-twice-passes",
        "R14: the daemon refuses a session that has seen one of the same number with another id",
        f"{CORE}/decide_sessions.py",
        "return epoch <= state.epoch and (not known or not epoch_id or known == epoch_id)",
        "return epoch <= state.epoch",
        profile="streams",
    ),
    Mutant(
        "a-higher-epoch-passes",
        "R14: the daemon refuses a session that has seen a higher one",
        f"{CORE}/decide_sessions.py",
        "return epoch <= state.epoch and (not known or not epoch_id or known == epoch_id)",
        "return not known or not epoch_id or known == epoch_id",
        profile="streams",
    ),
    Mutant(
        "leave-keeps-the-seat",
        "R14: Leave frees the seat at once",
        f"{CORE}/evolve.py",
        "frozenset({EndReason.LEFT, EndReason.EXPIRED})",
        "frozenset({EndReason.EXPIRED})",
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
        "superseded-stream-heard",
        "R16: the older stream is told `ended` (superseded), and from then on both sides ignore it",
        f"{SHELL}/rpc/node.py",
        "                if presence.stream is not stream:\n                    break\n",
        "",
        also=(
            (
                f"{SHELL}/rpc/keepalive.py",
                "        if self.over and self._task is not None:\n            self._task.cancel()\n",
                "",
            ),
        ),
        profile="late",
    ),
    Mutant(
        "late-resume-taken-for-a-copy",
        "R16: only a Resume that brings the nonce back ends the session for both: a late one has nobody who waits",
        f"{SHELL}/engine/presence.py",
        'return self.nonce != "" and hmac.compare_digest(self.nonce.encode(), nonce.encode())',
        "return True",
        first=20,
        profile="late",
    ),
    Mutant(
        "no-stream-number-is-stale",
        "R16: a Resume that names a number lower than one that was opened is stale",
        f"{SHELL}/engine/presence.py",
        "return 0 < last_stream < self.opened",
        "return False",
        profile="streams",
    ),
    Mutant(
        "given-passes-for-opened",
        "R16: stale is what is lower than one that was OPENED: an answer that was lost makes nobody stale",
        f"{SHELL}/engine/presence.py",
        "return 0 < last_stream < self.opened",
        "return 0 < last_stream < self.given",
        profile="streams",
    ),
    Mutant(
        "no-nonce-is-asked-for",
        "R16: only a Resume that brings that nonce back ends the session",
        f"{SHELL}/engine/presence.py",
        'return self.nonce != "" and hmac.compare_digest(self.nonce.encode(), nonce.encode())',
        "return True",
        profile="streams",
    ),
    Mutant(
        "any-number-opens",
        "R16: an `open` with a number lower than the newest given is told `superseded` and changes nothing else",
        f"{SHELL}/engine/presence.py",
        "return self.opened < self.given == (number or self.given)",
        "return True",
        profile="streams",
    ),
    Mutant(
        "numbers-begin-anew",
        "R16: `stream`, a number that rises within the session, over epochs too (upper half: the epoch)",
        f"{SHELL}/engine/presence.py",
        "self.serial = self.given = epoch << 32",
        "self.serial, self.given = epoch << 32, 0",
        profile="streams",
    ),
    Mutant(
        "silent-new-session",
        "R16: a session is LIVE, LOST or ENDED; an unknown or ended one is never a silent new one",
        f"{CORE}/decide_sessions.py",
        "def _refuse_ended(session: Session) -> None:\n",
        "def _refuse_ended(session: Session) -> None:\n    return\n",
        first=30,
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
        "state = _put(state, session, status=SessionStatus.LIVE, since=None, ",
        "state = _put(state, session, status=SessionStatus.LIVE, since=None, "
        "seat=Seat.HELD if session.holder else session.seat, ",
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
        "silence-seats-newcomers",
        "R17: a seat that silence frees goes only to a session that has overlapped with the living",
        f"{CORE}/model.py",
        "withheld = self.silent_seats if newcomer else 0",
        "withheld = 0",
        first=0,
        profile="restarts",
    ),
    Mutant(
        "newcomers-keep-it-alive",
        "R17: processes that are new prove nothing: when all restarted, the cluster must be certified again",
        f"{CORE}/model.py",
        "return self.holder and not self.newcomer",
        "return self.holder",
        first=0,
        profile="restarts",
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
        "return with_margin(state.longest_lease_ms) + max(handover_ms, state.longest_proof_ms)",
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
        f"{SHELL}/coordinator/service_clock.py",
        "if serving and self._serving and step <= STALL_MS:",
        "if serving and self._serving:",
        first=7,
        profile="daemon",
    ),
    Mutant(
        "unwritable-time-counts",
        "R17: only time in which the daemon could answer and write",
        f"{SHELL}/coordinator/coordinator.py",
        "return self.clock.now(self.serving)",
        "return self.clock.now(True)",
        first=74,
        profile="daemon",
    ),
    Mutant(
        "told-before-it-is-durable",
        "R33: nothing that the journal must hold is acknowledged before it does",
        f"{SHELL}/coordinator/coordinator.py",
        "        try:\n            await self._append(decided.events, decided.now)\n        except JournalUnavailable",
        "        self.engine.committed(decided, decided.now.served)\n        try:\n"
        "            await self._append(decided.events, decided.now)\n        except JournalUnavailable",
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
    Mutant(
        "no-outage-grace",
        "R41: may_run() is true while licensed or in that grace",
        f"{NODE}/belief.py",
        "return max(0.0, self.lease_until + self.outage_grace - now)",
        "return 0.0",
    ),
    Mutant(
        "state-takes-the-grace-away",
        "R41: an outage shorter than the license's grace ends no program",
        f"{SHELL}/rpc/keepalive.py",
        "outage_grace=duration(1000 * outage_grace_s),",
        "outage_grace=None,",
    ),
)


EXPLORED = (
    "evicted-seat-given-away",
    "reset-frees-at-once",
    "no-grace-after-a-start",
    "drain-ends-at-once",
    "any-heartbeat-acknowledges",
    "lost-ones-keep-nothing-alive",
    "silence-seats-newcomers",
    "window-skipped",
    "restart-resets",
)
