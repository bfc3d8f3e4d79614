"""status: the morning board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from h2h.cli.output import (
    STYLES,
    ago,
    as_json,
    at,
    clock_time,
    console,
    emit,
    open_gateway,
    sentence,
    span,
    table,
    text,
    word,
)
from h2h.records import json_value

if TYPE_CHECKING:
    from rich.text import Text

    from h2h.alarms import Alarm
    from h2h.config import Bank, Outbound
    from h2h.gateway import Gateway
    from h2h.ledger.alarms import AlarmRow
    from h2h.ledger.gaps import GapRow
    from h2h.ledger.transfers import Waiting
    from h2h.ledger.troubles import TroubleRow
    from h2h.ledger.views import BankRow, Board, FileRow
    from h2h.webhooks.arrears import Arrears

OPEN = ("RECEIVED", "READY", "STAGING", "PUBLISHING")
SOON = timedelta(minutes=30)
REFUSALS = ("Refused", "HostKeyChanged")  # of errors.py
MOST_GAPS = 20  # shown


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
class Status:
    """What `status --json` shows."""

    at: datetime
    environment: str
    process: int | None
    banks: Sequence[Mapping[str, object]]
    alarms: Sequence[Alarm]
    troubles: Sequence[TroubleRow]
    gaps: Sequence[GapRow]
    webhooks: Sequence[Arrears]
    open_alarms: Sequence[AlarmRow]
    attention: Sequence[FileRow]


@click.command()
@as_json
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> int:
    """The morning board: what waits, what went wrong, what the banks said, and when the cut-offs are.

    Exit status 1 where it shows an ALARM: no room, a disk that fails, safe mode, a worker in trouble, closings that end
    soon. Alarms that `h2h alarms` lists do not count.
    """
    from h2h.health import alarms

    gateway = open_gateway(ctx)
    found = alarms(gateway)
    if not as_json:
        _print_alarms(found)
    if any(alarm.word == "ledger" for alarm in found):
        if as_json:
            emit([{"at": gateway.clock.now(), "process": gateway.runs(), "alarms": found}])
        return 1
    _board(gateway, found, as_json=as_json)
    return 1 if found else 0


def _print_alarms(found: Sequence[Alarm]) -> None:
    for alarm in found:
        console().print(text(f"ALARM  {alarm.text}", STYLES["UNCERTAIN"]))


def _board(gateway: Gateway, found: Sequence[Alarm], *, as_json: bool) -> None:
    now = gateway.clock.now()
    board = gateway.ledger.views.board([bank.name for bank in gateway.settings.banks], now)
    folders = {bank.name: _folders(gateway, bank, now) for bank in gateway.settings.banks}
    if as_json:
        emit([_status(gateway, board, folders, found, now)])
    else:
        _print(gateway, board, folders, now)


def _folders(gateway: Gateway, bank: Bank, now: datetime) -> list[Folder]:
    """What lies in the watched folders, and when each of them closes."""
    from h2h.errors import FolderError
    from h2h.folders import WatchedFolder
    from h2h.sightings import Scan

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
    from h2h.lifecycle import State
    from h2h.schedule import NEVER, all_closing, all_opening, closing

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


def _status(
    gateway: Gateway, board: Board, folders: Mapping[str, list[Folder]], found: Sequence[Alarm], now: datetime
) -> Status:
    return Status(
        at=now,
        environment=gateway.settings.gateway.environment,
        process=gateway.runs(),
        banks=[
            {
                **json_value(bank),
                **_profile(gateway, bank.bank),
                "maintenance_until": _away(gateway, bank, now),
                "folders": folders[bank.bank],
            }
            for bank in board.banks
        ],
        alarms=found,
        troubles=board.troubles,
        gaps=gateway.gaps(),
        webhooks=_webhooks(gateway, now),
        open_alarms=gateway.ledger.alarms.rows(),
        attention=board.attention,
    )


def _profile(gateway: Gateway, name: str) -> dict[str, str | None]:
    """Which one it is, and whose; of a bank that the settings still name."""
    bank = gateway.settings.bank(name)
    return {"version": bank.version if bank else None, "owner": bank.owner if bank else None}


def _print(gateway: Gateway, board: Board, folders: Mapping[str, list[Folder]], now: datetime) -> None:
    out = console()
    pid = gateway.runs()
    running = text(f"running (process {pid})", "green") if pid else text("not running", "yellow")
    head = text("h2h  ", "bold").append_text(_environment(gateway)).append_text(text("  ")).append_text(running)
    out.print(head.append_text(text("  ")).append_text(at(now)))
    out.print()
    table(
        ["bank", "line", "to send", "sent today", "the bank's word", "cut-off", "last statement"],
        [_bank_row(bank, folders[bank.bank], _away(gateway, bank, now), now) for bank in board.banks],
        right=["to send", "sent today"],
    )
    for bank in board.banks:
        if not _away(gateway, bank, now) and (trouble := _trouble(bank, now)):
            out.print(trouble)
    _print_left_alone(folders)
    _print_troubles(board)
    webhooks = _webhooks(gateway, now)
    _print_webhooks(webhooks)
    gaps = gateway.gaps()
    _print_gaps(gaps, now)
    left = [row.urgency.value for row in gateway.ledger.alarms.rows() if row.taken_by is None]
    _print_open(left)
    out.print()
    broken = any(f.error or f.stuck for watched in folders.values() for f in watched)
    if not board.attention and not board.troubles and not gaps and not broken and not webhooks and not left:
        out.print(text("Nothing needs attention.", "green"))
    if not board.attention:
        return
    out.print(text(f"Needs attention ({len(board.attention)}):", "bold"))
    table(
        ["id", "state", "bank", "file", "since", "why"],
        [[f.id, word(_why_here(f)), f.bank, f.name, at(f.at), sentence(f.reason)] for f in board.attention],
    )
    _print_doubts(gateway, board.attention)


def _environment(gateway: Gateway) -> Text:
    """So that nobody takes the one for the other, in colour or without."""
    if gateway.settings.gateway.environment == "production":
        return text(" PRODUCTION ", "bold white on red")
    return text("test, no real payments", "bold cyan")


def _print_open(left: Sequence[str]) -> None:
    """How urgent the alarms are that the gateway has noted and nobody has taken."""
    if left:
        counts = ", ".join(f"{left.count(word)} {word}" for word in ("urgent", "warning", "notice") if word in left)
        style = STYLES["FAILED"] if "urgent" in left else STYLES["HELD"]
        console().print()
        console().print(text(f"Alarms that nobody has taken: {counts}. `h2h alarms` says what to do.", style))


def _print_doubts(gateway: Gateway, attention: Sequence[FileRow]) -> None:
    """For what is UNCERTAIN: the evidence, and what is safe to do."""
    from h2h.lifecycle import State
    from h2h.outbound.advice import against, next_steps

    out = console()
    for file in attention:
        if file.state == State.UNCERTAIN:
            case = gateway.ledger.cases.of(file.id)
            out.print()
            out.print(text(f"{file.id}: the bank may have it.", STYLES["UNCERTAIN"]))
            for line in [*against(case), *next_steps(case)]:
                out.print(sentence(f"  - {line}"))


def _why_here(file: FileRow) -> str:
    """The word that says why a file is on the board: its state, or the bank's word on it."""
    return file.verdict if file.state == "SENT" and file.verdict else file.state


def _away(gateway: Gateway, bank: BankRow, now: datetime) -> datetime | None:
    return gateway.bank(bank.bank).away_until(now)


def _bank_row(bank: BankRow, folders: Sequence[Folder], away: datetime | None, now: datetime) -> list[object]:
    waiting = sum(bank.states.get(s, 0) for s in OPEN) + sum(f.waiting for f in folders)
    oldest = f" (oldest {span(now - bank.oldest_ready)})" if bank.oldest_ready else ""
    return [
        bank.bank,
        text(f"maintenance until {clock_time(away)}", "yellow") if away else _line(bank, now),
        f"{waiting}{oldest}",
        str(bank.sent_today),
        _verdicts(bank),
        _cut_off(folders, now),
        bank.last_statement or "",
    ]


def _line(bank: BankRow, now: datetime) -> Text:
    """A word on the line; what is wrong with it stands below the table."""
    if bank.error_class:
        return text("REFUSED", STYLES["FAILED"]) if bank.error_class in REFUSALS else text("DOWN", STYLES["HELD"])
    return text(f"ok {ago(bank.last_good_at, now)}") if bank.last_good_at else text("not used yet", "dim")


def _trouble(bank: BankRow, now: datetime) -> Text | None:
    if not bank.error_class:
        return None
    tries = f" after {bank.failures} tries" if bank.failures > 1 else ""
    good = f"; last reached {ago(bank.last_good_at, now)}" if bank.last_good_at else "; never reached yet"
    waits = bank.suspended_until is not None and bank.suspended_until > now
    again = f"; next try in {span(bank.suspended_until - now)}" if bank.suspended_until and waits else ""
    state = _line(bank, now)
    line = text(f"{bank.bank}: ").append_text(state).append_text(text(f"{tries}{good}{again}. "))
    return line.append_text(sentence(bank.error))


def _verdicts(bank: BankRow) -> Text:
    """On what was sent today; and all that the banks have not answered yet, of whatever day."""
    parts = [word(v).append(f" {n}") for v, n in sorted(bank.verdicts_today.items())]
    if bank.unanswered:
        parts.append(text(f"no answer yet {bank.unanswered}", "cyan"))
    if bank.unreadable:
        parts.append(text(f"UNREADABLE {bank.unreadable}", STYLES["UNREADABLE"]))
    return text("  ").join(parts)


def _cut_off(folders: Sequence[Folder], now: datetime) -> Text:
    """The next cut-off, counting down; red when files wait and it is near."""
    closing = min(((f.cut_off, f.cut_off_for or "") for f in folders if f.cut_off), default=None)
    opening = min((f.opens for f in folders if f.opens), default=None)
    if closing is not None:
        end, payments = closing
        what = f"{clock_time(end)}, {payments}" if payments else clock_time(end)
        return text(f"in {span(end - now)} ({what})", STYLES["FAILED"] if end - now < SOON else "")
    return (
        text(f"closed; opens {opening.astimezone():%a} {clock_time(opening)}", "dim")
        if opening
        else text("none", "dim")
    )


def _print_left_alone(folders: Mapping[str, list[Folder]]) -> None:
    out = console()
    for bank, watched in folders.items():
        for folder in watched:
            if folder.error:
                out.print(text(f"{bank}: {folder.error}", STYLES["FAILED"]))
            for left in folder.stuck:
                out.print(text(f"{bank}: stuck in {folder.watch}: {left.name}, {left.why}", STYLES["FAILED"]))
            for left in folder.incomplete:
                out.print(text(f"{bank}: waits in {folder.watch}: {left.name} ({left.why})", STYLES["HELD"]))
            for left in folder.ignored:
                out.print(text(f"{bank}: left alone in {folder.watch}: {left.name} ({left.why})", "dim"))


def _print_troubles(board: Board) -> None:
    """What does not work in the banks' folders, though the line is up."""
    for trouble in board.troubles:
        what = f"{trouble.bank}: {trouble.place}"
        what += f": {trouble.name}" if trouble.name else ""
        since = f"(since {at(trouble.since).plain})"
        console().print(text(f"{what}: {trouble.text} {since}", STYLES["HELD"]))


def _webhooks(gateway: Gateway, now: datetime) -> list[Arrears]:
    """Programs that do not take the events that they are told of."""
    from h2h.webhooks.arrears import failing

    return failing(gateway.settings.webhooks, gateway.ledger.webhooks, now) if gateway.settings.webhooks else []


def _print_webhooks(webhooks: Sequence[Arrears]) -> None:
    from h2h.webhooks.arrears import sentence as of_arrears

    for arrears in webhooks:
        console().print(text(of_arrears(arrears), STYLES["HELD"]))


def _print_gaps(gaps: Sequence[GapRow], now: datetime) -> None:
    """What is missing among the statements, the oldest first."""
    from h2h.cli.statements import gap_row

    if not gaps:
        return
    out = console()
    out.print()
    out.print(text(f"Missing among the statements ({len(gaps)}):", "bold"))
    rows = [(gap_row(gap), span(now - gap.since)) for gap in gaps[:MOST_GAPS]]
    table(
        ["bank", "account", "gap", "for", "what is missing, and what to do"], [[*r[:3], age, r[4]] for r, age in rows]
    )
    if len(gaps) > MOST_GAPS:
        out.print(text(f"and {len(gaps) - MOST_GAPS} more: h2h statements --gaps"))
