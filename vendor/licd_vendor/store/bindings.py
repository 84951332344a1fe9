"""Bindings and the codes shown in them (R26 to R28, R30)."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Connection,
    Select,
    String,
    and_,
    bindparam,
    exists,
    func,
    insert,
    literal,
    select,
    true,
    update,
)

from licd_formats.challenge import SealedContent
from licd_vendor.domain.model import Binding, hash_project_key
from licd_vendor.domain.scan import SHOWN, Advance, Bind, FirstUnknown, KeepUnknown, Record, Refusal
from licd_vendor.store.schema import bindings, licenses, scans, shown_codes, unknown_predecessors

BY_VENDOR, BY_RELEASE = "vendor", "release"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a deployment's challenge, read in one statement: a scan is answered while a person waits."""

    binding: Binding | None
    """The binding in force; of the codes shown since, the challenge's predecessor if it is one."""
    first_shown_at: int | None
    """When this deployment's challenge was last shown for the first time."""
    shown_in_force: bool
    """That was in the binding in force."""
    key_released: bool
    """The project key was ever released, from whatever license (R30)."""
    newest_drawn_at: int | None
    """When the newest challenge shown in the binding was created, by the deployment's clock."""
    first_unknown: FirstUnknown | None
    """The first challenge with this predecessor that was answered as too old in the binding (R28)."""


def known(connection: Connection, content: SealedContent) -> Known:
    """Give what is known of a challenge; its license is held, or another scan could bind it meanwhile."""
    names = {
        "license_id": content.license_id,
        "key_hash": hash_project_key(content.project_key),
        "challenge_id": content.challenge_id.hex(),
        "predecessor": content.predecessor.hex(),
    }
    row = connection.execute(_KNOWN, names).one()
    binding = None
    if row.binding_id is not None:
        shown = frozenset({names["predecessor"]} if row.predecessor_shown else ())
        binding = Binding(row.binding_id, row.project_key_hash, row.head, shown)
    in_force = row.binding_id is not None and row.shown_in == row.binding_id
    first = None if row.unknown_id is None else FirstUnknown(row.unknown_id, row.unknown_at)
    return Known(binding, row.shown_at, in_force, bool(row.key_released), row.newest_drawn_at, first)


def in_force(connection: Connection, license_id: str) -> Binding | None:
    """Give the license's binding in force, without the codes shown in it."""
    row = connection.execute(
        select(bindings.c.binding_id, bindings.c.project_key_hash, bindings.c.head).where(
            bindings.c.license_id == license_id, bindings.c.ended_at.is_(None)
        )
    ).one_or_none()
    return None if row is None else Binding(row.binding_id, row.project_key_hash, row.head, frozenset())


def bound_since(connection: Connection) -> dict[str, int]:
    """Give since when each bound license is bound, Unix seconds."""
    query = select(bindings.c.license_id, bindings.c.bound_at).where(bindings.c.ended_at.is_(None))
    return {row.license_id: row.bound_at for row in connection.execute(query)}


def is_released_from(connection: Connection, license_id: str, project_key_hash: str) -> bool:
    """Say whether this project key was released from this license (R30)."""
    released = exists().where(
        bindings.c.license_id == license_id,
        bindings.c.project_key_hash == project_key_hash,
        bindings.c.released_at.is_not(None),
    )
    return bool(connection.scalar(select(released)))


def was_bound(connection: Connection, license_id: str, project_key_hash: str) -> bool:
    """Say whether this license is or was bound to this project key."""
    bound = exists().where(bindings.c.license_id == license_id, bindings.c.project_key_hash == project_key_hash)
    return bool(connection.scalar(select(bound)))


def count_self_releases(connection: Connection, contract_id: int, since: int) -> int:
    """Count the bindings of a contract's licenses that customers ended themselves after `since` (Unix seconds)."""
    query = (
        select(func.count())
        .select_from(bindings.join(licenses, bindings.c.license_id == licenses.c.license_id))
        .where(licenses.c.contract_id == contract_id, bindings.c.ended_by == BY_RELEASE, bindings.c.ended_at > since)
    )
    return connection.scalar(query) or 0


def apply(connection: Connection, change: Bind | Record | Advance, content: SealedContent, now: int) -> None:
    """Make a scan's change durable: the binding, its head, and the code shown (R28)."""
    if isinstance(change, Bind):
        bound = insert(bindings).values(
            license_id=content.license_id,
            project_key_hash=hash_project_key(content.project_key),
            head=change.head,
            bound_at=now,
        )
        binding_id = connection.execute(bound.returning(bindings.c.binding_id)).scalar_one()
    else:
        binding_id = change.binding_id
    if isinstance(change, Advance):
        connection.execute(update(bindings).where(bindings.c.binding_id == binding_id).values(head=change.head))
        connection.execute(update(shown_codes).where(shown_codes.c.binding_id == binding_id).values(since_head=False))
    shown = {"binding_id": binding_id, "challenge_id": content.challenge_id.hex(), "shown_at": now, "since_head": True}
    connection.execute(_SHOW, shown)


def keep_unknown(connection: Connection, change: KeepUnknown, content: SealedContent, now: int) -> None:
    """Make durable that a challenge is the first with its unknown predecessor (R28)."""
    connection.execute(
        insert(unknown_predecessors).values(
            binding_id=change.binding_id,
            predecessor=content.predecessor.hex(),
            challenge_id=content.challenge_id.hex(),
            answered_at=now,
        )
    )


def count_unknown(connection: Connection, license_id: str) -> int:
    """Count the QRs of a license with an unknown predecessor: each one's first, and those of copies (R28)."""
    firsts = (
        select(func.count())
        .select_from(unknown_predecessors.join(bindings, bindings.c.binding_id == unknown_predecessors.c.binding_id))
        .where(bindings.c.license_id == license_id)
    )
    copies = select(func.count()).where(scans.c.license_id == license_id, scans.c.verdict == Refusal.COPIED.value)
    return (connection.scalar(firsts) or 0) + (connection.scalar(copies) or 0)


def end(connection: Connection, binding: Binding, ended_by: str, now: int) -> None:
    """End a binding: the license is free for a new server (R27, R30)."""
    connection.execute(
        update(bindings).where(bindings.c.binding_id == binding.binding_id).values(ended_at=now, ended_by=ended_by)
    )


def mark_released(connection: Connection, license_id: str, project_key_hash: str, now: int) -> None:
    """Remember that a project key was released: it never binds again (R30)."""
    connection.execute(
        update(bindings)
        .where(and_(bindings.c.license_id == license_id, bindings.c.project_key_hash == project_key_hash))
        .values(released_at=now)
    )


def _known_query() -> Select[Any]:
    """One row, whether there is a binding or not."""
    there, own, then = bindings.alias("there"), bindings.alias("own"), shown_codes.alias("then")
    license_id, key_hash = bindparam("license_id", type_=String), bindparam("key_hash", type_=String)
    released = exists().where(bindings.c.project_key_hash == key_hash, bindings.c.released_at.is_not(None))
    followed = exists().where(
        shown_codes.c.binding_id == there.c.binding_id,
        shown_codes.c.challenge_id == bindparam("predecessor", type_=String),
        shown_codes.c.since_head.is_(True),
    )
    last_shown = (
        select(then.c.shown_at, then.c.binding_id)
        .join(own, own.c.binding_id == then.c.binding_id)
        .where(
            own.c.license_id == license_id,
            own.c.project_key_hash == key_hash,
            then.c.challenge_id == bindparam("challenge_id", type_=String),
        )
        .order_by(then.c.binding_id.desc())
        .limit(1)
        .subquery("last_shown")
    )
    newest = select(func.max(scans.c.first_at + scans.c.clock_offset)).where(
        scans.c.license_id == license_id, scans.c.binding_id == there.c.binding_id, scans.c.verdict == SHOWN
    )
    unknown = and_(
        unknown_predecessors.c.binding_id == there.c.binding_id,
        unknown_predecessors.c.predecessor == bindparam("predecessor", type_=String),
    )
    one = select(literal(1).label("one")).subquery("one")
    in_force = and_(there.c.license_id == license_id, there.c.ended_at.is_(None))
    return select(
        there.c.binding_id,
        there.c.project_key_hash,
        there.c.head,
        followed.label("predecessor_shown"),
        last_shown.c.shown_at,
        last_shown.c.binding_id.label("shown_in"),
        released.label("key_released"),
        newest.scalar_subquery().label("newest_drawn_at"),
        unknown_predecessors.c.challenge_id.label("unknown_id"),
        unknown_predecessors.c.answered_at.label("unknown_at"),
    ).select_from(one.outerjoin(there, in_force).outerjoin(last_shown, true()).outerjoin(unknown_predecessors, unknown))


_KNOWN = _known_query()
_SHOW = insert(shown_codes).inline()
