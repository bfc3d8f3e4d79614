"""closure: is every payment debited once, and every debit a payment?"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from h2h.cli.output import as_json, console, emit, money, open_gateway, table, text
from h2h.cli.reading import known

if TYPE_CHECKING:
    from h2h.closure import CashRow, Closure, Terms
    from h2h.gateway import Gateway

DAY = click.DateTime(formats=["%Y-%m-%d"])
DAYS_BACK = 30  # looked at, if nothing else is said
COLUMNS = ("day", "amount", "account", "payment", "to", "file", "says")
DEBIT_WITHIN = 3  # business days, of a bank that the settings do not know any more


@click.command()
@click.option("--bank", help="Only this bank.")
@click.option("--from", "since", type=DAY, help=f"From this day on.  [default: {DAYS_BACK} days before --to]")
@click.option("--to", "until", type=DAY, help="Up to this day, it included.  [default: today]")
@as_json
@click.pass_context
def closure(ctx: click.Context, bank: str | None, since: datetime | None, until: datetime | None, as_json: bool) -> int:
    """Tell what is open between payments and accounts: not debited, debited twice, not ours, given back.

    Payments count by their execution date, entries of statements by their booking date. Exit status 1 if anything is
    open; what the bank debits by itself (charges, interest, direct debits) is listed and is not.
    """
    from h2h.closure import closure as decide
    from h2h.ledger.cash_views import Days

    gateway = open_gateway(ctx)
    now = gateway.clock.now()
    last = until.date() if until else now.astimezone().date()
    first = since.date() if since else last - timedelta(days=DAYS_BACK)
    if first > last:
        raise click.BadParameter("the first day is after the last one", param_hint="--from")
    known(gateway, bank, gateway.ledger.views.files(bank=bank, limit=1))
    rows = gateway.ledger.cash.rows(Days(since=first, until=last, bank=bank))
    found = decide(rows, lambda name: _terms(gateway, name), now)
    if found.cut:
        click.echo("h2h: there is more than is listed; give a bank, or fewer days.", err=True)
    if as_json:
        emit(found.sections)
    else:
        _print(found, f"{first} to {last}")
    return 0 if found.closed else 1


def _terms(gateway: Gateway, name: str) -> Terms:
    """Of a bank that only the ledger knows: working days, as everywhere."""
    from h2h.calendars import Calendar
    from h2h.closure import Terms

    if profile := gateway.settings.bank(name):
        return profile.cash_terms
    return Terms(timezone="UTC", calendar=Calendar("WEEKDAYS"), debit_within=DEBIT_WITHIN)


def _print(found: Closure, days: str) -> None:
    out = console()
    out.print(text(f"{days}: ", "bold").append_text(text("closed", "green") if found.closed else text("open", "red")))
    for section in found.sections:
        out.print()
        style = "bold red" if section.open and section.rows else "bold"
        sums = ", ".join(f"{s.count} of {s.amount:,f} {s.currency}" for s in section.totals)
        out.print(text(f"{section.means}: ", style).append_text(text(sums or "none")))
        if section.rows:
            table(COLUMNS, [_row(row) for row in section.rows], right=("amount",))


def _row(row: CashRow) -> list[Any]:
    when = f"due {row.due}" if row.due else row.day
    short = f"{row.less:,f} less than was paid" if row.less else ""
    times = f"{row.debits} times" if row.debits > 1 else ""
    where = f"{row.statement_id or 'statement'} ({row.message})" if row.message else row.status
    said = "; ".join(word for word in (row.says, short, times, where) if word)
    return [when, money(row.amount, row.currency), row.account, row.reference, row.creditor_name, row.transfer, said]
