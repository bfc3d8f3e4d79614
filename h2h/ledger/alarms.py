"""Alarms: what somebody has to be told, from the moment at which it is seen until it is over.

`note` takes all that stands now: what is new is raised, what is not among it any more is over, each with an event.
Nobody has to remember what was told before: after a restart, or a jump of the clock, the same again is the same row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from h2h.alarms import Alarm, Urgency
from h2h.errors import UsageError
from h2h.ledger import tables as t
from h2h.ledger.database import Database, changed_one
from h2h.ledger.journal import record

GATEWAY = "gateway"
MOST = 1_000  # open at a time; what is beyond is raised when others are over
SUBJECT = 500  # characters of a name from outside; PostgreSQL takes no key above some 2,700 bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRow:
    """`id` is empty where nobody has noted it yet. Open as long as `ended_at` is empty."""

    id: int | None
    word: str
    bank: str
    subject: str
    file: str
    urgency: Urgency
    text: str
    step: str
    passing: bool
    raised_at: datetime
    ended_at: datetime | None = None
    taken_by: str | None = None
    taken_at: datetime | None = None
    note: str | None = None


_COLUMNS = [t.alarm.c[field.name] for field in fields(AlarmRow)]
_SAID = ("file", "urgency", "text", "step", "passing")


class Alarms:
    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, found: Sequence[Alarm], now: datetime) -> None:
        """All that stands now. Where that is too much, what is open stays so and the most urgent is raised."""
        standing = _standing(found)
        with self._database.reading() as connection:
            if not any(_differences(_open(connection), standing)):
                return
        with self._database.transaction() as connection:
            over, new, changed = _differences(_open(connection), standing)
            for row in over:
                _end(connection, row, now)
            for alarm in new:
                _raise(connection, alarm, now)
            for row, alarm in changed:
                _change(connection, row, alarm, now)

    def rows(self, *, ended: bool = False, limit: int = MOST) -> list[AlarmRow]:
        """Those that are open, the most urgent and then the oldest first; with `ended` the newest of all."""
        c = t.alarm.c
        with self._database.reading() as connection:
            if ended:
                newest = select(*_COLUMNS).order_by(c.id.desc()).limit(limit)
                return [_row(row) for row in connection.execute(newest)]
            found = [_row(row) for row in _open(connection)]
        return sorted(found, key=lambda row: (-row.urgency.rank, row.raised_at, row.id))[:limit]

    def look(self, found: Sequence[Alarm], now: datetime) -> list[AlarmRow]:
        """As `rows` would be after `note`, and nothing is changed: for a list while no gateway runs."""
        standing = _standing(found)
        with self._database.reading() as connection:
            known = {(row.word, row.bank, row.subject): row for row in _open(connection)}
        rows = [_as_standing(known.get(key), alarm, now) for key, alarm in standing.items()]
        return sorted(rows, key=lambda row: (-row.urgency.rank, row.raised_at, row.id or 0))

    def take(self, number: int, who: str, note: str, now: datetime) -> AlarmRow:
        """Somebody looks after it. UsageError for one that there is not, or that is over."""
        c = t.alarm.c
        with self._database.transaction() as connection:
            row = connection.execute(select(*_COLUMNS).where(c.id == number)).first()
            if row is None:
                raise UsageError(f"There is no alarm {number}; `h2h alarms` lists them.")
            if row.ended_at is not None:
                since = f"{row.ended_at:%Y-%m-%d %H:%M} UTC"
                raise UsageError(f"Alarm {number} is over since {since}; nobody has to look after it any more.")
            values = {"taken_by": who, "taken_at": now, "note": note or None}
            connection.execute(update(t.alarm).where(c.id == number).values(**values))
            _tell(connection, _row(row), "alarm taken", who, {"note": note}, now)
            return _row(connection.execute(select(*_COLUMNS).where(c.id == number)).one())


def _standing(found: Sequence[Alarm]) -> dict[tuple[str, str, str], Alarm]:
    urgent_first = sorted(found, key=lambda alarm: -alarm.urgency.rank)
    return {(alarm.word, alarm.bank, alarm.subject[:SUBJECT]): alarm for alarm in urgent_first}


def _open(connection: Connection) -> Sequence[Row[Any]]:
    query = select(*_COLUMNS).where(t.alarm.c.ended_at.is_(None)).limit(MOST)  # there are no more
    return connection.execute(query).all()


def _differences(
    rows: Sequence[Row[Any]], standing: dict[tuple[str, str, str], Alarm]
) -> tuple[list[Row[Any]], list[Alarm], list[tuple[Row[Any], Alarm]]]:
    """Of the open rows those that are over; what is to be raised, as far as there is room; what says other words."""
    known = {(row.word, row.bank, row.subject): row for row in rows}
    over = [row for key, row in known.items() if key not in standing]
    room = MOST - len(known) + len(over)
    new = [alarm for key, alarm in standing.items() if key not in known][:room]
    same = [(known[key], alarm) for key, alarm in standing.items() if key in known]
    return over, new, [(row, alarm) for row, alarm in same if _said(row) != _said(alarm)]


def _said(what: Row[Any] | Alarm) -> tuple[Any, ...]:
    return tuple(getattr(what, name) for name in _SAID)


def _raise(connection: Connection, alarm: Alarm, now: datetime) -> None:
    key = {"word": alarm.word, "bank": alarm.bank, "subject": alarm.subject[:SUBJECT]}
    values = {**key, **dict(zip(_SAID, _said(alarm), strict=True)), "raised_at": now}
    number = connection.execute(insert(t.alarm).values(**values).returning(t.alarm.c.id)).scalar_one()
    _tell(connection, _as_standing(None, alarm, now), "alarm", GATEWAY, {"alarm": number, "text": alarm.text}, now)


def _change(connection: Connection, row: Row[Any], alarm: Alarm, now: datetime) -> None:
    """Other words are no news. What is more urgent than before is, also to whoever has taken it."""
    values = dict(zip(_SAID, _said(alarm), strict=True))
    worse = alarm.urgency.rank > Urgency(row.urgency).rank
    if worse:
        values |= {"taken_by": None, "taken_at": None, "note": None}
    changed = connection.execute(update(t.alarm).where(t.alarm.c.id == row.id).values(**values))
    changed_one(changed.rowcount, f"alarm {row.id}")
    if worse:
        data = {"alarm": row.id, "text": alarm.text, "was": row.urgency}
        _tell(connection, _as_standing(row, alarm, now), "alarm", GATEWAY, data, now)


def _end(connection: Connection, row: Row[Any], now: datetime) -> None:
    connection.execute(update(t.alarm).where(t.alarm.c.id == row.id).values(ended_at=now))
    _tell(connection, _row(row), "alarm over", GATEWAY, {"alarm": row.id}, now)


def _tell(connection: Connection, row: AlarmRow, kind: str, who: str, data: dict[str, Any], now: datetime) -> None:
    subject = row.file or (f"bank {row.bank}" if row.bank else GATEWAY)
    told = {"word": row.word, "subject": row.subject, "urgency": row.urgency, **data}
    record(connection, at=now, subject=subject, kind=kind, actor=who, data=told)


def _row(row: Row[Any]) -> AlarmRow:
    return AlarmRow(**{**row._mapping, "urgency": Urgency(row.urgency)})


def _as_standing(row: Row[Any] | None, alarm: Alarm, now: datetime) -> AlarmRow:
    """What the row would be after `note`; what is not noted yet is raised now."""
    said: dict[str, Any] = dict(zip(_SAID, _said(alarm), strict=True))
    if row is not None:
        return AlarmRow(**{**row._mapping, **said})
    word, bank, subject = alarm.key
    return AlarmRow(id=None, word=word, bank=bank, subject=subject[:SUBJECT], **said, raised_at=now)
