"""Questions that are asked all day cost what their answers are large, not what the store is."""

from __future__ import annotations

import pytest

from h2h.alarms import Alarm, Urgency
from h2h.lifecycle import State
from h2h.model import RemoteFile
from tests import alone
from tests.suites.books import (
    ACCOUNT,
    LATER,
    NOW,
    RADAR,
    Book,
    batch,
    credit,
    debit,
    judgement,
    pay,
    says,
    statement,
    tx,
)
from tests.suites.plans import noted, ways_in, whole_tables
from tests.suites.test_cash_leg import notice


@pytest.fixture
def kept(book: Book) -> Book:
    """A ledger with something of everything."""
    for n in range(3):
        book.sent(f"T{n}", f"MSG-{n}", pay(f"E{n}", to="FR1420041010050500013M02606", uetr=f"U{n}"), pay(f"F{n}"))
    book.ready("R", "MSG-R", pay("R"))
    book.report(says("MSG-0", "PART", batch("MSG-0-1", "PART", tx("E0", "RJCT", reason="AC04"))))
    book.report(notice("N1", debit("10.00", "E1", account_servicer_reference="REF-1")))
    book.report(
        statement("S1", debit("10.00", "E1", account_servicer_reference="REF-1"), credit("10.00", "E1", reason="AC04"))
    )
    return book


def asked_of_people(book: Book) -> None:
    views = book.ledger.views
    views.board(["acme"], LATER)
    views.files()
    views.files(state="SENT", bank="acme")
    views.payments("E1")
    views.payments("U1")
    views.statements()
    views.statements(account=ACCOUNT)
    views.history("T1")
    views.history("M1")
    views.find("T1")
    book.ledger.gaps.rows()


def asked_by_the_daemon(book: Book) -> None:
    ledger = book.ledger
    ledger.transfers.due("acme", LATER)
    ledger.transfers.next_due("acme")
    ledger.transfers.under_way()
    ledger.transfers.in_state(State.RECEIVED)
    ledger.messages.seen("acme", [RemoteFile(folder="/out", name="x.xml", size=1, modified=1)])
    ledger.messages.unread("acme")
    ledger.messages.not_handed_over("acme")
    ledger.feedback.begin(["acme"])
    ledger.feedback.changed("acme", ["/out"])
    ledger.feedback.unwritten("acme", ["/out"])
    ledger.webhooks.begin(["erp"], NOW)
    ledger.webhooks.failed("erp", ledger.webhooks.after(3)[0].event, "answered 500", NOW)
    ledger.webhooks.progress("erp", NOW)
    ledger.webhooks.waiting("erp")
    ledger.webhooks.event(4)
    ledger.webhooks.taken("erp", 4, NOW)
    ledger.webhooks.resume(["erp"])
    ledger.journal.last()
    ledger.restored.safe_mode()
    ledger.contacts.suspended_until("acme")
    ledger.wakes.banks(NOW)
    looked_around(book)


def looked_around(book: Book) -> None:
    ledger = book.ledger
    ledger.outlook.on_the_way()
    ledger.outlook.refused(LATER)
    ledger.outlook.unsettled("acme", LATER)
    ledger.outlook.spoken("T1", NOW)
    ledger.outlook.last_report("T1", NOW)
    ledger.outlook.undebited("acme", [ACCOUNT], NOW.date(), LATER.date())
    ledger.outlook.troubled_messages(LATER)
    ledger.outlook.timings("acme")
    ledger.cut_offs.passed("acme", "/out", lambda since: [(since.date(), since)], lambda _: 1, LATER)
    ledger.alarms.note([Alarm(word="held", text="It waits.")], LATER)
    ledger.alarms.rows()
    ledger.alarms.rows(ended=True)
    ledger.tellings.note("treasury", {1: Urgency.URGENT}, [1], LATER)
    ledger.tellings.known(["treasury"], LATER)


def taken_in(book: Book) -> None:
    book.received("NEW")
    said = judgement("MSG-1", pay("E1", to="FR1420041010050500013M02606"), pay("new"))
    alone.judged(book.transfers, book.transfers.get("NEW").id, said, NOW, same_payments_within=RADAR)


def brought_in(book: Book) -> None:
    """Reports, a notice and a statement, with all that may be asked of entries and details."""
    book.report(says("MSG-2", "PART", batch("MSG-2-1", "PART", tx("E2", "ACSC"), tx("F2", "RJCT", reason="AC04"))))
    whole = debit(
        "20.00", batch_payment_information_id="MSG-1-1", account_servicer_reference="REF-9", told_in="FILE-N1"
    )
    book.report(notice("N2", debit("10.00", "F2", account_servicer_reference="REF-2"), whole))
    back = credit("10.00", None, reason="AC04", account_servicer_reference="REF-1")
    book.report(statement("S2", debit("10.00", "F2"), whole, debit("1.00", None, told_in="FILE-N1"), back))


@pytest.mark.every_database
@pytest.mark.parametrize("story", [asked_of_people, asked_by_the_daemon, taken_in, brought_in])
def test_nothing_reads_a_growing_table_as_a_whole(kept: Book, story: object) -> None:
    engine = kept.ledger._database.engine
    with noted(engine) as asked:
        story(kept)  # type: ignore[operator]
    assert len(asked) >= 8
    assert whole_tables(engine, asked) == []


def test_what_an_entry_is_about_is_found_by_what_it_names(kept: Book) -> None:
    """Not through all that the bank, the account, or the file has."""
    engine = kept.ledger._database.engine
    if engine.dialect.name != "sqlite":
        pytest.skip("the plans are read as SQLite writes them")
    with noted(engine) as asked:
        brought_in(kept)
    joined = {
        said: step for said, step in ways_in(engine, asked).items() if said.count("JOIN") > 1 and "report." not in said
    }
    assert len(joined) >= 6
    history = ("transfer USING INDEX ix_transfer_due", "statement USING INDEX", "payment USING INDEX ix_payment_batch")
    assert [said for said, step in joined.items() if any(way in step for way in history)] == []


def test_the_lookout_goes_through_nothing_that_is_done_with(kept: Book) -> None:
    engine = kept.ledger._database.engine
    if engine.dialect.name != "sqlite":
        pytest.skip("the plans are read as SQLite writes them")
    with noted(engine) as asked:
        looked_around(kept)
    steps = ways_in(engine, asked)
    of_transfers = [step for said, step in steps.items() if "FROM transfer" in said]
    assert len(of_transfers) == 5
    by_state, refused, told, owed, newest = of_transfers
    assert told.startswith("SEARCH")
    assert "ix_transfer_sent_at" in newest
    assert "ix_transfer_state" in by_state
    assert "received_at>?" in refused
    assert "verdict=?" in owed
    of_payments = [step for said, step in steps.items() if "FROM payment" in said]
    assert "ix_payment_batch" in of_payments[0]
    assert "ix_payment_execution_date" in of_payments[1]


def test_the_board_goes_through_nothing_that_is_done_with(kept: Book) -> None:
    """Neither in the order of an index, nor by a state that most files come to."""
    engine = kept.ledger._database.engine
    if engine.dialect.name != "sqlite":
        pytest.skip("the plans are read as SQLite writes them")
    with noted(engine) as asked:
        kept.ledger.views.board(["acme"], LATER)
    steps = {said: step for said, step in ways_in(engine, asked).items() if "FROM gap" not in said}
    assert len(steps) >= 9
    assert [step for step in steps.values() if step.startswith("SCAN") or "MULTI-INDEX" in step] == []
    answers = [step for said, step in steps.items() if "GROUP BY transfer.verdict" in said or "verdict = ?" in said]
    assert len(answers) == 2
    assert all("sent_at>?" in step or "verdict=?" in step for step in answers)
    messages = [step for said, step in steps.items() if "FROM message" in said and "fetched_at" in said]
    assert all("fetched_at>?" in step for step in messages)


def test_a_table_that_is_read_as_a_whole_is_seen(kept: Book) -> None:
    engine = kept.ledger._database.engine
    with noted(engine) as asked, engine.connect() as connection:
        connection.exec_driver_sql("SELECT position FROM payment WHERE remittance = 'x'")
        connection.exec_driver_sql("SELECT position FROM payment WHERE end_to_end_id = 'x'")
    [found] = whole_tables(engine, asked)
    assert "remittance" in found
