import datetime

from google.protobuf import any_pb2 as _any_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FailureReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FAILURE_REASON_UNSPECIFIED: _ClassVar[FailureReason]
    FAILURE_REASON_CERTIFICATE_EXPIRED: _ClassVar[FailureReason]
    FAILURE_REASON_VERSION_MISMATCH: _ClassVar[FailureReason]
    FAILURE_REASON_APPLICATION_NAME_MISMATCH: _ClassVar[FailureReason]
    FAILURE_REASON_MAX_AUTHORIZATIONS_REACHED: _ClassVar[FailureReason]
    FAILURE_REASON_PROJECT_CONTENT_MISMATCH: _ClassVar[FailureReason]
    FAILURE_REASON_CERTIFICATE_TYPE_MISMATCH: _ClassVar[FailureReason]
    FAILURE_REASON_CERTIFICATE_CONTENT_INCORRECT: _ClassVar[FailureReason]
    FAILURE_REASON_CLOCK_DRIFT: _ClassVar[FailureReason]
    FAILURE_REASON_CLOCK_UNTRUSTED: _ClassVar[FailureReason]
    FAILURE_REASON_BUILD_TOO_OLD: _ClassVar[FailureReason]
    FAILURE_REASON_NO_NODES_CONNECTED: _ClassVar[FailureReason]
    FAILURE_REASON_REGISTRATION_ENDED: _ClassVar[FailureReason]
FAILURE_REASON_UNSPECIFIED: FailureReason
FAILURE_REASON_CERTIFICATE_EXPIRED: FailureReason
FAILURE_REASON_VERSION_MISMATCH: FailureReason
FAILURE_REASON_APPLICATION_NAME_MISMATCH: FailureReason
FAILURE_REASON_MAX_AUTHORIZATIONS_REACHED: FailureReason
FAILURE_REASON_PROJECT_CONTENT_MISMATCH: FailureReason
FAILURE_REASON_CERTIFICATE_TYPE_MISMATCH: FailureReason
FAILURE_REASON_CERTIFICATE_CONTENT_INCORRECT: FailureReason
FAILURE_REASON_CLOCK_DRIFT: FailureReason
FAILURE_REASON_CLOCK_UNTRUSTED: FailureReason
FAILURE_REASON_BUILD_TOO_OLD: FailureReason
FAILURE_REASON_NO_NODES_CONNECTED: FailureReason
FAILURE_REASON_REGISTRATION_ENDED: FailureReason

class Failure(_message.Message):
    __slots__ = ("reason", "title", "detail", "remedy", "node_name", "at")
    REASON_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    REMEDY_FIELD_NUMBER: _ClassVar[int]
    NODE_NAME_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    reason: FailureReason
    title: str
    detail: str
    remedy: str
    node_name: str
    at: _timestamp_pb2.Timestamp
    def __init__(self, reason: _Optional[_Union[FailureReason, str]] = ..., title: _Optional[str] = ..., detail: _Optional[str] = ..., remedy: _Optional[str] = ..., node_name: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ErrorTrailer(_message.Message):
    __slots__ = ("code", "message", "details")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    code: int
    message: str
    details: _containers.RepeatedCompositeFieldContainer[_any_pb2.Any]
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ..., details: _Optional[_Iterable[_Union[_any_pb2.Any, _Mapping]]] = ...) -> None: ...

class ErrorReason(_message.Message):
    __slots__ = ("reason", "domain", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REASON_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    reason: str
    domain: str
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, reason: _Optional[str] = ..., domain: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...
