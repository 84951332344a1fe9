"""The vendor's acts, each one transaction: load what bears on it, decide in pure code, make it durable, then answer."""

from sqlalchemy import Connection

from licd_formats.challenge import Purpose, SealedContent
from licd_vendor.domain import release, scan
from licd_vendor.domain.issue import check_terms
from licd_vendor.domain.model import LicenseRecord, Terms, hash_project_key
from licd_vendor.domain.settle import Dispute, Release, Side, TakeAsHead, decide_settlement
from licd_vendor.errors import RefusedError
from licd_vendor.store import alerts, audit, bindings, history, records
from licd_vendor.store.audit import PORTAL, Act
from licd_vendor.store.database import Database


def register(database: Database, content: SealedContent, now: int) -> scan.Shown | scan.RefusedScan:
    """Judge the scan of a challenge, and bind the license if it is the first (R25, R26)."""
    with database.writing() as connection:
        return judge_scan(connection, content, now)


def judge_scan(connection: Connection, content: SealedContent, now: int) -> scan.Shown | scan.RefusedScan:
    """Do what `register` does, in a transaction that the caller has begun."""
    license_ = records.find_license(connection, content.license_id)
    if license_ is None:
        return scan.RefusedScan(scan.Refusal.UNREADABLE)
    known = bindings.known(connection, content)
    facts = scan.Facts(
        license_, known.binding, known.first_shown_at, known.shown_in_force, known.key_released, known.newest_drawn_at,
        known.first_unknown,
    )  # fmt: skip
    verdict = scan.decide(facts, content, now)
    if isinstance(verdict.change, scan.KeepUnknown):
        bindings.keep_unknown(connection, verdict.change, content, now)
    elif verdict.change is not None:
        bindings.apply(connection, verdict.change, content, now)
    if isinstance(verdict.change, scan.Bind):
        _audit(connection, Act.BOUND, license_, now, f"{content.node_count} nodes")
    is_first = history.keep(connection, content, Purpose.REGISTER, name_of(verdict), known.binding, now)
    _raise_alert(connection, verdict, license_, now, is_first=is_first)
    return verdict


def release_license(database: Database, content: SealedContent, now: int) -> release.Released | scan.RefusedScan:
    """Judge a release, and end the binding if it is that deployment's (R30)."""
    with database.writing() as connection:
        return judge_release(connection, content, now)


def judge_release(connection: Connection, content: SealedContent, now: int) -> release.Released | scan.RefusedScan:
    """Do what `release_license` does, in a transaction that the caller has begun."""
    license_ = records.find_license(connection, content.license_id)
    if license_ is None:
        return scan.RefusedScan(scan.Refusal.UNREADABLE)
    key_hash = hash_project_key(content.project_key)
    facts = _release_facts(connection, license_, key_hash, now)
    verdict = release.decide_release(facts, content)
    if isinstance(verdict, release.Released) and verdict.is_new:
        if verdict.ends_binding and facts.binding is not None:
            bindings.end(connection, facts.binding, bindings.BY_RELEASE, now)
        bindings.mark_released(connection, content.license_id, key_hash, now)
        used = facts.self_releases + verdict.ends_binding
        _audit(connection, Act.RELEASED, license_, now, f"{used} of {facts.self_release_limit} moves in 365 days")
    is_first = history.keep(connection, content, Purpose.RELEASE, name_of(verdict), facts.binding, now)
    _raise_alert(connection, verdict, license_, now, is_first=is_first)
    return verdict


def add_contract(database: Database, terms: Terms, who: str, now: int) -> int:
    """Add a contract; give its id. Raise RefusedError naming the field that no license could come from."""
    check_terms(terms)
    with database.writing() as connection:
        contract_id = records.add_contract(connection, terms, now)
        detail = f"{terms.company}, {terms.project}, {terms.max_nodes} nodes, {terms.sender_email}"
        audit.keep(connection, who, Act.CONTRACT_ADDED, now, contract_id=contract_id, detail=detail)
    return contract_id


def unbind(database: Database, license_id: str, who: str, now: int) -> LicenseRecord:
    """R27: end a license's binding; raise RefusedError when it has none."""
    with database.writing() as connection:
        license_ = records.get_license(connection, license_id)
        binding = bindings.in_force(connection, license_.license_id)
        if binding is None:
            raise RefusedError(f"license {license_.license_id}: is not bound; the next scan binds it")
        bindings.end(connection, binding, bindings.BY_VENDOR, now)
        _audit(connection, Act.UNBOUND, license_, now, who=who)
    return license_


def revoke(database: Database, license_id: str, who: str, now: int) -> LicenseRecord:
    """Revoke a license: no scan of it gives a code again. Repeating it changes nothing."""
    with database.writing() as connection:
        license_ = records.get_license(connection, license_id)
        if license_.revoked_at is None:
            records.revoke(connection, license_.license_id, now)
            _audit(connection, Act.REVOKED, license_, now, who=who)
    return license_


def settle(database: Database, alert_id: int, side: Side, who: str, now: int) -> str:
    """Settle an alert in favour of one of the two installations (R28, R30).

    Returns:
        What it comes to, as text.

    Raises:
        RefusedError: When there is no such alert, it is settled, or its binding has ended.
    """
    with database.writing() as connection:
        license_id = alerts.license_of(connection, alert_id)
        license_ = records.get_license(connection, license_id)  # held, as every scan of it holds it
        alert, in_force = alerts.get(connection, alert_id), bindings.in_force(connection, license_id)
        dispute = Dispute(
            alert.alert_id, alert.kind, license_id, alert.binding_id, alert.predecessor,
            is_settled=alert.settled_at is not None, in_force=in_force,
        )  # fmt: skip
        change = decide_settlement(dispute, side)
        if isinstance(change, TakeAsHead):
            alerts.take_as_head(connection, change.binding_id, change.head)
        elif isinstance(change, Release):
            bindings.end(connection, change.binding, bindings.BY_VENDOR, now)
            bindings.mark_released(connection, license_id, change.binding.project_key_hash, now)
        alerts.settle(connection, alert, side.value, who, now)
        _audit(connection, Act.ALERT_SETTLED, license_, now, f"alert {alert_id} for {side.value}", who=who)
    return _OUTCOMES[type(change)]


_OUTCOMES: dict[type, str] = {
    type(None): "the registered installation goes on; the refused one gets no code",
    TakeAsHead: "the refused installation gets its code with its next QR; the other one stops at its next registration",
    Release: "the release is granted; the next scan binds the license again",
}


def name_of(verdict: scan.Shown | release.Released | scan.RefusedScan) -> str:
    """Name a verdict for the records and the log."""
    if isinstance(verdict, scan.RefusedScan):
        return verdict.kind.value
    if isinstance(verdict, release.Released):
        return "released"
    return scan.SHOWN


def _release_facts(connection: Connection, license_: LicenseRecord, key_hash: str, now: int) -> release.ReleaseFacts:
    contract = records.get_contract(connection, license_.contract_id)
    return release.ReleaseFacts(
        license=license_,
        binding=bindings.in_force(connection, license_.license_id),
        key_was_bound=bindings.was_bound(connection, license_.license_id, key_hash),
        key_released=bindings.is_released_from(connection, license_.license_id, key_hash),
        self_releases=bindings.count_self_releases(connection, license_.contract_id, now - release.YEAR_SECONDS),
        self_release_limit=contract.terms.self_releases_per_year,
    )


def _audit(
    connection: Connection, act: Act, license_: LicenseRecord, now: int, detail: str = "", who: str = PORTAL
) -> None:
    audit.keep(
        connection, who, act, now, contract_id=license_.contract_id, license_id=license_.license_id, detail=detail
    )


def _raise_alert(
    connection: Connection,
    verdict: scan.Shown | release.Released | scan.RefusedScan,
    license_: LicenseRecord,
    now: int,
    *,
    is_first: bool,
) -> None:
    if is_first and isinstance(verdict, scan.RefusedScan) and verdict.kind in alerts.KINDS:
        _audit(connection, Act.ALERT_RAISED, license_, now, verdict.kind.value)
