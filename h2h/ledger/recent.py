"""The files of one bank since a moment, the oldest first, whose bytes are still there; read a page at a time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, func, select, tuple_

from h2h.ledger import tables as t
from h2h.ledger.database import Database
from h2h.ledger.messages import Message, message_of
from h2h.ledger.rows import Transfer, transfer_of

PAGE = 200


class Recent:
    def __init__(self, database: Database) -> None:
        self._database = database

    def transfers(self, bank: str, since: datetime) -> Iterator[Transfer]:
        """Those that the ERP dropped; repairs are made here."""
        dropped = t.transfer.c.repair_of.is_(None)
        return map(transfer_of, self._since(t.transfer, t.transfer.c.received_at, bank, since, dropped))

    def messages(self, bank: str, since: datetime) -> Iterator[Message]:
        return map(message_of, self._since(t.message, t.message.c.fetched_at, bank, since))

    def purged(self, bank: str, since: datetime) -> int:
        """How many there would be more, were their bytes not gone."""
        tables = ((t.transfer, t.transfer.c.received_at), (t.message, t.message.c.fetched_at))
        with self._database.reading() as connection:
            found = [
                select(func.count()).where(table.c.bank == bank, at >= since, table.c.purged_at.is_not(None))
                for table, at in tables
            ]
            return sum(connection.execute(query).scalar_one() for query in found)

    def _since(self, table: Any, at: Any, bank: str, since: datetime, *only: ColumnElement[bool]) -> Iterator[Row[Any]]:
        query = select(table).where(table.c.bank == bank, at >= since, table.c.purged_at.is_(None), *only)
        query = query.order_by(at, table.c.id).limit(PAGE)
        page = self._page(query)
        while page:
            yield from page
            last = page[-1]._mapping
            page = self._page(query.where(tuple_(at, table.c.id) > (last[at], last[table.c.id])))

    def _page(self, query: Any) -> list[Row[Any]]:
        with self._database.reading() as connection:
            return list(connection.execute(query).all())
