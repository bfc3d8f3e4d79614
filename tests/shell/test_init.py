"""`h2h init` by options and on a terminal: what it writes, `h2h check` can judge, and nothing is ever lost by it."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from h2h.cli.beginning import NOT_YET, OF_BANK, OF_MAIN
from h2h.config import load
from h2h.sandbox.keys import create_client_key

from .command import run as h2h

PIN = "SHA256:ababababababababababababababababababababab0"
ACME = ("--bank", "acme", "--host", "sftp.acme.lan", "--user", "CORP")


def profile(folder: Path, name: str) -> Any:
    return tomllib.loads((folder / "banks" / f"{name}.toml").read_text())["bank"]


def test_one_command_makes_settings_and_folders_that_check_can_judge(tmp_path: Path) -> None:
    config = tmp_path / "h2h.toml"
    assert h2h(config, "init", *ACME).returncode == 0
    told = h2h(config, "check").stderr.splitlines()[1:]
    assert [line.partition(": ")[2].partition(": ")[0] for line in told] == [
        "bank.channel.key_file",
        "bank.channel.host_keys[1]",
    ]
    found = profile(tmp_path, "acme")
    assert (found["name"], found["environment"], found["channel"]["user"]) == ("acme", "test", "CORP")


def test_a_second_bank_is_two_commands_and_a_key(tmp_path: Path) -> None:
    config = tmp_path / "h2h.toml"
    for name in ("first", "second"):
        done = h2h(config, "init", "--bank", name, "--host", f"{name}.lan", "--user", name, "--host-key", PIN)
        assert done.returncode == 0, done.stderr
        create_client_key(tmp_path / "keys" / f"{name}_ed25519")
    done = h2h(config, "check")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == f"{config}: good; 2 bank(s): first, second."


def test_every_answer_is_an_option_and_stands_in_the_settings(tmp_path: Path) -> None:
    config = tmp_path / "h2h.toml"
    said = {
        "environment": "production", "data": str(tmp_path / "d"), "bank": "b-1", "zone": "Asia/Tokyo", "host": "x.lan",
        "port": "2222", "user": 'A"ü\\', "host-key": PIN, "key-file": str(tmp_path / "k/x"), "remote-out": "/a b",
        "remote-in": "/c", "watch": str(tmp_path / "o"), "deliver": str(tmp_path / "i"),
    }  # fmt: skip
    assert set(said) == {question.option for question in (*OF_MAIN, *OF_BANK)}
    done = h2h(config, "init", *(part for option, value in said.items() for part in (f"--{option}", value)))
    assert (done.returncode, done.stderr) == (0, "")
    settings = load(config)
    [bank] = settings.banks
    assert bank.channel.kind == "sftp"
    assert [str(value) for value in (
        settings.gateway.environment, settings.gateway.data, bank.name, bank.timezone, bank.channel.host,
        bank.channel.port, bank.channel.user, *bank.channel.host_keys, bank.channel.key_file, bank.outbound[0].remote,
        bank.inbound[0].remote, bank.outbound[0].watch, bank.inbound[0].deliver,
    )] == [*said.values()]  # fmt: skip
    assert bank.environment == "production"
    assert all(os.path.isdir(said[folder]) for folder in ("data", "watch", "deliver"))


def test_a_path_is_that_of_the_folder_where_the_command_runs(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "h2h", "-c", "a/h2h.toml", "init", *ACME, "--watch", "out", "--data", "d"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert profile(tmp_path / "a", "acme")["outbound"][0]["watch"] == str(tmp_path / "out")
    assert (tmp_path / "out").is_dir()
    assert (tmp_path / "d").is_dir()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--bank", "acme"), "State --host and --user, too"),
        (("--host", "x"), "Say with --bank NAME which bank is meant"),
        (("--bank", "A B", *ACME[2:]), "'A B' is not of the right form"),
        ((*ACME, "--zone", "Europe/Bern"), "'Europe/Bern' is not a time zone"),
        ((*ACME, "--port", "70000"), "less than or equal to 65535"),
        ((*ACME, "--host-key", "MD5:x"), "'MD5:x' is not of the right form"),
        ((*ACME, "--remote-in", "out"), "write an absolute path at the bank"),
        ((*ACME, "--environment", "staging"), "must be 'test' or 'production'"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_written(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    done = h2h(tmp_path / "h2h.toml", "init", *options)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(tmp_path: Path) -> None:
    config = tmp_path / "h2h.toml"
    h2h(config, "init", *ACME)
    (tmp_path / "banks" / "other.toml").write_text("# not whole yet")
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.toml")}
    for options, said in (
        (ACME, "is the profile of acme already"),
        (("--bank", "other", *ACME[2:]), "is there already"),
        ((*ACME[:1], "new", *ACME[2:], "--data", "/x"), "says what --data would"),
    ):
        done = h2h(config, "init", *options)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert before == {file: file.read_bytes() for file in tmp_path.rglob("*.toml")}


def test_a_bank_is_of_the_environment_of_the_gateway(tmp_path: Path) -> None:
    config = tmp_path / "h2h.toml"
    h2h(config, "init", *ACME, "--environment", "production")
    h2h(config, "init", "--bank", "two", "--host", "two.lan", "--user", "U")
    assert profile(tmp_path, "two")["environment"] == "production"
    config.write_text(config.read_text().replace('environment = "production"', 'environment = "test"'))
    for name in ("acme", "two"):
        wrong = f"banks/{name}.toml:5: bank.environment: is production, and the gateway is test ({config}:"
        assert wrong in h2h(config, "check").stderr


def on_a_terminal(folder: Path, *answers: str, options: tuple[str, ...] = ()) -> tuple[int, str]:
    """Exit status, and all that was on the screen; the answers are typed one after the other, as they are asked for."""
    ours, its = pty.openpty()
    command = [sys.executable, "-m", "h2h", "init", *options]
    process = subprocess.Popen(command, cwd=folder, stdin=its, stdout=its, stderr=its, close_fds=True)
    os.close(its)
    screen, typed = "", list(answers)
    with process:
        while select.select([ours], [], [], 60)[0]:
            try:
                screen += os.read(ours, 4096).decode()
            except OSError:  # nobody has the other end any more
                break
            if screen.endswith(": ") and typed:
                os.write(ours, f"{typed.pop(0)}\n".encode())
    os.close(ours)
    return process.returncode, screen


def test_on_a_terminal_it_asks_and_asks_again_what_cannot_be(tmp_path: Path) -> None:
    status, screen = on_a_terminal(
        tmp_path, "", "", "acme", "sftp.acme.lan", "CORP", "Europe/Bern", "Europe/Zurich", *[""] * 7
    )
    assert status == 0, screen
    assert "'Europe/Bern' is not a time zone" in screen
    found = profile(tmp_path, "acme")
    assert (found["timezone"], found["channel"]["host_keys"]) == ("Europe/Zurich", [NOT_YET])
    assert found["outbound"][0]["watch"] == "../erp/acme/out"
    assert (tmp_path / "erp" / "acme" / "out").is_dir()


def test_on_a_terminal_too_what_was_stated_is_not_asked(tmp_path: Path) -> None:
    status, screen = on_a_terminal(tmp_path, options=ACME)
    assert (status, "?" in screen) == (0, False), screen
    status, screen = on_a_terminal(tmp_path, "two.lan", "U", *[""] * 8, options=("--bank", "two"))
    assert status == 0, screen
    assert profile(tmp_path, "two")["channel"]["host"] == "two.lan"
