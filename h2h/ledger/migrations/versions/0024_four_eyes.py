"""Four eyes: who had a hand in a file, what is asked of it, and who approved which bytes."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    for name in ("makers", "approvals", "approved"):
        op.add_column("transfer", sa.Column(name, sa.Text))
