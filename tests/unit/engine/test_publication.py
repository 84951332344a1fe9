"""R13, R16: what streams are told, in which order, and which echo acknowledges a loss."""

import pytest
import structlog
from unit.core.world import APPLICATION, LEASE, LICENSE, World, licensed

from licd_daemon.coordinator.news import News
from licd_daemon.core import commands as c
from licd_daemon.core.events import AnyEvent
from licd_daemon.core.leases import Deadline, Leases, with_margin
from licd_daemon.core.model import RESUMABLE_MS, State
from licd_daemon.engine.presence import NodeReport, Presence, Presences
from licd_daemon.engine.publication import Publication

SPAN = with_margin(LEASE)


class Heard:
    """A stream that keeps what it was told."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.serials: list[int] = []

    def state(self, serial: int, told: NodeReport) -> None:
        self.serials.append(serial)
        self.words.append(str(told[0]))

    def ended(self, reason: str) -> None:
        self.words.append(reason)

    def reconnect(self, after_ms: int, address: str, mtls_address: str = "") -> None:
        self.words.append("reconnect")


class Published:
    """A world whose every command is published."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.leases, self.presences = Leases(LEASE), Presences()
        self.publication, self.news = Publication(self.leases, self.presences), News()
        for session in world.state.sessions.values():
            self.presences.follow(world.state, session, joining=True)
            self.leases.grant(session.session_id, 0)

    def do(self, *commands: c.Command, served: int = 0) -> None:
        """One batch."""
        before, events = self.world.state, list[AnyEvent]()
        for command in commands:
            events += self.world.do(command)
        self.news.durable(events, self.publication.publish(before, self.world.state, events, served))

    def presence(self, name: str) -> Presence:
        presence = self.presences.get(name)
        assert presence is not None
        return presence

    def attach(self, name: str) -> Heard:
        heard = Heard()
        self.presence(name).attach(heard, "192.0.2.1:5")
        self.presence(name).report(self.world.state, self.world.session(name))
        return heard

    def due(self, served: int) -> list[tuple[Deadline, str]]:
        return list(self.leases.due(served))


def test_R13_each_change_is_told_once_under_a_rising_serial() -> None:
    p = Published(licensed().register("a"))
    heard = p.attach("a")
    p.do(c.ResetRegistration())
    p.do(c.Tick())
    p.do(c.ResetRegistration())
    assert heard.words == ["LICENSED", "PENDING"]
    assert heard.serials == sorted(set(heard.serials))
    again = p.attach("a")
    assert again.words == ["PENDING"]
    assert again.serials[0] > heard.serials[-1]


def test_R13_serials_rise_over_epochs() -> None:
    w = licensed().register("a")
    before = Published(w).attach("a").serials
    w.restart()
    w.resume("a")
    assert Published(w).attach("a").serials[0] > before[-1]


def test_R13_only_the_echo_of_a_state_without_the_seat_acknowledges_its_loss() -> None:
    p = Published(licensed().register("a"))
    heard = p.attach("a")
    (licensed_serial,) = heard.serials
    presence = p.presence("a")
    assert not presence.acknowledges_loss(licensed_serial)
    p.do(c.ResetRegistration())
    assert not presence.acknowledges_loss(licensed_serial)
    assert not presence.acknowledges_loss(heard.serials[-1] + 1)
    assert presence.acknowledges_loss(heard.serials[-1])
    presence.loss_acknowledged()
    assert not presence.acknowledges_loss(heard.serials[-1])


def test_R13_a_seat_given_back_takes_the_older_loss_with_it() -> None:
    p = Published(licensed().register("a"))
    heard = p.attach("a")
    p.do(c.ResetRegistration())
    loss = heard.serials[-1]
    challenge = p.world.challenge()
    p.do(c.AttemptCode(challenge), c.SettleCode(challenge, True))
    assert heard.words[-1] == "LICENSED"
    assert not p.presence("a").acknowledges_loss(loss)


def test_R13_what_a_holder_may_believe_ends_with_the_lease_it_had_when_it_was_told() -> None:
    p = Published(licensed().register("a"))
    p.leases.renew("a", 4000)
    p.do(c.ResetRegistration(), served=6000)
    p.leases.renew("a", 9000)
    assert p.due(4000 + SPAN - 1) == []
    assert p.due(4000 + SPAN) == [(Deadline.DRAIN, "a")]


def test_R13_a_seat_that_is_no_longer_draining_has_no_such_deadline() -> None:
    p = Published(licensed().register("a"))
    p.do(c.ResetRegistration())
    challenge = p.world.challenge()
    p.do(c.AttemptCode(challenge), c.SettleCode(challenge, True))
    p.leases.renew("a", SPAN)
    assert p.due(SPAN) == []


def test_R16_a_newer_stream_supersedes_the_older() -> None:
    p = Published(licensed().register("a"))
    older, newer = p.attach("a"), p.attach("a")
    assert older.words == ["LICENSED", "SUPERSEDED"]
    p.presence("a").detach(older)
    p.do(c.ResetRegistration())
    assert newer.words == ["LICENSED", "PENDING"]


def test_an_eviction_is_told_and_the_line_moves_on() -> None:
    w = licensed(max_nodes=2).register("a", "b")
    w.join("c")
    p = Published(w)
    a, c_ = p.attach("a"), p.attach("c")
    p.do(c.EndSession("a", c.EndReason.EVICTED))  # type: ignore[attr-defined]
    assert a.words == ["LICENSED", "EVICTED"]
    assert p.presences.get("a") is None
    assert c_.words == ["WAITING"]
    p.do(c.DrainOver("a"))
    assert c_.words == ["WAITING", "LICENSED"]


def test_R16_a_lost_session_is_told_to_reconnect_and_remembered() -> None:
    p = Published(licensed().register("a", "b"))
    heard = p.attach("a")
    presence = p.presence("a")
    presence.sequence = 7
    p.do(c.LeaseOver("a"))
    assert heard.words == ["LICENSED", "reconnect"]
    p.do(c.Resume("a", "a", 0), served=1000)
    assert p.presence("a") is presence
    assert p.presence("a").sequence == 7
    assert p.leases.renew("a", 1000)


@pytest.mark.parametrize(("end", "word"), [(c.LeaseOver("b"), "EXPIRED"), (c.Leave("b", "b"), "LEFT")])
def test_R36_a_session_that_waits_for_a_seat_is_told_its_end_and_nothing_of_it_is_kept(
    end: c.Command, word: str
) -> None:
    w = licensed(max_nodes=1).register("a")
    w.join("b")
    p = Published(w)
    heard = p.attach("b")
    p.do(end, c.ResetRegistration())  # what concerns all, in the same batch
    assert heard.words == ["WAITING", word]
    assert p.presences.get("b") is None
    assert not p.leases.runs("b")
    assert [session_id for _, session_id in p.leases.due(RESUMABLE_MS)] == ["a", "a"]


def test_what_concerns_all_is_told_to_all() -> None:
    p = Published(licensed().register("a", "b"))
    heard = [p.attach("a"), p.attach("b")]
    change = p.news.next_change()
    p.do(c.ReleaseLicense(p.world.state.license.license_id, ""))  # type: ignore[union-attr]
    assert [stream.words[-1] for stream in heard] == ["PENDING", "PENDING"]
    assert change.is_set()
    assert not p.news.next_change().is_set()


def test_R17_the_end_of_a_registration_is_one_line_of_the_log() -> None:
    published = Published(licensed().register("a", "b"))
    with structlog.testing.capture_logs() as lines:
        published.do(c.Leave("a", "a"))
        published.do(c.Leave("b", "b"))
        published.do(c.Tick())
    (line,) = lines
    assert (line["event"], line["log_level"], line["cause"]) == ("registration_ended", "warning", "ALL_GONE")
    assert (line["registered_at"], line["ended_at"]) == ("2023-11-14T22:13:20+00:00", "2023-11-14T22:13:20+00:00")
    assert line["nodes"] == ["a", "b"]
    assert "licd qr" in line["remedy"]


def test_R20_a_registration_that_is_renewed_has_not_ended() -> None:
    published = Published(licensed().register("a"))
    with structlog.testing.capture_logs() as lines:
        published.do(c.LeaseOver("a"))
        published.world.join("b")
        published.do(c.CreateChallenge("x", LICENSE.license_id, "https://portal/Q/X"))
        published.do(c.AttemptCode("x"), c.SettleCode("x", right=True))
    assert published.world.registration == "REGISTERED"
    assert lines == []


def test_R17_each_pending_node_is_told_of_the_end_once() -> None:
    world = licensed().register("a", "b")
    world.join("waits")
    published = Published(world)
    heard = {name: published.attach(name) for name in ("a", "b", "waits")}
    published.do(c.ResetRegistration())
    published.do(c.Tick())
    for name, stream in heard.items():
        assert stream.words[1:] == ["PENDING"], name
    assert world.reasons("waits") == ["REGISTRATION_ENDED"]


def test_R17_a_seat_that_is_granted_visits_no_other_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered of a registration's nodes must not make each grant news to all of them."""
    world = licensed(max_nodes=3).register("a")
    published = Published(world)
    told: list[State] = []
    monkeypatch.setattr(published.presences, "report_all", told.append)
    published.do(c.Join("b", "b", "b", "b", APPLICATION))
    assert world.nodes("b") == "LICENSED"
    assert told == []
