"""People with passwords, as they use them: who adds whom, who approves, what a wrong password does."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import sys
import termios
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from h2h.sandbox.server import BankServer
from tests.flows.world import World, payments, put, world
from tests.shell.test_cli import Office

NOW = "2026-11-20T10:00:00+01:00"
SECRETS = {
    "anna": "seven green ladders",
    "ben": "a kettle of doves",
    "cid": "nobody paints rain",
    "dan": "what a long day",
}


@dataclass
class House:
    """Accounts are local; anna, ben and cid are people. A folder wants approvals of everything."""

    erp: World
    bank: BankServer

    def run(self, *arguments: str, who: str | None = None, new: str | None = None, status: int = 0) -> Any:
        said = ("--as", who, "--password-from", f"env:{who.upper()}") if who else ()
        more = ("--new-from", f"env:{new.upper()}") if new else ()
        secrets = {name.upper(): secret for name, secret in SECRETS.items()}
        done = Office(self.erp.config, {}).run(*arguments, *said, *more, status=status, H2H_NOW=NOW, **secrets)
        assert not any(secret in done.stdout + done.stderr for secret in SECRETS.values())
        return done

    def held(self) -> str:
        self.erp.drop_file(payments("MSG-1", 1), "a.xml")
        self.run("send")
        [file] = [json.loads(line) for line in self.run("files", "--json").stdout.splitlines()]
        assert file["state"] == "HELD"
        return str(file["id"])


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with world(tmp_path, outbound={"approvals": '[{ always = true, who = ["anna", "cid"] }]'}) as (erp, bank):
        erp.write_settings()
        erp.config.write_text(erp.config.read_text() + '\n[people]\naccounts = "local"\n')
        made = House(erp, bank)
        made.run("people", "add", "anna", new="anna")
        made.run("people", "add", "ben", who="anna", new="ben")
        made.run("people", "add", "cid", who="anna", new="cid")
        made.run("people", "confirm", "cid", who="ben")
        yield made


def test_people_approve_by_name_and_password(house: House) -> None:
    name = house.held()
    release = ("release", name, "--reason", "looked at")
    assert "Say who you are: --as NAME" in house.run(*release, status=2).stderr
    assert "you are not named among those who approve it" in house.run(*release, who="ben", status=1).stderr
    wrong = house.run(*release, "--as", "anna", "--password-from", "env:BEN", status=1).stderr
    assert "There is no such person, or the password is wrong" in wrong
    unknown = house.run(*release, "--as", "eve", "--password-from", "env:BEN", status=1).stderr
    assert unknown == wrong
    assert "is now READY" in house.run(*release, who="anna").stdout
    lines = json.loads(house.run("show", name, "--json").stdout)["lines"]
    assert [(line["kind"], line["actor"]) for line in lines if line["kind"] == "READY"] == [("READY", "anna")]


def test_whatever_decides_asks_who(house: House) -> None:
    for command in (
        ("hold", house.held(), "--reason", "so"),
        ("ack", "--all"),
        ("journal", "accept", "--reason", "so"),
        ("people", "lock", "ben"),
        ("people", "add", "dan"),
    ):
        assert "Say who you are: --as NAME" in house.run(*command, status=2).stderr


def test_adding_and_unlocking_takes_two(house: House) -> None:
    proposed = house.run("people", "add", "dan", who="ben", new="dan").stdout
    assert "dan is not confirmed. ben proposed it; another person has to confirm it" in proposed
    assert "somebody else has to confirm it" in house.run("people", "confirm", "dan", who="ben", status=1).stderr
    assert (
        "ben proposed something of dan already"
        in house.run("people", "add", "dan", who="cid", new="anna", status=1).stderr
    )
    assert "is not confirmed." in house.run("people", "withdraw", "dan", who="cid").stdout
    house.run("people", "add", "dan", who="ben", new="dan")
    confirmed = house.run("people", "confirm", "dan", who="cid")
    assert "Proposed of dan: password, by ben at 2026-11-20 " in confirmed.stderr
    assert "dan is active." in confirmed.stdout
    house.run("people", "lock", "ben", who="dan")
    assert "the person is locked" in house.run("people", "unlock", "ben", who="ben", status=1).stderr
    house.run("people", "unlock", "ben", who="anna")
    house.run("people", "confirm", "ben", who="dan")
    rows = [json.loads(line) for line in house.run("people", "--json").stdout.splitlines()]
    assert [(row["name"], row["state"], row["created_by"]) for row in rows][1:] == [
        ("ben", "active", "anna"),
        ("cid", "active", "anna"),
        ("dan", "active", "ben"),
    ]
    assert "hash" not in json.dumps(rows)


def test_everybody_changes_his_own_password(house: House) -> None:
    refused = house.run("people", "password", "ben", who="anna", new="dan", status=2)
    assert "Everybody changes his own" in refused.stderr
    house.run("people", "password", "ben", who="ben", new="dan")
    assert "is wrong" in house.run("people", "lock", "cid", who="ben", status=1).stderr
    house.run("people", "lock", "cid", "--as", "ben", "--password-from", "env:DAN")


def test_too_many_wrong_passwords_make_everybody_wait(house: House) -> None:
    guess = ("people", "lock", "ben", "--as", "anna", "--password-from", "env:CID")
    for _ in range(5):
        house.run(*guess, status=1)
    assert "no other one is looked at before" in house.run("people", "lock", "ben", who="anna", status=1).stderr


def test_a_password_is_asked_for_on_the_terminal_and_not_shown(house: House) -> None:
    status, shown = typed(house, "people", "lock", "cid", "--as", "anna")
    assert (status, "cid is locked." in shown) == (0, True)
    assert SECRETS["anna"] not in shown


def test_it_is_asked_for_once_however_many_files_are_meant(house: House) -> None:
    for name in ("1.xml", "2.xml"):
        put(house.bank.folders.root / "client" / "out", name, f"no answer, {name}".encode())
    house.run("pull", status=1)
    files = [json.loads(line)["id"] for line in house.run("files", "--json").stdout.splitlines()]
    status, shown = typed(house, "reread", *files, "--reason", "so", "--as", "anna")
    assert (status, shown.count("UNREADABLE"), shown.count("Password of anna")) == (1, 2, 1)


def typed(house: House, *arguments: str) -> tuple[int, str]:
    """The command on a terminal, where anna types her password as often as she is asked; its status, and all that is
    shown."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "h2h", "-c", str(house.erp.config), *arguments]
    child = os.fork()
    if child == 0:
        os.setsid()
        for number in (0, 1, 2):
            os.dup2(follower, number)
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        os.execv(command[0], command)
    os.close(follower)
    shown, asked = b"", 0
    with suppress(OSError):
        while more := os.read(leader, 1000):
            shown += more
            if shown.count(b"Password of anna") > asked:
                asked += 1
                os.write(leader, f"{SECRETS['anna']}\n".encode())
    _, status = os.waitpid(child, 0)
    os.close(leader)
    return os.waitstatus_to_exitcode(status), shown.decode()


def test_where_users_of_the_system_decide_nobody_names_himself(tmp_path: Path) -> None:
    with world(tmp_path) as (erp, bank):
        erp.write_settings()
        house = House(erp, bank)
        assert "here the user of the system decides" in house.run("ack", "--all", "--as", "anna", status=2).stderr
        assert "Users of the system decide here" in house.run("people", "lock", "ben", status=2).stderr
        assert "Nobody has an account. Users of the operating system decide" in house.run("people").stdout


def test_before_there_is_anybody_nothing_is_decided(tmp_path: Path) -> None:
    with world(tmp_path) as (erp, bank):
        erp.write_settings()
        erp.config.write_text(erp.config.read_text() + '\n[people]\naccounts = "local"\n')
        assert "`h2h people add NAME` makes the first one" in House(erp, bank).run("ack", "--all", status=2).stderr
