"""What an upload changes, before it is made (R2): who loses what, and whether a registration could work under it.

Nothing is decided here that `decide_upload` does not do: its refusals and these answers come from the same functions.
"""

from collections.abc import Callable

import msgspec

from licd_daemon.core import checks
from licd_daemon.core.decide_time import recertify_at
from licd_daemon.core.model import Failure, Now, Seat, Session, SessionStatus, State
from licd_daemon.core.upload_effect import Effect, RejectedNode
from licd_daemon.core.view import connected
from licd_formats.license import License


def effect_of(state: State, license: License, now: Now) -> Effect:
    """The effect that an upload would have. Visits every session."""
    rejected = ((each, _mismatches(license, each)) for each in connected(state))
    return Effect(
        license,
        ends_registration(state, license, now),
        len(losing_seats(state, license, now)),
        tuple(RejectedNode(each.node_name, each.session_id, found) for each, found in rejected if found),
        checks.blocking(_under(state, license), now),
    )


def ends_registration(state: State, license: License, now: Now) -> bool:
    """R2, R19: another license ends it, and so does a reissue for whose `recertify_days` it is too old."""
    if state.registration is None:
        return False
    due = recertify_at(_under(state, license))
    return not checks.reissues(state, license) or (due is not None and state.license_time(now) >= due)


def losing_seats(state: State, license: License, now: Now) -> list[Session]:
    """The sessions whose seat would be withdrawn, in the order of their joining."""
    every = ends_registration(state, license, now) or checks.ended(license, state, now)
    return _of(state, lambda each: each.seat is Seat.HELD and (every or bool(_mismatches(license, each))))


def losing_the_way(state: State, license: License, now: Now) -> list[Session]:
    """Sessions without a seat that the license in force admits and this one does not, also those that may resume."""
    present = state.license
    if present is None or state.license_expired:
        return []

    def loses(each: Session) -> bool:
        mine = each.status is not SessionStatus.ENDED and each.seat is not Seat.HELD
        return mine and not _mismatches(present, each) and bool(_mismatches(license, each))

    return _of(state, loses)


def closes_the_way(state: State, license: License, now: Now) -> bool:
    """Whether a cluster that is to be registered could be so under the license in force, and not under this one."""
    present = state.license
    if present is None or state.license_expired:
        return False
    too_many = state.registration is None and license.max_nodes < state.tally.live <= present.max_nodes
    return checks.ended(license, state, now) or too_many


def _under(state: State, license: License) -> State:
    return msgspec.structs.replace(state, license=license)


def _mismatches(license: License, session: Session) -> tuple[Failure, ...]:
    return checks.judge_application(license, session.application, session.node_name)


def _of(state: State, wanted: Callable[[Session], bool]) -> list[Session]:
    return sorted(filter(wanted, state.sessions.values()), key=lambda session: session.number)
