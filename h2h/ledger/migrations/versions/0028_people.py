"""People with accounts of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    op.create_table(
        "person",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("hash", sa.Text),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("created_by", sa.String(128), nullable=False),
        sa.Column("locked_at", sa.String(27)),
        sa.Column("locked_by", sa.String(128)),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("blocked_until", sa.String(27)),
        sa.Column("proposal", sa.String(8)),
        sa.Column("proposed_by", sa.String(128)),
        sa.Column("proposed_hash", sa.Text),
    )
