"""The same entries in other messages: what a notification announced, a statement tells again; and the other way round.

Asked for the entries of a window at once. Where more is alike than may be held, each entry is asked for alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, select

from h2h.cash import Kind, reference
from h2h.ledger import tables as t
from h2h.ledger.candidates import MOST, MOST_HELD, Place, all_written, columns
from h2h.model import Entry

MOST_ALIKE = 8_000  # entries that have a reference and an amount in common with one


class Alike:
    """Entries of other messages that may show the same as some of one statement."""

    def __init__(self, connection: Connection, place: Place, entries: Sequence[Entry]) -> None:
        self._connection = connection
        self._place = place
        self._rows = self._asked(entries, MOST_HELD) if entries else []
        self._by: defaultdict[Any, list[Row[Any]]] = defaultdict(list)
        for row in self._rows or ():
            self._by[row.direction, row.currency, row.amount].append(row)
        self.acting = self._that_act([row.id for row in self._rows]) if self._rows else set()
        """Entries, these or those, that do something to a payment."""

    @property
    def announcing(self) -> list[int] | None:
        """Those that are of no statement; None where they are not all known."""
        return None if self._rows is None else [row.id for row in self._rows if row.kind != Kind.STATEMENT]

    def to(self, entry: Entry, kinds: Collection[Kind]) -> list[Row[Any]]:
        """Entries of messages of these kinds that show the same as this one, the oldest first."""
        known = self._by.get((entry.direction, entry.currency, entry.amount), ())
        rows = known if self._rows is not None else self._alone(entry)
        return [row for row in rows if row.kind in kinds and shows_the_same(self._place, entry, row)][:MOST]

    def _asked(self, entries: Sequence[Entry], most: int) -> list[Row[Any]] | None:
        """None where there are more."""
        found: dict[int, Row[Any]] = {}
        for query in same_entries(self._place, entries):
            rows = self._connection.execute(query.order_by(t.entry.c.id).limit(most + 1)).all()
            if len(rows) > most:
                return None
            found |= {row.id: row for row in rows}
        return [found[number] for number in sorted(found)]

    def _alone(self, entry: Entry) -> list[Row[Any]]:
        found: dict[int, Row[Any]] = {}
        for query in same_entries(self._place, [entry]):
            rows = self._connection.execute(query.order_by(t.entry.c.id).limit(MOST_ALIKE)).all()
            found |= {row.id: row for row in rows}
        self.acting |= self._that_act(sorted(found))
        return [found[number] for number in sorted(found)]

    def _that_act(self, numbers: Sequence[int]) -> set[int]:
        c = t.booking.c
        return set(self._connection.execute(select(c.entry_id).where(c.entry_id.in_(numbers)).distinct()).scalars())


def same_entries(place: Place, entries: Sequence[Entry]) -> list[Select[Any]]:
    """Entries of the account in other messages that may show the same as one of these: by reference, batch, or the
    message in which details are told. Each way is a query of its own, so that each has its index; the account is no
    way in, since all of its history hangs on it: the sums of text keep SQLite from that."""
    e, s, m = t.entry.c, t.statement.c, t.message.c
    refs = {ref for entry in entries if (ref := reference(entry.account_servicer_reference))}
    batches = {name for entry in entries if (name := reference(entry.batch_payment_information_id))}
    told_in = {entry.told_in for entry in entries if entry.told_in and reference(entry.told_in)}
    told = bool(told_in) or place.told_here  # may be of many entries: the amount tells which
    amounts = all_written(entry.amount for entry in entries if told and entry.amount is not None)
    ways: list[ColumnElement[bool]] = [e.account_servicer_reference.in_(sorted(refs))] if refs else []
    ways += [e.batch_payment_information_id.in_(sorted(batches))] if batches else []
    ways += [m.message_id.in_(sorted(told_in)) & e.amount.in_(amounts)] if told_in else []
    ways += [(e.told_in == place.message_id) & e.amount.in_(amounts)] if place.told_here else []
    query = (
        select(e.id, e.statement_id, e.amount, e.currency, e.direction, e.account_servicer_reference,
               e.batch_payment_information_id, e.told_in, s.kind, m.message_id)
        .join(t.statement, s.id == e.statement_id)
        .join(t.message, m.id == s.message_id)
        .where(s.bank + "" == place.bank, s.account + "" == place.account, s.id != place.statement)
        .where(m.purged_at.is_(None))
    )  # fmt: skip
    return [query.where(way) for way in ways] if place.account else []


def told_in(message_id: str | None) -> Select[Any] | None:
    """One entry that says that its details are told in this message."""
    if reference(message_id) is None:
        return None
    return select(t.entry.c.id).where(t.entry.c.told_in == message_id).limit(1)


def shows_the_same(place: Place, entry: Entry, row: Row[Any]) -> bool:
    if (row.direction, row.currency, row.amount) != (entry.direction, entry.currency, entry.amount):
        return False
    ways = (
        (reference(entry.account_servicer_reference), row.account_servicer_reference),
        (reference(entry.batch_payment_information_id), row.batch_payment_information_id),
        (reference(entry.told_in) and entry.told_in, row.message_id),
        (reference(place.message_id) and place.message_id, row.told_in),
    )
    return any(said is not None and said == known for said, known in ways)


def announced_by(numbers: Sequence[int]) -> Select[Any]:
    """What these entries announced, with the payments as they are now."""
    p, b = t.payment.c, t.batch.c
    k = t.booking.c
    return (
        select(*columns(), k.id.label("booking"), k.entry_id, k.role, k.amount.label("told_amount"),
               k.currency.label("told_currency"), k.reasons)
        .select_from(t.booking)
        .join(t.payment, (p.transfer_id == k.transfer_id) & (p.position == k.payment))
        .join(t.transfer, t.transfer.c.id == p.transfer_id)
        .join(t.batch, (b.transfer_id == p.transfer_id) & (b.position == p.batch))
        .where(k.entry_id.in_(numbers), k.final.is_(False))
        .order_by(k.entry_id, k.id)
    )  # fmt: skip
