"""`h2h check --online` and `--probe`: when files are made at a bank, and how its answers look."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.flows.world import World

from .command import run as h2h


@pytest.fixture
def erp(tmp_path: Path) -> World:
    """A gateway beside a bank's folder."""
    for name in ("bank/in", "bank/out", "data"):
        (tmp_path / name).mkdir(parents=True, mode=0o700)
    channel = {"kind": '"folder"', "path": f'"{tmp_path}/bank"'}
    made = World(folder=tmp_path, port=0, fingerprint="", channel=channel, facts={})
    made.write_settings()
    return made


def in_production(erp: World) -> World:
    erp.gateway_settings["environment"] = '"production"'
    erp.write_settings()
    return erp


def test_each_answer_is_a_line_and_the_lines_proposed_come_last(erp: World) -> None:
    done = h2h(erp.config, "check", "--probe", "--watch", "0")
    assert (done.returncode, done.stderr) == (0, "")
    head, *lines = done.stdout.splitlines()
    assert head == f"{erp.config}: good; 1 bank(s): box."
    clock, again = lines.pop(3), lines.pop(3)
    assert "the server's clock is 0 s behind ours" in clock or "1 s" in clock
    assert again == "box: a new file takes no other's place (File exists)."
    assert lines[:7] == [
        "box: /in holds 0 file(s).",
        "box: /out holds 0 file(s).",
        "box: a small file was made in /in; its size is told.",
        "box: it was renamed in /in (rename).",
        "box: a link in place of renaming replaces no file (File exists).",
        "box: rename put one file over the other in one step.",
        "box: nothing of ours is left in /in.",
    ]
    assert lines[7].startswith("box: ask the bank whether it leaves files whose names begin with a dot alone, for ever")
    assert lines[8:10] == ["box: proposed for its profile:", "[bank.channel]"]
    assert lines[10].startswith("atomic_rename = true  # was false; renamed over another file on ")


def test_programs_get_the_same_as_data(erp: World) -> None:
    done = h2h(erp.config, "check", "--online", "--json")
    row = json.loads(done.stdout)
    assert (row["bank"], row["good"], row["answer"]["thorough"], row["answer"]["trials"]) == ("box", True, False, [])
    assert [step["name"] for step in row["answer"]["steps"]] == ["list", "list", "stage"]
    assert json.loads(h2h(erp.config, "check", "--json").stdout) == {
        "bank": "box",
        "good": True,
        "answer": None,
        "version": None,
        "owner": None,
        "names": ["/in/MSG-1.xml"],
    }


def test_who_only_looks_makes_no_ledger(erp: World) -> None:
    assert h2h(erp.config, "check", "--online").returncode == 0
    assert [*(erp.folder / "data").iterdir()] == []


def test_what_the_profile_needs_and_the_bank_does_not_do_ends_with_status_1(erp: World) -> None:
    (erp.folder / "bank" / "out").rmdir()
    done = h2h(erp.config, "check", "--online")
    assert (done.returncode, "/out is not there" in done.stdout) == (1, True)


def test_one_bank_alone_is_asked_where_it_is_named(erp: World) -> None:
    assert h2h(erp.config, "check", "--bank", "box").returncode == 0
    done = h2h(erp.config, "check", "--bank", "boxx")
    assert (done.returncode, done.stderr) == (2, "h2h: There is no bank boxx in the settings.\n")


def made_in(folder: Path) -> int:
    """Of a folder: a number that any file made or removed in it changes."""
    return folder.stat().st_mtime_ns


def test_in_production_no_file_is_made_without_the_word_for_it(erp: World) -> None:
    inbox = in_production(erp).folder / "bank" / "in"
    before = made_in(inbox)
    done = h2h(erp.config, "check", "--probe", "--watch", "0")
    assert (done.returncode, made_in(inbox)) == (2, before)
    assert "say so: --probe --in-production" in done.stderr
    assert h2h(erp.config, "check", "--online").returncode == 0
    assert made_in(inbox) == before
    assert h2h(erp.config, "check", "--probe", "--watch", "0", "--in-production").returncode == 0
    assert made_in(inbox) != before


@pytest.mark.parametrize(("typed", "status"), [("n\n", 130), ("y\n", 0)])
def test_on_a_terminal_it_is_asked_once_more(erp: World, typed: str, status: int) -> None:
    inbox = erp.folder / "bank" / "in"
    before = made_in(inbox)
    ours, its = pty.openpty()
    command = [sys.executable, "-m", "h2h", "-c", str(erp.config), "check", "--probe", "--watch", "0"]
    with subprocess.Popen(command, stdin=its, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        os.write(ours, typed.encode())
        out, err = process.communicate()
    os.close(its)
    os.close(ours)
    assert (process.returncode, made_in(inbox) != before) == (status, status == 0)
    assert "Small files that are no payments are made" in err
    assert ("nothing of ours is left" in out) == (status == 0)
