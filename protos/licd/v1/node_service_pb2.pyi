import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from licd.v1 import access_pb2 as _access_pb2
from licd.v1 import failure_pb2 as _failure_pb2
from licd.v1 import registration_service_pb2 as _registration_service_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class NodeState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NODE_STATE_UNSPECIFIED: _ClassVar[NodeState]
    NODE_STATE_PENDING: _ClassVar[NodeState]
    NODE_STATE_LICENSED: _ClassVar[NodeState]
    NODE_STATE_WAITING: _ClassVar[NodeState]
    NODE_STATE_REJECTED: _ClassVar[NodeState]

class EndReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    END_REASON_UNSPECIFIED: _ClassVar[EndReason]
    END_REASON_LEFT: _ClassVar[EndReason]
    END_REASON_EVICTED: _ClassVar[EndReason]
    END_REASON_SUPERSEDED: _ClassVar[EndReason]
    END_REASON_COPIED: _ClassVar[EndReason]
    END_REASON_EXPIRED: _ClassVar[EndReason]
    END_REASON_REFUSED: _ClassVar[EndReason]
    END_REASON_REVOKED: _ClassVar[EndReason]
NODE_STATE_UNSPECIFIED: NodeState
NODE_STATE_PENDING: NodeState
NODE_STATE_LICENSED: NodeState
NODE_STATE_WAITING: NodeState
NODE_STATE_REJECTED: NodeState
END_REASON_UNSPECIFIED: EndReason
END_REASON_LEFT: EndReason
END_REASON_EVICTED: EndReason
END_REASON_SUPERSEDED: EndReason
END_REASON_COPIED: EndReason
END_REASON_EXPIRED: EndReason
END_REASON_REFUSED: EndReason
END_REASON_REVOKED: EndReason

class Application(_message.Message):
    __slots__ = ("name", "version", "build_date", "content")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    BUILD_DATE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    build_date: str
    content: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., build_date: _Optional[str] = ..., content: _Optional[str] = ...) -> None: ...

class JoinRequest(_message.Message):
    __slots__ = ("node_name", "instance_id", "resume_secret", "application", "wants_license")
    NODE_NAME_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    RESUME_SECRET_FIELD_NUMBER: _ClassVar[int]
    APPLICATION_FIELD_NUMBER: _ClassVar[int]
    WANTS_LICENSE_FIELD_NUMBER: _ClassVar[int]
    node_name: str
    instance_id: str
    resume_secret: bytes
    application: Application
    wants_license: bool
    def __init__(self, node_name: _Optional[str] = ..., instance_id: _Optional[str] = ..., resume_secret: _Optional[bytes] = ..., application: _Optional[_Union[Application, _Mapping]] = ..., wants_license: bool = ...) -> None: ...

class JoinResponse(_message.Message):
    __slots__ = ("session_id", "epoch", "lease_ttl", "heartbeat_interval", "max_clock_drift", "state", "failures", "epoch_id", "stream", "outage_grace", "license")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    LEASE_TTL_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    MAX_CLOCK_DRIFT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    EPOCH_ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    OUTAGE_GRACE_FIELD_NUMBER: _ClassVar[int]
    LICENSE_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    epoch: int
    lease_ttl: _duration_pb2.Duration
    heartbeat_interval: _duration_pb2.Duration
    max_clock_drift: _duration_pb2.Duration
    state: NodeState
    failures: _containers.RepeatedCompositeFieldContainer[_failure_pb2.Failure]
    epoch_id: str
    stream: int
    outage_grace: _duration_pb2.Duration
    license: bytes
    def __init__(self, session_id: _Optional[str] = ..., epoch: _Optional[int] = ..., lease_ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_clock_drift: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., state: _Optional[_Union[NodeState, str]] = ..., failures: _Optional[_Iterable[_Union[_failure_pb2.Failure, _Mapping]]] = ..., epoch_id: _Optional[str] = ..., stream: _Optional[int] = ..., outage_grace: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., license: _Optional[bytes] = ...) -> None: ...

class ResumeRequest(_message.Message):
    __slots__ = ("session_id", "resume_secret", "highest_epoch_seen", "epoch_id", "last_stream", "stale_nonce", "wants_license")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    RESUME_SECRET_FIELD_NUMBER: _ClassVar[int]
    HIGHEST_EPOCH_SEEN_FIELD_NUMBER: _ClassVar[int]
    EPOCH_ID_FIELD_NUMBER: _ClassVar[int]
    LAST_STREAM_FIELD_NUMBER: _ClassVar[int]
    STALE_NONCE_FIELD_NUMBER: _ClassVar[int]
    WANTS_LICENSE_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    resume_secret: bytes
    highest_epoch_seen: int
    epoch_id: str
    last_stream: int
    stale_nonce: str
    wants_license: bool
    def __init__(self, session_id: _Optional[str] = ..., resume_secret: _Optional[bytes] = ..., highest_epoch_seen: _Optional[int] = ..., epoch_id: _Optional[str] = ..., last_stream: _Optional[int] = ..., stale_nonce: _Optional[str] = ..., wants_license: bool = ...) -> None: ...

class ResumeResponse(_message.Message):
    __slots__ = ("session_id", "epoch", "lease_ttl", "heartbeat_interval", "max_clock_drift", "state", "failures", "epoch_id", "stream", "outage_grace", "license")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    LEASE_TTL_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    MAX_CLOCK_DRIFT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    EPOCH_ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    OUTAGE_GRACE_FIELD_NUMBER: _ClassVar[int]
    LICENSE_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    epoch: int
    lease_ttl: _duration_pb2.Duration
    heartbeat_interval: _duration_pb2.Duration
    max_clock_drift: _duration_pb2.Duration
    state: NodeState
    failures: _containers.RepeatedCompositeFieldContainer[_failure_pb2.Failure]
    epoch_id: str
    stream: int
    outage_grace: _duration_pb2.Duration
    license: bytes
    def __init__(self, session_id: _Optional[str] = ..., epoch: _Optional[int] = ..., lease_ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_clock_drift: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., state: _Optional[_Union[NodeState, str]] = ..., failures: _Optional[_Iterable[_Union[_failure_pb2.Failure, _Mapping]]] = ..., epoch_id: _Optional[str] = ..., stream: _Optional[int] = ..., outage_grace: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., license: _Optional[bytes] = ...) -> None: ...

class KeepAliveRequest(_message.Message):
    __slots__ = ("open", "heartbeat")
    OPEN_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    open: KeepAliveOpen
    heartbeat: Heartbeat
    def __init__(self, open: _Optional[_Union[KeepAliveOpen, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ...) -> None: ...

class KeepAliveOpen(_message.Message):
    __slots__ = ("session_id", "resume_secret", "stream", "wants_license")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    RESUME_SECRET_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    WANTS_LICENSE_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    resume_secret: bytes
    stream: int
    wants_license: bool
    def __init__(self, session_id: _Optional[str] = ..., resume_secret: _Optional[bytes] = ..., stream: _Optional[int] = ..., wants_license: bool = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("sequence", "sent_at", "state_serial", "ack_sent_at", "ack_received_at")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    STATE_SERIAL_FIELD_NUMBER: _ClassVar[int]
    ACK_SENT_AT_FIELD_NUMBER: _ClassVar[int]
    ACK_RECEIVED_AT_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    sent_at: _timestamp_pb2.Timestamp
    state_serial: int
    ack_sent_at: _timestamp_pb2.Timestamp
    ack_received_at: _timestamp_pb2.Timestamp
    def __init__(self, sequence: _Optional[int] = ..., sent_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., state_serial: _Optional[int] = ..., ack_sent_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ack_received_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class KeepAliveResponse(_message.Message):
    __slots__ = ("heartbeat_ack", "state", "reconnect", "ended")
    HEARTBEAT_ACK_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    RECONNECT_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    heartbeat_ack: HeartbeatAck
    state: StateChange
    reconnect: Reconnect
    ended: Ended
    def __init__(self, heartbeat_ack: _Optional[_Union[HeartbeatAck, _Mapping]] = ..., state: _Optional[_Union[StateChange, _Mapping]] = ..., reconnect: _Optional[_Union[Reconnect, _Mapping]] = ..., ended: _Optional[_Union[Ended, _Mapping]] = ...) -> None: ...

class HeartbeatAck(_message.Message):
    __slots__ = ("sequence", "epoch", "received_at", "sent_at", "lease_ttl", "heartbeat_interval")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    LEASE_TTL_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    epoch: int
    received_at: _timestamp_pb2.Timestamp
    sent_at: _timestamp_pb2.Timestamp
    lease_ttl: _duration_pb2.Duration
    heartbeat_interval: _duration_pb2.Duration
    def __init__(self, sequence: _Optional[int] = ..., epoch: _Optional[int] = ..., received_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sent_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., lease_ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class StateChange(_message.Message):
    __slots__ = ("serial", "state", "failures", "registration_state", "outage_grace", "license")
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    REGISTRATION_STATE_FIELD_NUMBER: _ClassVar[int]
    OUTAGE_GRACE_FIELD_NUMBER: _ClassVar[int]
    LICENSE_FIELD_NUMBER: _ClassVar[int]
    serial: int
    state: NodeState
    failures: _containers.RepeatedCompositeFieldContainer[_failure_pb2.Failure]
    registration_state: _registration_service_pb2.RegistrationState
    outage_grace: _duration_pb2.Duration
    license: bytes
    def __init__(self, serial: _Optional[int] = ..., state: _Optional[_Union[NodeState, str]] = ..., failures: _Optional[_Iterable[_Union[_failure_pb2.Failure, _Mapping]]] = ..., registration_state: _Optional[_Union[_registration_service_pb2.RegistrationState, str]] = ..., outage_grace: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., license: _Optional[bytes] = ...) -> None: ...

class Reconnect(_message.Message):
    __slots__ = ("after", "address")
    AFTER_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    after: _duration_pb2.Duration
    address: str
    def __init__(self, after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., address: _Optional[str] = ...) -> None: ...

class Ended(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: EndReason
    def __init__(self, reason: _Optional[_Union[EndReason, str]] = ...) -> None: ...

class LeaveRequest(_message.Message):
    __slots__ = ("session_id", "resume_secret")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    RESUME_SECRET_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    resume_secret: bytes
    def __init__(self, session_id: _Optional[str] = ..., resume_secret: _Optional[bytes] = ...) -> None: ...

class LeaveResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
