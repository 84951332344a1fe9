"""What can be asked of the cluster. Whatever is random, measured or computed elsewhere is a field of the command."""

from licd_daemon.core.effective import Confirmed
from licd_daemon.core.model import Actor, Application, EndReason, Failure, Frozen, Role
from licd_formats.license import License


class _Command(Frozen, frozen=True, kw_only=True):
    """`actor`: whose request it is; None: the daemon's own (R35)."""

    actor: Actor | None = None


class StartEpoch(_Command, frozen=True):
    """A daemon has taken the lead with `epoch`; its leases last `lease_ttl_ms` (R14, R18).

    `handover_ms`: how long a deposed leader may still have acknowledged, as far as the lead's backend has it recorded;
    `proof_interval_ms`: how long one proof of this daemon's holds (R31). `epoch_id`: 128 random bits in hex. `boot_id`:
    of the machine's present boot, empty if it has none; `boot_ms`: when its run began, by boottime (R23).
    """

    epoch: int
    lease_ttl_ms: int
    handover_ms: int = 0
    epoch_id: str = ""
    proof_interval_ms: int = 0
    boot_id: str = ""
    boot_ms: int = 0


class Tick(_Command, frozen=True):
    """Time has passed. `heard`: what `State.vouched_by` gave at the latest sign of life; 0: there was none (R17).

    `used`: ids of tokens, and when each was used, that are to be kept with the minute's mark (R35).
    """

    heard: int = 0
    used: tuple[tuple[str, int], ...] = ()


class Join(_Command, frozen=True):
    """A process asks for a session; `session_id` is the fresh one it gets if it has none."""

    session_id: str
    node_name: str
    instance_id: str
    secret_hash: str
    application: Application


class Resume(_Command, frozen=True):
    """A process takes its session up again (R16).

    `highest_epoch_seen` and that epoch's id, empty if it was never given one (R14).
    """

    session_id: str
    secret_hash: str
    highest_epoch_seen: int = 0
    epoch_id: str = ""


class Prove(Resume, frozen=True):
    """A process shows that a session is its own, with a request that is out of date: nothing changes (R16)."""


class Leave(_Command, frozen=True):
    """A process is gone on purpose, and believes in its seat no more (R15)."""

    session_id: str
    secret_hash: str


class EndSession(_Command, frozen=True):
    """An administrator evicts a node, or a copied process was found (R16)."""

    session_id: str
    reason: EndReason


class LeaseOver(_Command, frozen=True):
    """A session's lease ended in silence (R16)."""

    session_id: str


class DrainOver(_Command, frozen=True):
    """A draining seat's holder has acknowledged, or, `silent`, its lease has ended (R13)."""

    session_id: str
    silent: bool = False


class MemoryOver(_Command, frozen=True):
    """A lost or ended session's day has ended (R16)."""

    session_id: str


class JudgeClock(_Command, frozen=True):
    """A node's clock was judged; `joining`: its first judgement since it joined (R12, R21).

    `failure`: it is over the limit; `warning`: it is over half of it.
    """

    session_id: str
    failure: Failure | None
    joining: bool
    warning: Failure | None = None


class JudgeLeaderClock(_Command, frozen=True):
    """The leader's clock was judged (R22, R23)."""

    failure: Failure | None


class ConfirmTime(_Command, frozen=True):
    """The wall clock was confirmed and effective time was set by it: forwards, or by a code also back (R23)."""

    by: Confirmed


class UploadLicense(_Command, frozen=True):
    """A verified license, or the failure of one that could not be verified. `project_key` is a fresh one (R6).

    `replace`: go on although that ends a registration, a seat or the way to one (R2). `container_lic`: the license as
    it was signed, for the nodes that verify it (R37).
    """

    license: License | Failure
    auth_method: str
    project_key: str
    replace: bool = False
    container_lic: str = ""


class CreateChallenge(_Command, frozen=True):
    """A challenge that was created and sealed (R6)."""

    challenge_id: str
    license_id: str
    url: str


class AttemptCode(_Command, frozen=True):
    """A code is about to be compared (R9)."""

    challenge_id: str


class SettleCode(_Command, frozen=True):
    """The code was compared (R8)."""

    challenge_id: str
    right: bool


class ResetRegistration(_Command, frozen=True):
    """An administrator ends the registration."""


class ReleaseLicense(_Command, frozen=True):
    """An administrator gives the license back; `url` carries the sealed release (R30)."""

    license_id: str
    url: str


class CreateToken(_Command, frozen=True):
    """A bearer token, known by its hash only; it ends at `ends_at`, in wall ms, if that is given (R35).

    `uses`: how many nodes a join token may enroll.
    """

    token_id: str
    role: Role
    name: str
    token_hash: str
    ends_at: int | None = None
    uses: int = 0


class Enroll(_Command, frozen=True):
    """A node makes a token of its own, known by its hash only, with the join token of `actor` (R35)."""

    token_id: str
    node_name: str
    token_hash: str


class RevokeToken(_Command, frozen=True):
    """A bearer token is to be taken no more."""

    token_id: str


class NoteRefusedCredentials(_Command, frozen=True):
    """Credentials were refused so often since `since`, wall ms (R35). `addresses`: the newest 8, without ports."""

    count: int
    addresses: tuple[str, ...]
    since: int


class RotateToken(_Command, frozen=True):
    """A bearer token gets another secret; the present one is taken for `overlap_ms` more (R35)."""

    token_id: str
    token_hash: str
    overlap_ms: int


Command = (
    StartEpoch | Tick | Join | Resume | Prove | Leave | EndSession | LeaseOver | DrainOver | MemoryOver | JudgeClock
    | JudgeLeaderClock | ConfirmTime | UploadLicense | CreateChallenge | AttemptCode | SettleCode | ResetRegistration
    | ReleaseLicense | CreateToken | RevokeToken | RotateToken | Enroll | NoteRefusedCredentials
)  # fmt: skip
