"""What is missing among the statements of each account: a row from the moment at which it is seen until it has come.

`look` holds what came against its neighbours, in the transaction that brings it: what they show is opened, what they
close is healed, each with an event. Of one gap there is one open row; where a part of what was missing comes, the row
narrows, and keeps the time at which it began.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from h2h import cash
from h2h.completeness import Gap, Kind, gaps
from h2h.identity import account_key
from h2h.ledger import tables as t
from h2h.ledger.database import Database
from h2h.ledger.journal import record
from h2h.model import Balance, Finding, InboundId, Severity, Statement, StatementFile
from h2h.pages import MONTH, Page, chain_of, covers, currency_of, page_of

GATEWAY = "gateway"
MOST_AROUND = 20_000  # statements that are looked at, the newest of them; nothing is decided beyond
MOST = 1_000  # gaps in a list
CHUNK = 400  # keys asked for in one query


@dataclass(frozen=True, slots=True, kw_only=True)
class GapRow:
    """One gap. `shown_by` and `healed_by` are messages; a gap that the calendar showed has no first one.

    `before` is the row of the statement before which it lies. `id` is empty where the gap is no row yet.
    """

    id: int | None
    bank: str
    account: str
    currency: str | None
    kind: str
    first: int | None
    last: int | None
    before: int | None
    from_day: str
    to_day: str
    text: str
    since: datetime
    shown_by: str | None
    healed_at: datetime | None
    healed_by: str | None


class Gaps:
    def __init__(self, database: Database) -> None:
        self._database = database

    def rows(
        self, *, bank: str | None = None, account: str | None = None, healed: bool = False, limit: int = MOST
    ) -> list[GapRow]:
        """Open gaps, the oldest first; with those that have healed, all of them, the newest first."""
        c = t.gap.c
        query = select(t.gap).limit(limit)
        query = query.order_by(c.since.desc(), c.id.desc()) if healed else query.order_by(c.since, c.id)
        if not healed:
            query = query.where(c.healed_at.is_(None))
        if bank:
            query = query.where(c.bank == bank)
        if account:
            query = query.where(c.account == account_key(account))
        with self._database.reading() as connection:
            return [_gap_row(row) for row in connection.execute(query)]

    def before(self, statements: Sequence[int]) -> list[GapRow]:
        """The open gaps that lie before these statements, or in them."""
        c = t.gap.c
        found: list[GapRow] = []
        with self._database.reading() as connection:
            for start in range(0, len(statements), CHUNK):
                query = select(t.gap).where(c.before.in_(statements[start : start + CHUNK]), c.healed_at.is_(None))
                found += [_gap_row(row) for row in connection.execute(query.order_by(c.id).limit(MOST))]
        return found


def _gap_row(row: Row[Any]) -> GapRow:
    return GapRow(**{name: getattr(row, name) for name in GapRow.__slots__})


def row_of(gap: Gap, *, bank: str, account: str, since: datetime) -> GapRow:
    """A gap that is no row yet, as if it were one."""
    known = {name: value for name, value in values_of(gap).items() if name in GapRow.__slots__}
    none: dict[str, Any] = dict.fromkeys(("id", "shown_by", "healed_at", "healed_by"))
    return GapRow(bank=bank, account=account, since=since, **known, **none)


# What a new statement shows and closes.


def look(connection: Connection, message_id: InboundId, bank: str, now: datetime) -> list[Finding]:
    """Hold what came against what is around it; findings of what nobody saw before."""
    c = t.statement.c
    came = select(t.statement).where(c.message_id == message_id, c.chain.is_not(None)).order_by(c.chain, c.id)
    rows = connection.execute(came).all()
    findings: list[Finding] = []
    for account, group in groupby(rows, key=lambda row: row.chain):
        here = list(group)
        where = _Where(connection=connection, message_id=message_id, bank=bank, account=account, now=now)
        pages = [page_in(row) for row in here]
        findings += _findings(_compare(where, pages), here)
        _heal_days(where, pages)
    return findings


def _heal_days(where: _Where, came: Sequence[Page]) -> None:
    """What the calendar expected (`expected.py`) and these statements cover."""
    c = t.gap.c
    first, last = min(min(p.first_day or p.day, p.day) for p in came), max(p.day for p in came)
    days = (c.kind == Kind.DAY) & c.healed_at.is_(None) & c.to_day.between(first.isoformat(), last.isoformat())
    mine = (c.bank == where.bank) & (c.account == where.account)
    for row in where.connection.execute(select(t.gap).where(mine, days).order_by(c.id).limit(MOST)).all():
        mine_too = (page for page in came if row.currency in (None, page.currency))
        if any(covers(page, date.fromisoformat(row.to_day)) for page in mine_too):
            where.heal(row)


def placed(statement: Statement, head: StatementFile, booked: Decimal | None, now: datetime) -> dict[str, Any]:
    """The columns that give a statement its place: account, day and sum. Only a camt.053 is held against others."""
    return {
        "chain": chain_of(statement) if _is_statement(statement, head) else None,
        "day": page_of(statement, row=0, came=now.date(), booked=None, of_message=False).day.isoformat(),
        "currency": currency_of(statement),
        "booked": booked,
        "page_of_message": head.page_number is not None and statement.page_number in (None, head.page_number),
    }


def _is_statement(statement: Statement, head: StatementFile) -> bool:
    """Reports and notifications of the day need not follow each other."""
    return {cash.kind_of(statement.message), cash.kind_of(head.message)} == {cash.Kind.STATEMENT}


def _findings(opened: Sequence[Gap], came: Sequence[Row[Any]]) -> Iterator[Finding]:
    """That more pages follow is no news while they come; a sum that one page alone shows is told by the rules."""
    rows = {row.id: row for row in came}
    for gap in opened:
        code = {
            Kind.NUMBER: "STATEMENT_GAP",
            Kind.BALANCE: "STATEMENT_OPENING",
            Kind.PAGE: "STATEMENT_PAGE",
            Kind.SUM: "STATEMENT_SUM",
        }[gap.kind]
        shown = next((rows[end] for end in (gap.before, gap.after) if end in rows), came[0])
        follows = gap.kind is Kind.PAGE and gap.last is None
        told = gap.kind is Kind.SUM and shown.reconciles is False
        if not follows and not told:
            line = shown.record.get("line")
            yield Finding(code=code, severity=Severity.WARNING, text=gap.text, line=line)


def _compare(where: _Where, came: Sequence[Page]) -> list[Gap]:
    """Bring the account's rows to what is missing now; the gaps that nobody saw before."""
    around = _around(where, came)
    missing = {_place(gap): gap for gap in gaps(where.account, around.pages) if around.decides(gap)}
    known = {row.place: row for row in _open(where, around)}
    over = [row for place, row in known.items() if place not in missing]  # or narrower than it was
    narrowed: set[int] = set()
    opened = []
    for place, gap in missing.items():
        if place in known:
            where.renew(known[place], gap)
            continue
        wider = [row for row in over if gap.within(_gap(row))]
        if old := next((row for row in wider if row.id not in narrowed), None):
            where.narrow(old, gap)
            narrowed.add(old.id)
        else:
            where.open(gap, since=wider[0].since if wider else where.now)
        opened += [] if wider else [gap]
    for row in over:
        if row.id not in narrowed:
            where.heal(row)
    return opened


@dataclass(frozen=True, slots=True, kw_only=True)
class _Around:
    """The statements around what came; on the days from `first` to `last` all is known that a decision needs."""

    pages: Sequence[Page]
    first: date
    last: date

    def decides(self, gap: Gap) -> bool:
        return self.first <= gap.from_day and gap.to_day <= self.last


def _around(where: _Where, came: Sequence[Page]) -> _Around:
    """A month to each side, and the nearest statement beyond, with the month of its pages."""
    first, last = min(p.day for p in came) - MONTH, max(p.day for p in came) + MONTH
    c, connection = t.statement.c, where.connection
    mine = (c.bank == where.bank) & (c.chain == where.account)
    for currency in {p.currency for p in came}:
        same = mine & (c.currency == currency if currency is not None else c.currency.is_(None))
        before = connection.execute(select(func.max(c.day)).where(same, c.day < first.isoformat())).scalar()
        after = connection.execute(select(func.min(c.day)).where(same, c.day > last.isoformat())).scalar()
        first = min(first, date.fromisoformat(before)) if before else first
        last = max(last, date.fromisoformat(after)) if after else last
    span = c.day.between((first - MONTH).isoformat(), (last + MONTH).isoformat())
    columns = (c.id, c.record, c.day, c.booked, c.page_of_message)
    query = select(*columns).where(mine, span).order_by(c.day.desc(), c.id.desc()).limit(MOST_AROUND)
    rows = connection.execute(query).all()
    pages = [page_in(row) for row in rows]
    if len(rows) == MOST_AROUND:
        first = max(first, pages[-1].day + MONTH)
    return _Around(pages=pages, first=first, last=last)


def page_in(row: Any) -> Page:
    return page_of(
        statement_of(row.record),
        row=row.id,
        came=date.fromisoformat(row.day),
        booked=row.booked,
        of_message=bool(row.page_of_message),
    )


def statement_of(said: Mapping[str, Any]) -> Statement:
    """The record that was stored, as far as its place among the others follows from it."""
    names = (
        "electronic_sequence_number", "legal_sequence_number", "created_at", "period_from",
        "period_to", "copy_duplicate", "page_number", "last_page", "iban", "account", "currency",
    )  # fmt: skip
    balances = tuple(
        Balance(
            type=b.get("type"),
            amount=Decimal(b["amount"]) if "amount" in b else None,
            currency=b.get("currency"),
            direction=b.get("direction"),
            date=b.get("date"),
        )
        for b in said.get("balances", ())
    )
    known = {name: said[name] for name in names if name in said}
    return Statement(position=1, statement_id=said.get("statement_id"), balances=balances, **known)


def _open(where: _Where, around: _Around) -> Sequence[Row[Any]]:
    c = t.gap.c
    mine = (c.bank == where.bank) & (c.account == where.account) & c.healed_at.is_(None) & (c.kind != Kind.DAY)
    decided = (c.from_day >= around.first.isoformat()) & (c.to_day <= around.last.isoformat())
    return where.connection.execute(select(t.gap).where(mine, decided).order_by(c.id).limit(MOST_AROUND)).all()


def _gap(row: Row[Any]) -> Gap:
    return Gap(
        kind=Kind(row.kind), currency=row.currency, first=row.first, last=row.last, after=row.after, before=row.before,
        from_day=date.fromisoformat(row.from_day), to_day=date.fromisoformat(row.to_day), text=row.text,
    )  # fmt: skip


def _place(gap: Gap) -> str:
    """What and where, in one word."""
    missing = f"{gap.first}-{'' if gap.last is None else gap.last}" if gap.first is not None else ""
    days = f"{gap.from_day}..{gap.to_day}" if gap.kind not in (Kind.PAGE, Kind.SUM) else ""
    return f"{gap.kind} {gap.currency or ''} {missing} {days} {gap.after or ''}>{gap.before or ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Where:
    """One account, and the message that tells of it: what becomes of its gaps, and the event of each change."""

    connection: Connection
    message_id: InboundId
    bank: str
    account: str
    now: datetime

    def open(self, gap: Gap, since: datetime) -> None:
        where = {"bank": self.bank, "account": self.account, "since": since, "shown_by": self.message_id}
        self.connection.execute(insert(t.gap).values(**where, **values_of(gap)))
        self._tell("gap", gap)

    def narrow(self, row: Row[Any], gap: Gap) -> None:
        self.connection.execute(update(t.gap).where(t.gap.c.id == row.id).values(**values_of(gap)))
        self._tell("gap narrowed", gap)

    def renew(self, row: Row[Any], gap: Gap) -> None:
        """The same gap, perhaps with another day or in other words: no news."""
        if values_of(gap) != {name: getattr(row, name) for name in values_of(gap)}:
            self.connection.execute(update(t.gap).where(t.gap.c.id == row.id).values(**values_of(gap)))

    def heal(self, row: Row[Any]) -> None:
        values = {"healed_at": self.now, "healed_by": self.message_id}
        self.connection.execute(update(t.gap).where(t.gap.c.id == row.id).values(**values))
        self._tell("gap healed", _gap(row))

    def _tell(self, kind: str, gap: Gap) -> None:
        data = {"gap": gap.kind, "account": self.account, "currency": gap.currency, "text": gap.text}
        record(self.connection, at=self.now, subject=self.message_id, kind=kind, actor=GATEWAY, data=data)


def values_of(gap: Gap) -> dict[str, Any]:
    return {
        "place": _place(gap), "currency": gap.currency, "kind": gap.kind, "first": gap.first, "last": gap.last,
        "after": gap.after, "before": gap.before, "from_day": gap.from_day.isoformat(),
        "to_day": gap.to_day.isoformat(), "text": gap.text,
    }  # fmt: skip
