"""What goes to a bank in place of a file, compressed or encrypted; and what was read of a file that came so."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
COLUMNS = {
    "transfer": ("sealed_sha256", "sealed_size", "sealed_by"),
    "message": ("opened_sha256", "opened_size", "signed_by"),
}


def upgrade() -> None:
    for table, (sha256, size, words) in COLUMNS.items():
        op.add_column(table, sa.Column(sha256, sa.String(64)))
        op.add_column(table, sa.Column(size, sa.BigInteger))
        op.add_column(table, sa.Column(words, sa.Text))
        there = sa.text(f"{sha256} IS NOT NULL")
        op.create_index(f"ix_{table}_{sha256}", table, [sha256], sqlite_where=there, postgresql_where=there)
