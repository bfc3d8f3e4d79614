"""statements: what the banks said of the accounts, whether it adds up, and what is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from h2h.cli.output import as_json, at, console, emit, listing, money, open_gateway, sentence, text
from h2h.records import json_value

if TYPE_CHECKING:
    from rich.text import Text

    from h2h.gateway import Gateway
    from h2h.ledger.gaps import GapRow
    from h2h.ledger.views import StatementRow

STATEMENT_COLUMNS = (
    "account",
    "kind",
    "statement",
    "no.",
    "closes",
    "opening",
    "closing",
    "entries",
    "ours",
    "adds up",
)
KINDS = {"052": "report", "053": "statement", "054": "notice"}
STATEMENT = "053"
STATEMENT_NUMBERS = ("opening", "closing", "entries", "ours")
GAP_COLUMNS = ("bank", "account", "gap", "since", "what is missing, and what to do")


@click.command()
@click.option("--account", help="Only this account.")
@click.option("--bank", help="Only this bank.")
@click.option("--gaps", is_flag=True, help="What is missing among them, the oldest first.")
@click.option("--all", "healed", is_flag=True, help="With --gaps: those that have healed, too; the newest first.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000), help="At most so many.")
@as_json
@click.pass_context
def statements(
    ctx: click.Context, account: str | None, bank: str | None, gaps: bool, healed: bool, limit: int, as_json: bool
) -> None:
    """List statements, newest first: balances, entries, how many of our payments they book, what is missing.

    "complete" says what is missing before a statement or in it: numbers, pages, a balance that does not go on.
    """
    from h2h.errors import UsageError

    gateway = open_gateway(ctx)
    if healed and not gaps:
        raise UsageError("--all goes with --gaps: it lists the gaps that have healed, too.")
    if bank:
        _known(gateway, bank)
    if gaps:
        _list_gaps(gateway, account, bank, limit, healed=healed, as_json=as_json)
    else:
        _list(gateway, account, bank, limit, as_json=as_json)


def _known(gateway: Gateway, bank: str) -> None:
    """Refuse a bank that nobody knows; one that only the ledger knows has statements."""
    if not gateway.ledger.views.statements(bank=bank, limit=1):
        gateway.bank(bank)


def _list(gateway: Gateway, account: str | None, bank: str | None, limit: int, *, as_json: bool) -> None:
    rows = gateway.ledger.views.statements(account=account, bank=bank, limit=limit)
    missing = _missing_in(gateway, rows)
    if as_json:
        emit(_in_json(row, missing[row.id]) for row in rows)
        return
    listing(
        rows,
        [*STATEMENT_COLUMNS, "complete"],
        lambda row: [*statement_row(row), _complete(row, missing[row.id])],
        as_json=False,
        empty="No statements.",
        right=STATEMENT_NUMBERS,
    )
    if open_ := gateway.gaps(bank=bank, account=account):
        console().print(text(f"{len(open_)} gap(s) among them: h2h statements --gaps", "yellow"))


def _missing_in(gateway: Gateway, rows: Sequence[StatementRow]) -> Mapping[int, list[GapRow]]:
    found: defaultdict[int, list[GapRow]] = defaultdict(list)
    for gap in gateway.ledger.gaps.before([row.id for row in rows]):
        if gap.before is not None:
            found[gap.before].append(gap)
    return found


def _in_json(row: StatementRow, missing: Sequence[GapRow]) -> dict[str, Any]:
    return {**json_value(row), "complete": _is_complete(row, missing), "gaps": [gap.text for gap in missing]}


def _is_complete(row: StatementRow, missing: Sequence[GapRow]) -> bool | None:
    """None where nothing can be said of what came before it: whose it is, its number, its balances."""
    if missing:
        return False
    said = row.sequence_number is not None or row.opening is not None or row.closing is not None
    return True if row.followed and said else None


def _complete(row: StatementRow, missing: Sequence[GapRow]) -> Text:
    """Reports and notices need not follow each other."""
    if row.kind != STATEMENT:
        return text("")
    if missing:
        return text("; ".join(map(gap_word, missing)), "yellow")
    return text("yes", "green") if _is_complete(row, missing) else text("cannot be said", "dim")


def statement_row(row: StatementRow) -> list[Any]:
    words = {True: text("yes", "green"), False: text("NO", "red"), None: text("cannot be said", "dim")}
    adds_up = (
        words[row.reconciles] if row.last_page is not False else text(f"page {row.page or 1}, not the last", "dim")
    )
    return [
        row.account, KINDS.get(row.kind, row.kind), row.statement_id, row.sequence_number, row.closing_date,
        money(row.opening, row.currency), money(row.closing, row.currency), row.entries, row.matched, adds_up,
    ]  # fmt: skip


# What is missing.


def _list_gaps(
    gateway: Gateway, account: str | None, bank: str | None, limit: int, *, healed: bool, as_json: bool
) -> None:
    known = gateway.ledger.gaps.rows(account=account, bank=bank, healed=True, limit=limit) if healed else []
    rows = [*(gap for gap in gateway.gaps(bank=bank, account=account) if not healed or gap.id is None), *known][:limit]
    columns = [*GAP_COLUMNS[:4], "healed", "by", GAP_COLUMNS[4]] if healed else GAP_COLUMNS

    def shown(gap: GapRow) -> list[Any]:
        head, tail = gap_row(gap)[:4], gap_row(gap)[4:]
        end = "by the settings" if gap.healed_at and not gap.healed_by else gap.healed_by
        return [*head, at(gap.healed_at), end, *tail] if healed else [*head, *tail]

    listing(rows, columns, shown, as_json=as_json, empty="No gaps.")


def gap_row(gap: GapRow) -> list[Any]:
    account = f"{gap.account} {gap.currency}" if gap.currency else gap.account
    return [gap.bank, account, gap_word(gap), at(gap.since), sentence(gap.text)]


def gap_word(gap: GapRow) -> str:
    """What is missing, in a few words."""
    several = gap.last is not None and gap.first != gap.last
    match gap.kind:
        case "NUMBER":
            return f"no. {gap.first} to {gap.last} missing" if several else f"no. {gap.first} missing"
        case "PAGE" if gap.last is None:
            return f"page {gap.first} to come"
        case "PAGE":
            return f"pages {gap.first} to {gap.last} missing" if several else f"page {gap.first} missing"
        case "DAY":
            return f"{gap.to_day} overdue"
        case "SUM":
            return "does not add up"
        case _:
            return "does not follow"
