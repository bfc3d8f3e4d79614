"""What is missing among the statements of an account.

Statements that are there already get their place in their account's chain, so that those to come are held against
them. What was missing among themselves stands in the findings of their messages, as before.
"""

from datetime import date

import sqlalchemy as sa
from alembic import op

from h2h.ledger.gaps import statement_of
from h2h.ledger.tables import Exact, Json
from h2h.model import Entry
from h2h.pages import booked_of, chain_of, currency_of, page_of

revision = "0008"
down_revision = "0007"

STATEMENT = sa.table(
    "statement",
    *(sa.column(name) for name in ("id", "message_id", "chain", "day", "currency", "page_of_message")),
    sa.column("booked", Exact),
    sa.column("record", Json),
)
MESSAGE = sa.table("message", *(sa.column(name) for name in ("id", "message", "fetched_at")))
ENTRY = sa.table(
    "entry",
    *(sa.column(name) for name in ("statement_id", "currency", "direction", "status")),
    sa.column("amount", Exact),
)
HEADER_PAGES = "camt.053.001.02"  # of the messages known until now, the one whose pages are said of the file


def upgrade() -> None:
    for column in (
        sa.Column("chain", sa.Text()),
        sa.Column("day", sa.String(length=10)),
        sa.Column("booked", sa.Text()),
        sa.Column("page_of_message", sa.Boolean()),
    ):
        op.add_column("statement", column)
    op.create_index("ix_statement_chain", "statement", ["bank", "chain", "day"])
    op.create_index("ix_statement_chain_currency", "statement", ["bank", "chain", "currency", "day"])
    _create_gap()
    connection = op.get_bind()
    for number in connection.execute(sa.select(STATEMENT.c.id).order_by(STATEMENT.c.id)).scalars().all():
        _place(connection, number)


def _create_gap() -> None:
    op.create_table(
        "gap",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("bank", sa.String(length=40), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text()),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("first", sa.BigInteger()),
        sa.Column("last", sa.BigInteger()),
        sa.Column("after", sa.Integer()),
        sa.Column("before", sa.Integer()),
        sa.Column("from_day", sa.String(length=10), nullable=False),
        sa.Column("to_day", sa.String(length=10), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("since", sa.String(length=27), nullable=False),
        sa.Column("shown_by", sa.String(length=32)),
        sa.Column("healed_at", sa.String(length=27)),
        sa.Column("healed_by", sa.String(length=32)),
        sa.ForeignKeyConstraint(["after"], ["statement.id"], name="fk_gap_after"),
        sa.ForeignKeyConstraint(["before"], ["statement.id"], name="fk_gap_before"),
        sa.ForeignKeyConstraint(["shown_by"], ["message.id"], name="fk_gap_shown_by"),
        sa.ForeignKeyConstraint(["healed_by"], ["message.id"], name="fk_gap_healed_by"),
        sa.PrimaryKeyConstraint("id", name="pk_gap"),
    )
    still = sa.text("healed_at IS NULL")
    op.create_index(
        "uq_gap_open", "gap", ["bank", "account", "place"], unique=True, sqlite_where=still, postgresql_where=still
    )
    open_ = ["bank", "account", "to_day"]
    op.create_index("ix_gap_open", "gap", open_, sqlite_where=still, postgresql_where=still)
    for column in ("since", "shown_by", "before", "after"):
        op.create_index(f"ix_gap_{column}", "gap", [column])


def _place(connection: sa.Connection, number: int) -> None:
    """As the program finds it: a program that finds it otherwise comes with a migration of its own."""
    both = sa.join(STATEMENT, MESSAGE, MESSAGE.c.id == STATEMENT.c.message_id)
    query = sa.select(STATEMENT.c.record, MESSAGE.c.message, MESSAGE.c.fetched_at).select_from(both)
    row = connection.execute(query.where(STATEMENT.c.id == number)).one()
    statement, came = statement_of(row.record), date.fromisoformat(row.fetched_at[:10])
    page = page_of(statement, row=number, came=came, booked=None, of_message=False)
    values = {
        "chain": chain_of(statement),
        "day": str(page.day),
        "currency": currency_of(statement),
        "booked": booked_of(statement, _entries(connection, number)).own,
        "page_of_message": row.message == HEADER_PAGES,
    }
    connection.execute(STATEMENT.update().where(STATEMENT.c.id == number).values(**values))


def _entries(connection: sa.Connection, number: int) -> list[Entry]:
    rows = connection.execute(sa.select(ENTRY).where(ENTRY.c.statement_id == number))
    return [
        Entry(position=1, statement=1, amount=e.amount, currency=e.currency, direction=e.direction, status=e.status)
        for e in rows
    ]
