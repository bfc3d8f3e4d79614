"""What the ERP has to be told anew, by the journal; and versions that never say two things. On both databases."""

from __future__ import annotations

from typing import Any

import pytest

from h2h.ledger import feedback
from h2h.ledger.feedback import ERA, TOLD
from h2h.ledger.journal import record
from h2h.ledger.safety import LEDGER, Safety
from h2h.life import Stage
from tests.suites.books import LATER, NOW, Book, debit, pay, says, statement

OUT = ["/out"]  # where the files of the books are from


def changed(book: Book, bank: str = "acme") -> list[str]:
    """All that changed since this was asked last."""
    found: list[str] = []
    while news := book.ledger.feedback.changed(bank, OUT):
        found += news.transfers
        book.ledger.feedback.seen(bank, news.seq)
    return sorted(set(found))


def test_what_happens_to_a_file_its_payments_and_its_bookings_is_news_once(book: Book) -> None:
    book.ledger.feedback.begin(["acme", "other"])
    book.sent("T1", "MSG-1", pay("A", "10.00"), pay("B", "20.00"))
    book.received("T2", bank="other")
    assert (changed(book), changed(book), changed(book, "other")) == (["T1"], [], ["T2"])
    for said in (says("MSG-1", "ACSP"), statement("S1", debit("10.00", "A"))):
        book.report(said)
        assert (changed(book), changed(book), changed(book, "other")) == (["T1"], [], [])
    book.report(statement("S2", debit("99.00", "nobody's"), opening="990.00"))
    assert changed(book) == []


def test_files_from_other_folders_are_no_news(book: Book) -> None:
    book.sent("T1", "MSG-1")
    news = book.ledger.feedback.changed("acme", ["/elsewhere"])
    assert news is not None
    assert news.transfers == ()


def test_the_first_look_is_at_what_comes_after_the_erp_wanted_to_be_told(book: Book) -> None:
    book.sent("T1", "MSG-1")
    book.ledger.feedback.begin(["acme"])
    assert changed(book) == []
    book.sent("T2", "MSG-2")
    book.ledger.feedback.begin(["acme"])  # at the next start
    assert changed(book) == ["T2"]


@pytest.mark.parametrize("events", [1, 2, 3])
def test_news_comes_in_pages_and_none_is_left_out(book: Book, events: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback, "EVENTS", events)
    book.ledger.feedback.begin(["acme"])
    for name in ("1", "2", "3"):
        book.sent(f"T{name}", f"MSG-{name}", pay(name))
    book.report(says("MSG-2", "ACSP"))
    assert changed(book) == ["T1", "T2", "T3"]


def test_a_version_is_allotted_for_each_content_and_told_until_it_is_written(book: Book) -> None:
    told = book.ledger.feedback
    told.begin(["acme"])
    book.sent("T1", "MSG-1")
    first = told.allot("T1", "a", NOW)
    assert first is not None
    assert (first.number, first.at, told.allot("T1", "a", LATER)) == (1, NOW, first)
    assert (told.unwritten("acme", OUT), told.unwritten("acme", ["/elsewhere"])) == (["T1"], [])
    told.written("T1", 1, LATER)
    assert (told.unwritten("acme", OUT), told.allot("T1", "a", LATER)) == ([], None)
    second = told.allot("T1", "b", LATER)
    assert second is not None
    assert (second.number, told.unwritten("acme", OUT)) == (2, ["T1"])
    told.written("T1", 1, LATER)  # late, of a version that is not the newest any more
    assert told.unwritten("acme", OUT) == ["T1"]
    third = told.allot("T1", "a", LATER)
    assert third is not None
    assert third.number == 3


def test_a_version_stands_in_the_journal_and_is_no_news(book: Book) -> None:
    book.ledger.feedback.begin(["acme"])
    book.sent("T1", "MSG-1")
    changed(book)
    book.ledger.feedback.allot("T1", "a", NOW)
    (event,) = (event for event in book.ledger.journal.of("T1") if event.kind == TOLD)
    assert dict(event.data) == {"version": 1, "sha256": "a"}
    assert changed(book) == []
    assert book.ledger.journal.verify().fault is None


def test_after_a_ledger_was_put_back_versions_begin_beyond_those_that_it_forgot(book: Book) -> None:
    book.sent("T1", "MSG-1")
    book.ledger.feedback.allot("T1", "a", NOW)
    with book.ledger._database.transaction() as connection:
        record(connection, at=NOW, subject=LEDGER, kind=Safety.BEGAN, actor="gateway", data={"signs": []})
    version = book.ledger.feedback.allot("T1", "b", NOW)
    assert version is not None
    assert version.number == ERA + 1


def test_a_standing_is_of_one_moment(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    from h2h.ledger import standings

    monkeypatch.setattr(standings, "PAGE", 2)
    book.sent("T1", "MSG-1", pay("A"), pay("B"), pay("C", batch=2))
    with book.ledger.standings.of("T1") as standing:
        assert [p.stage for p in standing.payments()] == [Stage.SUBMITTED] * 3
        book.report(says("MSG-1", "ACSP"))
        assert [p.stage for p in standing.payments()] == [Stage.SUBMITTED] * 3
        assert [(b.payment_information_id, b.count) for b in standing.file.batches] == [("MSG-1-1", 2), ("MSG-1-2", 1)]
    with book.ledger.standings.of("T1") as standing:
        found: list[Any] = [(p.end_to_end_id, p.batch, p.stage) for p in standing.payments()]
    assert found == [("A", 1, Stage.IN_PROCESS), ("B", 1, Stage.IN_PROCESS), ("C", 2, Stage.IN_PROCESS)]


def test_the_reason_of_a_state_that_passes_is_not_told(book: Book) -> None:
    transfer = book.ready("T1", "MSG-1")
    book.transfers.postpone(transfer, LATER, "the window opens later", NOW)
    with book.ledger.standings.of("T1") as standing:
        assert (standing.file.state, standing.file.reason) == ("READY", None)
    book.transfers.late(book.transfers.get("T1"), "the cut-off passed", NOW)
    with book.ledger.standings.of("T1") as standing:
        assert (standing.file.state, standing.file.reason) == ("HELD", "the cut-off passed")
