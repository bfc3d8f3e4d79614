"""What the lookout asks of the ledger, on each database."""

from __future__ import annotations

from datetime import timedelta

import pytest

from h2h.contract import AnswerStage, reached
from h2h.ledger import outlook
from h2h.ledger.columns import Instant
from tests.suites.books import NOW, Book, batch, pay, says, tx
from tests.suites.test_ledger import book_url, sql

DAY = timedelta(days=1)
RECEIVED, SYNTAX, BATCH, PAYMENT = AnswerStage


def stages(book: Book, transfer_id: str) -> set[AnswerStage]:
    outlook, sent_at = book.ledger.outlook, book.transfers.get(transfer_id).sent_at
    assert sent_at
    spoken, last = outlook.spoken(transfer_id, sent_at), outlook.last_report(transfer_id, sent_at)
    return set(reached(spoken.statuses, spoken.silent, answered=last is not None))


def test_files_on_their_way_are_those_that_are_not_at_the_bank_for_certain(book: Book) -> None:
    book.ready("T1", "MSG-1")
    book.staging("T2", "MSG-2")
    book.publishing("T3", "MSG-3")
    book.uncertain("T4", "MSG-4")
    book.sent("T5", "MSG-5")
    assert {file.id for file in book.ledger.outlook.on_the_way()} == {"T1", "T2", "T3", "T4"}


def test_what_is_owed_an_answer_is_what_was_sent_lately_and_is_not_settled(book: Book) -> None:
    for number in range(1, 5):
        book.sent(f"T{number}", f"MSG-{number}", pay(f"A{number}"), pay(f"B{number}"))
    book.report(says("MSG-2", "ACTC"))
    book.report(says("MSG-3", "ACSP"))
    book.report(says("MSG-4", "PART", batch("MSG-4-1", None, tx("A4", "RJCT", reason="AC04"))))
    assert {file.id for file in book.ledger.outlook.unsettled("acme", NOW + DAY)} == {"T1", "T2", "T4"}
    assert book.ledger.outlook.unsettled("other", NOW + DAY) == []
    assert book.ledger.outlook.unsettled("acme", NOW + 121 * DAY) == []


def test_how_far_the_banks_word_has_come(book: Book) -> None:
    for name in ("MUTE", "RCVD", "ACTC", "ACSP"):
        book.sent(name, f"MSG-{name}", pay(f"A-{name}"), pay(f"B-{name}"))
    for status in ("RCVD", "ACTC", "ACSP"):
        book.report(says(f"MSG-{status}", status))
    assert stages(book, "MUTE") == set()
    assert stages(book, "RCVD") == {RECEIVED}
    assert stages(book, "ACTC") == {RECEIVED, SYNTAX}
    assert stages(book, "ACSP") == {RECEIVED, SYNTAX, BATCH, PAYMENT}


def test_a_word_on_each_batch_is_more_than_one_on_the_file(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"), pay("B"))
    book.report(says("MSG-1", "ACTC"))
    book.report(says("MSG-1", None, batch("MSG-1-1", "PATC")))
    assert stages(book, "T1") == {RECEIVED, SYNTAX, BATCH}


def test_however_many_wait_in_one_state_those_in_others_are_seen(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlook, "MOST_BY_THEMSELVES", 2)
    monkeypatch.setattr(outlook, "MOST", 2)
    for n in range(3):
        book.ready(f"R{n}", f"MSG-R{n}")
    book.uncertain("U", "MSG-U")
    book.received("NEW")
    assert {file.id for file in book.ledger.outlook.on_the_way()} >= {"U", "NEW"}
    for n in range(3):
        book.sent(f"S{n}", f"MSG-S{n}")
        book.report(says(f"MSG-S{n}", "ACTC"))
    book.sent("MUTE", "MSG-MUTE")
    assert book.ledger.outlook.unsettled("acme", NOW + DAY)[0].id == "MUTE"


def test_what_was_refused_is_news_when_the_banks_word_is_new(book: Book) -> None:
    book.sent("T1", "MSG-1")
    book.report(says("MSG-1", "RJCT"))
    assert [file.id for file in book.ledger.outlook.refused(NOW)] == ["T1"]
    sql(book_url(book), f"UPDATE transfer SET received_at = '{Instant.written(NOW - 10 * DAY)}'")
    assert [file.id for file in book.ledger.outlook.refused(NOW)] == ["T1"]
    assert book.ledger.outlook.refused(NOW + 4 * DAY) == []
