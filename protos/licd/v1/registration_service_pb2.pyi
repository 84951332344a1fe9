import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from licd.v1 import access_pb2 as _access_pb2
from licd.v1 import failure_pb2 as _failure_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AuthMethod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUTH_METHOD_UNSPECIFIED: _ClassVar[AuthMethod]
    AUTH_METHOD_LOCAL_CONTAINER: _ClassVar[AuthMethod]

class RegistrationState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REGISTRATION_STATE_UNSPECIFIED: _ClassVar[RegistrationState]
    REGISTRATION_STATE_UNLICENSED: _ClassVar[RegistrationState]
    REGISTRATION_STATE_UNREGISTERED: _ClassVar[RegistrationState]
    REGISTRATION_STATE_REGISTERED: _ClassVar[RegistrationState]
    REGISTRATION_STATE_RECOVERING: _ClassVar[RegistrationState]
    REGISTRATION_STATE_EXPIRED: _ClassVar[RegistrationState]

class EndCause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    END_CAUSE_UNSPECIFIED: _ClassVar[EndCause]
    END_CAUSE_ALL_GONE: _ClassVar[EndCause]
    END_CAUSE_WINDOW_OVER: _ClassVar[EndCause]
    END_CAUSE_RECERTIFY: _ClassVar[EndCause]
    END_CAUSE_ADMIN: _ClassVar[EndCause]
    END_CAUSE_REPLACED: _ClassVar[EndCause]
    END_CAUSE_RELEASED: _ClassVar[EndCause]

class ChallengeState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHALLENGE_STATE_UNSPECIFIED: _ClassVar[ChallengeState]
    CHALLENGE_STATE_PENDING: _ClassVar[ChallengeState]
    CHALLENGE_STATE_USED: _ClassVar[ChallengeState]
    CHALLENGE_STATE_EXPIRED: _ClassVar[ChallengeState]
    CHALLENGE_STATE_SUPERSEDED: _ClassVar[ChallengeState]
AUTH_METHOD_UNSPECIFIED: AuthMethod
AUTH_METHOD_LOCAL_CONTAINER: AuthMethod
REGISTRATION_STATE_UNSPECIFIED: RegistrationState
REGISTRATION_STATE_UNLICENSED: RegistrationState
REGISTRATION_STATE_UNREGISTERED: RegistrationState
REGISTRATION_STATE_REGISTERED: RegistrationState
REGISTRATION_STATE_RECOVERING: RegistrationState
REGISTRATION_STATE_EXPIRED: RegistrationState
END_CAUSE_UNSPECIFIED: EndCause
END_CAUSE_ALL_GONE: EndCause
END_CAUSE_WINDOW_OVER: EndCause
END_CAUSE_RECERTIFY: EndCause
END_CAUSE_ADMIN: EndCause
END_CAUSE_REPLACED: EndCause
END_CAUSE_RELEASED: EndCause
CHALLENGE_STATE_UNSPECIFIED: ChallengeState
CHALLENGE_STATE_PENDING: ChallengeState
CHALLENGE_STATE_USED: ChallengeState
CHALLENGE_STATE_EXPIRED: ChallengeState
CHALLENGE_STATE_SUPERSEDED: ChallengeState

class LicensedApplication(_message.Message):
    __slots__ = ("name", "version", "content", "min_build_date", "min_version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    MIN_BUILD_DATE_FIELD_NUMBER: _ClassVar[int]
    MIN_VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    content: str
    min_build_date: str
    min_version: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., content: _Optional[str] = ..., min_build_date: _Optional[str] = ..., min_version: _Optional[str] = ...) -> None: ...

class License(_message.Message):
    __slots__ = ("license_id", "company", "project", "auth_method", "application", "max_nodes", "issued_at", "expires_at", "issuer", "vendor_name", "vendor_email", "portal_url", "key_id", "recertify_days", "outage_grace")
    LICENSE_ID_FIELD_NUMBER: _ClassVar[int]
    COMPANY_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    AUTH_METHOD_FIELD_NUMBER: _ClassVar[int]
    APPLICATION_FIELD_NUMBER: _ClassVar[int]
    MAX_NODES_FIELD_NUMBER: _ClassVar[int]
    ISSUED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    VENDOR_NAME_FIELD_NUMBER: _ClassVar[int]
    VENDOR_EMAIL_FIELD_NUMBER: _ClassVar[int]
    PORTAL_URL_FIELD_NUMBER: _ClassVar[int]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    RECERTIFY_DAYS_FIELD_NUMBER: _ClassVar[int]
    OUTAGE_GRACE_FIELD_NUMBER: _ClassVar[int]
    license_id: str
    company: str
    project: str
    auth_method: AuthMethod
    application: LicensedApplication
    max_nodes: int
    issued_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    issuer: str
    vendor_name: str
    vendor_email: str
    portal_url: str
    key_id: str
    recertify_days: int
    outage_grace: _duration_pb2.Duration
    def __init__(self, license_id: _Optional[str] = ..., company: _Optional[str] = ..., project: _Optional[str] = ..., auth_method: _Optional[_Union[AuthMethod, str]] = ..., application: _Optional[_Union[LicensedApplication, _Mapping]] = ..., max_nodes: _Optional[int] = ..., issued_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., issuer: _Optional[str] = ..., vendor_name: _Optional[str] = ..., vendor_email: _Optional[str] = ..., portal_url: _Optional[str] = ..., key_id: _Optional[str] = ..., recertify_days: _Optional[int] = ..., outage_grace: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Challenge(_message.Message):
    __slots__ = ("challenge_id", "url", "qr_png", "qr_svg", "qr_text", "created_at", "expires_at", "state")
    CHALLENGE_ID_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    QR_PNG_FIELD_NUMBER: _ClassVar[int]
    QR_SVG_FIELD_NUMBER: _ClassVar[int]
    QR_TEXT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    challenge_id: str
    url: str
    qr_png: bytes
    qr_svg: str
    qr_text: str
    created_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    state: ChallengeState
    def __init__(self, challenge_id: _Optional[str] = ..., url: _Optional[str] = ..., qr_png: _Optional[bytes] = ..., qr_svg: _Optional[str] = ..., qr_text: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., state: _Optional[_Union[ChallengeState, str]] = ...) -> None: ...

class Lockout(_message.Message):
    __slots__ = ("locked", "wrong_codes", "attempts_left", "locked_until", "lockouts")
    LOCKED_FIELD_NUMBER: _ClassVar[int]
    WRONG_CODES_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_LEFT_FIELD_NUMBER: _ClassVar[int]
    LOCKED_UNTIL_FIELD_NUMBER: _ClassVar[int]
    LOCKOUTS_FIELD_NUMBER: _ClassVar[int]
    locked: bool
    wrong_codes: int
    attempts_left: int
    locked_until: _timestamp_pb2.Timestamp
    lockouts: int
    def __init__(self, locked: bool = ..., wrong_codes: _Optional[int] = ..., attempts_left: _Optional[int] = ..., locked_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., lockouts: _Optional[int] = ...) -> None: ...

class Leader(_message.Message):
    __slots__ = ("address", "epoch", "since")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    address: str
    epoch: int
    since: _timestamp_pb2.Timestamp
    def __init__(self, address: _Optional[str] = ..., epoch: _Optional[int] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Release(_message.Message):
    __slots__ = ("license_id", "url", "released_at")
    LICENSE_ID_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    RELEASED_AT_FIELD_NUMBER: _ClassVar[int]
    license_id: str
    url: str
    released_at: _timestamp_pb2.Timestamp
    def __init__(self, license_id: _Optional[str] = ..., url: _Optional[str] = ..., released_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class EndedRegistration(_message.Message):
    __slots__ = ("ended_at", "cause", "nodes", "registered_at")
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    REGISTERED_AT_FIELD_NUMBER: _ClassVar[int]
    ended_at: _timestamp_pb2.Timestamp
    cause: EndCause
    nodes: _containers.RepeatedScalarFieldContainer[str]
    registered_at: _timestamp_pb2.Timestamp
    def __init__(self, ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., cause: _Optional[_Union[EndCause, str]] = ..., nodes: _Optional[_Iterable[str]] = ..., registered_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Registration(_message.Message):
    __slots__ = ("state", "license", "challenge", "lockout", "nodes_connected", "nodes_licensed", "nodes_waiting", "max_nodes", "registered_at", "recovery_deadline", "last_failures", "leader", "release", "last_registration", "recovering_since", "clock_untrusted", "journal_unavailable", "nodes_drifted", "warnings")
    STATE_FIELD_NUMBER: _ClassVar[int]
    LICENSE_FIELD_NUMBER: _ClassVar[int]
    CHALLENGE_FIELD_NUMBER: _ClassVar[int]
    LOCKOUT_FIELD_NUMBER: _ClassVar[int]
    NODES_CONNECTED_FIELD_NUMBER: _ClassVar[int]
    NODES_LICENSED_FIELD_NUMBER: _ClassVar[int]
    NODES_WAITING_FIELD_NUMBER: _ClassVar[int]
    MAX_NODES_FIELD_NUMBER: _ClassVar[int]
    REGISTERED_AT_FIELD_NUMBER: _ClassVar[int]
    RECOVERY_DEADLINE_FIELD_NUMBER: _ClassVar[int]
    LAST_FAILURES_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    LAST_REGISTRATION_FIELD_NUMBER: _ClassVar[int]
    RECOVERING_SINCE_FIELD_NUMBER: _ClassVar[int]
    CLOCK_UNTRUSTED_FIELD_NUMBER: _ClassVar[int]
    JOURNAL_UNAVAILABLE_FIELD_NUMBER: _ClassVar[int]
    NODES_DRIFTED_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    state: RegistrationState
    license: License
    challenge: Challenge
    lockout: Lockout
    nodes_connected: int
    nodes_licensed: int
    nodes_waiting: int
    max_nodes: int
    registered_at: _timestamp_pb2.Timestamp
    recovery_deadline: _timestamp_pb2.Timestamp
    last_failures: _containers.RepeatedCompositeFieldContainer[_failure_pb2.Failure]
    leader: Leader
    release: Release
    last_registration: EndedRegistration
    recovering_since: _timestamp_pb2.Timestamp
    clock_untrusted: _failure_pb2.Failure
    journal_unavailable: bool
    nodes_drifted: int
    warnings: _containers.RepeatedCompositeFieldContainer[_failure_pb2.Failure]
    def __init__(self, state: _Optional[_Union[RegistrationState, str]] = ..., license: _Optional[_Union[License, _Mapping]] = ..., challenge: _Optional[_Union[Challenge, _Mapping]] = ..., lockout: _Optional[_Union[Lockout, _Mapping]] = ..., nodes_connected: _Optional[int] = ..., nodes_licensed: _Optional[int] = ..., nodes_waiting: _Optional[int] = ..., max_nodes: _Optional[int] = ..., registered_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., recovery_deadline: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_failures: _Optional[_Iterable[_Union[_failure_pb2.Failure, _Mapping]]] = ..., leader: _Optional[_Union[Leader, _Mapping]] = ..., release: _Optional[_Union[Release, _Mapping]] = ..., last_registration: _Optional[_Union[EndedRegistration, _Mapping]] = ..., recovering_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., clock_untrusted: _Optional[_Union[_failure_pb2.Failure, _Mapping]] = ..., journal_unavailable: bool = ..., nodes_drifted: _Optional[int] = ..., warnings: _Optional[_Iterable[_Union[_failure_pb2.Failure, _Mapping]]] = ...) -> None: ...

class GetRegistrationRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetRegistrationResponse(_message.Message):
    __slots__ = ("registration",)
    REGISTRATION_FIELD_NUMBER: _ClassVar[int]
    registration: Registration
    def __init__(self, registration: _Optional[_Union[Registration, _Mapping]] = ...) -> None: ...

class WatchRegistrationRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WatchRegistrationResponse(_message.Message):
    __slots__ = ("registration",)
    REGISTRATION_FIELD_NUMBER: _ClassVar[int]
    registration: Registration
    def __init__(self, registration: _Optional[_Union[Registration, _Mapping]] = ...) -> None: ...

class UploadLicenseRequest(_message.Message):
    __slots__ = ("content", "auth_method", "replace", "dry_run")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    AUTH_METHOD_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    auth_method: AuthMethod
    replace: bool
    dry_run: bool
    def __init__(self, content: _Optional[bytes] = ..., auth_method: _Optional[_Union[AuthMethod, str]] = ..., replace: bool = ..., dry_run: bool = ...) -> None: ...

class RejectedNode(_message.Message):
    __slots__ = ("name", "session_id", "failures")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    name: str
    session_id: str
    failures: _containers.RepeatedCompositeFieldContainer[_failure_pb2.Failure]
    def __init__(self, name: _Optional[str] = ..., session_id: _Optional[str] = ..., failures: _Optional[_Iterable[_Union[_failure_pb2.Failure, _Mapping]]] = ...) -> None: ...

class UploadEffect(_message.Message):
    __slots__ = ("license", "ends_registration", "seats_lost", "nodes_rejected", "failures")
    LICENSE_FIELD_NUMBER: _ClassVar[int]
    ENDS_REGISTRATION_FIELD_NUMBER: _ClassVar[int]
    SEATS_LOST_FIELD_NUMBER: _ClassVar[int]
    NODES_REJECTED_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    license: License
    ends_registration: bool
    seats_lost: int
    nodes_rejected: _containers.RepeatedCompositeFieldContainer[RejectedNode]
    failures: _containers.RepeatedCompositeFieldContainer[_failure_pb2.Failure]
    def __init__(self, license: _Optional[_Union[License, _Mapping]] = ..., ends_registration: bool = ..., seats_lost: _Optional[int] = ..., nodes_rejected: _Optional[_Iterable[_Union[RejectedNode, _Mapping]]] = ..., failures: _Optional[_Iterable[_Union[_failure_pb2.Failure, _Mapping]]] = ...) -> None: ...

class UploadLicenseResponse(_message.Message):
    __slots__ = ("registration", "effect")
    REGISTRATION_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    registration: Registration
    effect: UploadEffect
    def __init__(self, registration: _Optional[_Union[Registration, _Mapping]] = ..., effect: _Optional[_Union[UploadEffect, _Mapping]] = ...) -> None: ...

class CreateChallengeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CreateChallengeResponse(_message.Message):
    __slots__ = ("challenge",)
    CHALLENGE_FIELD_NUMBER: _ClassVar[int]
    challenge: Challenge
    def __init__(self, challenge: _Optional[_Union[Challenge, _Mapping]] = ...) -> None: ...

class SubmitCodeRequest(_message.Message):
    __slots__ = ("challenge_id", "code")
    CHALLENGE_ID_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    challenge_id: str
    code: str
    def __init__(self, challenge_id: _Optional[str] = ..., code: _Optional[str] = ...) -> None: ...

class SubmitCodeResponse(_message.Message):
    __slots__ = ("registration",)
    REGISTRATION_FIELD_NUMBER: _ClassVar[int]
    registration: Registration
    def __init__(self, registration: _Optional[_Union[Registration, _Mapping]] = ...) -> None: ...

class CheckRegistrationRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CheckRegistrationResponse(_message.Message):
    __slots__ = ("failures",)
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    failures: _containers.RepeatedCompositeFieldContainer[_failure_pb2.Failure]
    def __init__(self, failures: _Optional[_Iterable[_Union[_failure_pb2.Failure, _Mapping]]] = ...) -> None: ...

class ResetRegistrationRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ResetRegistrationResponse(_message.Message):
    __slots__ = ("registration",)
    REGISTRATION_FIELD_NUMBER: _ClassVar[int]
    registration: Registration
    def __init__(self, registration: _Optional[_Union[Registration, _Mapping]] = ...) -> None: ...

class ReleaseLicenseRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReleaseLicenseResponse(_message.Message):
    __slots__ = ("registration", "qr_png", "qr_svg", "qr_text")
    REGISTRATION_FIELD_NUMBER: _ClassVar[int]
    QR_PNG_FIELD_NUMBER: _ClassVar[int]
    QR_SVG_FIELD_NUMBER: _ClassVar[int]
    QR_TEXT_FIELD_NUMBER: _ClassVar[int]
    registration: Registration
    qr_png: bytes
    qr_svg: str
    qr_text: str
    def __init__(self, registration: _Optional[_Union[Registration, _Mapping]] = ..., qr_png: _Optional[bytes] = ..., qr_svg: _Optional[str] = ..., qr_text: _Optional[str] = ...) -> None: ...
