"""What somebody has to be told, who took it, and which cut-offs passed."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.create_table(
        "alarm",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("word", sa.String(40), nullable=False),
        sa.Column("bank", sa.String(40), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("file", sa.String(32), nullable=False),
        sa.Column("urgency", sa.String(10), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("passing", sa.Boolean, nullable=False),
        sa.Column("raised_at", sa.String(27), nullable=False),
        sa.Column("ended_at", sa.String(27)),
        sa.Column("taken_by", sa.String(128)),
        sa.Column("taken_at", sa.String(27)),
        sa.Column("note", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_alarm"),
    )
    op.create_index(
        "uq_alarm_open",
        "alarm",
        ["word", "bank", "subject"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "cut_off",
        sa.Column("bank", sa.String(40), nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("noted_at", sa.String(27), nullable=False),
        sa.Column("waiting", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("bank", "channel", "day", name="pk_cut_off"),
    )
