"""Sums that stand for many payments: a batch or a whole file that is booked, or given back, in one entry.

All of it that the bank did not refuse, if that comes to the sum of the entry; so many payments are gone through page by
page, in memory that does not grow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, select, true, tuple_, union

from h2h.cash import reference, written
from h2h.ledger import tables as t
from h2h.ledger.candidates import AT_THE_BANK, Place, at_the_bank, not_refused, of_debits
from h2h.model import Entry, total

MOST_OF_A_BATCH = 1_000_000
PAGE = 2_000  # of them that are held at a time
STREAMED = {"yield_per": 1_000}


def batch_debited(connection: Connection, place: Place, entry: Entry) -> Select[Any] | None:
    """A batch, else a whole file, booked in one sum: all of it that the bank did not refuse, if that is the sum."""
    p, f = t.payment.c, t.transfer.c
    for column, name in batch_names(entry):
        query = at_the_bank(place).where(column == name, p.booked_by.is_(None), not_refused())
        ordered = query.order_by(f.received_at, p.transfer_id, p.batch, p.position)
        found = _coming_to(connection, ordered, entry, by_file=column is f.message_id)
        if found is not None:
            return query.where(found)
    return None


def batch_debited_before(connection: Connection, place: Place, entry: Entry) -> Select[Any] | None:
    """A batch that was booked already, and comes to this sum."""
    name, p = reference(entry.batch_payment_information_id), t.payment.c
    if name is None or entry.amount is None:
        return None
    query = at_the_bank(place).where(
        t.batch.c.payment_information_id == name, t.batch.c.amount.in_(written(entry.amount)), p.booked_by.is_not(None)
    )
    ordered = query.order_by(t.transfer.c.received_at, p.transfer_id, p.batch, p.position)
    found = _coming_to(connection, ordered, entry, by_file=False)
    return None if found is None else query.where(found)


def debited_as_a_whole(connection: Connection, place: Place, entry: Entry) -> Select[Any] | None:
    """All that the entry which this one takes back had debited, if that is the sum."""
    name, p, b = reference(entry.account_servicer_reference), t.payment.c, t.booking.c
    if name is None:
        return None
    columns = (t.entry.c.account_servicer_reference, t.detail.c.account_servicer_reference)
    keys = select(b.transfer_id, b.payment).select_from(t.booking)
    debited = union(*(of_debits(keys, place, column).where(column == name) for column in columns))
    query = at_the_bank(place).where(tuple_(p.transfer_id, p.position).in_(debited), p.returned_by.is_(None))
    ordered = query.order_by(p.transfer_id, p.position)
    return query if _coming_to(connection, ordered, entry, by_file=None) is not None else None


def pages(connection: Connection, query: Select[Any]) -> Iterator[Sequence[Row[Any]]]:
    """The rows of a long answer, in the order of their files, while these rows are changed."""
    p = t.payment.c
    after: tuple[Any, Any] | None = None
    for _ in range(0, MOST_OF_A_BATCH, PAGE):
        here = query if after is None else query.where(tuple_(p.transfer_id, p.position) > after)
        rows = connection.execute(here.order_by(p.transfer_id, p.position).limit(PAGE)).all()
        if rows:
            after = rows[-1].transfer_id, rows[-1].position
            yield rows
        if len(rows) < PAGE:
            return


def names_in(entry: Entry) -> set[str]:
    """Every batch and file that the entry or its details name."""
    said = {entry.batch_payment_information_id, entry.batch_message_id}
    said |= {name for detail in entry.details for name in (detail.payment_information_id, detail.message_id)}
    said |= {name for batch in entry.batches for name in (batch.payment_information_id, batch.message_id)}
    return {name for value in said if (name := reference(value))}


def known_names(connection: Connection, place: Place, entries: Sequence[Entry]) -> set[str]:
    """Which batches and files that these entries name are at the bank."""
    names = sorted({name for entry in entries for name in names_in(entry)})
    if not names:
        return set()
    f, b = t.transfer.c, t.batch.c
    there = (f.bank == place.bank, f.state.in_(AT_THE_BANK), f.purged_at.is_(None))
    batches = select(b.payment_information_id).join(t.transfer, f.id == b.transfer_id)
    batches = batches.where(b.payment_information_id.in_(names), *there).distinct()
    files = select(f.message_id).where(f.message_id.in_(names), *there).distinct()
    return {name for query in (batches, files) for name in connection.execute(query).scalars()}


def batch_names(entry: Entry) -> list[tuple[Any, str]]:
    """By the batch, else by the file: each where the entry and its details name one, and no other."""
    batches = {entry.batch_payment_information_id, *(d.payment_information_id for d in entry.details)}
    files = {entry.batch_message_id, *(d.message_id for d in entry.details)}
    found: list[tuple[Any, str]] = []
    for column, said in ((t.batch.c.payment_information_id, batches), (t.transfer.c.message_id, files)):
        names = {name for value in said if (name := reference(value))}
        found += [(column, names.pop())] if len(names) == 1 else []
    return found


def _coming_to(
    connection: Connection, query: Select[Any], entry: Entry, *, by_file: bool | None
) -> ColumnElement[bool] | None:
    """The condition of the first batch, or file, whose payments come to the entry's amount; None: of all together."""
    p = t.payment.c
    with connection.execute(query.limit(MOST_OF_A_BATCH), execution_options=STREAMED) as rows:
        groups = groupby(rows, key=lambda row: None if by_file is None else (row.transfer_id, by_file or row.batch))
        for key, group in groups:
            currencies: set[str | None] = set()
            if total(_noted(group, currencies)) != entry.amount or currencies != {entry.currency}:
                continue
            if key is None:
                return true()
            return p.transfer_id == key[0] if by_file else and_(p.transfer_id == key[0], p.batch == key[1])
    return None


def _noted(rows: Iterable[Row[Any]], currencies: set[str | None]) -> Iterator[Decimal | None]:
    for row in rows:
        currencies.add(row.currency)
        yield row.amount
