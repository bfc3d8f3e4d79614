"""What a report said, as rows: one for each status, on whatever level. They are put aside until all of it is known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from msgspec import structs
from sqlalchemy import Connection

from h2h.ledger import tables as t
from h2h.ledger.bulk import store
from h2h.model import InboundId, Reason, StatusReport
from h2h.spool import Spool
from h2h.verdicts import Answer, StatusStep

ORPHAN = "orphan"  # the effect of what is about nothing of ours
INFERRED = "inferred"
REPORT = (
    "message_id", "transfer_id", "level", "batch", "payment", "original_message_id", "payment_information_id",
    "instruction_id", "end_to_end_id", "uetr", "amount", "status", "said", "reasons", "effect",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was said, and what that does; of one payment also how it stands afterwards, where it is clear which one."""

    answer: Answer
    effect: str
    batch: int | None = None
    payment: int | None = None
    status: str | None = None
    reasons: list[dict[str, str]] | None = None


class Rows:
    """`over`: the effect of all of it, whatever each does. `early`: it came before the file was known to be there."""

    def __init__(self, message_id: InboundId, report: StatusReport) -> None:
        self._message_id, self._report = message_id, report
        self.levels: list[Outcome] = []
        self.payments: Spool[Outcome] = Spool(Outcome)
        self.over: StatusStep | None = None
        self.early = False

    def store(self, connection: Connection, transfer_id: str) -> None:
        rows = (self._row(transfer_id, outcome) for outcome in chain(self.levels, self.payments))
        store(connection, t.report, REPORT, rows)

    def orphans(self, connection: Connection, said: Iterable[Answer]) -> None:
        rows = (self._row(None, Outcome(answer=answer, effect=ORPHAN)) for answer in said)
        store(connection, t.report, REPORT, rows)

    def _row(self, transfer_id: str | None, outcome: Outcome) -> tuple[Any, ...]:
        answer, said = outcome.answer, outcome.answer.payment
        level = "payment" if said else "batch" if answer.batch is not None else "file"
        of_payment = (
            (said.payment_information_id, said.instruction_id, said.end_to_end_id, said.uetr, said.amount)
            if said
            else (answer.batch, None, None, None, None)
        )
        return (
            self._message_id, transfer_id, level, outcome.batch, outcome.payment, self._report.original_message_id,
            *of_payment, answer.status, answer.said, reasons_of(answer.reasons), self._effect(outcome),
        )  # fmt: skip

    def _effect(self, outcome: Outcome) -> str:
        if self.over is not None:
            return self.over
        if outcome.effect != StatusStep.TAKE:
            return outcome.effect
        if outcome.answer.inferred:
            return INFERRED
        return StatusStep.EARLY if self.early else StatusStep.TAKE


def reasons_of(reasons: Sequence[Reason]) -> list[dict[str, str]] | None:
    return [{k: v for k, v in structs.asdict(r).items() if v is not None} for r in reasons] or None
