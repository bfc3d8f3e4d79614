"""Reports on files that were not at the bank, as far as was known: kept, and asked again when more is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from h2h.ledger import tables as t
from h2h.ledger.prepared import Prepared
from h2h.model import Finding, Severity

MOST = 10_000  # statuses of reports on one message id
SHOWN = 3  # files named in a finding
_R, _M = t.report.c, t.message.c
_ORPHANS = Prepared(
    select(t.report, _M.message_id.label("file_message_id"))
    .join(t.message, _M.id == _R.message_id)
    .where(_R.original_message_id == bindparam("asked"), _R.transfer_id.is_(None), _M.bank == bindparam("of_bank"))
    .order_by(_M.fetched_at, _R.id)
    .limit(MOST)
)


def orphans(connection: Connection, bank: str, message_id: str) -> Sequence[Row[Any]]:
    """All that was said on this message id and is of no transfer, in the order in which it came."""
    return _ORPHANS.all(connection, asked=message_id, of_bank=bank)


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
