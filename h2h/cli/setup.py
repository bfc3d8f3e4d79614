"""init, check, sandbox, demo: setting up and trying out."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from h2h.cli.output import console, emit, open_gateway, text

if TYPE_CHECKING:
    from h2h.config import Bank, Settings


@click.command()
@click.pass_context
def init(ctx: click.Context) -> None:
    """Write annotated settings to begin with, or make the folders that the settings name.

    Without a settings file it writes one, and the profile of a first bank beside it. With one, it makes the data
    folder and every watched and delivery folder that is missing. Nothing is ever overwritten.
    """
    file: Path = ctx.obj
    if not file.exists():
        _write_examples(file)
        return
    from h2h.config import load
    from h2h.folders import OURS

    made = [folder for folder in _folders(load(file)) if not folder.is_dir()]
    for folder in made:
        folder.mkdir(parents=True, mode=0o700 if folder.name == OURS else 0o777)
        click.echo(f"made {folder}")
    if not made:
        click.echo("Every folder is there. Look with `h2h check`.")


def _write_examples(file: Path) -> None:
    from h2h.errors import UsageError
    from h2h.resources import root

    for name in ("h2h.toml", "banks/mybank.toml"):
        target = file if name == "h2h.toml" else file.parent / name
        if target.exists():
            raise UsageError(f"{target} is there already; nothing was written over.")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root("config") / name, target)
        click.echo(f"wrote {target}")
    click.echo("Fill in what the bank told you, run `h2h init` again for the folders, then `h2h check`.")


def _folders(settings: Settings) -> list[Path]:
    from h2h.folders import OURS

    folders = [settings.gateway.data]
    for bank in settings.banks:
        folders += [path for folder in bank.outbound for path in (folder.watch, folder.watch / OURS)]
        folders += [folder.deliver for folder in bank.inbound if folder.deliver]
    return folders


@click.command()
@click.option("--online", is_flag=True, help="Also log in at each bank and list the folders; leaves no trace.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per problem or bank, for programs.")
@click.pass_context
def check(ctx: click.Context, online: bool, as_json: bool) -> int:
    """Say everything that is wrong with the settings, before anything runs.

    Exit status 2 for wrong settings, 1 if a bank could not be asked.
    """
    from h2h.cli.work import require_world
    from h2h.errors import SettingsError

    try:
        gateway = open_gateway(ctx)
        require_world(gateway)
    except SettingsError as error:
        if not as_json:
            raise
        emit(error.problems)
        return 2
    banks = gateway.settings.banks
    if not as_json:
        click.echo(f"{ctx.obj}: good; {len(banks)} bank(s): {', '.join(b.name for b in banks) or 'none'}.")
    good = True
    for bank in banks:
        answer = _answer(bank) if online else None
        good &= not answer or "error" not in answer
        if as_json:
            emit([{"bank": bank.name, "answer": answer}])
        elif answer:
            _print_answer(bank.name, answer)
    return int(not good)


def _print_answer(name: str, answer: dict[str, Any]) -> None:
    out = console()
    if "error" in answer:
        out.print(text(f"{name}: {answer['error']}", "red"))
        return
    out.print(text(f"{name}: logged in", "green"))
    for folder, count in answer["folders"].items():
        out.print(text(f"{name}: {folder} holds {count} file(s)", "green"))


def _answer(bank: Bank) -> dict[str, Any]:
    """How many files lie in each folder of the bank, or why that cannot be told."""
    from h2h.channels.kinds import connect
    from h2h.errors import ChannelError

    folders = dict.fromkeys([o.remote for o in bank.outbound] + [i.remote for i in bank.inbound])
    try:
        with connect(bank.channel) as session:
            return {"folders": {folder: len(session.list(folder)) for folder in folders}}
    except ChannelError as error:
        return {"error": str(error)}


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("h2h-sandbox"))
@click.option("--port", default=2222, show_default=True, type=click.IntRange(0, 65535), help="On 127.0.0.1; 0 for any.")
@click.option(
    "--scenario", type=click.Path(path_type=Path, exists=True), help="How the bank behaves (config/sandbox.toml)."
)
@click.option("--key", type=click.Path(path_type=Path, exists=True), help="Your public key; else one is made for you.")
def sandbox(folder: Path, port: int, scenario: Path | None, key: Path | None) -> None:
    """Run a bank in a box: an SFTP server that takes pain.001 files and answers like a bank.

    It keeps everything in FOLDER and prints the profile to reach it by. SIGUSR1 ends its day: then it writes its
    statements. Ctrl-C stops it.
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
    bank = BankServer(folder, load_scenario(scenario) if scenario else None, authorized_keys=[public], port=port)
    run_in_foreground(bank, lambda ready: _introduce(ready, private if key is None else Path("YOUR-PRIVATE-KEY")))


def _introduce(bank: object, private: Path) -> None:
    from h2h.sandbox.server import BankServer

    assert isinstance(bank, BankServer)
    click.echo("The bank is open. A channel to it, for banks/*.toml:\n")
    click.echo(bank.channel_block(private.absolute()))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("h2h-demo"))
def demo(folder: Path) -> int:
    """Show the whole job in one command, against a bank in a box.

    Starts the bank, sets a gateway up against it in FOLDER, drops sample files in, and shows what becomes of them,
    down to a statement that reconciles. Exit status 0 only if all of that happened.
    """
    from h2h.cli.demonstration import run_demo

    return run_demo(folder)
