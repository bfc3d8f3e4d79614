"""What a statement says of its place among the others of its account, and which pages make one statement.

Intermediate pages carry interim balances: the opening stands on the first page, the closing on the last. In the 2009
generation the page is said of the file, in which other statements may begin and end.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import compress, groupby

from h2h.columns import Columns, in_columns
from h2h.identity import account_key
from h2h.model import EXACT, Balance, Entry, Statement, total

OPENING = ("OPBD", "PRCD")
CLOSING = ("CLBD",)
COPIES = ("DUPL", "CODU", "COPY")
BOOKED = frozenset({None, "BOOK"})  # as their status says
MASKED = re.compile(r"[*#•]|X{4}", re.IGNORECASE)
MONTH = timedelta(days=31)  # pages of one statement are not farther apart
MOST_PAGES = 10_000  # of one statement
FIRST_YEAR, LAST_YEAR = 1900, 2999


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One Stmt as it came: a whole statement, or one page of it. `id` only names it.

    `series`: whose number it is, electronic or legal. `of_message`: the page is said of the file, in which other
    statements may begin and end. `opens`, `closes`: that it has such a balance, even where its sign cannot be read.
    `dated`: that it says so itself which day is its own.
    """

    id: int
    statement_id: str | None = None
    series: str = ""
    number: int | None = None
    currency: str | None = None
    day: date
    dated: bool = True
    first_day: date | None = None
    made: str = ""
    page: int | None = None
    last: bool | None = None
    of_message: bool = False
    opens: bool = False
    closes: bool = False
    opening: Decimal | None = None
    closing: Decimal | None = None
    booked: Decimal | None = None
    copy: bool = False

    @property
    def place(self) -> int:
        """Its number among the pages of its statement."""
        return 1 if self.page is None else self.page

    @property
    def alone(self) -> bool:
        """A page of a file in which this statement begins and ends; a balance on every page is no end."""
        known = None not in (self.opening, self.closing, self.booked)
        wrong = known and total((self.opening, self.booked)) != self.closing
        return self.of_message and self.opens and self.closes and not wrong


# What a statement says, as far as it is needed here.


def account_of(statement: Statement) -> str | None:
    return statement.iban or statement.account


def chain_of(statement: Statement) -> str | None:
    """The account whose statements follow each other; None where it is missing or masked, so that it may be several."""
    account = account_key(account_of(statement) or "")
    return None if not account or MASKED.search(account) else account


def balance(statement: Statement, kinds: Sequence[str]) -> Balance | None:
    """The first balance of the first of the kinds that the statement has."""
    return next((b for kind in kinds for b in statement.balances if b.type == kind), None)


def currency_of(statement: Statement) -> str | None:
    """That of the account, else of its balances."""
    said = (balance(statement, CLOSING), balance(statement, OPENING), *statement.balances)
    return statement.currency or next((b.currency for b in said if b and b.currency), None)


def day_of(statement: Statement) -> date | None:
    """The day that it closes, else the end of its period, else the last day of its balances."""
    closing = balance(statement, CLOSING)
    days = [day for b in statement.balances if (day := _date(b.date))]
    said = (_date(closing.date) if closing else None, _end(statement), max(days, default=None))
    return next((day for day in said if day), None)


def _end(statement: Statement) -> date | None:
    """The last day of its period: midnight is the end of the day before, where it began before."""
    first, last = _date(statement.period_from), _date(statement.period_to)
    if first and last and first < last and (statement.period_to or "")[10:19] == "T00:00:00":
        return last - timedelta(days=1)
    return last


def _date(said: str | None) -> date | None:
    """None also for a year of no statement, near which there are no months to look at."""
    try:
        day = date.fromisoformat(said[:10]) if said else None
    except ValueError:
        return None
    return day if day and FIRST_YEAR <= day.year <= LAST_YEAR else None


class Booked:
    """What the booked entries of a statement come to, told some after the others. None where one cannot be counted:
    `total` for want of amount or direction, `own` also because it is in another currency."""

    def __init__(self, statement: Statement) -> None:
        self._currency = currency_of(statement)
        self.total: Decimal | None = Decimal()
        self.own: Decimal | None = Decimal()

    def add(self, entries: Columns[Entry]) -> None:
        names = ("amount", "direction", "currency")
        statuses, *said = map(entries.column, ("status", *names))
        if not BOOKED.issuperset(statuses):
            booked = [status in BOOKED for status in statuses]
            said = [[*compress(column, booked)] for column in said]
        amounts, directions, currencies = said
        more = _sum(amounts, directions)
        own = {None, self._currency}.issuperset(currencies)
        self.total = _plus(self.total, more)
        self.own = _plus(self.own, more if own else None)


def booked_of(statement: Statement, entries: Iterable[Entry]) -> Booked:
    booked = Booked(statement)
    for some in in_columns(entries):
        booked.add(some)
    return booked


def _sum(amounts: Sequence[Decimal | None], directions: Sequence[str | None]) -> Decimal | None:
    """Of amounts with their directions; None where one of either is missing."""
    if not {"CRDT", "DBIT"}.issuperset(directions) or type(None) in {*map(type, amounts)}:
        return None
    came, went = (total(compress(amounts, map(way.__eq__, directions))) for way in ("CRDT", "DBIT"))
    return EXACT.subtract(came, went)


def _plus(known: Decimal | None, more: Decimal | None) -> Decimal | None:
    return None if known is None or more is None else EXACT.add(known, more)


def as_number(said: str | None) -> int | None:
    return int(said) if said is not None and said.isascii() and said.isdigit() and len(said) <= 18 else None


def page_of(statement: Statement, *, row: int, came: date, booked: Decimal | None, of_message: bool) -> Page:
    """`came`: the day on which it came, for what says neither its own nor that on which it was made."""
    day, currency = day_of(statement), currency_of(statement)
    fields = ("electronic_sequence_number", "legal_sequence_number")
    series = next((name for name in fields if as_number(getattr(statement, name)) is not None), fields[0])
    opening, closing = balance(statement, OPENING), balance(statement, CLOSING)
    page = as_number(statement.page_number)
    return Page(
        id=row,
        statement_id=statement.statement_id,
        series=series,
        number=as_number(getattr(statement, series)),
        currency=currency,
        day=day or _date(statement.created_at) or came,
        dated=day is not None,
        first_day=_date(statement.period_from),
        made=statement.created_at or "",
        page=1 if page is None and statement.last_page is False else page,
        last=statement.last_page,
        of_message=of_message,
        opens=opening is not None,
        closes=closing is not None,
        opening=opening.signed if opening and opening.currency in (None, currency) else None,
        closing=closing.signed if closing and closing.currency in (None, currency) else None,
        booked=booked,
        copy=statement.copy_duplicate in COPIES,
    )


def covers(page: Page, day: date) -> bool:
    """Whether it is a statement of this day, by its period or its closing."""
    return page.dated and min(page.first_day or page.day, page.day) <= day <= page.day


# Pages of one statement.


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of one statement that are there, in order, and those that are missing."""

    pages: tuple[Page, ...]
    missing: tuple[tuple[int, int | None], ...] = ()

    @property
    def id(self) -> int:
        return min(p.id for p in self.pages)

    @property
    def head(self) -> Page:
        return self.pages[0]

    @property
    def tail(self) -> Page:
        return self.pages[-1]

    @property
    def number(self) -> int | None:
        return self.head.number

    @property
    def currency(self) -> str | None:
        return self.head.currency

    @property
    def day(self) -> date:
        dated = [p for p in self.pages if p.dated] or self.pages
        return max((p.day for p in dated if p.closes), default=max(p.day for p in dated))

    @property
    def dated(self) -> bool:
        return any(p.dated for p in self.pages)

    @property
    def opening(self) -> Decimal | None:
        known = not self.missing or self.missing[0][0] > self.head.place
        return self.head.opening if known else None

    @property
    def closing(self) -> Decimal | None:
        known = not self.missing or self.missing[-1][0] < self.tail.place
        return self.tail.closing if known or self.tail.alone else None

    @property
    def booked(self) -> Decimal | None:
        parts = [p.booked for p in self.pages]
        return None if self.missing or None in parts else total(parts)

    @property
    def name(self) -> str:
        said = self.head.statement_id or (f"no. {self.number}" if self.number is not None else "without a name")
        return f"statement {said}"

    @property
    def title(self) -> str:
        return f"S{self.name[1:]}"


def statements_of(all_: Sequence[Page]) -> list[Pages]:
    """All statements of which at least one page is there; copies are left out where the original is there."""
    pages = _without_copies(all_)
    whole = [Pages((p,)) for p in pages if p.page is None]
    parts = [p for p in pages if p.page is not None]
    return whole + [Pages(group, tuple(_holes(group))) for group in _grouped(parts, SAME)]


def _without_copies(pages: Sequence[Page]) -> list[Page]:
    """What is flagged as a copy or duplicate counts where the original is not there."""
    kept: dict[tuple[object, ...], Page] = {}
    for page in sorted(pages, key=lambda p: (p.copy, p.id)):
        said = (page.currency, page.day, page.page, page.opening, page.closing, page.booked)
        if not page.copy:
            kept[(page.id,)] = page
        kept.setdefault((page.id,) if page.closing is None else said, page)
    return list({page.id: page for page in kept.values()}.values())


SAME: tuple[Callable[[Page], tuple[object, ...]], ...] = (  # pages of one statement, more and more narrowly
    lambda p: (p.currency, p.series, p.number) if p.number is not None else (p.currency, "", p.statement_id),
    lambda p: (p.statement_id,),
    lambda p: (p.day,),
    lambda p: (p.id,),
)


def _grouped(pages: Sequence[Page], same: Sequence[Callable[[Page], tuple[object, ...]]]) -> Iterator[tuple[Page, ...]]:
    groups: defaultdict[tuple[object, ...], list[Page]] = defaultdict(list)
    for page in pages:
        groups[same[0](page)].append(page)
    for group in groups.values():
        if len(same) == 1 or _fit(group):
            yield tuple(sorted(group, key=lambda p: p.place))
        else:
            yield from _grouped(group, same[1:])


def _fit(pages: Sequence[Page]) -> bool:
    """Whether they can be pages of one statement: each once, none after the last, not months apart."""
    numbers, days = [p.place for p in pages], [p.day for p in pages]
    last = min((p.place for p in pages if _ends(p)), default=max(numbers))
    return len(set(numbers)) == len(numbers) and last == max(numbers) and max(days) - min(days) <= MONTH


def _ends(page: Page) -> bool:
    return page.last is True or (page.of_message and page.closes and not page.opens)


def _begins(page: Page) -> bool:
    return page.page in (0, 1) or page.alone or (page.of_message and page.opens and not page.closes)


def _holes(pages: Sequence[Page]) -> Iterator[tuple[int, int | None]]:
    """The pages that are missing, as spans; the last one is open where the last page has not come."""
    there = {p.place for p in pages}
    begin = min((p.place for p in pages if _begins(p)), default=1)
    yield from spans(set(range(begin, min(max(there), begin + MOST_PAGES))) - there)
    if pages[-1].last is False and not _ends(pages[-1]):
        yield max(there) + 1, None


def spans(numbers: set[int]) -> Iterator[tuple[int, int]]:
    for _, run in groupby(enumerate(sorted(numbers)), key=lambda pair: pair[1] - pair[0]):
        found = [number for _, number in run]
        yield found[0], found[-1]
