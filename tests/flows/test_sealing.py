"""Files that go to their bank compressed: other bytes than were judged, kept, told and looked for like those."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from h2h.channels.folder import FolderChannel
from h2h.errors import Unknown
from h2h.evidence import write_bundle
from h2h.gateway import Gateway
from h2h.ledger.rows import Transfer
from h2h.ledger.sealings import SEALED, UNSEALED
from h2h.lifecycle import State
from h2h.model import Receipt
from h2h.outbound import handover
from h2h.sandbox.server import BankServer
from h2h.verify_bundle import faults

from .test_bad_world import SILENT
from .world import World, only, opened, payments, send, settled, transfers, world

FILE = payments("MSG-1")
GZIP = {"compress": '"gzip"', "name": '"{msg_id}.xml.gz"'}
ZIP = {"compress": '"zip"', "name": '"{msg_id}.xml.zip"'}


@contextmanager
def asked(folder: Path, settings: dict[str, str], **options: Any) -> Iterator[tuple[World, BankServer]]:
    with world(folder, SILENT, outbound=settings, **options) as (erp, bank):
        erp.write_settings()
        yield erp, bank


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def sealings(gateway: Gateway, transfer: Transfer) -> list[dict[str, Any]]:
    return [event.data for event in gateway.ledger.journal.of(transfer.id) if event.kind == SEALED]


def kept(gateway: Gateway, sha256: str) -> bytes:
    with gateway.archive.open(sha256) as source:
        return source.read()


def test_the_bank_gets_it_as_gzip_and_both_are_kept_with_their_hashes(tmp_path: Path) -> None:
    with asked(tmp_path, GZIP) as (erp, bank), opened(erp) as gateway:
        erp.drop_file(FILE)
        transfer = only(send(gateway))
        data = only(bank.taken).data
        assert gzip.decompress(data) == FILE
        assert (transfer.state, transfer.sha256, transfer.size) == (State.SENT, sha256(FILE), len(FILE))
        assert (transfer.sent_sha256, transfer.sent_size, transfer.sealed_by) == (sha256(data), len(data), "gzip")
        assert [kept(gateway, each) for each in (transfer.sha256, transfer.sent_sha256)] == [FILE, data]
        [told] = sealings(gateway, transfer)
        assert (told["sha256"], told["sealed_sha256"], told["compress"]) == (sha256(FILE), sha256(data), "gzip")
        kinds = [event.kind for event in gateway.ledger.journal.of(transfer.id)]
        assert kinds.index(SEALED) < kinds.index("STAGING")
        assert gateway.ledger.views.files()[0].sealed_sha256 == sha256(data)


def test_the_one_member_of_a_zip_is_named_as_the_file_goes(tmp_path: Path) -> None:
    with asked(tmp_path, ZIP) as (erp, bank), opened(erp) as gateway:
        erp.drop_file(FILE)
        only(send(gateway))
        with zipfile.ZipFile(io.BytesIO(only(bank.taken).data)) as archive:
            assert archive.namelist() == ["MSG-1.xml"]
            assert archive.read("MSG-1.xml") == FILE


def test_a_folder_that_asks_for_nothing_sends_what_was_judged(tmp_path: Path) -> None:
    with asked(tmp_path, {}) as (erp, bank), opened(erp) as gateway:
        erp.drop_file(FILE)
        transfer = only(send(gateway))
        assert only(bank.taken).data == FILE
        assert (transfer.sealed_sha256, transfer.sent_sha256, transfer.sent_size) == (None, sha256(FILE), len(FILE))
        assert sealings(gateway, transfer) == []


def test_small_files_are_sealed_and_sent_together(tmp_path: Path) -> None:
    files = {payments(f"MSG-{n}") for n in range(handover.GROUP + 3)}
    with asked(tmp_path, GZIP) as (erp, bank), opened(erp) as gateway:
        for n, content in enumerate(sorted(files)):
            erp.drop_file(content, f"{n}.xml")
        assert {t.state for t in send(gateway)} == {State.SENT}
        assert {gzip.decompress(taken.data) for taken in bank.taken} == files


@pytest.mark.parametrize("way", ["rename", "marker", "direct"])
def test_each_way_to_publish_goes_by_the_sealed_bytes(tmp_path: Path, way: str) -> None:
    """Over a folder, which keeps what it was given."""
    for part in ("in", "out"):
        (tmp_path / "bank" / part).mkdir(parents=True)
    channel = {"kind": '"folder"', "path": f'"{tmp_path}/bank"', "publish": f'"{way}"'}
    facts = {"staging_is_ours": "true"}
    erp = World(folder=tmp_path, port=0, fingerprint="", channel=channel, facts=facts, outbound=GZIP)
    erp.write_settings()
    erp.drop_file(FILE)
    with opened(erp) as gateway:
        assert settled(gateway).state is State.SENT
    assert gzip.decompress((tmp_path / "bank/in/MSG-1.xml.gz").read_bytes()) == FILE


def test_after_a_lost_answer_it_is_found_at_the_bank_by_the_size_that_was_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in ("in", "out"):
        (tmp_path / "bank" / part).mkdir(parents=True)
    publish = FolderChannel.publish

    def lost(channel: FolderChannel, *arguments: Any, **named: Any) -> Receipt:
        publish(channel, *arguments, **named)
        raise Unknown("the line broke")

    monkeypatch.setattr(FolderChannel, "publish", lost)
    channel = {"kind": '"folder"', "path": f'"{tmp_path}/bank"'}
    erp = World(folder=tmp_path, port=0, fingerprint="", channel=channel, outbound=GZIP)
    erp.write_settings()
    erp.drop_file(FILE)
    with opened(erp) as gateway:
        transfer = only(send(gateway))
        assert (transfer.state, transfer.attempts) == (State.SENT, 1)
        told = [event.data for event in gateway.ledger.journal.of(transfer.id) if event.kind == State.SENT]
        assert told[0]["final"] == f"there ({transfer.sent_size} bytes)"


def test_what_is_tried_again_is_the_same_bytes_and_what_the_settings_ask_for_now(tmp_path: Path) -> None:
    with asked(tmp_path, GZIP) as (erp, bank):
        port, erp.port = erp.port, 1
        erp.drop_file(FILE)
        with opened(erp) as gateway:
            waiting = only(send(gateway))
            assert (waiting.state, len(sealings(gateway, waiting))) == (State.READY, 1)
        with opened(erp) as gateway:
            assert only(send(gateway)).sealed_sha256 == waiting.sealed_sha256
            assert len(sealings(gateway, waiting)) == 1
        erp.port, erp.outbound = port, {}
        with opened(erp) as gateway:
            sent = settled(gateway)
            assert (sent.sealed_sha256, only(bank.taken).data) == (None, FILE)
            kinds = [event.kind for event in gateway.ledger.journal.of(sent.id)]
            assert (kinds.count(SEALED), kinds.count(UNSEALED)) == (1, 1)


def test_a_file_whose_kept_bytes_are_gone_is_held_and_the_others_of_its_group_go(tmp_path: Path) -> None:
    with asked(tmp_path, GZIP) as (erp, bank), opened(erp) as gateway:
        for n in range(3):
            erp.drop_file(payments(f"MSG-{n}"), f"{n}.xml")
        gateway.desks["box"].take_in()
        gone = transfers(gateway)[1]
        next((erp.folder / "data" / "archive").rglob(gone.sha256)).unlink()
        gateway.desks["box"].hand_over()
        states = [t.state for t in transfers(gateway)]
        assert states == [State.SENT, State.HELD, State.SENT]
        assert "has lost" in (transfers(gateway)[1].reason or "")
        assert len(bank.taken) == 2


def test_evidence_holds_both_and_shows_whether_either_was_changed(tmp_path: Path) -> None:
    with asked(tmp_path, GZIP) as (erp, bank), opened(erp) as gateway:
        erp.drop_file(FILE)
        transfer = only(send(gateway))
        write_bundle(transfer.id, tmp_path / "bundle.zip", ledger=gateway.ledger, archive=gateway.archive, anchors=[])
        data = only(bank.taken).data
    with zipfile.ZipFile(tmp_path / "bundle.zip") as bundle:
        bundle.extractall(tmp_path / "bundle")
    sealed = tmp_path / "bundle" / "files" / f"{transfer.id}-sealed-1-payments.xml"
    assert sealed.read_bytes() == data
    assert faults(tmp_path / "bundle") == []
    _replace(tmp_path / "bundle", sealed, b"other bytes")
    assert faults(tmp_path / "bundle") == [
        f"files/{sealed.name} is not among what the journal says was made of {transfer.id}"
    ]


def _replace(bundle: Path, file: Path, content: bytes) -> None:
    """As somebody would who also makes the bundle's own lists fit."""
    file.write_bytes(content)
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["files"][f"files/{file.name}"] = sha256(content)
    text = json.dumps(manifest, indent=2).encode()
    (bundle / "manifest.json").write_bytes(text)
    (bundle / "manifest.sha256").write_text(f"{sha256(text)}  manifest.json\n")
