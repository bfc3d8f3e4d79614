"""What judging leaves in the ledger: the outcome, with what earlier files say of it; batches and payments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import chain, groupby, islice, repeat
from typing import Any

from sqlalchemy import Connection, select, update

from h2h.approval import Sums
from h2h.columns import Columns, in_columns
from h2h.errors import NotAllowed
from h2h.identity import debtor_keys, debtors_of, fingerprints
from h2h.kinds import Kinds
from h2h.ledger import tables as t
from h2h.ledger.bulk import store
from h2h.ledger.earlier import give_up_message_id, same_file, same_payments, use_message_id
from h2h.ledger.orphans import answered_before
from h2h.ledger.rows import Transfer
from h2h.lifecycle import Trigger
from h2h.model import EXACT, Batch, Finding, Judgement, Payment, Severity, TransferId, total
from h2h.repeats import Repeats
from h2h.verdicts import DOUBTFUL, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What becomes of a judged file, and why. `of` is the earlier transfer that it repeats; `answered`: the bank spoke
    of its message id before, so that two persons have to let it go."""

    trigger: Trigger
    reason: str | None
    findings: Sequence[Finding]
    of: TransferId | None = None
    answered: bool = False


def outcome(
    connection: Connection, row: Transfer, judgement: Judgement, content: str | None, since: datetime | None
) -> Outcome:
    """The judgement together with what earlier files say of it; the file's own payments are stored already.

    `since`: how far back the same payments are looked for; None for not at all.
    """
    findings = judgement.findings
    if not judgement.good or judgement.header is None:
        return Outcome(trigger=Trigger.JUDGED_INVALID, reason=first_error(findings), findings=findings)
    repeats = _repeats(connection, row, judgement, content or "", since)
    if repeats is None:
        trigger = Trigger.JUDGED_HOLD if judgement.held else Trigger.JUDGED_GOOD
        return Outcome(trigger=trigger, reason=first_error(findings), findings=findings)
    first = repeats.findings[0]
    return Outcome(
        trigger=Trigger.JUDGED_DUPLICATE if repeats.duplicate else Trigger.JUDGED_HOLD,
        reason=f"{first.code}: {first.text}",
        findings=[*repeats.findings, *findings],
        of=repeats.of,
    )


def held_if_answered(connection: Connection, row: Transfer, message_id: str | None, found: Outcome) -> Outcome:
    """A good file whose message id the bank spoke of before is held: it may have it by another way."""
    waits = found.trigger in (Trigger.JUDGED_GOOD, Trigger.JUDGED_HOLD)
    finding = answered_before(connection, row.bank, message_id) if waits and message_id else None
    if finding is None:
        return found
    findings = [finding, *found.findings]
    return replace(found, trigger=Trigger.JUDGED_HOLD, reason=first_error(findings), findings=findings, answered=True)


def _repeats(
    connection: Connection, row: Transfer, judgement: Judgement, content: str, since: datetime | None
) -> Repeats | None:
    """Bytes, content, message id, payments: the first that says that the file came before. A duplicate uses no id."""
    if found := same_file(connection, row, content):
        return found
    message_id = judgement.header.message_id if judgement.header else None
    if message_id and (found := use_message_id(connection, row, message_id, debtor_keys(judgement.batches))):
        return found
    found = same_payments(connection, row, judgement, since) if since else None
    if found and found.duplicate:
        give_up_message_id(connection, row)
    return found


def first_error(findings: Sequence[Finding]) -> str | None:
    """The reason that a list of findings comes down to; None where nothing is wrong and nobody must look."""
    errors = [f for f in findings if f.severity is Severity.ERROR]
    errors = errors or [f for f in findings if f.severity is Severity.HOLD]
    if not errors:
        return None
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{errors[0].code}: {errors[0].text}{more}"


@dataclass(slots=True)
class _Count:
    """What is in one batch."""

    payments: int = 0
    amount: Decimal = Decimal()


class Tally:
    """What the payments of a file come to, counted as they pass. `batches`: those that they stand in; `sums`: what is
    asked by currency."""

    def __init__(self, batches: Iterable[Batch] = (), sums: Sums | None = None) -> None:
        self.sums = sums
        self.batches: defaultdict[int, _Count] = defaultdict(_Count)
        self.currencies: set[str] = set()
        self.kinds = Kinds(batches)

    def passing(self, payments: Iterable[Payment]) -> Iterator[Columns[Payment]]:
        for some in in_columns(payments):
            amounts = iter(some.column("amount"))
            for batch, run in groupby(some.column("batch")):
                count, together = self.batches[batch], len([*run])
                count.payments += together
                count.amount = EXACT.add(count.amount, total(islice(amounts, together)))
            self.currencies.update(filter(None, some.column("currency")))
            self.kinds.look(some)
            if self.sums is not None:
                self.sums.look(some)
            yield some


def tallied(judgement: Judgement, sums: Sums | None = None) -> Tally:
    tally = Tally(judgement.batches, sums)
    for _ in tally.passing(judgement.payments):
        pass
    return tally


def summarise(judgement: Judgement, tally: Tally) -> dict[str, Any]:
    header = judgement.header
    dates = [b.requested_execution_date for b in judgement.batches if b.requested_execution_date]
    return {
        "message": header.message if header else None,
        "message_id": header.message_id if header else None,
        "payments": len(judgement.payments) if header else None,
        "control_sum": total(count.amount for count in tally.batches.values()) if header else None,
        "currencies": sorted(tally.currencies) if header else None,
        "kinds": tally.kinds.told() if header and judgement.good else None,
        "execution_date": min(dates, default=None),
    }


def store_payments(connection: Connection, transfer_id: TransferId, judgement: Judgement, tally: Tally) -> None:
    """A batch comes before what is in it."""
    store(connection, t.batch, BATCH, batch_rows(transfer_id, judgement.batches, tally))
    debtors = debtors_of(judgement.batches)
    payments = (payment_rows(transfer_id, some, debtors) for some in in_columns(judgement.payments))
    store(connection, t.payment, PAYMENT, chain.from_iterable(payments))


BATCH = (
    "transfer_id", "position", "payment_information_id", "payment_method", "batch_booking", "payments", "amount",
    "execution_date", "debtor_name", "debtor_account", "debtor_agent", "verdict",
)  # fmt: skip


def batch_rows(transfer_id: TransferId, batches: Iterable[Batch], tally: Tally) -> Iterator[tuple[Any, ...]]:
    return (_batch_row(transfer_id, batch, tally.batches[batch.position]) for batch in batches)


def _batch_row(transfer_id: TransferId, batch: Batch, count: _Count) -> tuple[Any, ...]:
    return (
        transfer_id, batch.position, batch.payment_information_id, batch.payment_method, batch.batch_booking,
        count.payments, count.amount, batch.requested_execution_date, batch.debtor_name,
        batch.debtor_iban or batch.debtor_account, batch.debtor_agent, Verdict.NONE,
    )  # fmt: skip


PAYMENT = (
    "transfer_id", "position", "batch", "instruction_id", "end_to_end_id", "uetr", "amount", "currency",
    "creditor_name", "creditor_account", "creditor_agent", "execution_date", "remittance", "fingerprint",
)  # fmt: skip


def payment_rows(
    transfer_id: TransferId, payments: Columns[Payment], debtors: Mapping[int, str]
) -> Iterator[tuple[Any, ...]]:
    ibans, others = payments.column("creditor_iban"), payments.column("creditor_account")
    ours = {
        "transfer_id": repeat(transfer_id),
        "creditor_account": [iban or other for iban, other in zip(ibans, others, strict=True)],
        "fingerprint": fingerprints(debtors, payments),
    }
    columns = (ours[name] if name in ours else payments.column(name) for name in PAYMENT)
    return zip(*columns, strict=False)  # the id has no end


def forget_refusal(connection: Connection, transfer_id: str, verdict: Verdict) -> None:
    """Before a refused file goes to the bank again: its payments wait for a new answer; the old reports stay.

    NotAllowed unless the bank refused all of it and never said otherwise; a report may have come just now.
    """
    c = t.report.c
    contradicted = select(c.id).where(c.transfer_id == transfer_id, c.effect.in_(DOUBTFUL)).limit(1)
    if verdict is not Verdict.REJECTED:
        raise NotAllowed(f"{transfer_id} is not sent again: the bank's verdict is {verdict}, not REJECTED.")
    if connection.execute(contradicted).first() is not None:
        text = (
            "what came from the bank contradicts itself, or came before the file was known to be there, and it may "
            "have paid. Ask the bank."
        )
        raise NotAllowed(f"{transfer_id} is not sent again: {text}")
    blank = {"status": None, "reasons": None}
    connection.execute(update(t.payment).where(t.payment.c.transfer_id == transfer_id).values(**blank, status_at=None))
    connection.execute(
        update(t.batch).where(t.batch.c.transfer_id == transfer_id).values(**blank, verdict=Verdict.NONE)
    )
