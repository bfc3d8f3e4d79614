"""The command `certify`: a bank's onboarding test pack, and the record of the penny test."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from h2h.cli.output import as_json, console, emit, open_gateway, text
from h2h.cli.who import named

if TYPE_CHECKING:
    from datetime import datetime

    from h2h.certify.bench import Bench
    from h2h.certify.results import Profile, Report, Result
    from h2h.certify.trial import Case
    from h2h.gateway import Gateway
    from h2h.ledger.sequences import Counter

STYLES = {"PASSED": "green", "FAILED": "bold red", "SKIPPED": "dim", "NEEDS PERSON": "yellow"}
INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    bank: str
    folder: Path | None
    inputs: Path | None
    sandbox: bool
    wait: str
    volume: int
    only: tuple[str, ...]
    without: tuple[str, ...]
    as_json: bool


@click.command()
@click.argument("bank")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), required=False)
@click.option("--inputs", type=click.Path(path_type=Path, exists=True), help="What the bank told of its test side.")
@click.option("--sandbox", is_flag=True, help="Against a bank in a box, started for it in FOLDER.")
@click.option(
    "--wait", default="2m", show_default=True, metavar="TIME", help="The most that a case waits for the bank."
)
@click.option(
    "--volume", default=500, show_default=True, type=click.IntRange(1, 1_000_000), help="Payments, large file."
)
@click.option("--only", multiple=True, metavar="CASE", help="These cases alone; a pattern, may be repeated.")
@click.option("--skip", "without", multiple=True, metavar="CASE", help="Not these cases; a pattern, may be repeated.")
@click.option("--list", "listing", is_flag=True, help="Say which cases there are for this bank, and try none.")
@click.option("--penny-result", type=click.Choice(["passed", "failed"]), help="Record the penny test in production.")
@click.option("--transfer", metavar="ID", help="With --penny-result: the file that was sent.")
@click.option("--reason", help="With --penny-result: what was seen; stands in the journal.")
@as_json
@named
@click.pass_context
def certify(
    ctx: click.Context,
    bank: str,
    folder: Path | None,
    inputs: Path | None,
    sandbox: bool,
    wait: str,
    volume: int,
    only: tuple[str, ...],
    without: tuple[str, ...],
    listing: bool,
    penny_result: Literal["passed", "failed"] | None,
    transfer: str | None,
    reason: str | None,
    as_json: bool,
) -> int:
    """Run a bank's onboarding test pack against its test server, and write a report to sign.

    Each case runs in a gateway of its own in FOLDER (a new one, if not named), made from the bank's profile; ledger and
    folders of your gateway are not touched. Each payment is of 1.01 to 1.99. A production gateway is refused: there the
    last page of the report says how to do the penny test, and --penny-result records it.

    Exit status 0 only if nothing failed.
    """
    if penny_result:
        return _penny(ctx, bank, penny_result, transfer, reason)
    asked = _Asked(
        bank=bank, folder=folder, inputs=inputs, sandbox=sandbox, wait=wait, volume=volume, only=only,
        without=without, as_json=as_json,
    )  # fmt: skip
    with _bench(ctx, asked, trying=not listing) as (bench, profile):
        from h2h.certify.pack import pack

        cases = pack(bench, only, without)
        return _list(bench, cases) if listing else _run(bench, cases, profile, asked)


@contextmanager
def _bench(ctx: click.Context, asked: _Asked, *, trying: bool) -> Iterator[tuple[Bench, Profile]]:
    """What the cases share, and the profile; with a bank in a box behind it, where that is asked for."""
    from h2h.certify.bench import Bench
    from h2h.certify.inputs import load_inputs
    from h2h.certify.rehearsal import rehearsing
    from h2h.cli.who import person

    gateway = open_gateway(ctx)
    _refuse(gateway, asked)
    bank, now = gateway.as_reached(gateway.bank(asked.bank)), gateway.clock.now()
    inputs = load_inputs(asked.inputs)
    folder = _folder(asked, f"{now.astimezone():%Y%m%d-%H%M%S}", made=trying)
    with ExitStack() as held:
        if asked.sandbox and trying:
            bank, inputs = held.enter_context(rehearsing(bank, folder, gateway.credentials))
        bench = Bench(
            settings=gateway.settings,
            bank=bank,
            catalog=gateway.catalog.with_own(bank.schemas) if bank.schemas else gateway.catalog,
            inputs=inputs,
            folder=folder,
            clock=gateway.clock,
            credentials=gateway.credentials,
            by=person(gateway),
            mark=f"C{now:%y%m%d%H%M%S}",
            wait_seconds=_seconds(asked.wait),
            volume=asked.volume,
            numbers=_numbers(gateway, asked),
        )
        yield bench, _profile(ctx.obj, asked.bank)


def _numbers(gateway: Gateway, asked: _Asked) -> dict[Counter, int]:
    """Those that names at this bank had until now."""
    if asked.sandbox or not gateway.has_ledger:
        return {}
    return {each.counter: each.last for each in gateway.ledger.sequences.counted(asked.bank)}


def _refuse(gateway: Gateway, asked: _Asked) -> None:
    """Where it may not run: in production, or by a key of it, and beside a gateway that would fetch the answers."""
    from h2h.config import read
    from h2h.environments import crossings
    from h2h.errors import SettingsError, UsageError

    bank = gateway.bank(asked.bank)
    if gateway.settings.gateway.environment != "test":
        raise UsageError('certify sends test files, and these settings say environment = "production".')
    if crossed := [*crossings(read(gateway.settings.file))]:
        raise SettingsError(crossed)
    if asked.sandbox and asked.inputs:
        raise UsageError("With --sandbox the bank in a box says itself what --inputs would; leave one of them out.")
    if asked.sandbox:
        return
    if (process := gateway.runs()) is not None:
        raise UsageError(f"A gateway runs on {gateway.data} (process {process}) and would fetch the answers; stop it.")
    if until := bank.away_until(gateway.clock.now()):
        raise UsageError(f"{bank.name} is in maintenance until {until:%Y-%m-%d %H:%M} UTC; certify it after that.")


def _folder(asked: _Asked, stamp: str, *, made: bool) -> Path:
    from h2h.errors import UsageError

    folder = (asked.folder or Path(f"certify-{asked.bank}-{stamp}")).absolute()
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty; name a new folder for the test.")
    if made:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _seconds(wait: str) -> float:
    from datetime import timedelta

    from pydantic import TypeAdapter, ValidationError

    from h2h.config.values import Duration

    try:
        found: timedelta = TypeAdapter(Duration).validate_python(wait)
    except ValidationError as error:
        raise click.BadParameter(str(error.errors()[0]["msg"]), param_hint="--wait") from None
    return found.total_seconds()


def _profile(config: Path, bank: str) -> Profile:
    """The bank's file as it stands."""
    from hashlib import sha256

    from h2h.certify.results import Profile
    from h2h.config import read

    found = next(one for one in read(config).profiles if one.bank.name == bank)
    file, said = found.source.file, found.bank
    digest = sha256(file.read_bytes()).hexdigest()
    return Profile(file=str(file), sha256=digest, version=said.version, owner=said.owner)


def _list(bench: Bench, cases: Sequence[Case]) -> int:
    for case in cases:
        click.echo(case.id)
        lacks = case.lacks(bench)
        lines = [
            case.proves,
            f"lacks: {lacks}" if lacks else "",
            f"at a real bank: {case.by_hand}" if case.by_hand else "",
        ]
        click.echo("".join(f"    {line}\n" for line in lines if line), nl=False)
    return 0


def _run(bench: Bench, cases: Sequence[Case], profile: Profile, asked: _Asked) -> int:
    """Where somebody breaks it off, what was found until then is written down."""
    from h2h.certify.pack import run
    from h2h.certify.report import write

    started, before = bench.clock.now(), dict(bench.numbers)
    results: list[Result] = []
    try:
        with _progress(asked) as (begun, tell):

            def ended(result: Result) -> None:
                results.append(result)
                tell(result)

            run(bench, cases, begun, ended)
        early = False
    except KeyboardInterrupt:
        early = True
    report = _report(bench, profile, asked, started, results, early=early)
    written = write(report, bench.folder)
    if not asked.as_json:
        _say(report, written.html, written.json)
        _say_numbers(bench, before, asked)
    return INTERRUPTED if early else int(not report.good)


@contextmanager
def _progress(asked: _Asked) -> Iterator[tuple[Callable[[Case], None], Callable[[Result], None]]]:
    """What is tried just now, on a terminal; and a line for each case that is over."""
    from rich.console import Console

    tell: Callable[[Result], None] = (lambda result: emit([result])) if asked.as_json else _tell
    if not (sys.stdout.isatty() and sys.stderr.isatty()):  # beside it, rich would take what goes elsewhere
        yield (lambda _: None), tell
        return
    with Console(stderr=True).status("") as status:
        yield (lambda case: status.update(f"{case.id}: {case.title} …")), tell


def _tell(result: Result) -> None:
    seconds = (result.ended - result.started).total_seconds()
    line = text(f"{result.outcome:13}", STYLES[result.outcome]).append_text(text(f"{result.case}  {seconds:.1f} s"))
    console().print(line)
    console().print(text(f"             {result.text}", "dim" if result.outcome == "PASSED" else ""))


def _report(
    bench: Bench, profile: Profile, asked: _Asked, started: datetime, results: Sequence[Result], *, early: bool
) -> Report:
    import h2h
    from h2h.certify.results import Report
    from h2h.certify.server import server_of

    return Report(
        bank=bench.bank.name,
        environment=bench.settings.gateway.environment,
        gateway=h2h.__version__,
        by=bench.by,
        profile=profile,
        server=server_of(bench),
        inputs=str(asked.inputs) if asked.inputs else None,
        timezone=bench.bank.timezone,
        started=started,
        ended=bench.clock.now(),
        ended_early=early,
        sandbox=asked.sandbox,
        results=results,
    )


def _say(report: Report, html: Path, json: Path) -> None:
    from h2h.certify.results import Outcome

    counts = ", ".join(f"{report.count(one)} {one.lower()}" for one in Outcome if report.count(one))
    click.echo(f"\n{report.bank}: {counts}{', broken off' if report.ended_early else ''}.")
    click.echo(f"Report: {html}\n        {json}")


def _say_numbers(bench: Bench, before: dict[Counter, int], asked: _Asked) -> None:
    """The gateway of everyday knows nothing of the numbers that this one used."""
    for counter, last in bench.numbers.items():
        if last != before.get(counter) and not asked.sandbox:
            day = f" --day {counter.day}" if counter.day else ""
            order = f"h2h sequences {bench.bank.name} --beyond {last} --series {counter.series}{day}"
            click.echo(f"Numbers of {counter.series} are used up to {last} now. Before your gateway sends, tell it:")
            click.echo(f'    {order} --reason "onboarding test"')


def _penny(
    ctx: click.Context, bank: str, result: Literal["passed", "failed"], transfer: str | None, reason: str | None
) -> int:
    from h2h.certify.penny import record
    from h2h.cli.who import person

    if not transfer or not reason:
        raise click.UsageError("--penny-result goes with --transfer ID and --reason TEXT.")
    gateway = open_gateway(ctx)
    found = record(gateway, bank, transfer, result, who=person(gateway), reason=reason)
    click.echo(f"The penny test of {bank} {result}, by {found.id}; it stands in the journal.")
    return 0
