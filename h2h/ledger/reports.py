"""Applying a pain.002: every status said is kept as a row; payments, batches and the transfer move on by the rules
of `h2h.verdicts`. A report on something that we never sent changes nothing and is a finding."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, case, false, func, select, true, update

from h2h.gathered import Gathered, Joined
from h2h.ledger import tables as t
from h2h.ledger.bulk import change, in_chunks
from h2h.ledger.findings import Found
from h2h.ledger.moves import BANK, change_state, touch_verdict
from h2h.ledger.report_matching import CHUNK, Candidates, Spoken, Standing, candidates, fits, narrowed
from h2h.ledger.report_rows import ORPHAN, Outcome, Rows, reasons_of
from h2h.lifecycle import FREES_MESSAGE_ID, Actor, State, Trigger
from h2h.model import BatchStatus, Finding, InboundId, PaymentStatus, Severity, StatusReport
from h2h.reasons import in_words
from h2h.verdicts import (
    KNOWN,
    NO_WORDS,
    REFUSALS,
    Answer,
    Said,
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
    records: Gathered,
    now: datetime,
    words: Mapping[str, str] = NO_WORDS,
) -> Found:
    """`words`: status codes for the bank's own words, from its profile."""
    found = Found()
    for report, batches, payments in _reports(records):
        said = answers(report, batches, payments, words)
        found.join(Application(connection, message_id, bank, report, now).apply(said, batches, payments))
    return found


def _reports(records: Gathered) -> Iterator[tuple[StatusReport, list[BatchStatus], Joined[PaymentStatus]]]:
    """The records by report: one file may hold several. Payments stay where they are."""
    report: StatusReport | None = None
    batches: list[BatchStatus] = []
    payments: Joined[PaymentStatus] = Joined()
    for run in records.runs():
        if run.kind is BatchStatus:
            batches += run
        elif run.kind is PaymentStatus:
            payments.append(run)
        elif run.kind is StatusReport:
            for each in run:
                if report is not None:
                    yield report, batches, payments
                report, batches, payments = each, [], Joined()
    if report is not None:
        yield report, batches, payments


class Application:
    """One report on its way into the ledger.

    What it does to single payments is found out first, by how they stand before it, and put aside; then come whole
    levels, and then what was put aside, since the more particular word wins.
    """

    def __init__(
        self, connection: Connection, message_id: InboundId, bank: str, report: StatusReport, now: datetime
    ) -> None:
        self._connection = connection
        self._message_id = message_id
        self._bank = bank
        self._report = report
        self._now = now
        self._found = Found()
        self._rows = Rows(message_id, report)
        self._news = False  # it says something that was not known

    def apply(self, said: Said, batches: Sequence[BatchStatus], listed: Iterable[PaymentStatus]) -> Found:
        self._unknown_words(said)
        transfer = self._transfer(batches, listed)
        if transfer is None:
            self._rows.orphans(self._connection, said)
        else:
            self._take(transfer, said)
        return self._found

    def apply_early(self, transfer: Row[Any], said: Said) -> Found:
        """What was said before the transfer was at the bank as far as we knew. Nothing is sent again on such a word."""
        self._rows.early = True
        self._take(transfer, said)
        return self._found

    def _take(self, transfer: Row[Any], said: Said) -> None:
        of_payments, spoken_of = self._listed(transfer, said)
        self._apply_levels(transfer, said.levels, spoken_of)
        self._found.join(of_payments)
        self._change_payments(transfer)
        if transfer.state != State.SENT or self._news:
            self._settle(transfer)
        self._rows.store(self._connection, transfer.id)

    def _unknown_words(self, said: Said) -> None:
        unknown: dict[str, Answer] = {}
        for answer in said:
            if answer.status not in KNOWN and len(unknown) < SHOWN:
                unknown.setdefault(answer.status, answer)
        for word, answer in unknown.items():
            text = (
                f"The report says {word!r} of {_whom(answer)}, which is no status that is known here; it settles "
                f"nothing. Ask the bank what it stands for, and write that into its profile, as in: [bank.statuses] "
                f'"{word}" = "ACSP".'
            )
            self._find("REPORT_STATUS_UNKNOWN", text, line=answer.payment.line if answer.payment else None)

    def _transfer(self, batches: Sequence[BatchStatus], listed: Iterable[PaymentStatus]) -> Row[Any] | None:
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
        if all(row.purged_at for row in known):
            self._gone(named, known)
            return None
        left = [row for row in known if row.purged_at is None]
        fitting = known if len(known) == 1 else [r for r in left if self._fits(r, batches, listed)]
        there = [row for row in fitting if row.state in AT_THE_BANK]
        if len(there) == 1:
            return there[0]
        if len(there or fitting) != 1:
            self._several(named, known, there or fitting)
        if not there:
            for row in fitting:
                self._unsent(row)
        return None

    def _gone(self, named: str, purged: Sequence[Row[Any]]) -> None:
        which = ", ".join(f"{row.id} (purged on {row.purged_at:%Y-%m-%d})" for row in purged[:SHOWN])
        text = f"The report answers message id {named} of {which}, whose records are gone: it changes nothing."
        self._find("REPORT_UNKNOWN", text)

    def known(self, message_id: str) -> list[Row[Any]]:
        """Transfers with this message id: several where it is of several debtors, or a duplicate was let go."""
        c = t.transfer.c
        query = select(t.transfer).where(
            c.bank == self._bank, c.message_id == message_id, c.state.not_in(FREES_MESSAGE_ID)
        )
        return list(self._connection.execute(query.order_by(c.received_at).limit(CHUNK)))

    def _fits(self, row: Row[Any], batches: Sequence[BatchStatus], listed: Iterable[PaymentStatus]) -> bool:
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
        self._found.add(self._finding(code, text, severity, line))

    def _finding(self, code: str, text: str, severity: Severity = Severity.WARNING, line: int | None = None) -> Finding:
        return Finding(code=code, severity=severity, text=text, line=line or self._report.line)

    # Whole file, or one batch. The more particular word of the same report wins: it is no contradiction.

    def _apply_levels(self, transfer: Row[Any], levels: Sequence[Answer], spoken_of: Spoken) -> None:
        numbers = {a.batch: self._batch(transfer, a.batch) for a in levels if a.batch is not None}
        spoken_for = {n for n in numbers.values() if n is not None}
        for answer in levels:
            scope = t.payment.c.transfer_id == transfer.id
            if answer.batch is None:
                rest = t.payment.c.batch.not_in(sorted(spoken_for))
                self._apply_level(transfer, answer, scope & rest, spoken_of.outside(spoken_for), None)
            elif (number := numbers[answer.batch]) is not None:
                inside = spoken_of.inside(number)
                self._apply_level(transfer, answer, scope & (t.payment.c.batch == number), inside, number)
            else:
                text = f"{transfer.id} has no batch with PmtInfId {answer.batch}; its status {answer.status} is kept."
                self._find("REPORT_UNKNOWN_BATCH", text)
                self._note(Outcome(answer=answer, effect=ORPHAN))

    def _batch(self, transfer: Row[Any], payment_information_id: str) -> int | None:
        c = t.batch.c
        query = select(c.position).where(
            c.transfer_id == transfer.id, c.payment_information_id == payment_information_id
        )
        return self._connection.execute(query.limit(1)).scalar()

    def _apply_level(
        self, transfer: Row[Any], answer: Answer, scope: Any, said: Counter[Standing], number: int | None
    ) -> None:
        """`said`: how many payments in the scope, as they were, the report speaks of one by one."""
        steps = self._steps(scope, answer, said)
        self._take_level(scope, answer, [known for (known, _), step in steps.items() if step is StatusStep.TAKE])
        if final := sorted({known for (known, _), step in steps.items() if known and step is StatusStep.CONFLICT}):
            self._found.add(self._conflict(transfer, answer, ", ".join(final)))
        self._note(Outcome(answer=answer, effect=_effect(set(steps.values())), batch=number))

    def _steps(self, scope: Any, answer: Answer, said: Counter[Standing]) -> dict[tuple[str | None, bool], StatusStep]:
        """What the answer does to each status, with its reasons or with others, that payments in the scope have."""
        p, reasons = t.payment.c, t.canonical(reasons_of(answer.reasons))
        alike = p.reasons == bindparam("said", reasons_of(answer.reasons), t.Json())
        same = case((alike, true()), else_=false()) if answer.reasons else true()
        query = select(p.status, same.label("same"), func.count().label("n")).where(scope).group_by(p.status, "same")
        counts: Counter[tuple[str | None, bool]] = Counter()
        for row in self._connection.execute(query):
            counts[row.status, bool(row.same)] += row.n
        for (status, known), n in said.items():
            counts[status, not answer.reasons or known == reasons] -= n
        return {(status, same): _step(status, same, answer) for (status, same), n in counts.items() if n > 0}

    def _take_level(self, scope: Any, answer: Answer, over: Sequence[str | None]) -> None:
        if not over:
            return
        p = t.payment.c
        named = [s for s in over if s is not None]
        condition = p.status.in_(named) | p.status.is_(None) if None in over else p.status.in_(named)
        values = {"status": answer.status, "reasons": reasons_of(answer.reasons), "status_at": self._now}
        self._connection.execute(update(t.payment).where(scope, condition).values(**values))

    # Single payments.

    def _listed(self, transfer: Row[Any], said: Said) -> tuple[Found, Spoken]:
        """Put aside what each payment becomes; what is to be told of it, and of which payments the report speaks."""
        found = Found()
        reasons = {t.canonical(reasons_of(a.reasons)) for a in said.levels}
        spoken_of = Spoken(transfer.payments or 0, reasons)
        for chunk in in_chunks(said.payments, CHUNK):
            before = candidates(self._connection, transfer, [a.payment for a in chunk if a.payment is not None])
            for answer in chunk:
                outcome, finding = self._outcome(transfer, answer, before, spoken_of)
                self._news = self._news or outcome.effect != StatusStep.REPEAT
                self._rows.payments.append(outcome)
                if finding is not None:
                    found.add(finding)
        return found, spoken_of

    def _outcome(
        self, transfer: Row[Any], answer: Answer, before: Candidates, spoken_of: Spoken
    ) -> tuple[Outcome, Finding | None]:
        """The payment's new status; where the report comes late or contradicts, the one that it had before."""
        assert answer.payment is not None
        found = narrowed(answer.payment, before)
        if len(found) != 1:
            return Outcome(answer=answer, effect=ORPHAN), self._unmatched(transfer, answer, answer.payment, len(found))
        payment = found[0]
        known = t.canonical(payment.reasons)
        spoken_of.add(payment.position, payment.batch, (payment.status, known))
        said = reasons_of(answer.reasons)
        step = _step(payment.status, known == t.canonical(said), answer)
        after = (answer.status, said) if step is StatusStep.TAKE else (payment.status, payment.reasons)
        outcome = Outcome(
            answer=answer, effect=step, batch=payment.batch, payment=payment.position, status=after[0], reasons=after[1]
        )
        conflict = step is StatusStep.CONFLICT
        return outcome, self._conflict(transfer, answer, payment.status) if conflict else None

    def _change_payments(self, transfer: Row[Any]) -> None:
        rows = (
            (o.status, o.reasons, self._now, transfer.id, o.payment)
            for o in self._rows.payments
            if o.payment is not None
        )
        change(self._connection, t.payment, ("status", "reasons", "status_at"), rows)

    def _unmatched(self, transfer: Row[Any], answer: Answer, status: PaymentStatus, found: int) -> Finding:
        named = status.end_to_end_id or status.instruction_id or status.uetr or "no reference"
        what = f"{found} payments of {transfer.id} fit" if found else f"{transfer.id} has no payment with"
        code = "REPORT_AMBIGUOUS" if found else "REPORT_UNKNOWN_PAYMENT"
        return self._finding(code, f"{what} {named}; its status {answer.status} changes nothing.", line=status.line)

    def _conflict(self, transfer: Row[Any], answer: Answer, known: str | None) -> Finding:
        said = f"The report says {answer.status} for {_whom(answer)} of {transfer.id}"
        return self._finding("REPORT_CONFLICT", f"{said}, but {known} was final. Ask the bank.", Severity.ERROR)

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
                reason=named, sent_at=self._now, due_at=None, proposed_by=None,
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
            self._rows.over = StatusStep.CONFLICT
        return step

    def _refused(self, transfer: Row[Any]) -> str | None:
        """How many payments the bank refused and why, in a line."""
        p = t.payment.c
        refused = (p.transfer_id == transfer.id, p.status.in_(REFUSALS))
        query = select(p.end_to_end_id, p.reasons).where(*refused).order_by(p.position).limit(1)
        if (first := self._connection.execute(query).first()) is None:
            return None
        count = self._connection.execute(select(func.count()).select_from(t.payment).where(*refused)).scalar_one()
        said = f": {first.end_to_end_id} {in_words(first.reasons)}".rstrip()
        said += ", …" if count > 1 else ""
        return f"the bank refused {count} of {transfer.payments} payments{said}"

    def _note(self, outcome: Outcome) -> None:
        self._news = self._news or outcome.effect != StatusStep.REPEAT
        self._rows.levels.append(outcome)


def _whom(answer: Answer) -> str:
    if answer.payment is None:
        return answer.batch or "the whole file"
    return answer.payment.end_to_end_id or answer.payment.instruction_id or answer.payment.uetr or "a payment"


def _step(known: str | None, same_reasons: bool, answer: Answer) -> StatusStep:
    """As by the codes alone; the same code adds nothing, unless it brings other reasons."""
    if known == answer.status and (not answer.reasons or same_reasons):
        return StatusStep.REPEAT
    return status_step(known, answer.status)


def _effect(steps: set[StatusStep]) -> StatusStep:
    """What a word on many payments did, in one; on none at all there was nothing to do."""
    order = (StatusStep.TAKE, StatusStep.CONFLICT, StatusStep.LATE, StatusStep.REPEAT)
    return next((step for step in order if step in steps), StatusStep.TAKE)
