"""What to do about a registration, one line a task, the most urgent first."""

from datetime import datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from licd.v1.registration_service_pb2 import License, Registration
from licd_daemon.cli.text import clean, local, when

DUE = frozenset({"UNREGISTERED", "RECOVERING"})
"""The states in which the cluster is to be registered."""
_WARN = timedelta(days=30)
_DAY_S = 86_400


def advice(registration: Registration, state: str, now: datetime, *, blocked: bool) -> list[str]:
    """What to do now; one line says so when there is nothing.

    Args:
        registration: what the daemon answered.
        state: its state, bare.
        now: this machine's wall time, with a time zone.
        blocked: something is wrong that was shown: in the way of a registration that is due, or on its own.
    """
    todo = [
        *_urgent(registration, state, blocked=blocked),
        *_next_step(registration, state, blocked=blocked),
        *(_soon(registration, now) if state == "REGISTERED" else []),
        *_seats(registration, state),
    ]
    return [f"To do: {line}" for line in todo] or ["All is well: there is nothing to do."]


def _urgent(registration: Registration, state: str, *, blocked: bool) -> list[str]:
    todo = []
    if registration.journal_unavailable:
        todo.append("Make room on the daemon's disk or repair it: the journal can't be written, so nothing can change")
    if (blocked and state not in DUE) or registration.warnings:
        todo.append("Fix what needs attention")
    if registration.lockout.locked:
        todo.append(f"Too many wrong codes: wait until {when(registration.lockout.locked_until)}, then: licd qr")
    return todo


def _next_step(registration: Registration, state: str, *, blocked: bool) -> list[str]:
    match state:
        case "UNLICENSED":
            return ["Upload the license: licd upload Container.lic"]
        case "UNREGISTERED" if not registration.lockout.locked:
            first = "Fix what stands in the way; then scan" if blocked else "Scan"
            return [f"{first} the QR with a phone and type the code: licd qr"]
        case "RECOVERING":
            return ["Bring back a process that held a seat before the recovery deadline, or register again: licd qr"]
        case "EXPIRED":
            return [f"Ask {_vendor(registration.license)} for a new Container.lic, then: licd upload Container.lic"]
    return []


def _soon(registration: Registration, now: datetime) -> list[str]:
    """R3, R19: what ends within 30 days."""
    license_, todo = registration.license, []
    if local(license_.expires_at) - now < _WARN:
        todo.append(f"The license expires soon: ask {_vendor(license_)} for a reissue, then: licd upload Container.lic")
    renewal = Timestamp(seconds=registration.registered_at.seconds + license_.recertify_days * _DAY_S)
    if license_.recertify_days and local(renewal) - now < _WARN:
        todo.append(f"Renew the registration before {when(renewal)}: licd qr")
    return todo


def _seats(registration: Registration, state: str) -> list[str]:
    todo = []
    if registration.nodes_waiting and state != "RECOVERING":  # there, seats are free, but not for newcomers
        vendor = _vendor(registration.license)
        todo.append(f"Nodes wait for a seat: stop or evict others (licd nodes), or ask {vendor} for more.")
    idle = registration.nodes_connected - registration.nodes_licensed - registration.nodes_waiting
    if state == "REGISTERED" and idle > 0:
        todo.append(f"Nodes connected without a seat, nor waiting for one: {idle}; see why: licd nodes")
    return todo


def _vendor(license_: License) -> str:
    return f"{clean(license_.vendor_name)} <{clean(license_.vendor_email)}>"
