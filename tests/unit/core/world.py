"""A cluster in the pure core, by short names: state, clocks, and commands, so that a test reads like its rule.

Nodes are named by one word, which is also their session id (`w.join("a")`), their instance and their secret. Whatever
is decided is journaled, and after each command the journal's fold must be the state.
"""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest

from licd_daemon.core import commands as c
from licd_daemon.core.checks import clock_drift
from licd_daemon.core.decide import Decision, decide
from licd_daemon.core.decide_upload import try_upload
from licd_daemon.core.events import AnyEvent
from licd_daemon.core.evolve import evolve
from licd_daemon.core.model import (
    Actor,
    Application,
    EndReason,
    Failure,
    Now,
    Policy,
    Role,
    Session,
    State,
)
from licd_daemon.core.refusal import Reason, Refused
from licd_daemon.core.upload_effect import Effect
from licd_daemon.core.view import NodeState, node_state, registration_state
from licd_formats.license import License, LicensedApplication, Portal, Vendor

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
T0_S = 1_700_000_000  # 2023-11-14T22:13:20Z, when every world begins
YEAR_S = 365 * 86_400
LEASE = 15 * SECOND
GRACE = 15_301  # a lease and its margin: after a start, no seat goes to anyone but its recorded holder (R18)

LICENSE = License(
    license_id="11111111-1111-4111-8111-111111111111",
    issuer="Vendor Ltd",
    company="Acme Ltd",
    issued_at=T0_S,
    expires_at=T0_S + YEAR_S,
    project="Sales reports",
    auth_method="LOCAL_CONTAINER",
    application=LicensedApplication("report-server", "10.0", "sales", "2021-10-30"),
    max_nodes=2,
    portal=Portal("https://portal.vendor.example", "A" * 43),
    vendor=Vendor("Vendor Ltd", "licenses@vendor.example"),
    key_id="key-1",
    recertify_days=None,
)
OTHER_ID = "22222222-2222-4222-8222-222222222222"
APPLICATION = Application("report-server", "10.0.19", "2024-05-31", "sales")


def license_of(**changes: object) -> License:
    """The license for two nodes for a year, with changes; `version`, `name`, `content` are the application's."""
    names = ("name", "version", "content", "min_build_date", "min_version")
    inner = {key: changes.pop(key) for key in names if key in changes}
    application = dataclasses.replace(LICENSE.application, **inner)  # type: ignore[arg-type]
    return dataclasses.replace(LICENSE, application=application, **changes)  # type: ignore[arg-type]


def drift_of(name: str) -> Failure:
    """The failure of a node whose clock is 12.3 s ahead."""
    return clock_drift(name, 12_300, 4, 5000)


@contextmanager
def refused(reason: str) -> Iterator[list[Refused]]:
    """What is done within is refused for `reason`; gives the refusal afterwards."""
    caught: list[Refused] = []
    with pytest.raises(Refused) as raised:
        yield caught
    caught.append(raised.value)
    assert raised.value.reason is Reason(reason), raised.value


class World:
    """One deployment. Times are in ms from the world's beginning, on all three clocks unless told otherwise."""

    def __init__(self, *, window: int = 5 * MINUTE) -> None:
        self.state = State()
        self.folded = State()
        self.now = Now(T0_S * 1000, 0, 0)
        self.policy = Policy(window)
        self.events: tuple[AnyEvent, ...] = ()
        self.epoch = 0
        self.challenges = 0
        self.restart()

    def do(self, command: c.Command) -> tuple[AnyEvent, ...]:
        """Carries a command out and gives its events; raises its refusal, whose events have happened all the same."""
        decision = self.decide(command)
        self.state, self.events = decision.state, decision.events
        for event in decision.events:
            self.folded = evolve(self.folded, event, self.now)
        assert self.folded == self.state, command
        if decision.refusal is not None:
            raise decision.refusal
        return decision.events

    def decide(self, command: c.Command) -> Decision:
        """What would be decided."""
        return decide(self.state, command, self.now, self.policy)

    # Time

    def later(self, span: int, *, served: bool = True) -> tuple[AnyEvent, ...]:
        """Time goes by, and the daemon looks at the clock; `served` False: it could not answer and write meanwhile."""
        now = self.now
        self.now = Now(now.wall + span, now.run + span, now.served + (span if served else 0))
        return self.do(c.Tick())

    def until(self, wall_s: int) -> tuple[AnyEvent, ...]:
        """Wall time goes on to an instant."""
        return self.later(wall_s * 1000 - self.now.wall)

    def restart(self, *, down: int = 0, lease: int = LEASE) -> None:
        """The daemon starts, after it was down for a while."""
        self.epoch += 1
        self.now = Now(self.now.wall + down, 0, self.now.served)
        self.do(c.StartEpoch(self.epoch, lease))

    # License, challenge and code

    def upload(
        self,
        license: License | Failure | None = None,
        method: str = "LOCAL_CONTAINER",
        *,
        replace: bool = False,
        **changes: object,
    ) -> None:
        self.do(c.UploadLicense(license or license_of(**changes), method, f"{self.challenges:032x}", replace))

    def try_upload(self, method: str = "LOCAL_CONTAINER", **changes: object) -> Effect:
        """What an upload would change; nothing happens."""
        before = self.state
        try:
            return try_upload(self.state, license_of(**changes), method, self.now)
        finally:
            assert self.state is before

    def challenge(self) -> str:
        """A fresh challenge's id."""
        self.challenges += 1
        challenge_id = f"{self.challenges:016x}"
        assert self.state.license is not None
        self.do(c.CreateChallenge(challenge_id, self.state.license.license_id, f"https://portal/Q/{challenge_id}"))
        return challenge_id

    def attempt(self, challenge_id: str) -> None:
        self.do(c.AttemptCode(challenge_id))

    def code(self, challenge_id: str, *, right: bool = True) -> None:
        """A code is counted, compared and settled."""
        self.attempt(challenge_id)
        self.do(c.SettleCode(challenge_id, right))

    def wrong(self, count: int = 1) -> None:
        """So many wrong codes, of which none locks, on a fresh challenge."""
        challenge_id = self.challenge()
        for _ in range(count):
            with refused("WRONG_CODE"):
                self.code(challenge_id, right=False)

    def lock(self) -> None:
        """Wrong codes until one locks."""
        challenge_id = self.challenge()
        while True:
            try:
                self.code(challenge_id, right=False)
            except Refused as refusal:
                if refusal.reason is Reason.LOCKED_OUT:
                    return

    def register(self, *names: str) -> "World":
        """Nodes of these names join, and the cluster is registered with them and those that were there."""
        for name in names:
            self.join(name)
        self.code(self.challenge())
        return self

    def reset(self) -> None:
        self.do(c.ResetRegistration())

    def release(self) -> None:
        assert self.state.license is not None
        self.do(c.ReleaseLicense(self.state.license.license_id, "https://portal/R/X"))

    # Tokens

    def token(self, token_id: str, role: Role = Role.NODE, *, ends_in: int | None = None, uses: int = 0) -> None:
        """A token whose id is also its name and its secret; `ends_in`: ms from now."""
        ends_at = None if ends_in is None else self.now.wall + ends_in
        self.do(c.CreateToken(token_id, role, token_id, token_id, ends_at, uses))

    def revoke(self, token_id: str) -> None:
        self.do(c.RevokeToken(token_id))

    def enroll(self, join: str, node: str) -> None:
        """A node makes a token of its own, which is named as its secret is."""
        self.do(c.Enroll(f"{node}-token", node, node, actor=self.by(join)))

    def rotate(self, token_id: str, secret: str, *, overlap: int) -> None:
        self.do(c.RotateToken(token_id, secret, overlap))

    def by(self, token_id: str) -> Actor | None:
        """Who shows this token; "": nobody that is known."""
        if not token_id:
            return None
        return Actor(self.state.tokens[token_id].role, "token", token_id, token_id, "192.0.2.1")

    @property
    def tokens(self) -> str:
        """The tokens in force."""
        return " ".join(sorted(key for key, token in self.state.tokens.items() if not token.revoked))

    # Nodes

    def join(
        self, node: str, /, *, secret: str | None = None, instance: str | None = None, token: str = "", **app: object
    ) -> None:
        application = msgspec.structs.replace(APPLICATION, **app)
        self.do(c.Join(node, node, instance or node, secret or node, application, actor=self.by(token)))

    def resume(self, name: str, *, secret: str | None = None, seen: int = 0, token: str = "") -> None:
        self.do(c.Resume(name, secret or name, seen, actor=self.by(token)))

    def leave(self, *names: str) -> None:
        for name in names:
            self.do(c.Leave(name, name))

    def evict(self, *names: str) -> None:
        for name in names:
            self.do(c.EndSession(name, EndReason.EVICTED))

    def copied(self, name: str) -> None:
        self.do(c.EndSession(name, EndReason.COPIED))

    def silent(self, *names: str) -> None:
        """Their leases end."""
        for name in names:
            self.do(c.LeaseOver(name))

    def heard(self, *names: str) -> None:
        """Their heartbeats come, and the daemon's next tick."""
        for name in names:
            self.do(c.Tick(self.state.vouched_by(name)))

    def drained(self, *names: str) -> None:
        """Their holders have acknowledged the loss of their seats."""
        for name in names:
            self.do(c.DrainOver(name))

    def forget(self, name: str) -> None:
        self.do(c.MemoryOver(name))

    def drift(self, name: str, *, joining: bool = False) -> None:
        self.do(c.JudgeClock(name, drift_of(name), joining))

    def heal(self, name: str) -> None:
        self.do(c.JudgeClock(name, None, False))

    # What is seen

    def session(self, name: str) -> Session:
        return self.state.sessions[name]

    def node(self, name: str) -> NodeState:
        return node_state(self.state, self.session(name))[0]

    def nodes(self, *names: str) -> str:
        """Their states, such as `LICENSED WAITING`."""
        return " ".join(self.node(name) for name in names)

    def reasons(self, name: str) -> list[str]:
        return [str(failure.reason) for failure in node_state(self.state, self.session(name))[1]]

    @property
    def registration(self) -> str:
        return str(registration_state(self.state))

    def kinds(self) -> list[str]:
        """The names of the last command's events."""
        return [type(event).__name__ for event in self.events]


def licensed(*, window: int = 5 * MINUTE, **changes: object) -> World:
    """A world with the license, with changes; `window` is the daemon's."""
    world = World(window=window)
    world.upload(license_of(**changes))
    return world
