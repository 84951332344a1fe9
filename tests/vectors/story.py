"""A cluster's life in which every kind of event happens, decided by the core of whichever version runs it.

0.1.0 can play it too, so it uses only names that 0.1.0 had. Versions may refuse different parts of it, but each kind of
event must happen at least once.
"""

from collections.abc import Callable, Sequence
from typing import Any, get_type_hints

import msgspec

from licd_daemon.core import commands as c
from licd_daemon.core import events as e
from licd_daemon.core import model
from licd_daemon.core.decide import decide
from licd_daemon.core.effective import Confirmed
from licd_daemon.core.model import Application, EndReason, Failure, Now, Policy, Role, State

SECOND, MINUTE = 1000, 60_000
HOUR, DAY = 60 * MINUTE, 24 * 60 * MINUTE
LEASE = 15 * SECOND
BEGIN_S = 1_700_000_000
APPLICATION = Application("report-server", "10.0.19", "2024-05-31", "sales")
LICENSE: dict[str, Any] = {
    "license_id": "11111111-1111-4111-8111-111111111111",
    "issuer": "Vendor Ltd",
    "company": "Acme \u00e4\u516c\u53f8",
    "issued_at": BEGIN_S,
    "expires_at": BEGIN_S + 60 * 86_400,
    "project": "Sales reports",
    "auth_method": "LOCAL_CONTAINER",
    "application": {"name": "report-server", "version": "10.0", "content": "sales", "min_build_date": "2021-10-30"},
    "max_nodes": 2,
    "portal": {"url": "https://portal.vendor.example", "public_key": "A" * 43},
    "vendor": {"name": "Vendor Ltd", "email": "licenses@vendor.example"},
    "key_id": "key-1",
    "recertify_days": 20,
}


def failure(reason: str, node_name: str = "") -> Failure:
    words = {"title": f"Title of {reason}", "detail": "What was found \u00e4", "remedy": "What to do"}
    return msgspec.convert({"reason": reason, "node_name": node_name, **words}, Failure)


class Story:
    """`entries`: what has happened, and when; `state`: what it gave, as the version that plays decided."""

    def __init__(self) -> None:
        self.state = State()
        self.entries: list[tuple[Now, Sequence[e.AnyEvent]]] = []
        self.now = Now(BEGIN_S * 1000, 0, 0)
        self._numbers = 0
        self._epoch = 0

    def do(self, command: c.Command) -> None:
        """Decides a command, whatever the answer."""
        decision = decide(self.state, command, self.now, Policy(5 * MINUTE))
        self.state = decision.state
        if decision.events:
            self.entries.append((self.now, decision.events))

    def kinds(self) -> set[str]:
        """The tags of what has happened."""
        return {str(type(event).__struct_config__.tag) for _, events in self.entries for event in events}

    def later(self, span: int) -> None:
        self.now = Now(self.now.wall + span, self.now.run + span, self.now.served + span)
        self.do(c.Tick())

    def start(self) -> None:
        """The daemon starts."""
        self._epoch += 1
        self.now = Now(self.now.wall, 0, self.now.served)
        self.do(c.StartEpoch(self._epoch, LEASE))

    def upload(self, **changes: object) -> None:
        license_type = get_type_hints(e.LicenseInstalled)["license"]
        license = msgspec.convert(LICENSE | changes, license_type)
        self.do(c.UploadLicense(license, "LOCAL_CONTAINER", f"{self._epoch:032x}"))

    def join(self, *names: str) -> None:
        for name in names:
            self._numbers += 1
            self.do(c.Join(name, f"node-{name}", f"{self._numbers:032x}", name, APPLICATION))

    def challenge(self) -> str:
        self._numbers += 1
        challenge_id = f"{self._numbers:016x}"
        license_id = self.state.license.license_id if self.state.license else ""
        self.do(c.CreateChallenge(challenge_id, license_id, f"https://portal/Q/{challenge_id}"))
        return challenge_id

    def code(self, challenge_id: str, *, right: bool = True) -> None:
        self.do(c.AttemptCode(challenge_id))
        self.do(c.SettleCode(challenge_id, right))

    def each(self, command: Callable[[str], c.Command], *names: str) -> None:
        for name in names:
            self.do(command(name))


def with_known(command: Any, **fields: object) -> Any:
    """The command with those of the fields that the version which plays has."""
    known = {name: value for name, value in fields.items() if name in command.__struct_fields__}
    return msgspec.structs.replace(command, **known)


def by(token_id: str) -> Any:
    """Who shows a token, where a version knows of actors."""
    actor_type = getattr(model, "Actor", None)
    return actor_type(Role.NODE, "token", token_id, "", "192.0.2.1") if actor_type else None


def play(story: Story) -> None:
    """The whole life; ends in a state that has something of everything."""
    _first_license(story)
    _codes(story)
    _sessions(story)
    _clocks(story)
    _ends(story)
    _last_days(story)


def _first_license(story: Story) -> None:
    story.start()
    story.do(c.CreateToken("t1", Role.ADMIN, "first", "00" * 32))
    story.do(c.CreateToken("t2", Role.NODE, "nodes", "11" * 32))
    story.do(c.RevokeToken("t2"))
    story.do(with_known(c.CreateToken("t3", Role.NODE, "for a day", "22" * 32), ends_at=story.now.wall + DAY))
    rotate = getattr(c, "RotateToken", None)
    if rotate is not None:
        story.do(rotate("t1", "44" * 32, DAY))
    story.do(c.CreateToken("t4", Role.NODE, "more nodes", "33" * 32))
    if hasattr(c, "NoteRefusedCredentials"):  # 0.1.0 counted none
        story.do(c.NoteRefusedCredentials(10, ("10.0.0.9",), BEGIN_S * 1000))
    story.do(c.UploadLicense(failure("CERTIFICATE_CONTENT_INCORRECT"), "LOCAL_CONTAINER", "ab" * 16))
    story.upload()


def _codes(story: Story) -> None:
    story.code(story.challenge())  # refused: no node is there
    wrong = story.challenge()
    for _ in range(6):
        story.code(wrong, right=False)
    story.later(15 * MINUTE)
    story.join("a", "b")
    story.code(story.challenge())
    story.join("c")  # and waits
    story.upload(issued_at=BEGIN_S + 1, max_nodes=3)


def _sessions(story: Story) -> None:
    story.join("d")  # and waits
    story.each(c.LeaseOver, "a")
    story.do(c.Resume("a", "a", 1))
    story.do(with_known(c.Resume("a", "a", 1), actor=by("t4")))
    story.do(c.EndSession("b", EndReason.EVICTED))
    story.later(LEASE)
    story.each(c.DrainOver, "b")
    story.do(c.Leave("c", "c"))
    story.start()
    story.do(c.Resume("a", "a", 1))
    story.later(MINUTE)
    story.each(c.LeaseOver, "d", "a")  # recovering
    story.later(MINUTE)
    story.do(c.Resume("a", "a", 2))
    story.later(DAY + LEASE)
    story.each(c.MemoryOver, "b", "c", "d")


def _clocks(story: Story) -> None:
    story.join("e", "f", "g", "x")
    story.do(c.JudgeClock("x", failure("CLOCK_DRIFT", "node-x"), joining=True))  # no longer waits
    story.do(c.JudgeClock("e", failure("CLOCK_DRIFT", "node-e"), joining=True))  # seated before it was judged
    story.each(c.DrainOver, "e")
    story.do(c.JudgeClock("e", None, joining=False))
    story.do(c.JudgeClock("f", None, joining=False, warning=failure("CLOCK_DRIFT", "node-f")))
    story.do(c.JudgeLeaderClock(failure("CLOCK_UNTRUSTED")))
    for by in Confirmed:
        story.do(c.ConfirmTime(by))
    story.do(c.JudgeLeaderClock(None))
    story.do(c.Leave("g", "g"))
    story.do(c.Leave("x", "x"))


def _ends(story: Story) -> None:
    story.do(c.ResetRegistration())
    story.each(c.DrainOver, "a", "e", "f")
    story.code(story.challenge())
    story.later(20 * DAY)  # the registration must be renewed
    story.each(c.DrainOver, "a", "e", "f")
    story.code(story.challenge())
    story.each(c.LeaseOver, "a", "e", "f")
    story.later(5 * MINUTE)  # the recovery window ends
    story.join("h")
    story.code(story.challenge())
    story.do(c.Leave("h", "h"))  # the last one
    story.join("i")
    story.code(story.challenge())
    story.later(18 * DAY)  # the license is about to expire
    story.later(42 * DAY)
    story.each(c.DrainOver, "i")
    story.do(c.ReleaseLicense(LICENSE["license_id"], "https://portal/R/X"))


def _last_days(story: Story) -> None:
    other = {"license_id": "22222222-2222-4222-8222-222222222222", "issued_at": BEGIN_S + 80 * 86_400}
    story.start()
    story.upload(**other, expires_at=BEGIN_S + 465 * 86_400, max_nodes=3, recertify_days=None)
    story.each(c.MemoryOver, *sorted(story.state.sessions))
    story.do(c.Leave("i", "i"))
    story.join("j", "k", "l")
    story.code(story.challenge())
    story.join("m", "n")
    story.do(c.EndSession("j", EndReason.COPIED))
    story.each(c.LeaseOver, "k")
    story.do(c.JudgeClock("l", failure("CLOCK_DRIFT", "node-l"), joining=False))
    story.do(c.JudgeLeaderClock(failure("CLOCK_UNTRUSTED")))
    story.code(story.challenge(), right=False)
    story.challenge()
    story.later(MINUTE)
