"""What is in a file that somebody has to approve, on the terminal: as its bytes say it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from h2h.cli.output import printed

if TYPE_CHECKING:
    from h2h.approval import Line, Sight


def show(sight: Sight) -> None:
    """Beside what the command prints: to standard error."""
    for line in _lines(sight):
        click.echo(printed(line), err=True)


def _lines(sight: Sight) -> Iterator[str]:
    many = ("s" * (sight.payments != 1), "es" * (sight.batches != 1))
    yield f"{sight.payments:,} payment{many[0]} in {sight.batches:,} batch{many[1]}"
    for currency, total in sight.totals.items():
        yield f"  total      {total:,f} {currency}"
    yield f"  from       {', '.join(account or 'no account' for account in sight.debtors)}"
    yield f"  execution  {', '.join(sight.execution_dates) or 'no date'}"
    if sight.new_accounts:
        more = ", …" if sight.new_accounts > len(sight.some_new_accounts) else ""
        yield f"  new        {sight.new_accounts:,} of the accounts paid: {', '.join(sight.some_new_accounts)}{more}"
    yield f"  bytes      {sight.size:,}  sha256 {sight.sha256}"
    yield "  the largest payments:" if len(sight.largest) < sight.payments else "  payments:"
    width = max((len(_amount(line)) for line in sight.largest), default=0)
    for line in sight.largest:
        to = " ".join(filter(None, (line.creditor, line.account or "no account")))
        yield f"    {_amount(line):>{width}}  {'NEW ' if line.new else ''}{to}  {line.reference or ''}".rstrip()


def _amount(line: Line) -> str:
    return f"{line.amount:,f} {line.currency or ''}" if line.amount is not None else "no amount"
