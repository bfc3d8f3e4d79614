"""What came before: content of files, message ids by debtor, fingerprints of payments.

What is there already gets its message ids and fingerprints, so that the radar sees the past. The content of files
taken before is not known here (it is in the archive, not in the tables); their bytes and message ids still count.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from h2h.identity import account_key, trace
from h2h.ledger.tables import Exact

revision = "0004"
down_revision = "0003"

ENDED = ("INVALID", "DUPLICATE", "CANCELLED", "RECEIVED")


def upgrade() -> None:
    op.add_column("transfer", sa.Column("content_sha256", sa.String(length=64), nullable=True))
    op.add_column("payment", sa.Column("fingerprint", sa.BigInteger(), nullable=True))
    op.drop_index("uq_transfer_message_id", table_name="transfer")
    op.create_table(
        "used_message_id",
        sa.Column("bank", sa.String(length=40), nullable=False),
        sa.Column("debtor", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("transfer_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["transfer_id"], ["transfer.id"], name=op.f("fk_used_message_id_transfer_id")),
        sa.PrimaryKeyConstraint("bank", "debtor", "message_id", name=op.f("pk_used_message_id")),
    )
    connection = op.get_bind()
    _use_message_ids(connection)
    for (transfer_id,) in connection.execute(sa.text("SELECT id FROM transfer ORDER BY id")).all():
        _fingerprint(connection, transfer_id)
    op.create_index("ix_used_message_id_transfer_id", "used_message_id", ["transfer_id"])
    op.create_index("ix_transfer_content_sha256", "transfer", ["content_sha256"])
    op.create_index("ix_transfer_message_id", "transfer", ["bank", "message_id"])
    op.create_index("ix_payment_fingerprint", "payment", ["fingerprint", "transfer_id"])


def _use_message_ids(connection: sa.Connection) -> None:
    """Of two transfers with one id the earlier has it; what was cancelled counts if it was once announced."""
    query = sa.text(
        "SELECT f.bank, b.debtor_account, f.message_id, f.id FROM transfer f JOIN batch b ON b.transfer_id = f.id "
        "WHERE f.message_id IS NOT NULL AND (f.state NOT IN :ended "
        "OR EXISTS (SELECT 1 FROM remote_name n WHERE n.transfer_id = f.id AND n.published)) "
        "ORDER BY f.received_at, f.id, b.position"
    ).bindparams(sa.bindparam("ended", ENDED, expanding=True))
    used: dict[tuple[str, str, str], str] = {}
    for bank, debtor, message_id, transfer_id in connection.execute(query):
        used.setdefault((bank, account_key(debtor or ""), message_id.strip()), transfer_id)
    rows = [
        {"bank": bank, "debtor": debtor, "message_id": message_id, "transfer_id": transfer_id}
        for (bank, debtor, message_id), transfer_id in used.items()
    ]
    if rows:
        values = "(bank, debtor, message_id, transfer_id) VALUES (:bank, :debtor, :message_id, :transfer_id)"
        connection.execute(sa.text("INSERT INTO used_message_id " + values), rows)


def _fingerprint(connection: sa.Connection, transfer_id: str) -> None:
    """As the program computes them: a program that computes them otherwise comes with a migration of its own."""
    query = sa.text(
        "SELECT p.position, p.creditor_account, p.creditor_name, p.amount, p.currency, b.debtor_account "
        "FROM payment p JOIN batch b ON b.transfer_id = p.transfer_id AND b.position = p.batch "
        "WHERE p.transfer_id = :transfer_id"
    ).columns(sa.column("position"), sa.column("creditor_account"), sa.column("creditor_name"),
              sa.column("amount", Exact), sa.column("currency"), sa.column("debtor_account"))  # fmt: skip
    rows = [
        {"number": number, "at": row.position, "of": transfer_id}
        for row in connection.execute(query, {"transfer_id": transfer_id})
        if (number := _number(row)) is not None
    ]
    if rows:
        statement = "UPDATE payment SET fingerprint = :number WHERE transfer_id = :of AND position = :at"
        connection.execute(sa.text(statement), rows)


def _number(row: Any) -> int | None:
    seen = trace(
        position=row.position,
        debtor_account=row.debtor_account,
        creditor_account=row.creditor_account,
        creditor_name=row.creditor_name,
        amount=row.amount,
        currency=row.currency,
        end_to_end_id=None,
        remittance=None,
    )
    return seen.traits.fingerprint() if seen else None
