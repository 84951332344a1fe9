"""What time brings: epochs, expiry (R3), recertification (R19), the recovery window (R17), the end of a lock (R9)."""

from licd_daemon.core.commands import ConfirmTime, JudgeLeaderClock, StartEpoch, Tick
from licd_daemon.core.decide_registration import place_all
from licd_daemon.core.decide_tokens import end_tokens
from licd_daemon.core.draft import Draft
from licd_daemon.core.events import (
    EpochStarted,
    ExpiryNear,
    HoldersHeard,
    LeaderClockJudged,
    LicenseExpired,
    LockedOut,
    LockoutEnded,
    RegistrationReset,
    TimeConfirmed,
    TimeMarked,
)
from licd_daemon.core.leases import recorded_lease_ms
from licd_daemon.core.model import DAY_MS, MINUTE_MS, TOLERATED_WRONG_CODES, Registration, State

WARNING_DAYS = (1, 7, 30)  # R3, the nearest first


def start_epoch(draft: Draft, command: StartEpoch) -> None:
    """R14, R18: the epoch begins. An attempt that a crash left uncompared counts as wrong (R9)."""
    grace_ms = recorded_lease_ms(draft.state, command.handover_ms)
    draft.emit(
        EpochStarted(
            command.epoch,
            command.lease_ttl_ms,
            grace_ms,
            command.epoch_id,
            command.proof_interval_ms,
            command.boot_id,
            command.boot_ms,
        )
    )
    lockout = draft.state.lockout
    if lockout.attempt_open and lockout.wrong_codes > TOLERATED_WRONG_CODES:
        draft.emit(LockedOut())


def judge_leader_clock(draft: Draft, command: JudgeLeaderClock) -> None:
    """R22, R23: reported once at each change."""
    if command.failure != draft.state.clock_untrusted:
        draft.emit(LeaderClockJudged(command.failure))


def confirm_time(draft: Draft, command: ConfirmTime) -> None:
    """R23: `draft.now` is the confirmed time. A license that had not really expired gives its seats back."""
    expired = draft.state.license_expired
    draft.emit(TimeConfirmed(command.by))
    if expired and not draft.state.license_expired:
        place_all(draft)


def tick(draft: Draft, command: Tick) -> None:
    """Everything whose time has come, and who was heard since the last time."""
    state, now = draft.state, draft.now
    if state.newcomers and command.heard > state.overlapped:
        draft.emit(HoldersHeard(command.heard))
    if state.lockout.locked_run is not None and state.lockout.left_ms(now) == 0:
        draft.emit(LockoutEnded())
    if state.license is not None and not state.license_expired:
        _license_time(draft)
    _registration_time(draft)
    end_tokens(draft)
    if now.wall - state.effective >= MINUTE_MS or now.served - state.served >= MINUTE_MS:
        draft.emit(TimeMarked(tuple(use for use in command.used if use[0] in state.tokens)))


def _license_time(draft: Draft) -> None:
    state = draft.state
    assert state.license is not None
    time = state.license_time(draft.now)
    if time >= state.license.expires_at * 1000:
        draft.emit(LicenseExpired())
        return
    left = min(end for end in (state.license.expires_at * 1000, recertify_at(state)) if end) - time
    days = next((days for days in WARNING_DAYS if left <= days * DAY_MS), None)
    if days is not None and (state.warned_days is None or days < state.warned_days):
        draft.emit(ExpiryNear(days))


def recertify_at(state: State) -> int | None:
    """When the registration must be renewed, wall ms; None: never."""
    if state.license is None or state.registration is None or not state.license.recertify_days:
        return None
    return state.registration.registered_at + state.license.recertify_days * DAY_MS


def _registration_time(draft: Draft) -> None:
    """R17, R19: the window, which no lease that may still run outlasts; and a registration that is too old."""
    registration = draft.state.registration
    if registration is None:
        return
    due = recertify_at(draft.state)
    if due is not None and draft.state.license_time(draft.now) >= due:
        draft.emit(RegistrationReset("RECERTIFY"))
    elif _window_over(draft, registration):
        draft.emit(RegistrationReset("WINDOW_OVER"))


def _window_over(draft: Draft, registration: Registration) -> bool:
    since = registration.recovering_since
    if since is None or draft.state.tally.holders_awaited:
        return False
    return draft.now.served >= since + draft.policy.recovery_window_ms
