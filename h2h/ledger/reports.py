"""Applying a pain.002: every status said is kept as a row; payments, batches and the transfer move on by the rules
of `h2h.verdicts`. A report on something that we never sent changes nothing and is a finding."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, or_, select, update

from h2h.ledger import tables as t
from h2h.ledger.moves import change_state, touch_verdict
from h2h.ledger.people import BANK
from h2h.lifecycle import FREES_MESSAGE_ID, Actor, State, Trigger
from h2h.model import BatchStatus, Finding, InboundId, PaymentStatus, Reason, Record, Severity, StatusReport
from h2h.verdicts import (
    REFUSALS,
    Answer,
    StatusStep,
    Verdict,
    answers,
    hand_step,
    status_step,
    verdict_of,
    verdict_over,
)

CHUNK = 400  # keys asked for in one query
SHOWN = 5  # files named in a finding
AT_THE_BANK = frozenset({State.SENT, State.PUBLISHING, State.UNCERTAIN})


def apply_reports(
    connection: Connection, message_id: InboundId, bank: str, records: Sequence[Record], now: datetime
) -> list[Finding]:
    findings: list[Finding] = []
    for report, batches, payments in _reports(records):
        findings += _Application(connection, message_id, bank, report, now).apply(batches, payments)
    return findings


def _reports(
    records: Sequence[Record],
) -> Iterator[tuple[StatusReport, list[BatchStatus], list[PaymentStatus]]]:
    """The records by report: one file may hold several."""
    starts = [n for n, r in enumerate(records) if isinstance(r, StatusReport)]
    for start, end in zip(starts, [*starts[1:], len(records)], strict=True):
        report, rest = records[start], records[start + 1 : end]
        assert isinstance(report, StatusReport)
        batches = [r for r in rest if isinstance(r, BatchStatus)]
        yield report, batches, [r for r in rest if isinstance(r, PaymentStatus)]


class _Application:
    """One report on its way into the ledger."""

    def __init__(
        self, connection: Connection, message_id: InboundId, bank: str, report: StatusReport, now: datetime
    ) -> None:
        self._connection = connection
        self._message_id = message_id
        self._bank = bank
        self._report = report
        self._now = now
        self._findings: list[Finding] = []
        self._rows: list[dict[str, Any]] = []

    def apply(self, batches: Sequence[BatchStatus], payments: Sequence[PaymentStatus]) -> list[Finding]:
        said = answers(self._report, batches, payments)
        transfer = self._transfer(batches, [a for a in said if a.payment is not None])
        if transfer is None:
            self._rows += [self._row(a, None, "orphan") for a in said]
        else:
            listed = [a for a in said if a.payment is not None]
            before = self._candidates(transfer, listed)
            self._apply_levels(transfer, [a for a in said if a.payment is None], _matched(listed, before))
            self._apply_payments(transfer, listed, before)
            self._settle(transfer)
        if self._rows:
            self._connection.execute(insert(t.report), self._rows)
        return self._findings

    def _transfer(self, batches: Sequence[BatchStatus], listed: Sequence[Answer]) -> Row[Any] | None:
        """The transfer that the report answers, if the bank has it and it can be no other one."""
        named = self._report.original_message_id
        if named is None:
            self._find("REPORT_UNKNOWN", "The report does not say which message it answers.")
            return None
        known = self._named(named)
        if not known:
            text = f"The report answers message id {named}, which was never sent to {self._bank}."
            self._find("REPORT_UNKNOWN", text)
            return None
        fitting = known if len(known) == 1 else [r for r in known if self._fits(r, batches, listed)]
        there = [row for row in fitting if row.state in AT_THE_BANK]
        if len(there) == 1:
            return there[0]
        if len(there or fitting) != 1:
            self._several(named, known, there or fitting)
        if not there:
            for row in fitting:
                self._unsent(row)
        return None

    def _named(self, message_id: str) -> list[Row[Any]]:
        """Transfers with this message id: several where it is of several debtors, or a duplicate was let go."""
        c = t.transfer.c
        query = select(t.transfer).where(
            c.bank == self._bank, c.message_id == message_id, c.state.not_in(FREES_MESSAGE_ID)
        )
        return list(self._connection.execute(query.order_by(c.received_at).limit(CHUNK)))

    def _fits(self, row: Row[Any], batches: Sequence[BatchStatus], listed: Sequence[Answer]) -> bool:
        """Everything that the report says of the original is so in this one: counts, sums, batches, payments."""
        report, c = self._report, t.batch.c
        query = select(c.payment_information_id, c.payments, c.amount).where(c.transfer_id == row.id)
        known: defaultdict[str | None, list[Any]] = defaultdict(list)
        for found in self._connection.execute(query):
            known[found.payment_information_id].append(found)
        before = self._candidates(row, listed)
        return (
            _agree(report.original_number_of_transactions, report.original_control_sum, row.payments, row.control_sum)
            and all(_has_batch(known, b) for b in batches if b.payment_information_id)
            and all(_has_payment(before, a.payment) for a in listed if a.payment is not None)
        )

    def _several(self, named: str, known: Sequence[Row[Any]], fitting: Sequence[Row[Any]]) -> None:
        which = "; ".join(f"{r.id} ({r.name}, {r.payments} payments, {r.state})" for r in (fitting or known)[:SHOWN])
        fits = f"{len(fitting)} of them fit what it says" if fitting else "none of them fits all that it says"
        text = (
            f"The report answers message id {named}, which several files have, and {fits}: {which}. It changes no "
            "verdict. Ask the bank which file it means."
        )
        self._find("REPORT_AMBIGUOUS", text, Severity.ERROR)

    def _unsent(self, row: Row[Any]) -> None:
        text = f"The report answers {row.id}, which is {row.state} and was not handed over. Ask the bank what it has."
        self._find("REPORT_UNSENT", text, Severity.ERROR)
        if row.state in (State.READY, State.STAGING, State.FAILED, State.HELD):
            columns: dict[str, Any] = {"due_at": None, "proposed_by": BANK, "attempt_outcome": "STOPPED"}
            change_state(self._connection, row.id, Trigger.NAMED_BY_BANK, Actor.BANK, self._now, reason=text, **columns)

    def _find(self, code: str, text: str, severity: Severity = Severity.WARNING, line: int | None = None) -> None:
        self._findings.append(Finding(code=code, severity=severity, text=text, line=line or self._report.line))

    # Whole file, or one batch. The more particular word of the same report wins: it is no contradiction.

    def _apply_levels(self, transfer: Row[Any], levels: Sequence[Answer], listed: Sequence[Row[Any]]) -> None:
        numbers = {a.batch: self._batch(transfer, a.batch) for a in levels if a.batch is not None}
        spoken_for = [n for n in numbers.values() if n is not None]
        for answer in levels:
            scope = t.payment.c.transfer_id == transfer.id
            if answer.batch is None:
                said = [row.status for row in listed if row.batch not in spoken_for]
                self._apply_level(transfer, answer, scope & t.payment.c.batch.not_in(spoken_for), said, None)
            elif (number := numbers[answer.batch]) is not None:
                said = [row.status for row in listed if row.batch == number]
                self._apply_level(transfer, answer, scope & (t.payment.c.batch == number), said, number)
            else:
                text = f"{transfer.id} has no batch with PmtInfId {answer.batch}; its status {answer.status} is kept."
                self._find("REPORT_UNKNOWN_BATCH", text)
                self._rows.append(self._row(answer, transfer.id, "orphan"))

    def _batch(self, transfer: Row[Any], payment_information_id: str) -> int | None:
        c = t.batch.c
        query = select(c.position).where(
            c.transfer_id == transfer.id, c.payment_information_id == payment_information_id
        )
        return self._connection.execute(query.limit(1)).scalar()

    def _apply_level(
        self, transfer: Row[Any], answer: Answer, scope: Any, said: Sequence[str | None], number: int | None
    ) -> None:
        """`said`: the statuses, until now, of those payments in the scope that the report speaks of one by one."""
        p = t.payment.c
        counted = self._connection.execute(select(p.status, func.count().label("n")).where(scope).group_by(p.status))
        counts = Counter({row.status: row.n for row in counted})
        counts.subtract(said)
        known = {status for status, count in counts.items() if count > 0}
        steps = {status: status_step(status, answer.status) for status in known}
        self._take_level(scope, answer, [s for s, step in steps.items() if step is StatusStep.TAKE])
        nothing = StatusStep.LATE if steps else StatusStep.TAKE
        effect = next((s for s in (StatusStep.TAKE, StatusStep.CONFLICT) if s in steps.values()), nothing)
        if final := sorted(s for s, step in steps.items() if s and step is StatusStep.CONFLICT):
            self._conflict(transfer, answer, ", ".join(final))
        self._rows.append(self._row(answer, transfer.id, effect, batch=number))

    def _take_level(self, scope: Any, answer: Answer, over: Sequence[str | None]) -> None:
        if not over:
            return
        p = t.payment.c
        named = [s for s in over if s is not None]
        condition = p.status.in_(named) | p.status.is_(None) if None in over else p.status.in_(named)
        values = {"status": answer.status, "reasons": _reasons(answer.reasons), "status_at": self._now}
        self._connection.execute(update(t.payment).where(scope, condition).values(**values))

    # Single payments.

    def _apply_payments(
        self, transfer: Row[Any], listed: Sequence[Answer], before: Mapping[str, list[Row[Any]]]
    ) -> None:
        changes = [c for a in listed if (c := self._apply_payment(transfer, a, before)) is not None]
        if changes:
            p = t.payment.c
            statement = (
                update(t.payment)
                .where(p.transfer_id == transfer.id, p.position == bindparam("b_position"))
                .values(status=bindparam("b_status"), reasons=bindparam("b_reasons"), status_at=self._now)
            )
            self._connection.execute(statement, changes)

    def _candidates(self, transfer: Row[Any], listed: Sequence[Answer]) -> Mapping[str, list[Row[Any]]]:
        """The payments that share a reference with what is listed, as they were before this report, by reference."""
        found: defaultdict[str, list[Row[Any]]] = defaultdict(list)
        for start in range(0, len(listed), CHUNK):
            for row in self._connection.execute(_sharing(transfer.id, listed[start : start + CHUNK])):
                for reference in {row.end_to_end_id, row.instruction_id, row.uetr} - {None}:
                    if row not in found[reference]:
                        found[reference].append(row)
        return found

    def _apply_payment(
        self, transfer: Row[Any], answer: Answer, before: Mapping[str, list[Row[Any]]]
    ) -> dict[str, Any] | None:
        """The payment's new status; where the report comes late or contradicts, the one that it had before."""
        status = answer.payment
        assert status is not None
        found = _narrow(status, before)
        if len(found) != 1:
            self._unmatched(transfer, answer, status, len(found))
            return None
        payment = found[0]
        step = status_step(payment.status, answer.status)
        if step is StatusStep.CONFLICT:
            self._conflict(transfer, answer, payment.status)
        self._rows.append(self._row(answer, transfer.id, step, batch=payment.batch, payment=payment.position))
        if step is StatusStep.TAKE:
            return {"b_position": payment.position, "b_status": answer.status, "b_reasons": _reasons(answer.reasons)}
        return {"b_position": payment.position, "b_status": payment.status, "b_reasons": payment.reasons}

    def _unmatched(self, transfer: Row[Any], answer: Answer, status: PaymentStatus, found: int) -> None:
        named = status.end_to_end_id or status.instruction_id or status.uetr or "no reference"
        what = f"{found} payments of {transfer.id} fit" if found else f"{transfer.id} has no payment with"
        code = "REPORT_AMBIGUOUS" if found else "REPORT_UNKNOWN_PAYMENT"
        self._find(code, f"{what} {named}; its status {answer.status} changes nothing.", line=status.line)
        self._rows.append(self._row(answer, transfer.id, "orphan"))

    def _conflict(self, transfer: Row[Any], answer: Answer, known: str | None) -> None:
        where = answer.payment.end_to_end_id if answer.payment else answer.batch or "the whole file"
        text = f"The report says {answer.status} for {where} of {transfer.id}, but {known} was final. Ask the bank."
        self._find("REPORT_CONFLICT", text, Severity.ERROR)

    # What it comes to.

    def _settle(self, transfer: Row[Any]) -> None:
        """The verdicts on batches and transfer from those on the payments; a doubtful transfer is SENT by this."""
        p, b = t.payment.c, t.batch.c
        query = select(p.batch, p.status).where(p.transfer_id == transfer.id).distinct()
        by_batch: defaultdict[int, set[Verdict]] = defaultdict(set)
        for row in self._connection.execute(query):
            by_batch[row.batch].add(verdict_of(row.status))
        for number, verdicts in by_batch.items():
            verdict = verdict_over(frozenset(verdicts))
            self._connection.execute(
                update(t.batch).where(b.transfer_id == transfer.id, b.position == number).values(verdict=verdict)
            )
        whole = verdict_over(frozenset().union(*by_batch.values()))
        if transfer.state != State.SENT:
            named = f"the bank's report {self._report.message_id} names it"
            change_state(
                self._connection, transfer.id, Trigger.NAMED_BY_BANK, Actor.BANK, self._now,
                reason=named, sent_at=self._now, due_at=None,
            )  # fmt: skip
        reason = self._refused(transfer)
        noted_by = None
        if transfer.verdict_by and self._hand_step(transfer, whole) is StatusStep.LATE:
            whole, reason, noted_by = Verdict(transfer.verdict), transfer.reason, transfer.verdict_by
        touch_verdict(
            self._connection, transfer.id, whole,
            reason=reason, by=self._message_id, now=self._now, noted_by=noted_by,
        )  # fmt: skip

    def _hand_step(self, transfer: Row[Any], said: Verdict) -> StatusStep:
        """Against what a person had noted by hand. A contradiction marks all that the report says: nothing is sent
        again on the strength of either word."""
        step = hand_step(Verdict(transfer.verdict), said)
        if step is StatusStep.CONFLICT:
            text = (
                f"The report says {said} for {transfer.id}, but {transfer.verdict_by} had noted {transfer.verdict} by "
                "hand. The report counts. Ask the bank."
            )
            self._find("REPORT_CONFLICT", text, Severity.ERROR)
            for row in self._rows:
                row["effect"] = StatusStep.CONFLICT
        return step

    def _refused(self, transfer: Row[Any]) -> str | None:
        """How many payments the bank refused and why, in a line."""
        p = t.payment.c
        query = select(p.end_to_end_id, p.reasons).where(p.transfer_id == transfer.id, p.status.in_(REFUSALS))
        refused = self._connection.execute(query.order_by(p.position)).all()
        if not refused:
            return None
        first = "; ".join(" ".join(r.get(k, "") for k in ("code", "text")).strip() for r in refused[0].reasons or ())
        said = f": {refused[0].end_to_end_id} {first}".rstrip() + (", …" if len(refused) > 1 else "")
        return f"the bank refused {len(refused)} of {transfer.payments} payments{said}"

    def _row(
        self,
        answer: Answer,
        transfer_id: str | None,
        effect: str,
        *,
        batch: int | None = None,
        payment: int | None = None,
    ) -> dict[str, Any]:
        said = answer.payment
        level = "payment" if said else "batch" if answer.batch is not None else "file"
        return {
            "message_id": self._message_id,
            "transfer_id": transfer_id,
            "level": level,
            "batch": batch,
            "payment": payment,
            "original_message_id": self._report.original_message_id,
            "payment_information_id": said.payment_information_id if said else answer.batch,
            "instruction_id": said.instruction_id if said else None,
            "end_to_end_id": said.end_to_end_id if said else None,
            "uetr": said.uetr if said else None,
            "status": answer.status,
            "reasons": _reasons(answer.reasons),
            "effect": "inferred" if answer.inferred and effect == StatusStep.TAKE else effect,
        }


def _matched(listed: Sequence[Answer], before: Mapping[str, list[Row[Any]]]) -> list[Row[Any]]:
    """The payments of which the report speaks one by one, each once."""
    found = [_narrow(a.payment, before) for a in listed if a.payment is not None]
    return list({rows[0].position: rows[0] for rows in found if len(rows) == 1}.values())


def _sharing(transfer_id: str, listed: Sequence[Answer]) -> Any:
    """Payments of the transfer that have a reference in common with one of those listed."""
    p, b = t.payment.c, t.batch.c
    shared = [
        column.in_([v for a in listed if (v := getattr(a.payment, column.name))])
        for column in (p.end_to_end_id, p.instruction_id, p.uetr)
    ]
    return (
        select(p.position, p.batch, p.end_to_end_id, p.instruction_id, p.uetr, p.amount, p.status, p.reasons,
               b.payment_information_id)
        .join(t.batch, (b.transfer_id == p.transfer_id) & (b.position == p.batch))
        .where(p.transfer_id == transfer_id, or_(*shared))
    )  # fmt: skip


def _narrow(status: PaymentStatus, candidates: Mapping[str, list[Row[Any]]]) -> list[Row[Any]]:
    """The payments that the status can mean: by its references, then by batch and amount where that still helps."""
    references = [(k, v) for k in ("uetr", "instruction_id", "end_to_end_id") if (v := getattr(status, k))]
    found: list[Row[Any]] = []
    for column, value in references:
        fitting = [row for row in candidates.get(value, ()) if getattr(row, column) == value]
        found = [row for row in found if row in fitting] or fitting or found
    for column, value in (("payment_information_id", status.payment_information_id), ("amount", status.amount)):
        if len(found) > 1 and value is not None:
            found = [row for row in found if getattr(row, column) == value] or found
    return found


def _agree(count: str | None, total: Decimal | None, known_count: int | None, known_total: Decimal | None) -> bool:
    """A count and a sum that are told are those that we know."""
    counted = count is None or not count.isdecimal() or int(count) == known_count
    return counted and (total is None or total == known_total)


def _has_batch(known: Mapping[str | None, list[Any]], said: BatchStatus) -> bool:
    return any(
        _agree(said.number_of_transactions, said.control_sum, row.payments, row.amount)
        for row in known.get(said.payment_information_id, ())
    )


def _has_payment(before: Mapping[str, list[Row[Any]]], said: PaymentStatus) -> bool:
    """One with a reference of those that are told and, where it is told, the amount."""
    references = [r for r in (said.end_to_end_id, said.instruction_id, said.uetr) if r]
    rows = [row for reference in references for row in before.get(reference, ())]
    return not references or any(said.amount in (None, row.amount) for row in rows)


def _reasons(reasons: Sequence[Reason]) -> list[dict[str, str]] | None:
    return [{k: v for k, v in asdict(r).items() if v is not None} for r in reasons] or None
