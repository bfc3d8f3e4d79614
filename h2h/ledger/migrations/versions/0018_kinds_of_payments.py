"""Which kinds of payments a file holds: cut-offs may differ by them."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.add_column("transfer", sa.Column("kinds", sa.Text(), nullable=True))
