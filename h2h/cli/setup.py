"""check, sandbox, demo: trying out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from h2h.cli.online import asked, reached, show, watch_for
from h2h.cli.output import emit, ready_settings

if TYPE_CHECKING:
    from h2h.config import Bank, Settings


@click.command()
@click.option("--online", is_flag=True, help="Also ask each bank's server what it can do; leaves no trace.")
@click.option(
    "--probe", is_flag=True, help="Online, and try with small files of ours: renaming, and whether they stay."
)
@click.option(
    "--watch", default=10.0, show_default=True, type=click.FloatRange(0, 3600), help="Seconds that they stay."
)
@click.option("--key", type=click.Choice(["next"]), help="Online, and log in with next_key, whose hour is to come.")
@click.option("--in-production", is_flag=True, help="The word without which --probe is refused in production.")
@click.option("--bank", help="Of this bank alone.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per problem or bank, for programs.")
@click.pass_context
def check(
    ctx: click.Context,
    online: bool,
    probe: bool,
    watch: float,
    key: str | None,
    in_production: bool,
    bank: str | None,
    as_json: bool,
) -> int:
    """Say everything that is wrong with the settings, before anything runs.

    With --online each bank's server is asked: host keys, login, folders, what it refuses; a file is made, looked at and
    removed only where the profile states that the bank leaves our temporary files alone. With --probe files are made in
    any case, renamed, and left for some seconds. Ends with the lines of the profile that should be others. With --key
    next the same is asked with bank.channel.next_key, of the banks that have one.

    Exit status 2 for wrong settings, 1 if a bank could not be asked, or does not do what its profile needs.
    """
    from h2h.errors import SettingsError

    try:
        settings = ready_settings(ctx)
    except SettingsError as error:
        if not as_json:
            raise
        emit(error.problems)
        return 2
    banks = [one for one in settings.banks if bank in (None, one.name)]
    _known(bank, banks)
    online = online or probe or key is not None
    if online:
        banks = reached(settings, banks, by_next_key=key is not None)
    if not as_json:
        click.echo(f"{ctx.obj}: good; {len(banks)} bank(s): {', '.join(b.name for b in banks) or 'none'}.")
    production = settings.gateway.environment == "production"
    may = watch_for(watch, banks, production=production, meant=in_production) if probe else None
    good = True
    for one in banks:
        answer = asked(one, may, settings.vault) if online else None
        good &= answer is None or answer.good
        if as_json:
            told = {"version": one.version, "owner": one.owner, "names": _names(settings, one)}
            emit([{"bank": one.name, "good": answer is None or answer.good, **told, "answer": answer}])
        elif answer:
            show(answer)
        else:
            whose = ", ".join(word for word in (one.version, one.owner) if word)
            click.echo(f"{one.name}{f' ({whose})' if whose else ''}: names as in {', '.join(_names(settings, one))}")
    return int(not good)


def _names(settings: Settings, bank: Bank) -> list[str]:
    """As files would be called there now."""
    from h2h.clock import clock_for
    from h2h.outbound.names import example

    here = settings.gateway.environment
    now = clock_for(here, os.environ.get("H2H_NOW")).now()
    return [example(bank, folder, now, environment=here) for folder in bank.outbound]


def _known(name: str | None, banks: Sequence[Bank]) -> None:
    from h2h.errors import UsageError

    if name is not None and not banks:
        raise UsageError(f"There is no bank {name} in the settings.")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("h2h-sandbox"))
@click.option("--port", default=2222, show_default=True, type=click.IntRange(0, 65535), help="On 127.0.0.1; 0 for any.")
@click.option(
    "--scenario", type=click.Path(path_type=Path, exists=True), help="How the bank behaves (config/sandbox.toml)."
)
@click.option("--key", type=click.Path(path_type=Path, exists=True), help="Your public key; else one is made for you.")
@click.option("--onboarding", is_flag=True, help="Play an onboarding test, for `h2h certify`.")
def sandbox(folder: Path, port: int, scenario: Path | None, key: Path | None, onboarding: bool) -> None:
    """Run a bank in a box: an SFTP server that takes pain.001 files and answers like a bank.

    It keeps everything in FOLDER, and prints the profile to reach it by. A public key that is put into FOLDER/keys, as
    NAME.pub, is let in from then on. SIGUSR1 ends its day: then it writes its statements. Ctrl-C stops it.

    With --onboarding its day ends by itself a second after each file, and payments to some accounts are refused:
    FOLDER/inputs.toml says which, for `h2h certify BANK --inputs`.
    """
    from h2h.logs import start_logging
    from h2h.sandbox.keys import create_client_key
    from h2h.sandbox.scenario import load_scenario
    from h2h.sandbox.server import BankServer, run_in_foreground

    start_logging()
    folder.mkdir(parents=True, exist_ok=True)
    private = folder / "keys" / "client_ed25519"
    if key is None and not private.exists():
        private.parent.mkdir(parents=True, exist_ok=True)
        create_client_key(private)
    public = key or private.with_suffix(".pub")
    played = load_scenario(scenario) if scenario else None
    if onboarding:
        from h2h.sandbox import onboarding as test_side

        played = test_side.onboarding(played)
        (folder / "inputs.toml").write_text(test_side.inputs(), encoding="utf-8")
    bank = BankServer(folder, played, authorized_keys=[public, folder / "keys"], port=port)
    run_in_foreground(bank, lambda ready: _introduce(ready, private if key is None else Path("YOUR-PRIVATE-KEY")))


def _introduce(bank: object, private: Path) -> None:
    from h2h.sandbox.server import BankServer

    assert isinstance(bank, BankServer)
    click.echo("The bank is open. A channel to it, for banks/*.toml:\n")
    click.echo("\n".join(filter(None, [bank.channel_block(private.absolute()), bank.pgp_block()])))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("h2h-demo"))
def demo(folder: Path) -> int:
    """Show the whole job in one command, against a bank in a box.

    Starts the bank, sets a gateway up against it in FOLDER, drops sample files in, and shows what becomes of them,
    down to a statement that reconciles. Exit status 0 only if all of that happened.
    """
    from h2h.cli.demonstration import run_demo

    return run_demo(folder)
