"""Safe mode: nothing new is handed to a bank, since the ledger may not know what it has already.

It begins and ends by events of the journal, so that it outlives every restart:
safe mode -> stock taken -> restored ledger accepted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, desc, select

from h2h.ledger.prepared import Prepared
from h2h.ledger.tables import attempt, event

LEDGER = "ledger"  # the subject of these events


class Safety(StrEnum):
    BEGAN = "safe mode"
    STOCK_TAKEN = "stock taken"
    ACCEPTED = "restored ledger accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeMode:
    """Since when, the signs that the ledger is older than what happened, and whether stock was taken since."""

    since: datetime
    signs: Sequence[str]
    stock_taken: bool


_OURS = event.c.subject == LEDGER
_LAST = Prepared(select(event.c.kind).where(_OURS).order_by(desc(event.c.seq)).limit(1))


def in_safe_mode(connection: Connection) -> bool:
    return _LAST.scalar(connection) in (Safety.BEGAN, Safety.STOCK_TAKEN)


def put_back_since(connection: Connection, transfer_id: str, number: int) -> bool:
    """Whether the ledger was put back after this attempt, the last that it knows: there may have been more."""
    began = select(event.c.at).where(_OURS, event.c.kind == Safety.BEGAN).order_by(desc(event.c.seq)).limit(1)
    if (put_back := connection.execute(began).scalar()) is None:
        return False
    tried = select(attempt.c.started_at).where(attempt.c.transfer_id == transfer_id, attempt.c.number == number)
    started = connection.execute(tried).scalar()
    return started is None or started <= put_back
