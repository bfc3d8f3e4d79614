"""What is missing among the statements of an account, whatever the order in which they came."""

from __future__ import annotations

import os
import random
from datetime import date, timedelta
from decimal import Decimal
from itertools import count, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from h2h.completeness import Gap, Kind, gaps
from h2h.model import Balance, Entry, Statement
from h2h.pages import Page, booked_of, chain_of, day_of, page_of
from tests.changing import replace

ACCOUNT = "DE02120300000000202051"
LONG = bool(os.environ.get("H2H_LONG"))
FEW = settings(max_examples=3_000 if LONG else 75, deadline=None, derandomize=not LONG)


def said(*days: str, **more: object) -> list[Page]:
    """Statements in short: "1 #7 100>90" closes on 1 November, has number 7, opens at 100 and closes at 90.

    "p2" is page 2, "p2." the last one; "+5" are booked entries that do not follow from the balances; "?" is unknown.
    """
    return [statement(text, row, **more) for row, text in enumerate(days, start=1)]


def statement(text: str, row: int = 1, **more: object) -> Page:
    words = text.split()
    month, _, day = words[0].rpartition("/")
    values: dict[str, object] = {"statement_id": f"S{row}", "currency": "EUR", "series": "e"}
    values["day"] = date(2026, int(month or 11), int(day))
    for word in words[1:]:
        if word.startswith("#"):
            values |= {"number": int(word[1:]), "statement_id": f"S{word[1:]}"}
        elif word.startswith("p"):
            values |= {"page": int(word[1:].rstrip(".,")), "last": {".": True, ",": False}.get(word[-1])}
        elif word.startswith("+"):
            values["booked"] = Decimal(word[1:])
        elif ">" in word:
            values |= balances(*word.split(">"))
        else:
            values["currency"] = word
    if "booked" not in values and values.get("opening") is not None and values.get("closing") is not None:
        values["booked"] = values["closing"] - values["opening"]  # type: ignore[operator]
    return Page(id=row, **(values | more))  # type: ignore[arg-type]


def balances(opening: str, closing: str) -> dict[str, object]:
    known = {"opening": opening, "closing": closing}
    found: dict[str, object] = {name: Decimal(text) for name, text in known.items() if text not in ("", "?")}
    return found | {"opens": opening != "", "closes": closing != ""}


def words(found: list[Gap]) -> list[str]:
    return [word(gap) for gap in found]


def word(gap: Gap) -> str:
    span = f"{gap.first}-{'' if gap.last is None else gap.last}" if gap.first is not None else ""
    days = f"{gap.from_day:%d}..{gap.to_day:%d}" if gap.kind in (Kind.NUMBER, Kind.BALANCE) else f"{gap.to_day:%d}"
    return " ".join(part for part in (gap.kind, span, days) if part)


HISTORIES: dict[str, tuple[list[Page], list[str]]] = {
    "one statement alone": (said("1 #7 100>90"), []),
    "one after the other": (said("1 #7 100>90", "2 #8 90>95", "3 #9 95>95"), []),
    "numbers left out": (said("1 #7 100>90", "5 #11 60>50"), ["NUMBER 8-10 01..05"]),
    "numbers left out though the balances go on": (said("1 #7 100>90", "5 #9 90>80"), ["NUMBER 8-8 01..05"]),
    "a part of what was left out": (
        said("1 #7 100>90", "3 #9 80>70", "5 #11 60>50"),
        ["NUMBER 8-8 01..03", "NUMBER 10-10 03..05"],
    ),
    "numbers and a balance that do not go on": (
        said("1 #7 100>90", "2 #8 85>80", "3 #9 80>70"),
        ["BALANCE 01..02"],
    ),
    "no numbers, balances go on": (said("1 100>90", "2 90>80", "4 80>70"), []),
    "no numbers, one missing": (said("1 100>90", "3 70>60"), ["BALANCE 01..03"]),
    "numbers begin again with the month": (said("10/30 #21 100>90", "2 #1 90>80", "3 #2 80>70"), []),
    "numbers begin again and the first is missing": (said("10/30 #21 100>90", "3 #2 80>70"), ["NUMBER 1-1 30..03"]),
    "numbers begin again each day": (
        said("2 #1 100>90", "2 #2 90>80", "3 #1 80>70", "3 #2 70>60"),
        [],
    ),
    "numbers leap with the month": (said("10/30 #202610021 100>90", "2 #202611001 90>80"), []),
    "numbers leap and a balance does not go on": (
        said("10/30 #202610021 100>90", "2 #202611001 91>80"),
        ["BALANCE 30..02"],
    ),
    "numbers leap and nothing is known of the balances": (said("10/30 #202610021 ?>90", "2 #202611001 ?>80"), []),
    "numbers of the day of the year": (said("6 #310 100>90", "9 #313 90>80", "10 #314 80>70"), []),
    "numbers of the day of the year, one missing": (said("6 #310 100>90", "10 #314 80>70"), ["NUMBER 311-313 06..10"]),
    "numbers of the date": (said("6 #261106 100>90", "9 #261109 90>80"), []),
    "legal after electronic numbers": ([*said("1 #7 100>90"), statement("2 #31 90>80", 2, series="l")], []),
    "the same number every day": (said("1 #1 100>90", "2 #1 90>80", "3 #1 70>60"), ["BALANCE 02..03"]),
    "several a day, out of order, without numbers": (
        said("1 100>90", "2 70>60", "2 90>80", "2 80>70", "3 60>50"),
        [],
    ),
    "several a day that return to where they began": (
        said("1 100>90", "2 90>80", "2 80>90", "2 90>70", "3 70>60"),
        [],
    ),
    "several a day, one missing": (said("1 100>90", "2 90>80", "2 70>60", "3 60>50"), ["BALANCE 02..02"]),
    "one number, two currencies, one run": (said("1 #1 100>90", "1 #2 USD 5>6", "2 #3 90>80", "2 #4 USD 6>7"), []),
    "two currencies, each with its run, one missing": (
        said("1 #1 100>90", "1 #1 USD 5>6", "2 #2 USD 6>7", "3 #3 80>70", "3 #3 USD 7>8"),
        ["NUMBER 2-2 01..03"],
    ),
    "two currencies never follow each other": (said("1 100>90", "2 USD 5>6", "3 90>80", "4 USD 6>7"), []),
    "without an opening balance": (said("1 100>90", "2 ?>80", "3 80>70"), []),
    "without a closing balance": (said("1 100>?", "2 80>70"), []),
    "no balances, numbers alone": (said("1 #1 ?>?", "2 #3 ?>?"), ["NUMBER 2-2 01..02"]),
    "entries that do not come to the closing": (said("1 100>90 +3", "2 90>80"), ["SUM 01"]),
    "two pages": (said("1 #7 p1, 100> +-4", "1 #7 p2. >90 +-6", "2 #8 p1. 90>80"), []),
    "three pages whose balances stand on each": (
        said("1 #7 p1, 100>90 +-4", "1 #7 p2, 100>90 +-1", "1 #7 p3. 100>90 +-5", "2 #8 p1. 90>80"),
        [],
    ),
    "two pages whose sum is wrong": (said("1 #7 p1, 100> +-4", "1 #7 p2. >90 +-5"), ["SUM 01"]),
    "the last page has not come": (said("1 #7 p1, 100> +-4", "2 #8 p1. 90>80"), ["PAGE 2- 01"]),
    "the first page has not come": (said("10/31 #6 110>100", "1 #7 p2. >90 +-5", "2 #8 90>80"), ["PAGE 1-1 01"]),
    "pages missing in the middle": (
        said("1 #7 p1, 100> +-4", "1 #7 p3, > +0", "1 #7 p6. >90 +-5"),
        ["PAGE 2-2 01", "PAGE 4-5 01"],
    ),
    "pages that count from nought": (said("1 #7 p0, 100> +-4", "1 #7 p1. >90 +-6"), []),
    "pages without a word on the last": (said("1 #7 p1 100> +-4", "1 #7 p2 >90 +-6", "2 #8 90>80"), []),
    "pages under names of their own": (
        [statement("1 #7 p1, 100> +-4", 1, statement_id="A"), statement("1 #7 p2. >90 +-6", 2, statement_id="B")],
        [],
    ),
    "two pages each day, one name for all": (
        said(*("1 p1, 100> +-4", "1 p2. >90 +-6", "2 p1, 90> +-4", "2 p2. >80 +-6"), statement_id="S"),
        [],
    ),
    "a page of the month before under the same name": (
        said("9/1 p1, 100> +-4", "1 p2. >90 +-6", statement_id="S"),
        ["PAGE 2- 01", "PAGE 1-1 01"],
    ),
    "a file of two pages in which a whole statement stands on each": (
        said("1 #7 p1, 100>90", "2 #8 p2. 90>80", of_message=True),
        [],
    ),
    "a page of a file that is not the last, and nothing follows": (
        said("1 #7 p1, 100>90", of_message=True),
        ["PAGE 2- 01"],
    ),
    "a statement that begins on page 2 of a file and ends on page 3": (
        said("1 #7 p1, 100>90", "2 #8 p2, 90> +-4", "2 #8 p3, >80 +-6", "3 #9 p3. 80>70", of_message=True),
        [],
    ),
    "a statement on page 2 of a file, its beginning missing": (
        said("2 #8 p2, >80 +-6", "3 #9 p2. 80>70", of_message=True),
        ["PAGE 1-1 02"],
    ),
    "a month beside its days": (
        [
            *(replace(p, first_day=p.day) for p in said("2 100>90", "3 90>85", "16 85>70", "12/1 70>60")),
            statement("30 100>70", 5, first_day=date(2026, 11, 1)),
        ],
        [],
    ),
    "a copy beside its original": ([*said("1 100>90", "2 90>80"), statement("1 100>90", 3, copy=True)], []),
    "a copy whose original never came": ([*said("1 100>90", "3 80>70"), statement("2 90>80", 3, copy=True)], []),
    "the same again without a flag": (said("1 100>90", "1 100>90", "2 90>80"), ["BALANCE 01..01"]),
    "a statement that does not say of which day it is": (
        [*said("1 100>90", "3 90>80"), statement("2 50>40", 3, dated=False)],
        [],
    ),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_what_is_missing_in_a_history(name: str) -> None:
    pages, expected = HISTORIES[name]
    for order in permutations(pages):
        came = [replace(page, id=row) for row, page in enumerate(order, start=1)]
        assert words(gaps(ACCOUNT, came)) == expected


def test_a_gap_says_what_is_missing_and_what_to_do() -> None:
    (gap,) = gaps(ACCOUNT, said("1 #7 100>90", "5 #30 60>50"))
    assert gap.text == (
        f"Statement S30 of {ACCOUNT} (2026-11-05) has number 30, and the one before it 7 (2026-11-01): 8, 9, 10, 11, "
        "12, 13, 14, 15, 16, 17, … did not come. Ask the bank to send what is missing."
    )
    assert (gap.after, gap.before) == (1, 2)


def test_a_new_year_begins_with_number_1() -> None:
    old = replace(statement("12/31 #250 100>90"), day=date(2025, 12, 31))
    assert gaps(ACCOUNT, [old, statement("1/2 #1 90>80", 2)]) == []
    assert words(gaps(ACCOUNT, [old, statement("1/5 #3 80>70", 2)])) == ["NUMBER 1-2 31..05"]
    assert words(gaps(ACCOUNT, [old, statement("1/5 #252 80>70", 2)])) == ["NUMBER 251-251 31..05"]


# Whatever comes in whatever order.


@st.composite
def histories(draw: st.DrawFn) -> list[Page]:
    """A whole history of two currencies: every statement there, in the way of some bank."""
    numbers = draw(st.sampled_from(["none", "run", "month", "shared", "year day"]))
    rows = count(1)
    runs = {"EUR": 0, "USD": 0, "": 0}
    at = {"EUR": Decimal(draw(st.integers(-500, 500))), "USD": Decimal(7)}
    found: list[Page] = []
    day = date(2025, 12, draw(st.integers(1, 28)))
    for _ in range(draw(st.integers(2, 8))):
        month, day = day.month, day + timedelta(days=draw(st.integers(1, 9)))
        if numbers == "month" and day.month != month:
            runs = dict.fromkeys(runs, 0)
        for currency in draw(st.lists(st.sampled_from(["EUR", "EUR", "USD"]), min_size=1, max_size=3)):
            run = "" if numbers == "shared" else currency
            runs[run] += 1
            number = {"none": None, "year day": day.timetuple().tm_yday}.get(numbers, runs[run])
            if numbers == "year day" and any((p.day, p.currency) == (day, currency) for p in found):
                continue
            amounts = draw(st.lists(st.integers(-10_000, 10_000), min_size=1, max_size=3))
            found += pages_of(amounts, at[currency], next(rows), day, currency, number)
            at[currency] += sum(amounts)
    return found


def pages_of(
    amounts: list[int], opening: Decimal, row: int, day: date, currency: str, number: int | None
) -> list[Page]:
    """One page for each amount."""
    last = len(amounts)
    return [
        Page(
            id=row * 10 + place, statement_id=f"S{row}", currency=currency, day=day, number=number, page=place,
            last=place == last, opening=opening if place == 1 else None, opens=place == 1, closes=place == last,
            closing=opening + sum(amounts) if place == last else None, booked=Decimal(amount),
        )
        for place, amount in enumerate(amounts, start=1)
    ]  # fmt: skip


def in_order_of(pages: list[Page], seed: int) -> list[Page]:
    shuffled = random.Random(seed).sample(pages, len(pages))
    return [replace(page, id=row) for row, page in enumerate(shuffled, start=1)]


@FEW
@given(histories(), st.integers(), st.integers())
def test_of_a_whole_history_nothing_is_missing_and_no_order_changes_what_is(
    pages: list[Page], one: int, other: int
) -> None:
    assert gaps(ACCOUNT, in_order_of(pages, one)) == []
    part = pages[: len(pages) // 2] + pages[len(pages) // 2 + 1 :]
    assert words(gaps(ACCOUNT, in_order_of(part, one))) == words(gaps(ACCOUNT, in_order_of(part, other)))


@FEW
@given(histories(), st.data())
def test_whatever_is_taken_out_of_the_middle_is_missed(pages: list[Page], data: st.DataObject) -> None:
    """Unless it is a statement that comes to nothing, and has no number that tells of it."""
    statements = sorted({p.statement_id for p in pages if p.currency == "EUR"}, key=lambda s: int((s or "S0")[1:]))
    if len(statements) < 3:
        return
    gone = data.draw(st.sampled_from(statements[1:-1]))
    if sum(p.booked or 0 for p in pages if p.statement_id == gone):
        assert gaps(ACCOUNT, [p for p in pages if p.statement_id != gone]) != []


# What a statement says.


def bal(kind: str, amount: str = "5", day: str | None = "2026-11-20", currency: str | None = "EUR") -> Balance:
    return Balance(type=kind, amount=Decimal(amount), currency=currency, direction="CRDT", date=day)


@pytest.mark.parametrize(
    ("said", "day"),
    [
        (Statement(position=1, statement_id="S", balances=(bal("OPBD", day="2026-11-19"), bal("CLBD"))), "2026-11-20"),
        (Statement(position=1, statement_id="S", balances=(bal("CLBD", day="2026-11-20+02:00"),)), "2026-11-20"),
        (Statement(position=1, statement_id="S", period_to="2026-11-20T23:59:59"), "2026-11-20"),
        (
            Statement(
                position=1, statement_id="S", period_from="2026-11-20T00:00:00", period_to="2026-11-21T00:00:00+01:00"
            ),
            "2026-11-20",
        ),
        (
            Statement(position=1, statement_id="S", period_from="2026-11-20", period_to="2026-11-20T00:00:00"),
            "2026-11-20",
        ),
        (Statement(position=1, statement_id="S", balances=(bal("OPBD", day="2026-11-19"), bal("ITBD"))), "2026-11-20"),
        (Statement(position=1, statement_id="S", balances=(bal("CLBD", day="YYYY-MM-DD"),)), None),
        (Statement(position=1, statement_id="S", created_at="2026-11-20T08:00:00"), None),
        (Statement(position=1, statement_id="S", balances=(bal("CLBD", day="9999-12-31"),)), None),
        (Statement(position=1, statement_id="S", balances=(bal("CLBD", day="0001-01-01"),)), None),
    ],
)
def test_the_day_of_a_statement(said: Statement, day: str | None) -> None:
    found = day_of(said)
    assert (str(found) if found else None) == day


@pytest.mark.parametrize(
    ("account", "chain"),
    [
        ("DE02 1203 0000 0000 2020 51", "DE02120300000000202051"),
        ("de02120300000000202051", "DE02120300000000202051"),
        ("25698745", "25698745"),
        ("CHxxxxxxxxxxxxxxxxxxx", None),
        ("****2051", None),
        ("", None),
        (None, None),
    ],
)
def test_an_account_that_is_masked_or_missing_may_be_several(account: str | None, chain: str | None) -> None:
    assert chain_of(Statement(position=1, statement_id="S", account=account)) == chain


def test_a_previous_closing_balance_stands_for_an_opening_one() -> None:
    both = Statement(position=1, statement_id="S", balances=(bal("PRCD", "4"), bal("OPBD", "3"), bal("CLBD")))
    previous = replace(both, balances=(bal("PRCD", "4"), bal("CLBD")))
    assert [as_page(s).opening for s in (both, previous)] == [Decimal(3), Decimal(4)]


def test_a_balance_of_another_currency_says_nothing() -> None:
    said = Statement(
        position=1, statement_id="S", currency="EUR", balances=(bal("OPBD"), bal("CLBD", "27", currency="SEK"))
    )
    page = as_page(said)
    assert (page.opening, page.closing, page.closes) == (Decimal(5), None, True)


def test_the_electronic_number_counts_before_the_legal_one() -> None:
    both = Statement(position=1, statement_id="S", electronic_sequence_number="120", legal_sequence_number="97")
    legal = replace(both, electronic_sequence_number="12a")
    assert [(p.number, p.series[:5]) for p in map(as_page, (both, legal))] == [(120, "elect"), (97, "legal")]


def test_entries_count_as_booked_only_where_they_can_be_counted() -> None:
    def entry(amount: str | None, direction: str = "DBIT", **more: str) -> Entry:
        value = Decimal(amount) if amount else None
        return Entry(**{"position": 1, "statement": 1, "currency": "EUR", **more}, amount=value, direction=direction)  # type: ignore[arg-type]

    said = Statement(position=1, statement_id="S", currency="EUR")
    pending = entry("9", status="PDNG")
    assert booked_of(said, [entry("5"), entry("2", "CRDT", status="BOOK"), pending]).own == Decimal(-3)
    assert booked_of(said, []).own == Decimal(0)
    for bad in (entry(None), entry("1", "?"), entry("1", currency="USD")):
        assert booked_of(said, [bad]).own is None


def as_page(statement: Statement) -> Page:
    return page_of(statement, row=1, came=date(2026, 11, 21), booked=None, of_message=False)
