"""The tables of keys: host keys that banks showed or people accepted, and since when our own are known."""

from __future__ import annotations

from sqlalchemy import Column, String, Table, Text

from h2h.ledger.columns import Instant, metadata

host_key = Table(  # those of the settings stand there, not here
    "host_key",
    metadata,
    Column("bank", String(40), primary_key=True),
    Column("server", Text, primary_key=True),  # host and port: a key counts for no other one
    Column("fingerprint", String(64), primary_key=True),
    Column("algorithm", String(64)),
    Column("shown_at", Instant),  # when the server showed it first, not being pinned; empty: never
    Column("last_shown_at", Instant),
    Column("proposed_by", String(128)),  # the first of two persons who accept it …
    Column("proposed_at", Instant),
    Column("accepted_by", String(128)),  # … and the second
    Column("accepted_at", Instant),
    Column("withdrawn_by", String(128)),
    Column("withdrawn_at", Instant),
)

known_key = Table(  # an SSH key does not tell its age
    "known_key",
    metadata,
    Column("fingerprint", String(128), primary_key=True),
    Column("at", Instant, nullable=False),
)
