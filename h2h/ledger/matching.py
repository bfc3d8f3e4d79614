"""What the entries of one statement do to our payments: debits that execute them, credits that give them back.

A booked entry of a camt.053 is final. One of a camt.052 or camt.054 announces; the statement's entry takes over what
was announced, also the details that it does not have itself, whichever of the two comes first. Two entries alike are
two. A payment is booked by the first debit that was not given back; more debits than one are told.

Entries are taken a window at a time (window.py), and what they do is written once for each window: how many queries
there are does not hang on how many entries come, but for sums that stand for many payments, and those page by page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import Connection, Select, update

from h2h.cash import Kind, Role, Weight, gives_back, reference, role, weight
from h2h.columns import Columns
from h2h.ledger import sums
from h2h.ledger import tables as t
from h2h.ledger.alike import Alike, announced_by
from h2h.ledger.bulk import change, in_chunks, store
from h2h.ledger.candidates import Named, Place
from h2h.ledger.touched import Touched, Unmatched, touched_by
from h2h.ledger.window import SIZE, Candidate, Key, Told, Window, told_of
from h2h.model import Entry, EntryDetail, Reason
from h2h.spool import Spool
from h2h.verdicts import REFUSALS

ANNOUNCING = (Kind.REPORT, Kind.NOTIFICATION)
BOOKING = ("entry_id", "detail", "transfer_id", "payment", "role", "final", "amount", "currency", "reasons")

POINTERS = ("booked_by", "advised_by", "returned_by")

Numbered = Sequence[tuple[int, Entry]]


class Link(Struct, frozen=True, kw_only=True):
    """The detail at this position is about this payment."""

    detail: int
    transfer_id: str
    payment: int


class Matching:
    """The entries of one statement; debits before credits."""

    def __init__(self, connection: Connection, place: Place) -> None:
        self._connection = connection
        self._place = place
        self._window = Window(connection, place, Role.DEBIT, Weight.NOTHING)
        self._alike = Alike(connection, place, ())
        self._names: set[str] = set()  # of batches and files, that the entries under way name and the ledger knows
        self._bookings: list[tuple[Any, ...]] = []
        self._changed: dict[Key, Candidate] = {}
        self._own: list[Told] = []  # what the entry under way announced
        self._handed: Counter[int] = Counter()
        self._links = 0  # final ones
        self.touched: Spool[Touched] = Spool(Touched)
        self.debited = 0  # payments that its own entries debit, or announce
        self.unmatched = Unmatched()

    def take(self, items: Numbered) -> Iterator[list[Link]]:
        """What these entries do, credits or others alone; for each of them its details that are about a payment."""
        acting = [(number, entry) for number, entry in items if self._acts(entry)]
        if acting:
            self._look([entry for _, entry in acting])
        for number, entry in items:
            yield self._usual(number, entry) or self._entry(number, entry)
        self._write()

    def _usual(self, number: int, entry: Entry) -> list[Link] | None:
        """What most entries that are ours are, in short: a final debit whose one detail means one payment."""
        if len(entry.details) != 1 or self._force(entry) is not Weight.FINAL or role(entry) is not Role.DEBIT:
            return None
        [detail] = entry.details
        if entry.amount is None or detail.direction == "CRDT" or detail.return_reason is not None:
            return None
        if (payment := self._window.only(detail)) is None:
            return None
        values = (payment.transfer_id, payment.position, Role.DEBIT, True, detail.amount, detail.currency, None)
        self._bookings.append((number, detail.position, *values))
        self._alike.acting.add(number)
        self.debited += 1
        self._links += 1
        payment.booked_by = number
        self._changed[payment.key] = payment
        return [Link(detail=detail.position, transfer_id=payment.transfer_id, payment=payment.position)]

    def pass_over(self, entries: Columns[Entry]) -> None:
        """Entries that nothing in the ledger can be about."""
        if self._place.kind is Kind.STATEMENT:
            self.unmatched.add_all(entries)

    def _force(self, entry: Entry) -> Weight:
        return weight(self._place.kind, entry.status)

    def _acts(self, entry: Entry) -> bool:
        return role(entry) is not None and self._force(entry) is not Weight.NOTHING and entry.amount is not None

    def _look(self, entries: Sequence[Entry]) -> None:
        """They have one role and one weight: the weight follows from the kind of the statement."""
        found = role(entries[0])
        assert found is not None
        self._alike = Alike(self._connection, self._place, entries)
        self._names = sums.known_names(self._connection, self._place, entries) if found is Role.DEBIT else set()
        force, announcing = self._force(entries[0]), self._alike.announcing
        self._window = Window(self._connection, self._place, found, force, announcing)
        self._window.look([(entry, entry.details if len(entry.details) <= SIZE else ()) for entry in entries])

    def _entry(self, number: int, entry: Entry) -> list[Link]:
        found, force = role(entry), self._force(entry)
        if force is Weight.NOTHING or entry.amount is None:
            return []
        if found is None:
            if entry.direction == "DBIT" and force is Weight.FINAL:
                self.unmatched.add(entry)
            return []
        if force is Weight.ADVICE and self._told_before(entry):
            return []
        known, self._own = self._links, []
        linked = self._debit(number, entry, force) if found is Role.DEBIT else self._return(number, entry, force)
        if force is Weight.ADVICE:
            self._hand_over(number, entry, found)
        elif found is Role.DEBIT and self._links == known:
            self.unmatched.add(entry)
        return linked

    def _details(self, entry: Entry) -> Iterator[EntryDetail]:
        """One after the other, the window being on it."""
        if len(entry.details) <= SIZE and not self._window.alone:
            yield from entry.details
            return
        for part in in_chunks(entry.details, SIZE):
            if len(entry.details) > SIZE:
                self._write()
                self._window.look([(entry, part)])
            for detail in part:
                if self._window.alone:
                    self._write()
                    self._window.look_alone(entry, detail)
                yield detail

    # Debits.

    def _debit(self, number: int, entry: Entry, force: Weight) -> list[Link]:
        linked: list[Link] = []
        rest: list[EntryDetail] = []
        by_reference = False
        for detail in self._details(entry):
            said = self._window.named(detail)
            by_reference = by_reference or said.by_reference
            payment = None if detail.direction == "CRDT" else self._debited(said, force)
            if payment is None:
                rest.append(detail)
                continue
            linked.append(self._link_detail(number, entry, detail, payment, Role.DEBIT, force))
        if linked and force is Weight.FINAL:
            for detail in rest:
                self.unmatched.add(entry, detail)
        if not linked and not by_reference:
            self._debit_as_a_whole(number, entry, force)
        return linked

    def _debited(self, said: Named, force: Weight) -> Candidate | None:
        found = self._window.debited(said)
        return found or (self._window.of_batch(said) if force is Weight.FINAL else None)

    def _debit_as_a_whole(self, number: int, entry: Entry, force: Weight) -> None:
        """Booked in one sum, without saying of which payments one by one."""
        if force is Weight.FINAL and self._take_over(number, entry, Role.DEBIT):
            return
        if self._names.isdisjoint(sums.names_in(entry)):
            return
        for part in _parts(entry):
            self._write()
            found = sums.batch_debited(self._connection, self._place, part)
            if found is None and force is Weight.FINAL:
                found = sums.batch_debited_before(self._connection, self._place, part)
            if found is not None:
                self._link_all(number, entry, found, Role.DEBIT, force)

    # Credits.

    def _return(self, number: int, entry: Entry, force: Weight) -> list[Link]:
        linked: list[Link] = []
        by_reference = False
        for detail in self._details(entry):
            said = self._window.named(detail)
            by_reference = by_reference or said.by_reference
            payment = None if detail.direction == "DBIT" else self._given_back(entry, detail, said)
            if payment is not None:
                linked.append(self._link_detail(number, entry, detail, payment, Role.RETURN, force))
        if not linked and not by_reference:
            self._return_as_a_whole(number, entry, force)
        return linked

    def _given_back(self, entry: Entry, detail: EntryDetail, said: Named) -> Candidate | None:
        """By the references of the payment; where the bank says that it is a return, by those of its debit, too.

        A smaller amount than was paid is a return where the bank says so, or names the payment by its UETR.
        """
        told = gives_back(entry, detail)
        fitting = self._window.given_back(said)
        if exact := next((p for p in fitting if (p.amount, p.currency) in said.amounts), None):
            return exact
        if told or said.uetr:
            alike = (p for p in fitting if told or p.uetr == said.uetr)
            if short := next((p for p in alike if _shortened(p, said)), None):
                return short
        return self._given_back_by_its_debit(entry, detail, said) if told else None

    def _given_back_by_its_debit(self, entry: Entry, detail: EntryDetail, said: Named) -> Candidate | None:
        """Only where it can be no other payment."""
        refs = {entry.account_servicer_reference, detail.account_servicer_reference}
        known = [ref for value in refs if (ref := reference(value))]
        fitting = self._window.of_debit(known, reference(detail.transaction_id))
        exact = [p for p in fitting if (p.amount, p.currency) in said.amounts]
        if exact:
            return exact[0] if len(exact) == 1 else None
        return fitting[0] if len(fitting) == 1 and _shortened(fitting[0], said) else None

    def _return_as_a_whole(self, number: int, entry: Entry, force: Weight) -> None:
        """A reversal of a whole entry: all that this had debited, if that is the sum."""
        if force is Weight.FINAL and self._take_over(number, entry, Role.RETURN):
            return
        ref = reference(entry.account_servicer_reference)
        if not gives_back(entry) or ref is None or not (self._window.alone or self._window.of_debit([ref])):
            return
        self._write()
        if (found := sums.debited_as_a_whole(self._connection, self._place, entry)) is not None:
            self._link_all(number, entry, found, Role.RETURN, force)

    # What was announced, and what takes it over.

    def _told_before(self, entry: Entry) -> bool:
        """The same entry stood in an earlier message of its kind, or in a statement, and was understood there."""
        alike = self._alike.to(entry, (self._place.kind, Kind.STATEMENT))
        return any(row.id in self._alike.acting for row in alike)

    def _take_over(self, number: int, entry: Entry, found: Role) -> bool:
        """A statement's entry without details does what a notification had told in detail."""
        alike = self._alike.to(entry, ANNOUNCING)
        return any(self._carry(number, entry, row.id, self._window.told(row.id), found) for row in alike)

    def _hand_over(self, number: int, entry: Entry, found: Role) -> None:
        """A notification that comes after the statement tells what its entry did."""
        told = self._own if len(self._own) <= SIZE else None
        for row in self._alike.to(entry, (Kind.STATEMENT,)) if self._own else ():
            own = self.debited
            if row.id not in self._alike.acting and (more := self._carry(row.id, entry, number, told, found)):
                self.debited = own
                self._handed[row.statement_id] += more if found is Role.DEBIT else 0
                return

    def _carry(self, number: int, entry: Entry, announcing: int, told: Sequence[Told] | None, found: Role) -> int:
        """Make final by the row `number` what was announced; all of it, or nothing. How many payments that are."""
        if told is None:
            return self._carry_pages(number, entry, announcing, found)
        by = "booked_by" if found is Role.DEBIT else "returned_by"
        if any(getattr(one.payment, by) is not None for one in told):
            return 0
        for one in told:
            self._link(number, entry, found, Weight.FINAL, one)
        return len(told)

    def _carry_pages(self, number: int, entry: Entry, announcing: int, found: Role) -> int:
        self._write()
        b, p = t.booking.c, t.payment.c
        column = p.booked_by if found is Role.DEBIT else p.returned_by
        query = announced_by([announcing]).where(b.role == found)
        if self._connection.execute(query.where(column.is_not(None)).limit(1)).first() is not None:
            return 0
        count = after = 0
        for _ in range(0, sums.MOST_OF_A_BATCH, SIZE):
            rows = self._connection.execute(query.where(b.id > after).limit(SIZE)).all()
            for row, payment in zip(rows, self._window.page(rows), strict=True):
                self._link(number, entry, found, Weight.FINAL, told_of(row, payment))
            self._write()
            count += len(rows)
            if len(rows) < SIZE:
                break
            after = rows[-1].booking
        return count

    # One payment.

    def _link_detail(
        self, number: int, entry: Entry, detail: EntryDetail, payment: Candidate, found: Role, force: Weight
    ) -> Link:
        told = Told(payment=payment, amount=detail.amount, currency=detail.currency, reasons=_reasons(detail))
        self._link(number, entry, found, force, told, detail.position)
        return Link(detail=detail.position, transfer_id=payment.transfer_id, payment=payment.position)

    def _link_all(self, number: int, entry: Entry, query: Select[Any], found: Role, force: Weight) -> None:
        for rows in sums.pages(self._connection, query):
            for payment in self._window.page(rows):
                told = Told(payment=payment, amount=payment.amount, currency=payment.currency, reasons=None)
                self._link(number, entry, found, force, told)
            self._write()

    def _link(
        self, number: int, entry: Entry, found: Role, force: Weight, told: Told, detail: int | None = None
    ) -> None:
        """`number`: the row of the entry that does it; `detail`: the position of the one that says so."""
        payment, final = told.payment, force is Weight.FINAL
        values = (payment.transfer_id, payment.position, found, final, told.amount, told.currency, told.reasons)
        self._bookings.append((number, detail, *values))
        self._alike.acting.add(number)
        self.debited += found is Role.DEBIT and (payment.booked_by is None or payment.returned_by is not None)
        if final:
            self._make_final(number, entry, found, payment)
            return
        payment.announced_here = True
        if len(self._own) <= SIZE:
            self._own.append(told)
        if found is Role.DEBIT and payment.advised_by is None:
            payment.advised_by = number
            self._changed[payment.key] = payment

    def _make_final(self, number: int, entry: Entry, found: Role, payment: Candidate) -> None:
        self._links += 1
        debited = payment.booked_by is not None
        if found is Role.RETURN or debited or payment.status in REFUSALS:
            self.touched.append(touched_by(entry, payment, found))
        if payment.moves is not None:
            payment.moves.append((found, number))
        self._changed[payment.key] = payment
        if found is Role.DEBIT and not debited and payment.returned_by is None:
            payment.booked_by = number
        else:
            self._reckon(payment)

    def _reckon(self, payment: Candidate) -> None:
        """Which entries count, where there was more than one debit, or something came back."""
        if payment.moves is None:
            self._write()
            self._window.load_moves(payment)
        moves = payment.moves or []
        debits = [number for found, number in moves if found == Role.DEBIT]
        returns = [number for found, number in moves if found == Role.RETURN]
        payment.booked_by = debits[min(len(returns), len(debits) - 1)] if debits else None
        payment.returned_by = returns[-1] if returns and len(returns) >= len(debits) else None
        self._changed[payment.key] = payment

    def _write(self) -> None:
        """All that is pending, so that the database can be asked again."""
        store(self._connection, t.booking, BOOKING, self._bookings)
        self._bookings = []
        pointers = [(p.booked_by, p.advised_by, p.returned_by, *p.key) for p in self._changed.values()]
        change(self._connection, t.payment, POINTERS, pointers)
        self._changed = {}
        c = t.statement.c
        for statement, more in self._handed.items():
            self._connection.execute(update(t.statement).where(c.id == statement).values(matched=c.matched + more))
        self._handed.clear()


def _parts(entry: Entry) -> list[Entry]:
    """Each batch of an entry that books several of them, as an entry of its own; else the entry itself."""
    if len(entry.batches) < 2 or any(batch.total is None for batch in entry.batches):
        return [entry]
    return [
        structs.replace(
            entry, amount=batch.total, currency=batch.currency or entry.currency, batch_message_id=batch.message_id,
            batch_payment_information_id=batch.payment_information_id, details=(),
        )
        for batch in entry.batches
    ]  # fmt: skip


def _shortened(payment: Candidate, said: Named) -> bool:
    ordered = payment.amount
    return ordered is not None and any(
        payment.currency == currency and 0 < amount < ordered for amount, currency in said.amounts
    )


def _reasons(detail: EntryDetail) -> list[dict[str, str]] | None:
    found: Reason | None = detail.return_reason
    return [{k: v for k, v in structs.asdict(found).items() if v is not None}] if found else None
