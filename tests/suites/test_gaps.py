"""Gaps in the ledger, on each database: opened by what shows them, healed by what closes them, never two of one."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select

from h2h.calendars import Calendar
from h2h.completeness import Gap, gaps
from h2h.ledger import Ledger
from h2h.ledger import tables as t
from h2h.ledger.expected import Expected
from h2h.ledger.gaps import GapRow, page_in
from h2h.model import Balance, Record, Statement, StatementFile
from h2h.schedule import Due
from tests.changing import replace
from tests.suites.backwards import back_to
from tests.suites.books import ACCOUNT, LATER, Book, debit
from tests.suites.test_ledger import book_url, sql

LONG = bool(os.environ.get("H2H_LONG"))


def closes(
    day: int | date, number: int | None, opening: str, closing: str, *, page: str | None = None, **more: Any
) -> list[Record]:
    """A camt.053 of one statement that goes from one balance to the other by one debit; "2." is a last page.

    What does not open or close has an interim balance there.
    """
    at = day if isinstance(day, date) else date(2026, 11, day)
    kinds = [("OPBD" if opening else "ITBD", opening or "1"), ("CLBD" if closing else "ITBD", closing or "2")]
    balances = tuple(
        Balance(type=kind, amount=Decimal(value), currency="EUR", direction="CRDT", date=str(at))
        for kind, value in kinds
    )
    amount = more.pop("booked", None) or str(Decimal(opening) - Decimal(closing))
    values: dict[str, Any] = {"statement_id": f"S{number or at}", "iban": ACCOUNT, "currency": "EUR"} | more
    said = Statement(
        position=1,
        balances=balances,
        electronic_sequence_number=str(number) if number is not None else None,
        page_number=page.rstrip(".") if page else None,
        last_page=page.endswith(".") if page else None,
        **values,
    )
    entries = [replace(debit(amount), position=1, currency=values["currency"])]
    return [StatementFile(message="camt.053.001.08", message_id="F"), said, *entries]


def told(rows: Sequence[GapRow | Gap]) -> list[str]:
    return sorted(f"{r.kind} {r.currency} {r.first or ''}-{r.last or ''} {r.from_day}..{r.to_day}" for r in rows)


def open_(book: Book) -> list[str]:
    return told(book.ledger.gaps.rows())


def of_all_known(book: Book) -> list[str]:
    """What the decision says of everything that the ledger holds of the account."""
    with book.ledger._database.reading() as connection:
        rows = connection.execute(select(t.statement).where(t.statement.c.chain == ACCOUNT)).all()
    return told(gaps(ACCOUNT, [page_in(row) for row in rows]))


def test_a_gap_is_opened_by_what_shows_it_and_healed_by_what_closes_it(book: Book) -> None:
    book.report(closes(1, 7, "100", "90"))
    shows, findings = book.report(closes(3, 9, "80", "70"))
    (gap,) = book.ledger.gaps.rows()
    assert (gap.kind, gap.first, gap.last, gap.bank, gap.account) == ("NUMBER", 8, 8, "acme", ACCOUNT)
    assert (gap.since, gap.shown_by, gap.healed_at) == (LATER, shows.id, None)
    assert [f.code for f in findings] == ["STATEMENT_GAP"]
    assert book.kinds(shows.id) == ["KEPT", "gap", "APPLIED"]
    closing, findings = book.report(closes(2, 8, "90", "80"))
    assert (book.ledger.gaps.rows(), findings) == ([], [])
    (healed,) = book.ledger.gaps.rows(healed=True)
    assert (healed.healed_at, healed.healed_by, healed.id) == (LATER, closing.id, gap.id)
    assert book.kinds(closing.id) == ["KEPT", "gap healed", "APPLIED"]


def test_a_gap_narrows_and_keeps_its_beginning(book: Book) -> None:
    book.report(closes(1, 7, "100", "90"))
    book.report(closes(5, 11, "60", "50"))
    (before,) = book.ledger.gaps.rows()
    between, findings = book.report(closes(3, 9, "80", "70"))
    assert open_(book) == ["NUMBER EUR 10-10 2026-11-03..2026-11-05", "NUMBER EUR 8-8 2026-11-01..2026-11-03"]
    rows = book.ledger.gaps.rows()
    assert {gap.since for gap in rows} == {before.since}
    assert before.id in {gap.id for gap in rows}
    assert findings == []
    assert book.kinds(between.id) == ["KEPT", "gap narrowed", "gap", "APPLIED"]
    assert len(book.ledger.gaps.rows(healed=True)) == 2


@pytest.mark.parametrize(
    ("second", "kind", "code"),
    [
        (closes(2, 9, "90", "80"), "NUMBER", ["STATEMENT_GAP"]),
        (closes(2, 8, "91", "80"), "BALANCE", ["STATEMENT_OPENING"]),
        (closes(2, 8, "90", "80", booked="3"), "SUM", ["STATEMENT_SUM"]),
        (closes(2, 8, "90", "80", page="2."), "PAGE", ["STATEMENT_PAGE"]),
        (closes(2, 8, "90", "80", page="1"), "PAGE", []),
    ],
)
def test_every_kind_is_a_row_and_a_finding(book: Book, second: list[Record], kind: str, code: list[str]) -> None:
    book.report(closes(1, 7, "100", "90"))
    _, findings = book.report(second)
    assert ([gap.kind for gap in book.ledger.gaps.rows()], [f.code for f in findings]) == ([kind], code)


def test_what_came_before_what_shows_it_has_the_finding_when_it_comes_late(book: Book) -> None:
    assert book.codes(closes(9, 15, "20", "10")) == []
    assert book.codes(closes(1, 7, "100", "90")) == ["STATEMENT_GAP"]


def test_a_sum_over_all_pages_is_told_when_the_last_one_has_come(book: Book) -> None:
    assert book.codes(closes(2, 8, "90", "", page="1", booked="4")) == []
    assert book.codes(closes(2, 8, "", "80", page="2.", booked="5")) == ["STATEMENT_SUM"]
    assert open_(book) == ["SUM EUR - 2026-11-02..2026-11-02"]


def test_statements_of_one_file_show_no_gap_that_they_close_themselves(book: Book) -> None:
    days = [closes(3, 9, "80", "70"), closes(1, 7, "100", "90"), closes(2, 8, "90", "80")]
    records: list[Record] = [days[0][0]]
    for position, (_, said, entry) in enumerate(days, start=1):
        records += [replace(said, position=position), replace(entry, statement=position)]  # type: ignore[call-arg]
    message, findings = book.report(records)
    assert (findings, book.ledger.gaps.rows(healed=True)) == ([], [])
    assert book.kinds(message.id) == ["KEPT", "APPLIED"]


@pytest.mark.parametrize("how", ["another bank", "another account", "masked", "no account", "a report of the day"])
def test_what_does_not_follow_the_others_is_not_held_against_them(book: Book, how: str) -> None:
    book.report(closes(1, 7, "100", "90"))
    other = closes(3, 9, "50", "40", iban={"masked": "DExxxxxxxx51", "no account": None}.get(how, ACCOUNT))
    if how == "another account":
        other = closes(3, 9, "50", "40", iban=None, account="4711")
    if how == "a report of the day":
        other[0] = StatementFile(message="camt.052.001.08", message_id="F")
    assert book.codes(other, **({"bank": "other"} if how == "another bank" else {})) == []
    assert book.ledger.gaps.rows() == []


def test_an_account_is_the_same_in_whatever_way_it_is_written(book: Book) -> None:
    book.report(closes(1, 7, "100", "90"))
    spaced = f"{ACCOUNT[:4].lower()} {ACCOUNT[4:]}"
    assert book.codes(closes(3, 9, "80", "70", iban=None, account=spaced)) == ["STATEMENT_GAP"]


def test_a_statement_that_is_not_booked_heals_nothing(book: Book) -> None:
    book.report(closes(1, 7, "100", "90"))
    book.report(closes(3, 9, "80", "70"))
    before = open_(book)
    assert book.codes(closes(3, 9, "85", "70")) == ["STATEMENT_CONFLICT"]
    assert book.codes(closes(3, 9, "80", "70")) == ["STATEMENT_REPEATED"]
    assert open_(book) == before != []


def test_a_second_gap_on_the_same_day_is_a_gap_of_its_own(book: Book) -> None:
    book.report(closes(1, 7, "100", "90"))
    assert book.codes(closes(1, 8, "91", "80")) == ["STATEMENT_OPENING"]
    assert book.codes(closes(1, 9, "81", "70")) == ["STATEMENT_OPENING"]
    assert len(book.ledger.gaps.rows()) == 2


def test_another_page_of_the_statement_before_a_gap_is_no_news_of_the_gap(book: Book) -> None:
    book.report(closes(1, 7, "", "90", page="2.", booked="4"))
    book.report(closes(3, 9, "80", "70"))
    first, _ = book.report(closes(1, 7, "100", "", page="1", booked="6"))
    assert [kind for kind in book.kinds(first.id) if kind.startswith("gap")] == ["gap healed"]  # that of the page


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01"])
def test_a_date_of_no_time_breaks_nothing(book: Book, day: str) -> None:
    book.report(closes(1, 7, "100", "90"))
    assert book.codes(closes(date.fromisoformat(day), 8, "50", "40")) == []
    assert book.ledger.gaps.rows() == []


def test_a_gap_over_years_is_narrowed_by_what_lies_far_from_both_ends(book: Book) -> None:
    book.report(closes(date(2024, 1, 5), None, "100", "90"))
    book.report(closes(date(2026, 11, 5), None, "50", "40"))
    assert open_(book) == ["BALANCE EUR - 2024-01-05..2026-11-05"]
    book.report(closes(date(2025, 6, 5), None, "90", "70"))
    assert open_(book) == ["BALANCE EUR - 2025-06-05..2026-11-05"]
    assert len(book.ledger.gaps.rows(healed=True)) == 1
    book.report(closes(date(2025, 6, 6), None, "70", "50"))
    assert open_(book) == []


def test_whatever_the_order_the_open_gaps_are_those_of_what_was_seen_and_none_in_the_end(book: Book) -> None:
    """Daily statements, some with pages (opening on the first, closing on the last), some days with several."""
    chance = random.Random(7)
    history: list[list[Record]] = []
    at, number, day = Decimal(1000), 0, date(2026, 9, 25) if LONG else date(2026, 10, 13)
    while day < date(2026, 11, 20):
        for _ in range(chance.choice([1, 1, 1, 2])):
            number, spent = number + 1, [chance.randint(1, 99) for _ in range(chance.choice([1, 1, 3]))]
            after, last = at - sum(spent), len(spent)
            for place, part in enumerate(spent, start=1):
                page = None if last == 1 else f"{place}{'.' if place == last else ''}"
                opening, closing = (str(at) if place == 1 else ""), (str(after) if place == last else "")
                history.append(closes(day, number, opening, closing, page=page, booked=str(part)))
            at = after
        day += timedelta(days=chance.choice([1, 1, 3, 40 if number % 17 == 0 else 1]))
    for records in chance.sample(history, len(history)):
        book.report(records)
        assert open_(book) == of_all_known(book)
    assert open_(book) == []
    places = [(gap.kind, gap.first, gap.last, gap.from_day) for gap in book.ledger.gaps.rows(healed=True)]
    assert len(places) > 10


def test_a_new_statement_costs_the_same_however_long_the_history_is(book: Book) -> None:
    """Rows read from the statements, counted."""
    from h2h.ledger import gaps as module

    seen: list[int] = []
    original = module._around

    def counted(where: Any, came: Any) -> Any:
        around = original(where, came)
        seen.append(len(around.pages))
        return around

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_around", counted)
        for number in range(75):
            day = date(2026, 1, 1) + timedelta(days=number)
            book.report(closes(day, number + 1, str(1000 - number), str(999 - number)))
    assert max(seen) <= 66


def test_no_question_about_statements_or_gaps_reads_a_whole_table(book: Book) -> None:
    """What is asked when a statement comes, and for the board, as SQLite plans it."""
    engine = book.ledger._database.engine
    if engine.dialect.name != "sqlite":
        pytest.skip("the plans are read as SQLite writes them")
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, said: str, values: Any, *_: Any) -> None:
        asked.append((said, values))

    event.listen(engine, "before_cursor_execute", note)
    book.report(closes(1, 7, "100", "90"))
    book.report(closes(3, 9, "80", "70", copy_duplicate="DUPL"))
    book.report(closes(2, 8, "90", "80", page="1"))
    board(book)
    event.remove(engine, "before_cursor_execute", note)
    about = [(s, v) for s, v in asked if re.search(r"(FROM|UPDATE) (statement|gap)\b", s)]
    assert len(about) > 10
    with engine.connect() as connection:
        plans = [(s, connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {s}", v).all()) for s, v in about]
    assert [
        s for s, plan in plans if any(re.match(r"SCAN (statement|gap)\b(?!.*INDEX)", row[-1]) for row in plan)
    ] == []


def board(book: Book) -> None:
    book.ledger.views.board(["acme"], LATER)
    book.ledger.gaps.rows()
    book.ledger.gaps.before([1, 2])
    due = Due(timezone="UTC", calendar=Calendar("TARGET"))
    book.ledger.expectations.missing("acme", [Expected(account=ACCOUNT, currency=None, due=due)], LATER)


# The migration.


def test_what_comes_after_the_migration_is_held_against_what_was_there_before(book: Book) -> None:
    book.report(closes(1, 7, "100", "90"))
    book.report(closes(2, 8, "90", "", page="1", booked="4"))
    book.report(closes(date(2026, 9, 30), None, "1", "2", iban="DExxxxxxxx51"))
    url, kept = book_url(book), "SELECT id, chain, day, booked, page_of_message, currency FROM statement ORDER BY id"
    before = sql(url, kept)
    book.ledger.close()
    back_to(url, "0007", "UPDATE statement SET currency = NULL")
    migrated = Book(Ledger(url, Path("/nowhere")))
    assert sql(url, kept) == before
    migrated._messages = 3
    assert migrated.codes(closes(2, 8, "", "80", page="2.", booked="5")) == ["STATEMENT_SUM"]
    assert migrated.codes(closes(3, 10, "70", "60")) == ["STATEMENT_GAP"]
    migrated.ledger.close()
