"""The promises of the ledger on inbound files: kept once, pain.002 and camt.053 applied in one commit.

On SQLite and on a real PostgreSQL. The words of the stories (says, batch, tx, statement, debit) are in books.py.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from h2h.clock import Clock
from h2h.errors import NotAllowed, Stale
from h2h.gathered import Gathered
from h2h.ledger.messages import Message, MessageState, Reading
from h2h.ledger.rows import Judged, Received, Transfer
from h2h.lifecycle import Actor, State, Trigger
from h2h.model import Finding, InboundId, Reason, Record, RemoteFile, Severity, Statement, TransferId
from h2h.outbound.decisions import Decisions
from h2h.verdicts import Verdict
from tests import alone
from tests.changing import replace
from tests.suites.books import (
    ACCOUNT,
    LATER,
    NOW,
    RADAR,
    Book,
    batch,
    debit,
    judgement,
    loose,
    pay,
    says,
    statement,
    tx,
)

# pain.002


@pytest.mark.parametrize(
    ("status", "verdict"),
    [("ACTC", "PENDING"), ("ACCP", "ACCEPTED"), ("ACSC", "ACCEPTED"), ("RJCT", "REJECTED")],
)
def test_a_status_of_the_whole_file_is_the_status_of_its_payments(book: Book, status: str, verdict: str) -> None:
    book.sent("T1", "MSG-1", pay("A"), pay("B"))
    assert book.codes(says("MSG-1", status)) == []
    assert (book.statuses("A"), book.statuses("B"), book.verdict("T1")) == ([status], [status], verdict)
    assert book.transfers.get("T1").answered_at == LATER


def test_a_payment_goes_through_its_stages_and_the_account_has_the_last_word(book: Book) -> None:
    book.ready("T1", "MSG-1", pay("A"), pay("B"))
    assert book.stages("A") == ["NOT_SENT"]
    book.sent("T2", "MSG-2", pay("C"), pay("D"))
    told = [book.stages("C")]
    for said in (says("MSG-2", "ACTC"), says("MSG-2", "ACSP"), statement("S1", debit("10.00", "C"))):
        book.report(said)
        told.append(book.stages("C"))
    assert told == [["SUBMITTED"], ["CHECKED"], ["IN_PROCESS"], ["BOOKED"]]
    book.report(says("MSG-2", None, batch("MSG-2-1", None, tx("D", "RJCT"))))
    assert (book.stages("C"), book.stages("D")) == (["BOOKED"], ["REJECTED"])


def test_what_a_person_noted_is_the_stage_until_the_bank_speaks(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    noted = {"who": "anna", "how": "telephone", "reason": "they said so", "now": LATER}
    book.ledger.people.confirmed("T1", Verdict.ACCEPTED, **noted)  # type: ignore[arg-type]
    assert book.stages("A") == ["ACCEPTED"]
    book.report(says("MSG-1", "ACSC"))
    assert book.stages("A") == ["SETTLED"]


def test_where_only_the_refused_are_listed_the_rest_was_accepted(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"), pay("B"), pay("C"))
    assert book.codes(says("MSG-1", "PART", batch("MSG-1-1", "PART", tx("B", "RJCT", reason="AC04")))) == []
    assert [book.statuses(r) for r in "ABC"] == [["ACCP"], ["RJCT"], ["ACCP"]]
    assert book.verdict("T1") == "PARTIAL"
    [row] = book.ledger.views.payments("B")
    assert row.reasons == [{"code": "AC04", "means": "the account is closed"}]
    assert book.transfers.get("T1").reason == "the bank refused 1 of 3 payments: B AC04 the account is closed"


def test_where_accepted_ones_are_listed_nothing_is_inferred_for_the_rest(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"), pay("B"), pay("C"))
    book.report(says("MSG-1", "PART", batch("MSG-1-1", "PART", tx("A", "ACSP"), tx("B", "RJCT"))))
    assert [book.statuses(r) for r in "ABC"] == [["ACSP"], ["RJCT"], [None]]
    assert book.verdict("T1") == "PARTIAL"


def test_a_refused_payment_without_a_word_on_the_rest_is_partial_and_never_rejected(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"), pay("B"))
    book.report(says("MSG-1", None, batch("MSG-1-1", None, tx("A", "RJCT"))))
    assert [book.statuses(r) for r in "AB"] == [["RJCT"], [None]]
    assert book.verdict("T1") == "PARTIAL"


def test_the_more_particular_word_of_one_report_wins_and_is_no_contradiction(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"), pay("B"), pay("C", batch=2))
    said = says("MSG-1", "RJCT", batch("MSG-1-1", "ACSP", tx("B", "RJCT")), batch("MSG-1-2", "ACSC"))
    assert book.codes(said) == []
    assert [book.statuses(r) for r in "ABC"] == [["ACSP"], ["RJCT"], ["ACSC"]]
    verdicts = [b["verdict"] for b in book.ledger.views.history("T1").batches]
    assert (verdicts, book.verdict("T1")) == (["PARTIAL", "ACCEPTED"], "PARTIAL")


def effects(book: Book, transfer_id: str = "T1") -> list[str]:
    return [r["effect"] for r in book.ledger.views.history(transfer_id).reports]


def test_a_repeated_report_is_kept_and_marked_and_changes_nothing(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"), pay("B"))
    said = says("MSG-1", "ACSP", batch("MSG-1-1", None, tx("A", "RJCT", reason="AC04")))
    book.report(said)
    told = book.kinds("T1")
    assert book.codes(said) == []
    assert (book.statuses("A"), book.statuses("B"), book.verdict("T1")) == (["RJCT"], ["ACSP"], "PARTIAL")
    assert (effects(book), book.kinds("T1")) == (["take", "take", "repeat", "repeat"], told)


def test_a_repetition_without_reasons_takes_none_away_and_one_with_new_reasons_brings_them(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    reasons = []
    for reason in ("AC04", None, "AM04"):
        for part in (says("MSG-1", "RJCT", reason=reason), says("MSG-1", None, loose(tx("A", "RJCT", reason=reason)))):
            book.report(part)
            reasons.append([r["code"] for r in book.ledger.views.payments("A")[0].reasons])
    assert reasons == [["AC04"]] * 4 + [["AM04"]] * 2
    assert effects(book) == ["take", "repeat", "repeat", "repeat", "take", "repeat"]


def test_what_says_less_than_is_known_comes_late_and_what_says_the_same_of_some_is_not_a_repetition(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"), pay("B"))
    for said in (says("MSG-1", None, loose(tx("A", "ACSP"))), says("MSG-1", "ACSP"), says("MSG-1", "ACTC")):
        book.report(said)
    assert effects(book) == ["take", "take", "late"]
    assert [book.statuses(r) for r in "AB"] == [["ACSP"], ["ACSP"]]


# The bank's own words.

WORDS = {"00": "ACSP", "77": "PART", "99": "RJCT"}


@pytest.mark.parametrize(
    ("said", "statuses", "verdict"),
    [
        (says("MSG-1", "00"), ["ACSP", "ACSP"], "ACCEPTED"),
        (says("MSG-1", None, batch("MSG-1-1", "99")), ["RJCT", "RJCT"], "REJECTED"),
        (says("MSG-1", None, loose(tx("B", "99"))), [None, "RJCT"], "PARTIAL"),
        (says("MSG-1", "77", loose(tx("B", "99"))), ["ACCP", "RJCT"], "PARTIAL"),
    ],
)
def test_a_banks_own_word_is_what_its_profile_says_and_is_kept(
    book: Book, said: list[Record], statuses: list[str | None], verdict: str
) -> None:
    book.sent("T1", "MSG-1", pay("A"), pay("B"))
    assert book.codes(said, words=WORDS) == []
    assert ([book.statuses(r)[0] for r in "AB"], book.verdict("T1")) == (statuses, verdict)
    assert {r["said"] for r in book.ledger.views.history("T1").reports} <= set(WORDS)


@pytest.mark.parametrize("level", ["file", "batch", "payment"])
def test_an_unknown_word_settles_nothing_and_is_a_finding_that_names_the_setting(book: Book, level: str) -> None:
    parts = {
        "file": says("MSG-1", "NEWC"),
        "batch": says("MSG-1", None, batch("MSG-1-1", "NEWC")),
        "payment": says("MSG-1", None, loose(tx("A", "NEWC"))),
    }
    book.sent("T1", "MSG-1", pay("A"))
    message, findings = book.report(parts[level], words=WORDS)
    assert [(f.code, f.severity) for f in findings] == [("REPORT_STATUS_UNKNOWN", Severity.WARNING)]
    assert '[bank.statuses] "NEWC"' in findings[0].text
    assert (book.verdict("T1"), book.stages("A")) == ("PENDING", ["SUBMITTED"])
    assert message.id in [file.id for file in book.ledger.views.board(["acme"], LATER).attention]
    book.report(says("MSG-1", "RJCT"))
    assert book.verdict("T1") == "REJECTED"


# Reports that come before their file is known to be at the bank.


def by_hand(book: Book) -> None:
    book.ledger.people.sent_by_hand("T1", who="anna", how="portal", reason="the line was down", now=LATER)


def test_what_was_said_of_a_file_before_it_was_noted_as_sent_by_hand_counts_from_then_on(book: Book) -> None:
    book.ready("T1", "MSG-1", pay("A", instruction="I1"), pay("A", instruction="I2"))
    book.report(says("MSG-1", "ACTC"))
    said = tx("A", "RJCT", instruction_id="I2", reason="AC04")
    message, _ = book.report(says("MSG-1", "PART", batch("MSG-1-1", "PART", said)))
    assert effects(book) == ["orphan"] * 3
    by_hand(book)
    assert (book.statuses("A"), book.verdict("T1"), effects(book)) == (["ACCP", "RJCT"], "PARTIAL", ["early"] * 3)
    assert {r["transfer_id"] for r in book.ledger.views.history(message.id).reports} == {"T1"}


def test_a_refusal_from_before_frees_nothing(book: Book) -> None:
    """It may be of an earlier copy: the one that somebody brought there by hand may have been paid."""
    book.ready("T1", "MSG-1", pay("A"))
    book.report(says("MSG-1", "RJCT", reason="AC04"))
    by_hand(book)
    assert book.verdict("T1") == "REJECTED"
    with pytest.raises(NotAllowed, match="before the file was known"):
        book.decide("T1", Trigger.RESEND_REJECTED)


def test_what_was_said_before_is_settled_by_what_is_said_afterwards(book: Book) -> None:
    book.ready("T1", "MSG-1", pay("A"))
    book.report(says("MSG-1", "ACSP"))
    by_hand(book)
    book.report(says("MSG-1", None, loose(tx("A", "ACSC"))))
    assert (book.statuses("A"), effects(book)) == (["ACSC"], ["early", "take"])


def test_a_report_that_several_files_might_be_meant_by_stays_an_orphan(book: Book) -> None:
    book.ready("T1", "MSG-1", pay("A"))
    book.ready("T2", "MSG-1", pay("A", debtor="NL91ABNA0417164300"))
    assert book.codes(says("MSG-1", "ACSP"))[:1] == ["REPORT_AMBIGUOUS"]
    by_hand(book)
    assert (book.verdict("T1"), effects(book)) == ("none", ["orphan"])


def test_a_file_whose_message_id_the_bank_has_spoken_of_before_is_held(book: Book) -> None:
    message, _ = book.report(says("MSG-1", "ACSP"))
    held = book.ready("T1", "MSG-1", pay("A"))
    assert (held.state, book.ledger.views.history("T1").findings[0].code) == (State.HELD, "MESSAGE_ID_ANSWERED")
    assert message.id in (held.reason or "")
    release = partial(book.ledger.people.release, "T1", reason="asked", now=LATER, at_once=True)
    assert release(who="anna").state is State.HELD  # one person alone does not let it go
    assert book.ready("T2", "MSG-2", pay("B")).state is State.READY
    by_hand(book)
    assert book.verdict("T1") == "ACCEPTED"


def test_a_file_of_another_bank_with_that_message_id_is_not_held(book: Book) -> None:
    book.report(says("MSG-1", "ACSP"), bank="other")
    assert book.ready("T1", "MSG-1", pay("A")).state is State.READY


def test_an_early_report_settles_a_file_that_was_found_after_the_ledger_was_restored(book: Book) -> None:
    book.report(says("MSG-1", "ACSP"))
    new = Received(id=TransferId("T1"), bank="acme", watch="/out", name="run.xml", sha256="0" * 64, size=100)
    found = book.ledger.restored.found(new, Judged(id=new.id, judgement=judgement("MSG-1", pay("A"))), NOW, RADAR)
    assert (found.state, found.verdict, book.statuses("A")) == (State.SENT, "ACCEPTED", ["ACSP"])


def test_a_report_that_comes_late_changes_nothing(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    book.report(says("MSG-1", "ACSP"))
    assert book.codes(says("MSG-1", "ACTC")) == []
    assert book.codes(says("MSG-1", None, loose(tx("A", "ACTC")))) == []
    assert (book.statuses("A"), book.verdict("T1")) == (["ACSP"], "ACCEPTED")
    effects = [r["effect"] for r in book.ledger.views.history("T1").reports]
    assert effects == ["take", "late", "late"]


@pytest.mark.parametrize(("first", "second"), [("ACSC", "RJCT"), ("RJCT", "ACSC"), ("RJCT", "ACCP")])
def test_a_contradiction_of_a_final_status_is_a_finding_and_changes_nothing(
    book: Book, first: str, second: str
) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    book.report(says("MSG-1", first))
    before = book.verdict("T1")
    message, findings = book.report(says("MSG-1", None, loose(tx("A", second))))
    assert [(f.code, f.severity) for f in findings] == [("REPORT_CONFLICT", Severity.ERROR)]
    assert message.reason is not None
    assert (book.statuses("A"), book.verdict("T1")) == ([first], before)


def test_a_report_on_a_message_that_was_never_sent_is_kept_as_an_orphan(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    message, findings = book.report(says("MSG-9", "RJCT", loose(tx("A", "RJCT"))))
    assert [f.code for f in findings] == ["REPORT_UNKNOWN"]
    assert [r["effect"] for r in book.ledger.views.history(message.id).reports] == ["orphan", "orphan"]
    assert (book.statuses("A"), book.verdict("T1")) == ([None], "none")


def test_a_report_of_another_bank_does_not_touch_the_file(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    assert book.codes(says("MSG-1", "RJCT"), bank="other") == ["REPORT_UNKNOWN"]
    assert book.verdict("T1") == "none"


def test_a_report_without_an_original_message_id_answers_nothing(book: Book) -> None:
    book.received("T1")
    assert book.codes(says(None, "RJCT")) == ["REPORT_UNKNOWN"]


@pytest.mark.parametrize("state", ["READY", "STAGING", "HELD", "FAILED"])
def test_a_report_on_a_file_that_was_not_handed_over_is_a_finding_and_no_verdict(book: Book, state: str) -> None:
    make = book.staging if state in ("STAGING", "FAILED") else book.ready
    transfer = make("T1", "MSG-1", pay("A"))
    if state == "HELD":
        book.decide("T1", Trigger.HOLD)
    if state == "FAILED":
        book.transfers.not_delivered(
            transfer, step="stage", outcome="REFUSED", text="no", failures=9, due_at=None, now=NOW
        )
    message, findings = book.report(says("MSG-1", "ACCP"))
    assert [(f.code, f.severity) for f in findings] == [("REPORT_UNSENT", Severity.ERROR)]
    after = book.transfers.get("T1")  # what may go next waits for two persons
    assert (after.state, after.proposed_by, after.owner, after.due_at) == (State.HELD, "bank", None, None)
    assert (book.verdict("T1"), book.statuses("A")) == ("none", [None])
    assert message.state is MessageState.APPLIED


def test_a_worker_that_uploads_a_file_which_the_bank_has_just_named_does_not_publish_it(book: Book) -> None:
    staging = book.staging("T1", "MSG-1", pay("A"))
    book.report(says("MSG-1", "ACCP"))
    with pytest.raises(Stale):
        alone.publishing(book.transfers, staging, LATER)
    assert [a["outcome"] for a in book.attempts("T1")] == ["STOPPED"]


def test_a_file_that_is_to_be_sent_again_is_held_when_the_bank_names_it_after_all(book: Book) -> None:
    book.uncertain("T1", "MSG-1")
    book.decide("T1", Trigger.SEND_AGAIN, Actor.SECOND_PERSON)
    book.report(says("MSG-1", "ACCP"))
    assert book.transfers.due("acme", LATER) == []


@pytest.mark.parametrize("state", ["UNCERTAIN", "PUBLISHING"])
@pytest.mark.parametrize("status", ["ACTC", "RJCT"])
def test_a_report_that_names_a_doubtful_file_shows_that_the_bank_has_it(book: Book, state: str, status: str) -> None:
    make: dict[str, Callable[..., Transfer]] = {"UNCERTAIN": book.uncertain, "PUBLISHING": book.publishing}
    make[state]("T1", "MSG-1", pay("A"))
    assert book.codes(says("MSG-1", status)) == []
    after = book.transfers.get("T1")
    assert (after.state, after.sent_at, after.owner, after.due_at) == (State.SENT, LATER, None, None)
    assert book.attempts("T1")[0]["ended_at"] is not None


def test_where_an_uncertain_file_and_a_held_copy_share_a_message_id_the_report_is_of_the_uncertain_one(
    book: Book,
) -> None:
    book.uncertain("T1", "MSG-1", pay("A"))
    book.ready("T2", "MSG-1", pay("A"))
    book.decide("T2", Trigger.OVERRIDE)
    assert book.codes(says("MSG-1", "ACCP")) == []
    assert (book.state("T1"), book.state("T2")) == (State.SENT, State.HELD)


def test_where_a_sent_file_and_a_held_copy_share_a_message_id_the_report_is_of_the_sent_one(book: Book) -> None:
    """SQLite and PostgreSQL sort an empty sent_at to different ends."""
    book.sent("T1", "MSG-1", pay("A"))
    book.ready("T2", "MSG-1", pay("A"))
    book.decide("T2", Trigger.OVERRIDE)
    assert book.codes(says("MSG-1", "ACCP")) == []
    assert (book.verdict("T1"), book.verdict("T2")) == ("ACCEPTED", "none")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (tx("A", "RJCT", instruction_id="I1"), ["RJCT", "ACSP"]),
        (tx("A", "RJCT", instruction_id="I2"), ["ACSP", "RJCT"]),
        (tx(None, "RJCT", uetr="u2"), ["ACSP", "RJCT"]),
        (tx("A", "RJCT", amount=None, payment_information_id="MSG-1-2"), ["ACSP", "RJCT"]),
    ],
)
def test_payments_of_one_end_to_end_id_are_told_apart_by_what_else_the_bank_says(
    book: Book, status: object, expected: list[str]
) -> None:
    book.sent("T1", "MSG-1", pay("A", instruction="I1", uetr="u1"), pay("A", batch=2, instruction="I2", uetr="u2"))
    part = loose(status)  # type: ignore[arg-type]
    if getattr(status, "payment_information_id", None):
        part = batch("MSG-1-2", None, status)  # type: ignore[arg-type]
    assert book.codes(says("MSG-1", "ACSP", part)) == []
    assert book.statuses("A") == expected


def test_a_status_that_fits_several_payments_changes_none_of_them(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"), pay("A"))
    assert book.codes(says("MSG-1", None, batch("MSG-1-1", None, tx("A", "RJCT")))) == ["REPORT_AMBIGUOUS"]
    assert (book.statuses("A"), book.verdict("T1")) == ([None, None], "none")


def test_a_status_of_an_unknown_payment_or_batch_is_kept_and_told(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    codes = book.codes(says("MSG-1", None, batch("NONE", "RJCT"), batch("MSG-1-1", None, tx("Z", "RJCT"))))
    assert sorted(codes) == ["REPORT_UNKNOWN_BATCH", "REPORT_UNKNOWN_PAYMENT"]
    assert (book.statuses("A"), book.verdict("T1")) == ([None], "none")


def test_a_file_may_hold_several_reports(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    book.sent("T2", "MSG-2", pay("B"))
    assert book.codes([*says("MSG-1", "ACCP"), *says("MSG-2", "RJCT")]) == []
    assert (book.verdict("T1"), book.verdict("T2")) == ("ACCEPTED", "REJECTED")


def test_a_bank_that_refuses_a_copy_as_a_duplicate_has_not_refused_the_payments(book: Book) -> None:
    """Sent again after a doubt, the second copy is refused (AM05): the first one counts; nothing goes a third time."""
    book.uncertain("T1", "MSG-1", pay("A"))
    book.decide("T1", Trigger.SEND_AGAIN, Actor.SECOND_PERSON)
    again = book.lease(book.transfers.get("T1"), now=LATER)
    assert again is not None
    book.transfers.sent(alone.publishing(book.transfers, again, LATER), {}, LATER)
    book.report(says("MSG-1", "ACSP"))
    book.report(says("MSG-1", "RJCT", reason="AM05"))
    with pytest.raises(NotAllowed, match="duplicate"):
        Decisions(book.ledger.people, Clock(LATER)).resend("T1", who="anna", reason="it was refused")


def test_payments_of_a_blocked_transaction_are_never_sent_again(book: Book) -> None:
    """BLCK: the money left the debtor and neither arrives nor comes back."""
    book.sent("T1", "MSG-1", pay("A"))
    book.report(says("MSG-1", None, batch("MSG-1-1", None, tx("A", "BLCK"))))
    with pytest.raises(NotAllowed):
        book.decide("T1", Trigger.RESEND_REJECTED)


def test_a_long_report_is_looked_up_in_chunks_that_are_joined(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("h2h.ledger.reports.CHUNK", 2)
    book.sent("T1", "MSG-1", *(pay(f"P{n}") for n in range(5)))
    listed = (tx(f"P{n}", "RJCT" if n == 4 else "ACSP") for n in range(5))
    assert book.codes(says("MSG-1", None, batch("MSG-1-1", None, *listed))) == []
    assert [book.statuses(f"P{n}")[0] for n in range(5)] == ["ACSP"] * 4 + ["RJCT"]


# camt.053


def test_a_booked_debit_finds_its_payment_by_end_to_end_id_amount_and_account(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A", "10.00"), pay("B", "20.00"))
    assert book.codes(statement("S1", debit("10.00", "A"))) == []
    assert (book.booked("A"), book.booked("B")) == ([True], [False])
    [row] = book.ledger.views.statements()
    assert (row.entries, row.matched, row.reconciles, str(row.closing)) == (1, 1, True, "990.00")


@pytest.mark.parametrize(
    "entry",
    [
        debit("10.01", "A"),
        debit("10.00", "Z"),
        debit("10.00", "NOTPROVIDED"),
        debit("10.00", None),
        debit("10.00", "A", direction="CRDT"),
        debit("10.00", "A", reversal=True),
        debit("10.00", "A", status="PDNG"),
        debit("10.00", "A", status="INFO"),
    ],
)
def test_what_does_not_fit_exactly_is_left_unmatched(book: Book, entry: object) -> None:
    book.sent("T1", "MSG-1", pay("A", "10.00"), pay("NOTPROVIDED", "10.00"))
    book.report(statement("S1", entry))  # type: ignore[arg-type]
    assert (book.booked("A"), book.booked("NOTPROVIDED")) == ([False], [False])


def test_a_file_that_is_not_at_the_bank_is_not_matched(book: Book) -> None:
    book.ready("T1", "MSG-1", pay("A", "10.00"))
    book.report(statement("S1", debit("10.00", "A")))
    assert book.booked("A") == [False]


def test_another_account_or_another_bank_is_not_matched(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A", "10.00"))
    book.report(statement("S1", debit("10.00", "A")), bank="other")
    other = statement("S2", debit("10.00", "A"))
    book.report([replace(r, iban="DE89370400440532013000") if hasattr(r, "iban") else r for r in other])  # type: ignore[arg-type]
    assert book.booked("A") == [False]


def test_a_batch_booked_in_one_sum_executes_all_of_it_that_was_not_refused(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A", "10.00"), pay("B", "20.00"), pay("C", "5.00"), pay("D", "7.00", batch=2))
    book.report(says("MSG-1", None, batch("MSG-1-1", None, tx("C", "RJCT"))))
    book.report(statement("S1", debit("30.00", batch_payment_information_id="MSG-1-1")))
    assert [book.booked(r) for r in "ABCD"] == [[True], [True], [False], [False]]
    assert book.ledger.views.statements()[0].matched == 2


def test_a_batch_booked_with_another_sum_is_left_unmatched(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A", "10.00"), pay("B", "20.00"))
    book.report(statement("S1", debit("29.99", batch_payment_information_id="MSG-1-1")))
    assert [book.booked(r) for r in "AB"] == [[False], [False]]


def test_two_identical_entries_stay_two_and_execute_one_payment_each(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A", "10.00"), pay("A", "10.00"))
    message, _ = book.report(statement("S1", debit("10.00", "A"), debit("10.00", "A"), debit("10.00", "A")))
    assert book.booked("A") == [True, True]
    assert len(book.ledger.views.entries(message.id)) == 3
    assert book.ledger.views.statements()[0].matched == 2


def test_a_payment_is_booked_once_however_many_statements_name_it(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A", "10.00"))
    book.report(statement("S1", debit("10.00", "A")))
    book.report(statement("S2", debit("10.00", "A")))
    assert sorted(s.matched for s in book.ledger.views.statements()) == [0, 1]


def test_the_oldest_payment_of_a_reference_is_executed_first(book: Book) -> None:
    book.sent("T2", "MSG-2", pay("A", "10.00"))
    book.uncertain("T1", "MSG-1", pay("A", "10.00"))
    book.report(statement("S1", debit("10.00", "A")))
    assert book.booked("A") == [False, True]  # T1 may not be at the bank at all


def test_a_reversal_leaves_the_payment_as_it_is(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A", "10.00"))
    book.report(statement("S1", debit("10.00", "A")))
    assert book.codes(statement("S2", debit("10.00", "A", direction="CRDT", reversal=True))) == []
    assert book.booked("A") == [True]


def test_a_statement_that_was_read_before_makes_no_second_records_whatever_file_it_comes_in(book: Book) -> None:
    book.report(statement("S1", debit("10.00", "A"), electronic_sequence_number="7"))
    message, findings = book.report(
        statement("S1", debit("10.00", "A"), electronic_sequence_number="7", created_at="2026-11-21T08:00:00")
    )
    assert [f.code for f in findings] == ["STATEMENT_REPEATED"]
    assert message.state is MessageState.REPEATED
    assert book.ledger.views.entries(message.id) == []
    assert len(book.ledger.views.statements()) == 1


def test_a_known_statement_with_another_content_changes_nothing_and_waits_for_a_person(book: Book) -> None:
    book.report(statement("S1", debit("10.00", "A"), electronic_sequence_number="7"))
    other = statement("S1", debit("10.00", "A"), debit("1.00", "B"), electronic_sequence_number="7")
    message, findings = book.report(other)
    assert [f.code for f in findings] == ["STATEMENT_CONFLICT"]
    assert (message.state, message.handed_over_at) == (MessageState.UNREADABLE, None)
    assert book.ledger.views.entries(message.id) == []
    assert [s.entries for s in book.ledger.views.statements()] == [1]
    assert message.id in [file.id for file in book.ledger.views.board(["acme"], LATER).attention]


@pytest.mark.parametrize(("first", "second"), [("2025-11-20", "2026-11-20"), ("2026-11-20", "2026-11-21")])
def test_a_bank_that_begins_its_numbers_again_has_its_new_statement_booked(book: Book, first: str, second: str) -> None:
    book.report(on(first, statement("S1", debit("10.00", "A"), electronic_sequence_number="1")))
    assert book.codes(on(second, statement("S1", debit("10.00", "A"), electronic_sequence_number="1"))) in (
        ["STATEMENT_OPENING"],
        [],
    )
    assert len(book.ledger.views.statements()) == 2


def test_without_any_day_the_year_of_creation_tells_two_statements_apart(book: Book) -> None:
    for year in ("2025", "2026"):
        assert book.codes(statement("S1", debit("10.00", "A"), created_at=f"{year}-01-02T08:00:00")) == []
    assert len(book.ledger.views.statements()) == 2


@pytest.mark.parametrize(("flag", "booked"), [("DUPL", 1), ("CODU", 1), ("COPY", 2), (None, 2)])
def test_what_is_flagged_as_a_duplicate_is_one_under_another_id_too(book: Book, flag: str | None, booked: int) -> None:
    book.report(on("2026-11-20", statement("S1", debit("10.00", "A"))))
    book.report(on("2026-11-20", statement("S2", debit("10.00", "A"), copy_duplicate=flag)))
    book.report(on("2026-11-21", statement("S3", debit("10.00", "A"), copy_duplicate="DUPL")))  # of one that never came
    assert len(book.ledger.views.statements()) == booked + 1


@pytest.mark.parametrize(("number", "booked"), [("7", 1), (None, 1), ("8", 2)])
def test_an_original_that_comes_after_its_duplicate_is_the_same_one_unless_it_has_another_number(
    book: Book, number: str | None, booked: int
) -> None:
    first = statement("S2", debit("10.00", "A"), copy_duplicate="DUPL", electronic_sequence_number="7")
    book.report(on("2026-11-20", first))
    book.report(on("2026-11-20", statement("S1", debit("10.00", "A"), electronic_sequence_number=number)))
    assert len(book.ledger.views.statements()) == booked


def on(day: str, records: list[Record]) -> list[Record]:
    """The same statement, with this day on its balances."""
    head, said, *entries = records
    assert isinstance(said, Statement)
    return [head, replace(said, balances=tuple(replace(b, date=day) for b in said.balances)), *entries]


def numbered(day: int, number: int, opening: str = "1000.00", **more: Any) -> list[Record]:
    entry = debit("10.00", f"E{number}")
    values = {"opening": opening, "electronic_sequence_number": str(number), **more}
    return on(f"2026-11-{day:02d}", statement(f"S{number}", entry, **values))


def test_numbers_that_were_left_out_are_listed_and_told(book: Book) -> None:
    assert book.codes(numbered(1, 7)) == []
    message, findings = book.report(numbered(5, 11))
    assert [f.code for f in findings] == ["STATEMENT_GAP"]
    assert "8, 9, 10 did not come" in findings[0].text
    assert message.id in [file.id for file in book.ledger.views.board(["acme"], LATER).attention]
    assert book.codes(numbered(2, 8, opening="990.00")) == []


def test_the_first_number_of_a_new_year_follows_no_other(book: Book) -> None:
    book.report(numbered(1, 250))
    assert book.codes(on("2027-01-02", statement("S1", opening="990.00", electronic_sequence_number="1"))) == []


def test_an_opening_that_is_not_the_last_closing_is_told(book: Book) -> None:
    book.report(numbered(1, 7))
    assert book.codes(numbered(2, 8, opening="990.00")) == []
    assert book.codes(numbered(3, 9, opening="990.00")) == ["STATEMENT_OPENING"]


def test_half_a_statement_is_told_as_incomplete_until_its_next_page_has_come(book: Book) -> None:
    def pending() -> list[str]:
        return [gap.kind for gap in book.ledger.gaps.rows()]

    book.report(statement("S1", debit("10.00", "A"), page_number="1", last_page=False))
    assert pending() == ["PAGE"]
    assert [s.reconciles for s in book.ledger.views.statements()] == [None]
    book.report(statement("S1", debit("20.00", "B"), opening="990.00", page_number="2", last_page=True))
    assert pending() == []


def test_a_page_whose_page_before_is_not_there_is_told(book: Book) -> None:
    assert book.codes(statement("S1", debit("20.00", "B"), page_number="2", last_page=True)) == ["STATEMENT_PAGE"]


@pytest.mark.parametrize(
    "different",
    [
        {"electronic_sequence_number": "8"},
        {"legal_sequence_number": "8"},
        {"page_number": "2"},
        {"page_number": "2", "last_page": True},
    ],
)
def test_another_number_or_page_is_another_statement(book: Book, different: dict[str, object]) -> None:
    more = {name: False if name == "last_page" else "1" for name in different}
    book.report(statement("S1", debit("10.00", "A"), **more))  # type: ignore[arg-type]
    assert book.codes(statement("S1", debit("20.00", "B"), opening="990.00", **different)) == []  # type: ignore[arg-type]
    assert len(book.ledger.views.statements()) == 2


def test_a_statement_that_does_not_add_up_is_a_finding(book: Book) -> None:
    assert book.codes(statement("S1", debit("10.00", "A"), closing="989.99")) == ["STATEMENT_SUM"]
    assert book.ledger.views.statements()[0].reconciles is False


@pytest.mark.parametrize(
    "entries",
    [
        (debit("10.00", "A"), debit("20.00", "X")),
        (debit("10.00", "A"), debit("20.00", "B", booking_date="2026-11-19")),
        (debit("20.00", "A"), debit("10.00", "B")),
        (debit("10.00", "A", None), debit("20.00", "B")),
        (debit("10.00", "A"), debit("20.00", "B", reversal=True)),
    ],
)
def test_as_many_entries_of_the_same_sum_are_not_the_same_entries(book: Book, entries: tuple[Any, ...]) -> None:
    first = (debit("10.00", "A"), debit("20.00", "B"))
    book.report(statement("S1", *first))
    assert book.codes(statement("S1", *entries)) == ["STATEMENT_CONFLICT"]
    again = [replace(entry, amount=entry.amount * Decimal("1.0")) for entry in reversed(first)]
    assert book.codes(statement("S1", *again)) == ["STATEMENT_REPEATED"]


# Kept, applied, discarded, handed over.


def remote(name: str = "x.xml", size: int = 10, modified: int | None = 5) -> RemoteFile:
    return RemoteFile(folder="/out", name=name, size=size, modified=modified)


def kept(book: Book, number: int, sha256: str, file: RemoteFile | None = None, bank: str = "acme") -> Message:
    return book.ledger.messages.kept(InboundId(f"M{number}"), bank, file or remote(), sha256, NOW)


def reading(*records: object, fault: bool = False) -> Reading:
    finding = Finding(code="MSG_UNKNOWN", severity=Severity.ERROR, text="What is it?")
    gathered = Gathered(records)  # type: ignore[arg-type]
    return Reading(message="m", message_id="ID", records=gathered, findings=[finding] if fault else [])


def test_known_content_is_repeated_under_whatever_name_and_never_read_again(book: Book) -> None:
    first = kept(book, 1, "aa")
    second = kept(book, 2, "aa", remote("other.xml"))
    assert (first.state, second.state, second.same_as) == (MessageState.KEPT, MessageState.REPEATED, "M1")
    assert [m.id for m in book.ledger.messages.unread("acme")] == ["M1"]
    assert book.ledger.messages.applied(InboundId("M2"), reading(*says("X", "ACCP")), NOW) == second
    assert book.ledger.messages.not_handed_over("acme") == []


def test_the_same_content_from_another_bank_is_a_file_of_its_own(book: Book) -> None:
    kept(book, 1, "aa")
    assert kept(book, 2, "aa", bank="other").state is MessageState.KEPT


def test_what_could_not_be_read_cannot_be_read_when_it_comes_again(book: Book) -> None:
    kept(book, 1, "aa")
    assert book.ledger.messages.applied(InboundId("M1"), reading(fault=True), NOW).state is MessageState.UNREADABLE
    assert kept(book, 2, "aa").state is MessageState.UNREADABLE


def test_a_file_is_applied_once(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    kept(book, 1, "aa")
    book.ledger.messages.applied(InboundId("M1"), reading(*says("MSG-1", "ACCP")), NOW)
    again = book.ledger.messages.applied(InboundId("M1"), reading(*says("MSG-1", "RJCT")), NOW)
    assert (again.state, book.verdict("T1")) == (MessageState.APPLIED, "ACCEPTED")
    assert book.kinds("M1") == ["KEPT", "APPLIED"]


def test_a_file_that_cannot_be_applied_leaves_no_half(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    kept(book, 1, "aa")
    monkeypatch.setattr("h2h.ledger.messages.store_findings", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        book.ledger.messages.applied(InboundId("M1"), reading(*says("MSG-1", "ACCP")), NOW)
    assert (book.ledger.messages.get("M1").state, book.verdict("T1")) == (MessageState.KEPT, "none")


@pytest.mark.parametrize(
    ("listed", "known"),
    [
        (remote(), True),
        (remote("y.xml"), False),
        (remote(size=11), False),
        (remote(modified=6), False),
        (remote(modified=None), False),
    ],
)
def test_a_listed_file_is_known_by_folder_name_size_and_time(book: Book, listed: RemoteFile, known: bool) -> None:
    kept(book, 1, "aa")
    assert (listed in book.ledger.messages.seen("acme", [listed])) is known
    assert book.ledger.messages.seen("other", [listed]) == {}


@pytest.mark.parametrize("modified", [5, None])
def test_a_file_listed_under_the_name_of_a_discarded_one_is_a_new_file(book: Book, modified: int | None) -> None:
    """Else it would be discarded unread: banks reuse names, and some tell no times."""
    file = remote(modified=modified)
    kept(book, 1, "aa", file)
    assert file in book.ledger.messages.seen("acme", [file])
    book.ledger.messages.discarded(InboundId("M1"), "delete", NOW)
    assert book.ledger.messages.seen("acme", [file]) == {}


def test_a_file_waits_to_be_handed_over_until_it_was(book: Book) -> None:
    kept(book, 1, "aa")
    assert book.ledger.messages.not_handed_over("acme") == []
    book.ledger.messages.applied(InboundId("M1"), reading(*says("X", "ACCP")), NOW)
    assert [m.id for m in book.ledger.messages.not_handed_over("acme")] == ["M1"]
    book.ledger.messages.handed_over(InboundId("M1"), ["a.xml"], NOW)
    assert book.ledger.messages.not_handed_over("acme") == []
    assert book.kinds("M1") == ["KEPT", "APPLIED", "handed over"]


def test_values_that_break_their_schema_do_not_break_the_ledger(book: Book) -> None:
    """Inbound files are read tolerantly; one over-long value must not keep every other file out."""
    long = "X" * 200
    book.sent("T1", "MSG-1", pay("A"))
    book.report(says("MSG-1", long, batch(long, long, tx("A", long, uetr=long, reason=long))))
    head, said, *_ = statement("S1")
    entry = debit("1.00", long, status=long, booking_date=long, reference=long)
    odd = replace(entry, position=1, currency=long, direction=long, amount=Decimal("1" * 60 + ".01"))
    said = replace(said, iban=long, currency=long, period_from=long, created_at=long)  # type: ignore[call-arg]
    assert book.codes([head, said, odd]) == []
    assert [s.account for s in book.ledger.views.statements()] == [long]
    assert book.statuses("A") == [long]


def test_reasons_are_kept_as_they_were_said(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    reason = Reason(proprietary="X-17", text="Konto geschlossen – ärgerlich")
    book.report(says("MSG-1", None, loose(replace(tx("A", "RJCT"), reasons=(reason,)))))
    assert book.ledger.views.payments("A")[0].reasons == [{"proprietary": "X-17", "text": reason.text}]
    assert book.ledger.views.payments("A")[0].debtor_account == ACCOUNT
