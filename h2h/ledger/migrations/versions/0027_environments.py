"""Whether the ledger is one of test or of production; of those of before it is not known until a gateway runs."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    op.create_table(
        "environment",
        sa.Column("name", sa.String(16), primary_key=True),
        sa.Column("noted_at", sa.String(27), nullable=False),
    )
