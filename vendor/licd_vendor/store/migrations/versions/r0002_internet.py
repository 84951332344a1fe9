"""Terms of the application mail, settled alerts, the audit table, staff and rate limits. Only adds."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add; nothing that a worker of the version before reads or writes is changed."""
    op.add_column("contracts", sa.Column("signed_on", sa.String(10)))
    op.add_column("contracts", sa.Column("recertify_days", sa.Integer))
    op.add_column("issues", sa.Column("request_id", sa.String(256)))
    op.create_index("ix_issues_request_id", "issues", ["request_id"])
    for column in (
        sa.Column("binding_id", sa.Integer),
        sa.Column("predecessor", sa.String(16)),
        sa.Column("settled_at", sa.BigInteger),
        sa.Column("settled_for", sa.String(16)),
        sa.Column("settled_by", sa.String(128)),
    ):
        op.add_column("scans", column)
    op.create_table(
        "audit",
        sa.Column("audit_id", sa.Integer, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("who", sa.String(128), nullable=False),
        sa.Column("act", sa.String(32), nullable=False),
        sa.Column("contract_id", sa.Integer),
        sa.Column("license_id", sa.String(36), index=True),
        sa.Column("detail", sa.String(512), nullable=False),
    )
    op.create_table(
        "staff",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("password_hash", sa.String(256), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "staff_sessions",
        sa.Column("token_hash", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(64), sa.ForeignKey("staff.name", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "rate_windows",
        sa.Column("key", sa.String(128), primary_key=True),
        sa.Column("window", sa.BigInteger, primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
    )
    op.create_index("ix_rate_windows_window", "rate_windows", ["window"])
