"""What people record and decide: in words, by whom, and never so that one person alone could pay twice."""

from __future__ import annotations

import pytest

from h2h.errors import NotAllowed, UsageError
from h2h.ledger.rows import Transfer
from h2h.lifecycle import Actor, State, Trigger
from h2h.verdicts import Verdict
from tests import alone
from tests.suites.books import LATER, LEASE, NOW, ROUTE, Book, batch, debit, pay, plan, says, statement, tx

HOW = {"how": "portal, order 4711", "reason": "the line is down"}


def by_hand(book: Book, who: str = "anna") -> Transfer:
    return book.ledger.people.sent_by_hand("T1", who=who, now=LATER, **HOW)


def confirm(book: Book, verdict: Verdict, who: str = "anna") -> Transfer:
    said = {"how": "telephone, Ms Ek", "reason": "no pain.002 came"}
    return book.ledger.people.confirmed("T1", verdict, who=who, now=LATER, **said)


def resend(book: Book, who: str, actor: Actor = Actor.SECOND_PERSON) -> Transfer:
    return book.decide("T1", Trigger.RESEND_REJECTED, actor, who=who)


# Reasons.

EMPTY = ["", " ", "\t\n", "…", "\u200b", "- -"]


@pytest.mark.parametrize("reason", [*EMPTY, "a\x1b[31m", "right\u202eleft", "x" * 501])
def test_a_reason_says_something_in_one_line(book: Book, reason: str) -> None:
    book.sent("T1", "MSG-1")
    people, said = book.ledger.people, {"who": "anna", "reason": reason, "now": NOW}
    for verb in (
        lambda: people.decide("T1", Trigger.HOLD, Actor.OPERATOR, **said),  # type: ignore[arg-type]
        lambda: people.send_again("T1", who="anna", reason=reason, now=NOW),
        lambda: people.sent_by_hand("T1", how="portal", **said),  # type: ignore[arg-type]
        lambda: people.sent_by_hand("T1", how=reason, **said | {"reason": "so"}),  # type: ignore[arg-type]
        lambda: people.confirmed("T1", Verdict.ACCEPTED, how="portal", **said),  # type: ignore[arg-type]
    ):
        with pytest.raises(UsageError):
            verb()
    assert len(book.kinds("T1")) == 5


def test_lines_of_a_reason_are_joined(book: Book) -> None:
    book.ready("T1", "MSG-1")
    said = {"who": "anna", "reason": " wait\n\tfor Ms Ek\u00a0! ", "now": NOW}
    assert book.ledger.people.decide("T1", Trigger.HOLD, Actor.OPERATOR, **said).reason == "wait for Ms Ek !"  # type: ignore[arg-type]


# What is refused names what would work.


def test_a_refusal_names_the_commands_that_would_work_now(book: Book) -> None:
    book.ready("T1", "MSG-1")
    book.decide("T1", Trigger.HOLD)
    with pytest.raises(NotAllowed, match=r"`h2h hold T1` is not possible: T1 is HELD\. Possible now: `h2h rel"):
        book.decide("T1", Trigger.HOLD)


def test_a_refusal_knows_the_banks_word(book: Book) -> None:
    book.sent("T1", "MSG-1")
    book.report(says("MSG-1", "ACSC"))
    with pytest.raises(NotAllowed, match=r"the bank's word is ACCEPTED\. Nothing can be done"):
        book.decide("T1", Trigger.CANCEL)


# Sent by hand.


@pytest.mark.parametrize("state", ["READY", "HELD", "FAILED"])
def test_a_file_that_somebody_brought_to_the_bank_is_sent_and_never_goes_by_itself(book: Book, state: str) -> None:
    waiting = book.ready("T1", "MSG-1")
    if state == "HELD":
        book.decide("T1", Trigger.HOLD)
    if state == "FAILED":
        leased = book.lease(waiting)
        assert leased
        book.transfers.not_delivered(
            leased, step="stage", outcome="REFUSED", text="no", failures=9, due_at=None, now=NOW
        )
    assert book.state("T1") is State(state)
    sent = by_hand(book)
    assert (sent.state, sent.sent_at, sent.due_at) == (State.SENT, LATER, None)
    assert sent.reason == "sent by hand (portal, order 4711), says anna: the line is down"
    event = book.ledger.journal.of("T1")[-1]
    assert (event.kind, event.actor, event.data["decision"], event.data["how"]) == (
        "SENT", "anna", "sent by hand", "portal, order 4711",
    )  # fmt: skip
    assert book.transfers.due("acme", LATER) == []
    assert book.lease(waiting) is None


def test_an_answer_to_a_file_that_was_sent_by_hand_counts(book: Book) -> None:
    book.ready("T1", "MSG-1", pay("A"))
    by_hand(book)
    assert book.codes(says("MSG-1", "ACSP")) == []
    assert book.verdict("T1") == "ACCEPTED"


@pytest.mark.parametrize(
    ("make", "why"),
    [
        ("staging", "uploading it just now"),
        ("publishing", "the bank may have it"),
        ("uncertain", "--bank-has-it"),
        ("sent", "Possible now: `h2h confirm T1`"),
    ],
)
def test_what_the_gateway_has_under_its_hands_is_not_sent_by_hand(book: Book, make: str, why: str) -> None:
    before = getattr(book, make)("T1", "MSG-1")
    with pytest.raises(NotAllowed, match=why):
        by_hand(book)
    assert book.transfers.get("T1") == before


# Confirmed by hand.


def test_the_banks_word_by_telephone_is_the_verdict_with_the_name_of_who_heard_it(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    noted = confirm(book, Verdict.ACCEPTED)
    assert (noted.state, noted.verdict, noted.verdict_by) == (State.SENT, Verdict.ACCEPTED, "anna")
    assert noted.reason == "ACCEPTED noted by hand (telephone, Ms Ek), says anna: no pain.002 came"
    assert book.kinds("T1")[-1] == "verdict ACCEPTED by hand"
    assert book.statuses("A") == [None]


def test_a_report_that_agrees_takes_the_place_of_the_note(book: Book) -> None:
    book.sent("T1", "MSG-1")
    confirm(book, Verdict.REJECTED)
    assert book.codes(says("MSG-1", "RJCT")) == []
    after = book.transfers.get("T1")
    assert (after.verdict, after.verdict_by) == (Verdict.REJECTED, None)
    assert resend(book, "anna", Actor.OPERATOR).state is State.READY


@pytest.mark.parametrize("status", ["RCVD", "ACTC"])
def test_a_report_that_settles_nothing_leaves_the_note(book: Book, status: str) -> None:
    book.sent("T1", "MSG-1")
    noted = confirm(book, Verdict.REJECTED)
    assert book.codes(says("MSG-1", status)) == []
    after = book.transfers.get("T1")
    assert (after.verdict, after.verdict_by, after.reason) == (Verdict.REJECTED, "anna", noted.reason)


@pytest.mark.parametrize(
    ("noted", "status", "verdict"),
    [(Verdict.REJECTED, "ACSP", "ACCEPTED"), (Verdict.ACCEPTED, "RJCT", "REJECTED")],
)
def test_a_report_that_contradicts_the_note_counts_and_is_a_finding(
    book: Book, noted: Verdict, status: str, verdict: str
) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    confirm(book, noted)
    message, findings = book.report(says("MSG-1", status))
    assert [f.code for f in findings] == ["REPORT_CONFLICT"]
    assert "anna had noted" in findings[0].text
    assert message.reason is not None
    after = book.transfers.get("T1")
    assert (after.verdict, after.verdict_by) == (verdict, None)
    for who in ("anna", "ben"):
        for actor in (Actor.OPERATOR, Actor.SECOND_PERSON):
            with pytest.raises(NotAllowed):
                resend(book, who, actor)


def test_a_partial_answer_contradicts_either_note(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"), pay("B"))
    confirm(book, Verdict.ACCEPTED)
    assert book.codes(says("MSG-1", "PART", batch("MSG-1-1", None, tx("A", "RJCT")))) == ["REPORT_CONFLICT"]
    assert book.verdict("T1") == "PARTIAL"


def test_a_refusal_noted_by_hand_takes_somebody_else_to_send_again(book: Book) -> None:
    book.sent("T1", "MSG-1")
    confirm(book, Verdict.REJECTED, "anna")
    for who, actor in (("anna", Actor.OPERATOR), ("anna", Actor.SECOND_PERSON), ("ben", Actor.OPERATOR)):
        with pytest.raises(NotAllowed, match="Somebody else"):
            resend(book, who, actor)
    again = resend(book, "ben")
    assert (again.state, again.verdict, again.verdict_by) == (State.READY, Verdict.NONE, None)


def test_a_note_can_be_corrected_by_hand_but_not_the_banks_own_word(book: Book) -> None:
    book.sent("T1", "MSG-1")
    confirm(book, Verdict.REJECTED)
    assert confirm(book, Verdict.ACCEPTED, "ben").verdict_by == "ben"
    book.report(says("MSG-1", "ACCP"))
    with pytest.raises(NotAllowed, match="the bank's own report says ACCEPTED"):
        confirm(book, Verdict.REJECTED)


def test_what_a_statement_shows_as_debited_was_not_refused(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A", "10.00"))
    book.report(statement("S1", debit("10.00", "A")))
    with pytest.raises(NotAllowed, match="debited already"):
        confirm(book, Verdict.REJECTED)
    assert confirm(book, Verdict.ACCEPTED).verdict is Verdict.ACCEPTED


def test_what_was_debited_since_it_was_refused_is_not_sent_again(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A", "10.00"))
    confirm(book, Verdict.REJECTED)
    book.report(statement("S1", debit("10.00", "A")))
    with pytest.raises(NotAllowed, match="debited already"):
        resend(book, "ben")


@pytest.mark.parametrize("make", ["ready", "staging", "publishing", "uncertain"])
def test_only_a_sent_file_is_confirmed(book: Book, make: str) -> None:
    getattr(book, make)("T1", "MSG-1")
    with pytest.raises(NotAllowed, match="is not possible"):
        confirm(book, Verdict.ACCEPTED)


# Rehearsals.


def test_a_rehearsal_tells_what_would_happen_and_leaves_nothing(book: Book) -> None:
    book.ready("T1", "MSG-1")
    before, events = book.transfers.get("T1"), book.kinds("T1")
    said = {"who": "anna", "reason": "so", "now": LATER}
    held = book.ledger.rehearsal.decide("T1", Trigger.HOLD, Actor.OPERATOR, **said)  # type: ignore[arg-type]
    assert held.state is State.HELD
    with pytest.raises(NotAllowed):
        book.ledger.rehearsal.decide("T1", Trigger.BANK_HAS_IT, Actor.OPERATOR, **said)  # type: ignore[arg-type]
    assert (book.transfers.get("T1"), book.kinds("T1")) == (before, events)
    assert book.decide("T1", Trigger.HOLD).state is State.HELD  # and the ledger is free for the next


# What is known before a decision.


def test_a_case_holds_all_that_speaks_for_the_bank_having_it(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A", "10.00"), pay("B", "20.00"))
    book.report(says("MSG-1", None, batch("MSG-1-1", "PART", tx("B", "RJCT", reason="AC04"))))
    book.report(statement("S1", debit("10.00", "A")))
    case = book.ledger.cases.of("T1")
    assert (case.booked, case.statements, case.evidence) == (1, ("M2",), None)
    assert {(s.level, s.status, s.reasons) for s in case.said} == {
        ("batch", "ACCP", ""),
        ("payment", "RJCT", "AC04 the account is closed"),
    }
    assert [(tried.number, tried.outcome) for tried in case.tried] == [(1, "DELIVERED")]


def test_a_case_in_doubt_has_the_evidence_and_who_said_what(book: Book) -> None:
    doubtful = book.publishing("T1", "MSG-1")
    found = {"answer": "Failure", "temporary": "gone", "final": "gone"}
    book.transfers.in_doubt(doubtful, "both names are gone", found, NOW)
    book.ledger.people.send_again("T1", who="anna", reason="the bank has nothing", now=NOW)
    case = book.ledger.cases.of("T1")
    assert case.evidence is not None
    assert (case.evidence.temporary, case.evidence.temporary_found) == ("/in/.T1-1.part", "gone")
    assert (case.evidence.final, case.evidence.final_found, case.evidence.answer) == (
        "/in/MSG-1.xml",
        "gone",
        "Failure",
    )
    assert case.evidence.reason == "both names are gone"
    assert [(d.who, d.reason) for d in case.decided] == [("anna", "the bank has nothing")]


def test_an_answer_to_what_had_not_been_sent_speaks_against_sending_it(book: Book) -> None:
    book.ready("T1", "MSG-1")
    book.report(says("MSG-1", "ACCP"))
    assert [(s.status, s.effect) for s in book.ledger.cases.of("T1").said] == [("ACCP", "orphan")]


def put_back(book: Book) -> None:
    book.ledger.restored.begin(["a sign"], LATER)
    book.ledger.restored.stock_taken([], LATER)
    book.ledger.restored.accept(who="ann", reason="compared", now=LATER)


def test_what_was_proposed_before_the_ledger_was_put_back_counts_no_more(book: Book) -> None:
    """Somebody may have confirmed it in the part that was lost."""
    leased = book.lease(book.ready("T1", "MSG-1"))
    assert leased
    book.transfers.in_doubt(alone.publishing(book.transfers, leased, NOW), "gone", {}, NOW)
    people = book.ledger.people
    assert people.send_again("T1", who="anna", reason="so", now=NOW).proposed_by == "anna"
    put_back(book)
    for who, state in (("ben", State.UNCERTAIN), ("anna", State.READY)):
        assert people.send_again("T1", who=who, reason="so", now=LATER).state is state


def test_what_was_refused_before_the_ledger_was_put_back_takes_two_to_send_again(book: Book) -> None:
    """Somebody may have sent it again in the part that was lost."""
    people = book.ledger.people
    book.sent("T1", "MSG-1")
    book.report(says("MSG-1", "RJCT", reason="AC04"))
    put_back(book)
    assert people.resend("T1", who="ben", reason="so", now=LATER).state is State.SENT
    with pytest.raises(NotAllowed, match="somebody else"):
        people.resend("T1", who="ben", reason="so", now=LATER)
    again = people.resend("T1", who="anna", reason="so", now=LATER)
    assert again.state is State.READY
    after = LATER + LEASE
    leased = alone.lease(book.transfers, again, "node/1", plan, ROUTE, after, LEASE)
    assert leased
    book.transfers.sent(alone.publishing(book.transfers, leased, after), {}, after)
    book.report(says("MSG-1", "RJCT", reason="AC04"))
    assert people.resend("T1", who="ben", reason="so", now=after).state is State.READY
