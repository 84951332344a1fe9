"""Why a command is refused: one exception, one reason of the contract's table, and every failure that holds."""

from collections.abc import Mapping
from enum import StrEnum

from licd_daemon.core.model import Failure
from licd_daemon.core.upload_effect import Effect


class Reason(StrEnum):
    """The reasons of section 3's table; `rpc/errors.py` maps each to its gRPC status."""

    INVALID_FIELD = "INVALID_FIELD"
    NO_CREDENTIALS = "NO_CREDENTIALS"
    WRONG_ROLE = "WRONG_ROLE"
    WRONG_SECRET = "WRONG_SECRET"  # noqa: S105 (a reason, not a secret)
    SESSION_EXPIRED = "SESSION_EXPIRED"
    NO_SUCH_CHALLENGE = "NO_SUCH_CHALLENGE"
    NO_SUCH_SESSION = "NO_SUCH_SESSION"
    NO_SUCH_TOKEN = "NO_SUCH_TOKEN"  # noqa: S105 (a reason, not a secret)
    REGISTRATION_REFUSED = "REGISTRATION_REFUSED"
    LICENSE_REFUSED = "LICENSE_REFUSED"
    NO_LICENSE = "NO_LICENSE"
    WRONG_CODE = "WRONG_CODE"
    CHALLENGE_EXPIRED = "CHALLENGE_EXPIRED"
    LICENSE_OLDER = "LICENSE_OLDER"
    SEATS_IN_USE = "SEATS_IN_USE"
    WOULD_END_REGISTRATION = "WOULD_END_REGISTRATION"
    STALE_RESUME = "STALE_RESUME"
    LAST_ADMIN_TOKEN = "LAST_ADMIN_TOKEN"  # noqa: S105 (a reason, not a secret)
    NO_FOLLOWER = "NO_FOLLOWER"
    LOCKED_OUT = "LOCKED_OUT"
    RATE_LIMITED = "RATE_LIMITED"
    NOT_LEADER = "NOT_LEADER"
    STOPPING = "STOPPING"
    JOURNAL_UNAVAILABLE = "JOURNAL_UNAVAILABLE"


class Refused(Exception):
    """A refusal. `message` is one public sentence with the remedy; `retry_after_ms` says when waiting helps.

    `effect`: what goes on only if it is asked for again (R2).
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        failures: tuple[Failure, ...] = (),
        metadata: Mapping[str, str] | None = None,
        retry_after_ms: int | None = None,
        effect: Effect | None = None,
    ) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.failures = failures
        self.metadata = dict(metadata or {})
        self.retry_after_ms = retry_after_ms
        self.effect = effect


def no_credentials() -> Refused:
    """The refusal of missing, unknown, revoked and ended credentials: the same words, which help nobody who guesses."""
    return Refused(
        Reason.NO_CREDENTIALS,
        "No valid credentials: send the metadata `authorization: Bearer TOKEN`, or a client certificate.",
    )


def too_many_calls(retry_after_ms: int) -> Refused:
    """The refusal of anyone who calls too often (R36)."""
    return Refused(Reason.RATE_LIMITED, "Too many calls from this address: slow down.", retry_after_ms=retry_after_ms)
