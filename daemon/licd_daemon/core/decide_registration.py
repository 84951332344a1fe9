"""The challenge and its code (R6-R10), seats after another license (R2), reset and release (R30)."""

from licd_daemon.core import checks
from licd_daemon.core.commands import (
    AttemptCode,
    CreateChallenge,
    ReleaseLicense,
    ResetRegistration,
    SettleCode,
)
from licd_daemon.core.draft import Draft
from licd_daemon.core.events import (
    ChallengeCreated,
    CodeAttempted,
    CodeMatched,
    CodeRejected,
    LicenseReleased,
    LockedOut,
    Registered,
    RegistrationRefused,
    RegistrationReset,
    SeatWithdrawn,
)
from licd_daemon.core.model import (
    TOLERATED_WRONG_CODES,
    ChallengeState,
    Failure,
    Now,
    Seat,
    Session,
    SessionStatus,
    State,
)
from licd_daemon.core.refusal import Reason, Refused
from licd_formats.license import License


def _titles(failures: tuple[Failure, ...]) -> str:
    return " ".join(dict.fromkeys(f"{failure.title}." for failure in failures))


def surely_expired(license: License, state: State, now: Now) -> bool:
    """While the clock is not trusted nobody here can say so: the portal judges, and its code sets the time (R23)."""
    return checks.ended(license, state, now) and state.clock_untrusted is None


def place_all(draft: Draft) -> None:
    """After a reissue: seats of those who no longer match drain, those who match now get theirs, holders first."""
    ordered = sorted(draft.state.sessions.values(), key=lambda session: (not session.holder, session.number))
    for session in ordered:
        mismatches = checks.judge_application(license_of(draft.state), session.application, session.node_name)
        if session.seat is Seat.HELD and mismatches:
            draft.follow(SeatWithdrawn(session.session_id))
        draft.place(session.session_id)


def license_of(state: State) -> License:
    """The license in force; without one nothing goes before its upload.

    Raises:
        Refused: NO_LICENSE.
    """
    if state.license is None:
        raise Refused(Reason.NO_LICENSE, "No license was uploaded: upload Container.lic first.")
    return state.license


def create_challenge(draft: Draft, command: CreateChallenge) -> None:
    """R7, R9: not while locked, not without a license in force."""
    refuse_challenge(draft.state, draft.now)
    if license_of(draft.state).license_id != command.license_id:
        raise Refused(Reason.CHALLENGE_EXPIRED, "The license has changed meanwhile: create a fresh QR.")
    draft.emit(ChallengeCreated(command.challenge_id, command.url))


def refuse_challenge(state: State, now: Now) -> None:
    """Raise Refused if no challenge may be created now: before the costly picture, and again when it is decided."""
    license = license_of(state)
    _refuse_locked(state, now)
    if surely_expired(license, state, now):
        failures = (checks.certificate_expired(license),)
        raise Refused(Reason.REGISTRATION_REFUSED, _titles(failures), failures=failures)


def _refuse_locked(state: State, now: Now) -> None:
    if state.lockout.left_ms(now):
        raise locked_out(state, now)


def locked_out(state: State, now: Now) -> Refused:
    """R9: while locked, codes are not compared at all."""
    left = state.lockout.left_ms(now)
    return Refused(
        Reason.LOCKED_OUT,
        f"Too many wrong codes: locked for another {-(-left // 1000)} s. Then create a fresh QR and try again.",
        metadata={"locked_until": str((now.wall + left) // 1000)},
        retry_after_ms=left,
    )


def attempt_code(draft: Draft, command: AttemptCode) -> Refused | None:
    """R9: counted before the comparison, whatever becomes of it."""
    _refuse_locked(draft.state, draft.now)
    lockout = draft.state.lockout
    if lockout.attempt_open and lockout.wrong_codes > TOLERATED_WRONG_CODES:
        return _lock(draft)
    _refuse_stale(draft.state, command.challenge_id, draft.now)
    draft.emit(CodeAttempted(command.challenge_id))
    return None


def _refuse_stale(state: State, challenge_id: str, now: Now) -> None:
    challenge = state.challenge
    if challenge is not None and challenge.challenge_id == challenge_id:
        if challenge.state(now) is not ChallengeState.PENDING:
            raise challenge_expired(challenge.state(now))
    elif challenge_id in state.past_challenges:
        raise challenge_expired("SUPERSEDED")
    else:
        raise Refused(Reason.NO_SUCH_CHALLENGE, "No such challenge: create a fresh QR.")


def challenge_expired(state: str) -> Refused:
    """R7: the QR must be refreshed by hand."""
    return Refused(
        Reason.CHALLENGE_EXPIRED,
        "This QR code is no longer valid: refresh it and scan the new one.",
        metadata={"state": str(state)},
    )


def _lock(draft: Draft) -> Refused:
    draft.emit(LockedOut())
    return locked_out(draft.state, draft.now)


def settle_code(draft: Draft, command: SettleCode) -> Refused | None:
    """R8, R9, R10: wrong, right but something stands in the way, or registered in one step."""
    if not command.right:
        return _wrong_code(draft)
    draft.emit(CodeMatched())
    challenge = draft.state.challenge
    if challenge is None or challenge.challenge_id != command.challenge_id:
        return challenge_expired("SUPERSEDED")
    failures = checks.blocking(draft.state, draft.now)
    if failures:
        draft.emit(RegistrationRefused(failures))
        return Refused(Reason.REGISTRATION_REFUSED, "Registration failed. " + _titles(failures), failures=failures)
    draft.emit(_registered(draft.state, command.challenge_id, draft.now))
    return None


def _wrong_code(draft: Draft) -> Refused:
    draft.emit(CodeRejected())
    lockout = draft.state.lockout
    if lockout.wrong_codes > TOLERATED_WRONG_CODES:
        return _lock(draft)
    left = lockout.attempts_left
    return Refused(
        Reason.WRONG_CODE,
        f"The code is wrong; {left} {'attempt' if left == 1 else 'attempts'} left before codes are locked.",
        metadata={"attempts_left": str(left)},
    )


def _registered(state: State, challenge_id: str, now: Now) -> Registered:
    """R10, R20: who has a seat keeps it; the others get what is free of seats that others may still believe in."""
    live = sorted(
        (session for session in state.sessions.values() if session.status is SessionStatus.LIVE),
        key=lambda session: (session.seat is Seat.NONE, session.number),
    )
    own = sum(1 for session in live if session.seat is not Seat.NONE)
    seats = max(0, license_of(state).max_nodes - (state.tally.taken - own))
    if now.served < state.granting_from:
        seats = min(seats, own)
    return Registered(challenge_id, _ids(live[:seats]), _ids(live[seats:]))


def _ids(sessions: list[Session]) -> tuple[str, ...]:
    return tuple(session.session_id for session in sessions)


def reset(draft: Draft, command: ResetRegistration) -> None:
    """Idempotent; the license stays."""
    if draft.state.registration is not None:
        draft.emit(RegistrationReset("ADMIN"))


def release(draft: Draft, command: ReleaseLicense) -> None:
    """R30: idempotent until the next upload."""
    if draft.state.license is None and draft.state.release is not None:
        return
    if license_of(draft.state).license_id != command.license_id:
        raise Refused(Reason.NO_LICENSE, "The license has changed meanwhile: release again.")
    draft.emit(LicenseReleased(command.url))
