"""Nothing that the gateway writes, tells or hands on holds a secret, in whatever form, at work and in trouble.

A real `h2h run`, with a secret of every kind, each had from another place. What it wrote is searched for each of them
as text, in base64, hex, JSON and URLs; so is what could be seen of its processes. The same story with a gateway that
prints each secret shows that every one was used, and that the search finds them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus
from urllib.request import urlopen

import pytest
from cryptography.hazmat.primitives import serialization
from sqlalchemy import make_url

from h2h.sandbox.keys import create_client_key
from h2h.sandbox.scenario import Pgp, Scenario
from h2h.sandbox.server import BankServer
from h2h.secrecy import handed_on
from tests.forging import NOW, forge
from tests.listening import Heard, answers, receiver, settings_of
from tests.shell.command import run as quickly
from tests.suites.receivers import WebServer
from tests.vaults import vault

from .process import Daemon, environment
from .world import MovableClock, OneOfMany, World, payments, sample, until, world

SECRETS = {
    "passphrase of the SSH key": "ssh Qm7vT2kX9wLp/ä+3",
    "passphrase of the PGP key": "pgp Zr4nB8sYdC6hJ-1u",
    "key of manifests": "manifest K5tG0fWqE7aVxR2m",
    "secret of a webhook": "hook-H3yU9iO1pA6sD4fG7hJ0kL2zX5cV8b",
    "its next secret": "next-N6bV3cX9zL1kJ4hG7fD0sA2pO5iU8y",
    "password in an address": "address P2oI8uY4tR6e&=",
    "token in an address": "T0k3nInAPathW5nQ9",
    "token of the vault": "hvs.CAESIB7Vq2xW9sR4tY6uI8",
    "a passphrase that is wrong": "wrong M9nB7vC5xZ3lK1",
}
PASSWORD = {"password of the database": "database D1eW3qA5zX7c"}
UNUSED_WHEN_GOOD = {"a passphrase that is wrong"}
DEBUG = """
import logging, h2h.logs, h2h.alerting.post
h2h.alerting.post.PROGRAM = ("-P", "-m", "h2h.alerting.postman")
start = h2h.logs.start_logging
h2h.logs.start_logging = lambda: (start(logging.DEBUG), logging.getLogger().setLevel(logging.DEBUG))
"""
PLANTED = """
import sys, h2h.credentials
secret = h2h.credentials.Credentials.secret
def said(self, reference):
    print(found := secret(self, reference), file=sys.stderr, flush=True)
    return found
h2h.credentials.Credentials.secret = said
"""


# The search.


def forms(secret: bytes) -> Iterator[bytes]:
    """What would give it away."""
    yield secret
    yield from (secret.hex().encode(), secret.hex().upper().encode(), secret.hex(":").encode())
    for before in range(3):  # in base64 a text looks different by where it begins
        whole = base64.b64encode(b"\0" * before + secret)
        inner = whole[(before * 8 + 5) // 6 : (before + len(secret)) * 8 // 6]
        yield from (inner, inner.translate(bytes.maketrans(b"+/", b"-_")))
    try:
        text = secret.decode()
    except UnicodeDecodeError:
        return
    yield from (quote(text).encode(), quote(text, safe="").encode(), quote_plus(text).encode())
    yield from (json.dumps(text)[1:-1].encode(), repr(text)[1:-1].encode(), text.encode("utf-16-le"))
    yield text.encode("latin-1", "replace")


def found_in(data: bytes, secrets: Mapping[str, bytes]) -> set[str]:
    return {name for name, secret in secrets.items() if any(form in data for form in forms(secret))}


def contents(folder: Path, besides: Path) -> Iterator[tuple[str, bytes]]:
    """Of every file below, and of what is packed in one; names are content, too."""
    for path in sorted(folder.rglob("*")):
        yield f"the name of {path}", os.fsencode(path.name)
        if path.is_file() and besides not in path.parents:
            data = path.read_bytes()
            yield str(path), data
            if zipfile.is_zipfile(io.BytesIO(data)):
                with zipfile.ZipFile(io.BytesIO(data)) as packed:
                    yield from ((f"{path}: {name}", packed.read(name)) for name in packed.namelist())


def places(folder: Path, besides: Path, secrets: Mapping[str, bytes]) -> dict[str, set[str]]:
    """Which secrets are where."""
    searched = {place: found_in(data, secrets) for place, data in contents(folder, besides)}
    return {place: names for place, names in searched.items() if names}


@pytest.mark.parametrize("form", range(16))
@pytest.mark.parametrize("name", [*SECRETS, *PASSWORD])
def test_the_search_finds_a_secret_in_every_form(tmp_path: Path, name: str, form: int) -> None:
    secret = {**SECRETS, **PASSWORD}[name].encode()
    written = [*forms(secret)][form % len([*forms(secret)])]
    (tmp_path / "file").write_bytes(b"\x00before" + written + b"behind\xff")
    with zipfile.ZipFile(tmp_path / "bundle", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("events.jsonl", written * 9)
    found = places(tmp_path, tmp_path / "none", {name: secret})
    assert found == {str(tmp_path / "file"): {name}, f"{tmp_path}/bundle: events.jsonl": {name}}


@pytest.mark.parametrize("shift", range(6))
def test_the_search_finds_it_in_the_middle_of_base64(tmp_path: Path, shift: int) -> None:
    name, secret = next(iter(SECRETS.items()))
    (tmp_path / "file").write_bytes(base64.b64encode(b"x" * shift + secret.encode() + b"y" * 7))
    assert places(tmp_path, tmp_path / "none", {name: secret.encode()}) == {str(tmp_path / "file"): {name}}


# Processes.


@dataclass
class Seen:
    """What could be seen of a process and its children while it ran: of each child its command and environment."""

    pid: int
    commands: set[bytes] = field(default_factory=set)
    environments: set[bytes] = field(default_factory=set)
    over: threading.Event = field(default_factory=threading.Event)
    ours: set[bytes] = field(default_factory=set)

    def look(self) -> None:
        while not self.over.wait(0.003):
            self._note(self.pid, own=True)

    def _note(self, pid: int, *, own: bool) -> None:
        """Between fork and exec a child is still the gateway itself, whose environment may have what it may have."""
        process = Path(f"/proc/{pid}")
        try:
            command, environ = (process / "cmdline").read_bytes(), b"" if own else (process / "environ").read_bytes()
            if own:
                self.ours.add(command)
            elif command not in self.ours and command == (process / "cmdline").read_bytes():
                self.commands.add(command)
                self.environments.add(environ)
            for task in (process / "task").iterdir():
                for child in (task / "children").read_text().split():
                    self._note(int(child), own=False)
        except OSError:
            pass  # it ended meanwhile, or does not let this user look


@contextmanager
def watched(pid: int) -> Iterator[Seen]:
    seen = Seen(pid)
    thread = threading.Thread(target=seen.look)
    thread.start()
    try:
        yield seen
    finally:
        seen.over.set()
        thread.join()


# The story.


class Company(World):
    """A bank by PGP, with manifests."""

    pgp = ""

    def profile(self) -> str:
        head, rest = super().profile().split("[bank.channel]", 1)
        return f"{head}{self.pgp}\n[bank.channel]{rest}"


@dataclass
class Story:
    erp: World
    bank: BankServer
    secrets: dict[str, bytes]
    variables: dict[str, str]
    hidden: Path  # where the secrets are
    letters: WebServer
    told: Path

    def run(self, *arguments: str, **variables: str) -> int:
        """A command; what it says goes where all is searched."""
        done = quickly(self.erp.config, *arguments, **{**self.variables, **variables})
        number = len([*self.told.iterdir()])
        (self.told / f"{number} {' '.join(arguments)[:80].replace('/', '|')}").write_text(done.stdout + done.stderr)
        return done.returncode

    def drop(self, name: str, content: bytes, key: str | None = "key of manifests") -> None:
        """With its manifest, made with this key."""
        line = f"{hashlib.sha256(content).hexdigest()}  {name}\n".encode()
        made = hmac.new(self.secrets[key] if key else b"another key, of somebody", line, hashlib.sha256).hexdigest()
        (self.erp.drop / f"{name}.manifest").write_bytes(line + f"hmac-sha256 {made}\n".encode())
        self.erp.drop_file(content, name)


@contextmanager
def story(folder: Path, ledger: str = "") -> Iterator[Story]:
    hidden = folder / "hidden"
    hidden.mkdir(parents=True)
    (folder / "told").mkdir()
    secrets = {name: value.encode() for name, value in SECRETS.items()}
    with ExitStack() as held:
        workshop = held.enter_context(forge())
        corp = workshop.key("Corp", passphrase=SECRETS["passphrase of the PGP key"])
        (folder / "corp.asc").touch(mode=0o600)
        (folder / "corp.asc").write_bytes(workshop.secret(corp, passphrase=SECRETS["passphrase of the PGP key"]))
        (hidden / "corp-public.asc").write_bytes(workshop.public(corp))
        scenario = Scenario(pgp=Pgp(client_keys=(str(hidden / "corp-public.asc"),)))
        clock = MovableClock(NOW.isoformat())
        plain, bank = held.enter_context(world(folder, scenario, bank_clock=clock))
        secrets["the SSH key itself"] = _locked(folder / "client_key", SECRETS["passphrase of the SSH key"])
        address = held.enter_context(WebServer(500, 500, 200))
        program = held.enter_context(receiver(answers(500)))
        store = {"kv/h2h": {"hook": SECRETS["its next secret"]}}
        safe = held.enter_context(vault(secrets=store, tokens={SECRETS["token of the vault"]}))
        erp = Company(folder=folder, port=plain.port, fingerprint=plain.fingerprint)
        erp.pgp = (
            f'[[bank.pgp.our_keys]]\nfile = "{folder}/corp.asc"\npassphrase = "keyring:h2h/pgp"\n{bank.pgp_block()}'
        )
        erp.facts |= {"key_passphrase": '"env:SSH_PASSPHRASE"'}
        erp.outbound = {"pgp": '"sign+encrypt"', "manifest_key": f'"file:{hidden}/manifest"', "patience": '"1s"'}
        erp.inbound = {"pgp": '"sign+encrypt"', "match": '"*"'}
        erp.gateway_settings = {"anchor": f'"{folder}/anchor"', "metrics": f'"127.0.0.1:{_free_port()}"'}
        deaf = OneOfMany(folder=folder, port=plain.port, fingerprint=plain.fingerprint, name="deaf", remote="/deaf")
        create_client_key(folder / "stranger")
        deaf.channel = {
            "kind": '"sftp"', "host": '"127.0.0.1"', "port": str(plain.port), "user": '"nobody"',
            "key_file": f'"{folder}/stranger"', "host_keys": f'["{plain.fingerprint}"]',
        }  # fmt: skip
        erp.others = [deaf]
        erp.write_settings()
        place = f"json://user:{quote(SECRETS['password in an address'], safe='')}@127.0.0.1:{address.port}"
        variables = {
            "H2H_NOW": NOW.isoformat(), "SSH_PASSPHRASE": SECRETS["passphrase of the SSH key"],
            "ADDRESS": f"{place}/hook/{SECRETS['token in an address']}", "CREDENTIALS_DIRECTORY": str(hidden),
            "PYTHON_KEYRING_BACKEND": "keyrings.alt.file.PlaintextKeyring", "XDG_DATA_HOME": str(hidden),
        }  # fmt: skip
        for name, secret in {"manifest": "key of manifests", "hook": "secret of a webhook"}.items():
            _private(hidden / name, SECRETS[secret])
        _private(hidden / "token", SECRETS["token of the vault"])
        _in_keyring(hidden, SECRETS["passphrase of the PGP key"])
        with erp.config.open("a") as file:
            file.write(f'{ledger}[vault]\naddress = "{safe.address}"\ntoken = "file:{hidden}/token"\n')
            file.write('[[alerts]]\nname = "treasury"\nto = "env:ADDRESS"\nleast = "notice"\n')
            file.write(settings_of(program.url, hidden, secret='["cred:hook", "vault:kv/h2h#hook"]', timeout='"1s"'))
        yield Story(erp, bank, secrets, variables, hidden, address, folder / "told")
        _wrote(folder / "told", program.asked, address)


def _free_port() -> int:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _private(file: Path, text: str) -> None:
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")


def _locked(file: Path, passphrase: str) -> bytes:
    """Give the key a passphrase; the secret part of it."""
    key = serialization.load_ssh_private_key(file.read_bytes(), None)
    kind = serialization.PrivateFormat
    locked = serialization.BestAvailableEncryption(passphrase.encode())
    file.write_bytes(key.private_bytes(serialization.Encoding.PEM, kind.OpenSSH, locked))
    return key.private_bytes(serialization.Encoding.Raw, kind.Raw, serialization.NoEncryption())  # type: ignore[union-attr]


def _in_keyring(folder: Path, password: str) -> None:
    """As `keyring set` would put it there."""
    program = f"import keyring; keyring.set_password('h2h', 'pgp', {password!r})"
    places = {"PYTHON_KEYRING_BACKEND": "keyrings.alt.file.PlaintextKeyring", "XDG_DATA_HOME": str(folder)}
    subprocess.run([sys.executable, "-c", program], env=environment(**places), check=True, timeout=60)


def _wrote(folder: Path, events: list[Heard], letters: WebServer) -> None:
    """What others were told, to be searched as well."""
    for number, event in enumerate(events):
        (folder / f"event {number}").write_bytes(f"{event.headers}\n".encode() + event.body)
    (folder / "letters").write_text("\n".join(f"{one.subject}\n{one.body}" for one in letters.letters))


def lived(now: Story, before: str, looked_at: Callable[[Story, Seen], None] = lambda *_: None) -> Seen:
    """A day at the bank in which much goes wrong; what could be seen of the processes."""
    gateway = Daemon(now.erp.config, before, **now.variables)
    try:
        with watched(gateway.pid) as seen:
            now.drop("good.xml", sample(message_id="GOOD"))
            now.drop("forged.xml", payments("FORGED"), key=None)
            now.drop("bad.xml", b"<Document>")
            until(lambda: now.bank.taken, "a file at the bank", 60)
            now.bank.settle()
            now.bank.close_day()
            until(lambda: len([*now.erp.deliver.glob("*.jsonl")]) > 1, "answers and statements handed over", 60)
            until(lambda: gateway.log().count("message") > 1, "answers in the log", 60)
            until(lambda: now.run("alert-test", "treasury") == 0, "a receiver that works again", 60)
            looked_at(now, seen)
        assert gateway.terminate() == 0
    finally:
        gateway.end()
    return seen


def everywhere(now: Story, seen: Seen) -> None:
    """What is shown, measured, written down and handed on while it runs."""
    for asked in (
        ["status"], ["files"], ["alarms"], ["keys"], ["check", "--online"], ["show", "GOOD"], ["forecast"],
    ):  # fmt: skip
        now.run(*asked)
        now.run(*asked, "--json")
    port = now.erp.gateway_settings["metrics"].strip('"')
    (now.told / "metrics").write_bytes(urlopen(f"http://{port}/metrics", timeout=10).read())
    (now.told / "environ").write_bytes(b"\n".join(seen.environments))
    (now.told / "commands").write_bytes(b"\n".join([*seen.commands, *seen.ours]))
    assert now.run("journal", "anchor") == 0
    assert now.run("journal", "verify") == 0
    assert now.run("journal", "evidence", "GOOD", "--output", str(now.told / "GOOD.zip")) == 0


def afterwards(now: Story) -> None:
    """What does not open: a wrong passphrase, a token that is none, a secret that others could read."""
    for name in ("check", "run", "send"):
        assert now.run(name, SSH_PASSPHRASE=SECRETS["a passphrase that is wrong"]) == 2
    (now.hidden / "token").write_text(SECRETS["a passphrase that is wrong"])
    assert now.run("check") == 2
    (now.hidden / "manifest").chmod(0o644)
    assert now.run("check") == 2


def test_nothing_that_the_gateway_writes_or_hands_on_holds_a_secret(tmp_path: Path) -> None:
    with story(tmp_path) as now:
        seen = lived(now, DEBUG, everywhere)
        afterwards(now)
    assert places(tmp_path, now.hidden, now.secrets) == {}
    programs = b" ".join([*seen.commands, *seen.ours])
    for child in (b"h2h.confined.worker", b"h2h.alerting.postman", b"gpg"):
        assert child in programs, child
    assert [line for line in programs.split() if found_in(line, now.secrets)] == []
    log = (tmp_path / "daemon.log").read_text()
    assert " DEBUG urllib3" in log
    for event in ("state=SENT", "state=INVALID", "state=APPLIED"):
        assert event in log, event


def test_a_gateway_that_prints_its_secrets_is_found_out_for_each_of_them(tmp_path: Path) -> None:
    with story(tmp_path) as now:
        lived(now, DEBUG + PLANTED)
    found = places(tmp_path, now.hidden, now.secrets)
    assert set(found) == {str(tmp_path / "daemon.log")}
    wanted = set(SECRETS) - UNUSED_WHEN_GOOD
    assert found[str(tmp_path / "daemon.log")] == wanted


def test_the_password_of_the_database_stays_secret_too(tmp_path: Path) -> None:
    from tests.suites.postgres import postgres

    with postgres() as server:
        if server is None:
            pytest.skip("no PostgreSQL here: apt-get install postgresql, or set H2H_TEST_POSTGRES")
        address = make_url(server.url).set(password=None).render_as_string()
        secret = PASSWORD["password of the database"]
        with world(tmp_path) as (erp, _):
            erp.write_settings()
            with erp.config.open("a") as file:
                file.write(f'[ledger]\nurl = "{address}"\npassword = "env:PASSWORD"\n')
            outputs = [
                quickly(erp.config, *asked, PASSWORD=secret) for asked in (["send"], ["status"], ["status", "--json"])
            ]
            assert {done.returncode for done in outputs} == {0}
            erp.config.write_text(erp.config.read_text().replace(address, "postgresql+psycopg://h2h@127.0.0.1:9/none"))
            outputs.append(quickly(erp.config, "status", PASSWORD=secret))
            assert outputs[-1].returncode == 1
        said = "".join(done.stdout + done.stderr for done in outputs).encode()
        assert found_in(said, {"password": secret.encode()}) == set()
        assert places(tmp_path, tmp_path / "none", {"password": secret.encode()}) == {}


PICTURES = "import ctypes, resource; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(4))"


def test_a_command_leaves_no_picture_of_its_memory() -> None:
    program = f"import atexit; from h2h.cli import main; atexit.register(exec, {PICTURES!r}, {{}}); main()"
    line = [sys.executable, "-c", program, "--version"]
    done = subprocess.run(line, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[1:] == ["0 (0, 0)"]


def test_a_process_that_reads_files_from_outside_leaves_no_picture_either() -> None:
    program = (
        "import ctypes; from h2h.confined.limits import Limits, confine\n"
        "libc = ctypes.CDLL(None); confine(Limits()); print(libc.prctl(3, 0, 0, 0, 0))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "0\n"


def test_what_a_program_of_ours_inherits_is_on_a_list() -> None:
    given = {
        "PATH": "/bin",
        "LC_ALL": "C",
        "https_proxy": "http://proxy",
        "HOME": "/h",
        "SSH_PASSPHRASE": "x",
        "PATHS": "y",
    }
    assert set(handed_on(given)) == {"PATH", "LC_ALL", "https_proxy", "HOME"}
