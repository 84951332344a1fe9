"""R2: the upload of a license: refused, asked about, or installed.

- A refused upload changes nothing, and is remembered only as refused: its `iat` locks no correction out.
- Everything that can be judged is reported at once: the type, the end, a date ahead of the leader's clock, and with
  these the nodes that it does not admit.
- What costs a registration, a seat or the way to one is refused, unless the upload says `replace`.
"""

from collections.abc import Sequence

from licd_daemon.core import checks
from licd_daemon.core.commands import UploadLicense
from licd_daemon.core.decide_registration import place_all, surely_expired
from licd_daemon.core.draft import Draft
from licd_daemon.core.effect import (
    closes_the_way,
    effect_of,
    ends_registration,
    losing_seats,
    losing_the_way,
)
from licd_daemon.core.events import LicenseExpired, LicenseInstalled, ProjectKeyDrawn, UploadRefused
from licd_daemon.core.model import Failure, Now, Seat, Session, State
from licd_daemon.core.refusal import Reason, Refused
from licd_daemon.core.upload_effect import Effect
from licd_formats.license import License

_SHOWN_CHARACTERS = 300  # of names in a message, which travels in a header
_KEPT_FAILURES = 100  # of nodes that a refused file would not admit: the refusal is an entry of the journal


def upload_license(draft: Draft, command: UploadLicense) -> Refused | None:
    """R2: uploading the license in force again changes nothing, unless it is not kept as it was signed (R37)."""
    license = command.license
    if isinstance(license, Failure):
        return _refused(draft, (license,))
    failures = _failures(draft.state, license, command.auth_method, draft.now)
    if failures:
        return _refused(draft, failures)
    if license != draft.state.license:
        _refuse_issue(draft.state, license)
        if not command.replace:
            _refuse_loss(draft.state, license, draft.now)
    elif draft.state.container_lic or not command.container_lic:
        return None
    if draft.state.project_key is None:
        draft.emit(ProjectKeyDrawn(command.project_key))
    draft.emit(LicenseInstalled(license, checks.reissues(draft.state, license), command.container_lic))
    if checks.ended(license, draft.state, draft.now):
        draft.follow(LicenseExpired())
    place_all(draft)
    return None


def try_upload(state: State, license: License | Failure, auth_method: str, now: Now) -> Effect:
    """What an upload that says `replace` would change; nothing happens (R2).

    Raises:
        Refused: As the upload would be: LICENSE_REFUSED, LICENSE_OLDER, SEATS_IN_USE.
    """
    if isinstance(license, Failure):
        raise license_refused((license,))
    if failures := _failures(state, license, auth_method, now):
        raise license_refused(failures)
    if license != state.license:
        _refuse_issue(state, license)
    return effect_of(state, license, now)


def _refused(draft: Draft, failures: tuple[Failure, ...]) -> Refused:
    draft.emit(UploadRefused(failures))
    return license_refused(failures)


def license_refused(failures: tuple[Failure, ...]) -> Refused:
    """The refusal of a file; its message has every reason once."""
    reasons = (f"{each.title}: {each.detail}." if each.detail else f"{each.title}." for each in failures)
    message = "The license was refused; the one in force, if any, stays. " + " ".join(dict.fromkeys(reasons))
    return Refused(Reason.LICENSE_REFUSED, message, failures=failures)


def _failures(state: State, license: License, auth_method: str, now: Now) -> tuple[Failure, ...]:
    """Why the file is refused; only then also the nodes that it would not admit."""
    found = []
    if auth_method != license.auth_method:
        found.append(checks.certificate_type_mismatch())
    if surely_expired(license, state, now):
        found.append(checks.certificate_expired(license))
    if ahead := checks.dated_ahead(license, now, state.clock_untrusted):
        found.append(ahead)
    if found:
        rejected = effect_of(state, license, now).nodes_rejected
        found += [each for node in rejected for each in node.failures][:_KEPT_FAILURES]
    return tuple(found)


def _refuse_issue(state: State, license: License) -> None:
    _refuse_older(state, license)
    if checks.reissues(state, license):
        _refuse_fewer(state, license)


def _refuse_older(state: State, license: License) -> None:
    """A reissue must be later than every one accepted before; the very latest may come back after another license."""
    newest = state.newest_issue.get(license.license_id, 0)
    if license.issued_at < newest or (checks.reissues(state, license) and license.issued_at == newest):
        raise Refused(
            Reason.LICENSE_OLDER,
            "A newer issue of this license was uploaded before: upload the newest Container.lic.",
            metadata={"issued_at": str(license.issued_at), "newest": str(newest)},
        )


def _refuse_fewer(state: State, license: License) -> None:
    """R2: every seat that is held or may still be believed in counts, and its node is named."""
    if state.tally.taken <= license.max_nodes:
        return
    seated = sorted(
        (session for session in state.sessions.values() if session.seat is not Seat.NONE),
        key=lambda session: session.number,
    )
    raise Refused(
        Reason.SEATS_IN_USE,
        f"{len(seated)} seats are in use and this license has {license.max_nodes}: stop nodes first. "
        f"In use: {_names(seated)}.",
        metadata={"seats_in_use": str(len(seated)), "max_nodes": str(license.max_nodes)},
    )


def _refuse_loss(state: State, license: License, now: Now) -> None:
    """R2: what somebody would lose is a question first."""
    lost = []
    if ends_registration(state, license, now) and state.registration is not None:
        lost.append(f"the registration of {checks.utc(state.registration.registered_at // 1000)}")
    if seated := losing_seats(state, license, now):
        lost.append(f"{_counted(seated, 'seat')}: {_names(seated)}")
    if cut_off := losing_the_way(state, license, now):
        lost.append(f"the way to a seat of {_counted(cut_off, 'node')}: {_names(cut_off)}")
    if not lost and closes_the_way(state, license, now):
        lost.append("the way to a registration, which the license in force leaves open")
    if lost:
        message = f"This upload would end {' and '.join(lost)}. If that is wanted, upload it again with `replace`."
        effect = effect_of(state, license, now)
        raise Refused(Reason.WOULD_END_REGISTRATION, message, failures=effect.failures, effect=effect)


def _counted(sessions: Sequence[Session], noun: str) -> str:
    return f"{len(sessions)} {noun}{'' if len(sessions) == 1 else 's'}"


def _names(sessions: Sequence[Session]) -> str:
    shown, length = list[str](), 0
    for session in sessions:
        length += len(session.node_name) + 2
        if shown and length > _SHOWN_CHARACTERS:
            return ", ".join([*shown, "..."])
        shown.append(session.node_name)
    return ", ".join(shown)
