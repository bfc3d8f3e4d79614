"""Statements that the calendar expects: a day whose statement is overdue is a gap, until one comes that covers it.

Nothing is expected before the first statement of an account that is known. `missing` looks and changes nothing, so
that a list is right while no gateway runs; `note` keeps what it finds. A day of which all have come is an event, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, Row, func, insert, or_, select, update

from h2h.completeness import Gap, Kind
from h2h.ledger import tables as t
from h2h.ledger.database import Database
from h2h.ledger.gaps import GATEWAY, MOST_AROUND, GapRow, page_in, row_of, values_of
from h2h.ledger.journal import record
from h2h.pages import Page, covers
from h2h.schedule import DUE_DAYS, Due, days_due

MOST = 1_000  # days of one bank that are missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """An account (in its normal form) whose statements come each day; without a currency, of any."""

    account: str
    currency: str | None
    due: Due


class Expectations:
    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, bank: str, expected: Sequence[Expected], now: datetime) -> None:
        """Open a gap for each day that is overdue; close those of days that are not expected any more."""
        with self._database.reading() as connection:
            if not (_new(connection, bank, expected, now) or _over(connection, bank, expected)):
                return
        with self._database.transaction() as connection:
            for one, gap in _new(connection, bank, expected, now):
                where = {"bank": bank, "account": one.account, "since": one.due.at(gap.to_day)}
                connection.execute(insert(t.gap).values(**where, **values_of(gap)))
                _tell(connection, bank, "gap", one.account, gap.text, gap.currency, now)
            for row in _over(connection, bank, expected):
                connection.execute(update(t.gap).where(t.gap.c.id == row.id).values(healed_at=now))
                text = f"The statement of {row.from_day} is not expected any more, by the settings."
                _tell(connection, bank, "gap closed", row.account, text, row.currency, now)

    def note_complete(self, bank: str, expected: Sequence[Expected], now: datetime) -> None:
        """An event for each day of which all statements that the calendar expects have come; once for ever."""
        with self._database.reading() as connection:
            if not _newly_complete(connection, bank, expected, now):
                return
        with self._database.transaction() as connection:
            for day, accounts in _newly_complete(connection, bank, expected, now):
                values = {"bank": bank, "day": day.isoformat(), "accounts": accounts, "noted_at": now}
                connection.execute(insert(t.complete_day).values(**values))
                data = {"day": day, "accounts": accounts}
                record(connection, at=now, subject=f"bank {bank}", kind="day complete", actor=GATEWAY, data=data)

    def missing(self, bank: str, expected: Sequence[Expected], now: datetime) -> list[GapRow]:
        """Days that are overdue and not noted yet."""
        with self._database.reading() as connection:
            new = _new(connection, bank, expected, now)
        return [row_of(gap, bank=bank, account=one.account, since=one.due.at(gap.to_day)) for one, gap in new]


def _tell(
    connection: Connection, bank: str, kind: str, account: str, text: str, currency: str | None, now: datetime
) -> None:
    data = {"gap": Kind.DAY, "bank": bank, "account": account, "currency": currency, "text": text}
    subject = f"account {account}"[:64]
    record(connection, at=now, subject=subject, kind=kind, actor=GATEWAY, data=data)


def _new(connection: Connection, bank: str, expected: Sequence[Expected], now: datetime) -> list[tuple[Expected, Gap]]:
    noted = {(row.account, row.currency, row.from_day) for row in _noted(connection, bank)}
    return [
        (one, _gap(one, day))
        for one in expected
        for day in _missed(connection, bank, one, now)
        if (one.account, one.currency, day.isoformat()) not in noted
    ][:MOST]


def _gap(one: Expected, day: date) -> Gap:
    said = f"{one.currency} statement" if one.currency else "statement"
    text = (
        f"The {said} of {one.account} for {day} has not come; it was due at "
        f"{one.due.at(day):%Y-%m-%d %H:%M} UTC. Ask the bank to send it."
    )
    return Gap(kind=Kind.DAY, currency=one.currency, from_day=day, to_day=day, text=text)


def _over(connection: Connection, bank: str, expected: Sequence[Expected]) -> list[Row[Any]]:
    due = {(one.account, one.currency): one.due for one in expected}
    rows = [(due.get((row.account, row.currency)), row) for row in _noted(connection, bank)]
    return [row for rule, row in rows if rule is None or not rule.expects(date.fromisoformat(row.from_day))]


def _noted(connection: Connection, bank: str) -> Sequence[Row[Any]]:
    c = t.gap.c
    query = select(t.gap).where(c.bank == bank, c.kind == Kind.DAY, c.healed_at.is_(None))
    return connection.execute(query.order_by(c.id).limit(MOST)).all()


def _missed(connection: Connection, bank: str, one: Expected, now: datetime) -> list[date]:
    first = _first_day(connection, bank, one)
    days = days_due(one.due, first, now) if first else []
    there = _pages(connection, bank, one, days[0]) if days else []
    return [day for day in days if not any(covers(page, day) for page in there)]


def _first_day(connection: Connection, bank: str, one: Expected) -> date | None:
    """Of the first statement that is known."""
    first = connection.execute(select(func.min(t.statement.c.day)).where(_mine(bank, one))).scalar()
    return date.fromisoformat(first) if first else None


def _pages(connection: Connection, bank: str, one: Expected, since: date) -> list[Page]:
    c = t.statement.c
    query = select(c.id, c.record, c.day, c.booked, c.page_of_message)
    rows = query.where(_mine(bank, one), c.day >= since.isoformat()).order_by(c.day.desc()).limit(MOST_AROUND)
    return [page_in(row) for row in connection.execute(rows)]


def _mine(bank: str, one: Expected) -> ColumnElement[bool]:
    c = t.statement.c
    mine = (c.bank == bank) & (c.chain == one.account)
    return mine if one.currency is None else mine & (c.currency == one.currency)


# Days that are complete.


def _newly_complete(
    connection: Connection, bank: str, expected: Sequence[Expected], now: datetime
) -> list[tuple[date, int]]:
    """Days that are not noted yet on which each account that is to have a statement has one, and how many these are."""
    wanting: defaultdict[date, int] = defaultdict(int)
    complete: defaultdict[date, int] = defaultdict(int)
    for one in expected:
        today = now.astimezone(ZoneInfo(one.due.timezone)).date()
        first = max(_first_day(connection, bank, one) or date.max, today - timedelta(days=DUE_DAYS))
        days = [day for n in range((today - first).days + 1) if one.due.expects(day := first + timedelta(days=n))]
        there, open_ = (_pages(connection, bank, one, first), _gaps(connection, bank, one)) if days else ([], [])
        for day in days:
            wanting[day] += 1
            missing = any(from_ <= day.isoformat() <= to for from_, to in open_)
            complete[day] += not missing and any(covers(page, day) for page in there)
    c = t.complete_day.c
    noted = {row.day for row in connection.execute(select(c.day).where(c.bank == bank, c.day.in_(_said(wanting))))}
    return [(day, n) for day, n in sorted(wanting.items()) if complete[day] == n and day.isoformat() not in noted]


def _said(days: Iterable[date]) -> list[str]:
    return [day.isoformat() for day in days]


def _gaps(connection: Connection, bank: str, one: Expected) -> list[tuple[str, str]]:
    """From which day to which something is missing."""
    c = t.gap.c
    query = select(c.from_day, c.to_day).where(c.bank == bank, c.account == one.account, c.healed_at.is_(None))
    if one.currency is not None:
        query = query.where(or_(c.currency == one.currency, c.currency.is_(None)))
    return [(row.from_day, row.to_day) for row in connection.execute(query.limit(MOST))]
