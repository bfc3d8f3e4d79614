"""The payments that an entry, or one of its details, can be about: queries that grow with the answer.

By reference: UETR, then EndToEndId, then InstrId; amount and currency have to be equal, as booked or as instructed, and
the account is that of the debtor where it is known. Without any reference: the batch by its PmtInfId, and the amount.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    ColumnElement,
    Connection,
    Label,
    Select,
    and_,
    case,
    false,
    null,
    or_,
    select,
)

from h2h.cash import Kind, Role, Weight, reference, written
from h2h.identity import NO_REFERENCE, account_key
from h2h.ledger import tables as t
from h2h.ledger.bulk import among
from h2h.lifecycle import State
from h2h.model import EntryDetail
from h2h.verdicts import REFUSALS

AT_THE_BANK = (State.SENT, State.PUBLISHING, State.UNCERTAIN)
MOST = 100  # payments that are looked at for one detail
MOST_HELD = 10_000  # rows of one sort


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where entries stand: a statement of an account at a bank, the row of it, and the id of its message."""

    bank: str
    account: str | None
    statement: int
    kind: Kind
    message_id: str | None = None
    told_here: bool = True  # whether entries in other messages say that their details are told in this one


class Named(Struct, frozen=True, kw_only=True):
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


# Of many details at once, more than fit them; and of one, the nearest first.


def by_references(connection: Connection, place: Place, said: Sequence[Named]) -> Select[Any]:
    p = t.payment.c
    columns = (p.uetr, p.end_to_end_id, p.instruction_id)
    values = ((column, {v for one in said if (v := getattr(one, column.name))}) for column in columns)
    return at_the_bank(place).where(or_(*(among(connection, column, known) for column, known in values if known)))


def debited_by(place: Place, said: Named, weight: Weight) -> Select[Any]:
    p = t.payment.c
    query = at_the_bank(place).where(_by_reference(said), of_amount(said.amounts))
    if weight is Weight.ADVICE:
        query = query.where(~announced_here(place).element)
    by_uetr, *rest = _nearness(said)
    refused = case((p.status.in_(REFUSALS), 1), else_=0)
    return query.order_by(by_uetr, _debit_state(place, weight), *rest, refused, *_oldest()).limit(MOST)


def given_back_by(place: Place, said: Named) -> Select[Any]:
    p = t.payment.c
    by_uetr, *rest = _nearness(said)
    debited = case((p.booked_by.is_not(None), 0), else_=1)
    query = at_the_bank(place).where(_by_reference(said), p.returned_by.is_(None))
    return query.order_by(by_uetr, debited, *rest, *_oldest()).limit(MOST)


def by_batches(place: Place, said: Sequence[Named]) -> Select[Any]:
    """Not debited yet and not refused, of the batches and amounts that are named without any reference."""
    names = sorted({one.payment_information_id for one in said if one.payment_information_id})
    amounts = all_written(amount for one in said for amount, _ in one.amounts)
    p = t.payment.c
    fitting = (t.batch.c.payment_information_id.in_(names), p.amount.in_(amounts), p.booked_by.is_(None))
    return at_the_bank(place).where(*fitting, not_refused()).order_by(t.transfer.c.received_at, p.position)


def by_debits(place: Place, references: Collection[str], transactions: Collection[str]) -> list[Select[Any]]:
    """Those debited by an entry or a detail with one of these AcctSvcrRefs, or these TxIds, and not given back yet;
    each with the reference by which it is found. Each way is a query of its own, so that each has its index."""
    e, d, nothing = t.entry.c, t.detail.c, null()
    ways = (
        (e.account_servicer_reference, references, (e.account_servicer_reference, nothing, nothing)),
        (d.account_servicer_reference, references, (nothing, d.account_servicer_reference, nothing)),
        (d.transaction_id, transactions, (nothing, nothing, d.transaction_id)),
    )
    p, b = t.payment.c, t.booking.c
    same = (b.transfer_id == p.transfer_id) & (b.payment == p.position)
    return [
        of_debits(at_the_bank(place).add_columns(*found).join(t.booking, same), place, column).where(
            column.in_(sorted(values)), p.returned_by.is_(None)
        )
        for column, values, found in ways
        if values
    ]


def of_debits(query: Select[Any], place: Place, column: ColumnElement[Any]) -> Select[Any]:
    """Of bookings that debit; by entry or by detail, as the column is."""
    e, d, b, s = t.entry.c, t.detail.c, t.booking.c, t.statement.c
    query = query.join(t.entry, e.id == b.entry_id).join(t.statement, s.id == e.statement_id)
    if column.table is t.detail:
        query = query.join(t.detail, (d.entry_id == b.entry_id) & (d.position == b.detail))
    return query.where(b.role == Role.DEBIT, b.final, s.bank + "" == place.bank)


def at_the_bank(place: Place) -> Select[Any]:
    """Payments of files that the bank has, debited to the account where that is known."""
    p, b, f = t.payment.c, t.batch.c, t.transfer.c
    query = (
        select(*columns())
        .join(t.transfer, f.id == p.transfer_id)
        .join(t.batch, (b.transfer_id == p.transfer_id) & (b.position == p.batch))
        .where(f.bank + "" == place.bank, (f.state + "").in_(AT_THE_BANK))  # no way in: whatever was sent hangs on it
        .where(f.purged_at.is_(None))
    )
    if place.account is None:
        return query
    named = sorted({place.account, account_key(place.account)})  # statements may write it with blanks
    return query.where(or_(b.debtor_account.in_(named), b.debtor_account.is_(None)))


def columns() -> tuple[ColumnElement[Any], ...]:
    p, b, f = t.payment.c, t.batch.c, t.transfer.c
    return (
        p.transfer_id, p.position, p.batch, p.amount, p.currency, p.status, p.booked_by, p.advised_by, p.returned_by,
        p.end_to_end_id, p.instruction_id, p.uetr, p.creditor_name, p.creditor_account, b.payment_information_id,
        f.sent_at, f.received_at,
    )  # fmt: skip


def _oldest() -> tuple[Any, ...]:
    f, p = t.transfer.c, t.payment.c
    return (f.sent_at.nulls_last(), f.received_at, p.position)


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


def announced_here(place: Place) -> Label[bool]:
    """The payment was announced by another entry of this very statement."""
    p, b, e = t.payment.c, t.booking.c, t.entry.c
    query = select(b.id).join(t.entry, e.id == b.entry_id).where(e.statement_id == place.statement)
    return query.where(b.transfer_id == p.transfer_id, b.payment == p.position).exists().label("announced_here")


def of_amount(amounts: Iterable[tuple[Decimal, str]]) -> ColumnElement[bool]:
    p = t.payment.c
    return or_(*(and_(p.amount.in_(written(amount)), p.currency == currency) for amount, currency in amounts))


def all_written(amounts: Iterable[Decimal]) -> list[Decimal]:
    """Equal amounts that are written in two ways are two."""
    return [way for amount in sorted(set(amounts)) for way in written(amount)]


def not_refused() -> ColumnElement[bool]:
    p = t.payment.c
    return or_(p.status.is_(None), p.status.not_in(REFUSALS))
