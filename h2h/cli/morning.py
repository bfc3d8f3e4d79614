"""What the morning board shows, found out once, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING

from h2h.errors import FolderError
from h2h.folders import WatchedFolder
from h2h.ledger.views import BankRow, FileRow
from h2h.lifecycle import State
from h2h.schedule import NEVER, all_closing, all_opening, closing
from h2h.sightings import Scan

if TYPE_CHECKING:
    from h2h.alarms import Alarm
    from h2h.config import Bank, Outbound
    from h2h.gateway import Gateway
    from h2h.ledger.alarms import AlarmRow
    from h2h.ledger.gaps import GapRow
    from h2h.ledger.transfers import Waiting
    from h2h.ledger.troubles import TroubleRow
    from h2h.webhooks.arrears import Arrears


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What lies in a watched folder and is not taken."""

    name: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A watched folder: what lies in it, and when the windows of what waits close, or open; and the first for which
    payments, where it has several."""

    watch: str
    waiting: int
    incomplete: tuple[Told, ...]
    stuck: tuple[Told, ...]
    ignored: tuple[Told, ...]
    error: str | None
    cut_off: datetime | None
    cut_off_for: str | None
    opens: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BankStatus(BankRow):
    """A bank with its profile, which one it is and whose, and its folders."""

    version: str | None
    owner: str | None
    maintenance_until: datetime | None
    folders: Sequence[Folder]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """As `status --json` shows it."""

    at: datetime
    environment: str
    process: int | None
    banks: Sequence[BankStatus]
    alarms: Sequence[Alarm]
    troubles: Sequence[TroubleRow]
    gaps: Sequence[GapRow]
    webhooks: Sequence[Arrears]
    open_alarms: Sequence[AlarmRow]
    attention: Sequence[FileRow]


def look(gateway: Gateway, alarms: Sequence[Alarm]) -> Status:
    """`alarms`: what keeps the gateway from its work."""
    now = gateway.clock.now()
    board = gateway.ledger.views.board([bank.name for bank in gateway.settings.banks], now)
    return Status(
        at=now,
        environment=gateway.settings.gateway.environment,
        process=gateway.runs(),
        banks=[_bank(gateway, row, now) for row in board.banks],
        alarms=alarms,
        troubles=board.troubles,
        gaps=gateway.gaps(),
        webhooks=_webhooks(gateway, now),
        open_alarms=gateway.ledger.alarms.rows(),
        attention=board.attention,
    )


def _bank(gateway: Gateway, row: BankRow, now: datetime) -> BankStatus:
    bank = gateway.bank(row.bank)
    return BankStatus(
        **{field.name: getattr(row, field.name) for field in fields(row)},
        version=bank.version,
        owner=bank.owner,
        maintenance_until=bank.away_until(now),
        folders=_folders(gateway, bank, now),
    )


def _folders(gateway: Gateway, bank: Bank, now: datetime) -> list[Folder]:
    """What lies in the watched folders, and when each of them closes."""
    found, waiting = [], gateway.ledger.transfers.kinds_waiting(bank.name)
    for folder in bank.outbound:
        watch = str(folder.watch)
        watched = WatchedFolder(folder, lambda watch=watch: gateway.ledger.transfers.taken_from(watch))  # type: ignore[misc]
        try:
            scan, stuck = watched.glance(now), watched.stuck(now)
        except FolderError as problem:
            scan, stuck = Scan(error=str(problem)), ()
        there = len(scan.ready) + len(scan.waiting)
        closes, payments, opens = _times(bank, folder, [w for w in waiting if w.watch == watch], there, now)
        found.append(
            Folder(
                watch=watch,
                waiting=there,
                incomplete=_named(scan.waiting),
                stuck=_named(stuck),
                ignored=_named(scan.ignored),
                error=scan.error,
                cut_off=closes,
                cut_off_for=payments,
                opens=opens,
            )
        )
    return found


def _times(
    bank: Bank, folder: Outbound, waiting: Sequence[Waiting], there: int, now: datetime
) -> tuple[datetime | None, str | None, datetime | None]:
    """Of what waits: the next cut-off, for which payments it is, or else the next opening. What is held counts while
    its windows are open; of files that lie `there` nobody knows yet what is in them."""
    held = [bank.windows_for(folder, each.kinds) for each in waiting if each.state is State.HELD]
    files = [bank.windows_for(folder, each.kinds) for each in waiting if each.state is not State.HELD]
    files += [bank.windows_for(folder, None)] if there else []
    files = files + [windows for windows in held if all_closing(windows, now)] or [[bank.window(folder)]]
    running = [window for windows in files if all_closing(windows, now) for window in windows]
    ends = [(end, window.payments) for window in running if (end := closing(window, now)) and end < NEVER]
    if ends:
        closes, payments = min(ends)
        return closes, payments or None, None
    openings = [opening for windows in files if (opening := all_opening(windows, now)) and opening > now]
    return None, None, min(openings, default=None)


def _named(told: Sequence[tuple[str, str]]) -> tuple[Told, ...]:
    return tuple(Told(name=name, why=why) for name, why in told)


def _webhooks(gateway: Gateway, now: datetime) -> list[Arrears]:
    """Programs that do not take the events that they are told of."""
    from h2h.webhooks.arrears import failing

    return failing(gateway.settings.webhooks, gateway.ledger.webhooks, now) if gateway.settings.webhooks else []
