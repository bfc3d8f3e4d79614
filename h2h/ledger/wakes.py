"""One question for all banks: which of them have something to do now? Nobody has to ask for each again and again."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import and_, bindparam, false, or_, select

from h2h.ledger import tables as t
from h2h.ledger.columns import Instant
from h2h.ledger.database import Database
from h2h.ledger.safety import in_safe_mode
from h2h.lifecycle import State

_C, _NOW = t.transfer.c, bindparam("now", type_=Instant)
_LEFT = and_(
    or_(_C.state == State.STAGING, _C.state == State.PUBLISHING), or_(_C.owner.is_(None), _C.lease_until < _NOW)
)
_LEFT_ALONE = select(t.contact.c.bank).where(t.contact.c.bank == _C.bank, t.contact.c.suspended_until > _NOW).exists()
_UNDER_WAY, _ALL = (
    select(_C.bank).where(_C.due_at <= _NOW, or_(new, _LEFT), ~_LEFT_ALONE).distinct()
    for new in (false(), _C.state == State.READY)
)


class Wakes:
    def __init__(self, database: Database) -> None:
        self._database = database

    def banks(self, now: datetime) -> set[str]:
        """Those with a transfer that `Transfers.due` would give; not those that are left alone for a while."""
        with self._database.reading() as connection:
            query = _UNDER_WAY if in_safe_mode(connection) else _ALL
            return set(connection.execute(query, {"now": now}).scalars())
