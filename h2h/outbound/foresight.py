"""What will become of a file: by the windows of its payments, the calendars, and how long its bank has taken."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from h2h.config import Bank, Outbound
from h2h.forecast import Execution, Prospect, Spread, executions, prospect, spread, together, upload
from h2h.kinds import Kind
from h2h.ledger.timings import Timings
from h2h.schedule import NEVER, Window, all_closing, all_missed, all_opening

MOST_TIMES = 400  # that maintenance may cover an opening, one after the other


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A file, as far as its way depends on it. `batches`: the day that each asks for, and its payments.

    `since`: when it came, or would come; `allowed`: somebody has let it go, "now" or in the "next" window.
    """

    size: int
    kinds: Collection[Kind] | None
    batches: Sequence[tuple[date | None, int]]
    control_sum: Decimal | None
    currencies: Sequence[str]
    since: datetime
    taken: bool = False  # it is in the ledger already
    allowed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """Times are empty where a person is asked first, or where nothing is known.

    `cut_off` ends the window in which it goes (the cut-off less the lead), for the payments named by `cut_off_for`.
    """

    verdict: Prospect
    goes_at: datetime | None
    there_by: datetime | None
    cut_off: datetime | None
    cut_off_for: str
    answer_by: datetime | None
    executions: Sequence[Execution]
    upload: Spread | None
    answer: Spread | None


def foresee(bank: Bank, folder: Outbound, file: Asked, taken: Timings, now: datetime) -> Foreseen:
    windows = bank.windows_for(folder, file.kinds)
    begins = bank.away_until(now) or now  # before that its server is in maintenance
    queue, sending, answer = spread(taken.queues), upload(file.size, taken.uploads), spread(taken.answers)
    takes = together(sending) if file.taken else folder.settle + together(queue, sending)
    patient = folder.after_cut_off == "next-window" or file.allowed is not None
    missed = not patient and bool(all_missed(windows, file.since, begins))
    closes = NEVER if file.allowed == "now" else all_closing(windows, begins)
    since = closes if closes and begins + takes > closes else begins
    opens = None if missed else _goes(bank, windows, since, None if patient else file.since)
    together_once = missed or closes is not None or all_opening(windows, begins) is not None
    after = "next-window" if patient else folder.after_cut_off if together_once else "hold"
    verdict = prospect(begins, closes, opens, takes, after)
    if file.allowed == "now" and all_closing(windows, begins) is None:
        verdict = Prospect.AT_ONCE_THOUGH_LATE
    times = {Prospect.NEXT_WINDOW: opens, Prospect.TOO_LATE: None}
    goes_at = times.get(verdict, begins)
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
        upload=sending,
        answer=answer,
    )


def _goes(bank: Bank, windows: Sequence[Window], since: datetime, came: datetime | None) -> datetime | None:
    """The first instant from `since` on at which all windows are open and the bank's server is there; None where a
    cut-off passes meanwhile by a file that `came` then, and has to ask somebody."""
    at: datetime | None = since
    for _ in range(MOST_TIMES):
        at = all_opening(windows, at) if at else None
        away = bank.away_until(at) if at else None
        if away is None:
            return at
        at = None if came and all_missed(windows, came, away) else away
    return None
