"""A node's session against a real server: R13-R16 as a program sees them."""

import asyncio
import logging
import os
import threading
import time
from itertools import pairwise

import grpc
import pytest
from support.scripted_daemon import LICENSED, PENDING, REJECTED, TOKEN, WAITING, Join, Refuse, ScriptedDaemon
from support.waiting import eventually

from licd.v1 import failure_pb2
from licd.v1 import node_service_pb2 as pb
from node_client import Failure, Node, NodeState, clock
from node_client.link import Received
from node_client.remote import RemoteNode

DRIFT = failure_pb2.Failure(
    reason=failure_pb2.FAILURE_REASON_CLOCK_DRIFT,
    title="Server clocks do not agree",
    detail="Node report-1 is 12.3 s ahead",
    remedy="Set the clock.",
    node_name="report-1",
)


def test_a_node_is_pending_then_licensed_when_the_daemon_says_so(daemon: ScriptedDaemon, join: Join) -> None:
    daemon.state = PENDING
    node = join()
    eventually(lambda: node.state is NodeState.PENDING and daemon.streams)
    assert not node.is_licensed()
    daemon.tell(LICENSED)
    assert node.wait_licensed(5)
    assert node.state is NodeState.LICENSED
    assert 0 < node.lease_left <= daemon.lease_ttl
    request = daemon.joins[0]
    assert (request.node_name, request.application.content) == ("report-1", "sales")
    assert len(request.resume_secret) == 32
    assert set(daemon.authorizations) == {f"Bearer {TOKEN}"}


def test_failures_are_told_with_their_remedies_and_healed(daemon: ScriptedDaemon, join: Join) -> None:
    daemon.state, daemon.failures = REJECTED, (DRIFT,)
    node = join()
    eventually(lambda: node.state is NodeState.REJECTED and daemon.streams)
    told = Failure("CLOCK_DRIFT", DRIFT.title, DRIFT.detail, DRIFT.remedy, "report-1")
    assert list(node.failures) == [told]
    daemon.tell(LICENSED)
    assert node.wait_licensed(5)
    assert node.failures == ()


def test_r21_a_stream_opens_with_a_burst_that_echoes_the_acknowledgements(daemon: ScriptedDaemon, join: Join) -> None:
    daemon.heartbeat_interval = 60
    join().wait_licensed(5)
    eventually(lambda: len(daemon.heartbeats) == 8)
    assert daemon.beaten_at[-1] - daemon.beaten_at[0] < 1
    assert not daemon.heartbeats[0].HasField("ack_sent_at")
    assert all(beat.HasField("ack_sent_at") and beat.HasField("ack_received_at") for beat in daemon.heartbeats[1:])


def test_r13_a_lost_seat_is_acknowledged_at_once_after_the_node_stopped_believing(
    daemon: ScriptedDaemon, join: Join
) -> None:
    daemon.heartbeat_interval = 60
    node = join()
    eventually(lambda: len(daemon.heartbeats) == 8)
    daemon.tell(WAITING, serial=7)
    eventually(lambda: daemon.heartbeats[-1].state_serial == 7)
    assert node.state is NodeState.WAITING


def test_r13_an_older_serial_is_ignored(daemon: ScriptedDaemon, join: Join) -> None:
    node = join()
    eventually(lambda: daemon.streams)
    daemon.tell(WAITING, serial=9)
    eventually(lambda: node.state is NodeState.WAITING)
    daemon.tell(LICENSED, serial=8)
    daemon.tell(LICENSED, serial=9)
    daemon.tell(REJECTED, serial=10)
    eventually(lambda: node.state is not NodeState.WAITING)
    assert node.state is NodeState.REJECTED


def test_r15_jeopardy_is_told_at_the_leases_end_without_a_message(daemon: ScriptedDaemon, join: Join) -> None:
    daemon.lease_ttl, daemon.heartbeat_interval = 1.4, 60
    release = threading.Event()
    daemon.on_resume = lambda _: release.wait(60)  # a hung daemon

    def in_time(name: str) -> bool:
        told: list[tuple[NodeState, float]] = []
        daemon.heartbeats.clear()
        daemon.beaten_at.clear()
        daemon.acknowledges = True
        node = join(node_name=name, on_change=lambda changed: told.append((changed.state, time.monotonic())))
        assert node.wait_licensed(5)
        eventually(lambda: len(daemon.heartbeats) >= 8)
        last = daemon.beaten_at[7]
        daemon.acknowledges = False
        eventually(lambda: NodeState.JEOPARDY in [state for state, _ in told])
        assert not node.is_licensed()
        assert node.lease_left == 0
        return next(at for state, at in told if state is NodeState.JEOPARDY) - last < 1.8

    # A machine that is busy elsewhere makes it later, and never sooner.
    assert any(map(in_time, ("report-1", "report-2", "report-3")))
    release.set()


def test_r13_the_lease_counts_from_when_the_message_was_sent(daemon: ScriptedDaemon, join: Join) -> None:
    daemon.lease_ttl, daemon.heartbeat_interval = 10, 60
    daemon.acknowledges = False
    daemon.on_join = lambda _: time.sleep(1.2)
    node = join()
    assert node.wait_licensed(5)
    assert node.lease_left < 8.85


def test_r14_an_answer_of_an_older_epoch_is_refused_and_the_session_kept(daemon: ScriptedDaemon, join: Join) -> None:
    daemon.epoch = 5
    node = join()
    assert node.wait_licensed(5)
    session = daemon.joins[0].instance_id
    daemon.epoch = 4
    eventually(lambda: not node.is_licensed())
    assert [failure.reason for failure in node.failures] == ["JOURNAL_OLDER"]
    assert "epoch 4" in node.failures[0].detail
    daemon.epoch = 6
    assert node.wait_licensed(8)
    assert len(daemon.joins) == 1
    assert daemon.resumes[-1].session_id == f"session-{session}"
    assert daemon.resumes[-1].highest_epoch_seen == 5


def test_r14_an_epoch_of_the_same_number_with_another_id_is_refused_like_an_older_one(
    daemon: ScriptedDaemon, join: Join
) -> None:
    daemon.epoch, daemon.epoch_id = 2, "a" * 32
    node = join()
    assert node.wait_licensed(5)
    daemon.epoch_id = "b" * 32
    daemon.end(pb.END_REASON_SUPERSEDED)
    eventually(lambda: not node.is_licensed())
    assert [failure.reason for failure in node.failures] == ["JOURNAL_OLDER"]
    assert "b" * 32 in node.failures[0].detail
    daemon.epoch_id = "a" * 32
    assert node.wait_licensed(8)
    assert len(daemon.joins) == 1
    assert (daemon.resumes[-1].highest_epoch_seen, daemon.resumes[-1].epoch_id) == (2, "a" * 32)


def test_r16_the_stream_number_is_echoed_and_named(daemon: ScriptedDaemon, join: Join) -> None:
    daemon.number = 1 << 32
    node = join()
    assert node.wait_licensed(5)
    eventually(lambda: daemon.opens)
    daemon.end(pb.END_REASON_SUPERSEDED)
    eventually(lambda: len(daemon.opens) == 2)
    first = (1 << 32) + 1
    assert [opened.stream for opened in daemon.opens] == [first, first + 1]
    assert [(each.last_stream, each.stale_nonce) for each in daemon.resumes] == [(first, "")]


def test_r16_the_answer_of_a_resume_that_was_given_up_is_dropped(daemon: ScriptedDaemon, join: Join) -> None:
    daemon.number, daemon.lease_ttl = 1 << 32, 10
    node = join()
    assert node.wait_licensed(5)
    eventually(lambda: daemon.opens)
    daemon.on_resume = lambda _: time.sleep(2.5) if len(daemon.resumes) == 1 else None
    daemon.end(pb.END_REASON_SUPERSEDED)
    eventually(lambda: len(daemon.opens) == 2)
    assert len(daemon.resumes) >= 2
    assert {each.last_stream for each in daemon.resumes} == {(1 << 32) + 1}
    given = daemon.opens[-1].stream
    eventually(lambda: daemon.number is not None and daemon.number > given)
    daemon.end(pb.END_REASON_SUPERSEDED)
    eventually(lambda: len(daemon.opens) == 3)
    assert daemon.resumes[-1].last_stream == given


def test_r16_a_copy_brings_the_newest_nonce_back_to_the_same_daemon_then_joins_anew(
    daemon: ScriptedDaemon, join: Join
) -> None:
    other = ScriptedDaemon()
    try:
        daemon.number = 1 << 32
        node = join([daemon.address, other.address])
        assert node.wait_licensed(5)
        eventually(lambda: daemon.opens)

        def stale(request: pb.ResumeRequest) -> None:
            if len(daemon.resumes) < 3:
                nonce = f"{len(daemon.resumes):032x}"
                raise Refuse(grpc.StatusCode.FAILED_PRECONDITION, "STALE_RESUME", metadata={"nonce": nonce})
            raise Refuse(grpc.StatusCode.NOT_FOUND, "SESSION_EXPIRED", metadata={"ended": "COPIED"})

        daemon.on_resume = stale
        daemon.end(pb.END_REASON_SUPERSEDED)
        eventually(lambda: len(daemon.joins) == 2)
        assert node.wait_licensed(5)
        assert [each.stale_nonce for each in daemon.resumes] == ["", f"{1:032x}", f"{2:032x}"]
        assert not other.resumes
        assert daemon.joins[0].instance_id != daemon.joins[1].instance_id
        assert node.failures == ()
    finally:
        other.stop()


def test_r14_a_session_that_an_older_daemon_ended_is_taken_up_again_elsewhere(
    daemon: ScriptedDaemon, join: Join
) -> None:
    old = ScriptedDaemon()
    try:
        daemon.epoch, old.epoch = 9, 3

        def forgets(_: pb.ResumeRequest) -> None:
            raise Refuse(grpc.StatusCode.NOT_FOUND, "SESSION_EXPIRED")

        old.on_resume = forgets
        node = join([daemon.address, old.address])
        assert node.wait_licensed(5)
        daemon.stop()
        eventually(lambda: old.joins)
        daemon.start()
        assert node.wait_licensed(8)
        eventually(lambda: daemon.resumes)
        assert daemon.resumes[-1].session_id == f"session-{daemon.joins[0].instance_id}"
    finally:
        old.stop()


def test_r16_a_restart_of_the_daemon_is_survived_with_the_same_session(daemon: ScriptedDaemon, join: Join) -> None:
    daemon.lease_ttl = 10
    changes: list[NodeState] = []
    node = join(on_change=lambda changed: changes.append(changed.state))
    assert node.wait_licensed(5)
    eventually(lambda: len(daemon.heartbeats) >= 8)
    daemon.stop()
    before = len(daemon.heartbeats)
    daemon.epoch += 1
    daemon.start()
    eventually(lambda: len(daemon.heartbeats) > before)
    assert len(daemon.opens) == 2
    assert not daemon.heartbeats[before].HasField("ack_sent_at"), "the first of a stream echoes nothing (R21)"
    assert node.is_licensed()
    assert len(daemon.joins) == 1
    assert set(changes) == {NodeState.LICENSED}
    eventually(lambda: len(daemon.heartbeats) >= 16)
    sequences = [beat.sequence for beat in daemon.heartbeats]
    assert sequences == sorted(set(sequences)), "R16: heartbeat sequences rise strictly over the session's life"
    secrets = {daemon.joins[0].resume_secret, daemon.resumes[0].resume_secret, daemon.opens[1].resume_secret}
    assert len(secrets) == 1


def test_a_stream_without_acknowledgements_is_resumed_while_the_lease_still_runs(
    daemon: ScriptedDaemon, join: Join
) -> None:
    daemon.lease_ttl, daemon.heartbeat_interval = 10, 0.3
    node = join()
    assert node.wait_licensed(5)
    daemon.acknowledges = False
    eventually(lambda: daemon.resumes)
    assert node.is_licensed()


def test_r16_what_an_older_stream_says_after_a_resume_is_ignored(daemon: ScriptedDaemon, join: Join) -> None:
    node = join()
    assert isinstance(node, RemoteNode)
    eventually(lambda: daemon.streams)
    daemon.end(pb.END_REASON_SUPERSEDED)
    eventually(lambda: len(daemon.streams) == 2)
    # As if it had been read from the older stream and not yet been looked at.
    late = pb.KeepAliveResponse(state=pb.StateChange(serial=99, state=REJECTED))
    node._driver._events.put(Received(1, late, clock.boottime(), clock.wall_ns()))
    daemon.tell(WAITING, serial=3)
    eventually(lambda: node.state is NodeState.WAITING)


def test_r15_after_session_expired_it_joins_anew_with_a_new_identity(daemon: ScriptedDaemon, join: Join) -> None:
    def forgotten(_: pb.ResumeRequest) -> None:
        raise Refuse(grpc.StatusCode.NOT_FOUND, "SESSION_EXPIRED", {"ended": "EXPIRED"})

    node = join()
    assert node.wait_licensed(5)
    daemon.on_resume = forgotten
    daemon.end(pb.END_REASON_SUPERSEDED)
    eventually(lambda: len(daemon.joins) == 2)
    assert node.wait_licensed(5)
    assert daemon.joins[0].instance_id != daemon.joins[1].instance_id
    assert daemon.joins[0].resume_secret != daemon.joins[1].resume_secret


def test_r16_a_copied_session_ends_and_each_copy_joins_anew(daemon: ScriptedDaemon, join: Join) -> None:
    node = join()
    assert node.wait_licensed(5)
    daemon.end(pb.END_REASON_COPIED)
    eventually(lambda: len(daemon.joins) == 2)
    assert daemon.joins[0].instance_id != daemon.joins[1].instance_id
    assert not daemon.resumes


@pytest.mark.parametrize("told", ["in-band", "at the next resume"])
def test_an_evicted_node_does_not_rejoin(daemon: ScriptedDaemon, join: Join, told: str) -> None:
    def evicted(_: pb.ResumeRequest) -> None:
        raise Refuse(grpc.StatusCode.NOT_FOUND, "SESSION_EXPIRED", {"ended": "EVICTED"})

    node = join()
    assert node.wait_licensed(5)
    daemon.on_resume = evicted
    daemon.end(pb.END_REASON_EVICTED if told == "in-band" else pb.END_REASON_SUPERSEDED)
    eventually(lambda: node.state is NodeState.EVICTED)
    assert node.wait_licensed() is False
    assert node.failures[0].reason == "EVICTED"
    node.close()
    assert node.state is NodeState.EVICTED
    assert len(daemon.joins) == 1
    assert len(daemon.leaves) == 1, "the seat of a node that believes no more need not drain (R13)"


def test_r15_close_stops_believing_before_leave_is_sent(daemon: ScriptedDaemon, join: Join) -> None:
    node = join()
    assert node.wait_licensed(5)
    believed: list[bool] = []
    daemon.on_leave = lambda _: believed.append(node.is_licensed())
    node.close()
    node.close()
    assert believed == [False]
    assert len(daemon.leaves) == 1
    assert daemon.leaves[0].session_id == f"session-{daemon.joins[0].instance_id}"
    assert node.state is NodeState.CLOSED


def test_close_leaves_also_when_the_join_is_still_under_way(daemon: ScriptedDaemon, join: Join) -> None:
    arrived = threading.Event()

    def slow(_: pb.JoinRequest) -> None:
        arrived.set()
        time.sleep(0.3)

    daemon.on_join = slow
    node = join()
    assert arrived.wait(5)
    node.close()
    assert len(daemon.leaves) == 1


def test_close_is_bounded_when_the_daemon_hangs(daemon: ScriptedDaemon, join: Join) -> None:
    release = threading.Event()
    daemon.on_leave = lambda _: release.wait(60)

    def in_time(name: str) -> bool:
        node = join(node_name=name)
        assert node.wait_licensed(5)
        start = time.monotonic()
        node.close()
        return time.monotonic() - start < 3

    # A machine that is busy elsewhere makes it later, and never sooner.
    assert any(map(in_time, ("report-1", "report-2", "report-3")))
    release.set()


def test_close_leaks_no_thread_and_no_descriptor(daemon: ScriptedDaemon, join: Join) -> None:
    join().close()  # what grpc keeps for itself is there after this
    time.sleep(0)
    threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with join() as node:
            assert node.wait_licensed(5)
    # The scripted daemon's side of each connection ends a moment later.
    eventually(lambda: threading.active_count() <= threads + 6)
    eventually(lambda: len(os.listdir("/proc/self/fd")) <= descriptors + 2)
    eventually(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("licd-node")])


def test_a_daemon_that_is_away_is_waited_for(daemon: ScriptedDaemon, join: Join) -> None:
    daemon.stop()
    node = join()
    eventually(lambda: node.failures)
    assert node.state is NodeState.CONNECTING
    assert node.failures[0].reason == "UNREACHABLE"
    assert not node.wait_licensed(0.05)
    daemon.start()
    assert node.wait_licensed(8)
    assert node.failures == ()


def test_the_next_address_is_tried_when_one_is_away(daemon: ScriptedDaemon, join: Join) -> None:
    away = ScriptedDaemon()
    away.stop()
    assert join(f"{away.address}, {daemon.address}").wait_licensed(5)


def test_not_leader_leads_to_the_leader(daemon: ScriptedDaemon, join: Join) -> None:
    follower = ScriptedDaemon()
    leader = (("licd-leader", daemon.address),)

    def points(_: pb.JoinRequest) -> None:
        raise Refuse(grpc.StatusCode.UNAVAILABLE, "NOT_LEADER", trailers=leader)

    follower.on_join = points
    try:
        assert join(follower.address).wait_licensed(5)
        assert len(daemon.joins) == 1
    finally:
        follower.stop()


def test_a_plaintext_token_follows_no_leader_off_loopback(daemon: ScriptedDaemon, join: Join) -> None:
    def points(_: pb.JoinRequest) -> None:
        if len(daemon.joins) < 3:
            raise Refuse(grpc.StatusCode.UNAVAILABLE, "NOT_LEADER", trailers=(("licd-leader", "192.0.2.1:7443"),))

    daemon.on_join = points
    assert join().wait_licensed(5)
    assert len(daemon.joins) == 3


def test_a_drain_is_believed_through_and_followed(daemon: ScriptedDaemon, join: Join) -> None:
    successor = ScriptedDaemon()
    try:
        successor.epoch, daemon.lease_ttl = 2, 10
        node = join()
        assert node.wait_licensed(5)
        eventually(lambda: daemon.streams)
        reconnect = pb.Reconnect(address=successor.address)
        reconnect.after.FromMilliseconds(200)
        daemon.push(pb.KeepAliveResponse(reconnect=reconnect))
        eventually(lambda: successor.resumes)
        assert node.is_licensed()
        assert len(daemon.joins) == 1
    finally:
        successor.stop()


def test_a_wrong_token_is_told_once_with_its_remedy_and_never_logged(
    daemon: ScriptedDaemon, join: Join, caplog: pytest.LogCaptureFixture
) -> None:
    def unknown(_: pb.JoinRequest) -> None:
        raise Refuse(grpc.StatusCode.UNAUTHENTICATED, "NO_CREDENTIALS", retry_after=0.1)

    daemon.on_join = unknown
    with caplog.at_level(logging.DEBUG):
        node = join()
        eventually(lambda: len(daemon.joins) >= 3)
    assert node.failures[0].reason == "NO_CREDENTIALS"
    assert "node.token" in node.failures[0].remedy
    errors = [record for record in caplog.records if record.name == "node_client" and record.levelno >= logging.ERROR]
    assert len(errors) == 1
    assert TOKEN not in caplog.text


def test_R36_a_node_beyond_a_budget_says_so_and_tries_the_same_join_again_when_it_may(
    daemon: ScriptedDaemon, join: Join
) -> None:
    asked: list[float] = []

    def full(_: pb.JoinRequest) -> None:
        asked.append(time.monotonic())
        if len(asked) <= 2:
            raise Refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", retry_after=1.0)

    daemon.on_join = full
    node = join()
    eventually(lambda: node.failures)
    assert node.failures[0].reason == "RATE_LIMITED"
    assert "licd check" in node.failures[0].remedy
    assert node.wait_licensed(20)
    assert len({request.instance_id for request in daemon.joins}) == 1
    assert min(later - sooner for sooner, later in pairwise(asked)) >= 1.0


def test_a_refused_call_names_the_failures_of_its_trailer(daemon: ScriptedDaemon, join: Join) -> None:
    def refused(_: pb.JoinRequest) -> None:
        raise Refuse(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", failures=(DRIFT,))

    daemon.on_join = refused
    node = join()
    eventually(lambda: node.failures)
    assert node.failures[0].reason == "CLOCK_DRIFT"


def test_a_callback_that_raises_harms_nothing_and_one_may_close_the_node(daemon: ScriptedDaemon, join: Join) -> None:
    calls: list[NodeState] = []

    def careless(node: Node) -> None:
        calls.append(node.state)
        if len(calls) == 1:
            message = "the program's own fault"
            raise RuntimeError(message)
        node.close()

    join(on_change=careless)
    eventually(lambda: daemon.streams)
    daemon.tell(WAITING)
    eventually(lambda: daemon.leaves)


def test_a_slow_callback_delays_no_heartbeat(daemon: ScriptedDaemon, join: Join) -> None:
    release = threading.Event()
    join(on_change=lambda _: release.wait(10))
    eventually(lambda: len(daemon.heartbeats) >= 9)
    release.set()


def test_wait_licensed_async_waits_without_blocking_the_loop(daemon: ScriptedDaemon, join: Join) -> None:
    daemon.state = PENDING
    node = join()

    async def scene() -> bool:
        assert not await node.wait_licensed_async(0.05)
        waiting = asyncio.create_task(node.wait_licensed_async(5))
        while not daemon.streams:
            await asyncio.sleep(0.005)
        daemon.tell(LICENSED)
        return await waiting

    assert asyncio.run(scene())
