"""Files that come again: as the same content, under the same message id, with the same payments; on both databases."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from h2h.errors import NotAllowed
from h2h.ledger import Ledger, earlier
from h2h.ledger.rows import Transfer
from h2h.lifecycle import Actor, State, Trigger
from h2h.model import Finding, StatusReport, TransferId
from h2h.outbound.advice import against
from h2h.outbound.decisions import Decisions
from h2h.repeats import SHOWN
from tests import alone
from tests.changing import replace
from tests.suites.backwards import back_to
from tests.suites.books import ACCOUNT, LATER, NOW, RADAR, Book, Pay, batch, debit, judgement, pay, says, statement, tx
from tests.suites.test_ledger import at_once, book_url, sql

pytestmark = pytest.mark.every_database  # whatever keeps a payment from going twice
TO, ELSE = "FR1420041010050500013M02606", "DE89370400440532013000"
OTHER_DEBTOR = "DE75512108001245126199"


def owes(reference: str | None, amount: str = "10.00", *, to: str = TO, text: str | None = None, **more: Any) -> Pay:
    return pay(reference, amount, to=to, text=text, **more)


def codes(book: Book, transfer_id: str) -> list[str]:
    return [f.code for f in findings(book, transfer_id)]


def findings(book: Book, transfer_id: str) -> list[Finding]:
    return book.ledger.views.history(transfer_id).findings


def taken(book: Book, transfer_id: str, *pays: Pay, bank: str | None = None, now: datetime = NOW) -> Transfer:
    """Received and judged, with a message id of its own."""
    book.received(transfer_id, bank=bank, now=now)
    return book.judged(transfer_id, f"MSG-{transfer_id}", *pays, now=now)


# Content.


def test_the_same_content_in_other_bytes_is_a_duplicate_at_any_bank(book: Book) -> None:
    book.ready("T1", "MSG-1", pay("A", "10.50"))
    book.received("T2", bank="other")
    second = book.judged("T2", "MSG-1", pay("A", "10.5"))
    assert (second.state, second.duplicate_of, codes(book, "T2")) == (State.DUPLICATE, "T1", ["DUPLICATE_CONTENT"])
    assert second.content_sha256 == book.transfers.get("T1").content_sha256
    assert "written down in another way" in str(second.reason)


def test_an_invalid_file_leaves_no_content_behind(book: Book) -> None:
    book.received("T1")
    assert book.judged("T1", "MSG-1", wrong="SUM_MISMATCH").content_sha256 is None
    assert book.ready("T2", "MSG-1").state is State.READY


# Message ids.


def test_two_debtors_at_one_bank_may_use_the_same_message_id(book: Book) -> None:
    book.ready("T1", "MSG-1", pay("A"))
    assert book.ready("T2", "MSG-1", pay("B", debtor=OTHER_DEBTOR)).state is State.READY


@pytest.mark.parametrize("debtor", ["de02 1203 0000 0000 2020 51", f" {ACCOUNT} "])
def test_one_debtor_may_not_however_his_account_is_written(book: Book, debtor: str) -> None:
    book.ready("T1", "MSG-1", pay("A"))
    second = book.ready("T2", " MSG-1 ", pay("B", debtor=debtor))
    assert (second.state, codes(book, "T2")) == (State.DUPLICATE, ["DUPLICATE_MESSAGE_ID"])
    assert ACCOUNT in str(second.reason)


def test_a_file_of_several_debtors_uses_the_message_id_for_each(book: Book) -> None:
    book.ready("T1", "MSG-1", pay("A"), pay("B", batch=2, debtor=OTHER_DEBTOR))
    assert book.ready("T2", "MSG-1", pay("C", debtor=OTHER_DEBTOR)).state is State.DUPLICATE
    assert book.ready("T3", "MSG-1", pay("D", debtor=ELSE)).state is State.READY
    third = book.ready("T4", "MSG-1", pay("E", debtor="4711"), pay("F", batch=2, debtor=ELSE))
    assert (third.state, third.duplicate_of) == (State.DUPLICATE, "T3")
    assert book.ready("T5", "MSG-1", pay("G", debtor="4711")).state is State.READY


def test_a_released_duplicate_uses_its_message_id_where_that_is_free(book: Book) -> None:
    """It was one by its bytes, at another bank, so that nobody had used the id there."""
    book.ready("T1", "MSG-1", content="same")
    book.received("T2", "same", bank="other")
    book.judged("T2", "MSG-1")
    book.received("T3", bank="other")
    book.decide("T2", Trigger.OVERRIDE)
    assert book.judged("T3", "MSG-1", pay("X")).duplicate_of == "T2"


def test_where_a_file_is_cancelled_a_duplicate_that_was_released_keeps_the_message_id_in_use(book: Book) -> None:
    book.ready("T1", "MSG-1", pay("A"))
    book.ready("T2", "MSG-1", pay("B"))
    book.decide("T2", Trigger.OVERRIDE)
    book.decide("T1", Trigger.CANCEL)
    assert book.ready("T3", "MSG-1", pay("C")).duplicate_of == "T2"
    book.decide("T2", Trigger.CANCEL)
    assert book.ready("T4", "MSG-1", pay("D")).state is State.READY


def test_the_database_keeps_a_message_id_from_being_used_twice(book: Book) -> None:
    book.ready("T1", "MSG-1", pay("A"))
    book.ready("T2", "MSG-2", pay("B"))
    taken_twice = "UPDATE used_message_id SET message_id = 'MSG-1' WHERE transfer_id = 'T2'"
    with pytest.raises(Exception, match=r"(?i)unique"):
        sql(book_url(book), taken_twice)


def test_of_files_with_one_message_id_judged_at_the_same_moment_one_uses_it(book: Book) -> None:
    for n in range(4):
        book.received(f"T{n}")
    states = at_once(*(lambda n=n: book.judged(f"T{n}", "MSG-1", pay(f"P{n}")).state for n in range(4)))
    assert sorted(states) == [State.DUPLICATE] * 3 + [State.READY]
    assert sql(book_url(book), "SELECT count(*) FROM used_message_id") == [(1,)]


def test_the_key_decides_even_where_nobody_saw_the_other_file(book: Book) -> None:
    """As if two intakes had both found nothing: whoever comes second gets no row, and no exception either."""
    book.received("T1")
    book.received("T2")
    one, two = book.transfers.get("T1"), book.transfers.get("T2")
    with book.ledger._database.transaction() as connection:
        assert earlier.use_message_id(connection, one, "MSG-1", {ACCOUNT}) is None
        found = earlier.use_message_id(connection, two, "MSG-1", {ACCOUNT, ELSE})
        assert found is not None
        assert (found.duplicate, found.of) == (True, "T1")
        assert connection.execute(text("SELECT transfer_id FROM used_message_id")).scalars().all() == ["T1"]


# The radar.


def test_the_same_payments_under_a_new_message_id_are_a_duplicate(book: Book) -> None:
    book.ready("T1", "MSG-1", owes("A"), owes("B", "20.00"))
    second = taken(book, "T2", owes("B", "20.00"), owes("A"), bank="other")
    assert (second.state, second.duplicate_of) == (State.DUPLICATE, "T1")
    assert codes(book, "T2") == ["DUPLICATE_PAYMENTS", "PAYMENT_REPEATED", "PAYMENT_REPEATED"]
    first = findings(book, "T2")[1]
    for said in ("Payment 1", "20.00 EUR", TO, "payment 2 of run.xml", "T1", "2026-11-20", "EndToEndId B", "READY"):
        assert said in first.text
    assert first.path == "/Document/CstmrCdtTrfInitn/PmtInf[1]/CdtTrfTxInf[1]"
    assert book.ready("T3", "MSG-T2", pay("Z")).state is State.READY, "a duplicate uses no message id"


def test_the_remittance_text_tells_too_that_a_payment_is_the_same(book: Book) -> None:
    book.ready("T1", "MSG-1", owes("NOTPROVIDED", text="Invoice 47"), owes("B", text="Invoice 48"))
    second = taken(book, "T2", owes("NOTPROVIDED", text="invoice  47"), owes("B2", text="Invoice 48"))
    assert second.state is State.DUPLICATE
    assert "remittance text" in str(second.reason)


@pytest.mark.parametrize(
    "changed",
    [
        owes("A", "10.01"),
        owes("A", to=ELSE),
        owes("A", debtor=OTHER_DEBTOR),
        replace(owes("A"), to=None),
    ],
)
def test_another_amount_creditor_or_debtor_is_another_payment(book: Book, changed: Pay) -> None:
    book.ready("T1", "MSG-1", owes("A", text="same"))
    assert taken(book, "T2", replace(changed, text="same")).state is State.READY


def test_a_file_that_repeats_some_payments_is_held_and_names_them(book: Book) -> None:
    book.ready("T1", "MSG-1", owes("A"), owes("B", "20.00"))
    second = taken(book, "T2", owes("C", "30.00"), owes("B", "20.00", batch=2), owes("D", "40.00", batch=2))
    assert (second.state, second.duplicate_of, second.due_at) == (State.HELD, "T1", None)
    summary, each = findings(book, "T2")
    assert (summary.code, each.code) == ("REPEATED_PAYMENTS", "PAYMENT_REPEATED")
    assert "1 of 3 payments" in summary.text
    assert each.path == "/Document/CstmrCdtTrfInitn/PmtInf[2]/CdtTrfTxInf[1]"
    assert str(second.reason).startswith("REPEATED_PAYMENTS: ")
    assert book.kinds("T2") == ["RECEIVED", "HELD"]


def test_of_many_repeated_payments_the_first_are_listed_and_all_are_counted(book: Book) -> None:
    many = [owes(f"P{n}", f"{n}.00") for n in range(1, 60)]
    book.ready("T1", "MSG-1", *many)
    second = taken(book, "T2", *many, owes("NEW"))
    assert codes(book, "T2") == ["REPEATED_PAYMENTS", *["PAYMENT_REPEATED"] * SHOWN]
    assert "59 of 60 payments" in str(second.reason)


def test_two_equal_payments_against_one_earlier_one_are_one_repeat(book: Book) -> None:
    book.ready("T1", "MSG-1", owes("A"))
    second = taken(book, "T2", owes("A"), owes("A"))
    assert second.state is State.HELD
    assert "1 of 2 payments" in str(second.reason)


def test_two_equal_payments_against_two_earlier_ones_are_two(book: Book) -> None:
    book.ready("T1", "MSG-1", owes("A"), owes("X", "1.00"))
    alone.judged(
        book.transfers, book.received("T2").id, judgement("MSG-2", owes("A"), owes("Y", "2.00")), NOW
    )  # the radar is off: it is there with one repeat
    assert taken(book, "T3", owes("A"), owes("A")).state is State.DUPLICATE


def test_a_run_that_was_exported_anew_is_held(book: Book) -> None:
    """Other references, other texts, the same payments: all of them, as many as in one earlier file."""
    book.ready("T1", "MSG-1", *(owes(f"A{n}", f"{n}.00", text=f"Run 1/{n}") for n in range(1, 11)))
    again = [owes(f"B{n}", f"{n}.00", text=f"Run 2/{n}") for n in range(1, 11)]
    second = taken(book, "T2", *again)
    assert (second.state, second.duplicate_of, codes(book, "T2")) == (State.HELD, "T1", ["ALIKE_PAYMENTS"])
    book.decide("T2", Trigger.CANCEL)
    assert taken(book, "T3", *again[:9], owes("NEW", "99.00")).state is State.HELD
    book.decide("T3", Trigger.CANCEL)
    assert taken(book, "T4", *again[:8], owes("NEW", "99.00"), owes("NEWER", "98.00")).state is State.READY


def test_single_alike_payments_in_other_files_are_rents_and_salaries(book: Book) -> None:
    book.ready("T1", "MSG-1", *(owes(f"A{n}", f"{n}.00") for n in range(1, 6)))
    second = taken(book, "T2", owes("B1", "1.00"), *(owes(f"C{n}", f"{n}00.00") for n in range(1, 6)))
    assert (second.state, codes(book, "T2")) == (State.READY, [])
    assert taken(book, "T3", owes("B2", "2.00")).state is State.READY


@pytest.mark.parametrize(("days", "state"), [(4, State.DUPLICATE), (6, State.READY)])
def test_the_radar_looks_back_so_many_days(book: Book, days: int, state: State) -> None:
    book.sent("T1", "MSG-1", owes("A"))
    assert taken(book, "T2", owes("A"), now=NOW + timedelta(days=days)).state is state


def test_what_still_waits_is_seen_however_old(book: Book) -> None:
    taken(book, "T1", owes("A"))
    book.decide("T1", Trigger.HOLD)
    assert taken(book, "T2", owes("A"), now=NOW + timedelta(days=60)).state is State.DUPLICATE


def test_what_was_taken_long_ago_and_sent_lately_is_seen(book: Book) -> None:
    published = book.publishing("T1", "MSG-1", owes("A"))
    book.transfers.sent(published, {"answer": "OK"}, NOW + timedelta(days=30))
    assert taken(book, "T2", owes("A"), now=NOW + timedelta(days=32)).state is State.DUPLICATE


def test_without_days_the_radar_is_off(book: Book) -> None:
    book.ready("T1", "MSG-1", owes("A"))
    book.received("T2")
    assert alone.judged(book.transfers, TransferId("T2"), judgement("MSG-2", owes("A")), NOW).state is State.READY


def test_payments_of_files_that_never_went_are_no_repeats(book: Book) -> None:
    """Cancelled before anything was announced, invalid, or a duplicate."""
    taken(book, "T1", owes("A"))
    assert taken(book, "T2", owes("A")).state is State.DUPLICATE
    book.decide("T1", Trigger.CANCEL)
    book.received("T3")
    book.judged("T3", "MSG-3", owes("A"), wrong="SUM_MISMATCH")
    assert taken(book, "T4", owes("A")).state is State.READY


def test_payments_of_a_file_cancelled_after_it_was_announced_are(book: Book) -> None:
    book.uncertain("T1", "MSG-1", owes("A"))
    book.decide("T1", Trigger.SEND_AGAIN, Actor.SECOND_PERSON)
    book.decide("T1", Trigger.CANCEL)
    assert taken(book, "T2", owes("A")).state is State.DUPLICATE


def test_a_file_that_the_bank_refused_may_come_again_in_a_new_one(book: Book) -> None:
    book.sent("T1", "MSG-1", owes("A"), owes("B"))
    book.report(says("MSG-1", "RJCT", reason="AC04"))
    assert (taken(book, "T2", owes("A"), owes("B")).state, codes(book, "T2")) == (State.READY, [])


def test_so_may_single_payments_that_it_refused_but_not_the_others(book: Book) -> None:
    book.sent("T1", "MSG-1", owes("A"), owes("B"))
    book.report(says("MSG-1", "PART", batch("MSG-1-1", None, tx("B", "RJCT"), tx("A", "ACSC"))))
    assert taken(book, "T2", owes("B")).state is State.READY
    assert taken(book, "T3", owes("A")).state is State.DUPLICATE


def test_what_the_bank_refused_as_a_duplicate_it_has_had(book: Book) -> None:
    book.sent("T1", "MSG-1", owes("A"))
    book.report(says("MSG-1", "RJCT", reason="DU01"))
    assert taken(book, "T2", owes("A")).state is State.DUPLICATE


def test_a_refusal_that_was_contradicted_is_none(book: Book) -> None:
    book.sent("T1", "MSG-1", owes("A"))
    book.report(says("MSG-1", "RJCT"))
    assert "REPORT_CONFLICT" in book.codes(says("MSG-1", "ACSC"))
    assert taken(book, "T2", owes("A")).state is State.DUPLICATE


def test_what_a_statement_shows_as_debited_was_paid_whatever_was_said(book: Book) -> None:
    book.sent("T1", "MSG-1", owes("A"))
    book.report(statement("S1", debit("10.00", "A")))
    book.report(says("MSG-1", "RJCT"))
    assert taken(book, "T2", owes("A")).state is State.DUPLICATE


def test_payments_of_the_same_fingerprint_and_other_values_are_others(book: Book) -> None:
    book.ready("T1", "MSG-1", owes("A", "11.00", text="same"))
    book.received("T2")
    [(number,)] = sql(book_url(book), "SELECT fingerprint FROM payment")
    original = earlier.find_repeats
    seen: list[int] = []

    def counting(said: Any, found: Any) -> Any:
        groups = list(found)
        seen.append(sum(len(group.earlier) for group in groups))
        return original(said, groups)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("h2h.identity.Traits.fingerprint", lambda _: number)
        patch.setattr(earlier, "find_repeats", counting)
        assert book.judged("T2", "MSG-2", owes("A", "12.00", text="same")).state is State.READY
    assert seen == [1]


def test_two_files_with_equal_payments_are_two_files_with_two_outcomes(book: Book) -> None:
    book.sent("T1", "MSG-1", owes("A"))
    second = taken(book, "T2", owes("A"))
    book.decide("T2", Trigger.OVERRIDE)
    book.decide("T2", Trigger.RELEASE, who="bob")
    leased = book.lease(book.transfers.get("T2"))
    assert leased is not None
    book.transfers.sent(alone.publishing(book.transfers, leased, NOW), {}, NOW)
    book.report(says("MSG-1", "ACSC"))
    book.report(says("MSG-T2", "RJCT", reason="AM05"))
    assert (second.remote, leased.remote) == (None, "/in/MSG-T2.xml")
    assert (book.verdict("T1"), book.verdict("T2")) == ("ACCEPTED", "REJECTED")
    assert book.statuses("A") == ["ACSC", "RJCT"]


def test_two_banks_that_take_in_the_same_payments_at_the_same_moment_send_them_once(book: Book) -> None:
    for n in range(4):
        book.received(f"T{n}", bank=f"bank{n % 2}")
    states = at_once(*(lambda n=n: book.judged(f"T{n}", f"MSG-{n}", owes("A")).state for n in range(4)))
    assert sorted(states) == [State.DUPLICATE] * 3 + [State.READY]


def test_the_radar_agrees_with_counting_by_hand(book: Book) -> None:
    """Random files over few values: as many repeats as the smaller number of each payment, over all earlier files."""
    chance = random.Random(7)
    before: list[tuple[str, str]] = []
    for n in range(25):
        pays = [(f"R{chance.randrange(3)}", f"{chance.randrange(1, 4)}.00") for _ in range(chance.randrange(1, 6))]
        book.received(f"T{n}")
        last = book.judged(f"T{n}", f"MSG-{n}", *(owes(r, a) for r, a in pays), owes(f"OWN{n}", "77.00"))
        expected = sum(min(pays.count(p), before.count(p)) for p in set(pays))
        said = f"{expected} of {len(pays) + 1} payments"
        assert said in str(last.reason) if expected else last.state is State.READY
        before += pays


def test_the_radar_asks_for_those_files_alone_that_hold_the_same_payments(book: Book) -> None:
    for n in range(3):
        taken(book, f"OTHER{n}", owes(f"OTHER{n}", f"{n + 2}.00"))
    taken(book, "T1", owes("A"))
    taken(book, "T2", owes("A"), owes("B"))
    with book.ledger._database.reading() as connection:
        assert list(earlier._files(connection, book.transfers.get("T2"), NOW - RADAR)) == ["T1"]
        assert earlier._files(connection, book.transfers.get("OTHER1"), NOW - RADAR) == {}


@pytest.mark.parametrize("files", [1, earlier.CHUNK + 1])
def test_a_query_of_the_radar_uses_the_index_once_for_each_fingerprint(book: Book, files: int) -> None:
    taken(book, "T1", owes("A"))
    row = book.transfers.get("T1")
    if not book_url(book).startswith("sqlite"):
        return
    with book.ledger._database.reading() as connection:
        query = earlier._same_fingerprints(row, earlier._theirs(row, NOW - RADAR, [f"T{n}" for n in range(files)]))
        plain = query.compile(connection.engine, compile_kwargs={"literal_binds": True})
        plan = [r[3] for r in connection.execute(text(f"EXPLAIN QUERY PLAN {plain}"))]
    assert plan[0] == "SEARCH payment USING INDEX ix_payment_fingerprint (fingerprint=?)"
    assert not [step for step in plan if step.startswith("SCAN payment")]


# What people see and do.


def decisions_of(book: Book) -> Decisions:
    return Decisions(book.ledger.people, Now())  # type: ignore[arg-type]


def test_what_is_held_for_repeats_is_released_by_one_person_who_is_told_what_speaks_against_it(book: Book) -> None:
    book.ready("T1", "MSG-1", owes("A"), owes("B"))
    taken(book, "T2", owes("A"), owes("C", "3.00"))
    decisions = decisions_of(book)
    said = against(book.ledger.cases.of("T2"))
    assert any("PAYMENT_REPEATED" in sentence and "T1" in sentence for sentence in said)
    assert decisions.release("T2", who="anna", reason="two deliveries", now=False).state is State.READY
    assert book.ledger.views.files()[0].duplicate_of == "T1"


def test_a_refused_file_is_not_sent_again_after_its_payments_went_in_a_new_one(book: Book) -> None:
    book.sent("T1", "MSG-1", owes("A"))
    book.report(says("MSG-1", "RJCT", reason="AC04"))
    decisions = decisions_of(book)
    taken(book, "T2", owes("A"), now=LATER)
    with pytest.raises(NotAllowed, match="T2"):
        decisions.resend("T1", who="anna", reason="mended")
    decisions.cancel("T2", who="anna", reason="not needed")
    assert decisions.resend("T1", who="anna", reason="mended").state is State.READY


def test_a_payment_of_the_same_text_and_another_reference_does_not_stand_in_the_way(book: Book) -> None:
    book.sent("T1", "MSG-1", owes("A", text="rent"))
    book.report(says("MSG-1", "RJCT", reason="AC04"))
    taken(book, "T2", owes("B", text="rent"), now=LATER)
    decisions = decisions_of(book)
    assert decisions.resend("T1", who="anna", reason="mended").state is State.READY


class Now:
    def now(self) -> datetime:
        return LATER


# Reports on a message id that several files have.


def of_two(book: Book, first: Pay, second: Pay) -> None:
    """Two companies of a group, both sent with MSG-1 at one bank."""
    book.sent("T1", "MSG-1", first)
    book.sent("T2", "MSG-1", second)
    assert book.transfers.get("T2").state is State.SENT


@pytest.mark.parametrize(
    "listed",
    [
        batch("MSG-1-1", None, tx("B", "RJCT")),
        batch("MSG-1-1", None, tx(None, "RJCT", uetr="u2")),
        batch("MSG-1-1", None, tx("B", "RJCT", amount=Decimal("20.00"))),
    ],
)
def test_a_report_goes_to_the_file_that_has_the_payments_it_lists(book: Book, listed: Any) -> None:
    of_two(book, pay("A", uetr="u1"), pay("B", "20.00", uetr="u2", debtor=OTHER_DEBTOR))
    assert book.codes(says("MSG-1", None, listed)) == []
    assert (book.verdict("T1"), book.verdict("T2")) == ("none", "REJECTED")


def test_equal_references_are_told_apart_by_the_amount(book: Book) -> None:
    of_two(book, pay("1", "10.00"), pay("1", "20.00", debtor=OTHER_DEBTOR))
    assert book.codes(says("MSG-1", None, batch("MSG-1-1", None, tx("1", "RJCT", amount=Decimal("10.00"))))) == []
    assert (book.verdict("T1"), book.verdict("T2")) == ("REJECTED", "none")


@pytest.mark.parametrize(
    "stated",
    [{"original_control_sum": Decimal("20")}, {"original_number_of_transactions": "2"}],
)
def test_a_report_on_the_whole_file_goes_to_the_one_whose_count_and_sum_it_states(
    book: Book, stated: dict[str, Any]
) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    book.sent("T2", "MSG-1", pay("B", "15.00", debtor=OTHER_DEBTOR), pay("C", "5.00", debtor=OTHER_DEBTOR))
    report = says("MSG-1", "ACSC")
    assert isinstance(report[0], StatusReport)
    assert book.codes([replace(report[0], **stated)]) == []
    assert (book.verdict("T1"), book.verdict("T2")) == ("none", "ACCEPTED")


def test_a_report_goes_to_the_file_that_has_the_batch_it_names(book: Book) -> None:
    of_two(book, pay("A"), pay("B", batch=2, debtor=OTHER_DEBTOR))
    assert book.codes(says("MSG-1", None, batch("MSG-1-2", "ACSC"))) == []
    assert (book.verdict("T1"), book.verdict("T2")) == ("none", "ACCEPTED")


@pytest.mark.parametrize(
    "said",
    [
        says("MSG-1", "RJCT"),
        says("MSG-1", None, batch("MSG-1-9", "RJCT")),
        says("MSG-1", None, batch("MSG-1-1", "RJCT")),
    ],
    ids=["fits both", "fits none", "a batch that both have"],
)
def test_a_report_that_fits_not_exactly_one_file_changes_nothing_and_names_them(book: Book, said: Any) -> None:
    of_two(book, pay("A"), pay("B", debtor=OTHER_DEBTOR))
    message, found = book.report(said)
    assert [f.code for f in found] == ["REPORT_AMBIGUOUS"]
    assert all(name in found[0].text for name in ("T1", "T2", "MSG-1"))
    assert (book.verdict("T1"), book.verdict("T2"), message.state) == ("none", "none", "APPLIED")
    assert str(message.reason).startswith("REPORT_AMBIGUOUS")


def test_a_report_on_files_that_all_wait_holds_each_that_it_may_mean(book: Book) -> None:
    book.ready("T1", "MSG-1", pay("A"))
    book.ready("T2", "MSG-1", pay("B", debtor=OTHER_DEBTOR))
    assert book.codes(says("MSG-1", "ACCP")) == ["REPORT_AMBIGUOUS", "REPORT_UNSENT", "REPORT_UNSENT"]
    assert (book.state("T1"), book.state("T2")) == (State.HELD, State.HELD)


# The migration.


def test_what_was_there_before_is_seen_after_the_migration(book: Book) -> None:
    book.sent("T1", "MSG-1", owes("A"), pay("B", batch=2, debtor=OTHER_DEBTOR))
    book.ready("T2", "MSG-2", owes("C", "5.00"))
    book.decide("T2", Trigger.CANCEL)
    book.uncertain("T3", "MSG-3", owes("D", "6.00"))
    url = book_url(book)
    kept = "SELECT * FROM used_message_id ORDER BY 1, 2, 3"
    prints = "SELECT transfer_id, position, fingerprint FROM payment ORDER BY 1, 2"
    before = sql(url, kept), sql(url, prints)
    book.ledger.close()
    back_to(url, "0003")
    migrated = Book(Ledger(url, Path("/nowhere")))
    assert (sql(url, kept), sql(url, prints)) == before
    assert len(before[0]) == 3
    assert taken(migrated, "T4", owes("A")).state is State.DUPLICATE
    assert migrated.ready("T5", "MSG-1", pay("Z", debtor=OTHER_DEBTOR)).state is State.DUPLICATE
    assert migrated.ready("T6", "MSG-2", pay("Y")).state is State.READY
    migrated.ledger.close()
