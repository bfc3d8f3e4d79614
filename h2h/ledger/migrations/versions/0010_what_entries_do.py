"""What each entry does to a payment; which message a statement came in; the day of an entry.

Until now only camt.053 was read, and only debits were matched: each payment that is booked has its one booking.
"""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

CHUNK = 1_000  # rows read at once
NO_DAY = "0001-01-01"  # until it is known


def upgrade() -> None:
    op.add_column("payment", sa.Column("advised_by", sa.Integer(), nullable=True))
    op.add_column("payment", sa.Column("returned_by", sa.Integer(), nullable=True))
    op.add_column("statement", sa.Column("kind", sa.String(length=3), nullable=False, server_default="053"))
    op.add_column("entry", sa.Column("told_in", sa.Text(), nullable=True))
    op.add_column("entry", sa.Column("day", sa.String(length=10), nullable=False, server_default=NO_DAY))
    op.add_column("detail", sa.Column("transaction_id", sa.Text(), nullable=True))
    op.add_column("detail", sa.Column("account_servicer_reference", sa.Text(), nullable=True))
    op.create_table(
        "booking",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("entry_id", sa.Integer(), nullable=False),
        sa.Column("detail", sa.Integer(), nullable=True),
        sa.Column("transfer_id", sa.String(length=32), nullable=False),
        sa.Column("payment", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.Column("amount", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("reasons", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["entry_id"], ["entry.id"], name="fk_booking_entry_id"),
        sa.ForeignKeyConstraint(
            ["transfer_id", "payment"], ["payment.transfer_id", "payment.position"], name="fk_booking_payment"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_booking"),
    )
    connection = op.get_bind()
    _days(connection)
    _references(connection)
    _bookings(connection)
    _indexes()


def _indexes() -> None:
    op.create_index("ix_booking_entry_id", "booking", ["entry_id"])
    op.create_index("ix_booking_payment", "booking", ["transfer_id", "payment"])
    op.create_index("ix_transfer_of_message_id", "transfer", ["message_id"])
    op.create_index("ix_batch_debtor_account", "batch", ["debtor_account"])
    for column in ("amount", "creditor_account", "execution_date"):
        op.create_index(f"ix_payment_{column}", "payment", [column])
    op.create_index("ix_entry_account_servicer_reference", "entry", ["account_servicer_reference"])
    op.create_index("ix_entry_day", "entry", ["day"])
    op.create_index("ix_entry_told_in", "entry", ["told_in"])
    op.create_index("ix_detail_transaction_id", "detail", ["transaction_id"])
    op.create_index("ix_detail_account_servicer_reference", "detail", ["account_servicer_reference"])


def _days(connection: sa.Connection) -> None:
    """The first that looks like a day."""
    said = ("entry.booking_date", "entry.value_date", "s.closing_date", "s.period_to", "s.created_at")
    days = ", ".join(f"CASE WHEN {column} LIKE '____-__-__%' THEN {column} END" for column in said)
    day = (
        f"SELECT substr(coalesce({days}, m.fetched_at), 1, 10) FROM statement s "  # noqa: S608 (names of columns)
        "JOIN message m ON m.id = s.message_id WHERE s.id = entry.statement_id"
    )
    connection.execute(sa.text(f"UPDATE entry SET day = ({day})"))  # noqa: S608


def _references(connection: sa.Connection) -> None:
    query = sa.text(
        "SELECT entry_id, position, record FROM detail WHERE entry_id > :last ORDER BY entry_id, position LIMIT :chunk"
    )
    update = sa.text(
        "UPDATE detail SET transaction_id = :tx, account_servicer_reference = :ref "
        "WHERE entry_id = :entry AND position = :position"
    )
    whole = sa.text("SELECT entry_id, position, record FROM detail WHERE entry_id = :last")
    last = 0
    while rows := connection.execute(query, {"last": last, "chunk": CHUNK}).all():
        last = rows[-1].entry_id
        rows = [row for row in rows if row.entry_id != last] + list(connection.execute(whole, {"last": last}).all())
        if found := [_values(row) for row in rows]:
            connection.execute(update, found)


def _values(row: Any) -> dict[str, Any]:
    record = json.loads(row.record)
    tx, ref = record.get("transaction_id"), record.get("account_servicer_reference")
    return {"tx": tx, "ref": ref, "entry": row.entry_id, "position": row.position}


def _bookings(connection: sa.Connection) -> None:
    position = (
        "(SELECT min(d.position) FROM detail d WHERE d.entry_id = p.booked_by AND d.transfer_id = p.transfer_id "
        "AND d.payment = p.position)"
    )
    connection.execute(
        sa.text(
            "INSERT INTO booking (entry_id, detail, transfer_id, payment, role, final, amount, currency) "  # noqa: S608
            f"SELECT p.booked_by, {position}, p.transfer_id, p.position, 'debit', :final, p.amount, p.currency "
            "FROM payment p WHERE p.booked_by IS NOT NULL ORDER BY p.transfer_id, p.position"
        ),
        {"final": True},
    )
