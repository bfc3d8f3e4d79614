"""The demo: the whole job on one machine, with real parts, in one command.

A bank in a box runs in this process, the gateway as the daemon it is; files are dropped as an ERP drops them, and
what becomes of them is read from the gateway's own ledger.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from h2h.cli.output import console, text, word
from h2h.clock import Clock
from h2h.config import load
from h2h.errors import UsageError
from h2h.gateway import Gateway
from h2h.ledger.views import FileRow
from h2h.resources import root
from h2h.sandbox.keys import create_client_key
from h2h.sandbox.scenario import parse_scenario
from h2h.sandbox.server import BankServer

MARK = ".h2h-demo"  # a folder with this file is ours to replace
PATIENCE_SECONDS = 25.0
SCENARIO = """
received_seconds = 0.3
answer_seconds = 0.7
[[rule]]
when = { end_to_end_id = "%s" }
then = "reject"
reason = "AC04"
text = "The creditor's account is closed."
"""
SETTINGS = '[gateway]\ndata = "data"\nenvironment = "test"\n'
PROFILE = """[bank]
name = "sandbox"
timezone = "Europe/Berlin"

{channel}
[[bank.outbound]]
watch = "../erp/out"
settle = "300ms"
messages = ["pain.001.001.03", "pain.001.001.09"]
remote = "/in"
name = "{{msg_id}}.xml"

[[bank.inbound]]
remote = "/out"
match = "*.xml"
messages = ["pain.002.001.03", "pain.002.001.10", "camt.053.001.02", "camt.053.001.08"]
every = "500ms"
settle = "0s"
names_are_unique = true
after = "delete"
deliver = "../erp/in"
"""
REFUSED_PAYMENT = "ZA-2026-004706"  # of samples/good/pain.001.001.09.xml
DROPPED = ("good/pain.001.001.09.xml", "good/pain.001.001.03.xml", "bad/COUNT_MISMATCH.xml")


def run_demo(folder: Path) -> int:
    """Exit status 0 only if a file was sent, answered, booked, and the statement reconciles."""
    folder = folder.absolute()
    _fresh(folder)
    started = time.monotonic()
    _say("1", f"A bank in a box opens in {folder / 'bank'}")
    public = create_client_key(folder / "client_ed25519")
    scenario = parse_scenario(SCENARIO % REFUSED_PAYMENT)
    with BankServer(folder / "bank", scenario, authorized_keys=[public]) as bank:
        _more(f"SFTP on {bank.host}:{bank.port}, host key {bank.host_key_fingerprint}")
        gateway = _set_up(folder, bank)
        with _daemon(folder):
            done = _Show(gateway, bank, folder).play()
    gateway.close()
    _farewell(folder, done, time.monotonic() - started)
    return 0 if done else 1


class _Show:
    def __init__(self, gateway: Gateway, bank: BankServer, folder: Path) -> None:
        self._views = gateway.ledger.views
        self._journal = gateway.ledger.journal
        self._bank = bank
        self._folder = folder
        self._told: dict[str, tuple[str | None, ...]] = {}

    def play(self) -> bool:
        _say("3", f"The ERP drops {len(DROPPED)} payment files into {self._folder / 'erp' / 'out'}")
        for name in DROPPED:
            _drop(root("samples") / name, self._folder / "erp" / "out")
        if not self._until("the bank has answered both good files", self._answered):
            return False
        _say("4", "The bank ends its day and writes its statements")
        self._bank.settle()
        self._bank.close_day()
        if not self._until("the statements are in and add up", self._reconciled):
            return False
        return self._verify()

    def _until(self, what: str, reached: Callable[[], bool]) -> bool:
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            self._tell_news()
            if reached():
                return True
            time.sleep(0.1)
        click.secho(
            f"   Not within {PATIENCE_SECONDS:.0f} seconds: {what}. See {self._folder / 'daemon.log'}", fg="red"
        )
        return False

    def _tell_news(self) -> None:
        """A line for every file whose state or verdict is new."""
        for file in reversed(self._views.files()):
            now = (file.state, file.verdict)
            if self._told.get(file.id) != now:
                self._told[file.id] = now
                _tell(file)

    def _answered(self) -> bool:
        verdicts = {f.verdict for f in self._views.files() if f.state == "SENT"}
        refused = any(f.state == "INVALID" for f in self._views.files())
        return verdicts == {"ACCEPTED", "PARTIAL"} and refused

    def _reconciled(self) -> bool:
        statements = self._views.statements()
        return bool(statements) and all(s.reconciles for s in statements) and sum(s.matched for s in statements) > 0

    def _verify(self) -> bool:
        for row in self._views.statements():
            balances = f"{row.account}: {row.opening} → {row.closing} {row.currency}"
            _more(f"{balances}, {row.entries} entries, {row.matched} of our payments")
        chain = self._journal.verify()
        _say(
            "5",
            f"The journal is whole: {chain.events} chained events" if not chain.fault else f"Journal: {chain.fault}",
        )
        return chain.fault is None


def _fresh(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).exists():
            raise UsageError(f"{folder} is not empty and was not made by the demo; name another folder.")
        click.echo(f"The earlier demo in {folder} is replaced.")
        shutil.rmtree(folder)
    for part in ("erp/out", "erp/in", "banks", "bank"):
        (folder / part).mkdir(parents=True)
    (folder / MARK).touch()


def _set_up(folder: Path, bank: BankServer) -> Gateway:
    channel = bank.channel_block(folder / "client_ed25519")
    (folder / "h2h.toml").write_text(SETTINGS)
    (folder / "banks" / "sandbox.toml").write_text(PROFILE.format(channel=channel))
    _say("2", f"The gateway starts with {folder / 'h2h.toml'}")
    return Gateway(load(folder / "h2h.toml"), Clock())


@contextmanager
def _daemon(folder: Path) -> Iterator[None]:
    """`h2h run` as a process of its own, stopped as systemd would stop it."""
    command = [sys.executable, "-m", "h2h", "--config", str(folder / "h2h.toml"), "run"]
    with (folder / "daemon.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)  # noqa: S603 our own program
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _drop(sample: Path, folder: Path) -> None:
    """As an ERP should: written under a temporary name, then renamed."""
    part = folder / f"{sample.name}.part"
    shutil.copyfile(sample, part)
    os.rename(part, folder / sample.name)


def _say(step: str, what: str) -> None:
    click.secho(f"\n{step}. {what}", bold=True)


def _more(what: str) -> None:
    click.echo(f"   {what}")


def _tell(file: FileRow) -> None:
    arrow = "→" if file.direction == "out" else "←"
    line = text(f"   {arrow} {file.id}  ").append_text(word(file.state))
    if file.verdict and file.verdict != "none":
        line.append_text(text(", the bank says ")).append_text(word(file.verdict))
    line.append_text(text(f"  {file.name}"))
    console().print(line)
    if file.reason:
        console().print(text(f"       {file.reason}", "dim"))


def _farewell(folder: Path, done: bool, seconds: float) -> None:
    near = folder.is_relative_to(Path.cwd())
    shown = os.path.relpath(folder) if near else str(folder)
    h2h = f"h2h -c {shown}/h2h.toml"
    if done:
        click.secho(f"\nAll of it happened, in {seconds:.0f} seconds. Look around:", fg="green", bold=True)
    _more(f"{shown}/erp/out/processed, rejected    what was dropped; beside a refused file its report")
    _more(f"{shown}/erp/in                         what the ERP gets: originals, and records as JSON Lines")
    _more(f"{shown}/bank/taken                     what the bank received, byte by byte")
    _more("")
    for command in ("status", "files", f"payments {REFUSED_PAYMENT}", "statements", "journal verify"):
        _more(f"{h2h} {command}")
