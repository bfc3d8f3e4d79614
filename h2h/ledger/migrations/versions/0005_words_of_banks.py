"""The bank's own word for a status beside the code that stands for it; reports by what they name."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

NAMED = ("original_message_id", "end_to_end_id", "instruction_id", "uetr")


def upgrade() -> None:
    op.add_column("report", sa.Column("amount", sa.Text(), nullable=True))
    op.add_column("report", sa.Column("said", sa.Text(), nullable=True))
    for column in NAMED:
        op.create_index(f"ix_report_{column}", "report", [column])
