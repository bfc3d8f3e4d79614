"""Numbers in names at a bank: which was used, by which file."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    op.create_table(
        "sequence_number",
        sa.Column("bank", sa.String(40), nullable=False),
        sa.Column("series", sa.String(1000), nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("transfer_id", sa.String(32)),
        sa.Column("attempt", sa.Integer),
        sa.Column("published", sa.Boolean, nullable=False),
        sa.Column("kept", sa.Boolean, nullable=False),
        sa.ForeignKeyConstraint(["transfer_id"], ["transfer.id"], name=op.f("fk_sequence_number_transfer_id")),
        sa.PrimaryKeyConstraint("bank", "series", "day", "number", name=op.f("pk_sequence_number")),
    )
    op.create_index("ix_sequence_number_transfer_id", "sequence_number", ["transfer_id"])
