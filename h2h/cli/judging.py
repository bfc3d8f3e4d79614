"""validate, inspect: what is in a file, without a gateway and without a trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from h2h.cli.output import as_json, console, emit, text, with_bar, word

if TYPE_CHECKING:
    from h2h.confined import ConfinedReader

FILES = click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))


def _reader(ctx: click.Context) -> ConfinedReader:
    """Closed when the command ends."""
    from h2h.confined import ConfinedReader
    from h2h.messages import Catalog
    from h2h.resources import root

    reader = ConfinedReader(Catalog.load(root("schemas")))
    ctx.call_on_close(reader.close)
    return reader


@click.command()
@FILES
@click.option("--bank", help="Judge by what this bank's outbound folders take.")
@as_json
@click.pass_context
def validate(ctx: click.Context, files: tuple[Path, ...], bank: str | None, as_json: bool) -> int:
    """Say what judge would say of pain.001 files; nothing is sent or stored.

    Exit status 1 if one of them is INVALID.
    """
    expected = _expected(ctx, bank) if bank else None
    reader = _reader(ctx)
    bad = False
    for file in files:
        found = _judged(file, reader, expected)
        bad |= found["verdict"] != "VALID"
        if as_json:
            emit([found])
        else:
            _print_judgement(found)
    return int(bad)


def _expected(ctx: click.Context, bank: str) -> list[str]:
    from h2h.config import load
    from h2h.errors import UsageError

    settings = load(ctx.obj).bank(bank)
    if settings is None:
        raise UsageError(f"There is no bank {bank!r} in {ctx.obj}.")
    return sorted({name for folder in settings.outbound for name in folder.messages})


def _judged(file: Path, reader: ConfinedReader, expected: list[str] | None) -> dict[str, Any]:
    from decimal import Decimal

    from h2h.outbound.judge import judge
    from h2h.outbound.report import report

    with _opened(file) as source:
        judgement = judge(reader.read(source, strict=True, expected=expected))
    header = judgement.header
    return report(
        file=str(file),
        verdict="VALID" if judgement.good else "INVALID",
        message=header.message if header else None,
        message_id=header.message_id if header else None,
        payments=len(judgement.payments) if header else None,
        control_sum=sum((p.amount for p in judgement.payments if p.amount is not None), Decimal()) if header else None,
        findings=judgement.findings,
    )


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    from h2h.errors import UsageError

    try:
        with file.open("rb") as plain, with_bar(plain, file.stat().st_size) as source:
            yield source
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from error


def _print_judgement(found: dict[str, Any]) -> None:
    from h2h.outbound.report import finding_lines

    out = console()
    line = text(f"{found['file']}: ").append_text(word(found["verdict"]))
    if found["message"]:
        what = f"  {found['message']} {found['message_id']}, {found['payments']} payments, sum {found['control_sum']}"
        line.append_text(text(what, "dim"))
    out.print(line)
    for finding in found["findings"]:
        for shown in finding_lines(finding):
            out.print(text(f"  {shown}"))


@click.command()
@FILES
@as_json
@click.pass_context
def inspect(ctx: click.Context, files: tuple[Path, ...], as_json: bool) -> int:
    """Show everything that the readers make of ISO 20022 files: records and findings.

    With --json one object per file: {"file", "message", "message_id", "records": [{"record": kind, …}], "findings"}.
    Exit status 1 if one of them could not be read.
    """
    reader = _reader(ctx)
    found = [_inspected(file, reader) for file in files]
    if as_json:
        emit(found)
    else:
        for one in found:
            _print_inspected(one)
    return int(any(not one["records"] for one in found))


def _inspected(file: Path, reader: ConfinedReader) -> dict[str, Any]:
    from h2h.model import Finding
    from h2h.outbound.report import finding_record
    from h2h.records import plain

    with _opened(file) as source:
        items = list(reader.read(source, strict=False))
    records = [{"record": type(r).__name__, **plain(r)} for r in items if not isinstance(r, Finding)]
    head = records[0] if records else {}
    return {
        "file": str(file),
        "message": head.get("message"),
        "message_id": head.get("message_id"),
        "records": records,
        "findings": [finding_record(f) for f in items if isinstance(f, Finding)],
    }


def _print_inspected(found: dict[str, Any]) -> None:
    out = console()
    out.print(text(f"{found['file']}: {found['message'] or 'not read'} {found['message_id'] or ''}", "bold"))
    for record in found["records"]:
        values = {k: v for k, v in record.items() if k not in ("record", "line", "details", "balances", "reasons")}
        out.print(text(f"  {record['record']:<14} ").append_text(text(_pairs(values))))
        for part in ("balances", "reasons", "details"):
            for inner in record.get(part, ()):
                out.print(text(f"    {part.removesuffix('s'):<12} {_pairs(inner)}", "dim"))
    for finding in found["findings"]:
        place = f" (line {finding['line']})" if finding["line"] else ""
        out.print(
            text("  ")
            .append_text(word(finding["severity"]))
            .append_text(text(f" {finding['code']}{place}: {finding['text']}"))
        )


def _pairs(values: dict[str, Any]) -> str:
    return "  ".join(f"{k}={v}" for k, v in values.items() if not isinstance(v, list | dict))
