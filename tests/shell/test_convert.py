"""convert: statements as MT940 and BAI2, from a file and from the ledger."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from h2h.resources import root
from tests.shell.command import run as h2h
from tests.shell.test_cli import Office, no_traceback

STATEMENT = root("samples") / "good" / "camt.053.001.08.xml"
NOWHERE = Path("/nowhere/h2h.toml")


def test_a_file_is_converted_without_a_gateway_and_told_what_is_lost() -> None:
    done = h2h(NOWHERE, "convert", str(STATEMENT), "--to", "bai2")
    no_traceback(done)
    assert done.returncode == 0
    assert done.stdout.startswith("01,BEISDEFFXXX,Muster Maschinenbau GmbH,261119,2105,221,,,2/\n")
    assert "value(s) do not stand in the BAI2 as the bank wrote them; --losses FILE lists them:" in done.stderr
    assert "SEVERAL     the entry books several payments, and is told as one: details.message_id 4" in done.stderr


def test_a_file_and_its_losses_are_written_whole_to_files(tmp_path: Path) -> None:
    out, losses = tmp_path / "out.sta", tmp_path / "losses.jsonl"
    done = h2h(NOWHERE, "convert", str(STATEMENT), "--to", "mt940", "-o", str(out), "--losses", str(losses))
    assert (done.returncode, done.stdout) == (0, "")
    assert out.read_bytes().startswith(b":20:2026-11-19-DE893\r\n")
    lines = [json.loads(line) for line in losses.read_text().splitlines()]
    (count,) = re.findall(r"^(\d+) value", done.stderr, re.MULTILINE)
    assert len(lines) == int(count)
    assert {"statement": 1, "entry": None, "line": 12, "field": "statement_id", "why": "CUT",
            "value": "2026-11-19-DE89370400440532013000", "written": "2026-11-19-DE893"} in lines  # fmt: skip
    again = h2h(NOWHERE, "convert", str(STATEMENT), "--to", "mt940", "-o", str(out), "--losses", "-")
    assert again.stdout == losses.read_text()


def test_a_statement_that_cannot_be_told_whole_leaves_nothing_behind(tmp_path: Path) -> None:
    bare, out = tmp_path / "bare.xml", tmp_path / "out.sta"
    bare.write_bytes(STATEMENT.read_bytes().replace(b"<Cd>CLBD</Cd>", b"<Cd>XPCD</Cd>"))
    for place in (("-o", str(out)), ()):
        done = h2h(NOWHERE, "convert", str(bare), "--to", "mt940", *place)
        no_traceback(done)
        assert (done.returncode, done.stdout, out.exists()) == (1, "", False)
        assert "ERROR CONVERT_BALANCE (line 12): Statement '2026-11-19-DE89370400440532013000' has no" in done.stderr


def test_half_a_file_is_not_converted(tmp_path: Path) -> None:
    half = tmp_path / "half.xml"
    half.write_bytes(STATEMENT.read_bytes()[:-2000])
    done = h2h(NOWHERE, "convert", str(half), "--to", "bai2")
    assert (done.returncode, done.stdout) == (1, "")
    assert "ERROR XML_TRUNCATED" in done.stderr


def test_a_statement_that_came_in_is_converted_by_its_id(made: Office) -> None:
    message = next(f for f in made.json("files") if f["name"] == "4.xml")["id"]
    done = made.run("convert", message, "--to", "bai2")
    assert done.stdout == h2h(NOWHERE, "convert", str(STATEMENT), "--to", "bai2").stdout
    assert made.run("convert", message[-8:], "--to", "bai2").stdout == done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("A", "--to", "mt940"), "statements come in"),
        (("x.xml", "--to", "mt940"), "cannot be read"),
        (("NOSUCHID", "--to", "mt940"), "There is no file"),
        (("A", "--to", "bai2", "--losses", "-"), "name a file by -o"),
    ],
)
def test_what_is_no_statement_is_refused(made: Office, arguments: tuple[str, ...], said: str) -> None:
    name, *rest = arguments
    assert said in made.run("convert", made.ids.get(name, name), *rest, status=2).stderr
