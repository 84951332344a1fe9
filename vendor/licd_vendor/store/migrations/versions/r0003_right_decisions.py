"""Outage grace (R41) and lowest version (R5) of contracts and licenses; unknown predecessors (R28). Only adds."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add; nothing that a worker of the version before reads or writes is changed."""
    for table in ("contracts", "licenses"):
        op.add_column(table, sa.Column("outage_grace_seconds", sa.Integer, nullable=False, server_default="900"))
        op.add_column(table, sa.Column("min_version", sa.String(64), nullable=False, server_default=""))
    op.create_table(
        "unknown_predecessors",
        sa.Column(
            "binding_id", sa.Integer, sa.ForeignKey("bindings.binding_id"), primary_key=True, autoincrement=False
        ),
        sa.Column("predecessor", sa.String(16), primary_key=True),
        sa.Column("challenge_id", sa.String(16), nullable=False),
        sa.Column("answered_at", sa.BigInteger, nullable=False),
    )
