"""Applying a pain.002: every status said is kept as a row; payments, batches and the transfer move on by the rules
of `h2h.verdicts`. A report on something that we never sent changes nothing and is a finding."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import structs
from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from h2h.ledger import tables as t
from h2h.ledger.moves import BANK, change_state, touch_verdict
from h2h.ledger.report_matching import CHUNK, Candidates, candidates, fits, matched, narrowed
from h2h.lifecycle import FREES_MESSAGE_ID, Actor, State, Trigger
from h2h.model import BatchStatus, Finding, InboundId, PaymentStatus, Reason, Record, Severity, StatusReport
from h2h.reasons import in_words
from h2h.verdicts import (
    KNOWN,
    NO_WORDS,
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

SHOWN = 5  # files named in a finding
AT_THE_BANK = frozenset({State.SENT, State.PUBLISHING, State.UNCERTAIN})


def apply_reports(
    connection: Connection,
    message_id: InboundId,
    bank: str,
    records: Sequence[Record],
    now: datetime,
    words: Mapping[str, str] = NO_WORDS,
) -> list[Finding]:
    """`words`: status codes for the bank's own words, from its profile."""
    findings: list[Finding] = []
    for report, batches, payments in _reports(records):
        said = answers(report, batches, payments, words)
        findings += Application(connection, message_id, bank, report, now).apply(said, batches)
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


class Application:
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

    def apply(self, said: Sequence[Answer], batches: Sequence[BatchStatus]) -> list[Finding]:
        self._unknown_words(said)
        transfer = self._transfer(batches, [a.payment for a in said if a.payment is not None])
        if transfer is None:
            self._rows += [self._row(a, None, "orphan") for a in said]
        else:
            self._take(transfer, said)
        return self._stored()

    def apply_early(self, transfer: Row[Any], said: Sequence[Answer]) -> list[Finding]:
        """What was said before the transfer was at the bank as far as we knew. Nothing is sent again on such a word."""
        self._take(transfer, said)
        for row in self._rows:
            if row["effect"] == StatusStep.TAKE:
                row["effect"] = StatusStep.EARLY
        return self._stored()

    def _take(self, transfer: Row[Any], said: Sequence[Answer]) -> None:
        listed = [a for a in said if a.payment is not None]
        before = candidates(self._connection, transfer, [a.payment for a in listed if a.payment is not None])
        spoken_of = matched([a.payment for a in listed if a.payment is not None], before)
        self._apply_levels(transfer, [a for a in said if a.payment is None], spoken_of)
        self._apply_payments(transfer, listed, before)
        if transfer.state != State.SENT or any(row["effect"] != StatusStep.REPEAT for row in self._rows):
            self._settle(transfer)

    def _stored(self) -> list[Finding]:
        if self._rows:
            self._connection.execute(insert(t.report), self._rows)
        return self._findings

    def _unknown_words(self, said: Sequence[Answer]) -> None:
        unknown: dict[str, Answer] = {}
        for answer in said:
            if answer.status not in KNOWN:
                unknown.setdefault(answer.status, answer)
        for word, answer in list(unknown.items())[:SHOWN]:
            text = (
                f"The report says {word!r} of {_whom(answer)}, which is no status that is known here; it settles "
                f"nothing. Ask the bank what it stands for, and write that into its profile, as in: [bank.statuses] "
                f'"{word}" = "ACSP".'
            )
            self._find("REPORT_STATUS_UNKNOWN", text, line=answer.payment.line if answer.payment else None)

    def _transfer(self, batches: Sequence[BatchStatus], listed: Sequence[PaymentStatus]) -> Row[Any] | None:
        """The transfer that the report answers, if the bank has it and it can be no other one."""
        named = self._report.original_message_id
        if named is None:
            self._find("REPORT_UNKNOWN", "The report does not say which message it answers.")
            return None
        known = self.known(named)
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

    def known(self, message_id: str) -> list[Row[Any]]:
        """Transfers with this message id: several where it is of several debtors, or a duplicate was let go."""
        c = t.transfer.c
        query = select(t.transfer).where(
            c.bank == self._bank, c.message_id == message_id, c.state.not_in(FREES_MESSAGE_ID)
        )
        return list(self._connection.execute(query.order_by(c.received_at).limit(CHUNK)))

    def _fits(self, row: Row[Any], batches: Sequence[BatchStatus], listed: Sequence[PaymentStatus]) -> bool:
        return fits(self._connection, row, self._report, batches, listed)

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
                said = [row for row in listed if row.batch not in spoken_for]
                self._apply_level(transfer, answer, scope & t.payment.c.batch.not_in(spoken_for), said, None)
            elif (number := numbers[answer.batch]) is not None:
                said = [row for row in listed if row.batch == number]
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
        self, transfer: Row[Any], answer: Answer, scope: Any, said: Sequence[Row[Any]], number: int | None
    ) -> None:
        """`said`: those payments in the scope, as they were, of which the report speaks one by one."""
        steps = self._steps(scope, answer, said)
        self._take_level(scope, answer, [known for (known, _), step in steps.items() if step is StatusStep.TAKE])
        if final := sorted({known for (known, _), step in steps.items() if known and step is StatusStep.CONFLICT}):
            self._conflict(transfer, answer, ", ".join(final))
        self._rows.append(self._row(answer, transfer.id, _effect(set(steps.values())), batch=number))

    def _steps(self, scope: Any, answer: Answer, said: Sequence[Row[Any]]) -> dict[tuple[str | None, str], StatusStep]:
        """What the answer does to each status, with its reasons, that payments in the scope have."""
        p = t.payment.c
        query = select(p.status, p.reasons, func.count().label("n")).where(scope).group_by(p.status, p.reasons)
        counts: Counter[tuple[str | None, str]] = Counter()
        for row in self._connection.execute(query):
            counts[row.status, t.canonical(row.reasons)] += row.n
        counts.subtract((row.status, t.canonical(row.reasons)) for row in said)
        return {(status, reasons): _step(status, reasons, answer) for (status, reasons), n in counts.items() if n > 0}

    def _take_level(self, scope: Any, answer: Answer, over: Sequence[str | None]) -> None:
        if not over:
            return
        p = t.payment.c
        named = [s for s in over if s is not None]
        condition = p.status.in_(named) | p.status.is_(None) if None in over else p.status.in_(named)
        values = {"status": answer.status, "reasons": _reasons(answer.reasons), "status_at": self._now}
        self._connection.execute(update(t.payment).where(scope, condition).values(**values))

    # Single payments.

    def _apply_payments(self, transfer: Row[Any], listed: Sequence[Answer], before: Candidates) -> None:
        changes = [c for a in listed if (c := self._apply_payment(transfer, a, before)) is not None]
        if changes:
            p = t.payment.c
            statement = (
                update(t.payment)
                .where(p.transfer_id == transfer.id, p.position == bindparam("b_position"))
                .values(status=bindparam("b_status"), reasons=bindparam("b_reasons"), status_at=self._now)
            )
            self._connection.execute(statement, changes)

    def _apply_payment(self, transfer: Row[Any], answer: Answer, before: Candidates) -> dict[str, Any] | None:
        """The payment's new status; where the report comes late or contradicts, the one that it had before."""
        status = answer.payment
        assert status is not None
        found = narrowed(status, before)
        if len(found) != 1:
            self._unmatched(transfer, answer, status, len(found))
            return None
        payment = found[0]
        step = _step(payment.status, t.canonical(payment.reasons), answer)
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
        said = f"The report says {answer.status} for {_whom(answer)} of {transfer.id}"
        self._find("REPORT_CONFLICT", f"{said}, but {known} was final. Ask the bank.", Severity.ERROR)

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
        said = f": {refused[0].end_to_end_id} {in_words(refused[0].reasons)}".rstrip()
        said += ", …" if len(refused) > 1 else ""
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
            "amount": said.amount if said else None,
            "status": answer.status,
            "said": answer.said,
            "reasons": _reasons(answer.reasons),
            "effect": "inferred" if answer.inferred and effect == StatusStep.TAKE else effect,
        }


def _whom(answer: Answer) -> str:
    if answer.payment is None:
        return answer.batch or "the whole file"
    return answer.payment.end_to_end_id or answer.payment.instruction_id or answer.payment.uetr or "a payment"


def _step(known: str | None, reasons: str, answer: Answer) -> StatusStep:
    """As by the codes alone; the same code adds nothing, unless it brings other reasons."""
    if known == answer.status and (not answer.reasons or reasons == t.canonical(_reasons(answer.reasons))):
        return StatusStep.REPEAT
    return status_step(known, answer.status)


def _effect(steps: set[StatusStep]) -> StatusStep:
    """What a word on many payments did, in one; on none at all there was nothing to do."""
    order = (StatusStep.TAKE, StatusStep.CONFLICT, StatusStep.LATE, StatusStep.REPEAT)
    return next((step for step in order if step in steps), StatusStep.TAKE)


def _reasons(reasons: Sequence[Reason]) -> list[dict[str, str]] | None:
    return [{k: v for k, v in structs.asdict(r).items() if v is not None} for r in reasons] or None
