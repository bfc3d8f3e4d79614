"""Who was told of which alarm."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.create_table(
        "telling",
        sa.Column("alarm_id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("recipient", sa.String(40), nullable=False),
        sa.Column("urgency", sa.String(10), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.Column("over_at", sa.String(27)),
        sa.PrimaryKeyConstraint("alarm_id", "recipient", name="pk_telling"),
    )
    op.create_index(
        "ix_alarm_ended_at",
        "alarm",
        ["ended_at"],
        sqlite_where=sa.text("ended_at IS NOT NULL"),
        postgresql_where=sa.text("ended_at IS NOT NULL"),
    )
