"""The rows that other programs are given: whole, newest first, page by page, in columns that stay."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from h2h.ledger import exports
from h2h.ledger.exports import COLUMNS, Wanted
from h2h.life import Stage
from h2h.model import Balance, Statement
from tests.changing import replace
from tests.suites.books import NOW, Book, batch, credit, debit, pay, says, statement, tx

ALL = Wanted()


def rows(book: Book, what: str, wanted: Wanted = ALL) -> list[dict[str, Any]]:
    names = [column.name for column in COLUMNS[what]]
    return [dict(zip(names, row, strict=True)) for row in book.ledger.exports.rows(what, wanted)]


def told(book: Book, what: str, *names: str, wanted: Wanted = ALL) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows(book, what, wanted)]


@pytest.fixture
def busy(book: Book) -> Book:
    """Two files to two banks, answered and booked in part."""
    book.sent("T1", "MSG-1", pay("A", "10.00"), pay("B", "20.00"), pay("C", "30.00", batch=2))
    book.received("T2", bank="other", now=NOW + timedelta(days=1))
    book.judged("T2", "MSG-2", pay("D", "5.50"), now=NOW + timedelta(days=1))
    refused = batch("MSG-1-1", None, tx("B", "RJCT", reason="AC04"))
    book.report(says("MSG-1", "ACTC"))
    book.report(says("MSG-1", None, refused))
    book.report(statement("S1", debit("10.00", "A", booking_date="2026-11-20"), debit("1.00", None)))
    return book


def test_every_row_has_every_column(busy: Book) -> None:
    assert {what for what in COLUMNS if len(rows(busy, what)) > 1} == {*COLUMNS} - {"statements"}


def test_files_of_both_ways_are_told_newest_first(busy: Book) -> None:
    assert told(busy, "files", "id", "direction") == [
        ("T2", "out"), ("M3", "in"), ("M2", "in"), ("M1", "in"), ("T1", "out"),
    ]  # fmt: skip
    assert told(busy, "files", "payments", "control_sum", "currencies")[-1] == (3, Decimal("60.00"), ["EUR"])


def test_payments_are_told_with_their_stage_their_status_and_their_booking(busy: Book) -> None:
    columns = (
        "transfer",
        "end_to_end_id",
        "amount",
        "stage",
        "status",
        "booking_date",
        "booked_amount",
        "statement_id",
    )
    assert told(busy, "payments", *columns) == [
        ("T2", "D", Decimal("5.50"), Stage.NOT_SENT, None, None, None, None),
        ("T1", "A", Decimal("10.00"), Stage.BOOKED, "ACTC", "2026-11-20", Decimal("10.00"), "S1"),
        ("T1", "B", Decimal("20.00"), Stage.REJECTED, "RJCT", None, None, None),
        ("T1", "C", Decimal("30.00"), Stage.CHECKED, "ACTC", None, None, None),
    ]
    refused = rows(busy, "payments")[2]
    assert (refused["means"], refused["batch"], refused["message_id"]) == (
        "the bank has refused it",
        "MSG-1-1",
        "MSG-1",
    )
    assert [reason["code"] for reason in refused["reasons"]] == ["AC04"]


def test_a_payment_that_came_back_is_told_with_the_return(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A", "10.00"), pay("B", "20.00"))
    book.report(statement("S1", debit("10.00", "A"), debit("20.00", "B"), closing="970.00"))
    back = credit("10.00", "A", reason="AC04", booking_date="2026-11-23")
    book.report(statement("S2", back, opening="970.00"))
    names = ("end_to_end_id", "stage", "returned_on", "returned_amount", "returned_currency")
    assert told(book, "payments", *names) == [
        ("A", Stage.RETURNED, "2026-11-23", Decimal("10.00"), "EUR"), ("B", Stage.BOOKED, None, None, None),
    ]  # fmt: skip
    assert [r["code"] for r in rows(book, "payments")[0]["return_reasons"]] == ["AC04"]
    with book.ledger.standings.of("T1") as standing:
        first, second = standing.payments()
    assert (first.stage, first.returned_on, first.returned_amount) == (Stage.RETURNED, "2026-11-23", Decimal("10.00"))
    assert [(reason["code"], bool(reason["means"])) for reason in first.reasons] == [("AC04", True)]
    assert (second.stage, second.reasons, second.returned_on) == (Stage.BOOKED, (), None)


def test_statuses_are_every_row_of_every_report_on_every_level(busy: Book) -> None:
    columns = ("message", "transfer", "level", "payment", "end_to_end_id", "status", "stage", "means")
    assert told(busy, "statuses", *columns) == [
        ("M2", "T1", "payment", 2, "B", "RJCT", Stage.REJECTED, "refused"),
        ("M1", "T1", "file", None, None, "ACTC", Stage.CHECKED, "form and signature are right"),
    ]
    assert rows(busy, "statuses")[0]["reasons"][0]["code"] == "AC04"


def test_a_report_on_nothing_of_ours_and_a_code_that_nobody_knows_are_told_too(book: Book) -> None:
    book.report(says("NO-SUCH", "NEWC"))
    assert told(book, "statuses", "transfer", "original_message_id", "status", "stage") == [
        (None, "NO-SUCH", "NEWC", None)
    ]


def test_statements_and_entries(busy: Book) -> None:
    assert told(busy, "statements", "message", "kind", "statement_id", "opening", "closing", "entries", "matched") == [
        ("M3", "053", "S1", Decimal("1000.00"), Decimal("989.00"), 2, 1)
    ]
    entries = rows(busy, "entries")
    assert [(e["position"], e["amount"], e["direction"]) for e in entries] == [
        (1, Decimal("10.00"), "DBIT"), (2, Decimal("1.00"), "DBIT"),
    ]  # fmt: skip
    assert [(d["end_to_end_id"], d["transfer"], d["payment"]) for d in entries[0]["details"]] == [("A", "T1", 1)]
    assert entries[0]["record"]["amount"] == "10.00"
    assert {(e["kind"], e["bank"], e["statement_id"], e["statement"]) for e in entries} == {("053", "acme", "S1", 1)}


def test_a_bank_and_days_can_be_asked_for(busy: Book) -> None:
    for wanted, files in (
        (Wanted(bank="other"), ["T2"]),
        (Wanted(bank="nobody"), []),
        (Wanted(since=date(2026, 11, 21)), ["T2"]),
        (Wanted(until=date(2026, 11, 20)), ["M3", "M2", "M1", "T1"]),
        (Wanted(since=date(2026, 11, 20), until=date(2026, 11, 21)), ["T2", "M3", "M2", "M1", "T1"]),
        (Wanted(since=date(2026, 11, 22)), []),
    ):
        assert [name for (name,) in told(busy, "files", "id", wanted=wanted)] == files
        outbound = [name for name in files if name.startswith("T")]
        transfers = [name for (name,) in told(busy, "payments", "transfer", wanted=wanted)]
        assert list(dict.fromkeys(transfers)) == outbound
        reports = [name for (name,) in told(busy, "statuses", "message", wanted=wanted)]
        assert reports == [name for name in files if name in ("M1", "M2")]


def test_statements_and_entries_are_asked_for_by_the_day_of_the_bank(book: Book) -> None:
    for name, day in (("S1", "2026-11-18"), ("S2", "2026-11-19"), ("S3", None)):
        balances = tuple(
            Balance(type=kind, amount=Decimal("1"), currency="EUR", direction="CRDT", date=day)
            for kind in ("OPBD", "CLBD")
        )
        head, said, entry = statement(name, debit("1.00", name), period_to=None if day else "2026-11-20T23:59:59")
        assert isinstance(said, Statement)
        book.report([head, replace(said, balances=balances), entry])
    for since, until, names in (
        (date(2026, 11, 19), None, ["S3", "S2"]),
        (None, date(2026, 11, 18), ["S1"]),
        (date(2026, 11, 20), date(2026, 11, 20), ["S3"]),
    ):
        wanted = Wanted(since=since, until=until)
        assert [name for (name,) in told(book, "statements", "statement_id", wanted=wanted)] == names
        assert [name for (name,) in told(book, "entries", "statement_id", wanted=wanted)] == names


def test_pages_leave_nothing_out_and_tell_nothing_twice(busy: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    busy.report(statement("S2", *(debit(f"{n}.00", None) for n in range(1, 6))))
    busy.received("T3", now=NOW)  # at the very moment of T1
    whole = {what: rows(busy, what) for what in COLUMNS}
    for page in (1, 2, 3):
        monkeypatch.setattr(exports, "PAGE", page)
        assert {what: rows(busy, what) for what in COLUMNS} == whole


def test_rows_are_read_as_they_are_asked_for(busy: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read ahead: what comes in between is not missed, and memory does not grow with the ledger."""
    monkeypatch.setattr(exports, "PAGE", 1)
    found = busy.ledger.exports.rows("payments", ALL)
    next(found)
    busy.report(says("MSG-1", "ACSC"))
    assert [row[-12] for row in found]  # the ledger was free to be written
    names = [column.name for column in COLUMNS["payments"]]
    assert [dict(zip(names, row, strict=True))["status"] for row in busy.ledger.exports.rows("payments", ALL)][
        1
    ] == "ACSC"
