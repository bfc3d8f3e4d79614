"""resend, release, hold, cancel, resolve, reread: what people decide, with a reason and their name."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from h2h.cli.output import as_json, console, emit, open_gateway, text, word
from h2h.model import InboundId

if TYPE_CHECKING:
    from h2h.ledger.messages import Message
    from h2h.ledger.transfers import Transfer
    from h2h.outbound.decisions import Decisions

reason = click.option("--reason", required=True, help="Why; stands in the journal.")
Act = Callable[["Decisions", str, str], "Transfer"]
"""(decisions, transfer id, who decides) -> the transfer as it is now."""
transfer_id = click.argument("transfer", metavar="ID")


def person(data: Path) -> str:
    """Who sits at the keyboard: the user of the operating system, and behind sudo the one who called it.

    SUDO_USER counts for root and for the gateway's own user alone: in an account of one's own it is only a claim.
    """
    user = pwd.getpwuid(os.getuid()).pw_name
    behind = os.environ.get("SUDO_USER")
    shared = os.getuid() in (0, data.stat().st_uid)
    return behind if behind and shared else user


def _decided(ctx: click.Context, name: str, as_json: bool, act: Act) -> None:
    gateway = open_gateway(ctx)
    transfer = act(gateway.decisions, gateway.ledger.views.find(name), person(gateway.data))
    if as_json:
        emit([transfer])
        return
    line = text(f"{transfer.id} is now ").append_text(word(transfer.state)).append_text(text("."))
    if transfer.state == "READY":
        running = gateway.runs()
        line.append_text(
            text(" The running gateway sends it." if running else " Send it with `h2h send`, or start `h2h run`.")
        )
    console().print(line)


@click.command()
@transfer_id
@reason
@as_json
@click.pass_context
def resend(ctx: click.Context, transfer: str, reason: str, as_json: bool) -> None:
    """Send a transfer's same bytes again, by the same name rules.

    Possible where the bank cannot have it (FAILED), or refused it as a whole (SENT and REJECTED). Refused, with the
    reason, where sending again could pay twice.
    """
    _decided(ctx, transfer, as_json, lambda d, t, who: d.resend(t, who=who, reason=reason))


@click.command()
@transfer_id
@click.option("--reason", help="Why; stands in the journal. Without it, only what speaks against is shown.")
@click.option("--now", is_flag=True, help="Send at once, even after the cut-off; else in the next window.")
@as_json
@click.pass_context
def release(ctx: click.Context, transfer: str, reason: str | None, now: bool, as_json: bool) -> None:
    """Let a HELD transfer go; a DUPLICATE becomes HELD first. What speaks against it is told on the way."""

    def act(decisions: Decisions, name: str, who: str) -> Transfer:
        for sentence in decisions.against(name):
            click.echo(text(sentence).plain, err=True)
        if reason is None:
            raise click.UsageError("Say why it may go: --reason.")
        return decisions.release(name, who=who, reason=reason, now=now)

    _decided(ctx, transfer, as_json, act)


@click.command()
@transfer_id
@reason
@as_json
@click.pass_context
def hold(ctx: click.Context, transfer: str, reason: str, as_json: bool) -> None:
    """Keep a READY transfer back until it is released."""
    _decided(ctx, transfer, as_json, lambda d, t, who: d.hold(t, who=who, reason=reason))


@click.command()
@transfer_id
@reason
@as_json
@click.pass_context
def cancel(ctx: click.Context, transfer: str, reason: str, as_json: bool) -> None:
    """Withdraw a transfer that was not handed over. There is no way back."""
    _decided(ctx, transfer, as_json, lambda d, t, who: d.cancel(t, who=who, reason=reason))


@click.command()
@transfer_id
@reason
@click.option("--bank-has-it", "answer", flag_value="bank-has-it", help="The bank confirmed that it has the file.")
@click.option("--send-again", "answer", flag_value="send-again", help="The bank does not have it. Takes two persons.")
@as_json
@click.pass_context
def resolve(ctx: click.Context, transfer: str, reason: str, answer: str | None, as_json: bool) -> None:
    """Decide an UNCERTAIN transfer, after asking the bank.

    Look at the evidence first (`h2h show ID`). --send-again sends the same bytes with the same message id, so that
    the bank's own duplicate check is the last net; one person proposes it, another one confirms it by the same
    command.
    """
    if answer is None:
        raise click.UsageError("Say what the bank answered: --bank-has-it or --send-again.")

    def act(decisions: Decisions, name: str, who: str) -> Transfer:
        decide: Any = decisions.bank_has_it if answer == "bank-has-it" else decisions.send_again
        decided: Transfer = decide(name, who=who, reason=reason)
        if decided.state == "UNCERTAIN":
            click.echo("Recorded as proposed; a second person has to confirm it with the same command.", err=True)
        return decided

    _decided(ctx, transfer, as_json, act)


@click.command()
@click.argument("files", metavar="ID…", nargs=-1, required=True)
@reason
@as_json
@click.pass_context
def reread(ctx: click.Context, files: tuple[str, ...], reason: str, as_json: bool) -> int:
    """Read UNREADABLE files once more, from the archive.

    For after an update of the gateway or of its schemas. Exit status 1 if one of them still cannot be read.
    """
    gateway = open_gateway(ctx)
    messages, views = gateway.ledger.messages, gateway.ledger.views
    names = [InboundId(views.find(file)) for file in files]
    for name in names:
        messages.reread(name, who=person(gateway.data), reason=reason, now=gateway.clock.now())
    if not gateway.runs():
        with gateway.running():
            for desk in gateway.desks.values():
                desk.finish_started()
    read = [messages.get(name) for name in names]
    if as_json:
        emit(read)
    for message in read if not as_json else ():
        line = text(f"{message.id} is now ").append_text(word(message.state)).append_text(text("."))
        console().print(line.append_text(text(_next(message), "dim")))
    return int(any(message.state == "UNREADABLE" for message in read))


def _next(message: Message) -> str:
    if message.state == "KEPT":
        return " The running gateway reads it at its next pull."
    return f" {message.reason}" if message.reason else ""
