"""What entries of statements do to payments: final and announced debits, returns, and debits that are too many.

On SQLite and on a real PostgreSQL; the words of the stories are in books.py.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from h2h.booked import EntryBatch
from h2h.errors import NotAllowed
from h2h.ledger import Ledger, statements
from h2h.ledger.payment_views import PaymentRow
from h2h.lifecycle import Trigger
from h2h.model import Entry, EntryDetail, Finding, Reason, Record, Severity, Statement
from tests.changing import replace
from tests.suites.backwards import back_to
from tests.suites.books import ACCOUNT, LATER, Book, batch, credit, debit, pay, says, statement, tx
from tests.suites.test_ledger import book_url, sql

REPORT, NOTICE = "camt.052.001.08", "camt.054.001.08"


def one(book: Book, reference: str = "A") -> PaymentRow:
    [row] = book.ledger.views.payments(reference)
    return row


def told(findings: list[Finding]) -> list[str]:
    return [f.code for f in findings]


def notice(name: str, *entries: Entry, message: str = NOTICE) -> list[Record]:
    return statement(name, *entries, message=message)


def moved(book: Book, reference: str = "A") -> list[tuple[str, bool, str]]:
    """Every movement of the payment: what it is, whether final, and the statement's name."""
    return [(m["role"], m["final"], m["statement_id"]) for m in one(book, reference).movements]


# Final and announced.


@pytest.mark.parametrize("status", ["PDNG", "INFO", "FUTR", "XXXX"])
@pytest.mark.parametrize("message", ["camt.053.001.08", REPORT, NOTICE])
def test_what_is_not_booked_does_nothing_whatever_message_it_stands_in(book: Book, status: str, message: str) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    book.report(notice("S1", debit("10.00", "A", status=status), message=message))
    assert (book.stages("A"), moved(book)) == (["SUBMITTED"], [])


@pytest.mark.parametrize(
    ("message", "status", "stage"),
    [
        ("camt.053.001.02", "BOOK", "BOOKED"),
        ("camt.053.001.08", None, "BOOKED"),
        (REPORT, "BOOK", "ADVISED"),
        (NOTICE, "BOOK", "ADVISED"),
        (REPORT, None, "SUBMITTED"),
        (NOTICE, None, "SUBMITTED"),
    ],
)
def test_a_statement_books_and_the_others_announce(book: Book, message: str, status: str | None, stage: str) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    book.report(notice("S1", debit("10.00", "A", status=status), message=message))
    assert book.stages("A") == [stage]
    [row] = book.ledger.views.statements()
    assert (row.kind, row.matched) == (message[5:8], int(stage != "SUBMITTED"))


@pytest.mark.parametrize("first", [REPORT, NOTICE])
def test_a_debit_that_was_announced_is_booked_once_by_the_statement(book: Book, first: str) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    book.report(notice("N1", debit("10.00", "A"), message=first))
    _, findings = book.report(statement("S1", debit("10.00", "A")))
    assert (findings, book.stages("A")) == ([], ["BOOKED"])
    assert moved(book) == [("debit", False, "N1"), ("debit", True, "S1")]
    assert (one(book).booking or {})["statement_id"] == "S1"


def test_a_notice_that_comes_after_the_statement_announces_nothing_new(book: Book) -> None:
    """Not of the second payment either, which is like the first: the bank's reference is that of what was booked."""
    book.sent("T1", "MSG-1", pay("A"), pay("A"))
    entry = debit("10.00", "A", account_servicer_reference="REF-1")
    book.report(statement("S1", entry))
    assert book.codes(notice("N1", entry)) == []
    assert book.stages("A") == ["BOOKED", "SUBMITTED"]


def test_reports_of_one_day_tell_the_same_entry_again_and_notices_do_not(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"), pay("A"))
    for name in ("R1", "R2"):
        book.report(notice(name, debit("10.00", "A"), message=REPORT))
    assert book.stages("A") == ["ADVISED", "SUBMITTED"]
    for name in ("N1", "N2"):
        book.report(notice(name, debit("10.00", "A")))
    assert book.stages("A") == ["ADVISED", "ADVISED"]


def test_two_entries_alike_in_one_report_are_two(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"), pay("A"))
    book.report(notice("R1", debit("10.00", "A"), debit("10.00", "A"), message=REPORT))
    assert book.stages("A") == ["ADVISED", "ADVISED"]


def test_one_statement_id_in_two_kinds_of_message_is_no_contradiction(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    assert book.codes(notice("1", debit("10.00", "A"))) == []
    assert book.codes(statement("1", debit("10.00", "A"), debit("1.00", "B"))) == ["DEBIT_UNKNOWN"]
    assert book.codes(notice("1", debit("2.00", "C"))) == []  # a notification has an id of its own, or none
    assert book.codes(notice("1", debit("2.00", "C"))) == ["STATEMENT_REPEATED"]


def test_no_reference_is_none_beside_entries_that_have_one(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("NOTPROVIDED", instruction="I1"), pay("A"))
    other = debit("3.00", None)
    named = replace(other, details=tuple(replace(d, instruction_id="I1") for d in other.details))
    book.report(statement("S1", debit("10.00", "A"), named, debit("10.00", "NOTPROVIDED", told_in="FILE-N1")))
    assert (book.stages("A"), book.stages("NOTPROVIDED")) == (["BOOKED"], ["SUBMITTED"])


def test_what_comes_is_reckoned_once_however_many_are_of_its_name(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "ABC":
        book.report(notice("1", debit("10.00", name)))
    reckoned: list[int] = []
    of_all = statements._of_all

    def counted(essences: Any) -> int:
        reckoned.append(of_all(essences))
        return reckoned[-1]

    monkeypatch.setattr(statements, "_of_all", counted)
    book.report(notice("1", debit("10.00", "D")))
    assert (len(reckoned), len(set(reckoned))) == (4, 4)


def test_what_was_announced_is_not_sent_again(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    book.report(notice("N1", debit("10.00", "A")))
    book.report(says("MSG-1", "RJCT"))
    with pytest.raises(NotAllowed, match="debited already"):
        book.decide("T1", Trigger.RESEND_REJECTED)
    assert book.stages("A") == ["ADVISED"]


# Batches without details.


@pytest.mark.parametrize("names", [{"account_servicer_reference": "REF-1"}, {"batch_payment_information_id": "MSG-1-1"},
                                   {"batch_payment_information_id": "THEIRS"}, {"told_in": "FILE-N1"}])  # fmt: skip
@pytest.mark.parametrize("statement_first", [False, True])
def test_the_details_of_a_notice_tell_which_payments_the_statement_books(
    book: Book, names: dict[str, str], statement_first: bool
) -> None:
    """Two of three: of the batch's sum alone nothing would follow."""
    book.sent("T1", "MSG-1", pay("A", "10.00"), pay("B", "20.00"), pay("C", "5.00"))
    shared = {k: v for k, v in names.items() if k != "told_in"}
    details = debit("30.00", "A", "B", **shared)
    amounts = (Decimal("10.00"), Decimal("20.00"))
    details = replace(details, details=tuple(
        replace(d, amount=a) for d, a in zip(details.details, amounts, strict=True)))  # fmt: skip
    both = [notice("N1", details), statement("S1", debit("30.00", **names))]
    for records in reversed(both) if statement_first else both:
        book.report(records)
    assert [book.stages(r) for r in "ABC"] == [["BOOKED"], ["BOOKED"], ["SUBMITTED"]]
    booked = {(one(book, r).booking or {})["statement_id"] for r in "AB"}
    assert (booked, [s.matched for s in book.ledger.views.statements()]) == ({"S1"}, [2, 2])


def test_what_a_notice_tells_of_a_statement_is_booked_by_that(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    book.report(notice("N1", debit("10.00", "A", told_in="FILE-S1")))
    book.report(statement("S1", debit("10.00")))
    assert book.stages("A") == ["BOOKED"]


@pytest.mark.parametrize("other", [{"amount": Decimal("31.00")}, {"account_servicer_reference": "REF-2"},
                                   {"direction": "CRDT"}, {"currency": "SEK"}])  # fmt: skip
def test_a_notice_of_another_entry_books_nothing(book: Book, other: dict[str, Any]) -> None:
    book.sent("T1", "MSG-1", pay("A", "30.00"))
    book.report(notice("N1", debit("30.00", "A", account_servicer_reference="REF-1")))
    book.report(statement("S1", replace(debit("30.00", account_servicer_reference="REF-1"), **other)))
    assert book.stages("A") == ["ADVISED"]


def test_a_whole_file_booked_in_one_sum_is_known_by_its_message_id(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A", "10.00"), pay("B", "20.00", batch=2))
    book.report(statement("S1", debit("30.00", batch_message_id="MSG-1")))
    assert [book.stages(r) for r in "AB"] == [["BOOKED"], ["BOOKED"]]


def test_an_entry_of_several_batches_books_each_that_fits(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A", "10.00"), pay("B", "20.00", batch=2), pay("C", "7.00", batch=3))
    parts = tuple(
        EntryBatch(payment_information_id=name, total=Decimal(total), currency="EUR")
        for name, total in (("MSG-1-1", "10.00"), ("MSG-1-2", "20.00"), ("MSG-1-3", "7.01"))
    )
    book.report(statement("S1", debit("37.01", batches=parts)))
    assert [book.stages(r) for r in "ABC"] == [["BOOKED"], ["BOOKED"], ["SUBMITTED"]]


def test_two_batches_alike_are_booked_by_two_entries_the_older_first(book: Book) -> None:
    for number in (1, 2):
        book.received(f"T{number}")
        book.judged(f"T{number}", "MSG-1", pay("A", debtor=ACCOUNT if number == 1 else None))
        book.ledger.people.sent_by_hand(f"T{number}", who="anna", how="portal", reason="the line was down", now=LATER)
    book.report(statement("S1", debit("10.00", batch_payment_information_id="MSG-1-1")))
    assert book.stages("A") == ["BOOKED", "SUBMITTED"]
    book.report(statement("S2", debit("10.00", batch_payment_information_id="MSG-1-1")))
    assert book.stages("A") == ["BOOKED", "BOOKED"]


def test_a_sum_whose_details_name_other_payments_books_no_batch(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    book.report(statement("S1", debit("10.00", "Z", batch_payment_information_id="MSG-1-1")))
    assert book.stages("A") == ["SUBMITTED"]


def test_another_currency_is_another_sum(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A", "10.00"))
    book.report(statement("S1", replace(debit("10.00", batch_payment_information_id="MSG-1-1"), currency="USD")))
    assert book.stages("A") == ["SUBMITTED"]


@pytest.mark.parametrize("state", ["publishing", "uncertain", "sent"])
def test_a_debit_counts_as_soon_as_the_bank_may_have_the_file(book: Book, state: str) -> None:
    getattr(book, state)("T1", "MSG-1", pay("A"))
    book.report(statement("S1", debit("10.00", "A")))
    assert book.booked("A") == [True]


def test_a_debit_is_none_of_a_file_that_never_went_to_the_bank(book: Book) -> None:
    book.ready("T1", "MSG-1", pay("A"))
    book.report(statement("S1", debit("10.00", "A")))
    assert book.booked("A") == [False]


# References.

UETR = "1ce7bb16-8c9e-4b9b-8d7b-0d0e0f0a0b0c"


def detail(**values: Any) -> Entry:
    whole: dict[str, Any] = {"amount": Decimal("10.00"), "currency": "EUR", "direction": "DBIT"}
    return debit("10.00", details=(EntryDetail(position=1, **whole | values),))


@pytest.mark.parametrize(
    ("said", "booked"),
    [
        ({"uetr": UETR.upper()}, [False, True]),
        ({"uetr": UETR, "end_to_end_id": "A"}, [False, True]),
        ({"end_to_end_id": "A", "instruction_id": "I2"}, [False, True]),
        ({"end_to_end_id": "A"}, [True, False]),
        ({"instruction_id": "I2"}, [False, True]),
        ({"instruction_id": "I2", "end_to_end_id": "Z"}, [False, False]),
        ({"payment_information_id": "MSG-1-1", "creditor_account": "FR14 2004 1010 0505 0001 3M02 606"}, [False, True]),
        ({"payment_information_id": "MSG-1-1"}, [False, False]),
        ({"payment_information_id": "MSG-1-1", "end_to_end_id": "NOTPROVIDED", "amount": Decimal("11.00")},
         [False, False]),
        ({"end_to_end_id": "A", "amount": Decimal("10.50"), "instructed_amount": Decimal("10"),
          "instructed_currency": "EUR"}, [True, False]),
        ({"end_to_end_id": "A", "amount": Decimal("10.50")}, [False, False]),
        ({"end_to_end_id": "A", "currency": "USD"}, [False, False]),
    ],
)  # fmt: skip
def test_a_debit_finds_its_payment_by_what_the_bank_says_of_it(
    book: Book, said: dict[str, Any], booked: list[bool]
) -> None:
    book.sent(
        "T1", "MSG-1", pay("A", instruction="I1", to="NL91ABNA0417164300"),
        pay("A", instruction="I2", uetr=UETR, to="FR1420041010050500013M02606"),
    )  # fmt: skip
    book.report(statement("S1", detail(**said)))
    assert book.booked("A") == booked


def test_a_second_debit_by_uetr_is_of_that_payment_though_another_of_its_references_is_free(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A", uetr=UETR), pay("A"))
    book.report(statement("S1", detail(uetr=UETR, end_to_end_id="A")))
    assert "DEBIT_TWICE" in book.codes(statement("S2", detail(uetr=UETR, end_to_end_id="A")))
    assert book.booked("A") == [True, False]


def test_what_another_bank_debits_is_no_payment_of_this_one(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    book.report(statement("S1", debit("10.00", "A")), bank="other")
    assert book.booked("A") == [False]


def test_an_amount_is_the_same_however_many_decimals_it_is_written_with(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A", "10"), pay("B", "10.5"), pay("C", "1000.00000"))
    entries = (debit("10.00", "A"), debit("10.500", "B"), debit("1000", "C"))
    book.report(statement("S1", *entries, opening="9999"))
    assert [book.booked(r) for r in "ABC"] == [[True]] * 3


# Given back.


def test_a_return_after_booking_is_told_with_its_reason(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    book.report(statement("S1", debit("10.00", "A")))
    message, findings = book.report(statement("S2", credit("10.00", "A", reason="AC04", booking_date="2026-11-24")))
    assert [(f.code, f.severity) for f in findings] == [("PAYMENT_RETURNED", Severity.WARNING)]
    assert "A of T1 (10.00 EUR) came back on 2026-11-24: AC04 the account is closed." in findings[0].text
    assert message.id in [file.id for file in book.ledger.views.board(["acme"], LATER).attention]
    row = one(book)
    assert (row.stage, row.booking is not None, row.returned is not None) == ("RETURNED", True, True)
    assert row.returned is not None
    assert (row.returned["less"], row.returned["reasons"]) == (
        None,
        [{"code": "AC04", "means": "the account is closed"}],
    )
    assert (book.verdict("T1"), book.statuses("A")) == ("none", [None])
    assert message.id in [file.id for file in book.ledger.views.messages_about("T1")]


def test_a_return_is_no_refusal(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    book.report(statement("S1", debit("10.00", "A")))
    book.report(statement("S2", credit("10.00", "A", reason="AC04")))
    book.report(says("MSG-1", "RJCT"))
    with pytest.raises(NotAllowed, match="debited already"):
        book.decide("T1", Trigger.RESEND_REJECTED)


@pytest.mark.parametrize(
    ("entry", "comes_back"),
    [
        (credit("10.00", "A"), True),  # the references and the amount are enough
        (credit("10.00", "A", reversal=True), True),
        (credit("10.00", "Z", reason="AC04"), False),
        (credit("10.00", None, reason="AC04"), False),
        (credit("10.00", "A", status="PDNG"), False),
        (credit("10.01", "A", reason="AC04"), False),
        (credit("9.00", "A"), False),  # a smaller sum only where the bank says that it is a return
        (credit("9.00", "A", reason="AC04"), True),
        (credit("9.00", "A", reversal=True), True),
        (credit("9.00", "A", transaction_code="PMNT/ICDT/RRTN"), True),
        (credit("0.00", "A", reason="AC04"), False),
        (replace(credit("9.00", "A", reason="AC04"), currency="USD",
                 details=(replace(credit("9.00", "A", reason="AC04").details[0], currency="USD"),)), False),
        (credit("10.00", account_servicer_reference="D-1", reversal=True), True),
        (credit("10.00", account_servicer_reference="D-1"), False),
        (credit("9.00", account_servicer_reference="D-1", reversal=True), False),
        (credit("10.00", None, account_servicer_reference="D-1", reason="AC04"), True),
        (replace(credit("10.00", "Z"), details=(replace(
            credit("10.00", "Z", reason="AC04").details[0], transaction_id="TX-1"),)), True),
        (replace(credit("10.00", "Z"), details=(replace(
            credit("10.00", "Z", reason="AC04").details[0], account_servicer_reference="D-2"),)), True),
    ],
)  # fmt: skip
def test_what_a_credit_has_to_say_to_be_a_return(book: Book, entry: Entry, comes_back: bool) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    paid = debit("10.00", "A", account_servicer_reference="D-1")
    known = replace(paid.details[0], transaction_id="TX-1", account_servicer_reference="D-2")
    book.report(statement("S1", replace(paid, details=(known,))))
    book.report(statement("S2", entry))
    assert book.stages("A") == ["RETURNED" if comes_back else "BOOKED"]


def test_a_return_that_is_short_of_charges_tells_the_difference(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A", "2140.00"))
    book.report(statement("S1", debit("2140.00", "A"), opening="9999"))
    _, [finding] = book.report(statement("S2", credit("2127.50", "A", reason="AC01")))
    assert "2127.50 EUR were credited, 12.50 EUR less than was paid" in finding.text
    assert one(book).returned is not None
    assert str((one(book).returned or {})["less"]) == "12.50"


def test_a_smaller_return_by_uetr_alone_is_one_since_no_other_payment_has_it(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A", uetr=UETR))
    back = credit("9.00", "A")
    book.report(statement("S1", debit("10.00", "A")))
    book.report(statement("S2", replace(back, details=(replace(back.details[0], uetr=UETR),))))
    assert book.stages("A") == ["RETURNED"]


def test_a_credit_of_our_own_payment_on_another_account_of_ours_is_no_return(book: Book) -> None:
    other = "DE89370400440532013000"
    book.sent("T1", "MSG-1", pay("A", to=other))
    book.report(statement("S1", debit("10.00", "A")))
    came = statement("S2", credit("10.00", "A"))
    book.report([replace(r, iban=other) if isinstance(r, Statement) else r for r in came])
    assert book.stages("A") == ["BOOKED"]


def test_a_whole_batch_that_is_reversed_gives_every_payment_of_it_back(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A", "10.00"), pay("B", "20.00"))
    named = {"account_servicer_reference": "D-1"}
    book.report(statement("S1", debit("30.00", batch_payment_information_id="MSG-1-1", **named)))
    assert book.codes(statement("S2", credit("30.00", reversal=True, **named))) == ["PAYMENT_RETURNED"] * 2
    assert [book.stages(r) for r in "AB"] == [["RETURNED"]] * 2


def test_a_return_that_stands_above_its_debit_or_comes_before_it_is_one_all_the_same(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"), pay("B"))
    book.report(statement("S1", credit("10.00", "A", reason="AC04"), debit("10.00", "A")))
    book.report(statement("S3", credit("10.00", "B", reason="AC04")))
    assert book.codes(statement("S2", debit("10.00", "B"))) == []
    assert [book.stages(r) for r in "AB"] == [["RETURNED"]] * 2


def test_a_second_return_of_one_payment_is_not_one(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    book.report(statement("S1", debit("10.00", "A")))
    book.report(statement("S2", credit("10.00", "A", reason="AC04"), credit("10.00", "A", reason="AC04")))
    assert [role for role, _, _ in moved(book)] == ["debit", "return"]


def test_a_notice_announces_a_return_and_the_statement_makes_it_one(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    book.report(statement("S1", debit("10.00", "A")))
    assert book.codes(notice("N1", credit("10.00", "A", reason="AC04", account_servicer_reference="R-1"))) == []
    assert book.stages("A") == ["BOOKED"]
    assert book.codes(statement("S2", credit("10.00", account_servicer_reference="R-1"))) == ["PAYMENT_RETURNED"]
    assert (one(book).returned or {})["reasons"] == [{"code": "AC04", "means": "the account is closed"}]


# Too many, refused, and not ours.


def test_a_second_debit_of_one_payment_is_an_error_until_it_is_given_back(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    book.report(statement("S1", debit("10.00", "A")))
    message, findings = book.report(statement("S2", debit("10.00", "A", booking_date="2026-11-24")))
    assert [(f.code, f.severity) for f in findings] == [("DEBIT_TWICE", Severity.ERROR)]
    assert "A of T1 (10.00 EUR) is debited 2 times by now, the last time on 2026-11-24" in findings[0].text
    assert str(message.reason).startswith("DEBIT_TWICE")
    assert book.codes(statement("S3", credit("10.00", "A", reversal=True))) == []
    assert book.stages("A") == ["BOOKED"]


def test_one_booking_that_is_shown_twice_is_told_as_what_it_may_be(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    book.report(statement("S1", debit("10.00", "A", account_servicer_reference="D-1")))
    _, [finding] = book.report(statement("S2", debit("10.00", "A", account_servicer_reference="D-1")))
    assert "it may be one booking, shown twice" in finding.text


def test_a_batch_that_is_debited_twice_is_an_error_for_each_of_its_payments(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A", "10.00"), pay("B", "20.00"))
    for name, codes in (("S1", []), ("S2", ["DEBIT_TWICE"] * 2)):
        assert book.codes(statement(name, debit("30.00", batch_payment_information_id="MSG-1-1"))) == codes


def test_a_payment_that_came_back_and_is_debited_again_is_booked(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    book.report(statement("S1", debit("10.00", "A")))
    book.report(statement("S2", credit("10.00", "A", reason="AC04")))
    assert book.codes(statement("S3", debit("10.00", "A"))) == []
    assert (book.stages("A"), (one(book).booking or {})["statement_id"]) == (["BOOKED"], "S3")
    assert book.codes(statement("S4", debit("10.00", "A"))) == ["DEBIT_TWICE"]


def test_a_debit_of_what_was_refused_is_an_error(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"), pay("B"))
    book.report(says("MSG-1", "PART", batch("MSG-1-1", "PART", tx("A", "RJCT"))))
    _, findings = book.report(statement("S1", debit("10.00", "A"), debit("10.00", "B")))
    assert [(f.code, f.severity) for f in findings] == [("DEBIT_OF_REFUSED", Severity.ERROR)]
    assert book.stages("A") == ["BOOKED"]


def test_debits_that_are_not_ours_are_told_in_one_line_where_we_pay_from_the_account(book: Book) -> None:
    foreign = (debit("10.00", "X"), debit("5.50", "Y"), replace(debit("7.00", "Z"), currency="USD"))
    assert book.codes(statement("S1", *foreign)) == []  # nobody knows yet that we pay from here
    book.sent("T1", "MSG-1", pay("A"))
    _, findings = book.report(statement("S2", debit("10.00", "A"), *foreign, opening="500.00"))
    assert [(f.code, f.severity) for f in findings] == [("DEBIT_UNKNOWN", Severity.INFO)]
    assert "3 booked debits, 15.50 EUR, 7.00 USD in all" in findings[0].text


@pytest.mark.parametrize(
    "entry",
    [
        debit("1.00", transaction_code="PMNT/MDOP/CHRG"),
        debit("1.00", transaction_code="ACMT/MDOP/INTR"),
        debit("1.00", transaction_code="PMNT/RDDT/ESDD"),
        debit("1.00", proprietary_code="NCHG"),
        debit("1.00", proprietary_code="NDDT+105+00931"),
        debit("1.00", details=(EntryDetail(position=1, transaction_code="PMNT/ICDT/CHRG"),)),
    ],
)
def test_what_the_bank_debits_by_itself_is_not_told(book: Book, entry: Entry) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    book.report(statement("S1", debit("10.00", "A"), debit("2.00", transaction_code="PMNT/ICDT/ESCT")))
    found = book.codes(statement("S2", entry))
    assert found == ([] if not entry.details else ["DEBIT_UNKNOWN"])


def test_the_findings_of_one_statement_are_bounded_and_say_so(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("h2h.ledger.cash_findings.MOST_TOLD", 2)
    book.sent("T1", "MSG-1", *(pay(f"P{n}") for n in range(5)))
    book.report(statement("S1", *(debit("10.00", f"P{n}") for n in range(5))))
    _, findings = book.report(statement("S2", *(credit("10.00", f"P{n}", reason="AC04") for n in range(5))))
    assert (told(findings), findings[2].text[:16]) == (["PAYMENT_RETURNED"] * 3, "3 more payments ")


def test_the_reason_of_a_return_is_that_of_its_own_list(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    book.report(statement("S1", debit("10.00", "A")))
    back = credit("10.00", "A", reason="BE08")
    told_by_bank = replace(back.details[0], return_reason=Reason(code="BE08", text="sorry"))
    _, [finding] = book.report(statement("S2", replace(back, details=(told_by_bank,))))
    assert 'BE08 a mistake of the bank: "sorry"' in finding.text


def test_an_account_that_a_statement_writes_with_blanks_is_the_same(book: Book) -> None:
    spaced = "DE02 1203 0000 0000 2020 51"
    book.sent("T1", "MSG-1", pay("A"))
    said = statement("S1", debit("10.00", "A"), debit("1.00", "B"))
    codes = book.codes([replace(r, iban=spaced) if isinstance(r, Statement) else r for r in said])
    assert (book.stages("A"), codes) == (["BOOKED"], ["DEBIT_UNKNOWN"])


# The migration.


def test_bookings_from_before_the_migration_are_what_they_were(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"), pay("B"), pay("C", batch=2), pay("D", batch=2))
    both = debit("20.00", "A", "B", booking_date="2026-11-24")
    both = replace(both, details=tuple(
        replace(d, amount=Decimal("10.00"), transaction_id=f"TX-{d.position}") for d in both.details))  # fmt: skip
    book.report(statement("S1", both, debit("20.00", batch_payment_information_id="MSG-1-2", value_date="2026-11-25")))
    book.report(statement("S2", debit("1.00", "Z"), created_at="2026-11-26T08:00:00"))
    book.report(statement("S3", debit("1.00", "Z", booking_date="some day")))
    url = book_url(book)
    kept = (
        "SELECT id, kind, statement_id, matched FROM statement ORDER BY id",
        "SELECT id, day, booking_date FROM entry ORDER BY id",
        "SELECT entry_id, position, transaction_id, account_servicer_reference FROM detail ORDER BY 1, 2",
        "SELECT position, booked_by, advised_by, returned_by FROM payment ORDER BY position",
        "SELECT entry_id, detail, transfer_id, payment, role, final, amount, currency FROM booking ORDER BY 1, 4",
    )
    before = [sql(url, query) for query in kept]
    assert [day for _, day, _ in before[1]] == ["2026-11-24", "2026-11-25", "2026-11-26", f"{LATER:%Y-%m-%d}"]
    book.ledger.close()
    back_to(url, "0009")
    Ledger(url, Path("/nowhere")).close()
    assert [sql(url, query) for query in kept] == before
    assert len(before[4]) == 4
