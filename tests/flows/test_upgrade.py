"""A pain.001.001.03 that its bank wants as .09: the new bytes go out, the old ones stay, and nothing is sent twice."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from h2h.confined import ConfinedReader
from h2h.gateway import Gateway
from h2h.ledger.rows import Transfer
from h2h.lifecycle import State
from h2h.messages.orders import Upgrade
from h2h.sandbox.server import BankServer
from h2h.verdicts import Verdict
from h2h.verify_bundle import faults

from .test_bad_world import SILENT, pull
from .test_restored import copy_ledger, put_ledger_back
from .world import World, answer, only, opened, put, sample, send, transfers, world

OLD, NEW = "pain.001.001.03", "pain.001.001.09"
FILE = sample(OLD)
MESSAGE_ID = "MMB-20261005-0001"
SETTINGS = {"messages": f'["{OLD}"]', "upgrade": f'"{NEW}"'}
UETR = {**SETTINGS, "upgrade_uetr": "true"}


@contextmanager
def asked(folder: Path, settings: dict[str, str] = SETTINGS, **options: Any) -> Iterator[tuple[World, BankServer]]:
    with world(folder, SILENT, outbound=settings, **options) as (erp, bank):
        erp.write_settings()
        yield erp, bank


def sent(gateway: Gateway, erp: World, content: bytes = FILE, name: str = "payments.xml") -> Transfer:
    erp.drop_file(content, name)
    return next(t for t in send(gateway) if t.name == name)


def kept(gateway: Gateway, sha256: str) -> bytes:
    with gateway.archive.open(sha256) as source:
        return source.read()


def texts(content: bytes, name: str) -> list[str | None]:
    return [e.text for e in etree.fromstring(content).iter(f"{{*}}{name}")]


def codes(gateway: Gateway, transfer: Transfer) -> list[str]:
    return [f.code for f in gateway.ledger.views.history(transfer.id).findings if f.severity != "WARNING"]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("settings", [SETTINGS, UETR], ids=["without UETR", "with UETR"])
def test_the_new_version_is_sent_and_the_old_bytes_are_kept(tmp_path: Path, settings: dict[str, str]) -> None:
    with asked(tmp_path, settings) as (erp, bank), opened(erp) as gateway:
        transfer = sent(gateway, erp)
        data = only(bank.taken).data
        assert (transfer.state, transfer.message, transfer.sha256) == (State.SENT, NEW, sha256(data))
        assert (transfer.original_message, transfer.original_sha256) == (OLD, sha256(FILE))
        assert kept(gateway, sha256(FILE)) == FILE
        assert transfer.size == len(data)
        assert f"xsd:{NEW}".encode() in data
        assert texts(data, "BICFI") == texts(FILE, "BIC")
        assert texts(data, "InstdAmt") == texts(FILE, "InstdAmt")
        assert len(set(texts(data, "UETR"))) == (7 if settings is UETR else 0)
        uetrs = [p.uetr for p in gateway.ledger.views.payments_of(transfer.id)]
        assert [u for u in uetrs if u] == texts(data, "UETR")
        assert (erp.drop / "processed" / f"{transfer.id}-payments.xml").read_bytes() == FILE
        assert codes(gateway, transfer) == ["UPGRADE_MADE"]
        event = next(e for e in gateway.ledger.journal.of(transfer.id) if e.kind == "READY")
        assert (event.data["sha256"], event.data["original_sha256"]) == (sha256(data), sha256(FILE))


def test_the_bank_answers_it_as_any_other(tmp_path: Path) -> None:
    with asked(tmp_path, UETR) as (erp, bank), opened(erp) as gateway:
        transfer = sent(gateway, erp)
        put(bank.folders.outbox, "a.xml", answer(MESSAGE_ID, "ACSC"))
        pull(gateway)
        assert gateway.ledger.transfers.get(transfer.id).verdict is Verdict.ACCEPTED


def test_other_versions_that_the_folder_takes_go_as_they_are(tmp_path: Path) -> None:
    settings = {**SETTINGS, "messages": f'["{OLD}", "{NEW}"]'}
    with asked(tmp_path, settings) as (erp, bank), opened(erp) as gateway:
        transfer = sent(gateway, erp, sample(NEW))
        assert (transfer.original_sha256, only(bank.taken).data) == (None, sample(NEW))


def test_a_version_that_the_folder_does_not_take_is_refused_even_if_it_is_the_new_one(tmp_path: Path) -> None:
    with asked(tmp_path) as (erp, _), opened(erp) as gateway:
        assert sent(gateway, erp, sample(NEW)).state is State.INVALID


# What is refused.


def spoiled(old: str, new: str) -> bytes:
    text = FILE.decode()
    assert old in text
    return text.replace(old, new, 1).encode()


CONTACT = "<CtctDtls><Nm>Ms Ek</Nm><Othr>4711</Othr></CtctDtls>"


def test_what_the_new_version_cannot_hold_is_refused_with_path_and_reason_and_nothing_is_sent(tmp_path: Path) -> None:
    content = spoiled("</PstlAdr>\n      </Dbtr>", f"</PstlAdr>{CONTACT}</Dbtr>")
    with asked(tmp_path) as (erp, bank), opened(erp) as gateway:
        transfer = sent(gateway, erp, content)
        [finding] = [f for f in gateway.ledger.views.history(transfer.id).findings if f.severity == "ERROR"]
        assert (transfer.state, finding.code) == (State.INVALID, "UPGRADE_IMPOSSIBLE")
        assert finding.path == "/Document/CstmrCdtTrfInitn/PmtInf[1]/Dbtr/CtctDtls/Othr"
        assert "ChanlTp" in finding.text
        assert bank.taken == []
        report = json.loads((erp.drop / "rejected" / f"{transfer.id}-payments.xml.report.json").read_text())
        assert [f["code"] for f in report["findings"] if f["severity"] == "ERROR"] == ["UPGRADE_IMPOSSIBLE"]
        assert transfer.original_sha256 is None
        assert transfer.sha256 == sha256(content)


def test_what_is_wrong_with_the_old_file_is_told_of_the_old_file(tmp_path: Path) -> None:
    with asked(tmp_path) as (erp, _), opened(erp) as gateway:
        transfer = sent(gateway, erp, spoiled("<CtrlSum>52023.45<", "<CtrlSum>52023.44<"))
        [finding] = [f for f in gateway.ledger.views.history(transfer.id).findings if f.severity == "ERROR"]
        assert (finding.code, finding.line) == ("SUM_MISMATCH", 4)


LIES: dict[str, Callable[[bytes], bytes]] = {
    "another amount": lambda b: b.replace(b">1250.00<", b">1250.01<").replace(b">17028.15<", b">17028.16<"),
    "another creditor": lambda b: b.replace(b"Ateliers Ravel SARL", b"Somebody Else"),
    "another account": lambda b: b.replace(b"FR1420041010050500013M02606", b"NL91ABNA0417164300"),
    "another date": lambda b: b.replace(b"2026-10-07", b"2026-10-08"),
    "another address": lambda b: b.replace(b"<TwnNm>Lyon", b"<TwnNm>Paris"),
    "a payment less": lambda b: re.sub(rb"<CdtTrfTxInf>.*?</CdtTrfTxInf>", b"", b, count=1, flags=re.DOTALL),
    "a payment more": lambda b: re.sub(rb"(<CdtTrfTxInf>.*?</CdtTrfTxInf>)", rb"\1\1", b, count=1, flags=re.DOTALL),
    "the old version": lambda _: FILE,
    "half of it": lambda b: b[: len(b) // 2],
    "nothing": lambda _: b"",
}


@pytest.mark.parametrize("lie", LIES)
def test_a_new_file_that_does_not_say_the_same_is_never_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: str
) -> None:
    honest = ConfinedReader.upgraded

    def upgraded(reader: ConfinedReader, source: Any, order: Upgrade) -> Iterator[Any]:
        yield LIES[lie](b"".join(honest(reader, source, order)))  # type: ignore[arg-type]

    monkeypatch.setattr(ConfinedReader, "upgraded", upgraded)
    with asked(tmp_path, UETR) as (erp, bank), opened(erp) as gateway:
        assert sent(gateway, erp).state is State.INVALID
        assert bank.taken == []


# Never twice.


def test_the_same_old_file_dropped_again_is_a_duplicate_by_its_own_bytes(tmp_path: Path) -> None:
    with asked(tmp_path, UETR) as (erp, bank), opened(erp) as gateway:
        first = sent(gateway, erp)
        again = sent(gateway, erp, name="again.xml")
        assert (again.state, again.duplicate_of) == (State.DUPLICATE, first.id)
        assert codes(gateway, again)[0] == "DUPLICATE_BYTES"
        assert len(bank.taken) == 1


def test_the_same_content_written_down_otherwise_is_a_duplicate_too(tmp_path: Path) -> None:
    with asked(tmp_path, UETR) as (erp, _), opened(erp) as gateway:
        sent(gateway, erp)
        again = sent(gateway, erp, FILE.replace(b"\n", b"\n "), name="again.xml")
        assert (again.state, codes(gateway, again)[0]) == (State.DUPLICATE, "DUPLICATE_CONTENT")


def test_the_same_message_id_is_a_duplicate_as_ever(tmp_path: Path) -> None:
    with asked(tmp_path, UETR) as (erp, _), opened(erp) as gateway:
        sent(gateway, erp)
        again = sent(gateway, erp, spoiled("Ateliers Ravel SARL", "Ateliers Ravel SA"), name="again.xml")
        assert (again.state, codes(gateway, again)[0]) == (State.DUPLICATE, "DUPLICATE_MESSAGE_ID")


def test_a_duplicate_that_two_persons_let_go_goes_in_the_new_version_too(tmp_path: Path) -> None:
    with asked(tmp_path) as (erp, bank), opened(erp) as gateway:
        sent(gateway, erp)
        again = sent(gateway, erp, name="again.xml")
        for who in ("ann", "bob"):
            gateway.decisions.release(again.id, who=who, reason="the bank lost it", now=True)
        send(gateway)
        assert [f.data for f in bank.taken] == [bank.taken[0].data] * 2
        assert f"xsd:{NEW}".encode() in bank.taken[1].data


def test_what_was_refused_of_it_is_repaired_in_the_version_that_was_sent(tmp_path: Path) -> None:
    with asked(tmp_path, UETR) as (erp, bank), opened(erp) as gateway:
        transfer = sent(gateway, erp)
        put(bank.folders.outbox, "a.xml", answer(MESSAGE_ID, "RJCT", reason="AC04"))
        pull(gateway)
        plan = gateway.ledger.repair_rehearsal.plan(transfer.id)
        with gateway.repair.built(plan, None) as built:
            made = gateway.repair.keep(built, gateway.ledger.repairs, who="ann", reason="mended there")
        assert (made.message, made.state, made.original_sha256) == (NEW, State.HELD, None)
        assert not set(texts(kept(gateway, made.sha256), "UETR")) & set(texts(bank.taken[0].data, "UETR"))


# A bad world.


def test_a_ledger_put_back_from_before_knows_what_was_sent_again(tmp_path: Path) -> None:
    with asked(tmp_path, UETR) as (erp, _):
        with opened(erp) as gateway:
            gateway.desks["box"].take_in()
        copy_ledger(erp)
        with opened(erp) as gateway:
            before = sent(gateway, erp)
        put_ledger_back(erp)
        with opened(erp) as gateway:
            after = only(transfers(gateway))
            assert (after.id, after.state) == (before.id, State.UNCERTAIN)
            assert (after.sha256, after.original_sha256) == (before.sha256, before.original_sha256)
            assert [p.uetr for p in gateway.ledger.views.payments_of(after.id)] == texts(
                kept(gateway, after.sha256), "UETR"
            )


def test_the_evidence_holds_both_files_and_verifies(tmp_path: Path) -> None:
    from h2h.evidence import write_bundle

    with asked(tmp_path, UETR) as (erp, bank), opened(erp) as gateway:
        transfer = sent(gateway, erp)
        write_bundle(transfer.id, tmp_path / "e.zip", ledger=gateway.ledger, archive=gateway.archive, anchors=[])
        with zipfile.ZipFile(tmp_path / "e.zip") as bundle:
            bundle.extractall(tmp_path / "e")
        assert {p.read_bytes() for p in (tmp_path / "e" / "files").iterdir()} == {FILE, bank.taken[0].data}
        assert faults(tmp_path / "e") == []


# Settings, and what people see.


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"messages": f'["{NEW}"]', "upgrade": f'"{NEW}"'}, "messages does not take pain.001.001.03"),
        ({"messages": f'["{OLD}"]', "upgrade_uetr": "true"}, "add upgrade, or leave it out"),
        ({"messages": f'["{OLD}"]', "upgrade": '"pain.001.001.10"'}, "pain.001.001.09"),
    ],
)
def test_settings_that_contradict_themselves_are_told(tmp_path: Path, settings: dict[str, str], why: str) -> None:
    from h2h.errors import SettingsError

    erp = World(folder=tmp_path, port=1, fingerprint="SHA256:" + "A" * 43, outbound=settings)
    erp.write_settings()
    with pytest.raises(SettingsError, match=re.escape(why)):
        erp.settings()
