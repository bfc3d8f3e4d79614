"""What will become of a file: when it goes, whether it makes the cut-off, when the bank answers, when it is executed.

By the windows that it goes by, the calendars, and how long this bank has taken lately. Pure.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from h2h.calendars import Calendar

SMALL, MUCH_LARGER = 100_000, 10  # bytes; times
USUALLY, ALMOST_ALWAYS = 0.5, 0.95  # of all files


class Prospect(StrEnum):
    MAKES_IT = "MAKES_IT"  # it goes in the window that is open
    NEXT_WINDOW = "NEXT_WINDOW"  # it goes by itself as soon as it may
    TOO_LATE = "TOO_LATE"  # it would be held for a person: the window is closed, or closes before it is there
    AT_ONCE_THOUGH_LATE = "AT_ONCE_THOUGH_LATE"  # by the rule of its folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """In seconds; of so many `files`."""

    usually: float
    almost_always: float
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """Payments that are asked for a day, and the day on which the calendar lets them be executed."""

    asked: date | None
    on: date
    payments: int


def spread(seconds: Sequence[float]) -> Spread | None:
    if not seconds:
        return None
    ordered = sorted(seconds)

    def below(share: float) -> float:
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    return Spread(usually=below(USUALLY), almost_always=below(ALMOST_ALWAYS), files=len(ordered))


def upload(size: int, uploads: Iterable[tuple[int, float]]) -> Spread | None:
    """How long a file of so many bytes takes: what others took, and in proportion where it is larger than they. Of much
    smaller ones nothing follows: most of their time is none of their size."""
    alike = [(other, seconds) for other, seconds in uploads if size <= max(other, SMALL) * MUCH_LARGER]
    return spread([seconds * max(1.0, size / max(other, SMALL)) for other, seconds in alike])


def together(*parts: Spread | None) -> timedelta:
    """What is almost always enough for all of them; nothing for what is not known."""
    return timedelta(seconds=sum(part.almost_always for part in parts if part))


def prospect(
    now: datetime, closes: datetime | None, opens: datetime | None, takes: timedelta, after_cut_off: str
) -> Prospect:
    """`closes`: the end of the window that is open now; `opens`: when it may go by itself, None where a person is asked
    first."""
    if closes is not None and now + takes <= closes:
        return Prospect.MAKES_IT
    if after_cut_off == "send" and (closes is not None or opens is None):
        return Prospect.AT_ONCE_THOUGH_LATE
    late = closes is not None and after_cut_off != "next-window"
    return Prospect.TOO_LATE if late or opens is None else Prospect.NEXT_WINDOW


def executions(asked: Iterable[tuple[date | None, int]], goes_on: date, calendar: Calendar) -> list[Execution]:
    """`asked`: days and how many payments each; `goes_on`: the day, at the bank, on which the file is handed over."""
    counts: Counter[date | None] = Counter()
    for day, payments in asked:
        counts[day] += payments
    rolled = [
        Execution(asked=day, on=calendar.after(max(day or goes_on, goes_on), 0), payments=number)
        for day, number in counts.items()
    ]
    return sorted(rolled, key=lambda each: (each.on, each.asked or date.min))
