"""What is counted for metrics: what is open of each bank, and what happened since it was asked last."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from h2h.kinds import Kind
from h2h.ledger import gauges
from h2h.ledger.gauges import OPEN, Change
from h2h.lifecycle import MOVES, State
from h2h.model import Finding, InboundId, RemoteFile, Severity
from tests.suites.books import LATER, NOW, Book, pay, says
from tests.suites.plans import noted, whole_tables
from tests.suites.test_gaps import closes

EUROS = Kind((), None, "EUR")
UNTIL = NOW + timedelta(minutes=1)


def not_delivered(book: Book, name: str, due: bool = True) -> None:
    leased = book.staging(name, f"MSG-{name}", pay(name))
    told = {"step": "stage", "outcome": "NOT_DELIVERED", "text": "the line broke", "failures": 1}
    book.transfers.not_delivered(leased, **told, due_at=UNTIL if due else None, now=LATER)  # type: ignore[arg-type]


def of_everything(book: Book) -> None:
    book.sent("S1", "MSG-1", pay("A"))
    book.sent("S2", "MSG-2", pay("B"))
    book.sent("S3", "MSG-3", pay("C"))
    book.report(says("MSG-3", "ACCP"))
    book.received("R1")
    book.ready("Y1", "MSG-Y", pay("Y"))
    book.uncertain("U1", "MSG-U", pay("U"))
    not_delivered(book, "N1")
    not_delivered(book, "N2", due=False)
    file = RemoteFile(folder="/out", name="odd.xml", size=10, modified=1)
    half = Finding(code="XML_TRUNCATED", severity=Severity.ERROR, text="It ends too soon.")
    book.ledger.messages.cut(InboundId("ODD"), "acme", file, "0" * 64, half, LATER)
    book.report(closes(18, 1, "100", "90"))
    book.report(closes(20, 3, "80", "70"))
    book.ledger.contacts.failed("acme", "NotDelivered", "down", UNTIL, NOW)


@pytest.mark.every_database
def test_what_is_open_is_counted_by_bank(book: Book) -> None:
    [unused] = book.ledger.gauges.of(["acme"])
    assert (unused.reachable, unused.last_good_at, unused.oldest_ready) == (None, None, None)
    assert set(unused.states.values()) == {0}
    of_everything(book)
    acme, other = book.ledger.gauges.of(["acme", "other"])
    found = {state: number for state, number in acme.states.items() if number}
    assert found == {State.RECEIVED: 1, State.READY: 2, State.UNCERTAIN: 1, State.FAILED: 1}
    assert sum(w.number for w in acme.waiting) == 3
    assert {(w.watch, str(w.kinds)) for w in acme.waiting} == {("/out", "None"), ("/out", str([EUROS]))}
    assert acme.oldest_ready == NOW
    assert (acme.unanswered, acme.unreadable, acme.gaps) == (2, 1, 1)
    assert (acme.reachable, acme.failures, acme.last_good_at) == (False, 1, None)
    book.ledger.contacts.good("acme", LATER)
    [acme] = book.ledger.gauges.of(["acme"])
    assert (acme.reachable, acme.failures, acme.last_good_at) == (True, 0, LATER)
    assert (other.bank, other.waiting, other.unanswered, other.gaps) == ("other", [], 0, 0)


def test_what_a_bank_never_answers_is_counted_up_to_a_bound(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gauges, "MOST", 2)
    for n in range(3):
        book.sent(f"S{n}", f"MSG-{n}", pay(str(n)))
    assert book.ledger.gauges.of(["acme"])[0].unanswered == 2


def test_the_states_that_are_counted_are_all_but_the_ends() -> None:
    ends = set(State) - set(OPEN)
    assert all(move.state is State.SENT for move in MOVES if move.state in ends)  # SENT is left by a person alone


@pytest.mark.every_database
def test_changes_are_told_once_page_by_page(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    before = book.ledger.journal.last().seq
    of_everything(book)
    whole = book.ledger.gauges.changes(before)
    counted = Counter((change.state, change.failed) for change in whole.changes)
    assert counted == {
        (State.RECEIVED, False): 8, (State.READY, False): 7, (State.STAGING, False): 6, (State.PUBLISHING, False): 4,
        (State.SENT, False): 3, (State.UNCERTAIN, False): 1, (State.READY, True): 1, (State.FAILED, True): 1,
    }  # fmt: skip
    assert (whole.all, whole.seq) == (True, book.ledger.journal.last().seq)
    assert {change.bank for change in whole.changes} == {"acme"}
    monkeypatch.setattr(gauges, "PAGE", 7)
    told: list[Change] = []
    seq, done = before, False
    while not done:
        page = book.ledger.gauges.changes(seq)
        told += page.changes
        seq, done = page.seq, page.all
    assert told == whole.changes
    assert book.ledger.gauges.changes(seq).changes == []


def test_it_goes_through_nothing_that_is_done_with(book: Book) -> None:
    of_everything(book)
    engine = book.ledger._database.engine
    since = book.ledger.journal.last().seq - 3
    with noted(engine) as asked:
        book.ledger.gauges.of(["acme"])
        book.ledger.gauges.changes(since)
    assert len(asked) >= 9
    assert whole_tables(engine, asked) == []
    if engine.dialect.name == "sqlite":
        ways = [_plan(engine, said, values) for said, values in asked if "FROM transfer" in said]
        assert len(ways) == 4
        assert [way for way in ways if "(bank=? AND state=?" not in way] == []
        assert ["verdict=?" in way for way in ways].count(True) == 1


def _plan(engine: Engine, said: str, values: Any) -> str:
    with engine.connect() as connection:
        return " | ".join(row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {said}", values))
