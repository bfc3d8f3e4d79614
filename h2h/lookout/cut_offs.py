"""Cut-offs: files that wait although one is near, files that missed one; and each that passed, once for ever."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import partial

from h2h.alarms import Alarm, Urgency
from h2h.config import Bank, Outbound, Settings
from h2h.errors import FolderError
from h2h.folders import WatchedFolder
from h2h.gateway import Gateway
from h2h.ledger.outlook import Contact
from h2h.ledger.rows import Transfer
from h2h.lifecycle import State
from h2h.lookout.words import NAMED, call, named, steps, total, utc
from h2h.schedule import Window, all_closing, closing, closings

GOES = (State.RECEIVED, State.READY, State.STAGING)  # by itself
WAITING = (*GOES, State.PUBLISHING, State.HELD, State.FAILED)
LONGEST_AWAY = timedelta(days=1)  # maintenance before a cut-off, as far as it is looked back
MOMENT = timedelta(minutes=2)  # what came just now is on its way
ACT = "Release, resend or cancel what waits; where the bank cannot be reached, hand it in by another way"


def alarms(
    settings: Settings, files: Sequence[Transfer], contacts: Mapping[str, Contact], now: datetime
) -> Iterator[Alarm]:
    """`files`: those on their way, of banks that the settings know."""
    for bank, folder, windows in _with_cut_offs(settings):
        waiting = [
            (file, bank.windows_for(folder, file.kinds))
            for file in files
            if (file.bank, file.watch) == (bank.name, str(folder.watch)) and file.state in WAITING
        ]
        yield from _missed(bank, folder, waiting, now)
        yield from _near(bank, folder, windows, waiting, contacts.get(bank.name), now)


def _with_cut_offs(settings: Settings) -> Iterator[tuple[Bank, Outbound, list[Window]]]:
    for bank in settings.banks:
        for folder in bank.outbound:
            windows = [window for window in bank.windows_for(folder, None) if window.cut_off is not None]
            if windows:
                yield bank, folder, windows


def _missed(
    bank: Bank, folder: Outbound, files: Sequence[tuple[Transfer, list[Window]]], now: datetime
) -> Iterator[Alarm]:
    """By the first cut-off that passed each of them by; until they have gone."""
    groups = defaultdict[tuple[datetime, date, str], list[Transfer]](list)
    for file, windows in files:
        passed = [(at, day, w.payments) for w in windows for day, at in closings(w, file.received_at, now)[:1]]
        if passed:
            groups[min(passed)].append(file)
    for (at, day, payments), missed in groups.items():
        let_go = folder.after_cut_off != "hold"
        by_itself = all(file.state in GOES and (let_go or file.late_allowed) for file in missed)
        which = f"the cut-off{_for(payments)} of {bank.name} on {day} ({utc(at)}), from {folder.watch}"
        yield Alarm(
            word="cut_off_missed",
            bank=bank.name,
            subject=_subject(folder, payments, day),
            urgency=Urgency.WARNING if by_itself else Urgency.URGENT,
            text=f"{total(missed)} missed {which}: {named(missed)}.",
            step="They go by themselves as soon as they may." if by_itself else steps(f"{ACT}.", call(bank)),
        )


def _near(
    bank: Bank,
    folder: Outbound,
    windows: Sequence[Window],
    files: Sequence[tuple[Transfer, list[Window]]],
    contact: Contact | None,
    now: datetime,
) -> Iterator[Alarm]:
    """What will miss a cut-off unless somebody acts: early enough to call the bank."""
    ends = [(end, w) for w in windows if (end := closing(w, now)) and _reachable_until(bank, end) - now <= folder.warn]
    down = contact is not None and contact.error_class is not None
    late = [(file, by) for file, by in files if all_closing(by, now) and _waits(file, down, now)]
    why = f" {bank.name} cannot be reached: {contact.text}" if contact and down else ""
    halves = _not_complete(folder, now) if ends else ""
    for end, window in sorted(ends, key=lambda each: each[0]):
        waiting = [file for file, by in late if window in by]
        said = [f"{total(waiting)} wait: {named(waiting)}."] if waiting else []
        said += [f"Not complete in the folder: {halves}."] if halves else []
        if said:
            which = f"The cut-off{_for(window.payments)} of {bank.name}, from {folder.watch}, is at {utc(end)}."
            last = _reachable_until(bank, end)
            which += f" Its server is in maintenance before that, from {utc(last)} on." if last < end else ""
            yield Alarm(
                word="cut_off_near",
                bank=bank.name,
                urgency=Urgency.URGENT if waiting else Urgency.WARNING,
                subject=_subject(folder, window.payments, _day(window, end)),
                text=f"{which} {' '.join(said)}{why}",
                step=steps(f"{ACT} (`h2h sent-by-hand ID --how …` notes it).", call(bank)),
            )


def _for(payments: str) -> str:
    return f" for {payments}" if payments else ""


def _subject(folder: Outbound, payments: str, day: date) -> str:
    return " ".join(filter(None, (str(folder.watch), payments, str(day))))


def _waits(file: Transfer, down: bool, now: datetime) -> bool:
    return file.state not in GOES or down or file.failures > 0 or now - file.received_at > MOMENT


def _not_complete(folder: Outbound, now: datetime) -> str:
    """Names of what lies in the watched folder and cannot be taken yet."""
    try:
        scan = WatchedFolder(folder, lambda: True).glance(now)
    except FolderError:
        return ""  # told by the intake
    told = [f"{name} ({why})" for name, why in scan.waiting[:NAMED]]
    return ", ".join([*told, "…"] if len(scan.waiting) > NAMED else told)


def _reachable_until(bank: Bank, end: datetime) -> datetime:
    """`end`, or the minute at which the maintenance begins that lasts up to it."""
    last, earliest = end, end - LONGEST_AWAY
    while last > earliest and bank.away_until(last - timedelta(seconds=1)):
        last -= timedelta(minutes=1)
    return last


def _day(window: Window, ends: datetime) -> date:
    [(day, _)] = closings(window, ends - timedelta(microseconds=1), ends)
    return day


def note_passed(gateway: Gateway, files: Sequence[Transfer], now: datetime) -> None:
    """Each cut-off that passed is noted once, for ever. Those of a time in which nobody looked become one event."""
    for bank, folder, windows in _with_cut_offs(gateway.settings):
        here = [
            (file.received_at, bank.windows_for(folder, file.kinds))
            for file in files
            if (file.bank, file.watch) == (bank.name, str(folder.watch)) and file.state in WAITING
        ]
        for window in windows:
            left = partial(bisect_left, sorted(at for at, by in here if window in by))
            channel = " ".join(filter(None, (str(folder.watch), window.payments)))
            gateway.ledger.cut_offs.passed(bank.name, channel, partial(_since, window, now), left, now)


def _since(window: Window, now: datetime, last: datetime) -> list[tuple[date, datetime]]:
    return closings(window, last, now)
