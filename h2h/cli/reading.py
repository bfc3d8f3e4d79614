"""files, show, payments, statements: what became of everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from h2h.cli.output import as_json, at, console, emit, listing, money, open_gateway, table, text, word

if TYPE_CHECKING:
    from h2h.ledger.views import FileRow, History, PaymentRow, StatementRow

limit = click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000), help="At most so many.")


@click.command()
@click.option("--state", help="Only this state, as in HELD or UNREADABLE.")
@click.option("--bank", help="Only this bank.")
@limit
@as_json
@click.pass_context
def files(ctx: click.Context, state: str | None, bank: str | None, limit: int, as_json: bool) -> None:
    """List files, outbound and inbound, newest first."""
    views = open_gateway(ctx).ledger.views
    rows = views.files(state=state.upper() if state else None, bank=bank, limit=limit)
    columns = ["id", "", "bank", "file", "state", "verdict", "message id", "pmts", "sum", "at"]
    listing(rows, columns, _file_row, as_json=as_json, empty="No files.", right=["pmts", "sum"])


def _file_row(file: FileRow) -> list[Any]:
    arrow = "→" if file.direction == "out" else "←"
    verdict = word(file.verdict) if file.verdict and file.verdict != "none" else text("")
    currency = "/".join(file.currencies or ())
    total = money(file.control_sum, currency)
    return [
        file.id,
        arrow,
        file.bank,
        file.name,
        word(file.state),
        verdict,
        file.message_id,
        file.payments,
        total,
        at(file.at),
    ]


@click.command()
@click.argument("file", metavar="ID")
@as_json
@click.pass_context
def show(ctx: click.Context, file: str, as_json: bool) -> None:
    """One file as a timeline: every event, attempt, finding and answer.

    The end of an id is enough where it is unique.
    """
    views = open_gateway(ctx).ledger.views
    history = views.history(views.find(file))
    if as_json:
        emit([history])
    else:
        _print_history(history)


def _print_history(history: History) -> None:
    out, file = console(), history.file
    out.print(text(f"{file.id}  ", "bold").append_text(word(file.state)).append_text(text(f"  {file.name}")))
    facts = [
        ("bank", file.bank),
        ("at the bank", history.remote),
        ("message", file.message),
        ("message id", file.message_id),
    ]
    facts += [
        ("bytes", f"{file.size:,}  sha256 {file.sha256}"),
        ("the bank's word", file.verdict),
        ("reason", file.reason),
    ]
    if file.payments is not None:
        facts.append(("payments", f"{file.payments:,}, sum {file.control_sum} {'/'.join(file.currencies or ())}"))
    for name, value in facts:
        if value and value != "none":
            out.print(text(f"  {name:<16}", "dim").append_text(text(value)))
    out.print()
    for line in history.lines:
        out.print(
            at(line.at).append_text(text(f"  {line.kind:<22} ", "bold")).append_text(text(_told(line.data, line.actor)))
        )
    _print_parts(history)


def _told(data: dict[str, Any], actor: str) -> str:
    kept = {k: v for k, v in data.items() if v not in (None, [], "") and k not in ("id", "bank", "watch", "from")}
    said = "  ".join(f"{k}: {v}" for k, v in kept.items())
    return said if actor == "gateway" else f"by {actor}  {said}"


def _print_parts(history: History) -> None:
    out = console()
    if history.batches:
        out.print()
        rows = [
            [b["payment_information_id"], b["payments"], money(b["amount"]), b["debtor_account"], b["execution_date"],
             word(b["verdict"] if b["verdict"] != "none" else "")]
            for b in history.batches
        ]  # fmt: skip
        table(["batch", "payments", "sum", "debtor account", "execution", "verdict"], rows, right=["payments", "sum"])
    if history.attempts:
        out.print()
        rows = [
            [a["number"], at(a["started_at"]), a["step"], a["outcome"] or "under way", at(a["next_at"]), a["text"]]
            for a in history.attempts
        ]
        table(["attempt", "started", "step", "outcome", "next", "said"], rows, right=["attempt"])
    if history.findings:
        out.print()
        rows = [[word(f.severity), f.code, f.line, f.path, f.text] for f in history.findings]
        table(["severity", "code", "line", "path", "text"], rows, right=["line"])


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
    out = console()
    name = payment.end_to_end_id or payment.instruction_id or payment.uetr
    out.print(text(f"{name}  ", "bold").append_text(money(payment.amount, payment.currency)))
    account = payment.creditor_account or ""
    out.print(text(f"  to      {payment.creditor_name or ''}  {account}  {payment.creditor_agent or ''}"))
    out.print(text(f"  from    {payment.debtor_account or ''}  execution {payment.execution_date or ''}"))
    out.print(
        text(f"  file    {payment.file}  ({payment.transfer}, batch {payment.batch}, payment {payment.position})")
    )
    sent = at(payment.sent_at) if payment.sent_at else text("not sent")
    out.print(text("  sent    ").append_text(word(payment.state)).append_text(text("  ")).append_text(sent))
    for answer in payment.answers:
        line = (
            text("  answer  ")
            .append_text(text(f"{answer['status']:<5}"))
            .append_text(text(f" on the {answer['level']}"))
        )
        said = "; ".join(_reason(r) for r in answer["reasons"] or ())
        note = "" if answer["effect"] in ("take",) else f"  [{answer['effect']}]"
        out.print(line.append_text(text(f"  {said}{note}  {answer['name']}  ")).append_text(at(answer["at"])))
    if not payment.answers:
        out.print(text("  answer  none yet", "cyan"))
    _print_booking(payment)
    out.print()


def _print_booking(payment: PaymentRow) -> None:
    from h2h.verdicts import REFUSALS

    booking = payment.booking
    if booking is None:
        refused = payment.status in REFUSALS
        console().print(
            text("  booked  no: the bank refused it", "red") if refused else text("  booked  not yet", "cyan")
        )
        return
    what = f"{booking['booking_date']}  {booking['amount']} {booking['currency']} {booking['direction']}"
    where = f"statement {booking['statement_id']} of {booking['account']} ({booking['message']})"
    console().print(text("  booked  ").append_text(text(f"{what}  {where}", "green")))


def _reason(reason: dict[str, str]) -> str:
    return " ".join(reason[k] for k in ("code", "proprietary", "text") if k in reason)


@click.command()
@click.option("--account", help="Only this account.")
@click.option("--bank", help="Only this bank.")
@limit
@as_json
@click.pass_context
def statements(ctx: click.Context, account: str | None, bank: str | None, limit: int, as_json: bool) -> None:
    """List statements, newest first: balances, entries, how many of our payments they book."""
    rows = open_gateway(ctx).ledger.views.statements(account=account, bank=bank, limit=limit)
    columns = ["account", "statement", "no.", "closes", "opening", "closing", "entries", "ours", "adds up"]
    numbers = ["opening", "closing", "entries", "ours"]
    listing(rows, columns, _statement_row, as_json=as_json, empty="No statements.", right=numbers)


def _statement_row(row: StatementRow) -> list[Any]:
    words = {True: text("yes", "green"), False: text("NO", "red"), None: text("cannot be said", "dim")}
    adds_up = (
        words[row.reconciles] if row.last_page is not False else text(f"page {row.page or 1}, not the last", "dim")
    )
    return [
        row.account, row.statement_id, row.sequence_number, row.closing_date, money(row.opening, row.currency),
        money(row.closing, row.currency), row.entries, row.matched, adds_up,
    ]  # fmt: skip
