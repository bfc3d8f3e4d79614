"""payments: where a payment is, from the ERP's file to the account."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import click

from h2h.cli.output import as_json, at, console, emit, money, open_gateway, printed, table, text, word
from h2h.cli.reading import known, limit, status_in_words
from h2h.cli.statements import KINDS

if TYPE_CHECKING:
    from h2h.gateway import Gateway
    from h2h.ledger.lineage import SentAgain
    from h2h.ledger.payment_views import PaymentRow
    from h2h.life import Stage

COLUMNS = ("payment", "amount", "to", "execution", "stage", "bank", "file", "batch")
FEW = 5  # payments that are told one by one
DAY = click.DateTime(formats=["%Y-%m-%d"])
STYLE = {("debit", True): "green", ("debit", False): "cyan", ("return", True): "red", ("return", False): "yellow"}
WORDS = {("debit", True): "booked", ("debit", False): "told", ("return", True): "back", ("return", False): "told"}


def _sums(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[Decimal | None, Decimal | None]:
    """The least and the most; an amount alone is both."""
    least, between, most = (value or "..").partition("..")
    try:
        found = tuple(Decimal(end.replace(",", "")) if end.strip() else None for end in (least, most))
    except InvalidOperation:
        raise click.BadParameter(f"{value!r} is no amount; write 120.50, 100..200, 100.. or ..200.") from None
    if any(end is not None and not end.is_finite() for end in found):
        raise click.BadParameter(f"{value!r} is no amount; write 120.50, 100..200, 100.. or ..200.")
    return (found[0], found[1]) if between else (found[0], found[0])


def _stage(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> Stage | None:
    from h2h.life import Stage

    if value is None:
        return None
    if value.upper() not in list(Stage):
        raise click.BadParameter(f"there is no stage {value!r}; there is {', '.join(Stage)}.")
    return Stage(value.upper())


@click.command()
@click.argument("reference", required=False)
@click.option("--name", help="A part of the creditor's name, in whatever case.")
@click.option("--amount", "sums", callback=_sums, help="As in 120.50, or a range: 100..200, 100.., ..200")
@click.option("--from", "since", type=DAY, help="Executed, booked or given back from this day on.")
@click.option("--to", "until", type=DAY, help="Up to this day, it included.")
@click.option("--account", help="IBAN or other account, of creditor or debtor.")
@click.option("--bank", help="Only this bank.")
@click.option("--stage", callback=_stage, help="Only this stage, as in RETURNED.")
@limit
@as_json
@click.pass_context
def payments(
    ctx: click.Context,
    reference: str | None,
    name: str | None,
    sums: tuple[Decimal | None, Decimal | None],
    since: datetime | None,
    until: datetime | None,
    account: str | None,
    bank: str | None,
    stage: Stage | None,
    limit: int,
    as_json: bool,
) -> int:
    """Find payments, and follow each from the ERP's file to the bank's answers to the account.

    REFERENCE is the EndToEndId, InstrId, UETR, PmtInfId or MsgId of a payment, or the AcctSvcrRef or TxId of an entry
    that books it or gives it back. Without one, at most 200,000 payments are looked through for a name, a stage or a
    range of amounts, the newest files first; an account, dates or one amount leave less to look through. Many payments
    are a table, a few are told one by one. Exit status 1 if there is none.
    """
    from h2h.ledger.search import Wanted

    gateway = open_gateway(ctx)
    days = (since and since.date(), until and until.date())
    found = gateway.ledger.views.search(
        Wanted(
            reference=reference, name=name, least=sums[0], most=sums[1], since=days[0], until=days[1],
            account=account, bank=bank, stage=stage, limit=limit,
        )
    )  # fmt: skip
    known(gateway, bank, found.payments)
    if found.looked_at:
        told = f"h2h: only {found.looked_at:,} payments were looked through; give a bank, an account or dates."
        click.echo(told, err=True)
    if as_json:
        emit(found.payments)
    elif len(found.payments) > FEW:
        table(COLUMNS, map(_row, found.payments), right=("amount",))
    else:
        for payment in found.payments:
            _print_payment(payment)
    if not found.payments and not as_json:
        _print_orphans(gateway, reference)
    return 0 if found.payments else 1


def _print_orphans(gateway: Gateway, reference: str | None) -> None:
    """No payment; perhaps the bank speaks of one all the same."""
    from h2h.reasons import in_words

    said = gateway.ledger.views.orphans_naming(reference) if reference else []
    which = f"No payment has the reference {reference}" if reference else "No payment is such a one"
    click.echo(printed(f"{which}{', but a bank speaks of it:' if said else '.'}"))
    for file in gateway.ledger.views.purged(reference) if reference else ():
        click.echo(printed(f"  {file.id} ({file.name}) was purged on {file.purged_at:%Y-%m-%d}, with its payments."))
    for row in said:
        why = f": {reasons}" if (reasons := in_words(row["reasons"])) else ""
        told = f"  {status_in_words(row['status'], row['said'])}{why}, on message id {row['original_message_id']}"
        console().print(text(f"{told}, by {row['bank']} in {row['message_id']}  ").append_text(at(row["fetched_at"])))


def _row(payment: PaymentRow) -> list[Any]:
    return [
        payment.end_to_end_id or payment.instruction_id or payment.uetr, money(payment.amount, payment.currency),
        payment.creditor_name, payment.execution_date, word(payment.stage), payment.bank, payment.transfer,
        payment.batch,
    ]  # fmt: skip


def _print_payment(payment: PaymentRow) -> None:
    from h2h.reasons import in_words

    out = console()
    name = payment.end_to_end_id or payment.instruction_id or payment.uetr
    head = text(f"{name}  ", "bold").append_text(money(payment.amount, payment.currency))
    out.print(head.append_text(text("  ")).append_text(word(payment.stage)).append_text(text(f": {payment.means}")))
    account = payment.creditor_account or ""
    out.print(text(f"  to      {payment.creditor_name or ''}  {account}  {payment.creditor_agent or ''}"))
    out.print(text(f"  from    {payment.debtor_account or ''}  execution {payment.execution_date or ''}"))
    out.print(
        text(f"  file    {payment.file}  ({payment.transfer}, batch {payment.batch}, payment {payment.position})")
    )
    out.print(text("  dropped ").append_text(at(payment.received_at)))
    sent = at(payment.sent_at) if payment.sent_at else text("not sent")
    out.print(text("  sent    ").append_text(word(payment.state)).append_text(text("  ")).append_text(sent))
    for answer in payment.answers:
        said = f"{status_in_words(answer['status'], answer['said'])}, on the {answer['level']}"
        why = f": {reasons}" if (reasons := in_words(answer["reasons"])) else ""
        note = "" if answer["effect"] == "take" else f"  [{answer['effect']}]"
        out.print(text(f"  answer  {said}{why}{note}  {answer['name']}  ").append_text(at(answer["at"])))
    if not payment.answers:
        out.print(text("  answer  none yet", "cyan"))
    _print_movements(payment)
    for step in payment.sent_again:
        _print_step(payment, step)
    out.print()


def _print_step(payment: PaymentRow, step: SentAgain) -> None:
    """Where it came from, or where it went on to."""
    if step.transfer == payment.transfer:
        line = text(f"  again   it was payment {step.origin_payment} of {step.origin}, and refused there")
    else:
        line = text(f"  again   sent again in {step.transfer} as payment {step.payment}, which is ")
        line.append_text(word(step.state))
    console().print(line)


def _print_movements(payment: PaymentRow) -> None:
    from h2h.verdicts import REFUSALS

    for movement in payment.movements:
        console().print(_movement(payment, movement))
    if payment.booking is None:
        refused = payment.status in REFUSALS
        no = text("  booked  no: the bank refused it", "red") if refused else text("  booked  not yet", "cyan")
        console().print(no)


def _movement(payment: PaymentRow, movement: dict[str, Any]) -> Any:
    """One line of the account: what it did, on which day, and where that stands."""
    from h2h.reasons import Of, in_words

    what = (movement["role"], movement["final"])
    amount = f"{movement['amount']:,f} {movement['currency']}" if movement["amount"] is not None else ""
    sum_ = movement["entry_amount"]
    whole = f" in a sum of {sum_:,f} {movement['entry_currency']}" if sum_ not in (None, movement["amount"]) else ""
    where = f"{KINDS[movement['kind']]} {movement['statement_id']} of {movement['account']} ({movement['message']})"
    back = payment.returned if what == ("return", True) else None
    less = f", {back['less']:,f} less than was paid" if back and back["less"] else ""
    why = f": {reasons}" if (reasons := in_words(movement["reasons"], Of.RETURN)) else ""
    given = "given back " if movement["role"] == "return" else ""
    day = movement["booking_date"] or movement["day"]
    return text(f"  {WORDS[what]:<8}{day}  {given}{amount}{whole}{less}{why}  {where}", STYLE[what])
