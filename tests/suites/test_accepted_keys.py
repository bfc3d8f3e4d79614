"""Host keys that servers showed and people accepted, and since when our own are known, on each database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from h2h.errors import NotAllowed, ShownKey, UsageError
from h2h.ledger.keys import HostKey, Pins
from tests.suites.books import NOW, Book

pytestmark = pytest.mark.every_database

BANK, SERVER = "box", "sftp.bank.example:22"
KEY, OTHER = (f"SHA256:{letter * 43}" for letter in "KO")
HOUR = timedelta(hours=1)


def show(book: Book, *keys: str, at: int = 0) -> None:
    shown = [ShownKey(fingerprint=key, algorithm="ssh-ed25519") for key in keys]
    book.ledger.keys.shown(BANK, SERVER, shown, NOW + at * HOUR)


def accept(
    book: Book, who: str, key: str = KEY, *, in_advance: bool = False, reason: str = "by letter", at: int = 0
) -> HostKey:
    said = {"who": who, "reason": reason, "now": NOW + at * HOUR, "in_advance": in_advance}
    return book.ledger.acceptance.accept(BANK, SERVER, key, **said)  # type: ignore[arg-type]


def withdraw(book: Book, key: str = KEY, *, at: int = 1) -> HostKey:
    now = NOW + at * HOUR
    return book.ledger.acceptance.withdraw(BANK, SERVER, key, who="cleo", reason="not theirs", now=now)


def told(book: Book) -> Sequence[tuple[str, str]]:
    return [(event.kind, event.actor) for event in book.ledger.journal.of(f"bank {BANK}")]


def pins(accepted: Sequence[str] = (), withdrawn: Sequence[str] = ()) -> Pins:
    return Pins(accepted=frozenset(accepted), withdrawn=frozenset(withdrawn))


def test_a_key_counts_from_the_second_person_on_for_its_bank_and_server_alone(book: Book) -> None:
    show(book, KEY)
    assert not accept(book, "anna").counts
    assert book.ledger.keys.pins(BANK, SERVER) == pins()
    assert accept(book, "berta").counts
    assert book.ledger.keys.pins(BANK, SERVER) == pins([KEY])
    assert book.ledger.keys.pins("other", SERVER) == book.ledger.keys.pins(BANK, "sftp.bank.example:2222") == pins()
    with pytest.raises(NotAllowed, match="accepted already, by anna and berta"):
        accept(book, "cleo")
    assert told(book) == [
        ("host key shown", "gateway"), ("host key proposed", "anna"), ("host key accepted", "berta")
    ]  # fmt: skip


def test_one_person_is_not_two(book: Book) -> None:
    show(book, KEY)
    accept(book, "anna")
    with pytest.raises(NotAllowed, match="somebody else"):
        accept(book, "anna")
    assert book.ledger.keys.pins(BANK, SERVER) == pins()


def test_a_key_that_was_never_shown_is_accepted_in_advance_alone(book: Book) -> None:
    show(book, OTHER)
    with pytest.raises(UsageError, match=f"never shown {KEY}; it showed {OTHER}"):
        accept(book, "anna")
    accept(book, "anna", in_advance=True)
    assert accept(book, "berta").counts


def test_a_withdrawn_key_counts_no_more_and_takes_two_persons_again(book: Book) -> None:
    show(book, KEY)
    for who in ("anna", "berta"):
        accept(book, who)
    withdraw(book)
    assert book.ledger.keys.pins(BANK, SERVER) == pins(withdrawn=[KEY])
    with pytest.raises(NotAllowed, match="Nobody accepted or proposed"):
        withdraw(book)
    assert not accept(book, "berta", at=2).counts
    assert book.ledger.keys.pins(BANK, SERVER) == pins(withdrawn=[KEY])
    accepted = accept(book, "anna", at=3)
    assert accepted.counts
    assert (accepted.proposed_by, accepted.accepted_by) == ("berta", "anna")
    assert book.ledger.keys.pins(BANK, SERVER) == pins([KEY])


def test_one_person_undoes_no_withdrawal_by_proposing_or_withdrawing(book: Book) -> None:
    show(book, KEY)
    for who in ("anna", "berta"):
        accept(book, who)
    withdraw(book)
    assert accept(book, "anna", at=2).pending
    with pytest.raises(NotAllowed, match="somebody else"):
        accept(book, "anna", at=3)
    withdrawn = withdraw(book, at=3)
    assert not withdrawn.pending
    assert book.ledger.keys.pins(BANK, SERVER) == pins(withdrawn=[KEY])
    assert not accept(book, "berta", at=4).counts


def test_a_proposal_can_be_withdrawn_and_then_nobody_accepts_it_by_one_word(book: Book) -> None:
    show(book, KEY)
    accept(book, "anna")
    withdraw(book)
    assert not accept(book, "berta", at=2).counts


def test_what_a_server_shows_again_and_again_is_one_event_and_known_from_when_to_when(book: Book) -> None:
    for at in range(3):
        show(book, KEY, OTHER, at=at)
    [first, second] = book.ledger.keys.host_keys()
    assert {first.fingerprint, second.fingerprint} == {KEY, OTHER}
    assert (first.shown_at, first.last_shown_at) == (NOW, NOW + 2 * HOUR)
    assert told(book) == [("host key shown", "gateway")] * 2


def test_a_second_word_ends_the_time_in_which_the_bank_is_left_alone(book: Book) -> None:
    show(book, KEY)
    book.ledger.contacts.failed(BANK, "HostKeyChanged", "another key", NOW + HOUR, NOW)
    accept(book, "anna")
    assert book.ledger.contacts.suspended_until(BANK) == NOW + HOUR
    accept(book, "berta")
    assert book.ledger.contacts.suspended_until(BANK) is None


def test_a_rehearsal_leaves_nothing(book: Book) -> None:
    show(book, KEY)
    would = book.ledger.acceptance_rehearsal.accept(
        BANK, SERVER, KEY, who="anna", reason="by letter", now=NOW, in_advance=False
    )
    assert would.proposed_by == "anna"
    assert [key.proposed_by for key in book.ledger.keys.host_keys()] == [None]


def test_an_empty_reason_is_refused(book: Book) -> None:
    show(book, KEY)
    with pytest.raises(UsageError, match="The reason is empty"):
        accept(book, "anna", reason=" ")


def test_a_key_of_ours_is_known_since_it_was_seen_first(book: Book) -> None:
    book.ledger.keys.note_known({KEY}, NOW)
    book.ledger.keys.note_known({KEY, OTHER}, NOW + HOUR)
    assert book.ledger.keys.known_since() == {KEY: NOW, OTHER: NOW + HOUR}
    book.ledger.keys.made(BANK, "SHA256:new", who="anna", use="login", now=NOW)
    assert book.ledger.keys.known_since()["SHA256:new"] == NOW
    assert told(book) == [("key made", "anna")]
