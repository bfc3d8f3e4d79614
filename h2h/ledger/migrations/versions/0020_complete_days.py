"""Days of which every statement that is expected has come."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.create_table(
        "complete_day",
        sa.Column("bank", sa.String(40), nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("accounts", sa.Integer, nullable=False),
        sa.Column("noted_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("bank", "day", name="pk_complete_day"),
    )
