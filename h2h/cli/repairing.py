"""repair: a new file with the payments that the bank refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import click

from h2h.cli.deciding import Asked, asked_once_more, decision, tell
from h2h.cli.output import console, emit, open_gateway, text, word
from h2h.cli.who import person

if TYPE_CHECKING:
    from h2h.ledger.repairs import Plan
    from h2h.ledger.rows import Transfer

MOST = 8  # refused payments that are told one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """For programs. `transfer` is None after a dry run; `payments` are positions in the old file, in order."""

    transfer: str | None
    of: str
    state: str
    message_id: str
    payments: list[int]
    control_sum: str
    not_inside: dict[str, int]


@click.command()
@click.option(
    "--execution-date",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="Another execution date, as in 2026-11-30.  [default: as it stands]",
)
@decision
def repair(ctx: click.Context, asked: Asked, execution_date: datetime | None) -> int:
    """Put the payments of a transfer that the bank refused into a new file, and hold it.

    For one that is SENT, and PARTIAL or REJECTED by a report of the bank. The payments stay as they were, under a new
    message id and new batch ids; it is proven that no other one is inside. `h2h release` sends the new file.
    """
    gateway = open_gateway(ctx)
    found, who = gateway.ledger.views.find_transfer(asked.transfer), person(gateway)
    plan = gateway.ledger.repair_rehearsal.plan(found)
    tell(list(_what_is_inside(plan)))
    with gateway.repair.built(plan, execution_date.date() if execution_date else None) as built:
        would = gateway.repair.enter(built, gateway.ledger.repair_rehearsal, who=who, reason=asked.reason)
        if asked.dry_run:
            _print(plan, would, asked, done=False)
            return 0
        if not asked.yes and not asked_once_more(would):
            click.echo("Nothing was changed.", err=True)
            return 1
        made = gateway.repair.keep(built, gateway.ledger.repairs, who=who, reason=asked.reason)
    _print(plan, made, asked, done=True)
    return 0


def _what_is_inside(plan: Plan) -> Iterator[str]:
    old = plan.transfer
    what = f"{len(plan.refused)} of the {old.payments} payments of {old.id}, sum {plan.control_sum}"
    yield f"The new file has the message id {plan.message_id} and holds {what} {'/'.join(old.currencies or ())}."
    for payment in plan.refused[:MOST]:
        name = payment.end_to_end_id or payment.instruction_id
        why = f": {payment.why}" if payment.why else "."
        to = f"{payment.creditor_name or ''} {payment.creditor_account or ''}".strip()
        yield f"Payment {payment.position}, {name}, {payment.amount} {payment.currency} to {to}, was refused{why}"
    if len(plan.refused) > MOST:
        yield f"So were {len(plan.refused) - MOST} more."
    for why, count in plan.left_out:
        yield f"Not in it: {count} {why}."


def _print(plan: Plan, transfer: Transfer, asked: Asked, *, done: bool) -> None:
    if asked.as_json:
        repaired = Repaired(
            transfer=transfer.id if done else None,
            of=plan.transfer.id,
            state=transfer.state,
            message_id=plan.message_id,
            payments=[payment.position for payment in plan.refused],
            control_sum=f"{plan.control_sum:f}",
            not_inside=dict(plan.left_out),
        )
        emit([repaired])
        return
    what = f"{transfer.id} is now " if done else "A new transfer would be "
    line = text(what).append_text(word(transfer.state)).append_text(text(f", a repair of {plan.transfer.id}."))
    then = f" `h2h release {transfer.id} --reason …` sends it." if done else " Nothing was changed."
    console().print(line.append_text(text(then)))
