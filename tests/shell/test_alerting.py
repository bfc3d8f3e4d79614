"""Who is told of alarms, as a person sets it up and tries it; and what comes of it at the end of `send` and `pull`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.flows.test_alerting import NO_ROOM, a_world
from tests.suites.receivers import MailServer, WebServer

from .command import run as h2h

Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A gateway with one bank, two who are told, and something to tell."""
    erp = a_world(tmp_path, {"treasury": "", "pager": 'instead_of = "treasury"'}, **NO_ROOM)
    erp.write_settings()
    assert h2h(erp.config, "init").returncode == 0
    return erp.config


def test_a_trial_goes_to_all_of_them_or_to_one(config: Path) -> None:
    with WebServer() as web, MailServer() as mail:
        addresses = {"TREASURY": mail.address, "PAGER": web.address}
        done = h2h(config, "alert-test", **addresses)
        assert (done.returncode, done.stdout, done.stderr) == (0, "treasury: told\npager: told\n", "")
        done = h2h(config, "alert-test", "pager", "--json", **addresses)
        assert (done.returncode, json.loads(done.stdout)) == (0, {"recipient": "pager", "fault": None})
    assert [len(mail.letters), len(web.letters)] == [1, 2]
    assert mail.letters[0].subject == "h2h test: a trial"
    assert "Nothing has happened" in mail.letters[0].body


def test_a_trial_that_is_not_taken_says_why(config: Path) -> None:
    with WebServer(500) as web:
        done = h2h(config, "alert-test", "treasury", TREASURY=web.address)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("treasury: ")
    assert "error=500" in done.stdout
    assert "secret-token" not in done.stdout


def test_a_trial_for_somebody_whom_the_settings_do_not_name(config: Path) -> None:
    done = h2h(config, "alert-test", "boss")
    assert done.returncode == 2
    assert done.stderr == "h2h: There is no 'boss' among the alerts in the settings; there is treasury, pager.\n"


def test_a_trial_where_nobody_is_told(tmp_path: Path) -> None:
    erp = a_world(tmp_path, {})
    erp.write_settings()
    done = h2h(erp.config, "alert-test")
    assert done.returncode == 2
    assert done.stderr == "h2h: The settings name nobody who is told of alarms; [[alerts]] does that.\n"


@pytest.mark.parametrize("command", ["send", "pull"])
def test_without_a_daemon_what_is_due_is_told_at_the_end(config: Path, command: str) -> None:
    with WebServer() as web:
        for _ in range(2):
            done = h2h(config, command, TREASURY=web.address, PAGER="json://127.0.0.1:1")
            assert (done.returncode, done.stderr) == (0, "")
    assert [came.subject for came in web.letters] == ["h2h test: 1 urgent at the gateway: room"]


def test_what_is_not_urgent_is_not_gathered_where_nobody_runs_who_could(tmp_path: Path) -> None:
    erp = a_world(tmp_path, {"treasury": ""})
    erp.write_settings()
    assert h2h(erp.config, "init").returncode == 0
    erp.drop_file(b"<Document/>")
    with WebServer() as web:
        assert "INVALID" in h2h(erp.config, "send", TREASURY=web.address).stdout
    assert [came.subject for came in web.letters] == ["h2h test: 1 warning at box: file refused"]


@pytest.mark.parametrize("command", ["send", "pull"])
def test_that_nobody_could_be_told_is_a_warning_and_no_failure(config: Path, command: str) -> None:
    with WebServer(500) as web:
        done = h2h(config, command, TREASURY=web.address, PAGER="json://127.0.0.1:1")
    assert done.returncode == 0
    first, second, nobody = done.stderr.splitlines()
    assert first.startswith("treasury was not told of alarms: Failed to send JSON POST notification: ")
    assert second.startswith("pager was not told of alarms: A Connection error occurred")
    assert nobody.startswith("treasury cannot be told of alarms, nor anybody instead: Failed to send JSON POST")


def test_check_tells_of_each_address_that_is_none_and_where_it_is_named(config: Path) -> None:
    first, second = [n for n, text in enumerate(config.read_text().splitlines(), 1) if text.startswith("to = ")]
    done = h2h(config, "check", TREASURY="carrier-pigeon://coop/secret-token")
    assert done.returncode == 2
    assert done.stderr.replace(f"{config.parent}/", "") == (
        "h2h: the settings have 2 problem(s):\n"
        f"h2h.toml:{first}: alerts[1].to: is no address of apprise, such as mailtos://, slack://, pagerduty:// or json://\n"
        f"h2h.toml:{second}: alerts[2].to: The environment variable PAGER, which the settings refer to, is not set\n"
    )


def test_check_leaves_what_only_the_unit_has_and_says_so(config: Path) -> None:
    config.write_text(config.read_text().replace("env:PAGER", "cred:pager"))
    with WebServer() as web:
        done = h2h(config, "check", TREASURY=web.address)
        assert web.asked == []
    assert done.returncode == 0
    assert "alerts[2].to: the address was not looked at: cred:pager is there for the systemd unit only" in done.stderr
