"""What a bank owes us after a file was handed over: which answers, and by when. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum

from h2h.schedule import Hours
from h2h.verdicts import STATION


class AnswerStage(StrEnum):
    """How far the bank's answers have come, one after the other. What is booked is asked of the statements."""

    RECEIVED = "received"  # the bank said anything of the file
    SYNTAX = "syntax"  # its form was taken, or it was refused
    BATCH = "batch"  # every batch was spoken of
    PAYMENT = "payment"  # every payment is accepted or refused


MEANS = {
    AnswerStage.RECEIVED: "any answer",
    AnswerStage.SYNTAX: "its word on the form of the file",
    AnswerStage.BATCH: "its word on each batch",
    AnswerStage.PAYMENT: "its word on each payment",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """An answer that a contract asks for: `within` so much of the bank's time, or `by` a time so many open `days` on.

    `warn`: so long before that somebody is told; of the bank's time, where that is what counts.
    """

    stage: AnswerStage
    hours: Hours
    within: timedelta | None = None
    days: int = 0
    by: time | None = None
    warn: timedelta = timedelta(0)

    def due(self, sent_at: datetime) -> datetime:
        if self.within is not None:
            return self.hours.after(sent_at, self.within)
        assert self.by is not None
        at = self.hours.on_day(sent_at, self.days, self.by)
        return at if at > sent_at else self.hours.on_day(sent_at, self.days + 1, self.by)

    def warns(self, sent_at: datetime) -> datetime:
        """When it is told that the answer is due soon; with no time to warn, when it is late."""
        if self.within is not None:
            return self.hours.after(sent_at, max(timedelta(0), self.within - self.warn))
        return self.due(sent_at) - self.warn


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """An answer that has not come, and is late or will be soon."""

    stage: AnswerStage
    due: datetime
    late: bool


def reached(statuses: Collection[str | None], silent_batches: int, *, answered: bool) -> frozenset[AnswerStage]:
    """How far the answers have come. `statuses`: of the file's payments, None for those of which nothing was said;
    `answered`: the bank has spoken of the file, if only in part."""
    stations = {STATION.get(status, 0) if status else 0 for status in statuses}
    lowest = min(stations, default=0)
    found = {AnswerStage.RECEIVED} if answered else set()
    found |= {AnswerStage.SYNTAX} if lowest >= STATION["ACTC"] else set()
    found |= {AnswerStage.BATCH} if answered and not silent_batches else set()
    found |= {AnswerStage.PAYMENT} if lowest >= STATION["ACCP"] else set()
    return frozenset(found)


def missing(
    contract: Sequence[Owed], sent_at: datetime, there: Collection[AnswerStage], now: datetime
) -> Iterator[Missing]:
    """What has not come and is due, or nearly. A later stage that was reached stands for those before it."""
    order = list(AnswerStage)
    furthest = max((order.index(stage) for stage in there), default=-1)
    for owed in contract:
        if order.index(owed.stage) > furthest and owed.warns(sent_at) <= now:
            due = owed.due(sent_at)
            yield Missing(stage=owed.stage, due=due, late=due <= now)
