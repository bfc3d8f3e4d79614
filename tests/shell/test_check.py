"""`h2h init` and `h2h check` as a person meets them, from an empty folder to good settings, and in between."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
from pathlib import Path

import pytest

from h2h.sandbox.keys import create_client_key
from tests.flows.world import world

from .command import run as h2h

MAIN = """\
[gateway]
data = "data"
environment = "staging"
anchor = "data/heads"

[ledger]
url = "oracle://corp:s3cret@db/h2h"
"""
FIRST = """\
[bank]
name = "first"
timezone = "Europe/Berlin"
calendar = "QQ"

[bank.channel]
kind = "sftp"
host = "sftp.bank.example"
user = "CORP"
key_file = "../keys/first"
host_keys = ["SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]

[[bank.outbound]]
watch = "../out"
messages = ["pain.001.001.99"]
remote = "/in"
opens = "16:00"
cut_off = "15:30"

[[bank.inbound]]
remote = "/out"
messages = ["pain.001.001.09"]
every = "10m"
claim = "/out"
deliver = "../link/new"
"""
SECOND = """\
[bank]
name = "first"
timezone = "Europe/Berlin"
colour = "blue"

[bank.channel]
kind = "folder"
path = "../mounted"

[[bank.outbound]]
watch = "../out"
messages = ["pain.001.001.09"]
remote = "/in"

[[bank.inbound]]
remote = "/out"
messages = ["camt.053.001.08"]
"""
EXPECTED = [
    "h2h.toml:3: gateway.environment: must be 'test' or 'production'",
    "h2h.toml:4: gateway.anchor: data/heads is inside of data, the data folder",
    "h2h.toml:7: ledger.url: write sqlite:///h2h.db, or postgresql+psycopg://USER@HOST/DATABASE",
    "banks/first.toml:4: bank.calendar: there is no calendar QQ",
    "banks/first.toml:8: bank.channel.host: sftp.bank.example is a name for examples",
    "banks/first.toml:10: bank.channel.key_file: keys/first is no usable private key",
    "banks/first.toml:11: bank.channel.host_keys[1]: SHA256:AAAA",
    "banks/first.toml:15: bank.outbound[1].messages[1]: 'pain.001.001.99' is not a message that h2h knows",
    "banks/first.toml:18: bank.outbound[1].cut_off: the window has no time in it",
    "banks/first.toml:22: bank.inbound[1].messages[1]: pain.001.001.09 goes to the bank",
    "banks/first.toml:24: bank.inbound[1].claim: is the same folder as remote",
    "banks/first.toml:25: bank.inbound[1].deliver: there is no folder link/new",
    "banks/first.toml:25: bank.inbound[1].deliver: out/new is inside of out, a watched folder (banks/first.toml:14)",
    "banks/first.toml:25: bank.inbound[1].deliver: out/new is inside of out, a watched folder (banks/second.toml:11)",
    "banks/second.toml:2: bank.name: first is the name of the bank in banks/first.toml:2 too",
    "banks/second.toml:4: bank.colour: is not a known setting",
    "banks/second.toml:8: bank.channel.path: there is no folder mounted",
    "banks/second.toml:11: bank.outbound[1].watch: out is a watched folder (banks/first.toml:14)",
    "banks/second.toml:15: bank.inbound[1].cron: say when to look",
    "banks/third.toml:3: is not TOML",
]


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    for name in ("banks", "out", "keys"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "out")
    (tmp_path / "keys" / "first").write_text("garbage")
    (tmp_path / "keys" / "first").chmod(0o600)
    (tmp_path / "h2h.toml").write_text(MAIN)
    for name, text in (("first", FIRST), ("second", SECOND), ("third", "[bank]\nname = 'x'\ntimezone = \n")):
        (tmp_path / "banks" / f"{name}.toml").write_text(text)
    return tmp_path


def test_one_run_tells_every_mistake_of_every_file_in_order_with_file_and_line(broken: Path) -> None:
    done = h2h(broken / "h2h.toml", "check")
    head, *told = done.stderr.replace(f"{broken}/", "").splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert head == f"h2h: the settings have {len(EXPECTED)} problem(s):"
    assert [line for line, start in zip(told, EXPECTED, strict=True) if not line.startswith(start)] == []
    assert "s3cret" not in done.stderr
    assert not (broken / "data").exists()


@pytest.mark.parametrize("command", ["run", "send", "pull"])
def test_what_moves_files_refuses_all_that_check_refuses(broken: Path, command: str) -> None:
    done = h2h(broken / "h2h.toml", command)
    assert (done.returncode, done.stderr) == (2, h2h(broken / "h2h.toml", "check").stderr)


def test_check_tells_programs_the_same(broken: Path) -> None:
    done = h2h(broken / "h2h.toml", "check", "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr, len(rows)) == (2, "", len(EXPECTED))
    assert rows[0] | {"text": ""} == {
        "file": str(broken / "h2h.toml"), "line": 3, "key": "gateway.environment", "text": ""
    }  # fmt: skip
    assert [row["key"] for row in rows if row["line"] is None] == []


def test_without_a_settings_file_the_text_says_how_to_name_or_make_one(tmp_path: Path) -> None:
    for command in ("check", "status"):
        done = h2h(tmp_path / "h2h.toml", command)
        assert done.returncode == 2
        assert all(word in done.stderr for word in ("no such file", "-c FILE", "H2H_CONFIG", "`h2h init`"))


def test_help_tells_of_the_environment_variable_that_names_the_settings(tmp_path: Path) -> None:
    assert "H2H_CONFIG" in h2h(tmp_path / "h2h.toml", "--help").stdout


def test_from_nothing_to_good_settings(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with world(tmp_path / "bank") as (erp, bank):
            _set_up(tmp_path / "h2h", bank.channel_block(tmp_path / "h2h" / "keys" / "mybank_ed25519"))
            assert erp.port == bank.port
    finally:
        os.umask(before)


def _set_up(folder: Path, channel: str) -> None:
    config = folder / "h2h.toml"
    assert h2h(config, "init").stdout.splitlines()[:3] == [
        f"wrote {config}", f"wrote {folder}/banks/mybank.toml", f"made {folder}/keys, closed to others"
    ]  # fmt: skip
    assert stat.S_IMODE((folder / "keys").stat().st_mode) == 0o700
    said = h2h(config, "check").stderr
    for mistake in ("is a name for examples", "is a placeholder", "cannot be read", "run h2h init"):
        assert mistake in said
    create_client_key(folder / "keys" / "mybank_ed25519")
    profile = folder / "banks" / "mybank.toml"
    text = profile.read_text()
    start, end = text.index("[bank.channel]"), text.index("[bank.retry]")
    profile.write_text(text[:start] + channel + text[end:])
    assert h2h(config, "init").returncode == 0
    assert stat.S_IMODE((folder / "data").stat().st_mode) == 0o700
    done = h2h(config, "check")
    head, profile = done.stdout.splitlines()
    assert (done.returncode, head, done.stderr) == (0, f"{config}: good; 1 bank(s): mybank.", "")
    assert re.fullmatch(r"mybank \(2026-11, Treasury operations\): names as in /in/MSG-1_\d{8}\.xml", profile)


def test_init_says_in_a_sentence_what_it_cannot_make(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = h2h(tmp_path / "file" / "h2h.toml", "init")
    assert (done.returncode, "cannot be made" in done.stderr, "the gateway itself" in done.stderr) == (2, True, False)


def test_a_database_server_that_does_not_answer_is_told_with_its_address_and_without_the_password(
    tmp_path: Path,
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]  # nobody listens here
        (tmp_path / "h2h.toml").write_text(
            '[gateway]\ndata = "data"\nenvironment = "test"\n'
            f'[ledger]\nurl = "postgresql+psycopg://h2h:s3cret@127.0.0.1:{port}/books"\n'
        )
        done = h2h(tmp_path / "h2h.toml", "status")
    assert (done.returncode, len(done.stdout.splitlines()), done.stderr) == (1, 1, "")
    for word in (f"postgresql+psycopg://h2h:***@127.0.0.1:{port}/books", "refused", "pg_hba.conf", "ledger.url"):
        assert word in done.stdout
    assert "s3cret" not in done.stdout
