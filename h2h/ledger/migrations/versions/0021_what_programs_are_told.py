"""Which events programs are told of over HTTP: how far each has come, and what waits."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.create_table(
        "webhook",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("began_at", sa.String(27), nullable=False),
        sa.Column("taken_at", sa.String(27)),
        sa.Column("stopped_at", sa.String(27)),
        sa.PrimaryKeyConstraint("name", name="pk_webhook"),
    )
    op.create_table(
        "webhook_waiting",
        sa.Column("webhook", sa.String(40), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("since", sa.String(27)),
        sa.Column("text", sa.Text),
        sa.Column("given_up_at", sa.String(27)),
        sa.PrimaryKeyConstraint("webhook", "seq", name="pk_webhook_waiting"),
        sa.ForeignKeyConstraint(["webhook"], ["webhook.name"], name="fk_webhook_waiting_webhook"),
    )
