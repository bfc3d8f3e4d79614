"""status: the morning board."""

from __future__ import annotations

from collections.abc import Sequence
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

if TYPE_CHECKING:
    from rich.text import Text

    from h2h.alarms import Alarm
    from h2h.cli.morning import BankStatus, Folder, Status
    from h2h.gateway import Gateway
    from h2h.ledger.gaps import GapRow
    from h2h.ledger.views import BankRow, FileRow
    from h2h.webhooks.arrears import Arrears

OPEN = ("RECEIVED", "READY", "STAGING", "PUBLISHING")
SOON = timedelta(minutes=30)
REFUSALS = ("Refused", "HostKeyChanged")  # of errors.py
MOST_GAPS = 20  # shown


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
    from h2h.cli.morning import look

    board = look(gateway, found)
    if as_json:
        emit([board])
    else:
        _print(board, gateway)
    return 1 if found else 0


def _print_alarms(found: Sequence[Alarm]) -> None:
    for alarm in found:
        console().print(text(f"ALARM  {alarm.text}", STYLES["UNCERTAIN"]))


def _print(board: Status, gateway: Gateway) -> None:
    out, now = console(), board.at
    pid = board.process
    running = text(f"running (process {pid})", "green") if pid else text("not running", "yellow")
    head = text("h2h  ", "bold").append_text(_environment(board)).append_text(text("  ")).append_text(running)
    out.print(head.append_text(text("  ")).append_text(at(now)))
    out.print()
    table(
        ["bank", "line", "to send", "sent today", "the bank's word", "cut-off", "last statement"],
        [_bank_row(bank, now) for bank in board.banks],
        right=["to send", "sent today"],
    )
    down = [trouble for bank in board.banks if not bank.maintenance_until and (trouble := _trouble(bank, now))]
    for trouble in down:
        out.print(trouble)
    _print_left_alone(board.banks)
    _print_troubles(board)
    _print_webhooks(board.webhooks)
    _print_gaps(board.gaps, now)
    left = [row.urgency.value for row in board.open_alarms if row.taken_by is None]
    _print_open(left)
    out.print()
    broken = any(folder.error or folder.stuck for bank in board.banks for folder in bank.folders)
    wrong = (board.alarms, down, broken, board.troubles, board.webhooks, board.gaps, left, board.attention)
    if not any(wrong):
        out.print(text("Nothing needs attention.", "green"))
    if not board.attention:
        return
    out.print(text(f"Needs attention ({len(board.attention)}):", "bold"))
    table(
        ["id", "state", "bank", "file", "since", "why"],
        [[f.id, word(_why_here(f)), f.bank, f.name, at(f.at), sentence(f.reason)] for f in board.attention],
    )
    _print_doubts(gateway, board.attention)


def _environment(board: Status) -> Text:
    """So that nobody takes the one for the other, in colour or without."""
    if board.environment == "production":
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


def _bank_row(bank: BankStatus, now: datetime) -> list[object]:
    away = bank.maintenance_until
    waiting = sum(bank.states.get(s, 0) for s in OPEN) + sum(f.waiting for f in bank.folders)
    oldest = f" (oldest {span(now - bank.oldest_ready)})" if bank.oldest_ready else ""
    return [
        bank.bank,
        text(f"maintenance until {clock_time(away)}", "yellow") if away else _line(bank, now),
        f"{waiting}{oldest}",
        str(bank.sent_today),
        _verdicts(bank),
        _cut_off(bank.folders, now),
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


def _print_left_alone(banks: Sequence[BankStatus]) -> None:
    out = console()
    for bank in banks:
        for folder in bank.folders:
            if folder.error:
                out.print(text(f"{bank.bank}: {folder.error}", STYLES["FAILED"]))
            for left in folder.stuck:
                out.print(text(f"{bank.bank}: stuck in {folder.watch}: {left.name}, {left.why}", STYLES["FAILED"]))
            for left in folder.incomplete:
                out.print(text(f"{bank.bank}: waits in {folder.watch}: {left.name} ({left.why})", STYLES["HELD"]))
            for left in folder.ignored:
                out.print(text(f"{bank.bank}: left alone in {folder.watch}: {left.name} ({left.why})", "dim"))


def _print_troubles(board: Status) -> None:
    """What does not work in the banks' folders, though the line is up."""
    for trouble in board.troubles:
        what = f"{trouble.bank}: {trouble.place}"
        what += f": {trouble.name}" if trouble.name else ""
        since = f"(since {at(trouble.since).plain})"
        console().print(text(f"{what}: {trouble.text} {since}", STYLES["HELD"]))


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
