"""Whether a ledger is one of test or of production: noted once, when the first gateway works on it, and for ever."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import insert, select

from h2h.ledger import tables as t
from h2h.ledger.database import Database
from h2h.ledger.journal import record
from h2h.ledger.prepared import Prepared

_NOTED = Prepared(select(t.environment.c.name).limit(1))


class Environments:
    def __init__(self, database: Database) -> None:
        self._database = database

    def noted(self) -> str | None:
        """None of a ledger that no gateway has worked on since this is noted."""
        with self._database.reading() as connection:
            found: str | None = _NOTED.scalar(connection)
        return found

    def note(self, name: str, now: datetime) -> None:
        """Unless one is noted already."""
        with self._database.transaction() as connection:
            if _NOTED.scalar(connection) is None:
                connection.execute(insert(t.environment).values(name=name, noted_at=now))
                record(connection, at=now, subject="gateway", kind="environment", actor="gateway", data={"is": name})
