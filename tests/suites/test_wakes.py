"""Which banks have something to do: what the daemon asks for all of them at once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from h2h.lifecycle import State
from tests import alone
from tests.suites.books import LATER, LEASE, NOW, Book, pay

pytestmark = pytest.mark.every_database


def test_a_bank_is_woken_for_what_is_due_and_for_nothing_else(book: Book) -> None:
    ledger = book.ledger
    a, b = Book(ledger, "a"), Book(ledger, "b")
    assert ledger.wakes.banks(NOW) == set()
    a.ready("T1", "MSG-1")
    b.received("T2", content="not judged yet")
    assert (ledger.wakes.banks(NOW - timedelta(seconds=1)), ledger.wakes.banks(NOW)) == (set(), {"a"})
    a.sent("T3", "MSG-3", pay("B"))
    leased = a.lease(a.transfers.get("T1"))
    assert leased
    assert ledger.wakes.banks(NOW) == set()


def test_what_was_left_under_way_wakes_its_bank_when_its_lease_runs_out(book: Book) -> None:
    book.staging("T1", "MSG-1")
    assert book.ledger.wakes.banks(NOW + LEASE) == set()
    assert book.ledger.wakes.banks(NOW + LEASE + timedelta(seconds=1)) == {"acme"}
    published = alone.publishing(book.transfers, book.transfers.get("T1"), NOW)
    book.transfers.look_again(published, "the line broke", LATER, NOW)
    assert (book.ledger.wakes.banks(NOW), book.ledger.wakes.banks(LATER)) == (set(), {"acme"})


def test_nobody_waits_for_what_another_one_publishes(book: Book) -> None:
    """It is due all the while: a line that looked for it would look twenty times a second, and pull nothing."""
    published = book.publishing("T1", "MSG-1")
    assert book.transfers.next_due("acme") is None
    book.transfers.look_again(published, "the line broke", LATER, NOW)
    assert book.transfers.next_due("acme") == LATER


def test_a_bank_that_is_left_alone_is_not_woken_before_that_ends(book: Book) -> None:
    book.ready("T1", "MSG-1")
    book.ledger.contacts.failed("acme", "NotDelivered", "down", LATER, NOW)
    assert (book.ledger.wakes.banks(NOW), book.ledger.wakes.banks(LATER)) == (set(), {"acme"})


def test_in_safe_mode_nothing_that_is_ready_wakes_its_bank(book: Book) -> None:
    book.ledger.restored.begin(["a sign"], NOW)
    assert book.ready("T1", "MSG-1").state is State.READY
    assert book.ledger.wakes.banks(NOW) == set()
    book.ledger.restored.stock_taken([], NOW)
    book.ledger.restored.accept(who="anna", reason="compared", now=NOW)
    assert book.ledger.wakes.banks(NOW) == {"acme"}
