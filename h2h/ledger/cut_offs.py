"""Cut-offs that passed: each is noted once for ever, by bank, channel (watched folder, and payments that have times
of their own) and local day.

The day is the key, so that no restart, jump of the clock or change of its zone makes one pass twice. An event tells of
it where files were left behind. What passed while nobody looked is noted in one commit, with one event.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, func, insert, select

from h2h.ledger import tables as t
from h2h.ledger.database import Database
from h2h.ledger.journal import record

FIRST_LOOK = timedelta(days=1)  # so far back where no cut-off of a folder is known

Closings = Callable[[datetime], Sequence[tuple[date, datetime]]]
"""Since when -> the cut-offs that passed since, each with its day, oldest first."""


LeftBehind = Callable[[datetime], int]
"""When one passed -> how many files waited for it, and still do."""


class CutOffs:
    def __init__(self, database: Database) -> None:
        self._database = database

    def passed(self, bank: str, channel: str, since: Closings, waiting: LeftBehind, now: datetime) -> int:
        """Note those that passed and are not noted; how many these were."""
        with self._database.reading() as connection:
            if not _new(connection, bank, channel, since, now):
                return 0
        with self._database.transaction() as connection:
            new = _new(connection, bank, channel, since, now)
            for day, at in new:
                values = {"bank": bank, "channel": channel, "day": day.isoformat(), "at": at, "noted_at": now}
                connection.execute(insert(t.cut_off).values(waiting=waiting(at), **values))
            if new and (left := waiting(new[-1][1])):
                day, at = new[-1]
                data = {"folder": channel, "day": day, "at": at, "waiting": left, "passed": len(new)}
                record(connection, at=now, subject=f"bank {bank}", kind="cut-off", actor="gateway", data=data)
            return len(new)


def _new(
    connection: Connection, bank: str, channel: str, since: Closings, now: datetime
) -> list[tuple[date, datetime]]:
    c = t.cut_off.c
    here = (c.bank == bank) & (c.channel == channel)
    # What a clock that ran ahead has noted is no sign that those before it were seen.
    last = connection.execute(select(func.max(c.at, type_=t.Instant)).where(here, c.at <= now)).scalar()
    found = since(last or now - FIRST_LOOK)
    days = [day.isoformat() for day, _ in found]
    known = set(connection.execute(select(c.day).where(here, c.day.in_(days))).scalars()) if days else set()
    return [(day, at) for day, at in found if day.isoformat() not in known]
