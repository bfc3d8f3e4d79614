"""files, show: what became of everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from h2h.cli.output import (
    as_json,
    at,
    console,
    emit,
    listing,
    local_times,
    money,
    open_gateway,
    sentence,
    table,
    text,
    word,
)
from h2h.cli.statements import STATEMENT_COLUMNS, STATEMENT_NUMBERS, statement_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from h2h.gateway import Gateway
    from h2h.ledger.cases import Case
    from h2h.ledger.views import FileRow, History

limit = click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000), help="At most so many.")


def _state(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """A state of either direction, whatever its case."""
    from h2h.ledger.messages import MessageState
    from h2h.lifecycle import State

    states = [*State, *MessageState]
    if value is None or value.upper() in states:
        return value and value.upper()
    raise click.BadParameter(f"there is no state {value!r}; there is {', '.join(states)}.")


@click.command()
@click.option("--state", callback=_state, help="Only this state, as in HELD or UNREADABLE.")
@click.option("--bank", help="Only this bank.")
@limit
@as_json
@click.pass_context
def files(ctx: click.Context, state: str | None, bank: str | None, limit: int, as_json: bool) -> None:
    """List files, outbound and inbound, newest first."""
    gateway = open_gateway(ctx)
    rows = gateway.ledger.views.files(state=state, bank=bank, limit=limit)
    known(gateway, bank, rows)
    columns = ["id", "", "bank", "file", "state", "verdict", "message id", "pmts", "sum", "at"]
    listing(rows, columns, _file_row, as_json=as_json, empty="No files.", right=["pmts", "sum"])


def known(gateway: Gateway, bank: str | None, rows: Sequence[object]) -> None:
    """Refuse a bank that nobody knows; one that only the ledger knows has rows."""
    if bank and not rows:
        gateway.bank(bank)


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
    """One file as a timeline: every event, attempt, finding, answer and statement; and what to do now.

    The last four or more characters of an id are enough where they are unique.
    """
    from h2h.cli.forecasting import foretell

    gateway = open_gateway(ctx)
    ledger = gateway.ledger
    history = ledger.views.history(ledger.views.find(file))
    if as_json:
        emit([history])
        return
    _print_head(history)
    _print_lines(history)
    _print_parts(history)
    _print_said(history)
    if history.file.direction == "out" and history.file.purged_at is None:
        foretell(gateway, history.file.id)
        _print_advice(ledger.cases.of(history.file.id))


def _print_head(history: History) -> None:
    out, file = console(), history.file
    out.print(text(f"{file.id}  ", "bold").append_text(word(file.state)).append_text(text(f"  {file.name}")))
    total = f"{file.payments or 0:,}, sum {money(file.control_sum)} {'/'.join(file.currencies or ())}"
    facts = [
        ("bank", file.bank),
        ("at the bank", history.remote),
        ("message", file.message),
        ("message id", file.message_id),
        ("bytes", f"{file.size:,}  sha256 {file.sha256}"),
        ("dropped as", file.original_sha256 and f"{file.original_message}  sha256 {file.original_sha256}"),
        ("sent as", file.sealed_sha256 and f"sha256 {file.sealed_sha256}"),
        ("sealed", file.sealed_by),
        ("opened as", file.opened_sha256 and f"sha256 {file.opened_sha256}"),
        ("signed by", file.signed_by),
        ("the bank's word", file.verdict),
        ("reason", file.reason),
        ("purged", file.purged_at and f"on {file.purged_at:%Y-%m-%d}: bytes and records are gone, this stays"),
        ("payments", total if file.payments is not None else None),
    ]
    for name, value in facts:
        if value and value != "none":
            out.print(text(f"  {name:<16}", "dim").append_text(sentence(value)))


def _print_lines(history: History) -> None:
    out = console()
    out.print()
    for line in history.lines:
        told = text(_told(line.data, line.actor))
        out.print(at(line.at).append_text(text(f"  {line.kind:<22} ", "bold")).append_text(told))


def _told(data: dict[str, Any], actor: str) -> str:
    kept = {k: v for k, v in data.items() if v not in (None, [], "") and k not in ("id", "bank", "watch", "from")}
    said = "  ".join(f"{k}: {_plain(v)}" for k, v in kept.items())
    return said if actor == "gateway" else f"by {actor}  {said}"


def _plain(value: Any) -> str:
    """A value of the journal in words."""
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    if isinstance(value, dict):
        return " ".join(_plain(inner) for inner in value.values())
    return local_times(str(value))


def _print_parts(history: History) -> None:
    if history.batches:
        rows = [
            [b["payment_information_id"], b["payments"], money(b["amount"]), b["debtor_account"], b["execution_date"],
             word(b["verdict"] if b["verdict"] != "none" else "")]
            for b in history.batches
        ]  # fmt: skip
        _part(["batch", "payments", "sum", "debtor account", "execution", "verdict"], rows, ["payments", "sum"])
    if history.attempts:
        rows = [
            [a["number"], at(a["started_at"]), a["step"], a["outcome"] or "under way", at(a["next_at"]),
             sentence(a["text"])]
            for a in history.attempts
        ]  # fmt: skip
        _part(["attempt", "started", "step", "outcome", "next", "said"], rows, ["attempt"])
    if history.findings:
        rows = [[word(f.severity), f.code, f.line, f.path, sentence(f.text)] for f in history.findings]
        _part(["severity", "code", "line", "path", "text"], rows, ["line"])


def _print_said(history: History) -> None:
    """What a pain.002 said, of this file or in it; and the statements of a camt.053."""
    from h2h.reasons import in_words

    if history.reports:
        other, name = ("message_id", "in") if history.file.direction == "out" else ("transfer_id", "of")
        rows = [
            [status_in_words(r["status"], r["said"]), r["level"],
             r["end_to_end_id"] or r["payment_information_id"] or r["original_message_id"],
             r[other] or "nothing that we sent", in_words(r["reasons"]), r["effect"]]
            for r in history.reports
        ]  # fmt: skip
        _part(["answer", "on the", "reference", name, "reasons", "effect"], rows, [])
    if history.sent_again:
        rows = [[s.origin_payment, s.origin, s.transfer, word(s.state), s.payment] for s in history.sent_again]
        _part(["payment", "of", "sent again in", "now", "as payment"], rows, ["payment", "as payment"])
    if history.statements:
        _part(STATEMENT_COLUMNS, [statement_row(s) for s in history.statements], STATEMENT_NUMBERS)


def status_in_words(status: str | None, said: str | None = None) -> str:
    """A status with what it says, as in: ACSP being carried out; and the bank's own word, where it is another one."""
    from h2h.life import CODES

    words = f"{status} {CODES[status].means}" if status in CODES else f"{status}"
    return f"{words} (the bank: {said!r})" if said else words


def _part(columns: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[str]) -> None:
    console().print()
    table(columns, rows, right=right)


def _print_advice(case: Case) -> None:
    """For what is in doubt all that is known, for the rest what can be done."""
    from h2h.lifecycle import State
    from h2h.outbound.advice import against, next_steps

    out = console()
    out.print()
    known = against(case) if case.transfer.state is State.UNCERTAIN else []
    for line in [*known, *next_steps(case)]:
        out.print(sentence(line))
