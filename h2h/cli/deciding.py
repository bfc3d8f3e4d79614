"""resend, release, hold, cancel, resolve, sent-by-hand, confirm, reread: what people decide.

Each asks for a reason and records who decided. Before anything that sends, or says that something was sent, it shows
what speaks against it, and on a terminal asks once more; a dry run shows what would happen and changes nothing.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from h2h.cli.output import as_json, console, emit, local_times, open_gateway, printed, text, word
from h2h.cli.seeing import show
from h2h.cli.who import named, person
from h2h.model import InboundId

if TYPE_CHECKING:
    from h2h.approval import Sight
    from h2h.gateway import Gateway
    from h2h.ledger.cases import Case
    from h2h.ledger.messages import Message
    from h2h.ledger.rows import Transfer
    from h2h.outbound.decisions import Decisions

Act = Callable[["Decisions", str, str], "Transfer"]
"""(decisions, transfer id, who decides) -> the transfer as it is now."""
Approve = Callable[["Decisions", str, str, "Sight | None"], "Transfer"]
"""The same, with what was shown of its bytes."""
Told = Callable[["Case", str], list[str]]
"""(what is known, who decides) -> what that person should know before, in sentences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What every decision is asked with."""

    transfer: str
    reason: str
    dry_run: bool
    yes: bool
    as_json: bool


def decision(command: Callable[..., int | None]) -> Callable[..., int | None]:
    """Adds what every decision takes; the command gets it as one value, before options of its own."""

    @click.argument("transfer", metavar="ID")
    @click.option("--reason", required=True, help="Why; stands in the journal.")
    @click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
    @click.option("--yes", is_flag=True, help="Do not ask once more.")
    @as_json
    @named
    @click.pass_context
    def asked(
        ctx: click.Context, /, transfer: str, reason: str, dry_run: bool, yes: bool, as_json: bool, **own: Any
    ) -> int | None:
        every = Asked(transfer=transfer, reason=reason, dry_run=dry_run, yes=yes, as_json=as_json)
        return command(ctx, every, **own)

    return functools.update_wrapper(asked, command)


how = click.option("--how", required=True, help="By which way, as in 'portal, order 4711' or 'telephone, Ms Ek'.")


def _decide_by_sight(ctx: click.Context, asked: Asked, act: Approve) -> int:
    """Where people have to approve it, its bytes are read and shown before."""
    gateway = open_gateway(ctx)
    found = gateway.ledger.views.find_transfer(asked.transfer)
    row = gateway.ledger.transfers.get(found)
    sight = gateway.looking.at(row) if row.approvals is not None and row.state != "READY" else None
    return _decide(ctx, asked, lambda d, t, who: act(d, t, who, sight), _against, sight)


def _decide(ctx: click.Context, asked: Asked, act: Act, told: Told | None = None, sight: Sight | None = None) -> int:
    gateway = open_gateway(ctx)
    found, who = gateway.ledger.views.find_transfer(asked.transfer), person(gateway)
    before = gateway.ledger.transfers.get(found)
    if sight:
        show(sight)
    if told:
        tell(told(gateway.ledger.cases.of(found), who))
    would = act(gateway.rehearsal, found, who)
    if asked.dry_run:
        _print_rehearsed(before, would, asked, sight)
        return 0
    if told and not asked.yes and not asked_once_more(would):
        click.echo("Nothing was changed.", err=True)
        return 1
    _print_decided(gateway, before, act(gateway.decisions, found, who), asked, sight)
    return 0


def tell(sentences: list[str]) -> None:
    for sentence in sentences:
        click.echo(printed(local_times(f"- {sentence}")), err=True)


def asked_once_more(would: Transfer) -> bool:
    """On a terminal; a script has said what it wants."""
    return not sys.stdin.isatty() or click.confirm(f"Go on with {would.id}?", default=False, err=True)


def _print_rehearsed(before: Transfer, would: Transfer, asked: Asked, sight: Sight | None) -> None:
    if asked.as_json:
        _emit(would, sight)
        return
    what = "stay " if would.state == before.state else "become "
    line = text(f"{would.id} would {what}").append_text(word(would.state))
    if would.verdict != before.verdict and would.verdict != "none":
        line.append_text(text(", the bank's word ")).append_text(word(would.verdict))
    if _proposed(before, would):
        line.append_text(text(", and a second person would have to say the same"))
    if _approved(before, would):
        line.append_text(text(f", approved by {' and '.join(would.approved_by)}"))
    console().print(line.append_text(text(". Nothing was changed.")))


def _print_decided(gateway: Gateway, before: Transfer, after: Transfer, asked: Asked, sight: Sight | None) -> None:
    if _proposed(before, after):
        click.echo("Recorded as proposed; a second person has to confirm it with the same command.", err=True)
    if _approved(before, after):
        from h2h.approval import wanted

        click.echo(printed(f"Recorded as approved, sha256 {after.sha256}. {wanted(after.lacking)}"), err=True)
    if asked.as_json:
        _emit(after, sight)
        return
    line = text(f"{after.id} is now ").append_text(word(after.state))
    if after.verdict != "none":
        line.append_text(text(", the bank's word ")).append_text(word(after.verdict))
    line.append_text(text("."))
    if after.state == "READY":
        running = gateway.runs()
        line.append_text(
            text(" The running gateway sends it." if running else " Send it with `h2h send`, or start `h2h run`.")
        )
    console().print(line)


def _emit(transfer: Transfer, sight: Sight | None) -> None:
    from h2h.records import json_value

    emit([json_value(transfer) | ({"seen": json_value(sight)} if sight else {})])


def _proposed(before: Transfer, after: Transfer) -> bool:
    """Whether this was the first of two persons who have to say so."""
    return after.state == before.state and after.proposed_by not in (None, before.proposed_by)


def _approved(before: Transfer, after: Transfer) -> bool:
    """Whether this approved the bytes."""
    return len(after.approved_by) > len(before.approved_by)


def _against(case: Case, _: str) -> list[str]:
    from h2h.outbound.advice import against

    return against(case) or ["Nothing that is known speaks against it."]


def _what_it_risks(case: Case, who: str, records: str) -> list[str]:
    row = case.transfer
    what = f"{row.payments} payments, sum {row.control_sum} {'/'.join(row.currencies or ())}"
    return [f"This records for {row.id} ({row.name}, message id {row.message_id}, {what}): {records}, says {who}."]


@click.command()
@decision
def resend(ctx: click.Context, asked: Asked) -> int:
    """Send a transfer's same bytes again, by the same name rules.

    Possible where the bank cannot have it (FAILED), or refused it as a whole (SENT and REJECTED; where only a person
    noted the refusal, somebody else has to resend it). Refused, with the reason, where sending again could pay twice.
    """
    return _decide_by_sight(ctx, asked, lambda d, t, who, sight: d.resend(t, who=who, reason=asked.reason, sight=sight))


@click.command()
@click.option("--now", is_flag=True, help="Send at once, even after the cut-off; else in the next window.")
@decision
def release(ctx: click.Context, asked: Asked, now: bool) -> int:
    """Let a HELD transfer go; a DUPLICATE becomes HELD first.

    With --now also a READY one, which waits for its window or after a failure.
    """
    return _decide_by_sight(
        ctx, asked, lambda d, t, who, sight: d.release(t, who=who, reason=asked.reason, now=now, sight=sight)
    )


@click.command()
@decision
def hold(ctx: click.Context, asked: Asked) -> int:
    """Keep a READY transfer back until it is released."""
    return _decide(ctx, asked, lambda d, t, who: d.hold(t, who=who, reason=asked.reason))


@click.command()
@decision
def cancel(ctx: click.Context, asked: Asked) -> int:
    """Withdraw a transfer that was not handed over. There is no way back."""
    return _decide(ctx, asked, lambda d, t, who: d.cancel(t, who=who, reason=asked.reason))


@click.command()
@click.option("--bank-has-it", "answer", flag_value="bank-has-it", help="The bank confirmed that it has the file.")
@click.option("--send-again", "answer", flag_value="send-again", help="The bank does not have it. Takes two persons.")
@decision
def resolve(ctx: click.Context, asked: Asked, answer: str | None) -> int:
    """Decide an UNCERTAIN transfer, after asking the bank.

    Look at the evidence first (`h2h show ID`). --send-again sends the same bytes with the same message id, so that
    the bank's own duplicate check is the last net; one person proposes it, another one confirms it by the same
    command.
    """
    if answer is None:
        raise click.UsageError("Say what the bank answered: --bank-has-it or --send-again.")

    if answer == "bank-has-it":
        return _decide(ctx, asked, lambda d, t, who: d.bank_has_it(t, who=who, reason=asked.reason), _against)
    return _decide_by_sight(
        ctx, asked, lambda d, t, who, sight: d.send_again(t, who=who, reason=asked.reason, sight=sight)
    )


@click.command()
@how
@decision
def sent_by_hand(ctx: click.Context, asked: Asked, how: str) -> int:
    """Record that a person brought a transfer to the bank by other means, as in its portal.

    It becomes SENT: the gateway never sends it, and waits for the bank's answer. For what waits (READY, HELD) or was
    given up (FAILED); an UNCERTAIN one is closed with `h2h resolve ID --bank-has-it`.
    """

    def told(case: Case, who: str) -> list[str]:
        records = f"sent by hand ({how}). The gateway will never send it; if that is not so, it is never paid"
        return [*_what_it_risks(case, who, records), *_against(case, who)]

    return _decide(ctx, asked, lambda d, t, who: d.sent_by_hand(t, who=who, how=how, reason=asked.reason), told)


@click.command()
@click.option("--accepted", "answer", flag_value="ACCEPTED", help="The bank took it.")
@click.option("--rejected", "answer", flag_value="REJECTED", help="The bank refused all of it.")
@how
@decision
def confirm(ctx: click.Context, asked: Asked, how: str, answer: str | None) -> int:
    """Note the bank's word on a SENT transfer, as it was told on the telephone or in a portal.

    A pain.002 that comes later counts more: one that agrees takes the note's place, one that contradicts it is a
    finding. After --rejected somebody else may resend it.
    """
    from h2h.verdicts import Verdict

    if answer is None:
        raise click.UsageError("Say what the bank answered: --accepted or --rejected.")
    verdict = Verdict(answer)

    def told(case: Case, who: str) -> list[str]:
        wrong = "a false note hides that it was refused"
        if verdict is Verdict.REJECTED:
            wrong = "somebody else may then resend it, and a false note pays it twice"
        return [*_what_it_risks(case, who, f"{verdict} by the bank ({how}); {wrong}"), *_against(case, who)]

    return _decide(ctx, asked, lambda d, t, who: d.confirm(t, verdict, who=who, how=how, reason=asked.reason), told)


@click.command()
@click.argument("files", metavar="ID…", nargs=-1, required=True)
@click.option("--reason", required=True, help="Why; stands in the journal.")
@as_json
@named
@click.pass_context
def reread(ctx: click.Context, files: tuple[str, ...], reason: str, as_json: bool) -> int:
    """Read UNREADABLE files once more, from the archive.

    For after an update of the gateway or of its schemas. Exit status 1 if one of them still cannot be read.
    """
    gateway = open_gateway(ctx)
    messages, views = gateway.ledger.messages, gateway.ledger.views
    names, who = [InboundId(views.find(file)) for file in files], person(gateway)
    for name in names:
        messages.reread(name, who=who, reason=reason, now=gateway.clock.now())
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
        return " It is read at the next pull."
    return f" {message.reason}" if message.reason else ""
