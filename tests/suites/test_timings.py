"""How long a bank has taken lately, on each database."""

from __future__ import annotations

from datetime import timedelta

from h2h.ledger.timings import LATELY, Timings
from tests import alone
from tests.suites.books import LEASE, NOW, ROUTE, Book, pay, plan, says


def goes(book: Book, name: str, *, begins: float, takes: float) -> None:
    """A file that is uploaded for the first time so many seconds after it came, and takes so long."""
    ready = book.ready(name, f"MSG-{name}", pay(f"E-{name}"))
    at = NOW + timedelta(seconds=begins)
    leased = alone.lease(book.transfers, ready, "node/1", plan, ROUTE, at, LEASE)
    assert leased
    publishing = alone.publishing(book.transfers, leased, at)
    book.transfers.sent(publishing, {"answer": "OK"}, at + timedelta(seconds=takes))


def test_nothing_is_known_of_a_bank_to_which_nothing_went(book: Book) -> None:
    assert book.ledger.outlook.timings("acme") == Timings()


def test_what_the_last_files_took(book: Book) -> None:
    goes(book, "A", begins=2, takes=3)
    goes(book, "B", begins=4, takes=5)
    goes(book, "NEXT-DAY", begins=86400, takes=1)  # it had waited for its window
    book.report(says("MSG-A", "ACTC"))
    book.report(says("MSG-A", "ACSP"))
    found = book.ledger.outlook.timings("acme")
    assert sorted(found.queues) == [2, 4]
    assert sorted(found.uploads) == [(100, 1), (100, 3), (100, 5)]
    assert len(found.answers) == 1
    assert book.ledger.outlook.timings("other") == Timings()


def test_only_the_last_ones_count(book: Book) -> None:
    for n in range(LATELY + 3):
        goes(book, f"T{n:03}", begins=n, takes=1)
    assert sorted(book.ledger.outlook.timings("acme").queues)[:2] == [3, 4]
