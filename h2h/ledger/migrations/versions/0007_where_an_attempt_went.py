"""By which way each attempt went, to which server, and whether it made its temporary file. Empty for those before."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("attempt", sa.Column("way", sa.String(length=8), nullable=True))
    op.add_column("attempt", sa.Column("server", sa.Text(), nullable=True))
    op.add_column("attempt", sa.Column("host_keys", sa.Text(), nullable=True))
    op.add_column("attempt", sa.Column("made", sa.Boolean(), nullable=True))
