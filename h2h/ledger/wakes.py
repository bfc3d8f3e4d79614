"""Who has something to do, and what: of one bank, and of all banks by one question, so that nobody has to ask for each
of them again and again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection, Integer, and_, bindparam, case, false, or_, select

from h2h.ledger import tables as t
from h2h.ledger.columns import Instant
from h2h.ledger.database import Database
from h2h.ledger.prepared import Prepared
from h2h.ledger.rows import Transfer, transfer_of
from h2h.ledger.safety import in_safe_mode
from h2h.lifecycle import State

_C, _NOW, _MOST = t.transfer.c, bindparam("now", type_=Instant), bindparam("most", type_=Integer)
_READY, _PUBLISHING, _OF_BANK = _C.state == State.READY, _C.state == State.PUBLISHING, _C.bank == bindparam("of_bank")
_FREE = _C.owner.is_(None)
_LEFT = and_(or_(_C.state == State.STAGING, _PUBLISHING), or_(_FREE, _C.lease_until < _NOW))
_LEFT_ALONE = select(t.contact.c.bank).where(t.contact.c.bank == _C.bank, t.contact.c.suspended_until > _NOW).exists()
_UNDER_WAY, _ALL = (
    Prepared(select(_C.bank).where(_C.due_at <= _NOW, or_(new, _LEFT), ~_LEFT_ALONE).distinct())
    for new in (false(), _READY)
)
_FIRST = case((_READY, 1), else_=0), _C.due_at, _C.received_at, _C.name, _C.id
_DUE_UNDER_WAY, _DUE = (
    Prepared(select(t.transfer).where(_OF_BANK, _C.due_at <= _NOW, or_(new, _LEFT)).order_by(*_FIRST).limit(_MOST))
    for new in (false(), _READY)
)
_NEXT_UNDER_WAY, _NEXT = (
    Prepared(select(_C.due_at).where(_OF_BANK, waiting, _FREE, _C.due_at.is_not(None)).order_by(_C.due_at).limit(1))
    for waiting in (_PUBLISHING, or_(_READY, _PUBLISHING))
)


def due(connection: Connection, bank: str, now: datetime, most: int) -> Iterator[Transfer]:
    """READY at its time, and before it STAGING or PUBLISHING that nobody owns. In safe mode nothing that is READY."""
    query = _DUE_UNDER_WAY if in_safe_mode(connection) else _DUE
    return map(transfer_of, query.all(connection, of_bank=bank, now=now, most=most))


def next_due(connection: Connection, bank: str) -> datetime | None:
    query = _NEXT_UNDER_WAY if in_safe_mode(connection) else _NEXT
    at: datetime | None = query.scalar(connection, of_bank=bank)
    return at


class Wakes:
    def __init__(self, database: Database) -> None:
        self._database = database

    def banks(self, now: datetime) -> set[str]:
        """Those with a transfer that `Transfers.due` would give; not those that are left alone for a while."""
        with self._database.reading() as connection:
            query = _UNDER_WAY if in_safe_mode(connection) else _ALL
            return {row.bank for row in query.all(connection, now=now)}
