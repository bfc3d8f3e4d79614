"""What the ledger knows about a few entries of a statement, asked for all of them at once.

A window holds the payments that its entries may be about, and chooses among them; as entries are matched, what it holds
changes with them. Where more fits than may be held, each detail is asked for alone, the
nearest first: the choice is the same, only slower. Whoever looks has written down what was pending before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Row, Select, select

from h2h.cash import Kind, Role, Weight, gives_back, reference
from h2h.identity import NO_REFERENCE, account_key
from h2h.ledger import candidates
from h2h.ledger import tables as t
from h2h.ledger.alike import announced_by
from h2h.ledger.candidates import MOST, MOST_HELD, Named, Place, named
from h2h.model import Entry, EntryDetail
from h2h.verdicts import REFUSALS

SIZE = 1_000  # details, and entries without any, that are looked at together
REFERENCES = ("uetr", "end_to_end_id", "instruction_id")
NEVER = datetime.max.replace(tzinfo=UTC)

Key = tuple[str, int]
Items = Sequence[tuple[Entry, Sequence[EntryDetail]]]


class Candidate(Struct, eq=False):
    """A payment as it stands now, made of a row.

    `moves`: its final debits and returns with their entries, once they are known.
    """

    transfer_id: str
    position: int
    batch: int
    amount: Decimal | None
    currency: str | None
    status: str | None
    booked_by: int | None
    advised_by: int | None
    returned_by: int | None
    end_to_end_id: str | None
    instruction_id: str | None
    uetr: str | None
    creditor_name: str | None
    creditor_account: str | None
    payment_information_id: str | None
    sent_at: datetime | None
    received_at: datetime
    announced_here: bool = False
    moves: list[tuple[str, int]] | None = None

    @property
    def key(self) -> Key:
        return self.transfer_id, self.position


COLUMNS = len(Candidate.__struct_fields__) - 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an entry announced of a payment: the amount and the reasons that another one may not have."""

    payment: Candidate
    amount: Decimal | None
    currency: str | None
    reasons: Any


class Window:
    """`role`, `weight`: what its entries do, and how much that counts. `announcing`: entries of other messages that may
    have announced the same; None where there are more than may be held."""

    def __init__(
        self,
        connection: Connection,
        place: Place,
        role: Role,
        weight: Weight,
        announcing: Sequence[int] | None = (),
    ) -> None:
        self._connection = connection
        self._place = place
        self._role = role
        self._weight = weight
        self._known: dict[Key, Candidate] = {}
        self._by: defaultdict[tuple[str, str | None], dict[Key, Candidate]] = defaultdict(dict)
        self._wanted: Sequence[str] = ()
        self._paged: Sequence[Key] = ()
        self._said: dict[int, Named] = {}
        self._announcing = announcing
        self._told: dict[tuple[int, str], list[Told]] | None = None
        self.alone = False  # each detail has to be asked for alone

    # Payments.

    def look(self, items: Items) -> None:
        """Forget the payments that were known, and ask which ones these details can be about."""
        self._forget()
        self.alone = False
        said = [self.named(detail) for _, details in items for detail in details]
        self._want(said)
        queries = (
            [candidates.by_references(self._connection, self._place, said)] if any(s.by_reference for s in said) else []
        )
        if self._weight is Weight.ADVICE:
            queries = [query.add_columns(candidates.announced_here(self._place)) for query in queries]
        more = self._by_batches(said) + self._by_debits(items)
        self.alone = not all(self._hold(query, MOST_HELD) for query in queries + more)

    def named(self, detail: EntryDetail) -> Named:
        """By the detail itself: the window's entries live as long as it."""
        if (said := self._said.get(id(detail))) is None:
            said = self._said[id(detail)] = named(detail)
        return said

    def look_alone(self, entry: Entry, detail: EntryDetail) -> None:
        self._forget()
        said, place = named(detail), self._place
        self._want([said])
        if said.by_reference and self._role is Role.DEBIT and said.amounts:
            self._hold(candidates.debited_by(place, said, self._weight), MOST)
        elif said.by_reference and self._role is Role.RETURN and place.account is not None:
            self._hold(candidates.given_back_by(place, said), MOST)
        for query in self._by_batches([said]):
            self._hold(query, MOST)
        for query in self._by_debits([(entry, [detail])]):
            self._hold(query, 2)  # which one can only be said where there is one
            self._hold(query.where(candidates.of_amount(said.amounts)), 2)

    def _want(self, said: Sequence[Named]) -> None:
        """By what payments will be asked for."""
        names = [name for name in REFERENCES if any(getattr(one, name) is not None for one in said)]
        batches = any(not one.by_reference and one.payment_information_id for one in said)
        self._wanted = (*names, "payment_information_id") if batches else tuple(names)

    def _by_batches(self, said: Iterable[Named]) -> list[Select[Any]]:
        nameless = [s for s in said if not s.by_reference and s.payment_information_id and s.amounts]
        final = self._role is Role.DEBIT and self._weight is Weight.FINAL
        return [candidates.by_batches(self._place, nameless)] if nameless and final else []

    def _by_debits(self, items: Items) -> list[Select[Any]]:
        if self._role is not Role.RETURN:
            return []
        refs: set[str] = set()
        transactions: set[str] = set()
        for entry, details in items:
            told = [detail for detail in details if gives_back(entry, detail)]
            said = {detail.account_servicer_reference for detail in told}
            said |= {entry.account_servicer_reference} if told or gives_back(entry) else set()
            refs |= {ref for value in said if (ref := reference(value))}
            transactions |= {ref for detail in told if (ref := reference(detail.transaction_id))}
        return candidates.by_debits(self._place, refs, transactions)

    def _forget(self) -> None:
        self._known.clear()
        self._paged = ()
        self._said.clear()
        self._by.clear()
        self._told = None

    def _hold(self, query: Select[Any], most: int) -> bool:
        """Whether that was all."""
        rows = self._connection.execute(query.limit(most + 1)).all()
        for row in rows[:most]:
            self._file(self.candidate(row), row[COLUMNS:])
        return len(rows) <= most

    def _file(self, payment: Candidate, more: Sequence[Any]) -> None:
        """`more`: whether it was announced here, or the references of a debit of it."""
        by, key = self._by, payment.key
        for name in self._wanted:
            if value := getattr(payment, name):
                by[name, value][key] = payment
        if len(more) == 1:
            payment.announced_here = more[0]
        for name, value in zip(("debit", "debit", "tx"), more if len(more) > 1 else (), strict=False):
            by[name, value][key] = payment

    def candidate(self, row: Row[Any]) -> Candidate:
        """The payment in this row: the one that is held, or a new one."""
        key = (row.transfer_id, row.position)
        if (payment := self._known.get(key)) is None:
            payment = self._known[key] = Candidate(*row[:COLUMNS])
        return payment

    def page(self, rows: Sequence[Row[Any]]) -> list[Candidate]:
        """The payments in a page of a long answer; those of the page before are let go."""
        for key in self._paged:
            del self._known[key]
        self._paged = [key for row in rows if (key := (row.transfer_id, row.position)) not in self._known]
        return [self.candidate(row) for row in rows]

    # Which one.

    def only(self, detail: EntryDetail) -> Candidate | None:
        """The payment that the detail means by its EndToEndId, the only reference and in one payment alone, where that
        stands as it was sent. None does not say that there is none."""
        name = detail.end_to_end_id
        if name is None or detail.uetr or detail.instruction_id or reference(name) != name or self.alone:
            return None
        found = self._by.get(("end_to_end_id", name), {})
        for payment in found.values() if len(found) == 1 else ():
            same = payment.amount == detail.amount and payment.currency == detail.currency
            untouched = payment.booked_by is None and payment.returned_by is None and payment.moves is None
            if same and untouched and payment.amount is not None and payment.status not in REFUSALS:
                return payment
        return None

    def debited(self, said: Named) -> Candidate | None:
        """The one that a debit executes, or announces: the oldest that is not debited yet.

        One that the bank refused comes after one that it did not: it may have been sent again in a repair, with all
        its references. Where all that fit are debited already, the one that would be debited twice.
        """
        if not said.by_reference or not said.amounts:
            return None
        fitting = [p for p in self._named(said) if (p.amount, p.currency) in said.amounts and not p.announced_here]

        def near(p: Candidate) -> tuple[Any, ...]:
            by_uetr, *rest = _nearness(p, said)
            return (by_uetr, self._debit_state(p), *rest, p.status in REFUSALS, *_oldest(p))

        return min(fitting, key=near, default=None)

    def of_batch(self, said: Named) -> Candidate | None:
        """Without a reference: the payment of the batch that has this amount, if the creditor can be no other."""
        if said.by_reference or not said.payment_information_id or not said.amounts:
            return None
        inside = self._by["payment_information_id", said.payment_information_id].values()
        fitting = [p for p in inside if (p.amount, p.currency) in said.amounts and p.booked_by is None]
        fitting = sorted((p for p in fitting if p.status not in REFUSALS), key=lambda p: (p.received_at, p.position))
        fitting = fitting[:MOST]
        if said.creditor_account:
            fitting = [p for p in fitting if _account(p.creditor_account) == _account(said.creditor_account)]
        return fitting[0] if len({_account(p.creditor_account) for p in fitting}) == 1 else None

    def given_back(self, said: Named) -> Sequence[Candidate]:
        """Those with these references that were not given back yet, debited ones first, whatever their amount."""
        if not said.by_reference or self._place.account is None:
            return ()

        def near(p: Candidate) -> tuple[Any, ...]:
            by_uetr, *rest = _nearness(p, said)
            return (by_uetr, p.booked_by is None, *rest, *_oldest(p))

        return sorted((p for p in self._named(said) if p.returned_by is None), key=near)[:MOST]

    def of_debit(self, references: Iterable[str], transaction_id: str | None = None) -> list[Candidate]:
        """Those debited by an entry or a detail with one of these AcctSvcrRefs, or this TxId, and not given back."""
        found: dict[Key, Candidate] = {}
        for ref in references:
            found |= self._by["debit", ref]
        if transaction_id:
            found |= self._by["tx", transaction_id]
        return [found[key] for key in sorted(found) if found[key].returned_by is None]

    def _named(self, said: Named) -> Collection[Candidate]:
        """An InstrId counts where nothing else is said that contradicts it: banks write their own there."""
        found = dict(self._by["uetr", said.uetr]) if said.uetr else {}
        if said.end_to_end_id:
            found |= self._by["end_to_end_id", said.end_to_end_id]
        if said.instruction_id:
            for key, payment in self._by["instruction_id", said.instruction_id].items():
                nameless = payment.end_to_end_id is None or payment.end_to_end_id in NO_REFERENCE
                if nameless or not said.end_to_end_id:
                    found[key] = payment
        return found.values()

    def _debit_state(self, p: Candidate) -> int:
        """Not debited, then given back, then debited. A report (camt.052) tells again what an earlier one told."""
        if self._weight is Weight.FINAL:
            return 0 if p.booked_by is None else 1 if p.returned_by is not None else 2
        if p.booked_by is not None:
            return 2
        return int((p.advised_by is None) is (self._place.kind is Kind.REPORT))

    # What entries of other messages announced of them.

    def told(self, number: int) -> list[Told] | None:
        """What the entry announced with this window's role; None where it has to be gone through page by page."""
        if self._told is None:
            self._told = self._all_told()
        return self._told.get((number, self._role), []) if self._told is not None else None

    def _all_told(self) -> dict[tuple[int, str], list[Told]] | None:
        if not self._announcing:
            return None if self._announcing is None else {}
        rows = self._connection.execute(announced_by(self._announcing).limit(MOST_HELD + 1)).all()
        if len(rows) > MOST_HELD:
            return None
        found: defaultdict[tuple[int, str], list[Told]] = defaultdict(list)
        for row in rows:
            found[row.entry_id, row.role].append(told_of(row, self.candidate(row)))
        return found

    # What was done to a payment.

    def load_moves(self, payment: Candidate) -> None:
        """Of this one, and of all that were debited and are held."""
        wanted = {p.key: p for p in self._known.values() if p.moves is None and p.booked_by is not None}
        wanted[payment.key] = payment
        for one in wanted.values():
            one.moves = []
        for key, moves in movements(self._connection, wanted).items():
            wanted[key].moves = [(row.role, row.entry_id) for row in moves]


def told_of(row: Row[Any], payment: Candidate) -> Told:
    return Told(payment=payment, amount=row.told_amount, currency=row.told_currency, reasons=row.reasons)


def movements(connection: Connection, keys: Collection[Key]) -> dict[Key, list[Row[Any]]]:
    """The final debits and returns of these payments, in the order in which they came."""
    b = t.booking.c
    by_file: defaultdict[str, list[int]] = defaultdict(list)
    for transfer_id, position in keys:
        by_file[transfer_id].append(position)
    found: defaultdict[Key, list[Row[Any]]] = defaultdict(list)
    for transfer_id, positions in by_file.items():  # pairs in one condition would go through the whole file for each
        mine = (b.transfer_id == transfer_id, b.payment.in_(positions))
        for row in connection.execute(select(t.booking).where(*mine, b.final).order_by(b.id)):
            found[row.transfer_id, row.payment].append(row)
    return found


def _nearness(p: Candidate, said: Named) -> tuple[bool, ...]:
    """By UETR before any other; then by EndToEndId, then by InstrId."""
    pairs = ((p.uetr, said.uetr), (p.end_to_end_id, said.end_to_end_id), (p.instruction_id, said.instruction_id))
    return tuple(not value or known != value for known, value in pairs)


def _oldest(p: Candidate) -> tuple[Any, ...]:
    return (p.sent_at or NEVER, p.received_at, p.position, p.transfer_id)


def _account(value: str | None) -> str:
    return account_key(value or "")
