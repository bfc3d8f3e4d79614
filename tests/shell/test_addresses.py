"""`h2h validate --addresses`: a report over many files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from h2h.cli import addressing
from h2h.resources import root

from .command import run as h2h

NOWHERE = Path("nothing.toml")
BAD = root("samples") / "bad"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An ERP's folder with what was sent, one file in a hidden folder, and some that are no payment files."""
    folder = tmp_path / "out"
    for name, code in (
        ("a.xml", "ADDRESS_UNSTRUCTURED"),
        ("processed/b.XML", "ADDRESS_LINES"),
        ("processed/old/c.xml", "IBAN_INVALID"),
        (".h2h/d.xml", "ADDRESS_COUNTRY"),
        (".e.xml", "ADDRESS_COUNTRY"),
        ("notes.txt", "ADDRESS_COUNTRY"),
        ("half.xml", "XML_TRUNCATED"),
    ):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes((BAD / f"{code}.xml").read_bytes())
    (folder / "status.xml").write_bytes((root("samples") / "good" / "pain.002.001.10.xml").read_bytes())
    os.mkfifo(folder / "pipe.xml")
    return folder


def test_every_xml_below_a_folder_is_counted_by_creditor_and_what_was_not_read_is_told(folder: Path) -> None:
    done = h2h(NOWHERE, "validate", "--addresses", str(folder), str(folder / "processed"), "--json")
    assert (done.returncode, done.stderr) == (1, "")
    *records, totals = map(json.loads, done.stdout.splitlines())
    parties = [r for r in records if r["record"] == "Party"]
    assert parties == [
        {
            "record": "Party", "role": "Cdtr", "name": "Lagertechnik Noord B.V.", "account": "NL91ABNA0417164300",
            "payments": 2, "files": 2, "ready": 0, "none": 0, "structured": 0, "hybrid": 0, "unstructured": 1,
            "unfit": 1,
        },
        {
            "record": "Party", "role": "Cdtr", "name": "Lagertechnik Noord B.V.", "account": "NL91ABNA0471164300",
            "payments": 1, "files": 1, "ready": 1, "none": 1, "structured": 0, "hybrid": 0, "unstructured": 0,
            "unfit": 0,
        },
    ]  # fmt: skip
    unread = {Path(r["file"]).name: r["why"] for r in records if r["record"] == "Unread"}
    assert set(unread) == {"half.xml", "status.xml"}
    assert unread["half.xml"].startswith("XML_TRUNCATED: ")
    assert unread["status.xml"] == "holds no payment message (pain.001)"
    assert totals == {
        "record": "Totals", "files": 3, "payments": 3, "ready": 1, "without_address": 1, "parties": 2, "left_out": 0,
    }  # fmt: skip


def test_the_screen_tells_the_share_that_is_ready(folder: Path) -> None:
    shown = h2h(NOWHERE, "validate", "--addresses", str(folder)).stdout
    assert "33.3 % of 3 payments in 3 files are ready; 1 name no address of the creditor." in shown
    assert f"not read: {folder / 'half.xml'}: XML_TRUNCATED" in shown
    assert addressing._share(999_999, 1_000_000) == "99.9 %"


def test_files_that_are_ready_leave_with_0_and_what_is_not_there_is_told(folder: Path, tmp_path: Path) -> None:
    good = root("samples") / "good" / "pain.001.001.09.xml"
    assert h2h(NOWHERE, "validate", "--addresses", str(good)).returncode == 0
    gone = h2h(NOWHERE, "validate", "--addresses", str(tmp_path / "gone.xml"))
    assert (gone.returncode, "gone.xml: cannot be read" in gone.stdout) == (1, True)
    asked = h2h(NOWHERE, "validate", "--addresses", "--bank", "box", str(good))
    assert (asked.returncode, "leave --bank out" in asked.stderr) == (2, True)


def test_more_files_than_the_bound_are_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addressing, "MAX_FILES", 2)
    unread: list[addressing.Unread] = []
    assert len(list(addressing._files((folder,), unread))) == 2
    assert [u.why.startswith("not looked at, nor what follows") for u in unread] == [True]
