"""What the ERP was told of each transfer, and up to which event of the journal was looked for news."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "feedback",
        sa.Column("transfer_id", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.Column("written_at", sa.String(length=27)),
        sa.ForeignKeyConstraint(["transfer_id"], ["transfer.id"], name="fk_feedback_transfer_id"),
        sa.PrimaryKeyConstraint("transfer_id", name="pk_feedback"),
    )
    waiting = sa.text("written_at IS NULL")
    op.create_index("ix_feedback_not_written", "feedback", ["at"], sqlite_where=waiting, postgresql_where=waiting)
    op.create_table(
        "feedback_seen",
        sa.Column("bank", sa.String(length=40), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("bank", name="pk_feedback_seen"),
    )
