"""What the entries of one statement do to our payments: debits that execute them, credits that give them back.

A booked entry of a camt.053 is final. One of a camt.052 or camt.054 announces; the statement's entry takes over what
was announced, also the details that it does not have itself, whichever of the two comes first. Two entries alike are
two. A payment is booked by the first debit that was not given back; more debits than one are told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from h2h.cash import Kind, Role, Weight, gives_back, reference, role, weight
from h2h.ledger import tables as t
from h2h.ledger.candidates import (
    MOST_OF_A_BATCH,
    Named,
    Place,
    batch_debited,
    batch_debited_before,
    named,
    payment_debited,
    payment_of_batch,
    payments_given_back,
    payments_of_debit,
    same_entries,
)
from h2h.model import Entry, EntryDetail, Reason, total
from h2h.verdicts import REFUSALS

ANNOUNCING = (Kind.REPORT, Kind.NOTIFICATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """One entry's effect on one payment."""

    entry: Entry
    detail: EntryDetail | None
    payment: Row[Any]
    role: Role


class Matching:
    """The entries of one statement, one after the other; debits before credits."""

    def __init__(self, connection: Connection, place: Place) -> None:
        self._connection = connection
        self._place = place
        self.final: list[Touched] = []
        self.debited = 0  # payments that its own entries debit, or announce
        self.unmatched: list[tuple[Entry, EntryDetail | None]] = []  # final debits

    def apply(self, number: int, entry: Entry) -> list[tuple[int, str, int]]:
        """What the entry in this row does; for each detail that is about a payment, its position and that payment."""
        found, force = role(entry), weight(self._place.kind, entry.status)
        if force is Weight.NOTHING or entry.amount is None:
            return []
        if found is None:
            if entry.direction == "DBIT" and force is Weight.FINAL:
                self.unmatched.append((entry, None))
            return []
        if force is Weight.ADVICE and self._told_before(entry):
            return []
        known = len(self.final)
        linked = self._debit(number, entry, force) if found is Role.DEBIT else self._return(number, entry, force)
        if force is Weight.ADVICE:
            self._hand_over(number, entry, found)
        elif found is Role.DEBIT and len(self.final) == known:
            self.unmatched.append((entry, None))
        return linked

    # Debits.

    def _debit(self, number: int, entry: Entry, force: Weight) -> list[tuple[int, str, int]]:
        linked: list[tuple[int, str, int]] = []
        rest: list[EntryDetail] = []
        for detail in entry.details:
            payment = None if detail.direction == "CRDT" else self._debited(detail, force)
            if payment is None:
                rest.append(detail)
                continue
            self._link(number, entry, detail, payment, Role.DEBIT, force)
            linked.append((detail.position, payment.transfer_id, payment.position))
        if linked and force is Weight.FINAL:
            self.unmatched += [(entry, detail) for detail in rest]
        if not linked and not any(named(detail).by_reference for detail in entry.details):
            self._debit_as_a_whole(number, entry, force)
        return linked

    def _debited(self, detail: EntryDetail, force: Weight) -> Row[Any] | None:
        said = named(detail)
        found = payment_debited(self._connection, self._place, said, force)
        return found or (payment_of_batch(self._connection, self._place, said) if force is Weight.FINAL else None)

    def _debit_as_a_whole(self, number: int, entry: Entry, force: Weight) -> None:
        """Booked in one sum, without saying of which payments one by one."""
        if force is Weight.FINAL and self._take_over(number, entry, Role.DEBIT):
            return
        for part in _parts(entry):
            found = batch_debited(self._connection, self._place, part)
            if not found and force is Weight.FINAL:
                found = batch_debited_before(self._connection, self._place, part)
            for payment in found:
                self._link(number, entry, None, payment, Role.DEBIT, force)

    # Credits.

    def _return(self, number: int, entry: Entry, force: Weight) -> list[tuple[int, str, int]]:
        linked: list[tuple[int, str, int]] = []
        for detail in entry.details:
            payment = None if detail.direction == "DBIT" else self._given_back(entry, detail)
            if payment is not None:
                self._link(number, entry, detail, payment, Role.RETURN, force)
                linked.append((detail.position, payment.transfer_id, payment.position))
        if not linked and not any(named(detail).by_reference for detail in entry.details):
            self._return_as_a_whole(number, entry, force)
        return linked

    def _given_back(self, entry: Entry, detail: EntryDetail) -> Row[Any] | None:
        """By the references of the payment; where the bank says that it is a return, by those of its debit, too.

        A smaller amount than was paid is a return where the bank says so, or names the payment by its UETR.
        """
        said, told = named(detail), gives_back(entry, detail)
        rows = payments_given_back(self._connection, self._place, said)
        if exact := next((row for row in rows if (row.amount, row.currency) in said.amounts), None):
            return exact
        if told or said.uetr:
            alike = [row for row in rows if told or row.uetr == said.uetr]
            if short := next((row for row in alike if _shortened(row, said)), None):
                return short
        return self._given_back_by_its_debit(entry, detail, said) if told else None

    def _given_back_by_its_debit(self, entry: Entry, detail: EntryDetail, said: Named) -> Row[Any] | None:
        """Only where it can be no other payment."""
        refs = {entry.account_servicer_reference, detail.account_servicer_reference}
        known = [ref for value in refs if (ref := reference(value))]
        rows = payments_of_debit(self._connection, self._place, known, reference(detail.transaction_id))
        exact = [row for row in rows if (row.amount, row.currency) in said.amounts]
        if exact:
            return exact[0] if len(exact) == 1 else None
        return rows[0] if len(rows) == 1 and _shortened(rows[0], said) else None

    def _return_as_a_whole(self, number: int, entry: Entry, force: Weight) -> None:
        """A reversal of a whole entry: all that this had debited, if that is the sum."""
        if force is Weight.FINAL and self._take_over(number, entry, Role.RETURN):
            return
        ref = reference(entry.account_servicer_reference)
        if not gives_back(entry) or ref is None:
            return
        rows = payments_of_debit(self._connection, self._place, [ref])
        if _sum_of(rows, entry):
            for payment in rows:
                self._link(number, entry, None, payment, Role.RETURN, force)

    # What was announced, and what takes it over.

    def _told_before(self, entry: Entry) -> bool:
        """The same entry stood in an earlier message of its kind, or in a statement, and was understood there."""
        alike = same_entries(self._place, entry, [self._place.kind, Kind.STATEMENT])
        return any(self._acts(row.id) for row in self._connection.execute(alike).all())

    def _acts(self, number: int) -> bool:
        b = t.booking.c
        return self._connection.execute(select(b.id).where(b.entry_id == number).limit(1)).first() is not None

    def _announced(self, number: int, found: Role) -> Sequence[Row[Any]]:
        b, p = t.booking.c, t.payment.c
        query = (
            select(b.amount, b.currency, b.reasons, p.transfer_id, p.position, p.amount.label("ordered"), p.status,
                   p.currency.label("ordered_currency"), p.booked_by, p.returned_by, p.advised_by, p.end_to_end_id,
                   p.instruction_id, p.uetr, p.creditor_name)
            .join(t.payment, (p.transfer_id == b.transfer_id) & (p.position == b.payment))
            .where(b.entry_id == number, b.final.is_(False))
            .order_by(b.id)
            .limit(MOST_OF_A_BATCH)
        )  # fmt: skip
        return list(self._connection.execute(query.where(b.role == found)))

    def _take_over(self, number: int, entry: Entry, found: Role) -> bool:
        """A statement's entry without details does what a notification had told in detail."""
        for row in self._connection.execute(same_entries(self._place, entry, ANNOUNCING)).all():
            if self._carry(number, entry, self._announced(row.id, found), found):
                return True
        return False

    def _hand_over(self, number: int, entry: Entry, found: Role) -> None:
        """A notification that comes after the statement tells what its entry did."""
        announced = self._announced(number, found)
        if not announced:
            return
        for row in self._connection.execute(same_entries(self._place, entry, [Kind.STATEMENT])).all():
            own = self.debited
            if not self._acts(row.id) and self._carry(row.id, entry, announced, found):
                self.debited = own
                c = t.statement.c
                more = len(announced) if found is Role.DEBIT else 0
                self._connection.execute(
                    update(t.statement).where(c.id == row.statement_id).values(matched=c.matched + more)
                )
                return

    def _carry(self, number: int, entry: Entry, announced: Sequence[Row[Any]], found: Role) -> bool:
        """Make final by this row what was announced; all of it, or nothing."""
        done = (row.booked_by if found is Role.DEBIT else row.returned_by for row in announced)
        if not announced or any(by is not None for by in done):
            return False
        for row in announced:
            self._link(number, entry, None, row, found, Weight.FINAL, told=row)
        return True

    # One payment.

    def _link(
        self,
        number: int,
        entry: Entry,
        detail: EntryDetail | None,
        payment: Row[Any],
        found: Role,
        force: Weight,
        told: Row[Any] | None = None,
    ) -> None:
        """`told`: what was announced, with the amount and the reasons that the entry itself does not have."""
        amount, currency = (detail.amount, detail.currency) if detail else (payment.amount, payment.currency)
        reasons = told.reasons if told is not None else _reasons(detail)
        self._connection.execute(
            insert(t.booking).values(
                entry_id=number, detail=detail.position if detail else None, transfer_id=payment.transfer_id,
                payment=payment.position, role=found, final=force is Weight.FINAL, amount=amount, currency=currency,
                reasons=reasons,
            )
        )  # fmt: skip
        self.debited += found is Role.DEBIT and (payment.booked_by is None or payment.returned_by is not None)
        if force is Weight.FINAL:
            self.final.append(Touched(entry=entry, detail=detail, payment=payment, role=found))
            first = found is Role.DEBIT and payment.booked_by is None and payment.returned_by is None
            self._point(payment, booked_by=number) if first else self._reckon(payment)
        elif found is Role.DEBIT and payment.advised_by is None:
            self._point(payment, advised_by=number)

    def _reckon(self, payment: Row[Any]) -> None:
        """Which entries count, where there was more than one debit, or something came back."""
        debits, returns = movements(self._connection, payment.transfer_id, payment.position)
        booked_by = debits[min(len(returns), len(debits) - 1)].entry_id if debits else None
        back = returns and len(returns) >= len(debits)
        self._point(payment, booked_by=booked_by, returned_by=returns[-1].entry_id if back else None)

    def _point(self, payment: Row[Any], **by: int | None) -> None:
        c = t.payment.c
        of = (c.transfer_id == payment.transfer_id) & (c.position == payment.position)
        self._connection.execute(update(t.payment).where(of).values(**by))


def movements(connection: Connection, transfer_id: str, position: int) -> tuple[list[Row[Any]], list[Row[Any]]]:
    """The final debits and returns of a payment, in the order in which they came."""
    b = t.booking.c
    query = select(t.booking).where(b.transfer_id == transfer_id, b.payment == position, b.final).order_by(b.id)
    rows = connection.execute(query).all()
    return [r for r in rows if r.role == Role.DEBIT], [r for r in rows if r.role == Role.RETURN]


def _parts(entry: Entry) -> list[Entry]:
    """Each batch of an entry that books several of them, as an entry of its own; else the entry itself."""
    if len(entry.batches) < 2 or any(batch.total is None for batch in entry.batches):
        return [entry]
    return [
        replace(
            entry, amount=batch.total, currency=batch.currency or entry.currency, batch_message_id=batch.message_id,
            batch_payment_information_id=batch.payment_information_id, details=(),
        )
        for batch in entry.batches
    ]  # fmt: skip


def _shortened(row: Row[Any], said: Named) -> bool:
    return any(row.currency == currency and 0 < amount < row.amount for amount, currency in said.amounts)


def _sum_of(rows: Sequence[Row[Any]], entry: Entry) -> bool:
    same = {row.currency for row in rows} == {entry.currency}
    return same and total(row.amount for row in rows) == entry.amount


def _reasons(detail: EntryDetail | None) -> list[dict[str, str]] | None:
    found: Reason | None = detail.return_reason if detail else None
    return [{k: v for k, v in asdict(found).items() if v is not None}] if found else None


def refused(touched: Touched) -> bool:
    """A debit of a payment that the bank had refused."""
    return touched.role is Role.DEBIT and touched.payment.status in REFUSALS
