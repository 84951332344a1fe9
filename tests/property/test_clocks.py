"""R23, R34: whatever clocks a machine boots with, a license, a certificate and its CA outlive them, and no longer.

The table: the clock at the first start, the clock at a later one, and whether NTP answers; and after each the license,
the certificates and effective time, once the clock is right again. The test tells the machine's clocks; the core, the
daemon's clock and the certificates are the real ones.
"""

import dataclasses
import datetime as dt
from pathlib import Path

import pytest
from unit.core.world import DAY, HOUR, LICENSE, MINUTE, World

from licd_daemon.cli.serve.certificates import ensure_certificates
from licd_daemon.coordinator.service_clock import ServiceClock
from licd_daemon.core import commands as c
from licd_daemon.core.build import BUILD_MS
from licd_daemon.core.effective import Confirmed, SourceOffset, Times, confirms
from licd_kit.pem import read_certificate, read_certificates

LIMIT = 5_000
RIGHT = BUILD_MS + 100 * DAY
YEAR = 365 * DAY
CLOCKS = {
    "1901": -2_177_452_800_000,
    "1970": 0,
    "2010": 40 * YEAR,
    "behind": RIGHT - 2 * HOUR,
    "right": None,
    "ahead": RIGHT + 30 * DAY,
    "2038": BUILD_MS + 12 * YEAR,
    "2040": BUILD_MS + 14 * YEAR,
}
"""What a machine's clock says at a boot; None: the right time."""

ENDS = RIGHT + 400 * DAY
IN_FORCE = dataclasses.replace(LICENSE, issued_at=RIGHT // 1000 - 86_400, expires_at=ENDS // 1000)


class Machine(World):
    """A cluster whose machine boots with any clock. `right`: the true time; `skew`: by how much the clock is off."""

    def __init__(self, tls: Path, first: str, *, ntp: bool) -> None:
        self.tls = tls
        self.ntp = ntp
        self.right = RIGHT
        self.skew = _skew(first, RIGHT)
        self.boot = 0
        self.service: ServiceClock
        super().__init__()

    def restart(self, *, down: int = 0, lease: int = 15_000) -> None:
        """The machine boots, after it was off."""
        self.right += down
        state = self.state
        self.boot = 0
        self.service = ServiceClock(
            state.effective,
            state.served,
            lambda: self.boot,
            lambda: self.right + self.skew,
            unconfirmed_ms=state.unconfirmed,
            floor_ms=BUILD_MS,
        )
        self.now = self.service.now()
        self.epoch += 1
        self.do(c.StartEpoch(self.epoch, lease))
        self.certify()

    def boots(self, clock: str, *, down: int = HOUR) -> None:
        """Boots with one of the clocks; the node comes back."""
        self.skew = _skew(clock, self.right + down)
        self.restart(down=down)
        self.resume("a")

    def certify(self) -> None:
        """Looks after the certificates, as the daemon does at its start and each hour."""
        wall, confirmed = (_date(each) for each in (self.right + self.skew, self.now.confirmed))
        ensure_certificates(self.tls, ["licd.example"], wall, confirmed)

    def set_right(self) -> None:
        """Somebody sets the clock right while the daemon runs."""
        self.skew = 0

    def goes_on(self, span: int) -> None:
        """Time goes by; the daemon looks at its clocks each minute, or each day where that is long."""
        step = DAY if span > 10 * DAY else MINUTE
        for _ in range(span // step):
            self.boot += step
            self.right += step
            self.now = self.service.now()
            self.asks_ntp()
            self.do(c.Tick())
        self.certify()

    def asks_ntp(self) -> None:
        """What `LeaderClock` does with an answer."""
        if not self.ntp:
            return
        wall = self.right + self.skew
        times = Times(self.now.wall, self.now.confirmed)
        instant = confirms(SourceOffset("ntp", float(-self.skew), 4.0), wall, times, LIMIT)
        if instant is None:
            return
        self.service.shift(instant - times.effective, instant - times.confirmed)
        self.now = self.service.now()
        if instant != times.effective:
            self.do(c.ConfirmTime(Confirmed.NTP))

    def follows(self) -> None:
        """What `LeaderClock` does before the first license, once the clock was set right."""
        self.skew = 0
        self.service.follow_wall(confirmed=self.ntp)
        self.now = self.service.now()

    def registered(self) -> None:
        """A license, a node and a scan: the portal has judged the clock (R24)."""
        self.upload(IN_FORCE)
        self.join("a")
        challenge_id = self.challenge()
        self.attempt(challenge_id)
        self.service.shift(0, self.now.unconfirmed)
        self.now = self.service.now()
        self.do(c.SettleCode(challenge_id, True))

    def trusted(self) -> bool:
        """Whether a client with the right clock, and the CA that it was given once, accepts the server."""
        server = read_certificate(self.tls / "server.crt")
        now = _date(self.right)
        return server.not_valid_before_utc <= now <= server.not_valid_after_utc and any(
            ca.not_valid_before_utc <= now <= ca.not_valid_after_utc and ca.subject == server.issuer
            for ca in read_certificates(self.tls / "ca.crt")
        )


def _skew(clock: str, right: int) -> int:
    told = CLOCKS[clock]
    return 0 if told is None else told - right


def _date(ms: int) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=ms)


@pytest.mark.parametrize("ntp", [False, True], ids=["no-ntp", "ntp"])
@pytest.mark.parametrize("later", CLOCKS)
@pytest.mark.parametrize("first", CLOCKS)
def test_R23_R34_a_clock_that_nothing_has_confirmed_costs_nothing_once_it_is_right(
    tmp_path: Path, first: str, later: str, ntp: bool
) -> None:
    machine = Machine(tmp_path, first, ntp=ntp)
    assert machine.trusted(), "by a client whose clock is right"
    given = read_certificates(machine.tls / "ca.crt")[0]
    machine.follows()
    machine.registered()
    machine.goes_on(HOUR)
    machine.boots(later)
    machine.goes_on(10 * MINUTE)
    assert machine.trusted()
    machine.set_right()
    machine.goes_on(10 * MINUTE)
    assert (machine.registration, machine.node("a")) == ("REGISTERED", "LICENSED")
    machine.boots("right")
    machine.goes_on(HOUR)
    assert (machine.registration, machine.node("a")) == ("REGISTERED", "LICENSED")
    assert abs(machine.now.wall - machine.right) <= LIMIT
    assert machine.trusted()
    assert given in read_certificates(machine.tls / "ca.crt"), "clients hold the CA that the first start made"


@pytest.mark.parametrize("ntp", [False, True], ids=["no-ntp", "ntp"])
@pytest.mark.parametrize("later", CLOCKS)
def test_R3_R23_no_clock_makes_a_license_longer_than_the_machine_was_off(tmp_path: Path, later: str, ntp: bool) -> None:
    machine = Machine(tmp_path, "right", ntp=ntp)
    machine.registered()
    off = 0
    while not machine.state.license_expired:
        machine.boots(later)
        off += HOUR
        for _ in range(4):
            machine.goes_on(11 * DAY if machine.right < ENDS - 12 * DAY else HOUR)
            if machine.state.license_expired or machine.right > ENDS + 40 * DAY:
                break
        assert machine.right <= ENDS + off + DAY, "it goes on for the time that the machine was off, and no longer"
    assert machine.right >= ENDS, "and it has all of its time"
