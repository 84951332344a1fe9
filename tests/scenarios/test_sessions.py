"""Sessions and seats through loss, return, copies and restarts (R13-R18), over raw gRPC against real daemons.

Leases are short where their end is waited for; every test waits on what a node or an administrator sees.
"""

import secrets
import shutil
import time
from contextlib import ExitStack
from typing import Any

import grpc
import pytest
from support.admin import Admin
from support.daemon import Daemon, running
from support.raw_node import RawNode, Stream
from support.refusal import refused
from support.vendor import TestVendor
from support.waiting import eventually

from licd.v1 import cluster_service_pb2 as cluster
from licd.v1 import node_service_pb2 as pb
from licd.v1 import registration_service_pb2 as registration

NOT_FOUND = grpc.StatusCode.NOT_FOUND
DENIED = grpc.StatusCode.PERMISSION_DENIED
STALE = grpc.StatusCode.FAILED_PRECONDITION
LEASE_S = 6.0
SHORT = ("--lease-ttl", f"{LEASE_S}s", "--heartbeat-interval", "2s")
short_leases = pytest.mark.parametrize("daemon", [SHORT], indirect=True, ids=["short_leases"])


def state_of(answer: pb.JoinResponse | pb.ResumeResponse) -> str:
    return pb.NodeState.Name(answer.state).removeprefix("NODE_STATE_")


def registered(daemon: Daemon, admin: Admin, vendor: TestVendor, count: int, **license: Any) -> list[RawNode]:
    """A registered cluster of `count` nodes."""
    admin.upload(vendor.lic(**license))
    nodes = [RawNode(daemon.stubs("node"), f"report-{n + 1}").joined() for n in range(count)]
    with ExitStack() as beating:
        for node in nodes:
            beating.enter_context(node.stream.beating())
        admin.register()
    for node in nodes:
        node.stream.until_state("LICENSED")
    return nodes


def keep_alive(node: RawNode, until, timeout: float = 20.0) -> None:
    """Heartbeats of `node` go on until a condition holds."""
    deadline = time.monotonic() + timeout
    while not until():
        assert time.monotonic() < deadline
        node.stream.beat()
        time.sleep(0.1)


@short_leases
def test_R14_the_answer_carries_the_daemons_pace(daemon: Daemon):
    answer = RawNode(daemon.stubs("node")).join()
    assert answer.lease_ttl.ToMilliseconds() == 1000 * LEASE_S
    assert answer.heartbeat_interval.ToMilliseconds() == 2000
    assert answer.max_clock_drift.ToMilliseconds() == 5000
    assert answer.epoch == 1


def test_repeating_a_join_is_the_same_join_and_another_secret_is_refused(daemon: Daemon):
    node = RawNode(daemon.stubs("node"))
    first = node.join()
    assert node.join().session_id == first.session_id
    with refused(DENIED, "WRONG_SECRET"):
        node.join(resume_secret=secrets.token_bytes(32))
    with refused(DENIED, "WRONG_SECRET"):
        node.resume(resume_secret=secrets.token_bytes(32))
    with refused(NOT_FOUND, "SESSION_EXPIRED"):
        node.resume(session_id="f" * 32)


@short_leases
def test_R13_heartbeats_hold_a_seat_and_silence_frees_it_for_the_line(daemon: Daemon, admin: Admin, vendor):
    silent, steady = registered(daemon, admin, vendor, 2, max_nodes=2)
    with steady.stream.beating():
        waiting = RawNode(daemon.stubs("node"), "waiting").joined()
        waiting.stream.until_state("WAITING")
    began = time.monotonic()

    def seated() -> bool:
        waiting.stream.heartbeat()
        return admin.nodes().get("waiting") == "LICENSED"

    keep_alive(steady, seated)
    assert time.monotonic() - began < LEASE_S + 2
    waiting.stream.until_state("LICENSED")
    assert admin.nodes() == {"report-2": "LICENSED", "waiting": "LICENSED"}
    assert silent.stream.until("reconnect") is not None


@short_leases
def test_R16_a_lost_node_that_returns_stands_at_the_head_of_the_line(daemon: Daemon, admin: Admin, vendor):
    lost, steady = registered(daemon, admin, vendor, 2, max_nodes=2)
    with ExitStack() as beating:
        beating.enter_context(steady.stream.beating())
        first = RawNode(daemon.stubs("node"), "first").joined()
        beating.enter_context(first.stream.beating())
        second = RawNode(daemon.stubs("node"), "second").joined()
        beating.enter_context(second.stream.beating())
        eventually(lambda: admin.nodes().get("first") == "LICENSED", 20)
        assert state_of(lost.resume()) == "WAITING"
        beating.enter_context(lost.open().beating())
        first.leave()
        assert lost.stream.until_state("LICENSED")
        assert admin.nodes()["second"] == "WAITING"


def test_R16_resume_supersedes_the_older_stream_and_keeps_the_seat(daemon: Daemon, admin: Admin, vendor):
    (node,) = registered(daemon, admin, vendor, 1)
    older = node.stream
    assert state_of(node.resume()) == "LICENSED"
    assert pb.EndReason.Name(older.until("ended").reason) == "END_REASON_SUPERSEDED"
    assert older.next() is None
    node.open().until_state("LICENSED")
    assert node.stream.beat().sequence == node.sequence


def end_of(stream: Stream) -> str:
    """Why a stream was ended in-band."""
    return pb.EndReason.Name(stream.until("ended").reason).removeprefix("END_REASON_")


def test_R16_every_answer_gives_a_higher_stream_number_over_epochs_too(daemon: Daemon):
    node = RawNode(daemon.stubs("node"))
    numbers = [node.join().stream, node.join().stream, node.resume().stream]
    node.open().beat()
    numbers.append(node.resume().stream)
    daemon.kill()
    daemon.start()
    node.stubs = daemon.stubs("node")
    numbers += [node.resume().stream, node.join().stream]
    assert numbers == sorted(set(numbers))
    assert [number >> 32 for number in numbers] == [1, 1, 1, 1, 2, 2], "the upper half is the epoch"


def test_R16_a_client_that_counts_from_1_on_every_stream_works_through_cuts(daemon: Daemon, admin: Admin, vendor):
    (node,) = registered(daemon, admin, vendor, 1)
    for _ in range(4):
        node.stream.end()
        assert state_of(node.resume()) == "LICENSED"
        node.sequence = 0
        node.open()
        assert [node.stream.beat().sequence for _ in range(3)] == [1, 2, 3]
    assert admin.state == "REGISTERED"


@pytest.mark.parametrize("again", [0, -1], ids=["repeated", "lower"])
def test_R16_a_sequence_that_does_not_rise_is_refused_and_no_copy(daemon: Daemon, admin: Admin, vendor, again: int):
    (node,) = registered(daemon, admin, vendor, 1)
    node.stream.beat()
    latest = node.stream.beat().sequence
    node.stream.heartbeat(sequence=latest + again)
    assert end_of(node.stream) == "REFUSED"
    assert node.stream.next() is None
    assert state_of(node.resume()) == "LICENSED"
    assert node.open().beat()
    assert admin.state == "REGISTERED"


@pytest.mark.parametrize("late", ["older", "opened_already", "of_0.1.0"])
def test_R16_an_open_that_comes_late_is_superseded_and_changes_nothing(daemon: Daemon, admin: Admin, vendor, late: str):
    (node,) = registered(daemon, admin, vendor, 1)
    older = node.stream_number
    node.resume()
    current = node.open()
    latest = current.beat().sequence
    number = {"older": older, "opened_already": node.stream_number, "of_0.1.0": 0}[late]
    held_back = Stream(node, node.opening(number))
    held_back.heartbeat(sequence=1)
    assert end_of(held_back) == "SUPERSEDED"
    node.sequence = latest
    assert current.beat().sequence == latest + 1, "the live stream lives on"


@short_leases
def test_R16_an_open_that_comes_late_brings_no_lost_session_back(daemon: Daemon, admin: Admin, vendor):
    lost, steady = registered(daemon, admin, vendor, 2)
    older = lost.stream_number
    lost.resume()
    with steady.stream.beating():
        eventually(lambda: admin.nodes() == {"report-2": "LICENSED"}, 20)
        assert end_of(Stream(lost, lost.opening(older))) == "SUPERSEDED"
        assert admin.nodes() == {"report-2": "LICENSED"}


def test_R16_an_open_from_before_a_restart_is_superseded(daemon: Daemon, admin: Admin, vendor):
    (node,) = registered(daemon, admin, vendor, 1)
    node.resume()
    daemon.kill()
    daemon.start()
    node.stubs = daemon.stubs("node")
    assert end_of(node.open()) == "SUPERSEDED"
    assert Admin(daemon.stubs("admin"), vendor).state == "RECOVERING", "it proves nothing"
    assert state_of(node.resume()) == "LICENSED"
    assert node.open().beat()


def test_R16_a_late_resume_is_refused_with_a_nonce_and_leaves_the_live_stream_alone(
    daemon: Daemon, admin: Admin, vendor
):
    (node,) = registered(daemon, admin, vendor, 1)
    older = node.stream_number
    node.resume()
    current = node.open()
    current.beat()  # so the daemon has opened it
    nonces = []
    for _ in range(3):
        with refused(STALE, "STALE_RESUME") as refusal:
            node.resume(last_stream=older)
        nonces.append(refusal.metadata["nonce"])
    assert len(set(nonces)) == 3
    assert all(len(bytes.fromhex(nonce)) == 16 for nonce in nonces)
    assert current.beat().sequence == node.sequence
    with refused(STALE, "STALE_RESUME"):
        node.resume(last_stream=older, stale_nonce=nonces[0])
    assert current.beat().sequence == node.sequence, "only the newest nonce counts"
    with refused(DENIED, "WRONG_SECRET"):
        node.resume(last_stream=older, resume_secret=secrets.token_bytes(32))
    assert state_of(node.resume()) == "LICENSED"
    assert admin.state == "REGISTERED"


def test_R16_a_copied_process_brings_the_nonce_back_and_the_session_ends_for_both(daemon: Daemon, admin: Admin, vendor):
    (node,) = registered(daemon, admin, vendor, 1)
    copy = node.copied()
    assert state_of(copy.resume()) == "LICENSED"
    copy.open().beat()
    assert end_of(node.stream) == "SUPERSEDED"
    with refused(STALE, "STALE_RESUME") as refusal:
        node.resume()
    with refused(NOT_FOUND, "SESSION_EXPIRED") as end:
        node.resume(stale_nonce=refusal.metadata["nonce"])
    assert end.metadata["ended"] == "COPIED"
    assert end_of(copy.stream) == "COPIED"
    with refused(NOT_FOUND, "SESSION_EXPIRED"):
        copy.resume()
    assert admin.state == "RECOVERING", "a registration that ends this way resets only after the window"


def test_R16_a_copy_made_before_the_joins_answer_is_found(daemon: Daemon):
    node = RawNode(daemon.stubs("node"))
    copy = node.copied()
    node.join()
    node.open().beat()
    copy.join()
    copy.open().beat()
    assert end_of(node.stream) == "SUPERSEDED"
    with refused(STALE, "STALE_RESUME") as refusal:
        node.resume()
    with refused(NOT_FOUND, "SESSION_EXPIRED") as end:
        node.resume(stale_nonce=refusal.metadata["nonce"])
    assert end.metadata["ended"] == "COPIED"


def test_R16_after_a_restart_the_first_resume_sets_the_floor(daemon: Daemon, admin: Admin, vendor):
    (node,) = registered(daemon, admin, vendor, 1)
    older = node.copied()
    node.resume()
    node.open().beat()
    daemon.kill()
    daemon.start()
    node.stubs = older.stubs = daemon.stubs("node")
    assert state_of(node.resume()) == "LICENSED"
    with refused(STALE, "STALE_RESUME"):
        older.resume()
    assert node.open().beat()


def test_R16_a_copy_that_comes_first_after_a_restart_is_found_by_the_other(daemon: Daemon, admin: Admin, vendor):
    (node,) = registered(daemon, admin, vendor, 1)
    copy = node.copied()
    node.resume()
    node.open().beat()
    daemon.kill()
    daemon.start()
    node.stubs = copy.stubs = daemon.stubs("node")
    copy.resume()
    copy.open().beat()
    with refused(STALE, "STALE_RESUME") as refusal:
        node.resume()
    with refused(NOT_FOUND, "SESSION_EXPIRED"):
        node.resume(stale_nonce=refusal.metadata["nonce"])
    assert end_of(copy.stream) == "COPIED"


def test_R16_a_lost_answer_makes_no_honest_process_stale(daemon: Daemon, admin: Admin, vendor):
    (node,) = registered(daemon, admin, vendor, 1)
    for _ in range(3):
        unheard = node.copied()
        unheard.resume()
    assert state_of(node.resume()) == "LICENSED"
    assert node.open().beat()
    assert admin.state == "REGISTERED"


def test_the_streams_first_message_must_be_a_valid_open(daemon: Daemon):
    node = RawNode(daemon.stubs("node"))
    node.join()
    wrong = pb.KeepAliveOpen(session_id=node.session_id, resume_secret=secrets.token_bytes(32))
    for message in (pb.KeepAliveRequest(heartbeat=pb.Heartbeat(sequence=1)), pb.KeepAliveRequest(open=wrong)):
        stream = Stream(node, message)
        assert pb.EndReason.Name(stream.until("ended").reason) == "END_REASON_REFUSED"
    unknown = pb.KeepAliveOpen(session_id="f" * 32, resume_secret=node.secret)
    stream = Stream(node, pb.KeepAliveRequest(open=unknown))
    assert pb.EndReason.Name(stream.until("ended").reason) == "END_REASON_EXPIRED"


@short_leases
def test_R13_an_evicted_seat_drains_for_its_lease_before_it_is_given_away(daemon: Daemon, admin: Admin, vendor):
    node, steady = registered(daemon, admin, vendor, 2, max_nodes=2)
    with steady.stream.beating():
        waiting = RawNode(daemon.stubs("node"), "waiting").joined()
        waiting.stream.until_state("WAITING")
    node.stream.beat()
    believed_until = time.monotonic() + LEASE_S - 0.2
    request = cluster.EvictNodeRequest(session_id=node.session_id)
    admin.stubs.cluster.EvictNode(request)
    assert pb.EndReason.Name(node.stream.until("ended").reason) == "END_REASON_EVICTED"
    with refused(NOT_FOUND, "SESSION_EXPIRED") as refusal:
        node.resume()
    assert refusal.metadata["ended"] == "EVICTED"

    def seated() -> bool:
        waiting.stream.heartbeat()
        return admin.nodes().get("waiting") == "LICENSED"

    keep_alive(steady, seated)
    assert time.monotonic() >= believed_until
    admin.stubs.cluster.EvictNode(request)


def test_R13_an_evicted_node_that_leaves_frees_its_seat_at_once(daemon: Daemon, admin: Admin, vendor):
    (node,) = registered(daemon, admin, vendor, 1, max_nodes=1)
    waiting = RawNode(daemon.stubs("node"), "waiting").joined()
    admin.stubs.cluster.EvictNode(cluster.EvictNodeRequest(session_id=node.session_id))
    node.leave()
    assert admin.nodes() == {"waiting": "PENDING"}, "the registration went with its only holder (R17)"
    waiting.stream.end()


def test_R13_only_the_echo_of_the_losing_state_acknowledges_it(daemon: Daemon, admin: Admin, vendor):
    holder, _ = registered(daemon, admin, vendor, 2, max_nodes=2)
    licensed_serial = holder.serial
    admin.stubs.registration.ResetRegistration(registration.ResetRegistrationRequest())
    lost = holder.stream.until_state("PENDING")
    assert lost.serial > licensed_serial
    holder.stream.heartbeat(serial=licensed_serial)
    holder.stream.until("heartbeat_ack")
    events = cluster.ListEventsRequest(kinds=["seat_freed"])
    assert not admin.stubs.cluster.ListEvents(events).events
    holder.stream.heartbeat(serial=lost.serial)
    freed = eventually(lambda: admin.stubs.cluster.ListEvents(events).events)
    assert [event.session_id for event in freed] == [holder.session_id]


@short_leases
def test_R17_kill_9_of_every_node_is_recovering_and_only_the_secret_brings_it_back(
    daemon: Daemon, admin: Admin, vendor
):
    nodes = registered(daemon, admin, vendor, 2)
    for node in nodes:
        node.stream.end()
    eventually(lambda: admin.state == "RECOVERING", 20)
    assert admin.registration().HasField("recovery_deadline")
    fresh = RawNode(daemon.stubs("node"), "fresh")
    assert state_of(fresh.join()) == "PENDING", "processes that are new prove nothing"
    with refused(DENIED, "WRONG_SECRET"):
        nodes[0].resume(resume_secret=secrets.token_bytes(32))
    assert state_of(nodes[0].resume()) == "LICENSED"
    assert admin.state == "REGISTERED"


def test_R17_when_none_comes_back_within_the_window_the_registration_resets(make_daemon, vendor: TestVendor):
    with running(make_daemon(*SHORT, "--recovery-window", "500ms")) as daemon:
        admin = Admin(daemon.stubs("admin"), vendor)
        (node,) = registered(daemon, admin, vendor, 1)
        node.stream.end()
        eventually(lambda: admin.state == "UNREGISTERED", 20)
        assert admin.registration().license.company == "Acme Ltd"
        with refused(NOT_FOUND, "SESSION_EXPIRED"):
            node.resume()


def test_R18_kill_9_of_the_daemon_keeps_registration_and_seats_without_a_human(
    daemon: Daemon, admin: Admin, vendor: TestVendor
):
    nodes = registered(daemon, admin, vendor, 3)
    daemon.kill()
    daemon.start()
    admin = Admin(daemon.stubs("admin"), vendor)
    assert admin.state == "RECOVERING"
    assert admin.registration().nodes_licensed == 3, "the recorded holders' seats are nobody else's"
    newcomer = RawNode(daemon.stubs("node"), "newcomer")
    assert state_of(newcomer.join()) == "PENDING"
    for node in nodes:
        before = node.epoch
        assert state_of(node.resume(daemon.stubs("node"))) == "LICENSED"
        assert node.epoch == before + 1
        node.open().until_state("LICENSED")
    assert admin.state == "REGISTERED"
    assert state_of(newcomer.join()) == "WAITING"


def test_R14_a_session_that_has_seen_a_higher_epoch_is_refused_by_a_rolled_back_journal(
    daemon: Daemon, admin: Admin, vendor
):
    (node,) = registered(daemon, admin, vendor, 1)
    with refused(NOT_FOUND, "SESSION_EXPIRED") as refusal:
        node.resume(highest_epoch_seen=node.epoch + 1)
    assert "older copy" in refusal.message


@pytest.mark.parametrize("starts", [1, 2], ids=["started_once", "started_twice"])
def test_R14_a_journal_restored_from_before_the_last_start_is_found_by_both_sides(
    make_daemon, daemon: Daemon, admin: Admin, vendor: TestVendor, starts: int
):
    (node,) = registered(daemon, admin, vendor, 1)
    daemon.stop()
    copy = make_daemon(name="copy")
    shutil.copytree(daemon.data_dir, copy.data_dir)
    daemon.start()
    node.resume(daemon.stubs("node"))
    assert (node.epoch, len(bytes.fromhex(node.epoch_id))) == (2, 16)
    for _ in range(starts - 1):
        with running(copy):
            pass
    with running(copy):
        with refused(NOT_FOUND, "SESSION_EXPIRED") as refusal:
            node.resume(copy.stubs("node"))
        assert "older copy" in refusal.message
        stranger = RawNode(copy.stubs("node"), "stranger")
        assert stranger.join().epoch == 1 + starts
        assert stranger.epoch_id != node.epoch_id, "a node tells the epochs of one number apart by it"
        assert state_of(node.resume(epoch_id="", highest_epoch_seen=2)) == "LICENSED", "0.1.0 knows no id"


def test_R14_an_epochs_id_is_new_at_each_start_and_in_every_answer(daemon: Daemon):
    node = RawNode(daemon.stubs("node"))
    ids = {node.join().epoch_id, node.join().epoch_id, node.resume().epoch_id}
    assert len(ids) == 1
    daemon.kill()
    daemon.start()
    node.resume(daemon.stubs("node"))
    assert node.epoch_id not in ids


@short_leases
def test_R19_a_copied_data_directory_recovers_nothing(make_daemon, daemon: Daemon, admin: Admin, vendor: TestVendor):
    registered(daemon, admin, vendor, 2)
    copy = make_daemon(*SHORT, "--recovery-window", "0", name="copy")
    shutil.copytree(daemon.data_dir, copy.data_dir)
    with running(copy):
        other = Admin(copy.stubs("admin"), vendor)
        newcomer = RawNode(copy.stubs("node"), "newcomer")
        assert state_of(newcomer.join()) == "PENDING"
        eventually(lambda: other.state == "UNREGISTERED", 30)


def test_R18_sigterm_tells_the_nodes_to_come_back_and_loses_nothing(daemon: Daemon, admin: Admin, vendor: TestVendor):
    (node,) = registered(daemon, admin, vendor, 1)
    assert daemon.process is not None
    daemon.process.terminate()
    assert node.stream.until("reconnect").after.ToMilliseconds() > 0
    assert daemon.process.wait(10) == 0
    daemon.stop()
    daemon.start()
    assert state_of(node.resume(daemon.stubs("node"))) == "LICENSED"
    assert Admin(daemon.stubs("admin"), vendor).state == "REGISTERED"


def test_R21_a_node_that_joins_with_a_wrong_clock_is_rejected_and_healed(daemon: Daemon, admin: Admin, vendor):
    (steady,) = registered(daemon, admin, vendor, 1)
    skewed = RawNode(daemon.stubs("node"), "skewed", clock_ms=12_300).joined()
    rejected = pb.StateChange()

    def healed() -> bool:
        skewed.stream.beat()
        return admin.nodes()["skewed"] == "LICENSED"

    with steady.stream.beating():
        while rejected.state != pb.NODE_STATE_REJECTED:
            skewed.stream.heartbeat()
            while (response := skewed.stream.next()) is not None and not response.HasField("heartbeat_ack"):
                rejected = response.state
        (failure,) = rejected.failures
        assert failure.title == "Server clocks do not agree"
        assert failure.detail.startswith("Node skewed is 12.3 s ahead of the leader (limit 5 s, error ")
        skewed.clock_ms = 0
        eventually(healed)


def test_R21_the_offset_is_shown_with_its_bound(daemon: Daemon, admin: Admin):
    node = RawNode(daemon.stubs("node"), clock_ms=-2000).joined()
    for _ in range(4):
        node.stream.beat()
    (shown,) = admin.stubs.cluster.ListNodes(cluster.ListNodesRequest()).nodes
    offset, error = shown.clock_offset.ToMilliseconds(), shown.clock_error.ToMilliseconds()
    assert abs(offset + 2000) <= error + 1
    assert shown.address.startswith("ipv4:127.0.0.1")
    assert shown.HasField("last_heartbeat_at")
