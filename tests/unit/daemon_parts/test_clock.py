"""R17, R18, R23: what each of the daemon's clocks counts."""

from dataclasses import dataclass

from licd_daemon.coordinator.service_clock import STALL_MS, ServiceClock
from licd_daemon.core.model import Now
from licd_kit import clock
from licd_kit.clock import boot_and_wall


@dataclass
class Machine:
    """A machine whose clocks are moved by hand."""

    boot: int = 50_000
    wall: int = 1_000_000

    def pass_time(self, ms: int) -> None:
        self.boot += ms
        self.wall += ms

    def service_clock(self, effective: int = 0, served: int = 0) -> ServiceClock:
        return ServiceClock(effective, served, boot=lambda: self.boot, wall=lambda: self.wall)


def test_the_real_clocks_give_milliseconds() -> None:
    before = clock.boottime_ms()
    assert before <= clock.boottime_ms() < before + 60_000
    assert 1_700_000_000_000 < clock.wall_ms() < 10_000_000_000_000


def test_all_three_clocks_move_on() -> None:
    machine = Machine()
    service = machine.service_clock(served=70)
    machine.pass_time(250)
    assert service.now() == Now(wall=1_000_250, run=250, served=320, unconfirmed=1_000_000)


def test_r23_a_wall_clock_set_back_before_the_start_buys_nothing() -> None:
    machine = Machine(wall=1_000)
    service = machine.service_clock(effective=5_000)
    machine.pass_time(100)
    assert service.now().wall == 5_100
    assert service.raw_wall() == 1_100


def test_r23_a_wall_clock_set_back_while_running_buys_nothing() -> None:
    machine = Machine()
    service = machine.service_clock()
    machine.pass_time(500)
    assert service.now().wall == 1_000_500
    machine.wall -= 3_600_000
    machine.pass_time(500)
    assert service.now().wall == 1_001_000


def test_r18_a_stall_is_not_served_time() -> None:
    machine = Machine()
    service = machine.service_clock()
    machine.pass_time(STALL_MS)
    assert service.now().served == STALL_MS
    machine.pass_time(STALL_MS + 1)
    now = service.now()
    assert now.served == STALL_MS
    assert now.run == 2 * STALL_MS + 1


def test_r17_time_in_which_the_daemon_could_not_write_is_not_served() -> None:
    machine = Machine()
    service = machine.service_clock()
    served = []
    for serving in (True, False, False, True, True):
        machine.pass_time(100)
        served.append(service.now(serving).served)
    assert served == [100, 100, 100, 100, 200]


def test_a_source_that_steps_back_moves_nothing_back() -> None:
    machine = Machine()
    service = machine.service_clock()
    machine.pass_time(300)
    first = service.now()
    machine.boot -= 200
    assert service.now() == first
    machine.boot += 250
    assert service.now().run == 350


def test_r23_a_jump_ahead_is_not_taken_over_and_small_steps_are() -> None:
    machine = Machine()
    service = machine.service_clock()
    machine.wall += 3_600_000
    machine.pass_time(250)
    assert service.now().wall == 1_000_250
    machine.wall -= 3_600_000 - 4_000
    assert service.now().wall == 1_004_250


def test_r23_a_run_begins_at_a_wall_clock_that_is_ahead_or_held_at_the_journal() -> None:
    machine = Machine()
    assert machine.service_clock(effective=5_000).now().wall == 1_000_000
    service = machine.service_clock(effective=5_000)
    service.hold(5_000, 0)
    machine.pass_time(250)
    assert service.now().wall == 5_250
    service.follow_wall()
    assert service.now().wall == 1_000_250


def test_r23_a_wall_clock_that_is_followed_between_two_readings_leads_by_nothing_at_the_next() -> None:
    machine = Machine()
    service = machine.service_clock()
    for _ in range(3):
        machine.pass_time(240)
        service.follow_wall()
        machine.pass_time(10)
        service.now()
        assert service.lead_ms() == 0


def test_r23_a_pause_while_the_clocks_are_read_is_counted_once() -> None:
    machine, pause = Machine(), 150

    def after_a_pause(clock: str) -> int:
        machine.pass_time(pause)
        return int(getattr(machine, clock))

    service = ServiceClock(0, 0, boot=lambda: after_a_pause("boot"), wall=lambda: after_a_pause("wall"))
    service.now()
    pause = 0
    machine.pass_time(250)
    assert service.now().wall == machine.wall


def test_r22_both_clocks_are_read_at_one_instant_whatever_comes_between() -> None:
    machine, pauses = Machine(), [40, 0, 70]

    def before_a_pause() -> int:
        read = machine.wall
        machine.pass_time(pauses.pop())
        return read

    boot, wall = boot_and_wall(lambda: machine.boot, before_a_pause)
    assert (boot, wall) == (machine.boot, machine.wall)
    assert wall - boot == 950_000


def test_r23_a_run_that_begins_in_doubt_takes_a_clock_over_once_when_it_is_within_reach() -> None:
    machine = Machine(wall=90_000_000)
    service = machine.service_clock(effective=5_000)
    service.hold(5_000, 60_000)
    machine.pass_time(250)
    assert service.now().wall == 5_250
    machine.wall = 40_000
    assert service.now().wall == 40_000, "it was set right: so long the machine was off"
    machine.wall = 80_000
    assert service.now().wall == 40_000, "from then on it is a jump"


def test_r23_what_is_confirmed_moves_effective_time_both_ways() -> None:
    machine = Machine()
    service = machine.service_clock(effective=9_000_000)
    service.shift(-8_000_000, -8_000_000)
    machine.pass_time(250)
    assert service.now().wall == 1_000_250
    service.shift(7_000, 7_000)
    assert service.now().wall == 1_007_250
