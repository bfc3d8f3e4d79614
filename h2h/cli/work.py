"""run, send, pull: what moves files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from h2h.cli.output import as_json, at, emit, ready_gateway, text, word

if TYPE_CHECKING:
    from h2h.config import Bank
    from h2h.desk import Desk
    from h2h.gateway import Gateway
    from h2h.ledger.messages import Message
    from h2h.ledger.rows import Transfer

WEBHOOK_SECONDS = 20.0  # for telling programs of events
PATIENCE_SECONDS = 2.0  # beyond `settle`, for files that are still being written


@click.command()
@click.pass_context
def run(ctx: click.Context) -> None:
    """Run the gateway: watch, send, pull, until SIGTERM.

    Writes its process id to h2h.pid in the data folder and log lines to standard error. Refuses to start beside a
    second one on the same data folder.
    """
    from h2h import lean

    lean.load()
    from h2h.daemon import Daemon
    from h2h.logs import start_logging

    gateway = ready_gateway(ctx)
    start_logging()
    with gateway.running():
        Daemon(gateway).run()


@click.command()
@click.option("--bank", help="Only this bank.")
@as_json
@click.pass_context
def send(ctx: click.Context, bank: str | None, as_json: bool) -> int:
    """Take in what lies in the watched folders, send what is due, and end. For cron and trying out.

    Of what is left it says what will become of it.

    Exit status 1 if a file was refused or could not be sent.
    """
    from h2h.cli.forecasting import foretell
    from h2h.lookout import Lookout

    gateway = ready_gateway(ctx)
    banks = chosen(gateway, bank)
    seen: dict[str, Transfer] = {}

    def told(file: Transfer | Message) -> None:
        seen[file.id] = file  # type: ignore[assignment]
        if not as_json:
            _say(file)

    errors: list[str] = []
    with gateway.running():
        for one in banks:
            desk = gateway.desks[one.name]
            errors += _take_in(gateway, desk, told)
            _is_away(gateway, one)
            desk.hand_over(told)
            desk.hand_back()
        safe_mode = gateway.ledger.restored.safe_mode()
        Lookout(gateway).round()
        _tell_of_alarms(gateway)
        _tell_programs(gateway)
    for error in errors:
        click.echo(f"h2h: {error}", err=True)
    final = [gateway.ledger.transfers.get(transfer_id) for transfer_id in seen]
    if as_json:
        emit(final)
    elif not final:
        click.echo("Nothing to send.")
    for waiting in final if not as_json else ():
        foretell(gateway, waiting.id)
    if safe_mode:
        click.echo("SAFE MODE: nothing was sent; `h2h status` says why and what to do.", err=True)
        return 1
    good = not errors and all(t.state in ("SENT", "READY", "HELD") and not _stuck(t) for t in final)
    return 0 if good else 1


def _stuck(transfer: Transfer) -> bool:
    """Tried, and still waiting: a bank that cannot be reached counts, too, though not as the file's own failure."""
    return transfer.state == "READY" and transfer.attempts > 0


def _take_in(gateway: Gateway, desk: Desk, told: Callable[[Transfer | Message], None]) -> list[str]:
    """Look until every file has settled: one round alone would leave what has just been written.

    The folders' errors, in words.
    """
    import threading

    settle = max((f.settle.total_seconds() for f in desk.bank.outbound if not f.marker), default=0.0)
    end = gateway.clock.monotonic() + settle + PATIENCE_SECONDS
    scans = desk.take_in(told)
    while any(scan.settling for scan in scans) and gateway.clock.monotonic() < end:
        gateway.clock.wait(threading.Event(), 0.2)
        scans = desk.take_in(told)
    return [scan.error for scan in scans if scan.error]


@click.command()
@click.option("--bank", help="Only this bank.")
@as_json
@click.pass_context
def pull(ctx: click.Context, bank: str | None, as_json: bool) -> int:
    """Fetch the banks' answers and statements once, apply them, and end.

    Exit status 1 if a bank could not be asked or a file could not be read.
    """
    from h2h.errors import ChannelError
    from h2h.lookout import Lookout

    gateway = ready_gateway(ctx)
    banks = chosen(gateway, bank)
    seen: list[Message] = []
    failed = False

    def told(file: Transfer | Message) -> None:
        seen.append(file)  # type: ignore[arg-type]
        if not as_json:
            _say(file)

    with gateway.running():
        for one in banks:
            for folder in () if _is_away(gateway, one) else one.inbound:
                try:
                    gateway.desks[one.name].pull(folder, told)
                except ChannelError as error:
                    failed = True
                    click.echo(f"{one.name} {folder.remote}: {error}", err=True)
            gateway.desks[one.name].hand_back()
        gateway.note_overdue(banks)
        Lookout(gateway).round()
        _tell_of_alarms(gateway)
        _tell_programs(gateway)
    if as_json:
        emit(seen)
    elif not seen and not failed:
        click.echo("Nothing new.")
    return 1 if failed or any(m.state == "UNREADABLE" for m in seen) else 0


def _tell_of_alarms(gateway: Gateway) -> None:
    """All that is due, at once, as nobody runs who could gather it. That somebody was not told is logged, and no
    failure of the work."""
    from datetime import timedelta

    from h2h.errors import StoreError

    teller = gateway.teller(gather=timedelta(0))
    if teller is None:
        return
    try:
        teller.round()
    except StoreError as error:
        click.echo(f"h2h: warning: it was not noted who was told of alarms: {error}", err=True)


def _is_away(gateway: Gateway, bank: Bank) -> bool:
    """Whether the bank is in maintenance, which is told."""
    if until := bank.away_until(gateway.clock.now()):
        click.echo(f"{bank.name} is in maintenance until {at(until).plain}: it is not asked.", err=True)
    return until is not None


def _tell_programs(gateway: Gateway) -> None:
    """What has happened, as far as the time lasts; the rest the next time. None of it is a failure of the work."""
    from h2h.errors import H2hError

    end = gateway.clock.monotonic() + WEBHOOK_SECONDS
    try:
        deliverers = gateway.deliverers(lambda: gateway.clock.monotonic() > end)
        for one in deliverers:
            while one.round() == 0.0 and gateway.clock.monotonic() < end:
                pass
            if one.fault:
                click.echo(f"h2h: warning: the webhook {one.name} {one.fault}; it is told the next time.", err=True)
    except H2hError as error:
        click.echo(f"h2h: warning: programs were not told of events: {error}", err=True)


def chosen(gateway: Gateway, name: str | None) -> list[Bank]:
    return [gateway.bank(name)] if name else list(gateway.settings.banks)


def _say(file: Transfer | Message) -> None:
    from h2h.cli.output import console

    line = text("").append_text(text(f"{file.id}  ")).append_text(word(file.state)).append_text(text(f"  {file.name}"))
    console().print(line.append_text(text(f"  {file.reason}", "dim")) if file.reason else line)
