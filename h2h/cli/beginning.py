"""init: settings to begin with, by what somebody answers, and the folders that they name."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click

if TYPE_CHECKING:
    from h2h.config import Bank, Settings

PRIVATE, SHARED = 0o700, 0o777  # the umask takes its part of it
SYSTEM = Path("/etc/h2h")  # settings there go with data in /var/lib/h2h, and folders of the ERP in /srv/erp
NOT_YET = f"SHA256:{'A' * 43}"  # h2h check knows it for a placeholder
Answers = Mapping[str, Any]
Lines = Mapping[tuple[str, str], Any]  # what settings say, by section and key


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What somebody states as an option, or is asked on a terminal; `section` and `key` say it in the settings.

    `usual`: the answer where nothing else is said, of the settings file and the answers before. None: it is needed.
    """

    option: str
    asks: str
    section: str
    key: str
    usual: Callable[[Path, Answers], Any] = lambda _file, _answers: None
    path: bool = False
    listed: bool = False


def _always(value: Any) -> Callable[[Path, Answers], Any]:
    return lambda _file, _answers: value


def _erp(folder: str) -> Callable[[Path, Answers], str]:
    return lambda file, answers: f"{'/srv/erp' if _of_system(file) else '../erp'}/{answers['bank']}/{folder}"


def _of_system(file: Path) -> bool:
    return file.absolute().parent == SYSTEM


OF_MAIN = (
    Question(
        option="environment",
        asks="Are these settings for test or production?",
        section="gateway",
        key="environment",
        usual=_always("test"),
    ),
    Question(
        option="data",
        asks="The folder for ledger and archive",
        section="gateway",
        key="data",
        usual=lambda file, _answers: "/var/lib/h2h" if _of_system(file) else "data",
        path=True,
    ),
)
OF_BANK = (
    Question(
        option="bank",
        asks="The bank's name in commands and in the ledger",
        section="bank",
        key="name",
        usual=_always("mybank"),
    ),
    Question(option="host", asks="The bank's server", section="channel", key="host"),
    Question(option="user", asks="Our login there", section="channel", key="user"),
    Question(
        option="zone", asks="The bank's time zone", section="bank", key="timezone", usual=_always("Europe/Berlin")
    ),
    Question(option="port", asks="The port of its server", section="channel", key="port", usual=_always(22)),
    Question(
        option="host-key",
        asks="The fingerprint of its host key (SHA256:AAA…: not known yet)",
        section="channel",
        key="host_keys",
        usual=_always(NOT_YET),
        listed=True,
    ),
    Question(
        option="key-file",
        asks="Our private key for it",
        section="channel",
        key="key_file",
        usual=lambda _file, answers: f"../keys/{answers['bank']}_ed25519",
        path=True,
    ),
    Question(
        option="remote-out",
        asks="The bank's folder for our files",
        section="outbound",
        key="remote",
        usual=_always("/in"),
    ),
    Question(
        option="remote-in",
        asks="The bank's folder for answers and statements",
        section="inbound",
        key="remote",
        usual=_always("/out"),
    ),
    Question(
        option="watch",
        asks="The folder that the ERP drops payment files into",
        section="outbound",
        key="watch",
        usual=_erp("out"),
        path=True,
    ),
    Question(
        option="deliver",
        asks="The folder that the ERP gets answers and statements in",
        section="inbound",
        key="deliver",
        usual=_erp("in"),
        path=True,
    ),
)


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for question in reversed((*OF_BANK, *OF_MAIN)):
        kind = int if question.option == "port" else str
        command = click.option(f"--{question.option}", type=kind, help=f"{question.asks.rstrip('?')}.")(command)
    return command


@click.command()
@_options
@click.pass_context
def init(ctx: click.Context, /, **options: Any) -> None:
    """Write settings to begin with, add a bank to them, or make the folders that they name.

    Without a settings file it asks on a terminal what has to be known, writes the file, the profile of a first bank
    beside it, and a folder for keys that is closed to others. With --bank it adds that bank to settings that are there.
    Every answer can be an option; with --bank, --host and --user nothing more is asked. Where there is no terminal,
    and no --bank, it writes an annotated example.

    In the end, and at once where settings are there, it makes the data folder and every watched, status, delivery and
    key folder that is missing, and the .h2h by which watched folders, and those of a bank behind a folder, are
    recognised. Nothing is ever overwritten.
    """
    from h2h.errors import UsageError

    file: Path = ctx.obj
    given = {name.replace("_", "-"): value for name, value in options.items() if value is not None}
    asks = sys.stdin.isatty() and not {"bank", "host", "user"} <= set(given)
    if given and not asks and "bank" not in given:
        raise UsageError("Say with --bank NAME which bank is meant; there is no terminal to ask on.")
    try:
        if given or (asks and not file.exists()):
            _add_bank(file, given, asks=asks)
            _make_folders(file)
            click.echo("Look with `h2h check`, and write into the profile what else the bank told you.")
        elif file.exists():
            _make_folders(file)
        else:
            _write_examples(file)
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be made: {(error.strerror or str(error)).lower()}.") from error


def _add_bank(file: Path, given: Answers, *, asks: bool) -> None:
    """The profile of another bank, or of the first one of new settings."""
    main = _known(file, given) or _answered(OF_MAIN, file, given, asks=asks)
    profile = _answered(OF_BANK, file, given, asks=asks)
    target = file.parent / "banks" / f"{profile['bank']}.toml"
    _refuse_if_there(target)
    if not file.exists():
        _write(file, "h2h.toml", _lines(OF_MAIN, main))
    own = _lines(OF_BANK, profile) | {("bank", "environment"): main["environment"]}
    _write(target, "banks/mybank.toml", own)


def _known(file: Path, given: Answers) -> Answers | None:
    """What settings that are there say; None where there are none."""
    from h2h.config import read
    from h2h.errors import SettingsError, UsageError

    if not file.exists():
        return None
    reading = read(file)
    if reading.gateway is None:
        raise SettingsError(reading.problems)
    if stated := [q.option for q in OF_MAIN if q.option in given]:
        raise UsageError(f"{file} is there already, and says what --{stated[0]} would; nothing was written over.")
    if reading.gateway.banks != "banks/*.toml":
        raise UsageError(f"{file} has its banks in {reading.gateway.banks}; write a profile there by hand.")
    names = {profile.bank.name: profile.source.file for profile in reading.profiles}
    if there := names.get(given.get("bank", "")):
        raise UsageError(f"{there} is the profile of {given['bank']} already; nothing was written over.")
    return {"environment": reading.gateway.environment}


def _answered(questions: tuple[Question, ...], file: Path, given: Answers, *, asks: bool) -> Answers:
    """An answer for each, that the settings may have. Raises UsageError."""
    from h2h.errors import UsageError

    answers: dict[str, Any] = {}
    for question in questions:
        usual, value = question.usual(file, answers), given.get(question.option)
        if value is not None:
            answers[question.option] = _fitting(question, value)
        elif asks:
            told = click.prompt(question.asks, default=usual, value_proc=partial(_fitting, question))
            answers[question.option] = usual if usual and told == _fitting(question, usual) else told
        else:
            answers[question.option] = usual
    if missing := [f"--{option}" for option, value in answers.items() if value is None]:
        raise UsageError(f"State {' and '.join(missing)}, too; there is no terminal to ask on.")
    return answers


def _fitting(question: Question, value: Any) -> Any:
    """The answer as it is written into settings; UsageError of click, which asks again, where it cannot stand there."""
    from pydantic import TypeAdapter, ValidationError

    from h2h.config import Bank, GatewaySettings, Inbound, Outbound, SftpSettings
    from h2h.config.toml_file import sentence

    kinds: dict[str, Any] = {"gateway": GatewaySettings, "bank": Bank, "channel": SftpSettings}
    field = {**kinds, "outbound": Outbound, "inbound": Inbound}[question.section].model_fields[question.key]
    if question.path:
        return os.path.abspath(Path(value).expanduser())
    value = int(value) if question.key == "port" and str(value).isdecimal() else value
    kind: Any = field.annotation if not field.metadata else Annotated[field.annotation, *field.metadata]
    try:
        TypeAdapter(kind).validate_python([value] if question.listed else value)
    except ValidationError as error:
        raise click.UsageError(f"{question.asks}: {sentence(error.errors(include_url=False)[0])}") from None
    return value


def _lines(questions: tuple[Question, ...], answers: Answers) -> dict[tuple[str, str], Any]:
    said = {(q.section, q.key): (q, answers[q.option]) for q in questions}
    return {place: [value] if question.listed else value for place, (question, value) in said.items()}


def _write(target: Path, example: str, lines: Lines) -> None:
    """The annotated example, with these lines in place of its own."""
    from h2h.resources import root

    text = (root("config") / example).read_text(encoding="utf-8")
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("x", encoding="utf-8") as file:
        file.write("".join(_filled(text, lines)))
    click.echo(f"wrote {target}")


def _filled(text: str, lines: Lines) -> Iterator[str]:
    """Each key once in its section, be it in force in the example or behind a #; what is noted beside it stays."""
    section, left = "", dict(lines)
    for line in text.splitlines(keepends=True):
        if header := re.match(r"\[+([\w.]+)\]+", line):
            section = header[1].rpartition(".")[2]
        key = re.match(r'(?:# )?(\w+) = (?:"[^"]*"|\[[^\]]*\]|\d+)', line)
        if key and (section, key[1]) in left:
            stated = f"{key[1]} = {json.dumps(left.pop((section, key[1])), ensure_ascii=False)}"
            yield stated + line[key.end() :]
        else:
            yield line
    assert not left, left


def _refuse_if_there(target: Path) -> None:
    from h2h.errors import UsageError

    if target.exists():
        raise UsageError(f"{target} is there already; nothing was written over.")


def _write_examples(file: Path) -> None:
    from h2h.resources import root

    for name in ("h2h.toml", "banks/mybank.toml"):
        target = file if name == "h2h.toml" else file.parent / name
        _refuse_if_there(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root("config") / name, target)
        click.echo(f"wrote {target}")
    keys = file.parent / "keys"
    if not keys.exists():
        keys.mkdir(mode=PRIVATE)
        click.echo(f"made {keys}, closed to others")
    click.echo("Fill in what the bank told you, run `h2h init` again for the folders, then `h2h check`.")


def _make_folders(file: Path) -> None:
    from h2h.config import load

    made = {folder: mode for folder, mode in _folders(load(file)).items() if not os.path.isdir(folder)}
    for folder, mode in made.items():
        folder.mkdir(parents=True, mode=mode)
        click.echo(f"made {folder}")
    if not made:
        click.echo("Every folder is there. Look with `h2h check`.")


def _proofs(bank: Bank) -> list[Path]:
    """By what the folders are recognised that we reach as folders and make files in; they themselves are the bank's."""
    from h2h.folders import OURS

    if bank.channel.kind != "folder":
        return []
    made_in = [bank.channel.path / folder.staging_folder.lstrip("/") for folder in bank.outbound]
    return [folder / OURS for folder in made_in if folder.is_dir()]


def _folders(settings: Settings) -> dict[Path, int]:
    """Every folder that the settings name, with the mode in which it is made; what is secret is for us alone."""
    from h2h.folders import OURS

    private, shared = [settings.gateway.data], []
    for bank in settings.banks:
        if bank.channel.kind == "sftp":
            private += [bank.channel.key_file.parent]
            private += [bank.channel.next_key.file.parent] if bank.channel.next_key else []
        shared += _proofs(bank)
        shared += [folder.watch for folder in bank.outbound]
        private += [folder.watch / OURS for folder in bank.outbound]
        shared += [folder.status for folder in bank.outbound if folder.status]
        shared += [folder.deliver for folder in bank.inbound if folder.deliver]
    return dict.fromkeys(shared, SHARED) | dict.fromkeys(private, PRIVATE)
