"""The failure reasons of R4, in the words that users know, and all of those that hold at once (R5).

- `judge_application` compares a report server with the license (R5, R12).
- `standing` says what keeps one session from a seat; `blocking` what keeps the cluster from a registration (R10, R11).
"""

import math
import re
from datetime import UTC, datetime
from itertools import zip_longest

from licd_daemon.core.model import (
    MINUTE_MS,
    Application,
    EndCause,
    EndedRegistration,
    Failure,
    FailureReason,
    Now,
    Session,
    SessionStatus,
    State,
)
from licd_daemon.formats.license import License, LicensedApplication, Vendor

TOLERATED_AHEAD_MS = 10 * MINUTE_MS  # R2
_PART = re.compile("([0-9]*)(.*)", re.DOTALL)

TITLES = {
    FailureReason.CERTIFICATE_EXPIRED: "The certificate has expired",
    FailureReason.VERSION_MISMATCH: "Version mismatch",
    FailureReason.APPLICATION_NAME_MISMATCH: "Application name does not match",
    FailureReason.MAX_AUTHORIZATIONS_REACHED: "The maximum number of authorizations has been reached",
    FailureReason.PROJECT_CONTENT_MISMATCH: "Project content does not match",
    FailureReason.CERTIFICATE_TYPE_MISMATCH: "Certificate type or version does not match",
    FailureReason.CERTIFICATE_CONTENT_INCORRECT: "The content of the certificate is incorrect",
    FailureReason.CLOCK_DRIFT: "Server clocks do not agree",
    FailureReason.CLOCK_UNTRUSTED: "The leader's clock is not to be trusted",
    FailureReason.BUILD_TOO_OLD: "The report server's build is too old",
    FailureReason.NO_NODES_CONNECTED: "No node is connected",
    FailureReason.REGISTRATION_ENDED: "The registration has ended",
}
ENDED = {
    EndCause.ALL_GONE: "after every node that held a seat had left or been evicted",
    EndCause.WINDOW_OVER: "after no node that held a seat had come back within the recovery window",
    EndCause.RECERTIFY: "because it was older than the license allows",
    EndCause.ADMIN: "because an administrator reset it",
    EndCause.REPLACED: "because another license was uploaded",
    EndCause.RELEASED: "because the license was released",
}
"""How each cause goes on after `Ended at ...`."""


def failure(reason: FailureReason, detail: str, remedy: str, node_name: str = "") -> Failure:
    """A failure under its fixed title."""
    return Failure(reason, TITLES[reason], detail, remedy, node_name)


def _vendor(vendor: Vendor) -> str:
    return f"{vendor.name} <{vendor.email}>"


def certificate_expired(license: License) -> Failure:
    """R3: `exp` has passed. The detail gives the date in UTC."""
    date = datetime.fromtimestamp(license.expires_at, UTC).date()
    return failure(
        FailureReason.CERTIFICATE_EXPIRED,
        f"Expiration time: {date}",
        f"Ask {_vendor(license.vendor)} for a renewed Container.lic and upload it.",
    )


def certificate_type_mismatch() -> Failure:
    """R4: the chosen method, or the file's version, does not fit."""
    return failure(
        FailureReason.CERTIFICATE_TYPE_MISMATCH,
        "The selected authentication method does not match the uploaded lic type",
        "Choose the authentication method that the license was issued for, or upload a license for this one.",
    )


_AS_SENT = "Upload Container.lic exactly as the vendor sent it; if it still fails, ask the vendor for a new one."


def certificate_content_incorrect(named: str = "") -> Failure:
    """R4: every other fault of the file, without a detail that would help a forger.

    Args:
        named: What the file is instead of a license, and what to do (R1); empty: nobody can say.
    """
    return failure(FailureReason.CERTIFICATE_CONTENT_INCORRECT, "", named or _AS_SENT)


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
    remedy = (
        f"{doubt.remedy} Then upload the license again."
        if doubt
        else "Set the clock of the leader daemon's machine right (NTP) and upload the license again; if that clock is "
        f"right, ask {_vendor(license.vendor)} to issue the license again."
    )
    return clock_untrusted(
        f"The license was issued at {utc(license.issued_at)}, and the leader's clock is at {utc(now.wall // 1000)}: "
        "that is more than 10 minutes ahead",
        remedy,
    )


def utc(seconds: int) -> str:
    """A wall time in Unix seconds, for people."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def maximum_reached(max_nodes: int) -> Failure:
    """R11: more nodes than seats."""
    return failure(
        FailureReason.MAX_AUTHORIZATIONS_REACHED,
        "The number of cluster nodes exceeds the maximum number of lic that can be registered",
        f"Stop nodes until at most {max_nodes} are connected, or ask the vendor for a license for more.",
    )


def no_nodes() -> Failure:
    """R4: there is nothing to register."""
    return failure(
        FailureReason.NO_NODES_CONNECTED,
        "",
        "Start at least one report server and let it connect to this daemon.",
    )


def registration_ended(ended: EndedRegistration, *, licensed: bool) -> Failure:
    """R17: what a node that is PENDING learns of the last registration. `licensed`: there is a license to register."""
    at = datetime.fromtimestamp(ended.ended_at / 1000, UTC)
    upload = "" if licensed else "upload a Container.lic, "
    return Failure(
        FailureReason.REGISTRATION_ENDED,
        TITLES[FailureReason.REGISTRATION_ENDED],
        f"Ended {at:%Y-%m-%d %H:%M} UTC {ENDED[ended.cause]}",
        f"Ask the cluster administrator to {upload}create a QR code, scan it and submit the code.",
        at=ended.ended_at,
    )


def clock_drift(node_name: str, offset_ms: float, error_ms: float, limit_ms: int) -> Failure:
    """R21: a node's clock is over the limit. Offset: node minus leader."""
    side = "ahead of" if offset_ms > 0 else "behind"
    detail = (
        f"Node {node_name} is {abs(offset_ms) / 1000:.1f} s {side} the leader "
        f"(limit {limit_ms / 1000:g} s, error {math.ceil(error_ms)} ms)"
    )
    remedy = "Set that server's clock right (NTP); it is judged again by itself."
    return failure(FailureReason.CLOCK_DRIFT, detail, remedy, node_name)


def clock_near(node_name: str, offset_ms: float, error_ms: float, limit_ms: int) -> Failure:
    """R21: a warning: a node's clock is over half of the limit. Offset: node minus leader."""
    side = "ahead of" if offset_ms > 0 else "behind"
    detail = (
        f"Warning: node {node_name} is {abs(offset_ms) / 1000:.1f} s {side} the leader, more than half of the limit "
        f"(limit {limit_ms / 1000:g} s, error {math.ceil(error_ms)} ms)"
    )
    remedy = "Set that server's clock right (NTP) before it is over the limit; it is judged again by itself."
    return failure(FailureReason.CLOCK_DRIFT, detail, remedy, node_name)


def clock_untrusted(detail: str, remedy: str) -> Failure:
    """R22, R23: the leader's own clock is wrong, or may be."""
    return failure(FailureReason.CLOCK_UNTRUSTED, detail, remedy)


def version_matches(certified: str, local: str) -> bool:
    """R5: the certified version's parts are a prefix of the local one's."""
    parts = certified.split(".")
    return local.split(".")[: len(parts)] == parts


def version_reaches(lowest: str, local: str) -> bool:
    """R5: the local version is not below the lowest one.

    Dot-separated parts are compared in order, a missing one as 0. A part counts by the number that it begins with; at
    the same number one that goes on with text (`5-rc1`) is below the bare number, and two texts compare by their
    characters. A part that begins with no digit is below every number.
    """
    pairs = zip_longest(lowest.split("."), local.split("."), fillvalue="0")
    return next((_rank(mine) > _rank(least) for least, mine in pairs if _rank(mine) != _rank(least)), True)


def _rank(part: str) -> tuple[int, bool, str]:
    digits, text = _PART.fullmatch(part).groups()  # type: ignore[union-attr]  # matches everything
    return (int(digits) if digits else -1, not text, text)


def _version_mismatch(certified: LicensedApplication, local: str, node_name: str) -> Failure | None:
    detail = f"Certified application version: {certified.version} Local application version: {local}"
    wanted = f"version {certified.version}"
    if certified.min_version and not version_reaches(certified.min_version, local):
        detail += f" Lowest application version: {certified.min_version}"
        wanted += f", at least {certified.min_version},"
    elif version_matches(certified.version, local):
        return None
    remedy = f"Run {wanted} on this node, or ask the vendor for a license for this one."
    return failure(FailureReason.VERSION_MISMATCH, detail, remedy, node_name)


def judge_application(license: License, application: Application, node_name: str) -> tuple[Failure, ...]:
    """Every way in which a report server is not the licensed one (R5, R12)."""
    certified = license.application
    found = []
    if application.name != certified.name:
        found.append(
            failure(
                FailureReason.APPLICATION_NAME_MISMATCH,
                f"Certified application name: {certified.name} Local application name: {application.name}",
                f"Run {certified.name} on this node, or ask the vendor for a license for {application.name}.",
                node_name,
            )
        )
    if version := _version_mismatch(certified, application.version, node_name):
        found.append(version)
    if application.content != certified.content:
        found.append(
            failure(
                FailureReason.PROJECT_CONTENT_MISMATCH,
                f"Certification project content: {certified.content} Local project content: {application.content}",
                "Deploy the certified project content, or ask the vendor for a license for this one.",
                node_name,
            )
        )
    if application.build_date < certified.min_build_date:
        found.append(
            failure(
                FailureReason.BUILD_TOO_OLD,
                f"Build {application.build_date}, needs {certified.min_build_date} or later",
                "Update the report server on this node.",
                node_name,
            )
        )
    return tuple(found)


def qualifying(state: State, session: Session) -> tuple[Failure, ...]:
    """What keeps a session from standing in line for a seat: its application and its clock, apart from expiry."""
    found = judge_application(state.license, session.application, session.node_name) if state.license else ()
    return found if session.clock is None else (*found, session.clock)


def blocking(state: State, now: Now) -> tuple[Failure, ...]:
    """Everything that would block a registration now (R10, R11), each node named (R5). Visits every session."""
    license = state.license
    if license is None:
        return ()
    found = [certificate_expired(license)] if now.wall >= license.expires_at * 1000 else []
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
