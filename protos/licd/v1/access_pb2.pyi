from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLE_UNSPECIFIED: _ClassVar[Role]
    ROLE_ADMIN: _ClassVar[Role]
    ROLE_VIEWER: _ClassVar[Role]
    ROLE_NODE: _ClassVar[Role]
    ROLE_JOIN: _ClassVar[Role]

class Cost(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COST_UNSPECIFIED: _ClassVar[Cost]
    COST_CHEAP: _ClassVar[Cost]
    COST_COSTLY: _ClassVar[Cost]
ROLE_UNSPECIFIED: Role
ROLE_ADMIN: Role
ROLE_VIEWER: Role
ROLE_NODE: Role
ROLE_JOIN: Role
COST_UNSPECIFIED: Cost
COST_CHEAP: Cost
COST_COSTLY: Cost
ACCESS_FIELD_NUMBER: _ClassVar[int]
access: _descriptor.FieldDescriptor

class Access(_message.Message):
    __slots__ = ("roles", "cost", "max_request_bytes")
    ROLES_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    MAX_REQUEST_BYTES_FIELD_NUMBER: _ClassVar[int]
    roles: _containers.RepeatedScalarFieldContainer[Role]
    cost: Cost
    max_request_bytes: int
    def __init__(self, roles: _Optional[_Iterable[_Union[Role, str]]] = ..., cost: _Optional[_Union[Cost, str]] = ..., max_request_bytes: _Optional[int] = ...) -> None: ...
