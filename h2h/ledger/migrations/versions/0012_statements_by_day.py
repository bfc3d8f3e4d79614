"""An index to list the newest statements by."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_index("ix_statement_day", "statement", ["day", "id"])
