"""Sessions and their seats (R11-R13, R15-R17)."""

import hmac

from licd_daemon.core.budget import places, refuse_place
from licd_daemon.core.commands import (
    DrainOver,
    EndSession,
    Join,
    JudgeClock,
    LeaseOver,
    Leave,
    MemoryOver,
    Prove,
    Resume,
)
from licd_daemon.core.draft import Draft
from licd_daemon.core.events import (
    ClockDrifted,
    ClockHealed,
    ClockNear,
    SeatFreed,
    SeatWithdrawn,
    SessionEnded,
    SessionForgotten,
    SessionJoined,
    SessionLost,
    SessionRebound,
    SessionReturned,
)
from licd_daemon.core.evolve import token_of
from licd_daemon.core.model import RESUMABLE_MS, EndReason, Failure, Seat, Session, SessionStatus, State
from licd_daemon.core.refusal import Reason, Refused


def join(draft: Draft, command: Join) -> None:
    """The same instance with the same secret is the same join; a join never fails for lack of a seat."""
    known = draft.state.instances.get(command.instance_id)
    if known is not None:
        session = draft.state.sessions[known]
        _prove(session, command.secret_hash)
        _return(draft, session)
        return
    refuse_place(draft.state, command.actor)
    draft.emit(
        SessionJoined(
            command.session_id,
            command.node_name,
            command.instance_id,
            command.secret_hash,
            command.application,
            newcomer=draft.state.registration is not None,
        )
    )
    draft.place(command.session_id)


def resume(draft: Draft, command: Resume) -> None:
    """R16."""
    _return(draft, _proven(draft.state, command))


def prove(draft: Draft, command: Prove) -> None:
    """R16: refused as `resume` would be, and nothing else."""
    _refuse_ended(_proven(draft.state, command))


def _proven(state: State, command: Resume) -> Session:
    """R14: the session of a process that knows its secret and has seen no other journal than this one."""
    session = state.sessions.get(command.session_id)
    if session is None:
        raise Refused(Reason.SESSION_EXPIRED, "This session is not known here: join again.")
    _prove(session, command.secret_hash)
    if not _written_here(state, command.highest_epoch_seen, command.epoch_id):
        raise Refused(
            Reason.SESSION_EXPIRED,
            f"This session has seen epoch {_named(command.highest_epoch_seen, command.epoch_id)}, but this daemon is "
            f"in epoch {_named(state.epoch, state.epoch_id)}: its journal was restored from an older copy. Stop it and "
            "start the daemon with the newest journal.",
            metadata={"epoch": str(state.epoch)},
        )
    return session


def _written_here(state: State, epoch: int, epoch_id: str) -> bool:
    """Whether this journal may have begun that epoch (R14); without both ids the number decides.

    One that the journal lacks passes: a copy restored next to its lock file goes on above all epochs seen, as wanted.
    """
    known = state.epoch_ids.get(epoch, "")
    return epoch <= state.epoch and (not known or not epoch_id or known == epoch_id)


def _named(epoch: int, epoch_id: str) -> str:
    return f"{epoch} ({epoch_id})" if epoch_id else str(epoch)


def _prove(session: Session, secret_hash: str) -> None:
    if not hmac.compare_digest(session.secret_hash, secret_hash):
        raise Refused(Reason.WRONG_SECRET, "The secret is not this session's: join with a fresh instance_id.")


def _return(draft: Draft, session: Session) -> None:
    """R16: a live one goes on; an awaited one keeps what it had; a lost one gets a seat or the head of the waitlist.

    R35: it belongs to the token that its process has shown last, so that a new token can be given to nodes one by one
    before the old one is revoked.
    """
    _refuse_ended(session)
    draft.hear(session.session_id)
    if session.status is SessionStatus.LIVE:
        if draft.actor is not None and session.token_id != token_of(draft.actor):
            draft.emit(SessionRebound(session.session_id))
        return
    draft.emit(SessionReturned(session.session_id))
    draft.place(session.session_id, front=session.status is SessionStatus.LOST)


def _refuse_ended(session: Session) -> None:
    if session.status is SessionStatus.ENDED:
        ended = str(session.ended)
        raise Refused(Reason.SESSION_EXPIRED, f"This session has ended ({ended}).", metadata={"ended": ended})


_BELIEVING = (EndReason.EVICTED, EndReason.REVOKED)
"""Ends after which a process stops believing, and says so by Leave. A copied one can't speak for its copy."""


def leave(draft: Draft, command: Leave) -> None:
    """R14: the seat is free at once, for a node that says so after its session was ended as well. Idempotent."""
    session = draft.state.sessions.get(command.session_id)
    if session is None:
        raise Refused(Reason.NO_SUCH_SESSION, "This session is not known here; there is nothing to leave.")
    _prove(session, command.secret_hash)
    draft.hear(session.session_id)
    if session.status is not SessionStatus.ENDED:
        _end(draft, session, EndReason.LEFT)
    elif session.ended in _BELIEVING and session.seat is Seat.DRAINING:
        draft.emit(SeatFreed(session.session_id))


def end_session(draft: Draft, command: EndSession) -> None:
    """R13: the seat drains. Idempotent while the session is remembered."""
    session = draft.state.sessions.get(command.session_id)
    if session is None:
        raise Refused(Reason.NO_SUCH_SESSION, "No such session: `licd nodes` lists the connected ones.")
    vouch(draft, session)
    if session.status is not SessionStatus.ENDED:
        _end(draft, session, command.reason)


def vouch(draft: Draft, session: Session) -> None:
    """A live session that is ended vouches as one that leaves does: who ends it has seen it (R17).

    A lost one does not, or evicting the dead would hand their registration to processes that they never met.
    """
    if session.status is SessionStatus.LIVE:
        draft.hear(session.session_id)


def lease_over(draft: Draft, command: LeaseOver) -> None:
    """R16: lost while a registration lives that it holds or held a seat in, over otherwise."""
    session = draft.state.sessions.get(command.session_id)
    if session is None or session.status not in (SessionStatus.LIVE, SessionStatus.AWAITED):
        return
    if draft.state.registration is not None and not session.seatless:
        draft.emit(SessionLost(session.session_id))
    else:
        _end(draft, session, EndReason.EXPIRED)


def _end(draft: Draft, session: Session, reason: EndReason) -> None:
    """R36: a session without a seat is forgotten when it leaves or falls silent.

    One that was evicted or copied is not: its node may be away just then, and must find out why it ended (R16).
    """
    forgotten = session.seatless and reason in (EndReason.LEFT, EndReason.EXPIRED)
    draft.emit(SessionEnded(session.session_id, reason, session.node_name if forgotten else ""))
    if forgotten:
        draft.follow(SessionForgotten(session.session_id))


def drain_over(draft: Draft, command: DrainOver) -> None:
    """R13: acknowledged, or the lease has ended."""
    session = draft.state.sessions.get(command.session_id)
    if session is not None and session.seat is Seat.DRAINING:
        draft.emit(SeatFreed(session.session_id, command.silent))


def memory_over(draft: Draft, command: MemoryOver) -> None:
    """R16: a lost session ends after a day, an ended one is forgotten after another. R36: sooner if they are many."""
    session = draft.state.sessions.get(command.session_id)
    if session is None or session.since is None:
        return
    if draft.state.tally.gone <= places(draft.state) and draft.now.served < session.since + RESUMABLE_MS:
        return
    if session.status is SessionStatus.LOST:
        draft.emit(SessionEnded(session.session_id, EndReason.EXPIRED))
    elif session.status is SessionStatus.ENDED and session.seat is Seat.NONE:
        draft.emit(SessionForgotten(session.session_id))


def judge_clock(draft: Draft, command: JudgeClock) -> None:
    """R12: a node that joins with a wrong clock is rejected; one seated before is flagged only. R21: healed."""
    session = draft.state.sessions.get(command.session_id)
    if session is None or session.status is SessionStatus.ENDED:
        return
    if command.failure is not None:
        _drifted(draft, session, command.failure, joining=command.joining)
    elif command.warning is not None:
        if session.clock_warning is None:
            draft.emit(ClockNear(session.session_id, command.warning))
    elif session.clock is not None or session.clock_warning is not None:
        draft.emit(ClockHealed(session.session_id))
    draft.place(session.session_id)


def _drifted(draft: Draft, session: Session, failure: Failure, *, joining: bool) -> None:
    if session.clock is not None:
        return
    draft.emit(ClockDrifted(session.session_id, failure))
    if joining and session.seat is Seat.HELD:
        draft.emit(SeatWithdrawn(session.session_id))
