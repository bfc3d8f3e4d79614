"""The table of people who may decide, where they have accounts of the gateway's own."""

from __future__ import annotations

from sqlalchemy import Column, Integer, String, Table, Text

from h2h.ledger.columns import Instant, metadata

person = Table(  # who may decide, where people have accounts of their own
    "person",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("hash", Text),  # Argon2id; empty until a second person confirmed the first one
    Column("created_at", Instant, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("locked_at", Instant),
    Column("locked_by", String(128)),
    Column("failures", Integer, nullable=False),  # tries since the last password that was right
    Column("blocked_until", Instant),  # no password is looked at before
    Column("proposal", String(8)),  # what somebody proposed, and a second person has to confirm
    Column("proposed_by", String(128)),
    Column("proposed_hash", Text),
    Column("proposed_at", Instant),
)
