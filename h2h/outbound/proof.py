"""The proof of a repair: what the strict reader says of the new file is what it says of the file that was sent, but for
what a repair changes; and these are the payments that the ledger knows as refused."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import structs

from h2h.errors import NotAllowed
from h2h.identity import amount_key, new_uetr
from h2h.ledger.repairs import Plan, Refused
from h2h.messages.orders import Selection
from h2h.model import Batch, Judgement, Payment, PaymentFile

MOST_RANGES = 1_000  # of positions that stand in the journal's proof; the lineage has them all

Content = tuple[str | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """Of the file that was sent, what stays: as the strict reader says it."""

    header: PaymentFile
    batches: Sequence[Batch]
    payments: Sequence[Payment]


def prove(plan: Plan, original: Original, order: Selection, new: Judgement) -> dict[str, Any]:
    """That the new file holds the payments of the plan, each as it stood and once, and nothing else.

    What is compared is what the strict reader says of both files, in order, but for what a repair changes; and then
    what the ledger knew of the payments when the bank refused them, as a heap. NotAllowed where they differ.
    """
    for what, is_so, should_be in _comparisons(plan, original, order, new):
        if is_so != should_be:
            raise not_proven(plan, f"{what} is not as it has to be, compared with the file that was sent")
    return {
        "message_id": plan.message_id,
        "control_sum": f"{plan.control_sum:f}",
        "positions": ranges(payment.position for payment in plan.refused),
        "payments_sha256": _hash(map(_content, new.payments)),
        "not_inside": dict(plan.left_out),
    }


def _comparisons(
    plan: Plan, original: Original, order: Selection, new: Judgement
) -> Iterator[tuple[str, object, object]]:
    """What is there, and what has to be; each holds only after those before it."""
    stood = [(p.position, p.batch, key_of(p)) for p in original.payments]
    yield "what the ledger knows", [(r.position, r.batch, key_of_row(r)) for r in plan.refused], stood
    yield "the number of batches", [b.position for b in original.batches], [b.position for b in plan.batches]
    yield "the header", new.header and unplaced(new.header), unplaced(_header(plan, original.header, new.header))
    yield "a batch", [unplaced(b) for b in new.batches], _batches(plan, original, order)
    yield "a payment", [unplaced(p) for p in new.payments], _payments(plan, original, order)
    yield "the heap of payments", Counter(map(_content, new.payments)), Counter(map(_content_of_row, plan.refused))


def unplaced(record: PaymentFile | Batch | Payment) -> PaymentFile | Batch | Payment:
    """Without the lines on which it stood."""
    if isinstance(record, PaymentFile):
        return structs.replace(record, line=None)
    return structs.replace(
        record, line=None, addresses=tuple(structs.replace(each, line=None) for each in record.addresses)
    )


def _header(plan: Plan, old: PaymentFile, new: PaymentFile | None) -> PaymentFile:
    return structs.replace(
        old,
        message_id=plan.message_id,
        created_at=new.created_at if new else None,
        number_of_transactions=str(len(plan.refused)),
        control_sum=None if old.control_sum is None else plan.control_sum,
    )


def _batches(plan: Plan, original: Original, order: Selection) -> list[object]:
    return [
        unplaced(
            structs.replace(
                old,
                position=position,
                payment_information_id=batch.payment_information_id,
                number_of_transactions=None if old.number_of_transactions is None else str(batch.payments),
                control_sum=None if old.control_sum is None else batch.control_sum,
                requested_execution_date=order.execution_date or old.requested_execution_date,
            )
        )
        for position, (batch, old) in enumerate(zip(plan.batches, original.batches, strict=True), start=1)
    ]


def _payments(plan: Plan, original: Original, order: Selection) -> list[object]:
    new_batch = {b.position: (n, b.payment_information_id) for n, b in enumerate(plan.batches, start=1)}
    return [
        unplaced(
            structs.replace(
                old,
                position=position,
                batch=new_batch[old.batch][0],
                payment_information_id=new_batch[old.batch][1],
                uetr=None if old.uetr is None else new_uetr(order.uetr_seed, old.position),
                execution_date=order.execution_date or old.execution_date,
            )
        )
        for position, old in enumerate(original.payments, start=1)
    ]


def _content(payment: Payment) -> Content:
    """What is paid to whom, and why: what no repair changes."""
    return (
        payment.instruction_id,
        payment.end_to_end_id,
        amount_key(payment.amount) if payment.amount is not None else None,
        payment.currency,
        payment.creditor_name,
        payment.creditor_iban or payment.creditor_account,
        payment.creditor_agent,
        payment.remittance,
    )


def _content_of_row(row: Refused) -> Content:
    return (
        row.instruction_id,
        row.end_to_end_id,
        amount_key(row.amount),
        row.currency,
        row.creditor_name,
        row.creditor_account,
        row.creditor_agent,
        row.remittance,
    )


def key_of(payment: Payment) -> Content:
    """Its content, and by what the bank could tell it from others of the file."""
    return (payment.payment_information_id, payment.uetr, payment.execution_date, *_content(payment))


def key_of_row(row: Refused) -> Content:
    return (row.payment_information_id, row.uetr, row.execution_date, *_content_of_row(row))


def _hash(contents: Iterable[Content]) -> str:
    """Of a heap of payments, in whatever order."""
    lines = sorted(json.dumps(content, ensure_ascii=False, separators=(",", ":")) for content in contents)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def ranges(positions: Iterable[int]) -> str:
    """Ascending numbers in short: 1-3,7."""
    found: list[list[int]] = []
    for position in positions:
        if found and found[-1][1] == position - 1:
            found[-1][1] = position
        else:
            found.append([position, position])
    said = [f"{first}-{last}" if last > first else str(first) for first, last in found[:MOST_RANGES]]
    return ",".join([*said, *(["…"] if len(found) > MOST_RANGES else [])])


def not_proven(plan: Plan, why: str) -> NotAllowed:
    return NotAllowed(
        f"{plan.transfer.id} is not repaired, since it could not be proven what is in the new file: {why}."
    )
