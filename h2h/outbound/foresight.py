"""What will become of a file: by the windows of its payments, the calendars, and how long its bank has taken."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from h2h.config import Bank, Outbound
from h2h.forecast import Execution, Outlook, Spread, executions, outlook, spread, together, upload
from h2h.kinds import Kind
from h2h.ledger.timings import Timings
from h2h.schedule import NEVER, all_closing, all_missed, all_opening


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A file, as far as its way depends on it. `batches`: the day that each asks for, and its payments.

    `since`: when it came, or would come; `at_once`: somebody has let it go in spite of its cut-off.
    """

    size: int
    kinds: Collection[Kind] | None
    batches: Sequence[tuple[date | None, int]]
    control_sum: Decimal | None
    currencies: Sequence[str]
    since: datetime
    taken: bool = False  # it is in the ledger already
    at_once: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """Times are empty where a person is asked first, or where nothing is known. `almost`: for nineteen of twenty files.

    `cut_off` ends the window in which it goes (the cut-off less the lead), for the payments named by `cut_off_for`.
    """

    verdict: Outlook
    goes_at: datetime | None
    there_by: datetime | None
    cut_off: datetime | None
    cut_off_for: str
    answer_by: datetime | None
    executions: Sequence[Execution]
    queue: Spread | None
    upload: Spread | None
    answer: Spread | None


def foresee(bank: Bank, folder: Outbound, file: Asked, taken: Timings, now: datetime) -> Foreseen:
    windows = bank.windows_for(folder, file.kinds)
    queue, sending, answer = spread(taken.queues), upload(file.size, taken.uploads), spread(taken.answers)
    settling = timedelta(0) if file.taken else folder.settle
    takes = settling + together(queue if not file.taken else None, sending)
    asks_first = folder.after_cut_off != "next-window" and all_missed(windows, file.since, now)
    opens = None if asks_first else all_opening(windows, now)
    closes = NEVER if file.at_once else all_closing(windows, now)
    verdict = outlook(now, closes, opens, takes, folder.after_cut_off)
    goes_at = _goes_at(verdict, now, closes, opens, bank, folder, file)
    there_by = goes_at + takes if goes_at else None
    ends = [(end, w.payments) for w in windows if goes_at and (end := all_closing([w], goes_at)) and end < NEVER]
    cut_off, payments = min(ends, default=(None, ""))
    return Foreseen(
        verdict=verdict,
        goes_at=goes_at,
        there_by=there_by,
        cut_off=cut_off,
        cut_off_for=payments,
        answer_by=there_by + together(answer) if there_by and answer else None,
        executions=executions(file.batches, bank.today(goes_at), bank.open_days) if goes_at else (),
        queue=queue,
        upload=sending,
        answer=answer,
    )


def _goes_at(
    verdict: Outlook,
    now: datetime,
    closes: datetime | None,
    opens: datetime | None,
    bank: Bank,
    folder: Outbound,
    file: Asked,
) -> datetime | None:
    match verdict:
        case Outlook.MAKES_IT | Outlook.AT_ONCE_THOUGH_LATE:
            return now
        case Outlook.NEXT_WINDOW if closes is not None:  # there is no time for it in the window that is open
            return all_opening(bank.windows_for(folder, file.kinds), closes)
        case Outlook.NEXT_WINDOW:
            return opens
        case Outlook.TOO_LATE:
            return None
