"""When a change of a person was proposed, by which the proposal is told from others."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    op.add_column("person", sa.Column("proposed_at", sa.String(27)))
