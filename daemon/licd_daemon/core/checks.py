"""The failure reasons of R4, in the words that users know, and all of those that hold at once (R5).

- `judge_application` compares a report server with the license (R5, R12).
- `standing` says what keeps one session from a seat; `blocking` what keeps the cluster from a registration (R10, R11).
"""

import math
from datetime import UTC, datetime

from msgspec.structs import replace

from licd_daemon.core.model import (
    MINUTE_MS,
    Application,
    EndCause,
    EndedRegistration,
    Failure,
    Now,
    Session,
    SessionStatus,
    State,
)
from licd_daemon.core.reasons import FailureReason
from licd_formats.license import License, LicensedApplication, Vendor
from licd_formats.versions import version_matches, version_reaches

TOLERATED_AHEAD_MS = 10 * MINUTE_MS  # R2

ENDED = {
    EndCause.ALL_GONE: "after every node that held a seat had left or been evicted",
    EndCause.WINDOW_OVER: "after no node that held a seat had come back within the recovery window",
    EndCause.RECERTIFY: "because it was older than the license allows",
    EndCause.ADMIN: "because an administrator reset it",
    EndCause.REPLACED: "because another license was uploaded",
    EndCause.RELEASED: "because the license was released",
}
"""How each cause goes on after `Ended at ...`."""


def failure(reason: FailureReason, case: str = "", *, node_name: str = "", **found: object) -> Failure:
    """A failure in the words of its row.

    Args:
        reason: Its reason.
        case: Which of the row's sayings.
        node_name: The node it concerns; empty: none.
        found: What is in the braces of the saying.
    """
    detail, remedy = reason.row.says[case]
    return Failure(reason, reason.row.title, detail.format(**found), remedy.format(**found), node_name)


def _vendor(vendor: Vendor) -> str:
    return f"{vendor.name} <{vendor.email}>"


def certificate_expired(license: License) -> Failure:
    """R3: `exp` has passed. The detail gives the date in UTC."""
    date = datetime.fromtimestamp(license.expires_at, UTC).date()
    return failure(FailureReason.CERTIFICATE_EXPIRED, date=date, vendor=_vendor(license.vendor))


def reissues(state: State, license: License) -> bool:
    """Whether the license is another issue of the one in force."""
    return state.license is not None and state.license.license_id == license.license_id


def ended(license: License, state: State, now: Now) -> bool:
    """R3, R23: `exp` has passed; for the license in force and its reissues by what counts against it."""
    return (state.license_time(now) if reissues(state, license) else now.wall) >= license.expires_at * 1000


def certificate_type_mismatch() -> Failure:
    """R4: the chosen method, or the file's version, does not fit."""
    return failure(FailureReason.CERTIFICATE_TYPE_MISMATCH)


def certificate_content_incorrect(named: str = "") -> Failure:
    """R4: every other fault of the file, without a detail that would help a forger.

    Args:
        named: What the file is instead of a license, and what to do (R1); empty: nobody can say.
    """
    usual = failure(FailureReason.CERTIFICATE_CONTENT_INCORRECT)
    return replace(usual, remedy=named) if named else usual


def dated_ahead(license: License, now: Now, doubt: Failure | None) -> Failure | None:
    """R2: `iat` is ahead of the leader's clock by more than 10 minutes: one of them is wrong.

    Args:
        license: The license that was uploaded.
        now: The instant, by effective time.
        doubt: Why the leader's clock is not trusted; None: it is.
    """
    ahead_ms = license.issued_at * 1000 - now.wall
    if ahead_ms <= TOLERATED_AHEAD_MS:
        return None
    found = failure(
        FailureReason.CLOCK_UNTRUSTED,
        "before issue",
        issued=utc(license.issued_at),
        now=utc(now.wall // 1000),
        vendor=_vendor(license.vendor),
    )
    return replace(found, remedy=f"{doubt.remedy} Then upload the license again.") if doubt else found


def utc(seconds: int) -> str:
    """A wall time in Unix seconds, for people."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def maximum_reached(max_nodes: int) -> Failure:
    """R11: more nodes than seats."""
    return failure(FailureReason.MAX_AUTHORIZATIONS_REACHED, max=max_nodes)


def no_nodes() -> Failure:
    """R4: there is nothing to register."""
    return failure(FailureReason.NO_NODES_CONNECTED)


def registration_ended(ended: EndedRegistration, *, licensed: bool) -> Failure:
    """R17: what a node that is PENDING learns of the last registration. `licensed`: there is a license to register."""
    at = datetime.fromtimestamp(ended.ended_at / 1000, UTC)
    found = failure(
        FailureReason.REGISTRATION_ENDED,
        "" if licensed else "no license",
        time=f"{at:%Y-%m-%d %H:%M}",
        cause=ENDED[ended.cause],
    )
    return replace(found, at=ended.ended_at)


def clock_drift(node_name: str, offset_ms: float, error_ms: float, limit_ms: int) -> Failure:
    """R21: a node's clock is over the limit. Offset: node minus leader."""
    return _clock("", node_name, offset_ms, error_ms, limit_ms)


def clock_near(node_name: str, offset_ms: float, error_ms: float, limit_ms: int) -> Failure:
    """R21: a warning: a node's clock is over half of the limit. Offset: node minus leader."""
    return _clock("near", node_name, offset_ms, error_ms, limit_ms)


def _clock(case: str, node_name: str, offset_ms: float, error_ms: float, limit_ms: int) -> Failure:
    return failure(
        FailureReason.CLOCK_DRIFT,
        case,
        node_name=node_name,
        node=node_name,
        offset=f"{abs(offset_ms) / 1000:.1f}",
        side="ahead of" if offset_ms > 0 else "behind",
        limit=f"{limit_ms / 1000:g}",
        error=math.ceil(error_ms),
    )


def clock_untrusted(detail: str, remedy: str) -> Failure:
    """R22, R23: the leader's own clock is wrong, or may be. Several details may stand side by side."""
    return Failure(FailureReason.CLOCK_UNTRUSTED, FailureReason.CLOCK_UNTRUSTED.row.title, detail, remedy)


def _version_mismatch(certified: LicensedApplication, local: str, node_name: str) -> Failure | None:
    if certified.min_version and not version_reaches(certified.min_version, local):
        case = "too low"
    elif version_matches(certified.version, local):
        return None
    else:
        case = ""
    versions = {"certified": certified.version, "local": local, "lowest": certified.min_version}
    return failure(FailureReason.VERSION_MISMATCH, case, node_name=node_name, **versions)


def judge_application(license: License, application: Application, node_name: str) -> tuple[Failure, ...]:
    """R5, R12: every way in which a report server is not the licensed one."""
    certified = license.application
    found = []
    if application.name != certified.name:
        names = {"certified": certified.name, "local": application.name}
        found.append(failure(FailureReason.APPLICATION_NAME_MISMATCH, node_name=node_name, **names))
    if version := _version_mismatch(certified, application.version, node_name):
        found.append(version)
    if application.content != certified.content:
        contents = {"certified": certified.content, "local": application.content}
        found.append(failure(FailureReason.PROJECT_CONTENT_MISMATCH, node_name=node_name, **contents))
    if application.build_date < certified.min_build_date:
        dates = {"date": application.build_date, "least": certified.min_build_date}
        found.append(failure(FailureReason.BUILD_TOO_OLD, node_name=node_name, **dates))
    return tuple(found)


def qualifying(state: State, session: Session) -> tuple[Failure, ...]:
    """What keeps a session from waiting for a seat: its application and its clock, apart from expiry."""
    found = judge_application(state.license, session.application, session.node_name) if state.license else ()
    return found if session.clock is None else (*found, session.clock)


def blocking(state: State, now: Now) -> tuple[Failure, ...]:
    """R5, R10, R11: everything that would block a registration now, each node named. Visits every session."""
    license = state.license
    if license is None:
        return ()
    found = [certificate_expired(license)] if ended(license, state, now) else []
    if state.clock_untrusted:
        found.append(state.clock_untrusted)
    if state.tally.live == 0:
        found.append(no_nodes())
    if state.tally.live > license.max_nodes:
        found.append(maximum_reached(license.max_nodes))
    live = (session for session in state.sessions.values() if session.status is SessionStatus.LIVE)
    for session in sorted(live, key=lambda session: session.number):
        found.extend(qualifying(state, session))
    return tuple(found)
