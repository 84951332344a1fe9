"""An entry of the journal as operators see it: every field of the event but its secrets."""

import msgspec

from licd.v1 import cluster_service_pb2 as pb
from licd_daemon.core.model import State
from licd_daemon.journal.chain import decode
from licd_daemon.journal.port import Record
from licd_daemon.rpc.convert import actor_message, timestamp

_SHOWN_OTHERWISE = {"kind", "actor", "session_id", "node_name", "container_lic"}
_SECRET = frozenset(_SHOWN_OTHERWISE | {"project_key", "secret_hash", "token_hash", "instance_id"})


def event_message(record: Record, state: State, *, scan: bool) -> pb.Event:
    """`state` names the node of a session that is still remembered; `scan`: with addresses that phones register by.

    Raises:
        JournalCorrupt: the record can't be read.
    """
    event = decode(record).event
    fields = msgspec.to_builtins(event)
    session_id = fields.get("session_id", "")
    session = state.sessions.get(session_id)
    hidden = _SECRET if scan else _SECRET | {"url"}
    return pb.Event(
        position=record.position,
        at=timestamp(record.at),
        kind=record.kind,
        session_id=session_id,
        node_name=fields.get("node_name") or (session.node_name if session else ""),
        attributes={key: _text(value) for key, value in fields.items() if key not in hidden and value is not None},
        digest=record.digest.hex(),
        actor=actor_message(event.actor) if event.actor else None,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
