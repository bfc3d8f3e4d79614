"""Statements that the calendar expects: a day whose statement is overdue is a gap, until one comes that covers it.

Nothing is expected before the first statement of an account that is known. `missing` looks and changes nothing, so
that a list is right while no gateway runs; `note` keeps what it finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from h2h.completeness import Gap, Kind
from h2h.ledger import tables as t
from h2h.ledger.database import Database
from h2h.ledger.gaps import GATEWAY, MOST_AROUND, GapRow, page_in, row_of, values_of
from h2h.ledger.journal import record
from h2h.pages import covers
from h2h.schedule import Due, days_due

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
                _tell(connection, "gap", one.account, gap.text, gap.currency, now)
            for row in _over(connection, bank, expected):
                connection.execute(update(t.gap).where(t.gap.c.id == row.id).values(healed_at=now))
                text = f"The statement of {row.from_day} is not expected any more, by the settings."
                _tell(connection, "gap closed", row.account, text, row.currency, now)

    def missing(self, bank: str, expected: Sequence[Expected], now: datetime) -> list[GapRow]:
        """Days that are overdue and not noted yet."""
        with self._database.reading() as connection:
            new = _new(connection, bank, expected, now)
        return [row_of(gap, bank=bank, account=one.account, since=one.due.at(gap.to_day)) for one, gap in new]


def _tell(connection: Connection, kind: str, account: str, text: str, currency: str | None, now: datetime) -> None:
    data = {"gap": Kind.DAY, "account": account, "currency": currency, "text": text}
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
    c = t.statement.c
    mine = (c.bank == bank) & (c.chain == one.account)
    if one.currency is not None:
        mine &= c.currency == one.currency
    first = connection.execute(select(func.min(c.day)).where(mine)).scalar()
    if first is None:
        return []
    days = days_due(one.due, date.fromisoformat(first), now)
    if not days:
        return []
    query = select(c.id, c.record, c.day, c.booked, c.page_of_message).where(mine, c.day >= days[0].isoformat())
    rows = connection.execute(query.order_by(c.day.desc()).limit(MOST_AROUND))
    there = [page_in(row) for row in rows]
    return [day for day in days if not any(covers(page, day) for page in there)]
