"""The tables of what programs are told of over HTTP; the journal itself is what they are told from."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, String, Table, Text

from h2h.ledger.columns import Instant, metadata

webhook = Table(
    "webhook",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("seq", Integer, nullable=False),  # up to this event the journal was gone through
    Column("began_at", Instant, nullable=False),
    Column("taken_at", Instant),  # when an event was taken last
    Column("stopped_at", Instant),  # when it said that it wants no more
)

webhook_waiting = Table(  # events up to there that are not told yet
    "webhook_waiting",
    metadata,
    Column("webhook", ForeignKey("webhook.name"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("subject", String(64), nullable=False),
    Column("since", Instant),  # failed first; empty: waits for an earlier one of its subject
    Column("text", Text),  # why it failed last
    Column("given_up_at", Instant),
)
