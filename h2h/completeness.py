"""What is missing among the statements of one account: a pure decision over those that are known.

    NUMBER   numbers that were left out between two statements
    BALANCE  a statement does not open where the one before it closed
    SUM      opening and booked entries of a statement, over all of its pages, do not come to its closing
    PAGE     a page of a statement is not there, or the last one has not come
    DAY      a statement that the calendar expects has not come (`h2h.schedule` knows the days)

The order in which statements arrive plays no part. What cannot be said is no gap: a masked account, a balance that is
missing, numbers that leap as a new month begins. Where numbers follow the calendar (189 is 8 July), days without a
statement leave numbers out, and the balances decide.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from itertools import groupby, pairwise

from h2h.model import total
from h2h.pages import MONTH, Page, Pages, spans, statements_of
from h2h.text import one_line

MOST_A_DAY = 10  # statements; numbers that leap farther began anew
FEWEST_SUMMED_UP = 2  # statements that make another one their summary
MOST_TOLD = 10  # of the numbers that are missing
LONGEST = 1_000  # of a text


class Kind(StrEnum):
    NUMBER = "NUMBER"
    BALANCE = "BALANCE"
    SUM = "SUM"
    PAGE = "PAGE"
    DAY = "DAY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """What is missing. `first` to `last`: numbers, or pages (without `last`: and all that follow).

    `after`, `before`: the ids between which it is missing; of a statement's own fault, `before` is its first id.
    """

    kind: Kind
    currency: str | None
    from_day: date
    to_day: date
    text: str
    first: int | None = None
    last: int | None = None
    after: int | None = None
    before: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", one_line(self.text, LONGEST))

    def within(self, other: Gap) -> bool:
        """Whether all that is missing here was missing there: a gap that some of what it lacked has narrowed."""
        if (self.kind, self.currency) != (other.kind, other.currency):
            return False
        if self.kind in (Kind.PAGE, Kind.SUM) and self.before != other.before:
            return False
        if other.first is not None and (self.first is None or self.first < other.first):
            return False
        if other.last is not None and (self.last is None or self.last > other.last):
            return False
        return other.from_day <= self.from_day and self.to_day <= other.to_day


def gaps(account: str, pages: Sequence[Page]) -> list[Gap]:
    """All that is missing between and in these; nothing is said of what came before the first or after the last."""
    statements = statements_of(pages)
    found = [gap for s in statements for gap in _wrong_sum(account, s)]
    followed: set[int] = set()
    for currency in {s.currency for s in statements}:
        mine = [s for s in statements if s.currency == currency]
        chain = _in_order([s for s in mine if s.dated and not _sums_up_others(s, mine)])
        following = {s.id for s in chain}
        beside = [s for s in statements if s.id not in following]
        for earlier, later in pairwise(chain):
            found += _between(account, earlier, later, beside)
            followed |= {earlier.id} if _linked(earlier, later) else set()
    found += [gap for s in statements for gap in _missing_pages(account, s, followed=s.id in followed)]
    return sorted(found, key=lambda g: (g.from_day, g.to_day, g.currency or "", g.kind, g.first or 0))


def _missing_pages(account: str, statement: Pages, *, followed: bool) -> Iterator[Gap]:
    """Where the pages are those of a file, the next one is of others if the next statement follows this one."""
    days = [p.day for p in statement.pages]
    for first, last in statement.missing:
        if last is None and statement.tail.alone and followed:
            continue
        if last is None:
            text = f"page {first - 1} came, and the next one has not: the statement is not whole yet."
        else:
            pages = f"page {first} is" if first == last else f"pages {first} to {last} are"
            after = min(p.place for p in statement.pages if p.place > last)
            text = f"page {after} came, and {pages} not there. Ask the bank."
        text = f"{statement.title} of {account}: {text}"
        yield _gap(Kind.PAGE, statement, text, min(days), max(days), first, last)


def _wrong_sum(account: str, statement: Pages) -> Iterator[Gap]:
    opening, booked, closing = statement.opening, statement.booked, statement.closing
    if opening is None or booked is None or closing is None or total((opening, booked)) == closing:
        return
    text = (
        f"{statement.title} of {account} opens at {opening} and its booked entries come to {booked}, which makes "
        f"{total((opening, booked))}, but it closes at {closing}. Entries may be missing; ask the bank."
    )
    yield _gap(Kind.SUM, statement, text, min(p.day for p in statement.pages), statement.day)


def _gap(
    kind: Kind, of: Pages, text: str, from_day: date, to_day: date, first: int | None = None, last: int | None = None
) -> Gap:
    return Gap(
        kind=kind, currency=of.currency, from_day=from_day, to_day=to_day, text=text, first=first, last=last,
        before=of.id,
    )  # fmt: skip


# One statement after the other.


def _sums_up_others(statement: Pages, all_: Sequence[Pages]) -> bool:
    """A statement of a month beside those of its days, which follow each other without it."""
    first, opening = statement.head.first_day, statement.opening
    if first is None or opening is None or first >= statement.day:
        return False
    near = [s for s in all_ if s.day < statement.day <= s.day + MONTH]
    inside = [s for s in near if s.head.first_day and first <= s.head.first_day]
    return len(inside) >= FEWEST_SUMMED_UP and min(inside, key=lambda s: s.day).opening == opening


def _in_order(statements: Sequence[Pages]) -> list[Pages]:
    """By day and number; those of one day that have no numbers so that each opens where the one before it closed."""

    def place(s: Pages) -> tuple[date, str, int]:
        return s.day, s.head.series if s.number is not None else "", s.number or 0

    row: list[Pages] = []
    for _, same in groupby(sorted(statements, key=lambda s: (*place(s), s.head.made, s.name, s.id)), key=place):
        row += _chained(row[-1].closing if row else None, list(same))
    return row


def _chained(at: Decimal | None, same: list[Pages]) -> list[Pages]:
    """One after the other in as few pieces as can be: a walk that takes every way once, where there is one."""
    if len(same) == 1:
        return same
    leaving: dict[Decimal, list[Pages]] = {}
    for s in reversed(same):
        if s.opening is not None:
            leaving.setdefault(s.opening, []).append(s)
    begins = Counter(s.opening for s in same) - Counter(s.closing for s in same)
    starts = [opening for opening in leaving if begins[opening]] or list(leaving)
    row = [s for start in sorted(starts, key=lambda opening: opening != at) for s in _walk(leaving, start)]
    row += [s for start in list(leaving) for s in _walk(leaving, start)]
    return row + [s for s in same if s.opening is None]


def _walk(leaving: dict[Decimal, list[Pages]], start: Decimal) -> list[Pages]:
    """Every statement that can be reached from here; loops are taken on the way (Hierholzer)."""
    taken: list[Pages] = []
    under_way: list[Pages] = []
    at: Decimal | None = start
    while True:
        if at is not None and leaving.get(at):
            under_way.append(leaving[at].pop())
            at = under_way[-1].closing
        elif under_way:
            taken.append(under_way.pop())
            at = under_way[-1].closing if under_way else start
        else:
            return taken[::-1]


def _linked(x: Pages, y: Pages) -> bool | None:
    """Whether the second opens where the first closed; None where that cannot be said."""
    return None if x.closing is None or y.opening is None else x.closing == y.opening


def _between(account: str, x: Pages, y: Pages, beside: Sequence[Pages]) -> Iterator[Gap]:
    linked = _linked(x, y)
    left_out = _left_out(x, y, beside)
    if left_out and (linked is False or not _follows_the_calendar(x, y)):
        for first, last in spans(left_out):
            numbers = [str(n) for n in range(first, min(last + 1, first + MOST_TOLD))]
            told = f"{', '.join(numbers)}{', …' if last - first >= MOST_TOLD else ''}"
            text = (
                f"{y.title} of {account} ({y.day}) has number {y.number}, and the one before it {x.number} "
                f"({x.day}): {told} did not come. Ask the bank to send what is missing."
            )
            yield _hole(Kind.NUMBER, x, y, text, first, last)
    elif linked is False:
        text = (
            f"{y.title} of {account} ({y.day}) opens at {y.opening}, but {x.name} before it closed at "
            f"{x.closing} ({x.day}). One may be missing between; ask the bank."
        )
        yield _hole(Kind.BALANCE, x, y, text)


def _hole(kind: Kind, x: Pages, y: Pages, text: str, first: int | None = None, last: int | None = None) -> Gap:
    return Gap(
        kind=kind, currency=y.currency, from_day=x.day, to_day=y.day, text=text, first=first, last=last,
        after=x.id, before=y.id,
    )  # fmt: skip


def _left_out(x: Pages, y: Pages, beside: Sequence[Pages]) -> set[int]:
    """The numbers between the two, or those before the second where they began again with a month."""
    a, b = x.number, y.number
    if a is None or b is None or x.head.series != y.head.series:
        return set()
    anew = (x.day.year, x.day.month) != (y.day.year, y.day.month) and 2 * b <= a
    first, days = (1, y.day.day) if anew else (a + 1, (y.day - x.day).days + 1)
    if anew and x.day.year != y.day.year:
        days = y.day.timetuple().tm_yday
    if not 0 < b - first <= MOST_A_DAY * days:
        return set()
    elsewhere = {s.number for s in beside if x.day <= s.day <= y.day and s.head.series == y.head.series}
    shared = not elsewhere & {a, b}  # otherwise they are counted there by themselves
    return set(range(first, b)) - ({n for n in elsewhere if n is not None} if shared else set())


def _follows_the_calendar(x: Pages, y: Pages) -> bool:
    return _is_of_the_day(x) and _is_of_the_day(y)


def _is_of_the_day(s: Pages) -> bool:
    """Whether the number is the day's own: of the year, of the month, or the date."""
    forms = (f"{s.day:%j}", f"{s.day:%d}", f"{s.day:%y%j}", f"{s.day:%Y%j}", f"{s.day:%m%d}", f"{s.day:%y%m%d}")
    return s.number in {int(form) for form in (*forms, f"{s.day:%Y%m%d}")}
