"""Files whose bytes and records were purged, and what the entries of a purged statement had come to."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    unfinished = sa.text("purged_at IS NOT NULL AND erased_at IS NULL")
    for table in ("transfer", "message"):
        op.add_column(table, sa.Column("purged_at", sa.String(27)))
        op.add_column(table, sa.Column("erased_at", sa.String(27)))
        name = f"ix_{table}_to_erase"
        op.create_index(name, table, ["purged_at"], sqlite_where=unfinished, postgresql_where=unfinished)
    op.add_column("statement", sa.Column("essence", sa.Text))
