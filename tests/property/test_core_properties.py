"""Random commands against the core; after each, a naive model and what must always hold (R2, R7-R13, R16-R20).

- The journal's fold is the state, also through its bytes and a snapshot; a decision is pure; what raises changes
  nothing.
- No seat is granted while others hold or may believe in all of them: seats held or draining never rise above the
  maximum, except that a license for fewer may find more of them draining, and then they only fall (R13).
- The registration goes from state to state only as docs/states.md shows; it lives only in its sessions, and never in
  processes of which none has overlapped with the living (R17).
- The count of wrong codes falls only by a right one, and then to nothing (R9).
"""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from property.naive import Naive
from unit.core.world import APPLICATION, DAY, LEASE, MINUTE, OTHER_ID, SECOND, T0_S, drift_of, license_of

from licd_daemon.core import commands as c
from licd_daemon.core.checks import certificate_content_incorrect, qualifying
from licd_daemon.core.decide import Decision, decide
from licd_daemon.core.effect import effect_of
from licd_daemon.core.evolve import evolve, fold
from licd_daemon.core.model import EndReason, Now, Policy, Seat, SessionStatus, State, Tally
from licd_daemon.core.refusal import Reason
from licd_daemon.core.view import registration_state
from licd_daemon.journal import chain
from licd_daemon.journal.codec import decode_state, encode_state
from licd_daemon.journal.port import Head
from licd_formats.license import License

SETTINGS = settings(
    max_examples=500,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
SPANS = st.sampled_from([1, LEASE, MINUTE, MINUTE, 5 * MINUTE - 1, 15 * MINUTE, 30 * MINUTE, DAY, 20 * DAY])
POLICY = Policy(5 * MINUTE)

# From a registration's state, to which others one command may lead.
ALLOWED = {
    "UNLICENSED": {"UNREGISTERED"},
    "UNREGISTERED": {"UNLICENSED", "REGISTERED", "EXPIRED"},
    "REGISTERED": {"UNLICENSED", "UNREGISTERED", "RECOVERING", "EXPIRED"},
    "RECOVERING": {"UNLICENSED", "UNREGISTERED", "REGISTERED", "EXPIRED"},
    "EXPIRED": {"UNLICENSED", "UNREGISTERED", "REGISTERED", "RECOVERING"},
}


class Core(RuleBasedStateMachine):
    """One deployment, twice."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State()
        self.now = Now(T0_S * 1000, 0, 0)
        self.naive = Naive()
        self.naive.wall = self.now.wall
        self.head = Head()
        self.epoch = 0
        self.drawn = 0
        self.issued = 0

    def do(self, command: c.Command) -> Decision:
        """Decides, and checks everything that is so for any command."""
        before = self.state
        decision = decide(before, command, self.now, POLICY)
        again = decide(before, command, self.now, POLICY)
        assert (decision.events, decision.state) == (again.events, again.state)
        assert str(decision.refusal) == str(again.refusal)
        assert before == self.state
        if not decision.events:
            assert decision.state == before
        records, self.head = chain.extend(self.head, decision.events, self.now)
        entries = [(entry.event, entry.now) for entry in map(chain.decode, records)]
        assert fold(before, entries) == decision.state
        assert all(entry == (event, self.now) for entry, event in zip(entries, decision.events, strict=True))
        self.check_grants(before, decision)
        self.check_count(before, decision)
        old, new = str(registration_state(before)), str(registration_state(decision.state))
        assert new == old or new in ALLOWED[old], (command, old, new)
        self.state = decision.state
        return decision

    def check_grants(self, before: State, decision: Decision) -> None:
        """R13, after every single event: seats taken rise only up to the maximum."""
        state = before
        for event in decision.events:
            after = evolve(state, event, self.now)
            if after.tally.taken > state.tally.taken:
                assert after.license is not None
                assert after.tally.taken <= after.license.max_nodes, event
            others = {key for key, session in state.sessions.items() if session.seat is not Seat.NONE}
            for key, session in after.sessions.items():
                if session.seat is Seat.HELD and key not in others:
                    assert self.now.served >= state.granting_from, event
                    assert after.license is not None
                    assert after.tally.taken <= after.license.max_nodes, event
            state = after

    def check_count(self, before: State, decision: Decision) -> None:
        """R9: the count falls only by a right code, to nothing."""
        was, now = before.lockout.wrong_codes, decision.state.lockout.wrong_codes
        if now < was:
            assert now == 0
            assert any(type(event).__name__ == "CodeMatched" for event in decision.events)

    def both(self, command: c.Command) -> bool:
        """Whether the core has not refused the command."""
        return self.do(command).refusal is None

    # Time

    @initialize(max_nodes=st.integers(1, 3), more=st.lists(NAMES, max_size=5), bare=st.integers(0, 9))
    def first_start(self, max_nodes: int, more: list[str], bare: int) -> None:
        """Mostly a registered cluster, with nodes that wait."""
        self.restart()
        if bare:
            self.upload(OTHER_ID, max_nodes, "10.0", 365, None, False)
            self.register(["a", "b"])
            for name in more:
                self.join(name, "10.0.19")

    @rule()
    def restart(self) -> None:
        self.epoch += 1
        self.now = Now(self.now.wall + SECOND, 0, self.now.served)
        self.naive.wall, self.naive.run = self.now.wall, 0
        assert self.both(c.StartEpoch(self.epoch, LEASE))
        self.naive.restart()
        self.naive.settle()

    @rule(span=SPANS, served=st.booleans())
    def later(self, span: int, served: bool) -> None:
        now = self.now
        self.now = Now(now.wall + span, now.run + span, now.served + (span if served else 0))
        self.naive.wall, self.naive.run, self.naive.served = self.now.wall, self.now.run, self.now.served
        assert self.both(c.Tick())
        self.naive.tick()
        self.naive.settle()

    # License and code

    @rule(
        id=st.sampled_from([license_of().license_id, OTHER_ID]),
        max_nodes=st.integers(1, 3),
        version=st.sampled_from(["10.0"] * 5 + ["11.0"]),
        days=st.sampled_from([30, 365, 365]),
        recertify=st.sampled_from([None, None, 20]),
        older=st.booleans(),
        asked=st.booleans(),
    )
    def upload(
        self, id: str, max_nodes: int, version: str, days: int, recertify: int | None, older: bool, asked: bool = True
    ) -> None:
        """`asked`: with `replace`; without it only what costs nothing goes on (R2)."""
        self.issued += 0 if older else 1
        issued, expires = T0_S + self.issued, self.now.wall // 1000 + days * 86_400
        license = license_of(
            license_id=id, max_nodes=max_nodes, version=version, issued_at=issued, expires_at=expires,
            recertify_days=recertify,
        )  # fmt: skip
        plain = {
            "id": id, "max_nodes": max_nodes, "version": version, "issued": issued, "expires": expires * 1000,
            "recertify": recertify,
        }  # fmt: skip
        before = self.state
        decision = self.do(c.UploadLicense(license, "LOCAL_CONTAINER", "0" * 32, asked))
        self.check_loss(before, license, decision, asked)
        naive = self.naive
        in_force = naive.license is not None and naive.license["id"] == id
        newest = naive.newest.get(id, 0)
        if naive.license != plain and (issued < newest or (in_force and issued == newest)):
            assert decision.refusal is not None
            assert decision.refusal.reason is Reason.LICENSE_OLDER
        elif naive.license != plain and in_force and naive.taken() > max_nodes:
            assert decision.refusal is not None
            assert decision.refusal.reason is Reason.SEATS_IN_USE
        elif decision.refusal is not None:
            assert decision.refusal.reason is Reason.WOULD_END_REGISTRATION
            assert not asked
        else:
            assert decision.refusal is None
            naive.install(plain)
            naive.settle()
            return
        assert self.state == before

    def check_loss(self, before: State, license: License, decision: Decision, asked: bool) -> None:
        """R2: what is said to be lost is what is lost, and nothing is lost unasked."""
        replaced = decide(before, c.UploadLicense(license, "LOCAL_CONTAINER", "0" * 32, True), self.now, POLICY)
        if replaced.refusal is not None or decide(before, c.Tick(), self.now, POLICY).events:
            return
        after = decide(replaced.state, c.Tick(), self.now, POLICY).state
        held = {key for key, each in before.sessions.items() if each.seat is Seat.HELD}
        lost = {key for key in held if after.sessions[key].seat is not Seat.HELD}
        ended = before.registration is not None and after.registration is None
        effect = effect_of(before, license, self.now)
        assert (effect.ends_registration, effect.seats_lost) == (ended, len(lost))
        if not asked and (ended or lost):
            assert decision.refusal is not None
            assert decision.refusal.effect == effect

    @rule()
    def challenge(self) -> None:
        naive = self.naive
        self.drawn += 1
        license_id = self.state.license.license_id if self.state.license else OTHER_ID
        may = naive.license is not None and not naive.locked() and self.now.wall < naive.license["expires"]
        done = self.both(c.CreateChallenge(f"{self.drawn:016x}", license_id, "https://portal/Q/X"))
        assert done is may
        naive.settle()

    @precondition(lambda self: self.state.challenge is not None)
    @rule(outcome=st.sampled_from(["right", "right", "wrong", "crash", "license"]))
    def code(self, outcome: str) -> None:
        naive, challenge = self.naive, self.state.challenge
        assert challenge is not None
        usable = not challenge.used and self.now.run < challenge.run + 5 * MINUTE and not naive.locked()
        attempted = self.both(c.AttemptCode(challenge.challenge_id))
        if not naive.locked() and (usable or (naive.open_attempt and naive.wrong > 5)):
            assert naive.attempt() is attempted
        else:
            assert not attempted
        if not attempted or outcome == "crash":
            return
        if outcome == "license":  # replaced while the code was compared
            self.upload(OTHER_ID, 2, "10.0", 30, None, False)
        current = self.state.challenge is not None and self.state.challenge.challenge_id == challenge.challenge_id
        self.do(c.SettleCode(challenge.challenge_id, outcome != "wrong"))
        naive.settle_code(outcome != "wrong", current)
        naive.settle()

    @rule(many=st.integers(2, 7))
    def guess(self, many: int) -> None:
        self.challenge()
        for _ in range(many):
            if self.state.challenge is not None:
                self.code("wrong")

    @rule(names=st.lists(NAMES, min_size=1, max_size=3, unique=True))
    def register(self, names: list[str]) -> None:
        """An administrator who does all that it takes, for a cluster with nodes of these names."""
        if self.state.license is None or self.state.license_expired:
            self.upload(OTHER_ID, 2, "10.0", 365, None, False)
        for name in names:
            self.join(name, "10.0.19")
        for name in self.naive.live():
            assert self.naive.license is not None
            if not self.naive.fits(name) or len(self.naive.live()) > self.naive.license["max_nodes"]:
                self.leave(name)
        while self.naive.locked():
            self.later(15 * MINUTE, True)
        self.challenge()
        self.code("right")

    @rule()
    def reset(self) -> None:
        assert self.both(c.ResetRegistration())
        if self.naive.registration:
            self.naive.end_registration()
        self.naive.settle()

    @precondition(lambda self: self.state.license is not None)
    @rule(sure=st.integers(0, 3))
    def release(self, sure: int) -> None:
        if sure:
            return
        assert self.state.license is not None
        assert self.both(c.ReleaseLicense(self.state.license.license_id, "https://portal/R/X"))
        self.naive.release()
        self.naive.settle()

    # Nodes

    @rule(name=NAMES, version=st.sampled_from(["10.0.19"] * 5 + ["11.0"]))
    def join(self, name: str, version: str) -> None:
        application = type(APPLICATION)("report-server", version, "2024-05-31", "sales")
        done = self.both(c.Join(name, name, name, name, application))
        ended = name in self.naive.sessions and self.naive.sessions[name]["status"] == "ENDED"
        assert done is not ended
        if done:
            self.naive.join(name, ".".join(version.split(".")[:2]))
        self.naive.settle()

    @rule(name=NAMES)
    def attacks_change_nothing(self, name: str) -> None:
        before = self.state
        for command in (c.Resume(name, "x", 0), c.Leave(name, "x")):
            assert not self.both(command)
        if name in before.sessions:
            assert not self.both(c.Join(name, name, name, "x", APPLICATION))
        assert self.state == before
        assert not self.both(c.UploadLicense(certificate_content_incorrect(), "LOCAL_CONTAINER", "0" * 32))
        assert (self.state.license, self.state.registration) == (before.license, before.registration)
        self.naive.settle()

    @rule(name=NAMES, seen=st.integers(0, 1))
    def resume(self, name: str, seen: int) -> None:
        done = self.both(c.Resume(name, name, self.epoch + seen))
        known = name in self.naive.sessions
        assert done is (known and self.naive.sessions[name]["status"] != "ENDED" and not seen)
        if done:
            self.naive.back(name)
        self.naive.settle()

    @rule(name=NAMES)
    def leave(self, name: str) -> None:
        assert self.both(c.Leave(name, name)) is (name in self.naive.sessions)
        if name in self.naive.sessions:
            self.naive.leave(name)
        self.naive.settle()

    @rule(name=NAMES, reason=st.sampled_from([EndReason.EVICTED, EndReason.COPIED]))
    def end_session(self, name: str, reason: EndReason) -> None:
        assert self.both(c.EndSession(name, reason)) is (name in self.naive.sessions)
        if name in self.naive.sessions and self.naive.sessions[name]["status"] != "ENDED":
            if self.naive.sessions[name]["status"] == "LIVE":
                self.naive.heard(name)
            self.naive.end(name, str(reason))
        self.naive.settle()

    @rule(name=NAMES)
    def silent(self, name: str) -> None:
        assert self.both(c.LeaseOver(name))
        if name in self.naive.sessions:
            self.naive.silent(name)
        self.naive.settle()

    @rule()
    def all_silent(self) -> None:
        for name in list(self.naive.sessions):
            self.silent(name)

    @rule(names=st.permutations(["a", "b", "c", "d", "e"]))
    def all_return(self, names: list[str]) -> None:
        for name in names:
            if name in self.naive.sessions:
                self.resume(name, 0)

    @rule(name=NAMES, late=st.lists(NAMES, max_size=1))
    def heartbeat(self, name: str, late: list[str]) -> None:
        """A sign of life of a session in sight. One that joins before the daemon's next tick has not met it."""
        if name not in self.naive.live():
            return
        vouched = self.state.vouched_by(name)
        self.naive.heard(name)
        for each in late:
            self.join(each, "10.0.19")
        assert self.both(c.Tick(vouched))
        self.naive.tick()
        self.naive.settle()

    @rule(name=NAMES, silent=st.booleans())
    def drained(self, name: str, silent: bool) -> None:
        assert self.both(c.DrainOver(name, silent))
        if name in self.naive.sessions:
            self.naive.drained(name, silent=silent)
        self.naive.settle()

    @rule(name=NAMES)
    def memory_over(self, name: str) -> None:
        assert self.both(c.MemoryOver(name))
        if name in self.naive.sessions:
            self.naive.memory_over(name)
        self.naive.settle()

    @rule(name=NAMES, ok=st.booleans(), joining=st.booleans())
    def judge_clock(self, name: str, ok: bool, joining: bool) -> None:
        assert self.both(c.JudgeClock(name, None if ok else drift_of(name), joining))
        if name in self.naive.sessions:
            self.naive.judge(name, ok, joining)
        self.naive.settle()

    # What must always hold

    @invariant()
    def the_naive_model_agrees(self) -> None:
        state, naive = self.state, self.naive
        found = {key: (str(s.status), str(s.seat), s.holder, s.since) for key, s in state.sessions.items()}
        expected = {key: (s["status"], s["seat"], s["holder"], s["since"]) for key, s in naive.sessions.items()}
        assert found == expected
        assert [state.line[place] for place in sorted(state.line)] == [n for n in naive.line if n in naive.live()]
        assert (state.registration is None) is (naive.registration is None)
        if state.registration is not None and naive.registration is not None:
            assert state.registration.recovering_since == naive.registration["recovering"]
        lockout = state.lockout
        assert (lockout.wrong_codes, lockout.lockouts) == (naive.wrong, naive.lockouts)
        assert bool(lockout.left_ms(self.now)) is naive.locked()

    @invariant()
    def counts_and_line_are_those_of_the_sessions(self) -> None:
        state, tally = self.state, Tally()
        for session in state.sessions.values():
            tally = tally.plus(session, 1)
        assert state.tally == tally
        live = {
            s.line: key for key, s in state.sessions.items() if s.line is not None and s.status is SessionStatus.LIVE
        }
        assert dict(state.line) == live
        if state.line:
            assert state.line_head == min(state.line)
            assert state.line_tail > max(state.line)
        places = [s.line for s in state.sessions.values() if s.line is not None]
        assert len(places) == len(set(places))
        assert {s.instance_id: key for key, s in state.sessions.items()} == dict(state.instances)

    @invariant()
    def a_snapshot_gives_the_state_back(self) -> None:
        assert decode_state(encode_state(self.state)) == self.state

    @invariant()
    def only_those_in_sight_have_seats(self) -> None:
        for session in self.state.sessions.values():
            gone = session.status in (SessionStatus.LOST, SessionStatus.ENDED)
            assert not (gone and session.seat is Seat.HELD)
            assert not (gone and session.line is not None)
            if session.seat is Seat.HELD:
                assert self.state.registration is not None
                assert session.holder

    @invariant()
    def a_registration_lives_in_its_sessions_only(self) -> None:
        living, tally = self.state.registration, self.state.tally
        if living is None:
            assert not self.state.line
            assert tally.held == tally.holders_live == tally.holders_awaited == tally.holders_lost == 0
        elif not (tally.holders_live or tally.holders_awaited or tally.holders_lost):
            assert living.copied
            assert living.recovering_since is not None
        assert {key for key, s in self.state.sessions.items() if s.newcomer} == set(self.state.newcomers.values())
        assert self.state.recovering is (living is not None and not tally.holders_live)

    @invariant()
    def a_registration_never_lives_on_in_processes_that_met_nobody_of_it(self) -> None:
        naive = self.naive
        if self.state.registration is None or self.state.recovering:
            return
        assert [name for name in naive.live() if naive.carries(name)]

    @invariant()
    def no_seat_is_free_while_somebody_waits(self) -> None:
        state = self.state
        if not state.open:
            return
        assert self.state.next_in_line(self.now) is None
        assert not self.naive.entitled()
        for session in state.sessions.values():
            if session.status is SessionStatus.LIVE and not qualifying(state, session):
                assert session.seat is Seat.HELD or session.line is not None, session


def test_random_commands_against_a_naive_model() -> None:
    run_state_machine_as_test(Core, settings=SETTINGS)
