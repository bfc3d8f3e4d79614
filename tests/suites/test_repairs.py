"""Which payments may be sent again, in a ledger on each database: never one that is alive in any file."""

from __future__ import annotations

import hashlib
from datetime import datetime

import pytest

from h2h.errors import NotAllowed, Stale
from h2h.ledger.repairs import Plan
from h2h.ledger.rows import Judged, Received, Transfer
from h2h.lifecycle import State, Trigger
from h2h.model import TransferId
from tests import alone
from tests.suites.books import LATER, NOW, RADAR, Book, Pay, batch, debit, judgement, pay, says, statement, tx

pytestmark = pytest.mark.every_database  # whatever keeps a payment from going twice
WHO = {"who": "ann", "reason": "mended at the bank"}


def plan(book: Book, transfer_id: str = "T1") -> Plan:
    return book.ledger.repair_rehearsal.plan(transfer_id)


def repair(book: Book, new: str, old: str = "T1", *, of: Plan | None = None, now: datetime = LATER) -> Transfer:
    """As the flow does it, with a file that nobody wrote."""
    made = of or plan(book, old)
    row = made.transfer
    sha256 = hashlib.sha256(new.encode()).hexdigest()
    file = Received(
        id=TransferId(new), bank=row.bank, watch=row.watch, name=f"{new}.xml", sha256=sha256, size=10, repair_of=row.id
    )
    pays = [
        Pay(p.end_to_end_id, str(p.amount), p.batch, to=p.creditor_account, text=p.remittance) for p in made.refused
    ]
    said = Judged(id=file.id, judgement=judgement(made.message_id, *pays))
    return book.ledger.repairs.enter(made, file, said, {}, now=now, same_payments_within=RADAR, **WHO)


def partly(book: Book, *pays: Pay, refused: str = "B", reason: str = "AC04") -> None:
    """T1 is at the bank; all of it was accepted but for one payment."""
    book.sent("T1", "MSG-1", *(pays or (pay("A", to="X"), pay("B", to="Y"), pay("C", batch=2, to="Z"))))
    book.report(says("MSG-1", "ACCP"))
    book.report(says("MSG-1", "PART", batch("MSG-1-1", None, tx(refused, "RJCT", reason=reason))))


def inside(made: Plan) -> list[int]:
    return [payment.position for payment in made.refused]


def test_the_refused_one_is_inside_and_all_others_are_counted(book: Book) -> None:
    partly(book)
    made = plan(book)
    assert (inside(made), made.left_out) == ([2], (("accepted", 2),))
    assert (made.message_id, [b.payment_information_id for b in made.batches]) == ("MSG-1-R1", ["MSG-1-1-R1"])
    assert str(made.control_sum) == "10.00"


def test_what_a_statement_shows_as_debited_is_not_inside_whatever_the_bank_said(book: Book) -> None:
    partly(book)
    book.report(statement("S1", debit("10.00", "B")))
    with pytest.raises(NotAllowed, match="1 refused and debited all the same"):
        plan(book)


@pytest.mark.parametrize("reason", ["AM05", "DU03"])
def test_what_the_bank_refused_as_a_duplicate_it_has_had_before(book: Book, reason: str) -> None:
    partly(book, reason=reason)
    with pytest.raises(NotAllowed, match=f"1 refused as a duplicate \\({reason}\\)"):
        plan(book)


def test_a_name_that_was_ever_used_at_the_bank_is_not_used_again(book: Book) -> None:
    book.ready("T0", "MSG-1-R1", pay("Q", to="Q"))
    book.ready("T9", "MSG-9", pay("P", to="P"))
    book.decide("T0", Trigger.CANCEL)
    partly(book)
    made = plan(book)
    assert (made.message_id, made.batches[0].payment_information_id) == ("MSG-1-R2", "MSG-1-1-R1")
    repair(book, "T2")
    book.decide("T2", Trigger.CANCEL)
    made = plan(book)
    assert (made.message_id, inside(made)) == ("MSG-1-R3", [2])


def test_the_names_of_two_batches_that_are_cut_alike_are_two(book: Book) -> None:
    long = "x" * 33
    book.sent("T1", long, pay("A", to="X"), pay("B", batch=2, to="Y"))
    book.report(says(long, "RJCT"))
    names = [b.payment_information_id for b in plan(book).batches]
    assert len(set(names)) == 2
    assert all(len(name) <= 35 for name in names)


def test_a_repair_is_held_with_its_lineage_and_the_journal_tells_of_it_on_both_sides(book: Book) -> None:
    partly(book)
    made = repair(book, "T2")
    assert (made.state, made.repair_of, made.due_at) == (State.HELD, "T1", None)
    [step] = book.ledger.views.history("T2").sent_again
    assert (step.origin, step.origin_payment, step.transfer, step.payment) == ("T1", 2, "T2", 1)
    assert book.kinds("T2")[-1] == "repair"
    assert book.kinds("T1")[-1] == "repaired"


def test_what_changed_since_it_was_planned_is_not_entered(book: Book) -> None:
    partly(book)
    made = plan(book)
    book.report(says("MSG-1", "PART", batch("MSG-1-2", None, tx("C", "ACSC"))))
    with pytest.raises(Stale):
        repair(book, "T2", of=made)
    assert [f.id for f in book.ledger.views.files() if f.direction == "out"] == ["T1"]


def test_two_at_once_are_not_both_entered_even_if_nothing_tells_the_payments_from_others(book: Book) -> None:
    partly(book, pay("A"), pay("B"))
    made = plan(book)
    repair(book, "T2", of=made)
    with pytest.raises((NotAllowed, Stale)):
        repair(book, "T3", of=made)


def test_an_accepted_payment_that_is_alike_keeps_nobody_from_repairing_the_refused_one(book: Book) -> None:
    """The radar would take it for the same: one creditor, one amount, one text."""
    partly(book, pay("A", to="X", text="rent"), pay("B", to="X", text="rent"))
    assert repair(book, "T2").state is State.HELD


def test_refused_payments_are_forgotten_and_the_others_of_the_file_are_not(book: Book) -> None:
    partly(book, pay("A", to="X", text="rent"), pay("B", to="Y", text="light"))
    assert book.ready("T5", "MSG-5", pay("B", to="Y", text="light")).state is State.READY
    assert book.ready("T6", "MSG-6", pay("A", to="X", text="rent")).state is State.DUPLICATE


# Of one payment and its repairs one at most is alive.


def go(book: Book, transfer_id: str) -> None:
    """Released, and handed over."""
    book.decide(transfer_id, Trigger.RELEASE)
    leased = book.lease(book.transfers.get(transfer_id))
    assert leased is not None
    book.transfers.sent(alone.publishing(book.transfers, leased, LATER), {"answer": "OK"}, LATER)


@pytest.mark.parametrize("state", ["held", "ready", "sent", "accepted"])
def test_while_a_repair_is_alive_its_payments_are_not_repaired_again(book: Book, state: str) -> None:
    partly(book)
    repair(book, "T2")
    if state == "ready":
        book.decide("T2", Trigger.RELEASE)
    if state in ("sent", "accepted"):
        go(book, "T2")
    if state == "accepted":
        book.report(says("MSG-1-R1", "ACSC"))
    with pytest.raises(NotAllowed, match="1 sent again in T2"):
        plan(book)


def test_after_it_was_refused_or_withdrawn_they_are_again(book: Book) -> None:
    partly(book)
    repair(book, "T2")
    book.decide("T2", Trigger.CANCEL)
    assert inside(plan(book)) == [2]
    repair(book, "T3")
    go(book, "T3")
    book.report(says("MSG-1-R2", "RJCT"))
    assert (inside(plan(book)), inside(plan(book, "T3"))) == ([2], [1])


def test_the_whole_family_is_asked_and_not_only_the_file_before(book: Book) -> None:
    partly(book)
    repair(book, "T2")
    go(book, "T2")
    book.report(says("MSG-1-R1", "RJCT"))
    repair(book, "T3", "T2")
    for file in ("T1", "T2"):
        with pytest.raises(NotAllowed, match="1 sent again in T3"):
            plan(book, file)
    steps = [(s.origin, s.transfer) for s in book.ledger.views.history("T2").sent_again]
    assert steps == [("T1", "T2"), ("T2", "T3")]


def test_a_refused_repair_is_not_resent_beside_a_newer_one(book: Book) -> None:
    partly(book, pay("A"), pay("B"))
    repair(book, "T2")
    go(book, "T2")
    book.report(says("MSG-1-R1", "RJCT"))
    repair(book, "T3")
    with pytest.raises(NotAllowed, match="may be paid, or was, in T3"):
        book.decide("T2", Trigger.RESEND_REJECTED)
    book.decide("T3", Trigger.CANCEL)
    assert book.decide("T2", Trigger.RESEND_REJECTED).state is State.READY
    with pytest.raises(NotAllowed, match="1 sent again in T2"):
        plan(book)


def test_the_first_file_is_not_resent_beside_its_repair(book: Book) -> None:
    book.sent("T1", "MSG-1", pay(None))
    book.report(says("MSG-1", "RJCT"))
    repair(book, "T2")
    with pytest.raises(NotAllowed, match="may be paid, or was, in T2"):
        book.decide("T1", Trigger.RESEND_REJECTED)


@pytest.mark.parametrize("released", [False, True])
def test_a_repair_does_not_go_after_the_bank_took_its_refusal_back(book: Book, released: bool) -> None:
    partly(book)
    repair(book, "T2")
    if released:
        book.decide("T2", Trigger.RELEASE)
    book.report(says("MSG-1", "PART", batch("MSG-1-1", None, tx("B", "ACSC"))))
    if not released:
        with pytest.raises(NotAllowed, match="may be paid, or was, in T1"):
            book.decide("T2", Trigger.RELEASE)
        return
    assert book.lease(book.transfers.get("T2")) is None
    held = book.transfers.get("T2")
    assert (held.state, held.due_at, held.proposed_by) == (State.HELD, None, "bank")


def test_a_repair_does_not_go_after_a_statement_shows_the_first_as_debited(book: Book) -> None:
    partly(book)
    repair(book, "T2")
    book.decide("T2", Trigger.RELEASE)
    book.report(statement("S1", debit("10.00", "B")))
    assert [r.booking is not None for r in book.ledger.views.payments("B")].count(True) == 1
    booked = next(r.transfer for r in book.ledger.views.payments("B") if r.booking)
    assert booked == "T1"
    assert book.lease(book.transfers.get("T2")) is None
    assert book.state("T2") is State.HELD


def test_a_debit_is_that_of_the_repair_and_not_of_the_payment_that_was_refused(book: Book) -> None:
    partly(book)
    repair(book, "T2")
    go(book, "T2")
    book.report(says("MSG-1-R1", "ACSC"))
    book.report(statement("S1", debit("10.00", "B")))
    assert [row.transfer for row in book.ledger.views.payments("B") if row.booking] == ["T2"]


def test_a_debit_that_was_announced_counts_as_one(book: Book) -> None:
    partly(book)
    book.report(statement("N1", debit("10.00", "B"), message="camt.054.001.08"))
    with pytest.raises(NotAllowed, match="1 refused and debited all the same"):
        plan(book)


# What is no ground for a repair.


def test_what_was_not_refused_by_a_report_is_not_repaired(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    with pytest.raises(NotAllowed, match="the bank's word on it is none"):
        plan(book)
    book.ready("T2", "MSG-2", pay("Q", to="Q"))
    with pytest.raises(NotAllowed, match="it is READY"):
        plan(book, "T2")
    book.report(says("MSG-1", "RJCT"))
    assert inside(plan(book)) == [1]
    book.report(says("MSG-1", "ACSC"))
    with pytest.raises(NotAllowed, match="contradicts itself"):
        plan(book)


def test_a_rehearsal_leaves_nothing_behind(book: Book) -> None:
    partly(book)
    made = plan(book)
    row = made.transfer
    file = Received(
        id=TransferId("T2"), bank=row.bank, watch=row.watch, name="x", sha256="0" * 64, size=1, repair_of=row.id
    )
    said = Judged(id=file.id, judgement=judgement(made.message_id, pay("B", to="Y")))
    would = book.ledger.repair_rehearsal.enter(made, file, said, {}, now=NOW, same_payments_within=RADAR, **WHO)
    assert would.state is State.HELD
    assert (plan(book), book.ledger.views.history("T1").sent_again) == (made, [])
