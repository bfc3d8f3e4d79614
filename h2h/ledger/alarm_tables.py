"""The tables of what somebody has to be told: alarms, who was told of them, and the cut-offs that
passed."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Integer, String, Table, Text

from h2h.ledger.columns import Instant, known_index, metadata, partial_index

alarm = Table(  # open until what it says is over; of the same one there is one open row
    "alarm",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("word", String(40), nullable=False),
    Column("bank", String(40), nullable=False),  # empty: of the gateway
    Column("subject", Text, nullable=False),
    Column("file", String(32), nullable=False),  # empty: of none
    Column("urgency", String(10), nullable=False),
    Column("text", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("passing", Boolean, nullable=False),
    Column("raised_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("taken_by", String(128)),  # who looks after it: nobody is told again
    Column("taken_at", Instant),
    Column("note", Text),  # what that person said
    partial_index("uq_alarm_open", "word", "bank", "subject", unique=True, where="ended_at IS NULL"),
    known_index("alarm", "ended_at"),
)

cut_off = Table(  # each that passed, once for ever: by the local day in the bank's zone
    "cut_off",
    metadata,
    Column("bank", String(40), primary_key=True),
    Column("channel", Text, primary_key=True),  # the watched folder, and for which payments
    Column("day", String(10), primary_key=True),
    Column("at", Instant, nullable=False),  # when it was
    Column("noted_at", Instant, nullable=False),
    Column("waiting", Integer, nullable=False),  # files that it left behind
)

telling = Table(  # what each recipient heard of each alarm
    "telling",
    metadata,
    Column("alarm_id", Integer, primary_key=True, autoincrement=False),
    Column("recipient", String(40), primary_key=True),  # its name in the settings
    Column("urgency", String(10), nullable=False),  # as which it was told
    Column("at", Instant, nullable=False),  # the last time
    Column("times", Integer, nullable=False),
    Column("over_at", Instant),  # told that it is over
)
