"""What was sent to a bank today, and what it did not answer yet, are found without all that was ever sent there."""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.create_index("ix_transfer_sent_at", "transfer", ["bank", "state", "sent_at"])
    op.create_index("ix_transfer_verdict", "transfer", ["bank", "state", "verdict"])
