"""What is known of the line to each bank: the last success, failures in a row, and until when to leave it alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from h2h.ledger import tables as t
from h2h.ledger.database import Database
from h2h.ledger.journal import record
from h2h.ledger.prepared import Prepared

SLOTS_KEPT = timedelta(days=8)
_SUSPENDED = Prepared(select(t.contact.c.suspended_until).where(t.contact.c.bank == bindparam("of_bank")))


class Contacts:
    def __init__(self, database: Database) -> None:
        self._database = database

    def suspended_until(self, bank: str) -> datetime | None:
        with self._database.reading() as connection:
            until: datetime | None = _SUSPENDED.scalar(connection, of_bank=bank)
            return until

    def failures(self, bank: str) -> int:
        with self._database.reading() as connection:
            return connection.execute(select(t.contact.c.failures).where(t.contact.c.bank == bank)).scalar() or 0

    def good(self, bank: str, now: datetime) -> None:
        """The bank answered. A first success after failures is an event; the others are not."""
        self._set(bank, now, last_good_at=now, failures=0, error_class=None, text=None, suspended_until=None)

    def failed(self, bank: str, error_class: str, text: str, until: datetime, now: datetime) -> None:
        values = {"last_failed_at": now, "error_class": error_class, "text": text, "suspended_until": until}
        self._set(bank, now, failures=self.failures(bank) + 1, **values)

    def hurry(self) -> None:
        """End every suspension: somebody started the gateway, perhaps after mending what was wrong."""
        with self._database.transaction() as connection:
            connection.execute(update(t.contact).values(suspended_until=None))

    def _set(self, bank: str, now: datetime, **values: Any) -> None:
        c = t.contact.c
        with self._database.transaction() as connection:
            before = connection.execute(select(c.error_class, c.text).where(c.bank == bank)).first()
            if before is None:
                connection.execute(insert(t.contact).values(bank=bank, **values))
            else:
                connection.execute(update(t.contact).where(c.bank == bank).values(**values))
            if (before and (before.error_class, before.text)) != (values["error_class"], values["text"]):
                kind = "bank unreachable" if values["error_class"] else "bank reached"
                data = {"class": values["error_class"], "text": values["text"]}
                record(connection, at=now, subject=f"bank {bank}", kind=kind, actor="gateway", data=data)


class Slots:
    """Once for each schedule and local slot, whoever fires."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, schedule: str, slot: str, now: datetime) -> bool:
        """Whether this call is the first for the slot."""
        c = t.slot.c
        with self._database.transaction() as connection:
            if connection.execute(select(c.slot).where(c.schedule == schedule, c.slot == slot)).first():
                return False
            connection.execute(delete(t.slot).where(c.schedule == schedule, c.at < now - SLOTS_KEPT))
            connection.execute(insert(t.slot).values(schedule=schedule, slot=slot, at=now))
            return True

    def forget_after(self, now: datetime) -> None:
        """The slots of a clock that ran ahead come again."""
        with self._database.transaction() as connection:
            connection.execute(delete(t.slot).where(t.slot.c.at > now))
