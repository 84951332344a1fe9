import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from licd.v1 import access_pb2 as _access_pb2
from licd.v1 import failure_pb2 as _failure_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ConfirmClockRequest(_message.Message):
    __slots__ = ("dry_run",)
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    dry_run: bool
    def __init__(self, dry_run: bool = ...) -> None: ...

class ConfirmClockResponse(_message.Message):
    __slots__ = ("wall_clock", "effective_time", "confirmed_time", "clock_untrusted")
    WALL_CLOCK_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    CONFIRMED_TIME_FIELD_NUMBER: _ClassVar[int]
    CLOCK_UNTRUSTED_FIELD_NUMBER: _ClassVar[int]
    wall_clock: _timestamp_pb2.Timestamp
    effective_time: _timestamp_pb2.Timestamp
    confirmed_time: _timestamp_pb2.Timestamp
    clock_untrusted: _failure_pb2.Failure
    def __init__(self, wall_clock: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., effective_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., confirmed_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., clock_untrusted: _Optional[_Union[_failure_pb2.Failure, _Mapping]] = ...) -> None: ...
