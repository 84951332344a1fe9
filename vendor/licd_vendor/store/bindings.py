"""Bindings and the codes shown in them (R26 to R28, R30)."""

from sqlalchemy import Connection, and_, exists, func, insert, select, update

from licd_daemon.formats.challenge import SealedContent
from licd_vendor.domain.model import Binding, hash_project_key
from licd_vendor.domain.scan import Advance, Bind, Record
from licd_vendor.store.schema import bindings, licenses, shown_codes

BY_VENDOR, BY_RELEASE = "vendor", "release"


def in_force(connection: Connection, license_id: str) -> Binding | None:
    """Give the license's binding in force."""
    row = connection.execute(
        select(bindings.c.binding_id, bindings.c.project_key_hash, bindings.c.head).where(
            bindings.c.license_id == license_id, bindings.c.ended_at.is_(None)
        )
    ).one_or_none()
    if row is None:
        return None
    shown = connection.scalars(
        select(shown_codes.c.challenge_id).where(
            shown_codes.c.binding_id == row.binding_id, shown_codes.c.since_head.is_(True)
        )
    )
    return Binding(row.binding_id, row.project_key_hash, row.head, frozenset(shown))


def first_shown(
    connection: Connection, license_id: str, project_key_hash: str, challenge_id: str
) -> tuple[int, int] | None:
    """Give when and in which binding this deployment's challenge was last shown for the first time."""
    row = connection.execute(
        select(shown_codes.c.shown_at, shown_codes.c.binding_id)
        .join(bindings, bindings.c.binding_id == shown_codes.c.binding_id)
        .where(
            bindings.c.license_id == license_id,
            bindings.c.project_key_hash == project_key_hash,
            shown_codes.c.challenge_id == challenge_id,
        )
        .order_by(shown_codes.c.binding_id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else (row.shown_at, row.binding_id)


def is_released(connection: Connection, project_key_hash: str) -> bool:
    """Say whether this project key was ever released, from whatever license (R30)."""
    released = exists().where(bindings.c.project_key_hash == project_key_hash, bindings.c.released_at.is_not(None))
    return bool(connection.scalar(select(released)))


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
    connection.execute(
        insert(shown_codes).values(
            binding_id=binding_id, challenge_id=content.challenge_id.hex(), shown_at=now, since_head=True
        )
    )


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
