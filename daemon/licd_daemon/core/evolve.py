"""evolve(state, event, now) -> state: folding the journal gives the state back, exactly.

Nothing is decided here: an event says what was decided. The table at the end names the one handler of each event.
Single events cost the same however many sessions there are; those that concern every session (a license, a
registration, a reset, an expiry, an epoch) visit each once.
"""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import msgspec
from immutables import Map

from licd_daemon.core import events as e
from licd_daemon.core.budget import network_of
from licd_daemon.core.model import (
    REMEMBERED_CHALLENGES,
    REMEMBERED_EPOCHS,
    REMEMBERED_FAILURES,
    REMEMBERED_HOLDERS,
    UNRECORDED_PROOF_MS,
    Actor,
    Challenge,
    EndCause,
    EndedRegistration,
    EndReason,
    Lockout,
    Now,
    Registration,
    Release,
    Seat,
    Session,
    SessionStatus,
    State,
    Tally,
    Token,
)

replace = msgspec.structs.replace


def evolve(state: State, event: e.AnyEvent, now: Now) -> State:
    """The state after `event`, which happened at `now`. When a license was issued moves no clock (R2)."""
    if now.unconfirmed < state.unconfirmed:
        state = replace(state, tokens=_confirmed(state.tokens, now))
    state = _HANDLERS[type(event)](state, event, now)
    return replace(
        state,
        effective=now.wall,
        unconfirmed=now.unconfirmed,
        accepted=min(state.accepted, now.unconfirmed),
        served=max(state.served, now.served),
        run=now.run,
    )


def _confirmed(tokens: Map[str, Token], now: Now) -> Map[str, Token]:
    """R23: what was accepted as unconfirmed when a token was made has been confirmed, or taken back."""
    for token in tokens.values():
        if token.accepted > now.unconfirmed:
            tokens = tokens.set(token.token_id, replace(token, accepted=now.unconfirmed))
    return tokens


def _put(state: State, session: Session, **changes: Any) -> State:
    """`state` with `session` changed by `changes`, counted again."""
    changed = replace(session, **changes)
    return replace(
        state,
        sessions=state.sessions.set(session.session_id, changed),
        tally=state.tally.moved(session, changed),
    )


def _put_all(state: State, change: Callable[[Session], Session]) -> State:
    """`state` with every session changed; for the few events that concern them all."""
    sessions = {key: change(session) for key, session in state.sessions.items()}
    tally = Tally()
    for session in sessions.values():
        tally = tally.plus(session, 1)
    return replace(state, sessions=Map(sessions), tally=tally)


def _unline(state: State, session: Session) -> State:
    """`state` with the session out of the waitlist; the head moves on to the next one who is there."""
    if session.line is None or session.line not in state.line:
        return state
    line, head = state.line.delete(session.line), state.line_head
    while head < state.line_tail and head not in line:
        head += 1
    return replace(state, line=line, line_head=head)


def _enline(state: State, place: int, session_id: str) -> State:
    return replace(
        state,
        line=state.line.set(place, session_id),
        line_head=min(state.line_head, place) if state.line else place,
        line_tail=max(state.line_tail, place + 1),
    )


def _epoch_started(state: State, event: e.EpochStarted, now: Now) -> State:
    def awaited(session: Session) -> Session:
        live = session.status is SessionStatus.LIVE
        return replace(session, status=SessionStatus.AWAITED) if live else session

    registration = state.registration
    if registration is not None:
        registration = replace(registration, recovering_since=now.served)
    lockout = state.lockout
    if lockout.locked_run is not None:
        lockout = replace(lockout, locked_run=now.run)
    state = _taken_back(_end_challenge(state), now)
    kept = (session.line for session in state.sessions.values() if session.line is not None)
    return replace(
        _put_all(state, awaited),
        epoch=event.epoch,
        epoch_ids=_with_epoch(state.epoch_ids, event),
        boot_id=event.boot_id,
        boot_ms=event.boot_ms,
        longest_lease_ms=max(state.longest_lease_ms, event.lease_ttl_ms),
        longest_proof_ms=max(state.longest_proof_ms, _proof_interval_ms(state, event)),
        registration=registration,
        lockout=lockout,
        line=Map(),
        granting_from=now.served + event.grace_ms,
        line_floor=min(kept, default=state.line_tail),
    )


def _with_epoch(known: Map[int, str], event: e.EpochStarted) -> Map[int, str]:
    known = known.set(event.epoch, event.epoch_id)
    return known.delete(min(known)) if len(known) > REMEMBERED_EPOCHS else known


def _proof_interval_ms(state: State, event: e.EpochStarted) -> int:
    """R31. 0.1.0 did not record it: 10 s, or half the longest lease, which bounded its heartbeat interval."""
    if event.proof_interval_ms is not None:
        return event.proof_interval_ms
    return max(UNRECORDED_PROOF_MS, max(state.longest_lease_ms, event.lease_ttl_ms) // 2)


def _end_challenge(state: State) -> State:
    """The challenge has ended and only remembered by its id."""
    if state.challenge is None:
        return state
    past = (*state.past_challenges, state.challenge.challenge_id)[-REMEMBERED_CHALLENGES:]
    return replace(state, challenge=None, past_challenges=past)


def _nothing(state: State, event: e.AnyEvent, now: Now) -> State:
    """Only the clocks move on."""
    return state


def _time_marked(state: State, event: e.TimeMarked, now: Now) -> State:
    tokens = state.tokens
    for token_id, at in event.used:
        tokens = tokens.set(token_id, replace(tokens[token_id], used_at=at))
    return replace(state, tokens=tokens) if event.used else state


def _project_key_drawn(state: State, event: e.ProjectKeyDrawn, now: Now) -> State:
    return replace(state, project_key=event.project_key)


def _license_installed(state: State, event: e.LicenseInstalled, now: Now) -> State:
    license = event.license
    if not event.kept:
        state = _end_challenge(_over(state, EndCause.REPLACED, now))
    newest = max(license.issued_at, state.newest_issue.get(license.license_id, 0))
    return replace(
        state,
        license=license,
        container_lic=event.container_lic,
        accepted=state.accepted if event.kept else now.unconfirmed,
        license_expired=False,
        warned_days=None,
        newest_issue=state.newest_issue.set(license.license_id, newest),
        release=None,
    )


def _over(state: State, cause: EndCause, now: Now) -> State:
    """The registration, if there is one, has ended, and is remembered (R17)."""
    living = state.registration
    if living is not None:
        names = tuple(name for _, name in state.holders)
        state = replace(state, last_registration=EndedRegistration(now.wall, cause, living.registered_at, names))
    return _end_registration(state, now)


def _end_registration(state: State, now: Now) -> State:
    """Every seat drains, nobody waits for a seat, and lost sessions have nothing to come back to (R16)."""

    def ended(session: Session) -> Session:
        seat = Seat.DRAINING if session.seat is Seat.HELD else session.seat
        session = replace(session, seat=seat, holder=False, newcomer=False, line=None)
        if session.status is SessionStatus.LOST:
            session = replace(session, status=SessionStatus.ENDED, ended=EndReason.EXPIRED, since=now.served)
        return session

    state = _put_all(state, ended)
    return replace(
        state,
        registration=None,
        holders=(),
        newcomers=Map(),
        overlapped=state.next_number - 1,
        silent_seats=0,
        line=Map(),
        line_head=0,
        line_tail=0,
    )


def _failures_kept(state: State, event: e.UploadRefused | e.RegistrationRefused, now: Now) -> State:
    found = tuple(replace(failure, at=now.wall) for failure in event.failures)
    return replace(state, last_failures=(*found, *state.last_failures)[:REMEMBERED_FAILURES])


def _expiry_near(state: State, event: e.ExpiryNear, now: Now) -> State:
    return replace(state, warned_days=event.days)


def _license_expired(state: State, event: e.LicenseExpired, now: Now) -> State:
    def drained(session: Session) -> Session:
        return replace(session, seat=Seat.DRAINING) if session.seat is Seat.HELD else session

    return replace(_put_all(state, drained), license_expired=True)


def _license_released(state: State, event: e.LicenseReleased, now: Now) -> State:
    assert state.license is not None
    release = Release(state.license.license_id, event.url, now.wall)
    state = _end_challenge(_over(state, EndCause.RELEASED, now))
    return replace(
        state,
        license=None,
        container_lic="",
        license_expired=False,
        warned_days=None,
        project_key=None,
        predecessor="",
        release=release,
    )


def _challenge_created(state: State, event: e.ChallengeCreated, now: Now) -> State:
    challenge = Challenge(event.challenge_id, event.url, now.wall, now.run)
    return replace(_end_challenge(state), challenge=challenge)


def _code_attempted(state: State, event: e.CodeAttempted, now: Now) -> State:
    lockout = state.lockout
    return replace(state, lockout=replace(lockout, wrong_codes=lockout.wrong_codes + 1, attempt_open=True))


def _code_rejected(state: State, event: e.CodeRejected, now: Now) -> State:
    return replace(state, lockout=replace(state.lockout, attempt_open=False))


def _code_matched(state: State, event: e.CodeMatched, now: Now) -> State:
    return replace(state, lockout=Lockout())


def _locked_out(state: State, event: e.LockedOut, now: Now) -> State:
    lockouts = state.lockout.lockouts + 1
    return replace(state, lockout=Lockout(state.lockout.wrong_codes, lockouts, locked_run=now.run))


def _lockout_ended(state: State, event: e.LockoutEnded, now: Now) -> State:
    return replace(state, lockout=replace(state.lockout, locked_run=None))


def _registered(state: State, event: e.Registered, now: Now) -> State:
    state = _end_registration(state, now)
    seated = set(event.seated)
    places = {session_id: place for place, session_id in enumerate(event.queued)}

    def placed(session: Session) -> Session:
        if session.session_id in seated:
            return replace(session, seat=Seat.HELD, holder=True)
        place = places.get(session.session_id)
        return replace(session, holder=place is not None, line=place)

    challenge = state.challenge
    return replace(
        _put_all(state, placed),
        registration=Registration(now.wall, event.challenge_id),
        holders=_with_holders((), (state.sessions[session_id] for session_id in event.seated)),
        last_registration=None,
        predecessor=event.challenge_id,
        challenge=replace(challenge, used=True) if challenge else None,
        warned_days=None,
        last_failures=(),
        line=Map({place: session_id for session_id, place in places.items()}),
        line_tail=len(places),
    )


def _recovery_started(state: State, event: e.RecoveryStarted, now: Now) -> State:
    return replace(state, registration=replace(_living(state), recovering_since=now.served))


def _registration_recovered(state: State, event: e.RegistrationRecovered, now: Now) -> State:
    return replace(state, registration=replace(_living(state), recovering_since=None))


def _living(state: State) -> Registration:
    assert state.registration is not None
    return state.registration


def _registration_reset(state: State, event: e.RegistrationReset, now: Now) -> State:
    return _over(state, EndCause(event.reason), now)


def _with_holders(holders: tuple[tuple[int, str], ...], more: Iterable[Session]) -> tuple[tuple[int, str], ...]:
    """Each name once, under the number of its first session; a name past the first 100 changes nothing."""
    first: dict[str, int] = {}
    for number, name in sorted([*holders, *((session.number, session.node_name) for session in more)]):
        first.setdefault(name, number)
    return tuple((number, name) for name, number in islice(first.items(), REMEMBERED_HOLDERS))


def _session_joined(state: State, event: e.SessionJoined, now: Now) -> State:
    session = Session(
        event.session_id,
        state.next_number,
        event.node_name,
        event.instance_id,
        event.secret_hash,
        event.application,
        now.wall,
        newcomer=event.newcomer,
        token_id=token_of(event.actor),
        peer=network_of(event.actor.address) if event.actor else "",
    )
    newcomers = state.newcomers
    return replace(
        state,
        newcomers=newcomers.set(session.number, session.session_id) if session.newcomer else newcomers,
        next_number=state.next_number + 1,
        sessions=state.sessions.set(session.session_id, session),
        instances=state.instances.set(session.instance_id, session.session_id),
        tally=state.tally.plus(session, 1),
    )


def token_of(actor: Actor | None) -> str:
    """The token that a session belongs to which `actor` has proven; "": none that is known (R35)."""
    return actor.id if actor is not None and actor.kind == "token" else ""


def _holders_heard(state: State, event: e.HoldersHeard, now: Now) -> State:
    overlapped = [number for number in state.newcomers if number <= event.up_to]
    newcomers = state.newcomers
    for number in overlapped:
        state = _put(state, state.sessions[newcomers[number]], newcomer=False)
        newcomers = newcomers.delete(number)
    return replace(state, newcomers=newcomers, overlapped=event.up_to)


def _session_returned(state: State, event: e.SessionReturned, now: Now) -> State:
    session = state.sessions[event.session_id]
    state = _put(state, session, status=SessionStatus.LIVE, since=None, token_id=token_of(event.actor))
    return state if session.line is None else _enline(state, session.line, session.session_id)


def _session_rebound(state: State, event: e.SessionRebound, now: Now) -> State:
    return _put(state, state.sessions[event.session_id], token_id=token_of(event.actor))


def _session_lost(state: State, event: e.SessionLost, now: Now) -> State:
    session = state.sessions[event.session_id]
    state = _unline(_silent(state, session.seat is not Seat.NONE), session)
    return _put(state, session, status=SessionStatus.LOST, seat=Seat.NONE, line=None, since=now.served)


def _silent(state: State, seats: int) -> State:
    """`state` with so many more free seats, or fewer, that silence freed (R17)."""
    return replace(state, silent_seats=max(0, state.silent_seats + seats)) if seats else state


_FREES_AT_ONCE = frozenset({EndReason.LEFT, EndReason.EXPIRED})


def _session_ended(state: State, event: e.SessionEnded, now: Now) -> State:
    session = state.sessions[event.session_id]
    drains = session.seat is not Seat.NONE and event.reason not in _FREES_AT_ONCE
    registration = state.registration
    if registration and session.holder and event.reason is EndReason.COPIED:
        registration = replace(registration, copied=True)
    newcomers = state.newcomers.delete(session.number) if session.newcomer else state.newcomers
    state = replace(_unline(state, session), registration=registration, newcomers=newcomers)
    return _put(
        state,
        session,
        newcomer=False,
        status=SessionStatus.ENDED,
        seat=Seat.DRAINING if drains else Seat.NONE,
        holder=False,
        line=None,
        since=now.served,
        ended=event.reason,
        clock=None,
        clock_warning=None,
    )


def _session_forgotten(state: State, event: e.SessionForgotten, now: Now) -> State:
    session = state.sessions[event.session_id]
    return replace(
        state,
        sessions=state.sessions.delete(session.session_id),
        instances=state.instances.delete(session.instance_id),
        tally=state.tally.plus(session, -1),
    )


def _session_queued(state: State, event: e.SessionQueued, now: Now) -> State:
    session = state.sessions[event.session_id]
    place = _front(state) if event.front else state.line_tail
    return _enline(_put(state, session, line=place), place, session.session_id)


def _front(state: State) -> int:
    """The place before everyone waiting and everyone who may still return to a place in it (R16, R18)."""
    head = state.line_head if state.line else state.line_tail
    return (min(head, state.line_floor) if state.tally.reserved else head) - 1


def _session_unqueued(state: State, event: e.SessionUnqueued, now: Now) -> State:
    session = state.sessions[event.session_id]
    return _put(_unline(state, session), session, line=None)


def _seat_granted(state: State, event: e.SeatGranted, now: Now) -> State:
    session = state.sessions[event.session_id]
    state = replace(state, holders=_with_holders(state.holders, [session]))
    if session.seat is Seat.NONE and not session.newcomer:
        state = _silent(state, -1)
    return _put(_unline(state, session), session, seat=Seat.HELD, holder=True, line=None)


def _seat_withdrawn(state: State, event: e.SeatWithdrawn, now: Now) -> State:
    return _put(state, state.sessions[event.session_id], seat=Seat.DRAINING)


def _seat_freed(state: State, event: e.SeatFreed, now: Now) -> State:
    state = _silent(state, event.silent)
    return _put(state, state.sessions[event.session_id], seat=Seat.NONE)


def _clock_drifted(state: State, event: e.ClockDrifted, now: Now) -> State:
    return _put(state, state.sessions[event.session_id], clock=event.failure, clock_warning=None)


def _clock_healed(state: State, event: e.ClockHealed, now: Now) -> State:
    return _put(state, state.sessions[event.session_id], clock=None, clock_warning=None)


def _clock_near(state: State, event: e.ClockNear, now: Now) -> State:
    return _put(state, state.sessions[event.session_id], clock=None, clock_warning=event.warning)


def _leader_clock_judged(state: State, event: e.LeaderClockJudged, now: Now) -> State:
    return replace(state, clock_untrusted=event.failure)


def _time_confirmed(state: State, event: e.TimeConfirmed, now: Now) -> State:
    return _taken_back(state, now)


def _taken_back(state: State, now: Now) -> State:
    """A license that a wrong clock had ended is in force again, and its warnings come when their time does (R23)."""
    if now.wall >= state.effective:
        return state
    expired = state.license is not None and state.license_time(now) >= state.license.expires_at * 1000
    return replace(state, license_expired=state.license_expired and expired, warned_days=None)


def _token_created(state: State, event: e.TokenCreated, now: Now) -> State:
    token = Token(
        event.token_id,
        event.role,
        event.name,
        event.token_hash,
        now.wall,
        ends_at=event.ends_at,
        accepted=now.unconfirmed,
        uses_left=event.uses,
        enrolled_by=event.enrolled_by,
        made_by=event.actor,
    )
    ending = (*state.ending, token.token_id) if token.ends_at is not None else state.ending
    tokens = state.tokens.set(token.token_id, token)
    if event.enrolled_by:
        join = tokens[event.enrolled_by]
        tokens = tokens.set(join.token_id, replace(join, uses_left=join.uses_left - 1))
    return replace(
        state,
        tokens=tokens,
        token_ids=state.token_ids.set(token.token_hash, token.token_id),
        ending=tuple(sorted(ending, key=lambda token_id: (tokens[token_id].ends_at, token_id))),
    )


def _token_rotated(state: State, event: e.TokenRotated, now: Now) -> State:
    token = state.tokens[event.token_id]
    token = replace(
        token,
        token_hash=event.token_hash,
        former_hash=token.token_hash,
        former_until=now.served + event.overlap_ms,
    )
    return replace(
        state,
        tokens=state.tokens.set(token.token_id, token),
        token_ids=state.token_ids.set(token.token_hash, token.token_id),
    )


def _token_revoked(state: State, event: e.TokenRevoked | e.TokenEnded, now: Now) -> State:
    token = replace(state.tokens[event.token_id], revoked=True)
    ending = tuple(token_id for token_id in state.ending if token_id != token.token_id)
    return replace(state, tokens=state.tokens.set(token.token_id, token), ending=ending)


def fold(state: State, entries: Iterable[tuple[e.AnyEvent, Now]]) -> State:
    """The state after all entries, oldest first."""
    for event, now in entries:
        state = evolve(state, event, now)
    return state


_HANDLERS: dict[type[Any], Callable[[State, Any, Now], State]] = {
    e.EpochStarted: _epoch_started,
    e.TimeMarked: _time_marked,
    e.ProjectKeyDrawn: _project_key_drawn,
    e.LicenseInstalled: _license_installed,
    e.UploadRefused: _failures_kept,
    e.ExpiryNear: _expiry_near,
    e.LicenseExpired: _license_expired,
    e.LicenseReleased: _license_released,
    e.ChallengeCreated: _challenge_created,
    e.CodeAttempted: _code_attempted,
    e.CodeRejected: _code_rejected,
    e.CodeMatched: _code_matched,
    e.LockedOut: _locked_out,
    e.LockoutEnded: _lockout_ended,
    e.RegistrationRefused: _failures_kept,
    e.Registered: _registered,
    e.RecoveryStarted: _recovery_started,
    e.RegistrationRecovered: _registration_recovered,
    e.RegistrationReset: _registration_reset,
    e.SessionJoined: _session_joined,
    e.HoldersHeard: _holders_heard,
    e.SessionReturned: _session_returned,
    e.SessionRebound: _session_rebound,
    e.SessionLost: _session_lost,
    e.SessionEnded: _session_ended,
    e.SessionForgotten: _session_forgotten,
    e.SessionQueued: _session_queued,
    e.SessionUnqueued: _session_unqueued,
    e.SeatGranted: _seat_granted,
    e.SeatWithdrawn: _seat_withdrawn,
    e.SeatFreed: _seat_freed,
    e.ClockDrifted: _clock_drifted,
    e.ClockHealed: _clock_healed,
    e.ClockNear: _clock_near,
    e.LeaderClockJudged: _leader_clock_judged,
    e.TimeConfirmed: _time_confirmed,
    e.TokenCreated: _token_created,
    e.TokenRotated: _token_rotated,
    e.TokenRevoked: _token_revoked,
    e.CredentialsRefused: _nothing,
    e.TokenEnded: _token_revoked,
}
