"""Files that are sent in another version of their message than they were dropped in."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("transfer", sa.Column("original_sha256", sa.String(length=64), nullable=True))
    op.add_column("transfer", sa.Column("original_message", sa.Text(), nullable=True))
    op.create_index("ix_transfer_original_sha256", "transfer", ["original_sha256"])
