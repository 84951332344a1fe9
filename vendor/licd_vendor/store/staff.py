"""The vendor's staff and their sessions. Of a password and of a session's token only a hash is kept."""

from sqlalchemy import Connection, delete, insert, select, update

from licd_vendor.store.schema import staff, staff_sessions


def names(connection: Connection) -> list[tuple[str, int]]:
    """Give each name with when it was added, Unix seconds."""
    rows = connection.execute(select(staff.c.name, staff.c.created_at).order_by(staff.c.name))
    return [(row.name, row.created_at) for row in rows]


def password_hash(connection: Connection, name: str) -> str | None:
    """Give the hash of a name's password."""
    return connection.scalar(select(staff.c.password_hash).where(staff.c.name == name))


def put(connection: Connection, name: str, hashed: str, now: int) -> bool:
    """Add a name, or change its password and end its sessions; say whether it is new."""
    changed = connection.execute(update(staff).where(staff.c.name == name).values(password_hash=hashed))
    if changed.rowcount:
        connection.execute(delete(staff_sessions).where(staff_sessions.c.name == name))
        return False
    connection.execute(insert(staff).values(name=name, password_hash=hashed, created_at=now))
    return True


def remove(connection: Connection, name: str) -> bool:
    """Remove a name and its sessions; say whether it was there."""
    connection.execute(delete(staff_sessions).where(staff_sessions.c.name == name))
    return bool(connection.execute(delete(staff).where(staff.c.name == name)).rowcount)


def begin_session(connection: Connection, token_hash: str, name: str, expires_at: int, now: int) -> None:
    """Begin a session, and forget those that have ended."""
    connection.execute(delete(staff_sessions).where(staff_sessions.c.expires_at <= now))
    connection.execute(insert(staff_sessions).values(token_hash=token_hash, name=name, expires_at=expires_at))


def name_of_session(connection: Connection, token_hash: str, now: int) -> str | None:
    """Give whose session this is, if it is not over."""
    query = select(staff_sessions.c.name).where(
        staff_sessions.c.token_hash == token_hash, staff_sessions.c.expires_at > now
    )
    return connection.scalar(query)


def end_session(connection: Connection, token_hash: str) -> None:
    """End a session."""
    connection.execute(delete(staff_sessions).where(staff_sessions.c.token_hash == token_hash))
