"""payments: where a payment is, from the ERP's file to the account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from h2h.cli.output import as_json, at, console, emit, money, open_gateway, text, word
from h2h.cli.reading import status_in_words
from h2h.cli.statements import KINDS

if TYPE_CHECKING:
    from h2h.ledger.lineage import SentAgain
    from h2h.ledger.payment_views import PaymentRow

STYLE = {("debit", True): "green", ("debit", False): "cyan", ("return", True): "red", ("return", False): "yellow"}
WORDS = {("debit", True): "booked", ("debit", False): "told", ("return", True): "back", ("return", False): "told"}


@click.command()
@click.argument("reference")
@as_json
@click.pass_context
def payments(ctx: click.Context, reference: str, as_json: bool) -> int:
    """Follow a payment from the ERP's file to the bank's answer to the statement line.

    REFERENCE is its EndToEndId, InstrId or UETR. Exit status 1 if there is none.
    """
    found = open_gateway(ctx).ledger.views.payments(reference)
    if as_json:
        emit(found)
    elif not found:
        click.echo(f"No payment has the reference {reference}.")
    else:
        for payment in found:
            _print_payment(payment)
    return 0 if found else 1


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
