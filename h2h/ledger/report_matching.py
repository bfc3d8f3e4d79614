"""Which payments of a transfer the statuses of a report mean: by reference, then by batch and amount."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, false, or_, select

from h2h.identity import NO_REFERENCE
from h2h.ledger import tables as t
from h2h.ledger.bulk import in_chunks
from h2h.model import BatchStatus, PaymentStatus, StatusReport

CHUNK = 400  # keys asked for in one query

Candidates = Mapping[str, list[Row[Any]]]
Standing = tuple[str | None, str]  # a status, and its reasons as text


def candidates(connection: Connection, transfer: Row[Any], listed: Sequence[PaymentStatus]) -> Candidates:
    """The payments that share a reference with a few that are listed, as they are now, by reference."""
    found: defaultdict[str, list[Row[Any]]] = defaultdict(list)
    known: set[int] = set()
    for row in connection.execute(_sharing(transfer.id, listed)):
        if row.position in known:
            continue
        known.add(row.position)
        for reference in {row.end_to_end_id, row.instruction_id, row.uetr} - {None}:
            found[reference].append(row)
    return found


class Spoken:
    """The payments of which a report speaks one by one, each once: how many stood how, in each batch.

    `reasons`: those that make a difference; others count as one.
    """

    def __init__(self, payments: int, reasons: Collection[str]) -> None:
        self._known = bytearray(payments + 1)
        self._reasons = reasons
        self._standing: defaultdict[int, Counter[Standing]] = defaultdict(Counter)

    def add(self, position: int, batch: int, standing: Standing) -> None:
        if not self._known[position]:
            self._known[position] = 1
            status, reasons = standing
            self._standing[batch][status, reasons if reasons in self._reasons else ""] += 1

    def inside(self, batch: int) -> Counter[Standing]:
        return self._standing.get(batch, Counter())

    def outside(self, batches: Collection[int]) -> Counter[Standing]:
        found: Counter[Standing] = Counter()
        for batch, standing in self._standing.items():
            if batch not in batches:
                found.update(standing)
        return found


def narrowed(status: PaymentStatus, before: Candidates) -> list[Row[Any]]:
    """The payments that the status can mean: by its references, then by batch and amount where that still helps."""
    references = [(k, v) for k in ("uetr", "instruction_id", "end_to_end_id") if (v := getattr(status, k))]
    found: list[Row[Any]] = []
    for column, value in references:
        fitting = [row for row in before.get(value, ()) if getattr(row, column) == value]
        found = [row for row in found if row in fitting] or fitting or found
    for column, value in (("payment_information_id", status.payment_information_id), ("amount", status.amount)):
        if len(found) > 1 and value is not None:
            found = [row for row in found if getattr(row, column) == value] or found
    return found


def fits(
    connection: Connection,
    transfer: Row[Any],
    report: StatusReport,
    batches: Sequence[BatchStatus],
    listed: Iterable[PaymentStatus],
) -> bool:
    """Everything that the report says of the original is so in this one: counts, sums, batches, payments."""
    c = t.batch.c
    query = select(c.payment_information_id, c.payments, c.amount).where(c.transfer_id == transfer.id)
    known: defaultdict[str | None, list[Any]] = defaultdict(list)
    for found in connection.execute(query):
        known[found.payment_information_id].append(found)
    told = report.original_number_of_transactions, report.original_control_sum
    return (
        _agree(*told, transfer.payments, transfer.control_sum)
        and all(_has_batch(known, b) for b in batches if b.payment_information_id)
        and all(_has_payments(connection, transfer, chunk) for chunk in in_chunks(listed, CHUNK))
    )


def _sharing(transfer_id: str, listed: Sequence[PaymentStatus]) -> Any:
    """Payments of the transfer that have a reference in common with one of those listed, found by that: the sum of text
    keeps SQLite from going through the whole file for each chunk of a report. Where one says NOTPROVIDED, as files
    without number may, the file is the smaller place to look."""
    p, b = t.payment.c, t.batch.c
    columns = (p.end_to_end_id, p.instruction_id, p.uetr)
    values = ((column, [v for said in listed if (v := getattr(said, column.name))]) for column in columns)
    shared = [column.in_(known) for column, known in values if known]
    common = any(said.end_to_end_id in NO_REFERENCE for said in listed)
    of_the_file = p.transfer_id if common else p.transfer_id + ""
    return (
        select(p.position, p.batch, p.end_to_end_id, p.instruction_id, p.uetr, p.amount, p.status, p.reasons,
               b.payment_information_id)
        .join(t.batch, (b.transfer_id == p.transfer_id) & (b.position == p.batch))
        .where(of_the_file == transfer_id, or_(false(), *shared))
    )  # fmt: skip


def _agree(count: str | None, total: Decimal | None, known_count: int | None, known_total: Decimal | None) -> bool:
    """A count and a sum that are told are those that we know."""
    counted = count is None or not count.isdecimal() or int(count) == known_count
    return counted and (total is None or total == known_total)


def _has_batch(known: Mapping[str | None, list[Any]], said: BatchStatus) -> bool:
    return any(
        _agree(said.number_of_transactions, said.control_sum, row.payments, row.amount)
        for row in known.get(said.payment_information_id, ())
    )


def _has_payments(connection: Connection, transfer: Row[Any], listed: Sequence[PaymentStatus]) -> bool:
    before = candidates(connection, transfer, listed)
    return all(_has_payment(before, said) for said in listed)


def _has_payment(before: Candidates, said: PaymentStatus) -> bool:
    """One with a reference of those that are told and, where it is told, the amount."""
    references = [r for r in (said.end_to_end_id, said.instruction_id, said.uetr) if r]
    rows = [row for reference in references for row in before.get(reference, ())]
    return not references or any(said.amount in (None, row.amount) for row in rows)
