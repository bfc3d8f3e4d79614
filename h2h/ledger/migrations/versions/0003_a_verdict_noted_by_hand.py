"""Who noted the bank's word on a transfer by hand."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("transfer", sa.Column("verdict_by", sa.String(length=128), nullable=True))
