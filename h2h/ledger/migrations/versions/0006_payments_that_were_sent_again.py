"""Repairs: files made of payments that the bank refused in another one, and which payment was which."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("transfer", sa.Column("repair_of", sa.String(length=32), nullable=True))
    files = ("transfer_id", "origin_id", "root_id")
    op.create_table(
        "lineage",
        *(sa.Column(name, sa.String(length=32), nullable=False) for name in files),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("payment", "origin_payment", "root_payment")),
        *(sa.ForeignKeyConstraint([name], ["transfer.id"], name=op.f(f"fk_lineage_{name}")) for name in files),
        sa.PrimaryKeyConstraint("transfer_id", "payment", name=op.f("pk_lineage")),
    )
    op.create_index("ix_lineage_origin", "lineage", ["origin_id", "origin_payment"])
    op.create_index("ix_lineage_root", "lineage", ["root_id", "root_payment"])
