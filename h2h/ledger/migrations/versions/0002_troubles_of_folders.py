"""What does not work in a bank's folder, kept until it works again."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "trouble",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("bank", sa.String(length=40), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("since", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_trouble"),
    )
    op.create_index("ix_trouble_bank", "trouble", ["bank"])
