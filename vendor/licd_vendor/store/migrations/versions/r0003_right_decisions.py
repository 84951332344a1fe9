"""Predecessors that no code shown leads to (R28). Only adds."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add; nothing that a worker of the version before reads or writes is changed."""
    op.create_table(
        "unknown_predecessors",
        sa.Column(
            "binding_id", sa.Integer, sa.ForeignKey("bindings.binding_id"), primary_key=True, autoincrement=False
        ),
        sa.Column("predecessor", sa.String(16), primary_key=True),
        sa.Column("challenge_id", sa.String(16), nullable=False),
        sa.Column("answered_at", sa.BigInteger, nullable=False),
    )
