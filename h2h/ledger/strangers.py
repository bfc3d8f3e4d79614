"""Entries that nothing in the ledger can be about, seen of many at once.

Most entries of most accounts are no payment of ours. To find out for each what it may be about takes longer than to
store it; that the ledger knows none of the references and names that some hundred of them have, a few queries say.
What is known in any way is looked at one by one (matching.py): here it may be too much, never too little.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, FromClause, Text, bindparam, select

from h2h.cash import Kind, Weight, is_return, references, weight
from h2h.columns import inner_counts
from h2h.ledger import tables as t
from h2h.ledger.bulk import each_of, in_one
from h2h.ledger.candidates import AT_THE_BANK, Place
from h2h.ledger.entries import Some
from h2h.ledger.prepared import Prepared

MOST = 1_000  # details of one entry that are looked at together with those of others


def known(connection: Connection, place: Place, some: Some) -> set[int]:
    """The places of those entries that do something, and may be about what the ledger knows."""
    acting, final = _acting(place, some), place.kind is Kind.STATEMENT
    if not acting or (final and place.told_here):
        return acting
    found = {at for at, many in enumerate(inner_counts(some.column("details"))) if many > MOST}
    details = _Details(some, without=found)
    found |= _by_reference(connection, details) | _by_name(connection, place, some, details) | _returns(some, details)
    if final:  # takes over what was announced
        found |= _announced(connection, place, some)
    return found & acting


def _acting(place: Place, some: Some) -> set[int]:
    statuses, amounts = some.column("status"), some.column("amount")
    counting = {status for status in set(statuses) if weight(place.kind, status) is not Weight.NOTHING}
    if counting.issuperset(statuses) and type(None) not in {*map(type, amounts)}:
        return {*range(len(amounts))}
    said = zip(statuses, amounts, strict=True)
    return {at for at, (status, amount) in enumerate(said) if status in counting and amount is not None}


class _Details:
    """What is looked at of details, column by column."""

    def __init__(self, some: Some, without: Collection[int]) -> None:
        looked_at = some.without(without)
        every = range(len(some.numbers))
        places = [at for at in every if at not in without] if without else every
        self.owners = looked_at.owners(places)
        self.column = looked_at.of_details

    def of(self, name: str, values: Collection[Any]) -> set[int]:
        """The entries of those with one of these values."""
        if not values:
            return set()
        return {at for at, value in zip(self.owners, self.column(name), strict=True) if value in values}

    def that_say(self, name: str) -> set[int]:
        """The entries of those of which anything is said there."""
        column = self.column(name)
        if column.count(None) == len(column):
            return set()
        return {at for at, value in zip(self.owners, column, strict=True) if value is not None}


def _by_reference(connection: Connection, details: _Details) -> set[int]:
    """A payment with a reference that a detail has."""
    found: set[int] = set()
    for name in ("uetr", "end_to_end_id", "instruction_id"):
        values = details.column(name)
        found |= details.of(name, _there(connection, t.payment.c[name], values, lower=name == "uetr"))
    return found


def _by_name(connection: Connection, place: Place, some: Some, details: _Details) -> set[int]:
    """A batch, or a file, that the bank has and that the entry names."""
    batched = some.column("batches")
    parts = [(at, part) for at, batches in enumerate(batched) for part in batches] if any(batched) else []
    found: set[int] = set()
    for column in (t.batch.c.payment_information_id, t.transfer.c.message_id):
        of_entries, of_details = some.column(f"batch_{column.name}"), details.column(column.name)
        of_parts = [getattr(part, column.name) for _, part in parts]
        names = _there(connection, column, (*of_entries, *of_details, *of_parts), place)
        found |= details.of(column.name, names) | _where(of_entries, names)
        found |= {at for (at, _), value in zip(parts, of_parts, strict=True) if value in names}
    return found


def _announced(connection: Connection, place: Place, some: Some) -> set[int]:
    """An entry of a report or notification of the account with the same reference, or batch; or one that says in which
    message its details are told."""
    found = _said(some.column("told_in"))
    for column in (t.entry.c.account_servicer_reference, t.entry.c.batch_payment_information_id):
        values = some.column(column.name)
        found |= _where(values, _there(connection, column, values, place))
    return found


def _returns(some: Some, details: _Details) -> set[int]:
    """What the bank calls one: it may name the debit, and not the payment."""
    told = _said(some.column("reversal"))
    told |= _where(some.column("transaction_code"), {*filter(is_return, set(some.column("transaction_code")))})
    told |= details.of("transaction_code", {*filter(is_return, set(details.column("transaction_code")))})
    told |= details.that_say("returned_transaction_code") | details.that_say("return_reason")
    return told & _where(some.column("direction"), {"CRDT"})


def _said(values: Sequence[Any]) -> set[int]:
    return {at for at, value in enumerate(values) if value} if any(values) else set()


def _where(values: Sequence[Any], wanted: Collection[Any]) -> set[int]:
    return {at for at, value in enumerate(values) if value in wanted} if wanted else set()


def _there(
    connection: Connection,
    column: Column[Any],
    values: Iterable[str | None],
    place: Place | None = None,
    *,
    lower: bool = False,
) -> set[str]:
    """Those of the values, as they are said, that stand in the column: of payments, or as far as `place` sees it."""
    names = references(values)
    if lower:
        names = {value: name.lower() for value, name in names.items()}
    if not names:
        return set()
    here = {"bank": place.bank, "account": place.account} if place else {}
    rows = _question(connection.dialect.name, column).all(connection, said=in_one({*names.values()}), **here)
    there = {row.value for row in rows}
    return {value for value, name in names.items() if name in there} if there else set()


@cache
def _question(dialect: str, column: Column[Any]) -> Prepared:
    """Which of the values that are said stand in this column."""
    each = each_of(dialect, bindparam("said", type_=Text))
    one = select(column).where(column == each.c.value, *_else(column.table)).correlate(each).limit(1)
    return Prepared(select(each.c.value).where(one.scalar_subquery().is_not(None)))  # EXISTS may be joined with all


def _else(table: FromClause) -> tuple[ColumnElement[bool], ...]:
    """What has to be so of what is found in this table."""
    b, e, f, s = t.batch.c, t.entry.c, t.transfer.c, t.statement.c
    bank, account = bindparam("bank", type_=Text), bindparam("account", type_=Text)
    at_the_bank = (f.bank + "" == bank, (f.state + "").in_(AT_THE_BANK))
    announcing = s.kind.in_(sorted(set(Kind) - {Kind.STATEMENT}))
    found: dict[FromClause, tuple[ColumnElement[bool], ...]] = {
        t.payment: (),
        t.transfer: at_the_bank,
        t.batch: (f.id == b.transfer_id, *at_the_bank),
        t.entry: (s.id == e.statement_id, s.bank + "" == bank, s.account + "" == account, announcing),
    }
    return found[table]
