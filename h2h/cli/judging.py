"""validate, inspect: what is in a file, without a gateway and without a trace."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from h2h.cli.output import as_json, console, emit, text, with_bar, word

if TYPE_CHECKING:
    from h2h.confined import ConfinedReader
    from h2h.model import Judgement
    from h2h.rules import Terms

FILES = click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))


def _reader(ctx: click.Context, schemas: Path | None = None) -> ConfinedReader:
    """Closed when the command ends. `schemas`: those of a bank, where it has some."""
    from h2h.confined import ConfinedReader
    from h2h.messages import Catalog
    from h2h.resources import root

    catalog = Catalog.load(root("schemas"))
    reader = ConfinedReader(catalog.with_own(schemas) if schemas else catalog)
    ctx.call_on_close(reader.close)
    return reader


@click.command()
@FILES
@click.option("--bank", help="Judge by what this bank's outbound folders take.")
@click.option("--addresses", is_flag=True, help="Tell whose postal addresses are fit for November 2026.")
@as_json
@click.pass_context
def validate(ctx: click.Context, files: tuple[Path, ...], bank: str | None, addresses: bool, as_json: bool) -> int:
    """Say what judge would say of pain.001 and pain.008 files; nothing is sent or stored.

    VALID, HELD (a person would have to look) or INVALID. Exit status 1 if one of them is INVALID.

    With --addresses, of files and folders (every *.xml in them and in the folders below, such as processed/; hidden
    ones are left alone): for each creditor how many payments and files have an address of which form. From November
    2026 on banks take structured ones (town and country in TwnNm and Ctry) and hybrid ones (these, and at most two
    AdrLine); no address at all breaks nothing. Debtors, ultimate parties and banks are listed where an address of them
    is unfit. Exit status 1 if a payment is not ready, or a file could not be read.
    """
    if addresses:
        return _addresses(ctx, files, bank, as_json)
    terms, schemas = _terms(ctx, bank)
    reader = _reader(ctx, schemas)
    bad = False
    for file in files:
        found = _judged(file, reader, terms)
        bad |= found["verdict"] == "INVALID"
        if as_json:
            emit([found])
        else:
            _print_judgement(found)
    return int(bad)


def _addresses(ctx: click.Context, places: tuple[Path, ...], bank: str | None, as_json: bool) -> int:
    from h2h.cli.addressing import report_on
    from h2h.errors import UsageError

    if bank is not None:
        raise UsageError("--addresses looks at what stands in the files, whatever the bank; leave --bank out.")
    return report_on(places, _reader(ctx), as_json=as_json)


def _terms(ctx: click.Context, name: str | None) -> tuple[list[Terms], Path | None]:
    """Those of each outbound folder of the bank, and its schemas; without a bank, the usual ones."""
    from h2h.clock import clock_for
    from h2h.config import load
    from h2h.errors import UsageError
    from h2h.rules import Terms

    stated = os.environ.get("H2H_NOW")
    if name is None:
        return [Terms(today=clock_for("test", stated).now().date())], None
    settings = load(ctx.obj)
    bank = settings.bank(name)
    if bank is None:
        raise UsageError(f"There is no bank {name!r} in {ctx.obj}.")
    now = clock_for(settings.gateway.environment, stated).now()
    return [bank.terms(folder, now) for folder in bank.outbound] or [Terms(messages=())], bank.schemas


def _judged(file: Path, reader: ConfinedReader, terms: list[Terms]) -> dict[str, Any]:
    """The judgement of the folder that takes the file best."""
    from h2h.model import total
    from h2h.outbound.report import report

    judgement = min((judgement_of(file, reader, each) for each in terms), key=lambda j: (not j.good, j.held))
    orders = judgement.direct_debits
    header, each = (orders.header, orders.transactions) if orders else (judgement.header, judgement.payments)
    return report(
        file=str(file),
        verdict="INVALID" if not judgement.good else "HELD" if judgement.held else "VALID",
        message=header.message if header else None,
        message_id=header.message_id if header else None,
        payments=len(each) if header else None,
        control_sum=total(one.amount for one in each) if header else None,
        findings=judgement.findings,
    )


def judgement_of(file: Path, reader: ConfinedReader, terms: Terms) -> Judgement:
    from h2h.outbound.trial import tried

    return tried(partial(_opened, file), str(file), reader, replace(terms, called=file.name))


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    from h2h.errors import UsageError

    try:
        with file.open("rb") as plain, with_bar(plain, file.stat().st_size, "judging") as source:
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
    return int(any(not one["message"] for one in found))


def _inspected(file: Path, reader: ConfinedReader) -> dict[str, Any]:
    from h2h.model import Finding
    from h2h.outbound.report import finding_record
    from h2h.records import plain

    with _opened(file) as source:
        items = list(reader.read(source, strict=False))
    records = [{"record": type(r).__name__, **plain(r)} for r in items if not isinstance(r, Finding)]
    head: dict[str, Any] = next((r for r in records if "message" in r), {})
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
        values = {k: v for k, v in record.items() if k not in ("record", "line")}
        out.print(text(f"  {record['record']:<14} ").append_text(text(_pairs(values))))
        for line in _within(values, "    "):
            out.print(text(line, "dim"))
    for finding in found["findings"]:
        place = f" (line {finding['line']})" if finding["line"] else ""
        out.print(
            text("  ")
            .append_text(word(finding["severity"]))
            .append_text(text(f" {finding['code']}{place}: {finding['text']}"))
        )


def _within(values: dict[str, Any], indent: str) -> Iterator[str]:
    """A line for each record that is in this one, and below it those that are in that one."""
    for name, value in values.items():
        for inner in value if isinstance(value, list) else ():
            if isinstance(inner, dict):
                yield f"{indent}{name:<12} {_pairs(inner)}"
                yield from _within(inner, indent + "  ")


def _pairs(values: dict[str, Any], prefix: str = "") -> str:
    """Values, lists of values, and single records; lists of records have lines of their own."""
    pairs: list[str] = []
    for name, value in values.items():
        if isinstance(value, dict):
            pairs.append(_pairs(value, f"{prefix}{name}."))
        elif not isinstance(value, list):
            pairs.append(f"{prefix}{name}={value}")
        elif all(isinstance(each, str) for each in value):
            pairs.append(f"{prefix}{name}={' | '.join(value)}")
    return "  ".join(pairs)
