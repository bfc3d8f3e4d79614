"""What files are sealed in, or came in, in the ledger: each in one commit with its event."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import update

from h2h.errors import Stale
from h2h.ledger import tables as t
from h2h.ledger.messages import OPENED, Message, MessageState
from h2h.ledger.retention import Way
from h2h.ledger.rows import Transfer
from h2h.ledger.sealings import SEALED, UNSEALED
from h2h.lifecycle import State
from h2h.model import InboundId, RemoteFile, Seal, Sealed
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


# What came in them.


def came(book: Book, number: int, opened: str) -> Message:
    """An encrypted file, each in another encryption."""
    file = RemoteFile(folder="/out", name=f"{number}.pgp", size=5, modified=number)
    kept = book.ledger.messages.kept(InboundId(f"M{number}"), "acme", file, f"{number}" * 64, NOW)
    return book.ledger.messages.opened(kept.id, opened, 3, "F1", NOW)


def test_what_was_opened_before_is_known_in_another_encryption_and_in_none(book: Book) -> None:
    first, again = came(book, 1, "c" * 64), came(book, 2, "c" * 64)
    assert (first.state, first.read_sha256, first.signed_by) == (MessageState.KEPT, "c" * 64, "F1")
    assert (again.state, again.same_as) == (MessageState.REPEATED, "M1")
    bare = RemoteFile(folder="/out", name="3.xml", size=3, modified=3)
    plain = book.ledger.messages.kept(InboundId("M3"), "acme", bare, "c" * 64, NOW)
    assert (plain.state, plain.same_as) == (MessageState.REPEATED, "M1")
    assert came(book, 4, "d" * 64).state is MessageState.KEPT
    assert book.kinds("M2") == [MessageState.KEPT, OPENED, MessageState.REPEATED]


def test_with_a_file_go_the_bytes_in_it_unless_another_holds_them(book: Book) -> None:
    came(book, 1, "c" * 64)
    came(book, 2, "c" * 64)
    purged = update(t.message).where(t.message.c.id == "M1").values(purged_at=NOW)
    with book.ledger._database.transaction() as connection:
        connection.execute(purged)
    [marked] = book.ledger.erasing.marked(Way.IN)
    assert marked.hashes == ("1" * 64, "c" * 64)
    assert [book.ledger.erasing.bytes_asked_for(each) for each in marked.hashes] == [False, True]
