"""Cut-offs: files that wait although one is near, files that missed one; and each that passed, once for ever."""

from __future__ import annotations

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
from h2h.lookout.words import call, named, steps, total, utc
from h2h.schedule import Window, closing, closings

GOES = (State.READY, State.STAGING)  # by itself
FOR_A_PERSON = (State.HELD, State.FAILED)
MOMENT = timedelta(minutes=2)  # what came just now is on its way
ACT = "Release, resend or cancel what waits; where the bank cannot be reached, hand it in by another way"


def alarms(
    settings: Settings, files: Sequence[Transfer], contacts: Mapping[str, Contact], now: datetime
) -> Iterator[Alarm]:
    """`files`: those on their way, of banks that the settings know."""
    by_folder = defaultdict(list)
    for file in files:
        if file.state in (*GOES, *FOR_A_PERSON, State.PUBLISHING):
            by_folder[file.bank, file.watch].append(file)
    for bank in settings.banks:
        contact = contacts.get(bank.name)
        for folder in bank.outbound:
            if folder.cut_off is not None:
                waiting = by_folder[bank.name, str(folder.watch)]
                yield from _missed(bank, folder, waiting, now)
                yield from _near(bank, folder, waiting, contact, now)


def _missed(bank: Bank, folder: Outbound, files: Sequence[Transfer], now: datetime) -> Iterator[Alarm]:
    """By the day of the first cut-off that passed each of them by; until they have gone."""
    window, by_day = bank.window(folder), defaultdict[tuple[date, datetime], list[Transfer]](list)
    for file in files:
        if passed := closings(window, file.received_at, now):
            by_day[passed[0]].append(file)
    for (day, at), missed in by_day.items():
        by_itself = folder.after_cut_off != "hold" and all(file.state in GOES for file in missed)
        which = f"the cut-off of {bank.name} on {day} ({utc(at)}) for {folder.watch}"
        text = f"{total(missed)} missed {which}: {named(missed)}."
        yield Alarm(
            word="cut_off_missed",
            bank=bank.name,
            subject=f"{folder.watch} {day}",
            urgency=Urgency.WARNING if by_itself else Urgency.URGENT,
            text=text,
            step="They go by themselves as soon as they may." if by_itself else steps(f"{ACT}.", call(bank)),
        )


def _near(
    bank: Bank, folder: Outbound, files: Sequence[Transfer], contact: Contact | None, now: datetime
) -> Iterator[Alarm]:
    """What will miss the cut-off unless somebody acts: early enough to call the bank."""
    window = bank.window(folder)
    ends = closing(window, now)
    if ends is None or ends - now > folder.warn:
        return
    down = contact is not None and contact.error_class is not None
    waiting = [file for file in files if _waits(file, down, now)]
    halves = _not_complete(folder, now)
    if not waiting and not halves:
        return
    why = f" {bank.name} cannot be reached: {contact.text}" if contact and down else ""
    said = [f"{total(waiting)} wait: {named(waiting)}."] if waiting else []
    said += [f"Not complete in the folder: {halves}."] if halves else []
    yield Alarm(
        word="cut_off_near",
        bank=bank.name,
        subject=f"{folder.watch} {_day(window, ends)}",
        text=f"The cut-off of {bank.name} for {folder.watch} is at {utc(ends)}. {' '.join(said)}{why}",
        step=steps(f"{ACT} (`h2h sent-by-hand ID --how …` notes it).", call(bank)),
    )


def _waits(file: Transfer, down: bool, now: datetime) -> bool:
    return file.state not in GOES or down or file.failures > 0 or now - file.received_at > MOMENT


def _not_complete(folder: Outbound, now: datetime) -> str:
    """Names of what lies in the watched folder and cannot be taken yet."""
    try:
        scan = WatchedFolder(folder, lambda: True).glance(now)
    except FolderError:
        return ""  # told by the intake
    return ", ".join(f"{name} ({why})" for name, why in scan.waiting)


def _day(window: Window, ends: datetime) -> date:
    [(day, _)] = closings(window, ends - timedelta(microseconds=1), ends)
    return day


def note_passed(gateway: Gateway, now: datetime) -> None:
    """Each cut-off that passed is noted once, for ever. Those of a time in which nobody looked become one event."""
    for bank in gateway.settings.banks:
        for folder in bank.outbound:
            if folder.cut_off is not None:
                since = partial(_since, bank.window(folder), now)
                gateway.ledger.cut_offs.passed(bank.name, str(folder.watch), since, now)


def _since(window: Window, now: datetime, last: datetime) -> list[tuple[date, datetime]]:
    return closings(window, last, now)
