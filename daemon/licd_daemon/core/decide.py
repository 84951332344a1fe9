"""decide(state, command, now, policy) -> Decision: every rule of DESIGN section 4, in tables.

`_HANDLERS` names the one handler of each command; a handler emits what the command itself does. `_settle` then decides
the consequences, whatever the command was: recovery, free seats to the waitlist, the registration's end (R13, R17).
What the command itself does carries its actor, consequences carry none (R35).

A command that is refused may still leave events behind (an attempt is counted, a refusal is recorded); one that raises
leaves none.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from licd_daemon.core import commands as c
from licd_daemon.core import decide_registration as registration
from licd_daemon.core import decide_sessions as sessions
from licd_daemon.core import decide_time as time
from licd_daemon.core import decide_tokens as tokens
from licd_daemon.core import decide_upload as uploads
from licd_daemon.core.draft import Draft
from licd_daemon.core.events import (
    AnyEvent,
    RecoveryStarted,
    RegistrationRecovered,
    RegistrationReset,
    SeatGranted,
)
from licd_daemon.core.model import Now, Policy, State
from licd_daemon.core.refusal import Refused


class Decision(NamedTuple):
    """What happens, the state that it gives, and the refusal to answer with, if any."""

    events: tuple[AnyEvent, ...]
    state: State
    refusal: Refused | None


def decide(state: State, command: c.Command, now: Now, policy: Policy) -> Decision:
    """The decision on one command. Pure: the same arguments give the same decision."""
    draft = Draft(state, now, policy, command.actor)
    refusal: Refused | None = None
    try:
        tokens.refuse_ended(state, command.actor)
        refusal = _HANDLERS[type(command)](draft, command)
    except Refused as raised:
        return Decision((), state, raised)
    _settle(draft)
    return Decision(tuple(draft.events), draft.state, refusal)


def _settle(draft: Draft) -> None:
    """R17: free seats go to the waitlist first; only then is the registration's life judged.

    The tally's holders are no newcomers: a registration does not live on in processes that never met its own.
    """
    if draft.state.recovering and draft.state.tally.holders_live:
        draft.follow(RegistrationRecovered())
    while draft.state.open and (entitled := draft.state.next_in_line(draft.now)):
        draft.follow(SeatGranted(entitled))
    living, tally = draft.state.registration, draft.state.tally
    if living is None or tally.holders_live:
        return
    if not tally.holders_awaited and not tally.holders_lost and not living.copied:
        draft.follow(RegistrationReset("ALL_GONE"))
    elif living.recovering_since is None:
        draft.follow(RecoveryStarted())


_HANDLERS: dict[type[Any], Callable[[Draft, Any], Refused | None]] = {
    c.StartEpoch: time.start_epoch,
    c.Tick: time.tick,
    c.JudgeLeaderClock: time.judge_leader_clock,
    c.ConfirmTime: time.confirm_time,
    c.Join: sessions.join,
    c.Resume: sessions.resume,
    c.Prove: sessions.prove,
    c.Leave: sessions.leave,
    c.EndSession: sessions.end_session,
    c.LeaseOver: sessions.lease_over,
    c.DrainOver: sessions.drain_over,
    c.MemoryOver: sessions.memory_over,
    c.JudgeClock: sessions.judge_clock,
    c.UploadLicense: uploads.upload_license,
    c.CreateChallenge: registration.create_challenge,
    c.AttemptCode: registration.attempt_code,
    c.SettleCode: registration.settle_code,
    c.ResetRegistration: registration.reset,
    c.ReleaseLicense: registration.release,
    c.CreateToken: tokens.create,
    c.RevokeToken: tokens.revoke,
    c.NoteRefusedCredentials: tokens.note_refused,
    c.RotateToken: tokens.rotate,
    c.Enroll: tokens.enroll,
}
