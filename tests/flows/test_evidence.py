"""The evidence on a file can be checked without the gateway, and shows every change made to it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from h2h.errors import StoreError
from h2h.evidence import write_bundle
from h2h.lifecycle import State
from h2h.sandbox.scenario import Scenario
from h2h.verify_bundle import faults

from .world import sample, world

AT = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The evidence on a file that was sent, answered and booked, with the head noted outside once."""
    folder = tmp_path_factory.mktemp("evidence")
    with world(folder, Scenario()) as (erp, bank):
        gateway = erp.gateway()
        erp.drop_file(sample(), "run.xml")
        with gateway.running():
            desk = gateway.desks["box"]
            desk.take_in()
            desk.hand_over()
            noted = gateway.ledger.journal.head(AT)
            assert noted is not None
            bank.settle()
            bank.close_day()
            desk.pull(desk.bank.inbound[0])
            sent = gateway.ledger.transfers.in_state(State.SENT)[0]
            target = folder / "evidence.zip"
            write_bundle(sent.id, target, ledger=gateway.ledger, archive=gateway.archive, anchors=[noted])
            with pytest.raises(StoreError, match="cannot be written"):
                write_bundle(sent.id, target, ledger=gateway.ledger, archive=gateway.archive, anchors=[])
        gateway.close()
    return target


@pytest.fixture
def unpacked(bundle: Path, tmp_path: Path) -> Path:
    with zipfile.ZipFile(bundle) as file:
        file.extractall(tmp_path)
    return tmp_path


def verify(folder: Path) -> subprocess.CompletedProcess[str]:
    """As an auditor does it: without the gateway's package on the path."""
    command = [sys.executable, "-I", str(folder / "verify.py")]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


def test_a_bundle_holds_the_file_its_answers_and_its_statement_and_is_whole(unpacked: Path) -> None:
    done = verify(unpacked)
    assert (done.returncode, done.stderr) == (0, "")
    kept = sorted(p.name.rpartition("-")[2] for p in (unpacked / "files").iterdir())
    assert [name[-12:] for name in kept] == ["_pain002.xml", "_pain002.xml", "_camt053.xml", "run.xml"]
    payments = [json.loads(line) for line in (unpacked / "payments.jsonl").read_text().splitlines()]
    assert len(payments) == 8
    assert all(payment["answers"] for payment in payments)
    booked = [payment["booking"] for payment in payments if payment["booking"]]
    assert len(booked) > 0
    assert all(line["booking_date"] and line["amount"] and line["account"] and line["message"] for line in booked)
    history = json.loads((unpacked / "history.json").read_text())
    assert [attempt["outcome"] for attempt in history["attempts"]] == ["DELIVERED"]
    assert {"RECEIVED", "READY", "STAGING", "PUBLISHING", "SENT"} <= {line["kind"] for line in history["lines"]}


def test_a_byte_changed_anywhere_is_told(unpacked: Path) -> None:
    """In every file of the bundle, at its start, its middle and its end."""
    assert faults(unpacked) == []
    for path in [p for p in sorted(unpacked.rglob("*")) if p.is_file()]:
        whole = path.read_bytes()
        for place in {0, len(whole) // 3, len(whole) // 2, len(whole) - 1}:
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            assert found(unpacked), (path.name, place)
        path.write_bytes(whole)
    (unpacked / "files" / "more.xml").write_text("<more/>")
    assert faults(unpacked) == ["files/more.xml was added"]


def found(folder: Path) -> bool:
    try:
        return bool(faults(folder))
    except (OSError, ValueError, KeyError, TypeError):
        return True


def edit(name: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    """Change a file of the bundle and put its new hash into the manifest, as somebody who knows the format would."""

    def act(folder: Path) -> None:
        path = next(folder.glob(name))
        path.write_text(change(path.read_text()))
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["files"][str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
        write_manifest(folder, manifest)

    return act


def without_line(number: int) -> Callable[[str], str]:
    return lambda text: "".join(line for n, line in enumerate(text.splitlines(keepends=True)) if n != number)


def other_anchor(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["anchors"][0]["hash"] = "0" * 64
    write_manifest(folder, manifest)


def write_manifest(folder: Path, manifest: object) -> None:
    text = json.dumps(manifest).encode()
    (folder / "manifest.json").write_bytes(text)
    (folder / "manifest.sha256").write_text(f"{hashlib.sha256(text).hexdigest()}  manifest.json\n")


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (lambda folder: (folder / "history.json").write_text("{}"), "history.json was changed"),
        (lambda folder: (folder / "payments.jsonl").unlink(), "payments.jsonl is missing"),
        (edit("files/T*", lambda text: text.replace("1089.00", "9089.00")), "is not what the journal says was taken"),
        (edit("chain.jsonl", lambda text: text.replace("MMB-20261116", "MMB-20261117")), "was edited"),
        (edit("chain.jsonl", without_line(1)), "does not follow event"),
        (edit("chain.jsonl", without_line(-1)), ""),
        (other_anchor, "is not the one noted on"),
    ],
    ids=["a file", "a file gone", "the bytes", "an event", "an event gone", "nothing", "a noted head"],
)
def test_whatever_is_changed_is_told(unpacked: Path, tamper: Callable[[Path], None], told: str) -> None:
    tamper(unpacked)
    done = verify(unpacked)
    assert (done.returncode, told in done.stdout) == (int(bool(told)), True)


def test_a_chain_that_lost_its_end_is_told(unpacked: Path) -> None:
    count = len((unpacked / "chain.jsonl").read_text().splitlines())
    edit("chain.jsonl", without_line(count - 1))(unpacked)
    assert "does not end in the head" in verify(unpacked).stdout
