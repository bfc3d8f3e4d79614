"""The tables of statements, reports and notifications: what stood in them, what is missing, what it does to us."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from h2h.ledger.columns import Exact, Instant, Json, RecordText, known_index, metadata, partial_index

statement = Table(
    "statement",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("message_id", ForeignKey("message.id"), nullable=False),
    Column("bank", String(40), nullable=False),
    Column("position", Integer, nullable=False),
    Column("kind", String(3), nullable=False),  # cash.Kind
    Column("statement_id", Text),
    Column("account", Text),
    Column("currency", Text),
    Column("electronic_sequence_number", Text),
    Column("legal_sequence_number", Text),
    Column("page_number", Text),
    Column("last_page", Boolean),
    Column("created_at", Text),
    Column("period_from", Text),
    Column("period_to", Text),
    Column("opening", Exact),
    Column("closing", Exact),
    Column("closing_date", Text),
    Column("entries", Integer, nullable=False),
    Column("matched", Integer, nullable=False),
    Column("reconciles", Boolean),
    Column("record", RecordText, nullable=False),
    Column("chain", Text),  # the account whose statements follow each other; empty where this one takes no part in it
    Column("day", String(10)),
    Column("booked", Exact),  # what the booked entries come to; empty where that cannot be said
    Column("page_of_message", Boolean),  # the page is said of the file, not of the statement
    Column("essence", Text),  # what its entries came to, where they were purged: a repeat is known by it
    UniqueConstraint("message_id", "position"),
    Index("ix_statement_account", "account", "closing_date"),
    Index("ix_statement_named", "account", "statement_id"),
    Index("ix_statement_day", "day", "id"),
    Index("ix_statement_last", "bank", "kind", "day", "id"),
    Index("ix_statement_chain", "bank", "chain", "day"),
    Index("ix_statement_chain_currency", "bank", "chain", "currency", "day"),
)

complete_day = Table(  # of which every statement that the calendar expects has come, once for ever
    "complete_day",
    metadata,
    Column("bank", String(40), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("accounts", Integer, nullable=False),
    Column("noted_at", Instant, nullable=False),
)

gap = Table(  # what is missing among the statements of an account; a row stays when it has healed
    "gap",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("bank", String(40), nullable=False),
    Column("account", Text, nullable=False),
    Column("currency", Text),
    Column("kind", String(10), nullable=False),
    Column("place", Text, nullable=False),  # what and where, in one word: of one gap there is one open row
    Column("first", BigInteger),
    Column("last", BigInteger),
    Column("after", ForeignKey("statement.id")),
    Column("before", ForeignKey("statement.id")),
    Column("from_day", String(10), nullable=False),
    Column("to_day", String(10), nullable=False),
    Column("text", Text, nullable=False),
    Column("since", Instant, nullable=False),
    Column("shown_by", ForeignKey("message.id")),
    Column("healed_at", Instant),
    Column("healed_by", ForeignKey("message.id")),
    partial_index("uq_gap_open", "bank", "account", "place", unique=True, where="healed_at IS NULL"),
    partial_index("ix_gap_open", "bank", "account", "to_day", where="healed_at IS NULL"),
    Index("ix_gap_since", "since"),
    Index("ix_gap_shown_by", "shown_by"),
    Index("ix_gap_before", "before"),
    Index("ix_gap_after", "after"),
)

entry = Table(
    "entry",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("statement_id", ForeignKey("statement.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("amount", Exact),
    Column("currency", Text),
    Column("direction", Text),
    Column("reversal", Boolean),
    Column("status", Text),
    Column("booking_date", Text),
    Column("value_date", Text),
    Column("reference", Text),
    Column("account_servicer_reference", Text),
    Column("batch_payment_information_id", Text),
    Column("told_in", Text),  # the message id in which its details are told
    Column("day", String(10), nullable=False),  # of booking, else of value, else of the statement
    Column("record", RecordText, nullable=False),
    Index("ix_entry_statement_id", "statement_id"),
    Index("ix_entry_account_servicer_reference", "account_servicer_reference"),
    Index("ix_entry_day", "day"),
    known_index("entry", "told_in"),
    known_index("entry", "batch_payment_information_id"),
)

detail = Table(
    "detail",
    metadata,
    Column("entry_id", ForeignKey("entry.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("end_to_end_id", Text),
    Column("instruction_id", Text),
    Column("payment_information_id", Text),
    Column("uetr", Text),
    Column("amount", Exact),
    Column("currency", Text),
    Column("direction", Text),
    Column("transaction_id", Text),
    Column("account_servicer_reference", Text),
    Column("transfer_id", String(32)),
    Column("payment", Integer),
    Column("record", RecordText, nullable=False),
    Index("ix_detail_end_to_end_id", "end_to_end_id"),
    known_index("detail", "transaction_id"),
    known_index("detail", "account_servicer_reference"),
)

booking = Table(  # what an entry does to a payment, each time; `payment` points to those that count
    "booking",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("entry_id", ForeignKey("entry.id"), nullable=False),
    Column("detail", Integer),  # its position; empty where the entry as a whole does it
    Column("transfer_id", String(32), nullable=False),
    Column("payment", Integer, nullable=False),
    Column("role", String(8), nullable=False),  # cash.Role
    Column("final", Boolean, nullable=False),  # by a statement; else announced
    Column("amount", Exact),
    Column("currency", Text),
    Column("reasons", Json),
    ForeignKeyConstraint(
        ["transfer_id", "payment"], ["payment.transfer_id", "payment.position"], name="fk_booking_payment"
    ),
    Index("ix_booking_entry_id", "entry_id"),
    Index("ix_booking_payment", "transfer_id", "payment"),
)
