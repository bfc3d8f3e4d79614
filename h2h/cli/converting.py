"""convert: a statement in the forms that came before camt.053."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO

import click

from h2h.cli.judging import _opened, _reader
from h2h.cli.output import one_line, open_gateway, printed
from h2h.records import json_value

if TYPE_CHECKING:
    from h2h.confined import ConfinedReader
    from h2h.formats import Said
    from h2h.model import Finding

IN_MEMORY = 8_000_000  # bytes
FIELDS_NAMED = 6  # in the summary of what is lost


class _Converted:
    """What was said so far; text and losses wait in files of no name until it is certain that they are wanted."""

    def __init__(self, text: IO[bytes], losses: IO[bytes]) -> None:
        self.text = text
        self.losses = losses
        self.counts: Counter[tuple[str, str]] = Counter()
        self.refused = False

    def take(self, items: Iterable[Said]) -> None:
        from h2h.model import Finding, Severity

        for item in items:
            if isinstance(item, str):
                self.text.write(item.encode("ascii"))
            elif isinstance(item, Finding):
                self.refused |= item.severity is Severity.ERROR
                _print_finding(item)
            else:
                self.losses.write(f"{one_line(json_value(item))}\n".encode())
                self.counts[item.why, _plain(item.field)] += 1


@click.command()
@click.argument("statement")
@click.option("--to", "form", required=True, type=click.Choice(["mt940", "bai2"]), help="The form.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Into this file.  [default: standard output]")
@click.option("--losses", help="Every loss into this file, as JSON Lines; - for standard output.")
@click.pass_context
def convert(ctx: click.Context, statement: str, form: str, output: Path | None, losses: str | None) -> int:
    """Write a camt.053 as MT940 or BAI2, and tell every value that is lost.

    STATEMENT is a file, or the id of one that came in. Exit status 1, and nothing is written, if a statement in it
    cannot be told whole: one without balances, for instance.
    """
    from h2h.errors import UsageError
    from h2h.formats import Form
    from h2h.formats import convert as converted

    if losses == "-" and output is None:
        raise UsageError("Both the statement and its losses would go to standard output; name a file by -o.")
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as text, tempfile.SpooledTemporaryFile(IN_MEMORY) as lost:
        found = _Converted(text, lost)
        with _source(ctx, statement) as (source, reader):
            found.take(converted(reader.read(source, strict=False), Form(form)))
        if losses is not None:
            _write(None if losses == "-" else Path(losses), lost)
        if not found.refused:
            _write(output, text)
    if found.refused:
        click.echo(f"h2h: {printed(statement)} was not converted: see above.", err=True)
    else:
        _print_summary(found.counts, form, told=losses is not None)
    return int(found.refused)


@contextmanager
def _source(ctx: click.Context, statement: str) -> Iterator[tuple[BinaryIO, ConfinedReader]]:
    """The bytes of a file, or of the message that has this id."""
    from h2h.errors import UsageError
    from h2h.ledger.rows import refuse_purged

    if Path(statement).exists() or "/" in statement or "." in statement:
        with _opened(Path(statement)) as source:
            yield source, _reader(ctx)
        return
    gateway = open_gateway(ctx)
    views = gateway.ledger.views
    file = views.history(views.find(statement)).file
    if file.direction != "in":
        raise UsageError(
            f"{file.id} is a file that went out ({file.name}); statements come in. `h2h files` lists them."
        )
    refuse_purged(file.id, file.purged_at)
    with gateway.archive.open(file.read_sha256) as source:
        yield source, gateway.reader


def _print_finding(finding: Finding) -> None:
    place = f" (line {finding.line})" if finding.line else ""
    click.echo(printed(f"{finding.severity} {finding.code}{place}: {finding.text}"), err=True)


def _write(target: Path | None, content: IO[bytes]) -> None:
    from h2h.folders import atomic_writer

    content.seek(0)
    if target is None:
        shutil.copyfileobj(content, sys.stdout.buffer)
        return
    with atomic_writer(target) as file:
        shutil.copyfileobj(content, file)


def _print_summary(counts: Counter[tuple[str, str]], form: str, *, told: bool) -> None:
    from h2h.formats import MEANING

    if not counts:
        return
    how = "" if told else "; --losses FILE lists them"
    click.echo(f"{counts.total()} value(s) do not stand in the {form.upper()} as the bank wrote them{how}:", err=True)
    for why, meaning in MEANING.items():
        fields = Counter({name: count for (reason, name), count in counts.items() if reason == why})
        if fields:
            named = ", ".join(f"{name} {count}" for name, count in fields.most_common(FIELDS_NAMED))
            more = ", …" if len(fields) > FIELDS_NAMED else ""
            click.echo(f"  {why:<11} {meaning}: {named}{more}", err=True)


def _plain(field: str) -> str:
    """The field's name without the numbers of what there are several of."""
    return re.sub(r"\[\d+\]", "", field)
