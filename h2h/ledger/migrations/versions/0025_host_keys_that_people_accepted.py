"""Host keys that banks showed or people accepted, and since when our own keys are known."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    op.create_table(
        "host_key",
        sa.Column("bank", sa.String(40), nullable=False),
        sa.Column("server", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("algorithm", sa.String(64)),
        sa.Column("shown_at", sa.String(27)),
        sa.Column("last_shown_at", sa.String(27)),
        sa.Column("proposed_by", sa.String(128)),
        sa.Column("proposed_at", sa.String(27)),
        sa.Column("accepted_by", sa.String(128)),
        sa.Column("accepted_at", sa.String(27)),
        sa.Column("withdrawn_by", sa.String(128)),
        sa.Column("withdrawn_at", sa.String(27)),
        sa.PrimaryKeyConstraint("bank", "server", "fingerprint", name="pk_host_key"),
    )
    op.create_table(
        "known_key",
        sa.Column("fingerprint", sa.String(128), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_known_key"),
    )
