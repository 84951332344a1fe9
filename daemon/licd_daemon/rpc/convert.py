"""Values of the core to messages of licd.v1 and back."""

from typing import get_args, get_type_hints

import msgspec
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from licd.v1 import cluster_service_pb2 as cluster
from licd.v1 import failure_pb2 as failures
from licd.v1 import registration_service_pb2 as registration
from licd.v1 import token_service_pb2 as tokens
from licd_daemon.core.model import (
    CHALLENGE_VALID_MS,
    Actor,
    Challenge,
    ChallengeState,
    EndCause,
    EndedRegistration,
    Failure,
    Lockout,
    Now,
    Release,
    Role,
    Token,
)
from licd_daemon.core.reasons import FailureReason
from licd_daemon.core.upload_effect import Effect
from licd_daemon.core.view import NodeState, RegistrationState, registration_state
from licd_daemon.operations.fields import LATEST_MS
from licd_daemon.operations.nodes import NodeView
from licd_daemon.operations.registration import Leader, Registration
from licd_formats.license import License

# The contract's values carry their enum's prefix; protobuf takes them by name.
NODE_STATE = {state: f"NODE_STATE_{state}" for state in NodeState}
REGISTRATION_STATE = {state: f"REGISTRATION_STATE_{state}" for state in RegistrationState}
CHALLENGE_STATE = {state: f"CHALLENGE_STATE_{state}" for state in ChallengeState}
FAILURE_REASON = {reason: f"FAILURE_REASON_{reason}" for reason in FailureReason}
END_CAUSE = {cause: f"END_CAUSE_{cause}" for cause in EndCause}
ROLE = {role: f"ROLE_{role.name}" for role in Role}
ACTOR_KIND = {kind: f"ACTOR_KIND_{kind.upper()}" for kind in get_args(get_type_hints(Actor)["kind"])}
AUTH_METHOD = {
    registration.AUTH_METHOD_LOCAL_CONTAINER: "LOCAL_CONTAINER",
}


_FIRST_MS = -62_135_596_800_000  # the year 1
_LONGEST_MS = 315_576_000_000_000  # 10,000 years
MAX_LISTED = 500
"""Nodes and failures of an effect in a message, which a peer takes up to 4 MiB of."""


def timestamp(ms: int) -> Timestamp:
    """A wall time in ms; beyond the years that Timestamp has, the nearest that it has: a clock may be anywhere."""
    ms = min(max(ms, _FIRST_MS), LATEST_MS - 1)
    return Timestamp(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000)


def nanoseconds(stamp: Timestamp) -> int:
    """A wall time in ns, whatever the other side sent."""
    return stamp.seconds * 1_000_000_000 + stamp.nanos


def milliseconds(stamp: Timestamp) -> float:
    """A wall time in ms, with its fraction."""
    return float(stamp.seconds * 1000 + stamp.nanos / 1_000_000)


def duration(ms: float) -> Duration:
    """A span in ms, of either sign, within what Duration has: a node may report any clock."""
    ms = min(max(ms, -_LONGEST_MS), _LONGEST_MS)
    span = Duration()
    span.FromNanoseconds(round(ms * 1_000_000))
    return span


def milliseconds_of(span: Duration) -> int:
    """A span in whole ms, whatever the other side sent."""
    return span.seconds * 1000 + span.nanos // 1_000_000


def compact_json(message: Message) -> str:
    """Proto3 JSON in one line: snake_case, defaults included."""
    return MessageToJson(
        message,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
        ensure_ascii=False,
        indent=None,
    )


def failure_message(failure: Failure) -> failures.Failure:
    """One reason as text."""
    return failures.Failure(
        reason=FAILURE_REASON[failure.reason],
        title=failure.title,
        detail=failure.detail,
        remedy=failure.remedy,
        node_name=failure.node_name,
        at=None if failure.at is msgspec.UNSET else timestamp(failure.at),
    )


def license_message(license: License) -> registration.License:
    """The license in force."""
    return registration.License(
        license_id=license.license_id,
        company=license.company,
        project=license.project,
        auth_method=registration.AUTH_METHOD_LOCAL_CONTAINER,
        application=registration.LicensedApplication(
            name=license.application.name,
            version=license.application.version,
            content=license.application.content,
            min_build_date=license.application.min_build_date,
            min_version=license.application.min_version,
        ),
        max_nodes=license.max_nodes,
        issued_at=timestamp(license.issued_at * 1000),
        expires_at=timestamp(license.expires_at * 1000),
        issuer=license.issuer,
        vendor_name=license.vendor.name,
        vendor_email=license.vendor.email,
        portal_url=license.portal.url,
        key_id=license.key_id,
        recertify_days=license.recertify_days or 0,
        outage_grace=duration(license.outage_grace_seconds * 1000),
    )


def effect_message(effect: Effect) -> registration.UploadEffect:
    """What an upload changes (R2)."""
    return registration.UploadEffect(
        license=license_message(effect.license),
        ends_registration=effect.ends_registration,
        seats_lost=effect.seats_lost,
        nodes_rejected=[
            registration.RejectedNode(
                name=node.name,
                session_id=node.session_id,
                failures=[failure_message(failure) for failure in node.failures],
            )
            for node in effect.nodes_rejected[:MAX_LISTED]
        ],
        failures=[failure_message(failure) for failure in effect.failures[:MAX_LISTED]],
    )


def challenge_message(challenge: Challenge, now: Now) -> registration.Challenge:
    """A challenge without its pictures."""
    return registration.Challenge(
        challenge_id=challenge.challenge_id,
        url=challenge.url,
        created_at=timestamp(challenge.created_at),
        expires_at=timestamp(challenge.created_at + CHALLENGE_VALID_MS),
        state=CHALLENGE_STATE[challenge.state(now)],
    )


def lockout_message(lockout: Lockout, now: Now) -> registration.Lockout:
    """The guard against guessed codes."""
    left = lockout.left_ms(now)
    return registration.Lockout(
        locked=left > 0,
        wrong_codes=lockout.wrong_codes,
        attempts_left=0 if left else lockout.attempts_left,
        locked_until=timestamp(now.wall + left) if left else None,
        lockouts=lockout.lockouts,
    )


def release_message(release: Release) -> registration.Release:
    """The sealed release."""
    return registration.Release(
        license_id=release.license_id, url=release.url, released_at=timestamp(release.released_at)
    )


def ended_message(ended: EndedRegistration) -> registration.EndedRegistration:
    """A registration that has ended."""
    return registration.EndedRegistration(
        ended_at=timestamp(ended.ended_at),
        cause=END_CAUSE[ended.cause],
        nodes=ended.nodes,
        registered_at=timestamp(ended.registered_at),
    )


def registration_message(shown: Registration, *, scan: bool = True) -> registration.Registration:
    """The registration at one instant. `scan`: with the addresses that phones register and release by."""
    message = _registration_message(shown)
    if not scan and message.HasField("challenge"):
        message.challenge.ClearField("url")
    if not scan and message.HasField("release"):
        message.release.ClearField("url")
    return message


def _registration_message(shown: Registration) -> registration.Registration:
    state, now = shown.state, shown.now
    living = state.registration
    since = deadline = None
    if living is not None and living.recovering_since is not None:
        gone = now.served - living.recovering_since
        since = timestamp(now.wall - gone)
        deadline = timestamp(now.wall + max(0, shown.recovery_window_ms - gone))
    return registration.Registration(
        state=REGISTRATION_STATE[registration_state(state)],
        license=license_message(state.license) if state.license else None,
        challenge=challenge_message(state.challenge, now) if state.challenge else None,
        lockout=lockout_message(state.lockout, now),
        nodes_connected=state.tally.live,
        nodes_licensed=state.tally.held,
        nodes_waiting=len(state.line),
        max_nodes=state.license.max_nodes if state.license else 0,
        registered_at=timestamp(living.registered_at) if living else None,
        recovery_deadline=deadline,
        recovering_since=since,
        last_failures=[failure_message(failure) for failure in state.last_failures],
        leader=leader_message(shown.leader),
        release=release_message(state.release) if state.release else None,
        last_registration=ended_message(state.last_registration) if state.last_registration else None,
        clock_untrusted=failure_message(state.clock_untrusted) if state.clock_untrusted else None,
        journal_unavailable=not shown.writable,
        nodes_drifted=state.tally.drifted,
        warnings=[
            failures.Failure(title=each.title, detail=each.detail, remedy=each.remedy) for each in shown.warnings
        ],
    )


def leader_message(leader: Leader) -> registration.Leader:
    """A leading daemon."""
    return registration.Leader(address=leader.address, epoch=leader.epoch, since=timestamp(leader.since))


def node_message(node: NodeView) -> cluster.Node:
    """A connected node."""
    message = cluster.Node(
        name=node.name,
        session_id=node.session_id,
        state=NODE_STATE[node.state],
        failures=[failure_message(failure) for failure in node.failures],
        joined_at=timestamp(node.joined_at),
        address=node.address,
    )
    if node.heard_at is not None:
        message.last_heartbeat_at.CopyFrom(timestamp(node.heard_at))
    if node.clock is not None:
        message.clock_offset.CopyFrom(duration(node.clock.offset))
        message.clock_error.CopyFrom(duration(node.clock.error))
    return message


def actor_message(actor: Actor) -> cluster.Actor:
    """Who caused an event (R35)."""
    return cluster.Actor(
        role=ROLE[actor.role], kind=ACTOR_KIND[actor.kind], id=actor.id, name=actor.name, address=actor.address
    )


def token_message(token: Token, last_used_at: int | None, former_ends_at: int | None) -> tokens.Token:
    """A token in force, without its secret. Wall times in ms."""
    return tokens.Token(
        token_id=token.token_id,
        role=ROLE[token.role],
        name=token.name,
        created_at=timestamp(token.created_at),
        ends_at=None if token.ends_at is None else timestamp(token.ends_at),
        last_used_at=None if last_used_at is None else timestamp(last_used_at),
        uses_left=token.uses_left,
        enrolled_by=token.enrolled_by,
        made_by=None if token.made_by is None else actor_message(token.made_by),
        former_ends_at=None if former_ends_at is None else timestamp(former_ends_at),
    )
