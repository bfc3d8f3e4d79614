"""Four eyes as people have it on the command line: a file is held, looked at, released by others, and sent."""

from __future__ import annotations

import os
import pwd
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.flows.world import World, payments, world
from tests.shell.test_cli import Office

NOW = "2026-11-20T10:00:00+01:00"
ME = pwd.getpwuid(os.getuid()).pw_name  # who drops files here


@dataclass
class Desk:
    """A bank whose folder wants two people above 15.00 EUR."""

    erp: World

    def drop(self, name: str = "MSG-1", count: int = 2) -> str:
        self.erp.drop_file(payments(name, count), f"{name}.xml")
        self.run("send", who="erp")
        return next(file["id"] for file in self.office.json("files") if file["message_id"] == name)

    @property
    def office(self) -> Office:
        return Office(self.erp.config, {})

    def run(self, *arguments: str, who: str = "ann", status: int = 0) -> Any:
        return self.office.run(*arguments, status=status, SUDO_USER=who, H2H_NOW=NOW)

    def release(self, name: str, who: str, *more: str, status: int = 0) -> Any:
        return self.run("release", name, "--reason", "looked at", *more, who=who, status=status)

    def state(self, name: str) -> str:
        return str(self.office.json("show", name)[0]["file"]["state"])

    def at_the_bank(self, name: str = "MSG-1", count: int = 2) -> bool:
        files = (path for path in (self.erp.folder / "bank").rglob("*") if path.is_file())
        return any(path.read_bytes() == payments(name, count) for path in files)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    rows = '[{ above = "15.00", currency = "EUR", people = 2 }]'
    with world(tmp_path, outbound={"approvals": rows}) as (erp, _):
        erp.write_settings()
        yield Desk(erp)


def test_a_large_file_goes_when_two_people_who_did_not_make_it_released_it(desk: Desk) -> None:
    name = desk.drop()
    shown = desk.run("show", name).stdout
    assert "APPROVAL_NEEDED" in shown
    assert "EUR, above 15.00. Two people who did not make it have to release it." in shown.replace("\n", " ")
    assert "you had a hand in it" in desk.release(name, ME, status=1).stderr
    first = desk.release(name, "ann")
    assert "Recorded as approved, sha256 " in first.stderr
    assert "Wanted: one person who did not make it." in first.stderr
    assert f"{name} is now HELD." in first.stdout
    desk.run("send")
    assert not desk.at_the_bank()
    assert "you approved it already" in desk.release(name, "ann", status=1).stderr
    second = desk.release(name, "ben")
    assert "Approved by ann. Wanted: one person who did not make it." in second.stderr
    assert f"{name} is now READY." in second.stdout
    desk.run("send")
    assert (desk.state(name), desk.at_the_bank()) == ("SENT", True)
    told = desk.run("show", name).stdout.replace("\n", " ")
    assert "approved by: ann, ben" in " ".join(told.replace("approved_by", "approved by").split())


def test_a_small_file_goes_by_itself(desk: Desk) -> None:
    assert desk.state(desk.drop("MSG-2", 1)) == "SENT"


def test_a_dry_run_approves_nothing(desk: Desk) -> None:
    name = desk.drop()
    would = desk.release(name, "ann", "--dry-run")
    assert f"{name} would stay HELD, approved by ann. Nothing was changed." in would.stdout
    assert "would stay HELD, approved by ben" in desk.release(name, "ben", "--dry-run").stdout


def test_a_release_that_is_known_to_programs_says_who_approved_what(desk: Desk) -> None:
    name = desk.drop()
    [file] = desk.office.json("release", name, "--reason", "so", H2H_NOW=NOW, SUDO_USER="ann")
    assert (file["state"], file["makers"]) == ("HELD", [ME])
    assert [(by, sha256) for by, sha256, _ in file["approved"]] == [("ann", file["sha256"])]
    assert [people for _, people, _ in file["approvals"]] == [2]


# What is shown before.


def test_what_is_let_go_is_shown_from_its_bytes(desk: Desk) -> None:
    sent = desk.drop("MSG-0", 1)
    assert desk.state(sent) == "SENT"
    name = desk.drop("MSG-1", 12)
    content = payments("MSG-1", 12)
    shown = desk.release(name, "ann", "--dry-run").stderr
    assert "12 payments in 1 batch\n" in shown
    assert "  total      120.12 EUR\n" in shown
    assert "  from       DE89370400440532013000\n" in shown
    assert f"  bytes      {len(content):,}  sha256 {sha256(content).hexdigest()}\n" in shown
    assert "  execution  2026-" in shown
    assert shown.count("10.01 EUR  Ateliers Ravel SARL FR1420041010050500013M02606  MSG-1-") == 10


def test_an_account_that_was_never_paid_is_marked(desk: Desk) -> None:
    shown = desk.release(desk.drop(), "ann", "--dry-run").stderr
    assert "  new        1 of the accounts paid: FR1420041010050500013M02606\n" in shown
    assert shown.count("10.01 EUR  NEW Ateliers Ravel SARL FR14") == 2


def test_programs_get_what_is_shown(desk: Desk) -> None:
    name = desk.drop()
    [file] = desk.office.json("release", name, "--reason", "so", "--dry-run", H2H_NOW=NOW, SUDO_USER="ann")
    seen = file["seen"]
    assert (seen["sha256"], seen["totals"], seen["payments"]) == (file["sha256"], {"EUR": "20.02"}, 2)
    assert [(line["amount"], line["reference"]) for line in seen["largest"]] == [
        ("10.01", "MSG-1-1"),
        ("10.01", "MSG-1-2"),
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE payment SET amount = '1.00' WHERE position = 2", "amount of payment 2 is 10.01 in the file, and 1.00"),
        ("UPDATE payment SET creditor_name = 'Mallory' WHERE position = 1", "creditor_name of payment 1 is Ateliers"),
        ("UPDATE batch SET debtor_account = 'X'", "debtor_account of batch 1 is DE89370400440532013000 in the file"),
        ("DELETE FROM payment WHERE position = 2", "payment 2 stands in the file alone"),
        ("UPDATE transfer SET control_sum = '1.00'", "control_sum is 20.02 in the file, and 1.00 there"),
    ],
)
def test_what_the_ledger_says_otherwise_is_not_let_go(desk: Desk, change: str, told: str) -> None:
    name = desk.drop()
    with closing(sqlite3.connect(desk.erp.folder / "data" / "h2h.db")) as ledger, ledger:
        ledger.execute(change)
    assert told in desk.release(name, "ann", status=1).stderr
    assert "approved" not in [line["kind"] for line in desk.office.json("show", name)[0]["lines"]]


def test_bytes_that_were_changed_are_not_let_go(desk: Desk) -> None:
    name = desk.drop()
    digest = sha256(payments("MSG-1", 2)).hexdigest()
    [kept] = [path for path in (desk.erp.folder / "data" / "archive").rglob("*") if path.name == digest]
    kept.chmod(0o600)
    kept.write_bytes(payments("MSG-1", 2).replace(b"10.01", b"99.01"))
    assert digest in desk.release(name, "ann", status=1).stderr
    assert "approved" not in [line["kind"] for line in desk.office.json("show", name)[0]["lines"]]
