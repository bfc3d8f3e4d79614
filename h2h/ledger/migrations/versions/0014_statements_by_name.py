"""Indexes to find a statement by its id, and the last one of a bank."""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_index("ix_statement_named", "statement", ["account", "statement_id"])
    op.create_index("ix_statement_last", "statement", ["bank", "kind", "day", "id"])
