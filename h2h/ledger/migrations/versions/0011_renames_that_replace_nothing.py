"""Whether an attempt was published by a rename that replaces nothing. Empty for those before: none was."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("attempt", sa.Column("exclusive", sa.Boolean(), nullable=True))
