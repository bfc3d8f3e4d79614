"""Reports on files that were not at the bank, as far as was known: kept, and asked again when more is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from h2h.ledger import tables as t
from h2h.model import Finding, Severity

MOST = 10_000  # statuses of reports on one message id
SHOWN = 3  # files named in a finding


def orphans(connection: Connection, bank: str, message_id: str) -> Sequence[Row[Any]]:
    """All that was said on this message id and is of no transfer, in the order in which it came."""
    r, m = t.report.c, t.message.c
    query = (
        select(t.report, m.message_id.label("file_message_id"))
        .join(t.message, m.id == r.message_id)
        .where(r.original_message_id == message_id, r.transfer_id.is_(None), m.bank == bank)
        .order_by(m.fetched_at, r.id)
        .limit(MOST)
    )
    return connection.execute(query).all()


def answered_before(connection: Connection, bank: str, message_id: str) -> Finding | None:
    """The bank spoke of a message id before any file of ours had it: it may have the file by another way."""
    rows = orphans(connection, bank, message_id)
    if not rows:
        return None
    files = list(dict.fromkeys(row.message_id for row in rows))
    said = ", ".join(dict.fromkeys(row.status for row in rows))
    text = (
        f"{bank} has answered message id {message_id} before, by {', '.join(files[:SHOWN])} ({said}): it may have this "
        "file by another way. Ask the bank; then note it as sent by hand, cancel it, or release it."
    )
    return Finding(code="MESSAGE_ID_ANSWERED", severity=Severity.HOLD, text=text)
