# ruff: noqa: INP001 (a script, not a package)
"""Writes docs/states.md: the state diagrams, found by trying every command on the core itself.

A small closed world (two nodes, two licenses, one challenge at a time) is explored breadth first: each state reached is
given each command, and what `decide` makes of it is noted. So the diagrams show what the core does, not what somebody
thought it does; a test regenerates them and compares.

Run: python docs/generate_states.py
"""

import dataclasses
from collections import defaultdict, deque
from collections.abc import Iterator
from pathlib import Path

from licd_daemon.core import commands as c
from licd_daemon.core.checks import clock_drift
from licd_daemon.core.decide import decide
from licd_daemon.core.events import LicenseExpired, RegistrationReset, SeatGranted, SessionEnded, SessionForgotten
from licd_daemon.core.model import (
    Application,
    Challenge,
    EndReason,
    Now,
    Policy,
    Seat,
    Session,
    SessionStatus,
    State,
)
from licd_daemon.core.view import registration_state
from licd_formats.license import License, LicensedApplication, Portal, Vendor

PAGE = Path(__file__).with_name("states.md")
START = "[*]"

MINUTE = 60_000
DAY = 24 * 60 * MINUTE
YEAR = 365 * DAY
GRACE = 20_000
CHALLENGE_OVER = "5 minutes over"
BY_TIME = {  # what time brought, named by its event; the first that happened
    LicenseExpired: "exp reached",
    RegistrationReset: "recovery window over",
    SessionForgotten: "24 h over",
    SessionEnded: "24 h over",
    SeatGranted: "a lease after the start",
}
POLICY = Policy(recovery_window_ms=5 * MINUTE)
NODES = ("a", "b")
APPLICATION = Application("report-server", "10.0", "2024-05-31", "sales")
LICENSE = License(
    license_id="11111111-1111-4111-8111-111111111111",
    issuer="Vendor",
    company="Company",
    issued_at=1,
    expires_at=YEAR // 1000,
    project="Project",
    auth_method="LOCAL_CONTAINER",
    application=LicensedApplication("report-server", "10.0", "sales", "2021-10-30"),
    max_nodes=1,
    portal=Portal("https://portal.example", "A" * 43),
    vendor=Vendor("Vendor", "licenses@vendor.example"),
    key_id="key-1",
    recertify_days=None,
)
OTHER = dataclasses.replace(LICENSE, license_id="22222222-2222-4222-8222-222222222222")

Transitions = dict[tuple[str, str], set[str]]


@dataclasses.dataclass(frozen=True)
class Step:
    """A command as the diagrams name it (empty: time), the time that goes by before it, and whom it concerns."""

    label: str
    command: c.Command
    wall: int = 0
    run: int = 0
    served: int = 0
    node: str = ""


def steps(state: State) -> Iterator[Step]:
    """Everything that may happen in a state."""
    yield Step("daemon starts", c.StartEpoch(state.epoch + 1, 15_000), run=-1)
    for span in (GRACE, POLICY.recovery_window_ms, YEAR):
        yield Step("", c.Tick(), span, span, span)
    yield Step("UploadLicense (another id)", c.UploadLicense(_another(state), "LOCAL_CONTAINER", "0" * 32, True))
    if state.license is not None:
        yield Step("UploadLicense (reissue)", c.UploadLicense(_reissue(state.license), "LOCAL_CONTAINER", "0" * 32))
        yield Step("CreateChallenge", c.CreateChallenge(f"{len(state.past_challenges)}", state.license.license_id, ""))
        yield Step("ReleaseLicense", c.ReleaseLicense(state.license.license_id, ""))
    if state.challenge is not None:
        yield Step("AttemptCode", c.AttemptCode(state.challenge.challenge_id))
        if state.lockout.attempt_open:
            yield Step("right code", c.SettleCode(state.challenge.challenge_id, True))
    yield Step("ResetRegistration", c.ResetRegistration())
    for name in NODES:
        yield from _node_steps(state, name)


def _node_steps(state: State, name: str) -> Iterator[Step]:
    for label, command in (
        ("Join", c.Join(name, name, name, name, APPLICATION)),
        ("Resume", c.Resume(name, name, 0)),
        ("Leave", c.Leave(name, name)),
        ("EvictNode", c.EndSession(name, EndReason.EVICTED)),
        ("copy found", c.EndSession(name, EndReason.COPIED)),
        ("lease over", c.LeaseOver(name)),
        ("loss acknowledged", c.DrainOver(name)),
        ("drain over", c.DrainOver(name, silent=True)),
        ("drifted at join", c.JudgeClock(name, clock_drift(name, 9000, 1, 5000), True)),
        ("clock healed", c.JudgeClock(name, None, False)),
    ):
        yield Step(label, command, node=name)
    session = state.sessions.get(name)
    if session is not None and session.status is SessionStatus.LIVE and (heard := state.vouched_by(name)):
        yield Step("heartbeat", c.Tick(heard), node=name)
    yield Step("", c.MemoryOver(name), DAY, DAY, DAY, node=name)


def _another(state: State) -> License:
    return OTHER if state.license is not None and state.license.license_id == LICENSE.license_id else LICENSE


def _reissue(license: License) -> License:
    return dataclasses.replace(license, issued_at=license.issued_at + 1, expires_at=license.expires_at + YEAR // 1000)


def explore() -> dict[str, Transitions]:
    """The transitions of each diagram, and what causes them."""
    found: dict[str, Transitions] = {name: defaultdict(set) for name in ("registration", "session", "challenge")}
    first = (State(), Now(0, 0, 0))
    seen, todo = {_essence(*first)}, deque([first])
    while todo:
        state, now = todo.popleft()
        for step in steps(state):
            after = Now(now.wall + step.wall, 0 if step.run < 0 else now.run + step.run, now.served + step.served)
            tick = decide(state, c.Tick() if step.served else step.command, after, POLICY)
            decision = decide(tick.state, step.command, after, POLICY) if step.served else tick
            events = {type(event) for event in (*tick.events, *decision.events)}
            label = step.label or next((BY_TIME[kind] for kind in BY_TIME if kind in events), CHALLENGE_OVER)
            _note(found, dataclasses.replace(step, label=label), (state, now), (decision.state, after))
            essence = _essence(decision.state, after)
            if essence not in seen:
                seen.add(essence)
                todo.append((decision.state, after))
    return found


def _essence(state: State, now: Now) -> object:
    """What makes a state differ, but for times and numbers that rise permanently, and which of the nodes is which."""
    registration = state.registration
    sessions = sorted(_session_essence(session) for session in state.sessions.values())
    living = None if registration is None else (registration.recovering_since is None, registration.copied)
    challenge = _challenge_state(state.challenge, now), state.lockout.attempt_open
    free = now.served < state.granting_from, state.silent_seats
    return registration_state(state), living, tuple(sessions), challenge, free


def _session_essence(s: Session) -> tuple[object, ...]:
    drains = s.seat is Seat.DRAINING and str(s.ended)
    return s.status, s.seat, s.holder, s.newcomer, s.line is not None, s.clock is None, drains


def _challenge_state(challenge: Challenge | None, now: Now) -> str:
    return START if challenge is None else str(challenge.state(now))


def _session_state(session: Session | None) -> str:
    """Its status, and its seat where it may have one."""
    if session is None:
        return START
    if session.seat is Seat.NONE:
        line = "_IN_LINE" if session.line is not None and session.status is SessionStatus.LIVE else ""
        return f"{session.status}{line}"
    return f"{session.status}_{session.seat}"


def _note(found: dict[str, Transitions], step: Step, before: tuple[State, Now], after: tuple[State, Now]) -> None:
    """Notes what a step has changed in each diagram."""

    def note(diagram: str, old: str, new: str, label: str) -> None:
        if old != new:
            found[diagram][old, new].add(label)

    (old, then), (new, now) = before, after
    note("registration", registration_state(old), registration_state(new), step.label)
    for name in NODES:
        label = f"another's {step.label}" if step.node and step.node != name else step.label
        forgotten = BY_TIME[SessionForgotten] if step.served and name not in new.sessions else label
        note("session", _session_state(old.sessions.get(name)), _session_state(new.sessions.get(name)), forgotten)
    drawn = step.label == "CreateChallenge" and new.challenge is not old.challenge
    challenge = None if drawn else old.challenge
    label = CHALLENGE_OVER if step.served else step.label
    note("challenge", _challenge_state(challenge, then), _challenge_state(new.challenge, now), label)
    if drawn and old.challenge is not None:
        note("challenge", _challenge_state(old.challenge, then), START, step.label)


def _diagram(transitions: Transitions) -> str:
    """Mermaid: one arrow for each transition."""
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    {old} --> {new}: {_causes(transitions[old, new])}" for old, new in sorted(transitions)]
    return "\n".join([*lines, "```"])


def _causes(labels: set[str]) -> str:
    """The causes: what another node's command may do is shown only where nothing else does it."""
    own = {label for label in labels if not label.startswith("another's ")}
    return ", ".join(sorted(own or labels))


def page() -> str:
    """The whole of docs/states.md."""
    found = explore()
    diagrams = {name: _diagram(transitions) for name, transitions in found.items()}
    return TEMPLATE.format(**diagrams)


TEMPLATE = """\
# States

Made by `docs/generate_states.py`, which tries every command on the core in every state of a small world: two nodes, a
license for one, a recovery window of five minutes. Do not edit. An arrow that is not here does not happen; the rules
in brackets are those of the design.

## Registration (R2, R3, R17, R18)

What `RegistrationState` says. After `exp`, the registration lives on under EXPIRED for a reissue to go on with.

{registration}

## Session and seat (R13, R16)

A session's status, and after it its seat: none, HELD, DRAINING (withdrawn, and nobody else's while its holder may still
believe in it) or a place IN_LINE. AWAITED: was live before the daemon started, and its lease still runs.

{session}

## Challenge (R7)

PENDING becomes EXPIRED by time alone, after five minutes. A new challenge ends the one before, whatever became of it.

{challenge}
"""

if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
