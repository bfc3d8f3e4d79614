"""The payments that an entry, or one of its details, can be about: queries that grow with the answer.

By reference: UETR, then EndToEndId, then InstrId; amount and currency have to be equal, as booked or as instructed, and
the account is that of the debtor where it is known. Without any reference: the batch by its PmtInfId, and the amount.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, false, or_, select

from h2h.cash import Kind, Role, Weight, reference, written
from h2h.identity import NO_REFERENCE, account_key
from h2h.ledger import tables as t
from h2h.lifecycle import State
from h2h.model import Entry, EntryDetail, total
from h2h.verdicts import REFUSALS

AT_THE_BANK = (State.SENT, State.PUBLISHING, State.UNCERTAIN)
MOST = 100  # payments that are looked at for one detail
MOST_OF_A_BATCH = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where entries stand: a statement of an account at a bank, the row of it, and the id of its message."""

    bank: str
    account: str | None
    statement: int
    kind: Kind
    message_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a detail, or an entry, names of the payment that it is about. `amounts`: each with its currency."""

    uetr: str | None = None
    end_to_end_id: str | None = None
    instruction_id: str | None = None
    payment_information_id: str | None = None
    creditor_account: str | None = None
    amounts: tuple[tuple[Decimal, str], ...] = ()

    @property
    def by_reference(self) -> bool:
        return any((self.uetr, self.end_to_end_id, self.instruction_id))


def named(detail: EntryDetail) -> Named:
    uetr = reference(detail.uetr)
    said = (
        (detail.amount, detail.currency),
        (detail.instructed_amount, detail.instructed_currency),
    )
    return Named(
        uetr=uetr.lower() if uetr else None,
        end_to_end_id=reference(detail.end_to_end_id),
        instruction_id=reference(detail.instruction_id),
        payment_information_id=reference(detail.payment_information_id),
        creditor_account=detail.creditor_account,
        amounts=tuple(dict.fromkeys((amount, ccy) for amount, ccy in said if amount is not None and ccy)),
    )


def payment_debited(connection: Connection, place: Place, said: Named, weight: Weight) -> Row[Any] | None:
    """The one that a debit executes, or announces: the oldest that is not debited yet.

    One that the bank refused comes after one that it did not: it may have been sent again in a repair, with all its
    references. Where all that fit are debited already, the one that would be debited twice.
    """
    if not said.by_reference or not said.amounts:
        return None
    p, f = t.payment.c, t.transfer.c
    query = _at_the_bank(place).where(_by_reference(said), _of_amount(said.amounts))
    if weight is Weight.ADVICE:
        query = query.where(~_announced_here(place))
    by_uetr, *rest = _nearness(said)
    refused = case((p.status.in_(REFUSALS), 1), else_=0)
    order = (by_uetr, _debit_state(place, weight), *rest, refused, f.sent_at.nulls_last(), f.received_at, p.position)
    return connection.execute(query.order_by(*order).limit(1)).first()


def payment_of_batch(connection: Connection, place: Place, said: Named) -> Row[Any] | None:
    """Without a reference: the payment of the batch that has this amount, if the creditor can be no other."""
    p = t.payment.c
    if said.by_reference or not said.payment_information_id or not said.amounts:
        return None
    query = _at_the_bank(place).where(
        t.batch.c.payment_information_id == said.payment_information_id,
        _of_amount(said.amounts), p.booked_by.is_(None), _not_refused(),
    )  # fmt: skip
    rows = connection.execute(query.order_by(t.transfer.c.received_at, p.position).limit(MOST)).all()
    if said.creditor_account:
        rows = [row for row in rows if _account(row.creditor_account) == _account(said.creditor_account)]
    return rows[0] if len({_account(row.creditor_account) for row in rows}) == 1 else None


def batch_debited(connection: Connection, place: Place, entry: Entry) -> list[Row[Any]]:
    """A batch, else a whole file, booked in one sum: all of it that the bank did not refuse, if that is the sum."""
    p, f = t.payment.c, t.transfer.c
    for column, name in _batch_names(entry):
        query = _at_the_bank(place).where(column == name, p.booked_by.is_(None), _not_refused())
        query = query.order_by(f.received_at, p.transfer_id, p.batch, p.position).limit(MOST_OF_A_BATCH)
        if found := _coming_to(connection.execute(query), entry, by_file=column is t.transfer.c.message_id):
            return found
    return []


def batch_debited_before(connection: Connection, place: Place, entry: Entry) -> list[Row[Any]]:
    """A batch that was booked already, and comes to this sum."""
    name, p = reference(entry.batch_payment_information_id), t.payment.c
    if name is None or entry.amount is None:
        return []
    query = _at_the_bank(place).where(
        t.batch.c.payment_information_id == name, t.batch.c.amount.in_(written(entry.amount)), p.booked_by.is_not(None)
    )
    query = query.order_by(t.transfer.c.received_at, p.transfer_id, p.batch, p.position).limit(MOST_OF_A_BATCH)
    return _coming_to(connection.execute(query), entry, by_file=False)


def payments_given_back(connection: Connection, place: Place, said: Named) -> Sequence[Row[Any]]:
    """Those with these references that were not given back yet, debited ones first, whatever their amount."""
    if not said.by_reference or place.account is None:
        return ()
    p, f = t.payment.c, t.transfer.c
    by_uetr, *rest = _nearness(said)
    debited = case((p.booked_by.is_not(None), 0), else_=1)
    query = _at_the_bank(place).where(_by_reference(said), p.returned_by.is_(None))
    order = (by_uetr, debited, *rest, f.sent_at.nulls_last(), f.received_at, p.position)
    return connection.execute(query.order_by(*order).limit(MOST)).all()


def payments_of_debit(
    connection: Connection, place: Place, references: Iterable[str], transaction_id: str | None = None
) -> Sequence[Row[Any]]:
    """Those debited by an entry or a detail with one of these AcctSvcrRefs, or this TxId, and not given back yet."""
    e, d, b, p = t.entry.c, t.detail.c, t.booking.c, t.payment.c
    refs = list(references)
    named: list[ColumnElement[bool]] = [e.account_servicer_reference.in_(refs)] if refs else []
    named += [d.account_servicer_reference.in_(refs)] if refs else []
    named += [d.transaction_id == transaction_id] if transaction_id else []
    if not named:
        return ()
    query = (
        _at_the_bank(place)
        .join(t.booking, (b.transfer_id == p.transfer_id) & (b.payment == p.position))
        .join(t.entry, e.id == b.entry_id)
        .join(t.statement, t.statement.c.id == e.statement_id)
        .outerjoin(t.detail, (d.entry_id == e.id) & (d.position == b.detail))
        .where(or_(*named), b.role == Role.DEBIT, b.final, p.returned_by.is_(None), t.statement.c.bank == place.bank)
        .order_by(p.transfer_id, p.position)
        .limit(MOST_OF_A_BATCH)
    )
    return list({(row.transfer_id, row.position): row for row in connection.execute(query)}.values())


def same_entries(place: Place, entry: Entry, kinds: Iterable[Kind]) -> Any:
    """Entries of the account in other messages that show the same: by reference, direction and amount."""
    e, s, m = t.entry.c, t.statement.c, t.message.c
    ref, batch = reference(entry.account_servicer_reference), reference(entry.batch_payment_information_id)
    named: list[ColumnElement[bool]] = [e.account_servicer_reference == ref] if ref else []
    named += [e.batch_payment_information_id == batch] if batch else []
    named += [m.message_id == entry.told_in] if reference(entry.told_in) else []
    named += [e.told_in == place.message_id] if reference(place.message_id) else []
    return (
        select(e.id, e.statement_id, s.kind)
        .join(t.statement, s.id == e.statement_id)
        .join(t.message, m.id == s.message_id)
        .where(
            or_(false(), *named),
            s.account.is_not(None),
            s.bank == place.bank, s.account == place.account, s.kind.in_(list(kinds)), s.id != place.statement,
            e.direction == entry.direction, e.currency == entry.currency,
            e.amount.in_(written(entry.amount) if entry.amount is not None else []),
        )
        .order_by(e.id)
        .limit(MOST)
    )  # fmt: skip


def _at_the_bank(place: Place) -> Any:
    """Payments of files that the bank has, debited to the account where that is known."""
    p, b, f = t.payment.c, t.batch.c, t.transfer.c
    query = (
        select(p.transfer_id, p.position, p.batch, p.amount, p.currency, p.status, p.booked_by, p.advised_by,
               p.returned_by, p.end_to_end_id, p.instruction_id, p.uetr, p.creditor_name, p.creditor_account)
        .join(t.transfer, f.id == p.transfer_id)
        .join(t.batch, (b.transfer_id == p.transfer_id) & (b.position == p.batch))
        .where(f.bank == place.bank, f.state.in_(AT_THE_BANK))
    )  # fmt: skip
    if place.account is None:
        return query
    named = sorted({place.account, _account(place.account)})  # statements may write it with blanks
    return query.where(or_(b.debtor_account.in_(named), b.debtor_account.is_(None)))


def _by_reference(said: Named) -> ColumnElement[bool]:
    """An InstrId counts where nothing else is said that contradicts it: banks write their own there."""
    p = t.payment.c
    ways: list[ColumnElement[bool]] = [p.uetr == said.uetr] if said.uetr else []
    ways += [p.end_to_end_id == said.end_to_end_id] if said.end_to_end_id else []
    if said.instruction_id:
        nameless = or_(p.end_to_end_id.is_(None), p.end_to_end_id.in_(sorted(NO_REFERENCE)))
        same = p.instruction_id == said.instruction_id
        ways += [and_(same, nameless) if said.end_to_end_id else same]
    return or_(*ways)


def _nearness(said: Named) -> tuple[Any, ...]:
    """By UETR before any other; then by EndToEndId, then by InstrId."""
    p = t.payment.c
    said_of = ((p.uetr, said.uetr), (p.end_to_end_id, said.end_to_end_id), (p.instruction_id, said.instruction_id))
    return tuple(case((column == value if value else false(), 0), else_=1) for column, value in said_of)


def _debit_state(place: Place, weight: Weight) -> Any:
    """Not debited, then given back, then debited. A report (camt.052) tells again what an earlier one told."""
    p = t.payment.c
    if weight is Weight.FINAL:
        return case((p.booked_by.is_(None), 0), (p.returned_by.is_not(None), 1), else_=2)
    new, again = (1, 0) if place.kind is Kind.REPORT else (0, 1)
    fresh = p.booked_by.is_(None)
    return case(
        (and_(fresh, p.advised_by.is_(None)), new), (and_(fresh, p.advised_by.is_not(None)), again), else_=2
    )  # fmt: skip


def _announced_here(place: Place) -> ColumnElement[bool]:
    """The payment was announced by another entry of this very statement."""
    p, b, e = t.payment.c, t.booking.c, t.entry.c
    query = select(b.id).join(t.entry, e.id == b.entry_id).where(e.statement_id == place.statement)
    return query.where(b.transfer_id == p.transfer_id, b.payment == p.position).exists()


def _of_amount(amounts: Iterable[tuple[Decimal, str]]) -> ColumnElement[bool]:
    p = t.payment.c
    return or_(*(and_(p.amount.in_(written(amount)), p.currency == currency) for amount, currency in amounts))


def _not_refused() -> ColumnElement[bool]:
    p = t.payment.c
    return or_(p.status.is_(None), p.status.not_in(REFUSALS))


def _batch_names(entry: Entry) -> list[tuple[Any, str]]:
    """By the batch, else by the file: each where the entry and its details name one, and no other."""
    batches = {entry.batch_payment_information_id, *(d.payment_information_id for d in entry.details)}
    files = {entry.batch_message_id, *(d.message_id for d in entry.details)}
    found: list[tuple[Any, str]] = []
    for column, said in ((t.batch.c.payment_information_id, batches), (t.transfer.c.message_id, files)):
        names = {name for value in said if (name := reference(value))}
        found += [(column, names.pop())] if len(names) == 1 else []
    return found


def _coming_to(rows: Iterable[Row[Any]], entry: Entry, *, by_file: bool) -> list[Row[Any]]:
    """The first batch, or file, whose payments come to the entry's amount."""
    groups: dict[Any, list[Row[Any]]] = {}
    for row in rows:
        groups.setdefault(row.transfer_id if by_file else (row.transfer_id, row.batch), []).append(row)
    for group in groups.values():
        if {row.currency for row in group} == {entry.currency} and total(row.amount for row in group) == entry.amount:
            return group
    return []


def _account(value: str | None) -> str:
    return account_key(value or "")
