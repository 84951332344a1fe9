"""Clocks that are wrong (R21-R24): real processes skewed by libfaketime, chronyd on loopback, a slow path."""

import dataclasses
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import grpc
import pytest
from support.admin import Admin
from support.daemon import Daemon, running
from support.ntp_server import chronyd
from support.proxy import Delay, slow_path
from support.raw_node import RawNode, Stream
from support.refusal import refused
from support.skew import Skew, node_process, rated
from support.vendor import DAY, TestVendor
from support.waiting import eventually

from licd.v1 import clock_service_pb2 as clock_pb
from licd.v1 import cluster_service_pb2 as cluster
from licd.v1 import registration_service_pb2 as pb

UNTRUSTED = "The leader's clock is not to be trusted"
DRIFT = "Server clocks do not agree"
QUICK = ("--lease-ttl", "6s", "--heartbeat-interval", "2s")

MakeDaemon = Callable[..., Daemon]
Skewed = Callable[..., tuple[Daemon, Admin]]


@pytest.fixture
def skew(tmp_path: Path) -> Skew:
    """The wall clock of the daemon's machine."""
    return Skew(tmp_path / "clock")


@pytest.fixture
def skewed(make_daemon: MakeDaemon, vendor: TestVendor, skew: Skew) -> Iterator[Skewed]:
    """Starts a daemon whose wall clock follows `skew`."""
    with ExitStack() as stack:

        def start(*options: str) -> tuple[Daemon, Admin]:
            daemon = stack.enter_context(running(make_daemon(*options, env=skew.env)))
            return daemon, Admin(daemon.stubs("admin"), vendor)

        yield start


def details(admin: Admin) -> list[str]:
    """What would block a registration now."""
    answer = admin.stubs.registration.CheckRegistration(pb.CheckRegistrationRequest())
    return [f"{failure.title}: {failure.detail}" for failure in answer.failures]


def titles(admin: Admin) -> list[str]:
    return [detail.split(":")[0] for detail in details(admin)]


def seen(admin: Admin) -> dict[str, cluster.Node]:
    return {node.name: node for node in admin.stubs.cluster.ListNodes(cluster.ListNodesRequest()).nodes}


def events(admin: Admin, *kinds: str) -> list[cluster.Event]:
    return list(admin.stubs.cluster.ListEvents(cluster.ListEventsRequest(kinds=kinds, page_size=1000)).events)


def measured(admin: Admin, name: str) -> tuple[float, float]:
    """A node's clock and its bound, in seconds, as soon as they are known."""
    eventually(lambda: name in seen(admin) and seen(admin)[name].HasField("clock_offset"))
    return offset_and_error(seen(admin)[name])


def offset_and_error(node: cluster.Node) -> tuple[float, float]:
    """In seconds."""
    return node.clock_offset.ToNanoseconds() / 1e9, node.clock_error.ToNanoseconds() / 1e9


def stream_of(node: RawNode) -> Stream:
    assert node.stream is not None
    return node.stream


def confirmed(admin: Admin) -> clock_pb.ConfirmClockResponse:
    """The administrator says that the leader's clock is right."""
    return admin.stubs.clock.ConfirmClock(clock_pb.ConfirmClockRequest())


def accepts(admin: Admin, license: bytes) -> bool:
    try:
        return bool(admin.upload(license))
    except grpc.RpcError:
        return False


def beaten_since(admin: Admin, ns: int) -> bool:
    return seen(admin)["report-1"].last_heartbeat_at.ToNanoseconds() != ns


def judged(admin: Admin, name: str) -> None:
    """Waits until the burst of heartbeats that a node's stream begins with is over."""

    def beats_on() -> bool:
        node = seen(admin).get(name)
        return node is not None and node.last_heartbeat_at.ToNanoseconds() - node.joined_at.ToNanoseconds() > 2e9

    eventually(beats_on)


def restarted(daemon: Daemon, vendor: TestVendor) -> Admin:
    """After kill -9."""
    daemon.kill()
    daemon.start()
    return Admin(daemon.stubs("admin"), vendor)


def rebooted(daemon: Daemon, vendor: TestVendor, skew: Skew, clock: str) -> Admin:
    """After kill -9, on a machine whose clock was set meanwhile."""
    daemon.kill()
    skew.set(clock)
    daemon.start()
    return Admin(daemon.stubs("admin"), vendor)


# The leader's clock: effective time


def test_R23_a_clock_set_back_is_untrusted_told_and_healed(skewed: Skewed, skew: Skew, vendor: TestVendor) -> None:
    daemon, admin = skewed()
    admin.upload(vendor.lic())
    node = RawNode(daemon.stubs("node")).joined()
    with stream_of(node).beating():
        skew.set("-3600s")
        eventually(lambda: titles(admin) == [UNTRUSTED])
        assert "set back by 360" in details(admin)[0]
        with refused(grpc.StatusCode.FAILED_PRECONDITION, "WRONG_CODE"):
            challenge = admin.challenge()
            admin.submit(challenge, admin.wrong_code(challenge))
        assert titles(admin) == [UNTRUSTED], "a wrong code confirms nothing"
        skew.set("+0s")
        eventually(lambda: titles(admin) == [])
        assert admin.register().nodes_licensed == 1
        stream_of(node).until_state("LICENSED")
    told = [event.attributes.get("failure", "") for event in events(admin, "leader_clock_judged")]
    assert "set back" in told[0]
    assert told[1:] == [""]


def test_R23_setting_the_clock_back_makes_no_license_longer(skewed: Skewed, skew: Skew, vendor: TestVendor) -> None:
    daemon, admin = skewed()
    license = vendor.license()
    admin.upload(vendor.lic(license))
    RawNode(daemon.stubs("node")).joined()
    admin.register()
    now = int(time.time())
    admin.upload(vendor.lic(dataclasses.replace(license, issued_at=now + 1, expires_at=now + 6)))
    skew.set("-3600s")
    eventually(lambda: UNTRUSTED in titles(admin))
    eventually(lambda: admin.state == "EXPIRED")
    assert restarted(daemon, vendor).state == "EXPIRED"


def test_R23_one_wrong_jump_neither_expires_a_license_nor_poisons_the_mark(
    skewed: Skewed, skew: Skew, vendor: TestVendor
) -> None:
    daemon, admin = skewed()
    admin.upload(vendor.lic())
    node = RawNode(daemon.stubs("node")).joined()
    admin.register()
    skew.set(f"+{800 * DAY}s")
    eventually(lambda: titles(admin) == [UNTRUSTED])
    assert "jumped ahead" in details(admin)[0]
    stream_of(node).beat()
    assert admin.nodes() == {"report-1": "LICENSED"}
    admin = restarted(daemon, vendor)
    assert admin.state == "RECOVERING", "not EXPIRED: a clock that was not trusted stays so over a restart"
    assert titles(admin)[:1] == [UNTRUSTED]
    skew.set("+0s")
    eventually(lambda: UNTRUSTED not in titles(admin))
    assert abs(events(admin, "leader_clock_judged")[-1].at.ToSeconds() - time.time()) < 60
    assert not events(admin, "license_expired")


def test_R23_R24_a_code_takes_a_jump_over_since_the_portal_has_judged_its_time(
    skewed: Skewed, skew: Skew, vendor: TestVendor
) -> None:
    daemon, admin = skewed()
    admin.upload(vendor.lic())
    RawNode(daemon.stubs("node")).joined()
    skew.set(f"+{2 * DAY}s")
    eventually(lambda: titles(admin) == [UNTRUSTED])
    assert admin.register().nodes_licensed == 1
    assert titles(admin) == []
    (confirmed,) = events(admin, "time_confirmed")
    assert confirmed.attributes["by"] == "CODE"
    assert abs(confirmed.at.ToSeconds() - time.time() - 2 * DAY) < 60


def test_R23_R24_a_run_that_began_with_a_wrong_clock_is_mended_by_one_scan(
    skewed: Skewed, skew: Skew, vendor: TestVendor
) -> None:
    daemon, admin = skewed("--lease-ttl", "10s", "--heartbeat-interval", "2s")
    admin.upload(vendor.lic())
    RawNode(daemon.stubs("node")).joined()
    admin.register()
    admin = rebooted(daemon, vendor, skew, f"+{800 * DAY}s")
    eventually(lambda: UNTRUSTED in titles(admin))
    assert "past the license's end since a start that was ahead by" in details(admin)[0]
    skew.set("+0s")
    eventually(lambda: "set back by" in details(admin)[0])
    assert admin.state == "RECOVERING"
    node = RawNode(daemon.stubs("node"), name="report-2").joined()
    with stream_of(node).beating():
        stream_of(node).until_state("PENDING")
        assert pb.RegistrationState.Name(admin.register().state) == "REGISTRATION_STATE_REGISTERED"
        stream_of(node).until_state("LICENSED", timeout=30)
        assert titles(admin) == []
    assert restarted(daemon, vendor).state == "RECOVERING"


@pytest.mark.parametrize("boot", [f"+{14 * 365 * DAY}s", f"-{16 * 365 * DAY}s"], ids=["2040", "2010"])
def test_R23_a_boot_with_a_wrong_clock_costs_nothing_once_the_clock_is_right(
    skewed: Skewed, skew: Skew, vendor: TestVendor, boot: str
) -> None:
    daemon, admin = skewed()
    admin.upload(vendor.lic())
    node = RawNode(daemon.stubs("node")).joined()
    admin.register()
    admin = rebooted(daemon, vendor, skew, boot)
    eventually(lambda: UNTRUSTED in titles(admin))
    node.resume(daemon.stubs("node"))
    eventually(lambda: admin.nodes() == {"report-1": "LICENSED"})
    admin = rebooted(daemon, vendor, skew, "+0s")
    eventually(lambda: UNTRUSTED not in titles(admin))
    node.resume(daemon.stubs("node"))
    eventually(lambda: (admin.state, admin.nodes()) == ("REGISTERED", {"report-1": "LICENSED"}))
    assert not events(admin, "license_expired", "registration_reset")
    assert abs(events(admin, "session_returned")[-1].at.ToSeconds() - time.time()) < 60


def test_R23_an_administrator_confirms_a_clock_that_is_ahead_and_takes_back_what_only_a_start_has_moved(
    skewed: Skewed, skew: Skew, vendor: TestVendor
) -> None:
    daemon, admin = skewed()
    admin.upload(vendor.lic())
    RawNode(daemon.stubs("node")).joined()
    admin.register()
    skew.set(f"+{DAY}s")
    eventually(lambda: UNTRUSTED in titles(admin))
    assert confirmed(admin).effective_time.ToSeconds() == pytest.approx(time.time() + DAY, abs=60)
    assert UNTRUSTED not in titles(admin)
    admin = rebooted(daemon, vendor, skew, f"+{800 * DAY}s")
    eventually(lambda: UNTRUSTED in titles(admin))
    skew.set(f"+{2 * DAY}s")
    eventually(lambda: "set back by" in details(admin)[0])
    assert confirmed(admin).effective_time.ToSeconds() == pytest.approx(time.time() + 2 * DAY, abs=60)
    assert UNTRUSTED not in titles(admin)
    skew.set("+0s")
    eventually(lambda: UNTRUSTED in titles(admin))
    answer = confirmed(admin)
    assert answer.effective_time.ToSeconds() == pytest.approx(time.time() + 2 * DAY, abs=60), "confirmed time stays"
    assert "set back by" in answer.clock_untrusted.detail
    assert [event.attributes["by"] for event in events(admin, "time_confirmed")] == ["ADMIN", "ADMIN"]


def test_R23_a_confirmed_clock_past_the_licenses_end_ends_it(skewed: Skewed, skew: Skew, vendor: TestVendor) -> None:
    daemon, admin = skewed()
    admin.upload(vendor.lic())
    RawNode(daemon.stubs("node")).joined()
    admin.register()
    admin = rebooted(daemon, vendor, skew, f"+{800 * DAY}s")
    eventually(lambda: UNTRUSTED in titles(admin))
    dry = admin.stubs.clock.ConfirmClock(clock_pb.ConfirmClockRequest(dry_run=True))
    assert dry.effective_time.ToSeconds() - dry.confirmed_time.ToSeconds() == pytest.approx(800 * DAY, abs=60)
    assert admin.state == "RECOVERING"
    confirmed(admin)
    eventually(lambda: admin.state == "EXPIRED")


def test_R3_R23_a_license_that_ends_while_only_the_daemon_is_off_has_ended(
    make_daemon: MakeDaemon, vendor: TestVendor
) -> None:
    with running(make_daemon()) as daemon:
        admin = Admin(daemon.stubs("admin"), vendor)
        license = vendor.license()
        admin.upload(vendor.lic(license))
        RawNode(daemon.stubs("node")).joined()
        admin.register()
        now = int(time.time())
        admin.upload(vendor.lic(dataclasses.replace(license, issued_at=now + 1, expires_at=now + 15)))
        daemon.kill()
        eventually(lambda: time.time() > now + 16, 30)
        daemon.start()
        admin = Admin(daemon.stubs("admin"), vendor)
        eventually(lambda: admin.state == "EXPIRED", 3)


def test_R23_before_the_first_license_a_wrong_clock_leaves_no_mark(
    skewed: Skewed, skew: Skew, vendor: TestVendor
) -> None:
    skew.set(f"+{800 * DAY}s")
    daemon, admin = skewed()
    skew.set("+0s")
    RawNode(daemon.stubs("node")).joined()
    eventually(lambda: accepts(admin, vendor.lic()))
    assert titles(admin) == []
    assert admin.register().nodes_licensed == 1


def test_R2_a_license_dated_ahead_is_refused_until_the_leaders_clock_is_right(
    skewed: Skewed, skew: Skew, vendor: TestVendor
) -> None:
    skew.set(f"-{3 * DAY}s")
    _, admin = skewed()
    license = vendor.lic()
    with refused(grpc.StatusCode.FAILED_PRECONDITION, "LICENSE_REFUSED") as refusal:
        admin.upload(license)
    (failure,) = refusal.failures
    assert "The license was issued at " in failure.detail
    assert "Set the clock" in failure.remedy
    skew.set("+0s")
    eventually(lambda: accepts(admin, license))
    assert UNTRUSTED not in titles(admin)


def test_R13_leases_are_untouched_by_every_jump(skewed: Skewed, skew: Skew, vendor: TestVendor) -> None:
    daemon, admin = skewed(*QUICK)
    admin.upload(vendor.lic())
    node_skew = Skew(skew.file.with_name("node-clock"))
    with node_process(daemon, "report-1", node_skew.env):
        eventually(lambda: admin.registration().nodes_connected == 1)
        admin.register()
        judged(admin, "report-1")
        for mine, other in ((skew, node_skew), (node_skew, skew)):
            for jump in ("+3600s", "-3600s"):
                mine.set(jump)
                before = admin.nodes()
                beats = seen(admin)["report-1"].last_heartbeat_at.ToNanoseconds()
                eventually(partial(beaten_since, admin, beats))
                assert before == admin.nodes() == {"report-1": "LICENSED"}
            mine.set("+0s")
            other.set("+0s")
        lost = ("session_lost", "session_returned", "session_ended", "seat_withdrawn", "recovery_started")
        assert not events(admin, *lost)


# The leader's clock: NTP


def test_R22_a_clock_off_ntp_is_untrusted_and_healed(
    skewed: Skewed, skew: Skew, vendor: TestVendor, tmp_path: Path
) -> None:
    skew.set("+83s")
    with chronyd(tmp_path / "ntp") as server:
        _, admin = skewed("--ntp-server", server)
        admin.upload(vendor.lic())
        eventually(lambda: UNTRUSTED in titles(admin))
        assert f"by 83 s off NTP server {server}" in details(admin)[0]
        skew.set("+0s")
        eventually(lambda: UNTRUSTED not in titles(admin))


def test_R22_of_three_servers_the_median_counts(skewed: Skewed, skew: Skew, vendor: TestVendor, tmp_path: Path) -> None:
    wrong = Skew(tmp_path / "wrong", "+83s")
    skew.set("+0s")
    with (
        chronyd(tmp_path / "1") as one,
        chronyd(tmp_path / "2", wrong.env) as two,
        chronyd(tmp_path / "3") as three,
    ):
        daemon, admin = skewed("--ntp-server", two, "--ntp-server", one, "--ntp-server", three)
        admin.upload(vendor.lic())
        RawNode(daemon.stubs("node")).joined()
        assert admin.register().nodes_licensed == 1, "one wrong server decides nothing"
        skew.set("+83s")
        eventually(lambda: UNTRUSTED in titles(admin))
        assert two not in details(admin)[0]
        assert not any(entry.get("event") == "ntp_server_not_usable" for entry in daemon.log)


def test_R23_ntp_confirms_a_jump_of_a_clock_that_was_wrong_before(
    skewed: Skewed, skew: Skew, vendor: TestVendor, tmp_path: Path
) -> None:
    """A machine that was paused: its boottime stood still, and then NTP set its clock."""
    with chronyd(tmp_path / "ntp", skew.env) as server:
        daemon, admin = skewed("--ntp-server", server, "--ntp-server", "127.0.0.1:9")
        admin.upload(vendor.lic())
        RawNode(daemon.stubs("node")).joined()
        # Told when both were asked.
        eventually(lambda: any(entry.get("event") == "ntp_server_not_usable" for entry in daemon.log))
        skew.set(f"+{DAY}s")
        (confirmed,) = eventually(lambda: events(admin, "time_confirmed"), 30)
        assert confirmed.attributes["by"] == "NTP"
        eventually(lambda: titles(admin) == [])
        assert abs(confirmed.at.ToSeconds() - time.time() - DAY) < 60


def test_R23_ntp_is_asked_before_a_start_takes_a_clock_over_that_is_ahead(
    skewed: Skewed, skew: Skew, vendor: TestVendor, tmp_path: Path
) -> None:
    with chronyd(tmp_path / "ntp") as server:
        daemon, admin = skewed("--ntp-server", server)
        admin.upload(vendor.lic())
        admin = rebooted(daemon, vendor, skew, f"+{800 * DAY}s")
        eventually(lambda: UNTRUSTED in titles(admin))
        assert admin.state == "UNREGISTERED"
        skew.set("+0s")
        eventually(lambda: UNTRUSTED not in titles(admin))
        assert not events(admin, "license_expired")


@pytest.mark.parametrize("days", [2, -2])
def test_R23_without_an_answer_a_start_takes_over_what_is_ahead_and_never_what_is_behind(
    skewed: Skewed, skew: Skew, vendor: TestVendor, days: int
) -> None:
    daemon, admin = skewed("--ntp-server", "ntp.invalid")
    admin.upload(vendor.lic())
    RawNode(daemon.stubs("node")).joined()
    daemon.kill()
    skew.set(f"{days * DAY:+d}s")
    daemon.log.clear()
    daemon.start()
    admin = Admin(daemon.stubs("admin"), vendor)
    eventually(lambda: any(entry.get("event") == "ntp_server_not_usable" for entry in daemon.log))
    if days < 0:
        eventually(lambda: UNTRUSTED in titles(admin))

    def joined_at() -> float:
        """By effective time, seen from the true one."""
        RawNode(daemon.stubs("node")).join()
        return events(admin, "session_joined")[-1].at.ToSeconds() - time.time()

    eventually(lambda: abs(joined_at() - max(days, 0) * DAY) < 60)
    assert (UNTRUSTED in titles(admin)) == (days < 0)


@pytest.mark.parametrize("reachable", [True, False], ids=["unsynchronised", "unreachable"])
def test_R22_a_server_that_can_not_be_used_is_a_warning(
    make_daemon: MakeDaemon, vendor: TestVendor, tmp_path: Path, reachable: bool
) -> None:
    with chronyd(tmp_path / "ntp", synchronised=False) as server:
        name = server if reachable else "127.0.0.1:9"
        with running(make_daemon("--ntp-server", name)) as daemon:
            admin = Admin(daemon.stubs("admin"), vendor)
            admin.upload(vendor.lic())
            RawNode(daemon.stubs("node")).joined()
            warnings = eventually(lambda: [e for e in daemon.log if e.get("event") == "ntp_server_not_usable"])
            assert name in warnings[0]["cause"]
            assert admin.register().nodes_licensed == 1


# The nodes' clocks


def judged_in(admin: Admin, name: str, offset: float) -> tuple[float, float, str]:
    """A node that is just started drifts: seconds until that is told, the error that is told with it, and the span."""
    eventually(lambda: name in admin.nodes())
    began = time.monotonic()
    (detail,) = eventually(lambda: details(admin))
    took = time.monotonic() - began
    side = "ahead of" if offset > 0 else "behind"
    told = re.match(rf"{DRIFT}: Node {name} is ([0-9.]+) s {side} the leader \(limit 5 s, error ", detail)
    assert told is not None, detail
    found, error = offset_and_error(seen(admin)[name])
    assert abs(found - offset) <= error
    assert abs(float(told[1]) - abs(offset)) <= error + 0.05
    return took, error, told[1]


@pytest.mark.parametrize("daemon", [QUICK], indirect=True, ids=["quick"])
@pytest.mark.parametrize("offset", [30, -3600])
def test_R21_a_skewed_node_is_judged_within_2_s_named_and_healed(
    daemon: Daemon, admin: Admin, vendor: TestVendor, tmp_path: Path, offset: int
) -> None:
    admin.upload(vendor.lic())
    clock = Skew(tmp_path / "node-clock", f"{offset:+d}s")

    def in_time(name: str) -> bool:
        with node_process(daemon, name, clock.env):
            took, error, span = judged_in(admin, name, offset)
            return took < 2 and error < 0.1 and float(span) == abs(offset)

    # A machine that is busy elsewhere makes a verdict later, and never sooner.
    assert any(map(in_time, ("report-1", "report-2", "report-3")))
    with node_process(daemon, "report-4", clock.env):
        eventually(lambda: DRIFT in titles(admin))
        with refused(grpc.StatusCode.FAILED_PRECONDITION, "REGISTRATION_REFUSED") as refusal:
            admin.register()
        assert refusal.reasons == ["CLOCK_DRIFT"]
        clock.set("+0s")
        eventually(lambda: titles(admin) == [], timeout=30)
        assert admin.register().nodes_licensed == 1


def test_R21_a_small_skew_is_measured_and_no_drift(
    daemon: Daemon, admin: Admin, vendor: TestVendor, tmp_path: Path
) -> None:
    admin.upload(vendor.lic())
    with node_process(daemon, "report-1", Skew(tmp_path / "node-clock", "+0.25s").env):
        offset, error = measured(admin, "report-1")
        assert abs(offset - 0.25) <= error
        assert titles(admin) == []
        assert admin.register().nodes_licensed == 1


def test_R21_a_seated_node_whose_clock_jumps_is_flagged_not_thrown_out_and_healed(
    make_daemon: MakeDaemon, vendor: TestVendor, tmp_path: Path
) -> None:
    clock = Skew(tmp_path / "node-clock")
    with running(make_daemon(*QUICK)) as daemon, node_process(daemon, "report-1", clock.env):
        admin = Admin(daemon.stubs("admin"), vendor)
        admin.upload(vendor.lic())
        eventually(lambda: admin.registration().nodes_connected == 1)
        admin.register()
        judged(admin, "report-1")
        clock.set("+30s")
        (failure,) = eventually(lambda: seen(admin)["report-1"].failures, 30)
        assert failure.detail.startswith("Node report-1 is 30.0 s ahead of the leader")
        assert admin.nodes() == {"report-1": "LICENSED"}
        assert [event.node_name for event in events(admin, "clock_drifted")] == ["report-1"]
        clock.set("+0s")
        eventually(lambda: not seen(admin)["report-1"].failures, 30)
        assert admin.nodes() == {"report-1": "LICENSED"}
        assert not events(admin, "seat_withdrawn", "session_lost")


def test_R21_a_clock_1_percent_fast_is_warned_of_then_flagged(make_daemon: MakeDaemon, vendor: TestVendor) -> None:
    # Many heartbeats within the 10 s from half of the limit to all of it, or a machine that stalls skips the warning.
    options = ("--lease-ttl", "6s", "--heartbeat-interval", "500ms", "--max-clock-drift", "200ms")
    with running(make_daemon(*options)) as daemon, node_process(daemon, "report-1", rated("1.01")):
        admin = Admin(daemon.stubs("admin"), vendor)
        eventually(lambda: events(admin, "clock_near"), timeout=60)
        eventually(lambda: events(admin, "clock_drifted"), timeout=60)


def test_R21_half_the_limit_is_a_warning_that_blocks_nothing(daemon: Daemon, admin: Admin, vendor: TestVendor) -> None:
    admin.upload(vendor.lic())
    node = RawNode(daemon.stubs("node"), clock_ms=3_000).joined()
    for _ in range(5):
        stream_of(node).beat()
    (failure,) = eventually(lambda: seen(admin)["report-1"].failures)
    assert failure.detail.startswith("Warning: node report-1 is 3.0 s ahead of the leader, more than half of the limit")
    assert len(events(admin, "clock_near")) == 1
    assert titles(admin) == []
    assert admin.register().nodes_licensed == 1
    assert admin.nodes() == {"report-1": "LICENSED"}


def test_R21_an_unsure_leader_says_so_rather_than_blame_its_nodes(
    make_daemon: MakeDaemon, vendor: TestVendor, tmp_path: Path
) -> None:
    def skewed_nodes(daemon: Daemon) -> None:
        for number in (1, 2, 3):
            node = RawNode(daemon.stubs("node"), name=f"report-{number}", clock_ms=-30_000 + number).joined()
            for _ in range(5):
                stream_of(node).beat()
            stack.enter_context(stream_of(node).beating())

    with ExitStack() as stack:
        daemon = stack.enter_context(running(make_daemon()))
        admin = Admin(daemon.stubs("admin"), vendor)
        admin.upload(vendor.lic())
        skewed_nodes(daemon)
        eventually(lambda: UNTRUSTED in titles(admin))
        assert "off most of the cluster's clocks" in details(admin)[0]

    with ExitStack() as stack:
        server = stack.enter_context(chronyd(tmp_path / "ntp"))
        daemon = stack.enter_context(running(make_daemon("--ntp-server", server, name="other")))
        admin = Admin(daemon.stubs("admin"), vendor)
        admin.upload(vendor.lic())
        skewed_nodes(daemon)
        eventually(lambda: titles(admin) == [DRIFT] * 3)  # NTP vouches for the leader


def test_R21_the_leaders_own_jump_is_blamed_on_no_node(skewed: Skewed, skew: Skew, vendor: TestVendor) -> None:
    daemon, admin = skewed(*QUICK)
    admin.upload(vendor.lic())
    with node_process(daemon, "report-1", {}):
        eventually(lambda: admin.registration().nodes_connected == 1)
        skew.set("+3600s")
        eventually(lambda: titles(admin) == [UNTRUSTED])
        eventually(lambda: abs(offset_and_error(seen(admin)["report-1"])[0] + 3600) < 1, 30)
        assert titles(admin) == [UNTRUSTED]
        assert not events(admin, "clock_drifted")


def test_R21_a_slow_asymmetric_path_widens_the_bound_and_makes_no_false_verdict(
    make_daemon: MakeDaemon, vendor: TestVendor
) -> None:
    """Limit 60 ms: the path alone moves the offset by up to 75 ms."""
    with (
        running(make_daemon("--max-clock-drift", "60ms")) as daemon,
        slow_path(daemon.address, Delay(0.150, 0.02), Delay(0.001, 0.02)) as address,
        node_process(daemon, "report-1", {}, address),
    ):
        admin = Admin(daemon.stubs("admin"), vendor)
        admin.upload(vendor.lic())
        offset, error = measured(admin, "report-1")
        assert error >= 0.075
        assert abs(offset) <= error
        judged(admin, "report-1")
        assert titles(admin) == []
        assert not events(admin, "clock_drifted", "clock_near")


def test_R21_a_real_drift_is_found_behind_the_slow_path_within_2_s(
    daemon: Daemon, admin: Admin, vendor: TestVendor, tmp_path: Path
) -> None:
    admin.upload(vendor.lic())
    clock = Skew(tmp_path / "node-clock", "+30s")
    with slow_path(daemon.address, Delay(0.1, 0.1), Delay(0.02, 0.1)) as address:

        def in_time(name: str) -> bool:
            with node_process(daemon, name, clock.env, address):
                return judged_in(admin, name, 30)[0] < 2

        # A machine that is busy elsewhere makes a verdict later, and never sooner.
        assert any(map(in_time, ("report-1", "report-2", "report-3")))
