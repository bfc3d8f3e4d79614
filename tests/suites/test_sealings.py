"""What files are sealed in, in the ledger: of one that waits alone, in one commit with its event."""

from __future__ import annotations

from dataclasses import replace

from h2h.errors import Stale
from h2h.ledger.rows import Transfer
from h2h.ledger.sealings import SEALED, UNSEALED
from h2h.lifecycle import State
from h2h.model import Seal, Sealed
from tests.suites.books import NOW, Book, pay

GZIP = Sealed(seal=Seal(compress="gzip"), sha256="a" * 64, size=7)
SIGNED = Sealed(seal=Seal(pgp="sign", signed_by="F1"), sha256="b" * 64, size=9)


def seal(book: Book, transfer: Transfer, sealed: Sealed | None) -> Transfer | Stale:
    [found] = book.ledger.sealings.sealed_many([(transfer, sealed)], NOW)
    return found


def test_a_waiting_file_is_sealed_anew_or_sent_as_it_is(book: Book) -> None:
    waiting = book.ready("T1", "MSG-1", pay("A"))
    first = seal(book, waiting, GZIP)
    assert isinstance(first, Transfer)
    assert (first.sent_sha256, first.sent_size, first.sealed_by, first.state) == ("a" * 64, 7, "gzip", State.READY)
    second = seal(book, first, SIGNED)
    assert isinstance(second, Transfer)
    assert (second.sent_sha256, second.sealed_by) == ("b" * 64, "signed by F1")
    assert book.ledger.views.sealed_as("T1") == ["a" * 64, "b" * 64]
    third = seal(book, second, None)
    assert isinstance(third, Transfer)
    assert (third.sent_sha256, third.sent_size, third.sealed_by) == (waiting.sha256, waiting.size, None)
    assert book.kinds("T1")[-3:] == [SEALED, SEALED, UNSEALED]
    assert book.ledger.transfers.get("T1") == third


def test_what_somebody_changed_meanwhile_is_not_sealed_and_spoils_none_beside_it(book: Book) -> None:
    one, other = book.ready("T1", "MSG-1", pay("A")), book.ready("T2", "MSG-2", pay("B"))
    changed = seal(book, one, GZIP)
    found = book.ledger.sealings.sealed_many([(one, SIGNED), (other, SIGNED)], NOW)
    assert [type(each) for each in found] == [Stale, Transfer]
    assert book.ledger.transfers.get("T1") == changed


def test_from_its_lease_on_nothing_is_sealed(book: Book) -> None:
    for transfer in (
        book.staging("T1", "MSG-1", pay("A")),
        book.publishing("T2", "MSG-2", pay("B")),
        book.sent("T3", "MSG-3", pay("C")),
        book.uncertain("T4", "MSG-4", pay("D")),
    ):
        now = book.ledger.transfers.get(transfer.id)
        assert isinstance(seal(book, now, GZIP), Stale)
        assert book.ledger.transfers.get(transfer.id) == now


def test_a_file_that_cannot_be_sealed_is_held_with_the_reason(book: Book) -> None:
    waiting = book.ready("T1", "MSG-1", pay("A"))
    held = book.ledger.sealings.failed(waiting, "the key ended", NOW)
    assert (held.state, held.reason, held.due_at) == (State.HELD, "the key ended", None)
    assert replace(held, version=0) == replace(book.ledger.transfers.get("T1"), version=0)
