"""Payments are found by whatever somebody knows of them. On SQLite and on a real PostgreSQL."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import event

from h2h.ledger.search import Wanted
from h2h.life import Stage
from tests import alone
from tests.changing import replace
from tests.suites.books import ACCOUNT, NOW, Book, Pay, batch, credit, debit, judgement, pay, says, statement, tx

UETR = "1ce7bb16-8c9e-4b9b-8d7b-0d0e0f0a0b0c"
TO = "FR1420041010050500013M02606"


def found(book: Book, **wanted: Any) -> list[str | None]:
    return [row.end_to_end_id for row in book.ledger.views.search(Wanted(**wanted)).payments]


def sent(book: Book, transfer_id: str, message_id: str, *pays: Pay, names: str = "", execution: str = "") -> None:
    """As book.sent, with a creditor's name and an execution date for all."""
    book.received(transfer_id)
    said = judgement(message_id, *pays)
    extra = {"creditor_name": names or None, "execution_date": execution or None}
    said = replace(said, payments=[replace(p, **extra) for p in said.payments])
    alone.judged(book.transfers, book.transfers.get(transfer_id).id, said, NOW, same_payments_within=timedelta())
    leased = book.lease(book.transfers.get(transfer_id))
    assert leased is not None
    book.transfers.sent(alone.publishing(book.transfers, leased, NOW), {"answer": "OK"}, NOW)


@pytest.fixture
def known(book: Book) -> Book:
    first = (pay("A", "10.00", instruction="I-1", uetr=UETR, to=TO), pay("B", "20", batch=2))
    sent(book, "T1", "MSG-1", *first, names="Ateliers Ravel SARL", execution="2026-11-20")
    sent(book, "T2", "MSG-2", pay("C", "30.50"), names="Zoë Straße", execution="2026-12-01T00:00:00+01:00")
    paid = debit("10.00", "A", account_servicer_reference="ASR-1", booking_date="2026-11-23")
    known = replace(paid.details[0], transaction_id="TX-1", account_servicer_reference="ASR-2")
    book.report(statement("S1", replace(paid, details=(known,))))
    back = credit("10.00", "A", reason="AC04", account_servicer_reference="ASR-3", booking_date="2026-12-02")
    book.report(statement("S2", back))
    return book


REFERENCES = {
    "A": ["A"], "I-1": ["A"], UETR: ["A"], UETR.upper(): ["A"], "MSG-1-2": ["B"], "MSG-1": ["A", "B"],
    "ASR-1": ["A"], "ASR-2": ["A"], "ASR-3": ["A"], "TX-1": ["A"], "a": [], "MSG": [], "": [],
}  # fmt: skip


def test_a_payment_is_found_by_any_reference(known: Book) -> None:
    assert {reference: found(known, reference=reference) for reference in REFERENCES} == REFERENCES


WANTED: list[tuple[dict[str, Any], list[str]]] = [
    ({"name": "ravel"}, ["A", "B"]),
    ({"name": "ZOË STRASSE"}, ["C"]),
    ({"name": "nobody"}, []),
    ({"least": Decimal("20.00"), "most": Decimal("20.00")}, ["B"]),
    ({"least": Decimal("30.5"), "most": Decimal("30.5")}, ["C"]),
    ({"least": Decimal("20")}, ["B", "C"]),
    ({"most": Decimal("19.99")}, ["A"]),
    ({"least": Decimal("9"), "most": Decimal("21")}, ["A", "B"]),
    ({"account": TO}, ["A"]),
    ({"account": "FR14 2004 1010 0505 0001 3M02 606"}, ["A"]),
    ({"account": ACCOUNT}, ["A", "B", "C"]),
    ({"since": date(2026, 12, 1)}, ["A", "C"]),  # A came back on the 2nd
    ({"until": date(2026, 11, 20)}, ["A", "B"]),
    ({"since": date(2026, 11, 23), "until": date(2026, 11, 30)}, ["A"]),
    ({"since": date(2026, 12, 1), "until": date(2026, 12, 1)}, ["C"]),
    ({"stage": Stage.RETURNED}, ["A"]),
    ({"stage": Stage.SUBMITTED}, ["B", "C"]),
    ({"bank": "acme", "name": "ravel", "stage": Stage.SUBMITTED}, ["B"]),
    ({"bank": "other"}, []),
    ({"reference": "MSG-1", "name": "ravel", "most": Decimal("10")}, ["A"]),
    ({"reference": "MSG-1", "since": date(2026, 12, 1)}, ["A"]),
    ({"reference": "MSG-1", "bank": "other"}, []),
    ({}, ["A", "B", "C"]),
]


def test_payments_are_found_by_what_else_is_known_of_them(known: Book) -> None:
    assert [(wanted, sorted(map(str, found(known, **wanted)))) for wanted, _ in WANTED] == WANTED


def test_the_newest_file_comes_first_and_at_most_so_many(book: Book) -> None:
    for number in range(3):
        book.received(f"T{number}", now=NOW + timedelta(minutes=number))
        book.judged(f"T{number}", f"MSG-{number}", pay(f"A{number}"), pay(f"B{number}"))
    assert found(book, limit=3) == ["A2", "B2", "A1"]
    assert found(book, least=Decimal("10"), most=Decimal("10"), limit=3) == ["A2", "B2", "A1"]
    assert found(book, name="nobody") == []


def test_what_was_not_looked_at_is_told(known: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("h2h.ledger.search.SCANNED", 2)
    result = known.ledger.views.search(Wanted(name="Ravel", limit=5))
    assert result.looked_at == 2
    assert known.ledger.views.search(Wanted(reference="MSG-2", name="Zoë")).looked_at is None
    assert known.ledger.views.search(Wanted(limit=1)).looked_at is None


def test_the_cost_of_a_reference_does_not_grow_with_the_ledger(book: Book) -> None:
    """Every query that it makes is answered by an index."""
    if not str(book.ledger._database.engine.url).startswith("sqlite"):
        pytest.skip("how SQLite plans is asked of SQLite")
    book.sent("T1", "MSG-1", pay("A"))
    asked: list[tuple[str, Any]] = []
    engine = book.ledger._database.engine
    event.listen(engine, "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))
    assert found(book, reference="A") == ["A"]
    queries = [(query, values) for query, values in asked if query.startswith("SELECT")]
    assert len(queries) > 8
    with engine.connect() as connection:
        plans = [
            str(row[3])
            for query, values in queries
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values)
        ]
    assert [plan for plan in plans if plan.startswith("SCAN") and "CONSTANT" not in plan] == []


def test_a_report_on_a_payment_that_nobody_knows_is_found_by_its_references(book: Book) -> None:
    message, _ = book.report(says("MSG-9", "PART", batch("MSG-9-1", "PART", tx("Z", "RJCT", reason="AC04", uetr=UETR))))
    for reference in ("Z", UETR):
        [row] = book.ledger.views.orphans_naming(reference)
        assert (row["message_id"], row["status"], row["reasons"][0]["means"]) == (
            message.id, "RJCT", "the account is closed",
        )  # fmt: skip
    assert [row["status"] for row in book.ledger.views.orphans_naming("MSG-9")] == ["ACCP", "RJCT"]
    assert book.ledger.views.orphans_naming("nothing") == []
