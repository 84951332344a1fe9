"""The tables. Times are Unix seconds, ids and hashes lower-case hex; a change here needs a migration with it.

Rules:

- Nothing here is a secret: of a project key only the SHA-256 is kept (R26), of a code nothing.
- A license has at most one binding in force: the database itself holds to that, whatever the code does.
- A migration only adds: tables, and columns that may be null or have a default. A worker of the version before goes on
  next to the new one.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_LARGEST_ID = 2**31 - 1


def is_id(number: int) -> bool:
    """Say whether a number from outside fits a column of ids: another one the databases would not even compare."""
    return 0 < number <= _LARGEST_ID


contracts = Table(
    "contracts",
    metadata,
    Column("contract_id", Integer, primary_key=True),
    Column("company", String(256), nullable=False),
    Column("sender_email", String(254), nullable=False),
    Column("project", String(256), nullable=False),
    Column("max_nodes", Integer, nullable=False),
    Column("application_name", String(128), nullable=False),
    Column("application_version", String(64), nullable=False),
    Column("application_content", String(1024), nullable=False),
    Column("min_build_date", String(10), nullable=False),
    Column("self_releases_per_year", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("signed_on", String(10)),
    Column("recertify_days", Integer),
    Column("outage_grace_seconds", Integer, nullable=False, server_default="900"),
    Column("min_version", String(64), nullable=False, server_default=""),
)

licenses = Table(
    "licenses",
    metadata,
    Column("license_id", String(36), primary_key=True),
    Column("contract_id", Integer, ForeignKey("contracts.contract_id"), nullable=False, index=True),
    Column("company", String(256), nullable=False),
    Column("project", String(256), nullable=False),
    Column("max_nodes", Integer, nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("key_id", String(128), nullable=False),
    Column("portal_url", String(59), nullable=False),
    Column("revoked_at", BigInteger),
    Column("outage_grace_seconds", Integer, nullable=False, server_default="900"),
    Column("min_version", String(64), nullable=False, server_default=""),
)

issues = Table(
    "issues",
    metadata,
    Column("issue_id", Integer, primary_key=True),
    Column("license_id", String(36), ForeignKey("licenses.license_id"), nullable=False, index=True),
    Column("issued_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("max_nodes", Integer, nullable=False),
    Column("request_id", String(256), index=True),
)

_IN_FORCE = text("ended_at IS NULL")
bindings = Table(
    "bindings",
    metadata,
    Column("binding_id", Integer, primary_key=True),
    Column("license_id", String(36), ForeignKey("licenses.license_id"), nullable=False, index=True),
    Column("project_key_hash", String(64), nullable=False, index=True),
    Column("head", String(16), nullable=False),
    Column("bound_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("ended_by", String(16)),
    Column("released_at", BigInteger),
    Index("uq_bindings_in_force", "license_id", unique=True, sqlite_where=_IN_FORCE, postgresql_where=_IN_FORCE),
)

shown_codes = Table(
    "shown_codes",
    metadata,
    Column("shown_id", Integer, primary_key=True),
    Column("binding_id", Integer, ForeignKey("bindings.binding_id"), nullable=False),
    Column("challenge_id", String(16), nullable=False),
    Column("shown_at", BigInteger, nullable=False),
    Column("since_head", Boolean, nullable=False),
    UniqueConstraint("binding_id", "challenge_id"),
)

unknown_predecessors = Table(
    "unknown_predecessors",
    metadata,
    Column("binding_id", Integer, ForeignKey("bindings.binding_id"), primary_key=True, autoincrement=False),
    Column("predecessor", String(16), primary_key=True),
    Column("challenge_id", String(16), nullable=False),
    Column("answered_at", BigInteger, nullable=False),
)

scans = Table(
    "scans",
    metadata,
    Column("scan_id", Integer, primary_key=True),
    Column("license_id", String(36), ForeignKey("licenses.license_id"), nullable=False),
    Column("challenge_id", String(16), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("verdict", String(32), nullable=False),
    Column("node_count", Integer, nullable=False),
    Column("clock_offset", BigInteger, nullable=False),
    Column("first_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("times", Integer, nullable=False),
    Column("binding_id", Integer),
    Column("predecessor", String(16)),
    Column("settled_at", BigInteger),
    Column("settled_for", String(16)),
    Column("settled_by", String(128)),
    UniqueConstraint("license_id", "challenge_id", "purpose", "verdict"),
)

audit = Table(
    "audit",
    metadata,
    Column("audit_id", Integer, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("who", String(128), nullable=False),
    Column("act", String(32), nullable=False),
    Column("contract_id", Integer),
    Column("license_id", String(36), index=True),
    Column("detail", String(512), nullable=False),
)

staff = Table(
    "staff",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("password_hash", String(256), nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

staff_sessions = Table(
    "staff_sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("name", String(64), ForeignKey("staff.name", ondelete="CASCADE"), nullable=False, index=True),
    Column("expires_at", BigInteger, nullable=False),
)

rate_windows = Table(
    "rate_windows",
    metadata,
    Column("key", String(128), primary_key=True),
    Column("window", BigInteger, primary_key=True),
    Column("count", Integer, nullable=False),
    Index("ix_rate_windows_window", "window"),
)
