"""Contracts, licenses, bindings, shown codes, scans."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "contracts",
        sa.Column("contract_id", sa.Integer, primary_key=True),
        sa.Column("company", sa.String(256), nullable=False),
        sa.Column("sender_email", sa.String(254), nullable=False),
        sa.Column("project", sa.String(256), nullable=False),
        sa.Column("max_nodes", sa.Integer, nullable=False),
        sa.Column("application_name", sa.String(128), nullable=False),
        sa.Column("application_version", sa.String(64), nullable=False),
        sa.Column("application_content", sa.String(1024), nullable=False),
        sa.Column("min_build_date", sa.String(10), nullable=False),
        sa.Column("self_releases_per_year", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "licenses",
        sa.Column("license_id", sa.String(36), primary_key=True),
        sa.Column("contract_id", sa.Integer, sa.ForeignKey("contracts.contract_id"), nullable=False, index=True),
        sa.Column("company", sa.String(256), nullable=False),
        sa.Column("project", sa.String(256), nullable=False),
        sa.Column("max_nodes", sa.Integer, nullable=False),
        sa.Column("issued_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("key_id", sa.String(128), nullable=False),
        sa.Column("portal_url", sa.String(59), nullable=False),
        sa.Column("revoked_at", sa.BigInteger),
    )
    op.create_table(
        "issues",
        sa.Column("issue_id", sa.Integer, primary_key=True),
        sa.Column("license_id", sa.String(36), sa.ForeignKey("licenses.license_id"), nullable=False, index=True),
        sa.Column("issued_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("max_nodes", sa.Integer, nullable=False),
    )
    op.create_table(
        "bindings",
        sa.Column("binding_id", sa.Integer, primary_key=True),
        sa.Column("license_id", sa.String(36), sa.ForeignKey("licenses.license_id"), nullable=False, index=True),
        sa.Column("project_key_hash", sa.String(64), nullable=False, index=True),
        sa.Column("head", sa.String(16), nullable=False),
        sa.Column("bound_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("ended_by", sa.String(16)),
        sa.Column("released_at", sa.BigInteger),
    )
    in_force = sa.text("ended_at IS NULL")
    op.create_index(
        "uq_bindings_in_force",
        "bindings",
        ["license_id"],
        unique=True,
        sqlite_where=in_force,
        postgresql_where=in_force,
    )
    op.create_table(
        "shown_codes",
        sa.Column("shown_id", sa.Integer, primary_key=True),
        sa.Column("binding_id", sa.Integer, sa.ForeignKey("bindings.binding_id"), nullable=False),
        sa.Column("challenge_id", sa.String(16), nullable=False),
        sa.Column("shown_at", sa.BigInteger, nullable=False),
        sa.Column("since_head", sa.Boolean, nullable=False),
        sa.UniqueConstraint("binding_id", "challenge_id"),
    )
    op.create_table(
        "scans",
        sa.Column("scan_id", sa.Integer, primary_key=True),
        sa.Column("license_id", sa.String(36), sa.ForeignKey("licenses.license_id"), nullable=False),
        sa.Column("challenge_id", sa.String(16), nullable=False),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("verdict", sa.String(32), nullable=False),
        sa.Column("node_count", sa.Integer, nullable=False),
        sa.Column("clock_offset", sa.BigInteger, nullable=False),
        sa.Column("first_at", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.BigInteger, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.UniqueConstraint("license_id", "challenge_id", "purpose", "verdict"),
    )
