"""Entries that nothing in the ledger can be about, seen of many at once.

Most entries of most accounts are no payment of ours. To find out for each what it may be about takes longer than to
store it; that the ledger knows none of the references and names that some hundred of them have, a few queries say.
What is known in any way is looked at one by one (matching.py): here it may be too much, never too little.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import compress
from operator import attrgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from h2h.cash import Kind, Weight, is_return, reference, weight
from h2h.ledger import tables as t
from h2h.ledger.bulk import each_of
from h2h.ledger.candidates import AT_THE_BANK, Place
from h2h.ledger.entries import Some

MOST = 1_000  # details of one entry that are looked at together with those of others
OF_DETAIL = (
    "uetr", "end_to_end_id", "instruction_id", "payment_information_id", "message_id", "transaction_code",
    "returned_transaction_code", "return_reason",
)  # fmt: skip
SAID = attrgetter(*OF_DETAIL)


def known(connection: Connection, place: Place, some: Some) -> set[int]:
    """The places of those entries that do something, and may be about what the ledger knows."""
    acting, final = _acting(place, some), place.kind is Kind.STATEMENT
    if not acting or (final and place.told_here):
        return acting
    found = {at for at, many in Counter(some.owners).items() if many > MOST}
    details = _Details(some, without=found)
    found |= _by_reference(connection, details) | _by_name(connection, place, some, details) | _returns(some, details)
    if final:  # takes over what was announced
        found |= _announced(connection, place, some)
    return found & acting


def _acting(place: Place, some: Some) -> set[int]:
    statuses, amounts = some.column("status"), some.column("amount")
    counting = {status for status in set(statuses) if weight(place.kind, status) is not Weight.NOTHING}
    said = zip(statuses, amounts, strict=True)
    return {at for at, (status, amount) in enumerate(said) if status in counting and amount is not None}


class _Details:
    """What is looked at of details, column by column."""

    def __init__(self, some: Some, without: Collection[int]) -> None:
        wanted = [at not in without for at in some.owners]
        self.owners = [*compress(some.owners, wanted)]
        columns = zip(*map(SAID, compress(some.details, wanted)), strict=True)
        self._columns = dict(zip(OF_DETAIL, columns, strict=True)) if self.owners else {}

    def column(self, name: str) -> Sequence[Any]:
        return self._columns.get(name, ())

    def of(self, name: str, values: Collection[Any]) -> set[int]:
        """The entries of those with one of these values."""
        if not values:
            return set()
        return {at for at, value in zip(self.owners, self.column(name), strict=True) if value in values}


def _by_reference(connection: Connection, details: _Details) -> set[int]:
    """A payment with a reference that a detail has."""
    p = t.payment.c
    found: set[int] = set()
    for column in (p.uetr, p.end_to_end_id, p.instruction_id):
        values = details.column(column.name)
        found |= details.of(column.name, _there(connection, column, values, lower=column is p.uetr))
    return found


def _by_name(connection: Connection, place: Place, some: Some, details: _Details) -> set[int]:
    """A batch, or a file, that the bank has and that the entry names."""
    f, b = t.transfer.c, t.batch.c
    there = (f.bank + "" == place.bank, (f.state + "").in_(AT_THE_BANK))
    parts = [(at, part) for at, batches in enumerate(some.column("batches")) for part in batches]
    found: set[int] = set()
    for column, more, name in (
        (b.payment_information_id, (f.id == b.transfer_id, *there), "payment_information_id"),
        (f.message_id, there, "message_id"),
    ):
        of_entries, of_details = some.column(f"batch_{name}"), details.column(name)
        of_parts = [getattr(part, name) for _, part in parts]
        names = _there(connection, column, (*of_entries, *of_details, *of_parts), *more)
        found |= details.of(name, names) | _where(of_entries, names)
        found |= {at for (at, _), value in zip(parts, of_parts, strict=True) if value in names}
    return found


def _announced(connection: Connection, place: Place, some: Some) -> set[int]:
    """An entry of a report or notification of the account with the same reference, or batch; or one that says in which
    message its details are told."""
    e, s = t.entry.c, t.statement.c
    announcing = (
        s.id == e.statement_id, s.bank + "" == place.bank, s.account + "" == place.account,
        s.kind.in_(sorted(set(Kind) - {Kind.STATEMENT})),
    )  # fmt: skip
    found = {at for at, name in enumerate(some.column("told_in")) if name}
    for column in (e.account_servicer_reference, e.batch_payment_information_id):
        values = some.column(column.name)
        found |= _where(values, _there(connection, column, values, *announcing))
    return found


def _returns(some: Some, details: _Details) -> set[int]:
    """What the bank calls one: it may name the debit, and not the payment."""
    told = {at for at, reversal in enumerate(some.column("reversal")) if reversal}
    told |= _where(some.column("transaction_code"), {*filter(is_return, set(some.column("transaction_code")))})
    told |= details.of("transaction_code", {*filter(is_return, set(details.column("transaction_code")))})
    for name in ("returned_transaction_code", "return_reason"):
        told |= {at for at, said in zip(details.owners, details.column(name), strict=False) if said is not None}
    return told & _where(some.column("direction"), {"CRDT"})


def _where(values: Sequence[Any], wanted: Collection[Any]) -> set[int]:
    return {at for at, value in enumerate(values) if value in wanted} if wanted else set()


def _there(
    connection: Connection, column: ColumnElement[Any], values: Iterable[str | None], *more: Any, lower: bool = False
) -> set[str]:
    """Those of the values, as they are said, that stand in the column, where all else is so, too."""
    names = {value: name for value in set(values) if value and (name := reference(value))}
    if lower:
        names = {value: name.lower() for value, name in names.items()}
    if not names:
        return set()
    each = each_of(connection, set(names.values()))
    one = select(column).where(column == each.c.value, *more).correlate(each).limit(1)
    query = select(each.c.value).where(one.scalar_subquery().is_not(None))  # EXISTS may become a join of all there is
    there = set(connection.execute(query).scalars())
    return {value for value, name in names.items() if name in there}
