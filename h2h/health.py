"""What `status` says before all else: why the gateway may be unable to do its work, although the ledger looks good.
It asks the disk itself, since a gateway that cannot write cannot note that either. And what `h2h health` asks besides:
whether it runs, and turns.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from h2h import heartbeat, trouble
from h2h.alarms import Alarm, Urgency
from h2h.config import Bank
from h2h.errors import StoreError
from h2h.gateway import Gateway

CALENDAR_ENDS_WITHIN = timedelta(days=90)
SAFE_MODE = (
    "The ledger is older than what happened, so nothing new is sent. Ask each bank about every file that is UNCERTAIN "
    "and use `h2h resolve`; then `h2h journal accept --reason …` lets the gateway send again. It noticed: {signs}."
)


def alarms(gateway: Gateway) -> list[Alarm]:
    """Everything that keeps the gateway from its work, or will do so soon; empty where nothing does."""
    found = [_disk(gateway.data), _room(gateway), _safe_mode(gateway), *_left_behind(gateway)]
    found += [_calendar(bank, gateway.clock.now()) for bank in gateway.settings.banks]
    found += [_folder(folder) for bank in gateway.settings.banks for folder in _written_to(bank)]
    if gateway.runs():
        since = trouble.noted(gateway.trouble_file)
        found += [
            Alarm(word="trouble", subject=t.where, text=f"{t.where}, since {t.since:%Y-%m-%d %H:%M} UTC: {t.text}")
            for t in since
        ]
    return [alarm for alarm in found if alarm]


def ailments(gateway: Gateway) -> list[Alarm]:
    """Why nobody may count on the running gateway; empty where all is well. What is only to be read is no reason."""
    found = [alarm for alarm in alarms(gateway) if alarm.urgency is not Urgency.NOTICE and not _of_a_recipient(alarm)]
    return [*_stands_still(gateway), *found]


def _of_a_recipient(alarm: Alarm) -> bool:
    """That somebody cannot be told of alarms is nothing that a new start would mend."""
    return alarm.word == "trouble" and alarm.subject.startswith("alerts ")


def _stands_still(gateway: Gateway) -> list[Alarm]:
    process = gateway.runs()
    if process is None:
        return [Alarm(word="not_running", text=f"No gateway runs on {gateway.data}.")]
    beat = heartbeat.noted(gateway.heartbeat_file, process)
    if beat is None:
        text = f"Process {process} holds {gateway.data} and did not turn yet: it starts, or is a `send` or `pull`."
        return [Alarm(word="starting", text=text)]
    return [Alarm(word="hangs", text=text) for text in beat.faults(gateway.clock.monotonic())]


def _disk(data: Path) -> Alarm | None:
    """Write a little and sync it, as the gateway has to; somebody who may not is no sign of anything."""
    probe = data / f".h2h-probe-{os.getpid()}-{threading.get_ident()}"
    try:
        handle = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, bytes(4096))
            os.fsync(handle)
        finally:
            os.close(handle)
            probe.unlink()
    except OSError as error:
        if error.errno == errno.EACCES:
            return None
        return Alarm(word="data", text=f"The data folder {data} cannot be written: {error.strerror}. Nothing is sent.")
    return None


def _room(gateway: Gateway) -> Alarm | None:
    short = gateway.archive.shortage()
    return Alarm(word="room", text=short) if short else None


def _safe_mode(gateway: Gateway) -> Alarm | None:
    try:
        restored = gateway.ledger.restored
        mode = restored.safe_mode()
    except StoreError as error:
        return Alarm(word="ledger", text=str(error))
    signs = mode.signs if mode else [restored.sign] if restored.sign else []
    return Alarm(word="safe_mode", text=SAFE_MODE.format(signs="; ".join(signs))) if signs else None


def _left_behind(gateway: Gateway) -> Iterator[Alarm]:
    """Files that no part of the settings brings to an end any more: a bank was renamed, a watched folder moved."""
    known = {(bank.name, str(folder.watch)) for bank in gateway.settings.banks for folder in bank.outbound}
    try:
        under_way = gateway.ledger.transfers.under_way()
    except StoreError:
        return  # told already, with safe mode
    for bank, watch, number in under_way:
        if (bank, watch) not in known:
            text = (
                f"{number} file(s) of {bank} from {watch} have not come to an end, and the settings name no such bank "
                "with such a folder: nothing is done with them. Put it back until they have."
            )
            yield Alarm(word="left_behind", bank=bank, subject=watch, text=text)


def _calendar(bank: Bank, now: datetime) -> Alarm | None:
    until = bank.closings.until
    if until is None or until - bank.today(now) > CALENDAR_ENDS_WITHIN:
        return None
    text = f"The closings of {bank.name} are known until {until} only; add what the bank has announced since."
    return Alarm(word="calendar", bank=bank.name, urgency=Urgency.NOTICE, text=text)


def _written_to(bank: Bank) -> list[Path]:
    watched = [f for o in bank.outbound for f in (o.watch, o.watch / o.processed, o.watch / o.rejected)]
    told = [o.status for o in bank.outbound if o.status]
    return watched + told + [i.deliver for i in bank.inbound if i.deliver]


def _folder(folder: Path) -> Alarm | None:
    """One that is there and cannot be written; one that is missing is told elsewhere, or made when needed."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    if found.f_flag & os.ST_RDONLY:
        text = f"{folder} is on a disk that can only be read."
        return Alarm(word="folder", subject=str(folder), text=text)
    if found.f_blocks and not found.f_bavail:
        return Alarm(word="folder", subject=str(folder), text=f"The disk of {folder} is full.")
    return None
