"""What may be purged of a ledger, and what may not, whatever its age. On both databases."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from h2h.errors import NotAllowed
from h2h.ledger import ends, retention
from h2h.ledger import tables as t
from h2h.ledger.ends import Policy
from h2h.ledger.retention import Pass, Way
from h2h.lifecycle import State, Trigger
from h2h.model import InboundId, RemoteFile
from h2h.verdicts import Verdict
from tests.suites import books
from tests.suites.books import LATER, NOW, Book, batch, credit, debit, pay, says, statement, tx
from tests.suites.test_gaps import closes
from tests.suites.test_repairs import partly, repair

pytestmark = pytest.mark.every_database  # what is deleted is gone
LONG_AFTER = NOW + timedelta(days=1000)
POLICY = Policy(before=NOW + timedelta(days=100))


def purge(book: Book, policy: Policy = POLICY) -> list[str]:
    """All that goes by this policy, with its records; the ids."""
    run, went = Pass(policy), list[str]()
    for way in Way:
        after = None
        while True:
            page = book.ledger.retention.look(way, run, after)
            assert book.ledger.retention.mark(page, way, policy, who="gateway", now=LONG_AFTER)
            went += [one.id for family in page.families for one in family]
            after = page.last
            if after is None:
                break
    erase(book)
    return sorted(went)


def erase(book: Book) -> None:
    for way in (Way.IN, Way.OUT):
        for file in book.ledger.erasing.marked(way):
            while book.ledger.erasing.some_rows(file):
                pass
            book.ledger.erasing.erased(file, LONG_AFTER)


def why(book: Book, policy: Policy = POLICY) -> dict[str, int]:
    """Why files stay that are old enough."""
    run = Pass(policy)
    pages = [book.ledger.retention.look(way, run, None) for way in Way]
    return dict(pages[0].stay + pages[1].stay)


def rows(book: Book, *tables: Any) -> tuple[int, ...]:
    with book.ledger._database.reading() as connection:
        return tuple(connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables)


def handed_over(book: Book) -> None:
    for number in range(1, book._messages + 1):
        book.ledger.messages.handed_over(f"M{number}", [], LATER)  # type: ignore[arg-type]


def ended(book: Book, name: str = "1", amount: str = "10.00") -> None:
    """T and its payments were accepted and booked."""
    book.sent(f"T{name}", f"MSG-{name}", pay(f"A{name}", amount, to=f"X{name}"), pay(f"B{name}", "20.00", to="Y"))
    book.report(says(f"MSG-{name}", "ACSC"))
    book.report(statement(f"S{name}", debit(amount, f"A{name}"), debit("20.00", f"B{name}")))
    handed_over(book)


# What goes.


def test_a_file_that_ended_goes_with_its_records_and_the_messages_that_speak_of_it(book: Book) -> None:
    ended(book)
    assert purge(book) == ["M1", "M2", "T1"]
    assert rows(book, t.payment, t.booking, t.entry, t.detail, t.report) == (0, 0, 0, 0, 0)
    assert rows(book, t.transfer, t.batch, t.attempt, t.message, t.statement) == (1, 1, 1, 2, 1)
    assert [kind for kind in book.kinds("T1") if kind == retention.PURGED] == ["purged"]
    assert book.ledger.journal.verify().fault is None


def test_it_goes_once(book: Book) -> None:
    ended(book)
    purge(book)
    assert purge(book) == []


def test_the_event_has_hashes_and_counts(book: Book) -> None:
    ended(book)
    purge(book)
    [out], [back] = ([e for e in book.ledger.journal.of(name) if e.kind == "purged"] for name in ("T1", "M2"))
    row = book.transfers.get("T1")  # type: ignore[arg-type]
    assert (out.data["sha256"], out.data["payments"], out.data["size"]) == (row.sha256, 2, 100)
    assert (back.data["entries"], len(back.data["sha256"])) == (2, 64)


@pytest.mark.parametrize("state", ["INVALID", "CANCELLED", "DUPLICATE"])
def test_what_was_never_sent_goes_when_it_ended(book: Book, state: str) -> None:
    book.received("T1")
    match state:
        case "INVALID":
            book.judged("T1", "MSG-1", wrong="CTRL_SUM")
        case "CANCELLED":
            book.judged("T1", "MSG-1")
            book.decide("T1", Trigger.CANCEL)
        case "DUPLICATE":
            book.judged("T1", "MSG-1")
            book.decide("T1", Trigger.CANCEL)
            book.ready("T2", "MSG-2")
            book.ready("T3", "MSG-2")
            assert book.state("T3") is State.DUPLICATE
            book.decide("T3", Trigger.CANCEL)
    assert purge(book) == (["T1", "T3"] if state == "DUPLICATE" else ["T1"])


def test_a_file_that_was_refused_goes_and_cannot_be_sent_again(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    book.report(says("MSG-1", "RJCT", reason="AC04"))
    handed_over(book)
    assert purge(book) == ["M1", "T1"]
    with pytest.raises(NotAllowed, match="T1 was purged on"):
        book.ledger.people.resend("T1", who="ann", reason="so", now=LONG_AFTER)
    with pytest.raises(NotAllowed, match="T1 was purged on"):
        book.ledger.repairs.plan("T1")


# What stays.

Story = Callable[[Book], object]


def _alarm(book: Book, file: str = "T1", *, of_its_own: bool = True) -> None:
    if of_its_own:
        ended(book)
    with book.ledger._database.transaction() as connection:
        connection.execute(
            t.alarm.insert().values(
                word="bank_refused", bank="acme", subject=file, file=file, urgency="warning", text="-", step="-",
                passing=False, raised_at=NOW,
            )
        )  # fmt: skip


def _untold(book: Book) -> None:
    book.ledger.feedback.begin(["acme"])
    ended(book)


def _unwritten(book: Book) -> None:
    ended(book)
    book.ledger.feedback.allot("T1", "0" * 64, NOW)
    book.ledger.feedback.seen("acme", 10_000)


def _named_by_a_duplicate(book: Book) -> None:
    ended(book)
    book.received("T2", content="T1")
    book.judged("T2", "MSG-2", pay("A1", "10.00", to="X1"), pay("B1", "20.00", to="Y"))
    assert book.state("T2") is State.DUPLICATE


def _asked_about(book: Book) -> None:
    """T0 waits, and holds a payment that T1 was sent with: whoever releases T0 is told so."""
    book.ready("T0", "MSG-0", pay("A1", "10.00", to="X1"))
    book.decide("T0", Trigger.HOLD)
    book.received("T1")
    book.judged("T1", "MSG-1", pay("A1", "10.00", to="X1"), pay("B1", "20.00", to="Y"), now=NOW + timedelta(days=9))
    if book.state("T1") is State.HELD:
        book.ledger.people.release("T1", who="ann", reason="so", now=NOW, at_once=True)
    leased = book.lease(book.transfers.get("T1"), now=NOW + timedelta(days=9))  # type: ignore[arg-type]
    assert leased is not None
    from tests import alone

    book.transfers.sent(alone.publishing(book.transfers, leased, NOW), {"answer": "OK"}, NOW)
    book.report(says("MSG-1", "ACSC"))
    book.report(statement("S1", debit("10.00", "A1"), debit("20.00", "B1")))
    handed_over(book)


def _debited_twice(book: Book) -> None:
    ended(book)
    book.report(statement("S2", debit("10.00", "A1"), opening="970.00"))
    handed_over(book)


def _not_booked(book: Book) -> None:
    book.report(statement("S0", opening="1000.00", created_at="2026-11-01T08:00:00", period_to="2026-11-01"))
    book.sent("T1", "MSG-1", pay("A", "10.00"))
    book.report(says("MSG-1", "ACSC"))
    handed_over(book)


def _blocked(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"), pay("B"))
    book.report(says("MSG-1", "PART", batch("MSG-1-1", None, tx("A", "BLCK"), tx("B", "ACSC"))))
    handed_over(book)


def _contradicted(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    book.report(says("MSG-1", "RJCT"))
    book.report(says("MSG-1", "ACSC"))
    handed_over(book)


STAYS: dict[str, tuple[Story, str]] = {
    "not answered": (lambda b: b.sent("T1", "MSG-1"), ends.UNANSWERED),
    "in the bank's work": (lambda b: (b.sent("T1", "MSG-1"), b.report(says("MSG-1", "PDNG"))), ends.UNANSWERED),
    "one payment blocked": (_blocked, ends.UNANSWERED),
    "the bank contradicts itself": (_contradicted, ends.DOUBTFUL),
    "accepted and not booked, although statements come": (_not_booked, ends.NOT_BOOKED),
    "debited twice": (_debited_twice, ends.BOOKED_WRONG),
    "an alarm is open": (_alarm, ends.ALARM),
    "a status was not told": (_untold, ends.NOT_TOLD),
    "a status was not written": (_unwritten, ends.NOT_TOLD),
    "an open file repeats it": (_named_by_a_duplicate, ends.NAMED),
    "an older open file holds the same payment": (_asked_about, ends.REPEATED),
}


@pytest.mark.parametrize("story", STAYS)
def test_it_stays_whole_however_old_and_the_reason_is_told(book: Book, story: str) -> None:
    tell, reason = STAYS[story]
    tell(book)
    before = whole(book)
    policy = Policy(before=POLICY.before, told={"acme"})
    assert reason in why(book, policy)
    assert "T1" not in purge(book, policy)
    assert book.transfers.get("T1").purged_at is None  # type: ignore[arg-type]
    assert whole(book) == before


def whole(book: Book) -> object:
    """All that is told of T1 and its payments."""
    history = book.ledger.views.history("T1")
    return history, book.ledger.views.payments_of("T1"), book.ledger.views.messages_about("T1")


@pytest.mark.parametrize(
    "state", ["RECEIVED", "READY", "HELD", "STAGING", "PUBLISHING", "UNCERTAIN", "FAILED", "DUPLICATE"]
)
def test_what_is_under_way_or_waits_stays(book: Book, state: str) -> None:
    match state:
        case "RECEIVED":
            book.received("T1")
        case "HELD":
            book.ready("T1", "MSG-1")
            book.decide("T1", Trigger.HOLD)
        case "DUPLICATE":
            book.ready("T0", "MSG-1")
            book.ready("T1", "MSG-1")
        case "FAILED":
            book.transfers.not_delivered(
                book.staging("T1", "MSG-1"),
                step="stage",
                outcome="REFUSED",
                text="no",
                failures=3,
                due_at=None,
                now=NOW,
            )
        case _:
            {
                "READY": book.ready, "STAGING": book.staging, "PUBLISHING": book.publishing,
                "UNCERTAIN": book.uncertain,
            }[state]("T1", "MSG-1")  # fmt: skip
    assert book.state("T1") == state
    assert purge(book) == []


def test_what_ended_is_young_until_all_dates_of_it_are_old(book: Book) -> None:
    ended(book)
    assert purge(book, Policy(before=NOW + timedelta(minutes=4))) == []  # its answer came five minutes later
    assert len(purge(book, Policy(before=NOW + timedelta(days=1)))) == 3


def test_an_event_of_lately_keeps_a_file_whatever_its_dates_say(book: Book) -> None:
    ended(book)
    at = POLICY.before + timedelta(days=1)
    book.ledger.journal.note(at=at, subject="M2", kind="looked at", actor="ann", data={})
    assert purge(book) == ["M1", "T1"]
    ended(book, "2")
    book.ledger.journal.note(at=at, subject="T2", kind="looked at", actor="ann", data={})
    assert purge(book) == []


def test_a_booking_of_lately_keeps_the_file(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else happened to it long ago."""
    book.sent("T1", "MSG-1", pay("A", "10.00"))
    book.report(says("MSG-1", "ACSC"))
    handed_over(book)
    monkeypatch.setattr(books, "LATER", POLICY.before)
    book.report(statement("S1", debit("10.00", "A")))
    assert (purge(book), why(book)) == ([], {ends.YOUNG: 1, ends.NEEDED: 1})


def test_a_statement_of_a_day_to_come_stays(book: Book) -> None:
    book.report(statement("S1", period_to="2027-12-31"))
    handed_over(book)
    assert why(book) == {ends.YOUNG: 1}


def test_a_verdict_noted_by_hand_is_a_last_word_too(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    said = {"who": "ann", "how": "telephone", "reason": "no report", "now": LATER}
    book.ledger.people.confirmed("T1", Verdict.ACCEPTED, **said)  # type: ignore[arg-type]
    assert purge(book) == ["T1"]


def test_what_was_given_back_is_at_its_end(book: Book) -> None:
    ended(book)
    book.report(statement("S2", credit("10.00", "A1", reason="AC04"), opening="970.00"))
    handed_over(book)
    assert purge(book) == ["M1", "M2", "M3", "T1"]


def test_expected_statements_make_a_payment_wait_for_its_debit(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    book.report(says("MSG-1", "ACSC"))
    handed_over(book)
    expected = Policy(before=POLICY.before, expected={("acme", "DE02120300000000202051")})
    assert purge(book, expected) == []
    assert why(book, expected)[ends.NOT_BOOKED] == 1
    assert purge(book) == ["M1", "T1"]


# Families.


def test_a_repair_and_its_origin_go_together_or_not_at_all(book: Book) -> None:
    partly(book)
    repair(book, "T2")
    handed_over(book)
    assert purge(book) == []  # the repair waits
    book.decide("T2", Trigger.CANCEL)
    assert purge(book) == ["M1", "M2", "T1", "T2"]


def test_a_repair_stays_with_its_origin(book: Book) -> None:
    partly(book)
    repair(book, "T2")
    book.decide("T2", Trigger.CANCEL)
    handed_over(book)
    _alarm(book, "T1", of_its_own=False)
    assert purge(book) == []


# Messages.


def test_a_statement_stays_as_long_as_one_payment_in_it_does(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A", "10.00"))
    book.sent("T2", "MSG-2", pay("B", "20.00"))
    book.report(says("MSG-1", "ACSC"))
    book.report(statement("S1", debit("10.00", "A"), debit("20.00", "B")))
    handed_over(book)
    before = whole_of_day(book)
    assert purge(book) == ["M1", "T1"]
    assert rows(book, t.entry, t.booking) == (2, 2)
    assert whole_of_day(book) == before  # no debit is a stranger by that
    assert book.booked("B") == [True]
    book.report(says("MSG-2", "ACSC"))
    handed_over(book)
    assert purge(book) == ["M2", "M3", "T2"]
    assert rows(book, t.entry, t.booking, t.payment) == (0, 0, 0)


def whole_of_day(book: Book) -> object:
    from datetime import date

    from h2h.ledger.cash_views import Days

    found = book.ledger.cash.rows(Days(since=date(2000, 1, 1), until=date(2100, 1, 1)))
    return found.unmatched, found.repeated, found.refused, found.returned


def test_a_message_waits_for_its_hand_over_and_its_removal(book: Book) -> None:
    book.report(statement("S1"))
    assert why(book) == {ends.AT_WORK: 1}
    handed_over(book)
    waits = Policy(before=POLICY.before, left_to_discard=lambda bank, folder, _name: (bank, folder) == ("acme", "/out"))
    assert why(book, waits) == {ends.AT_WORK: 1}
    assert purge(book) == ["M1"]


def test_a_message_with_an_open_alarm_stays(book: Book) -> None:
    book.report(statement("S1"))
    handed_over(book)
    _alarm(book, "M1", of_its_own=False)
    assert why(book) == {ends.ALARM: 1}


def test_a_message_waits_until_the_erp_was_told_what_came_with_it(book: Book) -> None:
    book.ledger.feedback.begin(["acme"])
    book.report(statement("S1"))
    handed_over(book)
    told = Policy(before=POLICY.before, told={"acme"})
    assert why(book, told) == {ends.NOT_TOLD: 1}
    book.ledger.feedback.seen("acme", 1_000)
    assert (why(book, told), purge(book, told)) == ({}, ["M1"])


def test_an_answer_to_nothing_that_is_known_stays(book: Book) -> None:
    book.report(says("MSG-9", "ACSC"))
    handed_over(book)
    assert why(book) == {ends.NEEDED: 1}


def test_a_message_with_an_open_gap_stays_until_it_heals(book: Book) -> None:
    for day, number, opening, closing in ((1, 7, "100", "90"), (3, 9, "80", "70")):
        book.report(closes(day, number, opening, closing))
    handed_over(book)
    assert (why(book), purge(book)) == ({ends.GAP: 2}, [])
    book.report(closes(2, 8, "90", "80"))
    handed_over(book)
    assert purge(book) == ["M1", "M2", "M3"]


@pytest.mark.parametrize("state", ["UNREADABLE", "KEPT"])
def test_what_was_not_read_stays(book: Book, state: str) -> None:
    file = RemoteFile(folder="/out", name="x.xml", size=10, modified=1)
    book.ledger.messages.kept("M9", "acme", file, "9" * 64, NOW)  # type: ignore[arg-type]
    if state == "UNREADABLE":
        book._messages = 9
        from h2h.gathered import Gathered
        from h2h.ledger.messages import Reading

        nothing = Reading(message=None, message_id=None, records=Gathered(), findings=())
        book.ledger.messages.applied("M9", nothing, NOW)  # type: ignore[arg-type]
    assert purge(book) == []


# What goes on working.


def test_duplicates_are_known_by_bytes_content_and_message_id_after_a_purge(book: Book) -> None:
    ended(book)
    purge(book)
    pays = (pay("A1", "10.00", to="X1"), pay("B1", "20.00", to="Y"))
    book.received("T2", content="T1", now=LONG_AFTER)
    book.judged("T2", "MSG-2", *pays, now=LONG_AFTER)
    book.received("T3", now=LONG_AFTER)
    book.judged("T3", "MSG-1", *pays, now=LONG_AFTER)
    book.received("T4", now=LONG_AFTER)
    book.judged("T4", "MSG-1", pay("other", "1.00"), now=LONG_AFTER)
    assert [book.state(name) for name in ("T2", "T3", "T4")] == [State.DUPLICATE] * 3
    codes = [book.ledger.views.history(name).findings[0].code for name in ("T2", "T3", "T4")]
    assert codes == ["DUPLICATE_BYTES", "DUPLICATE_CONTENT", "DUPLICATE_MESSAGE_ID"]


def test_a_statement_that_comes_again_after_a_purge_is_a_repeat(book: Book) -> None:
    ended(book)
    purge(book)
    again = statement("S1", debit("10.00", "A1"), debit("20.00", "B1"))
    assert book.codes(again) == ["STATEMENT_REPEATED"]
    other = statement("S1", debit("10.00", "A1"), debit("20.00", "B2"))
    assert book.codes(other) == ["STATEMENT_CONFLICT"]


def test_a_late_report_on_a_purged_file_changes_nothing_and_is_told(book: Book) -> None:
    ended(book)
    purge(book)
    _, [finding] = book.report(says("MSG-1", "RJCT"))
    assert (finding.code, book.verdict("T1")) == ("REPORT_UNKNOWN", "ACCEPTED")
    assert "T1 (purged on " in finding.text


def test_the_erp_is_told_nothing_of_a_purge(book: Book) -> None:
    ended(book)
    book.ledger.feedback.begin(["acme"])
    purge(book)
    news = book.ledger.feedback.changed("acme", ["/out"])
    assert news is not None
    assert news.transfers == ()


def test_nothing_goes_in_safe_mode(book: Book) -> None:
    ended(book)
    book.ledger.restored.begin(["a sign"], NOW)
    with pytest.raises(NotAllowed, match="safe mode"):
        purge(book)


# Crashes, and what happens in between.


def test_nothing_is_marked_when_something_happened_since_the_look(book: Book) -> None:
    ended(book)
    page = book.ledger.retention.look(Way.OUT, Pass(POLICY), None)
    book.report(statement("S2", credit("10.00", "A1", reason="AC04"), opening="970.00"))
    assert not book.ledger.retention.mark(page, Way.OUT, POLICY, who="gateway", now=LONG_AFTER)
    assert book.transfers.get("T1").purged_at is None  # type: ignore[arg-type]


@pytest.mark.parametrize("steps", range(10))
def test_a_run_that_is_cut_off_is_gone_on_with(book: Book, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off after so many short transactions; none of the payments is seen any more after the mark."""
    from h2h.ledger import erasing

    monkeypatch.setattr(erasing, "ROWS", 1)
    ended(book)
    book.sent("T2", "MSG-2", pay("C", "30.00"))
    before = book.ledger.views.payments("C")
    run = Pass(POLICY)
    for way in Way:
        page = book.ledger.retention.look(way, run, None)
        book.ledger.retention.mark(page, way, POLICY, who="gateway", now=LONG_AFTER)
    files = [file for way in Way for file in book.ledger.erasing.marked(way)]
    assert book.ledger.views.payments_of("T1") == []
    for _ in range(steps):
        any(book.ledger.erasing.some_rows(file) for file in files)
    assert book.ledger.views.payments("A1") == []
    assert whole_of_day(book) == ([], [], [], [])
    erase(book)
    assert rows(book, t.payment, t.entry, t.report) == (1, 0, 0)
    assert book.ledger.views.payments("C") == before
    assert len([kind for kind in book.kinds("T1") if kind == "purged"]) == 1


def test_bytes_that_another_file_has_are_asked_for(book: Book) -> None:
    ended(book)
    purge(book)
    sha256 = hashlib.sha256(b"T1").hexdigest()
    assert not book.ledger.erasing.bytes_asked_for(sha256)
    book.received("T2")
    assert not book.ledger.erasing.bytes_asked_for(sha256)
    with book.ledger._database.transaction() as connection:
        connection.execute(t.transfer.update().where(t.transfer.c.id == "T2").values(original_sha256=sha256))
    assert book.ledger.erasing.bytes_asked_for(sha256)


def test_bytes_are_asked_for_by_a_message_or_a_file_with_the_same(book: Book) -> None:
    ended(book)
    purge(book)
    for way, name in (("T1", "T1"), ("M1", "M1")):
        sha256 = hashlib.sha256(way.encode()).hexdigest()
        assert not book.ledger.erasing.bytes_asked_for(sha256)
        if way == "T1":
            book.received("T2", content=name)
        else:
            file = RemoteFile(folder="/out", name="x.xml", size=10, modified=99)
            book.ledger.messages.kept(InboundId("M9"), "acme", file, sha256, LATER)
        assert book.ledger.erasing.bytes_asked_for(sha256)
