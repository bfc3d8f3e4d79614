"""Indexes of what most rows lack leave these out; entries are found by their batch, messages by the bank's id."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

SPARSE = (
    ("payment", "instruction_id"), ("payment", "uetr"), ("payment", "booked_by"), ("payment", "execution_date"),
    ("entry", "told_in"), ("detail", "transaction_id"), ("detail", "account_servicer_reference"),
)  # fmt: skip


def upgrade() -> None:
    for table, column in SPARSE:
        op.drop_index(f"ix_{table}_{column}", table)
        _create(table, column)
    _create("entry", "batch_payment_information_id")
    op.create_index("ix_message_message_id", "message", ["message_id"])


def _create(table: str, column: str) -> None:
    there = sa.text(f"{column} IS NOT NULL")
    op.create_index(f"ix_{table}_{column}", table, [column], sqlite_where=there, postgresql_where=there)
