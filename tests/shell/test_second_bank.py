"""A second bank by the README alone: its commands as they are typed there, for real, beside a first bank."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from h2h.sandbox.keys import create_client_key
from h2h.sandbox.server import BankServer
from tests.flows.process import environment

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SECTION = README.split("\n## A second bank\n")[1].split("\n## ")[0]
COMMANDS = re.findall(r"^ +\$ (.+)$", SECTION, re.MULTILINE)
FEWER_THAN = 10
FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
LONG = bool(os.environ.get("H2H_LONG"))
LEAST = 12 if LONG else 4  # cases that pass
FEWER_CASES = "" if LONG else " --only 'wrong-*' --only temporary-name --only 'good-*'"  # test_certify.py has all


def run(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        arguments(command), cwd=folder, env=environment(), capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done


def arguments(command: str) -> list[str]:
    name, *others = shlex.split(command)
    return [sys.executable, "-m", "h2h", *others] if name == "h2h" else [name, *others]


@contextmanager
def behind(folder: Path, command: str) -> Iterator[str]:
    """What a command that goes on running says until it is ready."""
    quiet: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    process = subprocess.Popen(arguments(command.rstrip("& ")), cwd=folder, env=environment(), **quiet)
    assert process.stdout
    with process:
        try:
            said = ""
            while "staging_is_ours" not in said and (line := process.stdout.readline()):
                said += line
            yield said
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


@contextmanager
def first_bank(folder: Path) -> Iterator[None]:
    """As the README's "A first bank" has it, against another bank in a box."""
    key = folder / "keys" / "mybank_ed25519"
    with BankServer(folder / "first-bank", authorized_keys=[create_client_key(key)]) as bank:
        told = f"--host {bank.host} --port {bank.port} --user corp --host-key {bank.host_key_fingerprint}"
        run(folder, f"h2h init --bank mybank {told}")
        yield


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def as_the_bank_told(command: str, fingerprint: str, port: int) -> str:
    """With the host key and the port of this bank in place of those that the README shows."""
    return FINGERPRINT.sub(fingerprint, command).replace("2223", str(port))


def test_the_commands_are_fewer_than_ten() -> None:
    assert 1 < len(COMMANDS) < FEWER_THAN
    assert [name for name in ("init", "check", "certify") if not any(f"h2h {name}" in each for each in COMMANDS)] == []


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_second_bank_is_set_up_by_the_readme_alone_and_passes(tmp_path: Path) -> None:
    opening, *others = COMMANDS
    assert opening.endswith("&")
    port = free_port()
    with first_bank(tmp_path), behind(tmp_path, as_the_bank_told(opening, "", port)) as said:
        (fingerprint,) = {*FINGERPRINT.findall(said)}
        for command in others:
            more = FEWER_CASES if " certify " in command else ""
            done = run(tmp_path, as_the_bank_told(command, fingerprint, port) + more)
            if " init " in command and not LONG:
                hasten(tmp_path / "banks" / "second.toml")
    assert " passed" in done.stdout
    outcomes = {case["case"]: case["outcome"] for case in report(tmp_path)["cases"]}
    assert [case for case, outcome in outcomes.items() if outcome not in ("PASSED", "SKIPPED")] == []
    assert len([case for case, outcome in outcomes.items() if outcome == "PASSED"]) > LEAST
    assert [*(tmp_path / "erp").rglob("*.xml")] == []  # the test files never came near the ERP's folders


def hasten(profile: Path) -> None:
    """Every answer is looked at twice, `settle` apart: the box puts whole files into place, so that once would do."""
    text = profile.read_text(encoding="utf-8")
    profile.write_text(text.replace('settle = "5s"', 'settle = "0s"'), encoding="utf-8")


def report(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(next(folder.glob("certify-second-*/certify-second.json")).read_text())
    return found
