"""Values to messages of licd.v1 and back; nothing is decided here."""

from collections.abc import Iterable

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from licd.v1 import failure_pb2, node_service_pb2
from node_client.belief import Answer
from node_client.values import Application, Failure, NodeState

_STATES = {
    node_service_pb2.NODE_STATE_PENDING: NodeState.PENDING,
    node_service_pb2.NODE_STATE_LICENSED: NodeState.LICENSED,
    node_service_pb2.NODE_STATE_WAITING: NodeState.WAITING,
    node_service_pb2.NODE_STATE_REJECTED: NodeState.REJECTED,
}


def node_state(state: node_service_pb2.NodeState) -> NodeState:
    """The state that the daemon reports; one that this client does not know counts as PENDING: not licensed."""
    return _STATES.get(state, NodeState.PENDING)


def failure(message: failure_pb2.Failure) -> Failure:
    """One reason; a number that this client does not know is kept as a number."""
    try:
        reason = failure_pb2.FailureReason.Name(message.reason).removeprefix("FAILURE_REASON_")
    except ValueError:
        reason = str(message.reason)
    return Failure(reason, message.title, message.detail, message.remedy, message.node_name)


def failures(messages: Iterable[failure_pb2.Failure]) -> tuple[Failure, ...]:
    """All reasons, in the daemon's order."""
    return tuple(failure(message) for message in messages)


def answer(response: node_service_pb2.JoinResponse | node_service_pb2.ResumeResponse) -> Answer:
    """The answer to Join or Resume."""
    return Answer(
        session_id=response.session_id,
        epoch=response.epoch,
        lease_ttl=seconds(response.lease_ttl),
        heartbeat_interval=seconds(response.heartbeat_interval),
        reported=node_state(response.state),
        failures=failures(response.failures),
        epoch_id=response.epoch_id,
        stream=response.stream,
        # Not set by daemons before 0.2: no grace.
        outage_grace=seconds(response.outage_grace),
        license=response.license,
        max_clock_drift=seconds(response.max_clock_drift),
    )


def application(value: Application) -> node_service_pb2.Application:
    """What the program is."""
    return node_service_pb2.Application(
        name=value.name, version=value.version, build_date=value.build_date, content=value.content
    )


def seconds(duration: Duration) -> float:
    """A span in seconds."""
    return duration.seconds + duration.nanos / 1e9


def timestamp(wall_ns: int) -> Timestamp:
    """A wall time from nanoseconds since 1970."""
    return Timestamp(seconds=wall_ns // 10**9, nanos=wall_ns % 10**9)
