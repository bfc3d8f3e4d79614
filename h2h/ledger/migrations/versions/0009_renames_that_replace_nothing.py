"""Whether an attempt was published by a rename that replaces nothing. Empty for those before: none was."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("attempt", sa.Column("exclusive", sa.Boolean(), nullable=True))
