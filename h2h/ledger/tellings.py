"""Who was told of which alarm, as how urgent, and when: noted after a recipient took the letter, so that after a crash
between it is told again rather than never."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, insert, or_, select, update

from h2h.alarms import Urgency
from h2h.ledger import tables as t
from h2h.ledger.alarms import GATEWAY, MOST, AlarmRow
from h2h.ledger.database import Database
from h2h.ledger.journal import record

LATELY = timedelta(days=7)  # so long after its end it is told that an alarm is over
NEWS = timedelta(days=1)  # so long after its end a passing one is told to whoever could not be told while it was so
TOLD = "alarms told"  # the event of a letter that was taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one recipient knows of one alarm, `at` being the last time; `over_at`: when it was told of its end."""

    alarm_id: int
    recipient: str
    urgency: Urgency
    at: datetime
    times: int
    over_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Alarms that somebody may have to be told of, and what was told of them."""

    alarms: tuple[AlarmRow, ...]
    told: tuple[Told, ...]


_ALARM = [t.alarm.c[field.name] for field in fields(AlarmRow)]
_TOLD = [t.telling.c[field.name] for field in fields(Told)]


class Tellings:
    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self, recipients: Collection[str], now: datetime) -> Known:
        """All that is open, and what is over lately as far as it concerns these recipients."""
        c = t.telling.c
        to_them = c.recipient.in_(recipients)
        with self._database.reading() as connection:
            found = [row for query in _concerning(to_them, now) for row in connection.execute(query)]
            rows = [AlarmRow(**{**row._mapping, "urgency": Urgency(row.urgency)}) for row in found]
            of_those = select(*_TOLD).where(to_them, c.alarm_id.in_([row.id for row in rows]))
            told = [Told(**{**row._mapping, "urgency": Urgency(row.urgency)}) for row in connection.execute(of_those)]
        return Known(alarms=tuple(rows), told=tuple(told))

    def note(self, recipient: str, heard: Mapping[int, Urgency], over: Collection[int], now: datetime) -> None:
        """A letter was taken that told of these alarms as so urgent, and of the end of those."""
        c = t.telling.c
        with self._database.transaction() as connection:
            query = select(c.alarm_id).where(c.recipient == recipient, c.alarm_id.in_([*heard]))
            before = set(connection.execute(query).scalars())
            for alarm, urgency in heard.items():
                this = (c.recipient == recipient, c.alarm_id == alarm)
                said = {"urgency": urgency, "at": now}
                if alarm in before:
                    connection.execute(update(t.telling).where(*this).values(**said, times=c.times + 1))
                else:
                    first = {"alarm_id": alarm, "recipient": recipient, "times": 1, **said}
                    connection.execute(insert(t.telling).values(**first))
            ended = (c.recipient == recipient, c.alarm_id.in_([*over]))
            connection.execute(update(t.telling).where(*ended).values(over_at=now))
            data = {"recipient": recipient, "alarms": sorted(heard), "over": sorted(over)}
            record(connection, at=now, subject=GATEWAY, kind=TOLD, actor=GATEWAY, data=data)


def _concerning(to_them: ColumnElement[bool], now: datetime) -> tuple[Select[Any], ...]:
    """The open alarms, and the newest of those that are over; two questions, as no index answers both."""
    a, c = t.alarm.c, t.telling.c
    awaited = and_(a.passing.is_(False), exists().where(c.alarm_id == a.id, to_them, c.over_at.is_(None)))
    passed = and_(a.passing.is_(True), a.ended_at >= now - NEWS)
    over = select(*_ALARM).where(a.ended_at >= now - LATELY, or_(awaited, passed))
    return select(*_ALARM).where(a.ended_at.is_(None)).limit(MOST), over.order_by(a.ended_at.desc()).limit(MOST)
