"""status: the morning board."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from h2h.cli.output import STYLES, ago, at, console, emit, open_gateway, span, table, text, word

if TYPE_CHECKING:
    from rich.text import Text

    from h2h.config import Bank
    from h2h.gateway import Gateway
    from h2h.health import Alarm
    from h2h.ledger.views import BankRow, Board, FileRow

OPEN = ("RECEIVED", "READY", "STAGING", "PUBLISHING")
SOON = timedelta(minutes=30)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> int:
    """The morning board: what waits, what went wrong, what the banks said, and when the cut-offs are.

    Exit status 1 where something keeps the gateway from its work: no room, a disk that fails, safe mode.
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
    folders = {bank.name: _folders(bank, now) for bank in gateway.settings.banks}
    if as_json:
        emit([{**_record(gateway, board, folders, now), "alarms": found}])
    else:
        _print(gateway, board, folders, now)


def _folders(bank: Bank, now: datetime) -> list[dict[str, Any]]:
    """What lies in the watched folders, and when each of them closes."""
    from h2h.errors import FolderError
    from h2h.folders import WatchedFolder
    from h2h.schedule import closing, next_opening

    found = []
    for folder in bank.outbound:
        window = bank.window(folder)
        try:
            scan = WatchedFolder(folder).scan(0.0)
            waiting, ignored, error = len(scan.ready) + len(scan.waiting), scan.ignored, None
        except FolderError as problem:
            waiting, ignored, error = 0, (), str(problem)
        closes = closing(window, now) if folder.cut_off else None
        found.append(
            {
                "watch": str(folder.watch),
                "waiting": waiting,
                "ignored": [{"name": name, "why": why} for name, why in ignored],
                "error": error,
                "cut_off": closes,
                "opens": next_opening(window, now) if folder.cut_off and closes is None else None,
            }
        )
    return found


def _record(gateway: Gateway, board: Board, folders: dict[str, Any], now: datetime) -> dict[str, Any]:
    from h2h.records import json_value

    banks = [{**json_value(bank), "folders": folders[bank.bank]} for bank in board.banks]
    return {
        "at": now,
        "environment": gateway.settings.gateway.environment,
        "process": gateway.runs(),
        "banks": banks,
        "attention": board.attention,
    }


def _print(gateway: Gateway, board: Board, folders: dict[str, list[dict[str, Any]]], now: datetime) -> None:
    out = console()
    pid = gateway.runs()
    running = text(f"running (process {pid})", "green") if pid else text("not running", "yellow")
    head = text(f"h2h {gateway.settings.gateway.environment}  ", "bold").append_text(running)
    out.print(head.append_text(text(f"  {now.astimezone():%Y-%m-%d %H:%M:%S}", "dim")))
    out.print()
    table(
        ["bank", "line", "to send", "sent", "the bank's word", "cut-off", "last statement"],
        [_bank_row(bank, folders[bank.bank], now) for bank in board.banks],
        right=["to send", "sent"],
    )
    _print_left_alone(folders)
    out.print()
    if not board.attention:
        out.print(text("Nothing needs attention.", "green"))
        return
    out.print(text(f"Needs attention ({len(board.attention)}):", "bold"))
    table(
        ["id", "state", "bank", "file", "since", "why"],
        [[f.id, word(_trouble(f)), f.bank, f.name, at(f.at), f.reason] for f in board.attention],
    )


def _trouble(file: FileRow) -> str:
    """The word that says why a file is on the board: its state, or the bank's word on it."""
    return file.verdict if file.state == "SENT" and file.verdict else file.state


def _bank_row(bank: BankRow, folders: list[dict[str, Any]], now: datetime) -> list[Any]:
    waiting = sum(bank.states.get(s, 0) for s in OPEN) + sum(f["waiting"] for f in folders)
    oldest = f" (oldest {span(now - bank.oldest_ready)})" if bank.oldest_ready else ""
    return [
        bank.bank,
        _line(bank, now),
        f"{waiting}{oldest}",
        str(bank.states.get("SENT", 0)),
        _verdicts(bank),
        _cut_off(folders, now),
        bank.last_statement or "",
    ]


def _line(bank: BankRow, now: datetime) -> Text:
    if bank.error_class == "Refused":
        return text(f"REFUSED: {bank.error}", STYLES["FAILED"])
    if bank.error_class:
        again = f"; next try in {span(bank.suspended_until - now)}" if bank.suspended_until else ""
        return text(f"DOWN: {bank.error}{again}", STYLES["HELD"])
    return text(f"ok {ago(bank.last_good_at, now)}") if bank.last_good_at else text("not used yet", "dim")


def _verdicts(bank: BankRow) -> Text:
    unanswered = bank.states.get("SENT", 0) - sum(bank.verdicts.values())
    parts = [word(v).append(f" {n}") for v, n in sorted(bank.verdicts.items())]
    if unanswered:
        parts.append(text(f"no answer yet {unanswered}", "cyan"))
    if bank.unreadable:
        parts.append(text(f"UNREADABLE {bank.unreadable}", STYLES["UNREADABLE"]))
    return text("  ").join(parts)


def _cut_off(folders: list[dict[str, Any]], now: datetime) -> Text:
    """The next cut-off, counting down; red when files wait and it is near."""
    closing = min((f["cut_off"] for f in folders if f["cut_off"]), default=None)
    opening = min((f["opens"] for f in folders if f["opens"]), default=None)
    if closing is not None:
        near = closing - now < SOON
        return text(f"in {span(closing - now)} ({closing.astimezone():%H:%M})", STYLES["FAILED"] if near else "")
    return text(f"closed; opens {opening.astimezone():%a %H:%M}", "dim") if opening else text("none", "dim")


def _print_left_alone(folders: dict[str, list[dict[str, Any]]]) -> None:
    out = console()
    for bank, watched in folders.items():
        for folder in watched:
            if folder["error"]:
                out.print(text(f"{bank}: {folder['error']}", STYLES["FAILED"]))
            for left in folder["ignored"]:
                out.print(text(f"{bank}: left alone in {folder['watch']}: {left['name']} ({left['why']})", "dim"))
