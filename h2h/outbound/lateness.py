"""When a transfer may go by the windows of its payments, and what is said where it is too early or too late.

A file is never split: it goes while the windows of all of its payments are open, and is late as soon as it missed one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from zoneinfo import ZoneInfo

from h2h.ledger.rows import Transfer
from h2h.schedule import Window, all_closing, all_missed, all_opening, cut_off_on, last_closing

RELEASE = "release it for the next window, or with --now"
NEVER = "drop its payments in files of their own, or release it with --now"


class Lateness:
    """Of one transfer at one moment. `after`: what its folder has done with late files, as in `after_cut_off`."""

    def __init__(self, windows: Sequence[Window], after: str, transfer: Transfer, now: datetime) -> None:
        self._windows, self.after, self._transfer, self._now = windows, after, transfer, now

    def opening(self) -> datetime | None:
        """When it may go: now, later, or (None) not before somebody, or the folder's rule, has allowed it."""
        if self._transfer.late_allowed == "now" or all_closing(self._windows, self._now):
            return self._now
        asks = self.after != "next-window" and self._transfer.late_allowed is None
        return None if asks and self.missed else all_opening(self._windows, self._now)

    @cached_property
    def missed(self) -> Sequence[Window]:
        return all_missed(self._windows, self._transfer.received_at, self._now)

    def waits(self, opening: datetime) -> str:
        what = "the window opens" if len(self._windows) == 1 else "all windows for its payments are open"
        return f"{what} at {opening:%Y-%m-%d %H:%M} UTC"

    def held(self) -> str:
        """Why a person is asked."""
        if self.missed and all_opening(self._windows, self._now):
            return f"{self.passed()}; {RELEASE}"
        which = " and for ".join(window.payments or "all other payments" for window in self._windows)
        return f"the windows for {which} are never open at one time; {NEVER}"

    def passed(self) -> str:
        verb = "has" if len(self.missed) == 1 else "have"
        return f"{' and '.join(_cut_off(window, self._now) for window in self.missed)} {verb} passed"


def _cut_off(window: Window, now: datetime) -> str:
    """The one that came last."""
    last = last_closing(window, now)
    assert last
    cut_off = cut_off_on(window, (last + window.lead).astimezone(ZoneInfo(window.timezone)).date())
    early = "" if cut_off == window.cut_off else ", early on this day,"
    payments = f" for {window.payments}" if window.payments else ""
    return f"the cut-off{payments} at {cut_off:%H:%M} ({window.timezone}){early}"
