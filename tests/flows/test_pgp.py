"""PGP both ways with a bank that is played by GnuPG itself: what it opens, and what of it is taken or refused."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from h2h.evidence import write_bundle
from h2h.gateway import Gateway
from h2h.ledger.messages import Message, MessageState
from h2h.ledger.rows import Transfer
from h2h.lifecycle import State
from h2h.model import InboundId
from h2h.sandbox.server import BankServer
from h2h.verdicts import Verdict
from h2h.verify_bundle import faults
from tests.forging import NOW, Forge, forge
from tests.shell.command import run as h2h
from tests.vaults import TOKEN, VaultServer, sealed, vault

from .test_bad_world import SILENT, pull
from .world import MovableClock, World, answer, only, opened, payments, put, sample, send, transfers, world

FILE = payments("MSG-1")
BOTH = '"sign+encrypt"'
OUT = {"pgp": BOTH, "name": '"{msg_id}.xml.pgp"'}
IN = {"pgp": BOTH, "match": '"*"'}


@pytest.fixture(scope="module")
def workshop() -> Iterator[Forge]:
    with forge() as made:
        yield made


@pytest.fixture(scope="module")
def corp(workshop: Forge) -> str:
    """Our key, by its fingerprint."""
    return workshop.key("Corp", passphrase="geheim")


@pytest.fixture(scope="module")
def bank(workshop: Forge) -> str:
    return workshop.key("Bank")


@pytest.fixture(scope="module")
def stranger(workshop: Forge) -> str:
    return workshop.key("Stranger")


@dataclass
class Setting:
    """A gateway's world, the bank's server, and GnuPG with every key there is."""

    erp: World
    server: BankServer
    forge: Forge
    corp: str
    bank: str
    clock: MovableClock

    def at_bank(self) -> bytes:
        return self.server.taken[-1].data

    def opened_by_bank(self, data: bytes) -> tuple[bytes, str]:
        """What the bank makes of a file: its content, and the fingerprint of the key that signed it."""
        return self.forge.run("--decrypt", data=data, at=self.clock.now()), self.signer(data)

    def signer(self, data: bytes) -> str:
        said = self.forge.run("--decrypt", "--status-fd=1", "--output=/dev/null", data=data, at=self.clock.now())
        return next(line.split()[-1] for line in said.decode().splitlines() if "VALIDSIG" in line)

    def sealed(self, content: bytes, *order: str, signer: str | None = None, to: str | None = None) -> bytes:
        usual = ["--sign", f"--local-user={signer or self.bank}", "--encrypt", f"--recipient={to or self.corp}"]
        return self.forge.run(*(order or usual), data=content, at=self.clock.now())

    def from_bank(self, gateway: Gateway, name: str, data: bytes) -> Message:
        """It puts a file into our folder, and we look."""
        put(self.server.folders.outbox, name, data)
        pull(gateway)
        found = [f for f in gateway.ledger.views.files() if f.direction == "in" and f.name == name]
        return gateway.ledger.messages.get(found[0].id)


def key_files(folder: Path, forge: Forge, corp: str, *partners: str, passphrase: str = "geheim") -> None:
    folder.mkdir(exist_ok=True)
    (folder / "pass").write_text(passphrase)
    (folder / "corp.asc").write_bytes(forge.secret(corp, "--armor", passphrase="geheim"))
    for path in (folder / "pass", folder / "corp.asc"):
        path.chmod(0o600)
    for partner in partners:
        (folder / f"{partner}.asc").write_bytes(forge.public(partner))


def rows(folder: Path, *partners: str, ours: str = "corp.asc", more: str = "") -> dict[str, str]:
    theirs = ", ".join(f'{{ file = "{folder}/{p}.asc", fingerprint = "{p}" }}' for p in partners)
    mine = f'{{ file = "{folder}/{ours}", passphrase = "file:{folder}/pass" }}{more}'
    return {"pgp": f"{{ our_keys = [{mine}], their_keys = [{theirs}] }}"}


@contextmanager
def setting(
    folder: Path, forge: Forge, corp: str, partner: str, outbound: dict[str, str] = OUT, **options: Any
) -> Iterator[Setting]:
    clock = MovableClock(NOW.isoformat())
    folder.mkdir(exist_ok=True)
    key_files(folder / "keys", forge, corp, partner)
    options = {"bank": rows(folder / "keys", partner), "inbound": IN, **options}
    with world(folder, SILENT, bank_clock=clock, outbound=outbound, **options) as (erp, server):
        erp.write_settings()
        yield Setting(erp, server, forge, corp, partner, clock)


@pytest.fixture
def told(tmp_path: Path, workshop: Forge, corp: str, bank: str) -> Iterator[Setting]:
    with setting(tmp_path, workshop, corp, bank) as it:
        yield it


def sent(gateway: Gateway, told: Setting, content: bytes = FILE) -> Transfer:
    told.erp.drop_file(content, f"{hashlib.sha256(content).hexdigest()[:8]}.xml")
    return send(gateway)[-1]


def codes(gateway: Gateway, file_id: str) -> list[str]:
    return [f.code for f in gateway.ledger.views.history(file_id).findings if f.severity != "WARNING"]


# Out and back.


@pytest.mark.parametrize("compress", ["", '"gzip"', '"zip"'], ids=["as it is", "gzip", "zip"])
@pytest.mark.parametrize("armour", ["true", "false"], ids=["armoured", "binary"])
def test_a_whole_round_trip(tmp_path: Path, workshop: Forge, corp: str, bank: str, compress: str, armour: str) -> None:
    outbound = {**OUT, "armour": armour, **({"compress": compress} if compress else {})}
    with setting(tmp_path, workshop, corp, bank, outbound) as told, opened(told.erp, told.clock) as gateway:
        transfer = sent(gateway, told)
        data = told.at_bank()
        assert data.startswith(b"-----BEGIN PGP MESSAGE-----") == (armour == "true")
        content, signer = told.opened_by_bank(data)
        assert signer == corp
        assert _unpacked(content, tmp_path) == FILE
        assert (transfer.state, transfer.sha256) == (State.SENT, hashlib.sha256(FILE).hexdigest())
        assert transfer.sealed_sha256 == hashlib.sha256(data).hexdigest()
        assert corp in (transfer.sealed_by or "")
        assert bank in (transfer.sealed_by or "")

        report = told.from_bank(gateway, "a.xml.pgp", told.sealed(answer("MSG-1", "ACSC")))
        statement = told.from_bank(gateway, "b.xml.asc", told.sealed(sample("camt.053.001.08")))
        assert [report.state, statement.state] == [MessageState.APPLIED] * 2
        assert (report.signed_by, statement.signed_by) == (bank, bank)
        assert gateway.ledger.transfers.get(transfer.id).verdict is Verdict.ACCEPTED
        assert gateway.ledger.views.statements() != []
        delivered = {path.name.rpartition("-")[2]: path for path in told.erp.deliver.iterdir()}
        assert sorted(delivered) == ["a.xml", "a.xml.jsonl", "b.xml", "b.xml.jsonl"]
        assert delivered["a.xml"].read_bytes() == answer("MSG-1", "ACSC")


def _unpacked(content: bytes, folder: Path) -> bytes:
    if content.startswith(b"\x1f\x8b"):
        return gzip.decompress(content)
    if not content.startswith(b"PK"):
        return content
    (folder / "came.zip").write_bytes(content)
    with zipfile.ZipFile(folder / "came.zip") as archive:
        [name] = archive.namelist()
        return archive.read(name)


@pytest.mark.parametrize("form", ["sign", "encrypt"])
def test_each_form_by_itself_goes_and_comes(tmp_path: Path, workshop: Forge, corp: str, bank: str, form: str) -> None:
    pgp = {"pgp": f'"{form}"'}
    with (
        setting(tmp_path, workshop, corp, bank, {**OUT, **pgp}, inbound={**IN, **pgp}) as told,
        opened(told.erp, told.clock) as gateway,
    ):
        sent(gateway, told)
        assert workshop.run("--decrypt", data=told.at_bank(), at=told.clock.now()) == FILE
        order = {"sign": ["--sign", f"--local-user={bank}"], "encrypt": ["--encrypt", f"--recipient={corp}"]}[form]
        report = told.from_bank(gateway, "a.gpg", told.sealed(answer("MSG-1"), *order))
        assert (report.state, report.signed_by) == (MessageState.APPLIED, bank if form == "sign" else None)


def test_small_files_are_sealed_and_sent_together(told: Setting) -> None:
    files = {payments(f"MSG-{n}") for n in range(5)}
    with opened(told.erp, told.clock) as gateway:
        for n, content in enumerate(sorted(files)):
            told.erp.drop_file(content, f"{n}.xml")
        assert {transfer.state for transfer in send(gateway)} == {State.SENT}
        assert {told.opened_by_bank(taken.data)[0] for taken in told.server.taken} == files


def test_what_is_decrypted_stands_in_the_archive_and_the_delivery_folder_alone_and_others_may_not_read_it(
    told: Setting,
) -> None:
    text = answer("MSG-1", paper_id="NOWHERE-ELSE-4711")
    with opened(told.erp, told.clock) as gateway:
        sent(gateway, told)
        told.from_bank(gateway, "a.xml.pgp", told.sealed(text))
    holding = [
        Path(folder, name)
        for folder, _, names in os.walk(told.erp.folder)
        for name in names
        if text == Path(folder, name).read_bytes()
    ]
    archive = told.erp.folder / "data" / "archive"
    inside = [path for path in holding if path.is_relative_to(archive)]
    assert len(inside) == 1
    assert [path.parent for path in holding if path not in inside] == [told.erp.deliver]
    assert {stat.S_IMODE(path.stat().st_mode) for path in archive.rglob("*") if path.is_file()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in archive.rglob("*") if path.is_dir()} == {0o700}


def test_evidence_holds_what_came_and_what_was_in_it(told: Setting) -> None:
    with opened(told.erp, told.clock) as gateway:
        transfer = sent(gateway, told)
        report = told.from_bank(gateway, "a.xml.pgp", told.sealed(answer("MSG-1")))
        bundle = told.erp.folder / "bundle.zip"
        write_bundle(transfer.id, bundle, ledger=gateway.ledger, archive=gateway.archive, anchors=[])
        write_bundle(report.id, bundle.with_name("in.zip"), ledger=gateway.ledger, archive=gateway.archive, anchors=[])
    for name, kept in (("bundle", 4), ("in", 2)):
        folder = told.erp.folder / name
        with zipfile.ZipFile(folder.with_suffix(".zip")) as file:
            file.extractall(folder)
        assert len(list((folder / "files").iterdir())) == kept
        assert faults(folder) == []
    inner = told.erp.folder / "bundle" / "files" / f"{report.id}-opened-a.xml.pgp"
    assert inner.read_bytes() == answer("MSG-1")


def test_show_tells_both_hashes_the_signer_and_for_whom_it_is(told: Setting) -> None:
    with opened(told.erp, told.clock) as gateway:
        transfer = sent(gateway, told)
        report = told.from_bank(gateway, "a.xml.pgp", told.sealed(answer("MSG-1")))
    shown = h2h(told.erp.config, "show", transfer.id).stdout
    for fact in (transfer.sha256, transfer.sealed_sha256, f"signed by {told.corp}", f"encrypted to {told.bank}"):
        assert str(fact) in shown
    shown = h2h(told.erp.config, "show", report.id).stdout
    assert all(str(fact) in shown for fact in (report.sha256, report.opened_sha256, told.bank))
    files = [json.loads(line) for line in h2h(told.erp.config, "files", "--json").stdout.splitlines()]
    by_id = {file["id"]: file for file in files}
    assert by_id[transfer.id]["sealed_sha256"] == transfer.sealed_sha256
    assert by_id[report.id]["opened_sha256"] == report.opened_sha256


def test_a_file_in_a_newer_version_is_what_is_sealed(tmp_path: Path, workshop: Forge, corp: str, bank: str) -> None:
    upgrade = {**OUT, "messages": '["pain.001.001.03"]', "upgrade": '"pain.001.001.09"'}
    with (
        setting(tmp_path, workshop, corp, bank, upgrade) as told,
        opened(told.erp, told.clock) as gateway,
    ):
        transfer = sent(gateway, told, sample("pain.001.001.03"))
        content, _ = told.opened_by_bank(told.at_bank())
        assert b"pain.001.001.09" in content
        assert (transfer.sha256, transfer.original_sha256) == (_hash(content), _hash(sample("pain.001.001.03")))


def test_what_is_tried_again_after_a_restart_is_the_same_encryption(told: Setting) -> None:
    port, told.erp.port = told.erp.port, 1
    with opened(told.erp, told.clock) as gateway:
        before = sent(gateway, told)
        assert before.state is State.READY
    told.erp.port = port
    with opened(told.erp, told.clock) as gateway:
        after = only(send(gateway))
        assert after.state is State.SENT
        assert after.sealed_sha256 == before.sealed_sha256 == _hash(told.at_bank())


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# Keys change.


def local(moment: datetime) -> str:
    """As the profile writes it: the zone is Europe/Berlin, an hour ahead in March."""
    return f"{moment + timedelta(hours=1):%Y-%m-%dT%H:%M:%S}"


def test_keys_take_each_others_place_at_an_hour(tmp_path: Path, workshop: Forge, corp: str, bank: str) -> None:
    second, their_second = workshop.key("Corp2"), workshop.key("Bank2")
    switch = NOW + timedelta(hours=2)
    keys = tmp_path / "keys"
    keys.mkdir()
    key_files(keys, workshop, corp, bank, their_second)
    (keys / "corp2.asc").write_bytes(workshop.secret(second))
    (keys / "corp2.asc").chmod(0o600)
    ours = (
        f'{{ file = "{keys}/corp.asc", passphrase = "file:{keys}/pass" }}, '
        f'{{ file = "{keys}/corp2.asc", from = {local(switch)} }}'
    )
    theirs = (
        f'{{ file = "{keys}/{bank}.asc", fingerprint = "{bank}", until = {local(switch + timedelta(hours=3))} }}, '
        f'{{ file = "{keys}/{their_second}.asc", fingerprint = "{their_second}", from = {local(switch)} }}'
    )
    options = {"bank": {"pgp": f"{{ our_keys = [{ours}], their_keys = [{theirs}] }}"}}
    with (
        setting(tmp_path, workshop, corp, bank, **options) as told,
        opened(told.erp, told.clock) as gateway,
    ):
        assert bank in (sent(gateway, told).sealed_by or "")
        assert told.signer(told.at_bank()) == corp
        early = told.sealed(answer("MSG-1"), signer=their_second)
        assert codes(gateway, told.from_bank(gateway, "early.pgp", early).id) == ["PGP_WRONG_SIGNER"]

        told.clock.advance(hours=2, seconds=1)
        after = sent(gateway, told, payments("MSG-2"))
        assert told.signer(told.at_bank()) == second
        assert (their_second in (after.sealed_by or ""), bank in (after.sealed_by or "")) == (True, False)
        for number, (signer, to) in enumerate([(bank, corp), (their_second, corp), (bank, second)]):
            paper = answer("MSG-2", paper_id=f"STS-{number}")
            came = told.from_bank(gateway, f"{number}.pgp", told.sealed(paper, signer=signer, to=to))
            assert (came.state, came.signed_by) == (MessageState.APPLIED, signer)

        told.clock.advance(hours=3)
        late = told.from_bank(gateway, "late.pgp", told.sealed(answer("MSG-2", paper_id="STS-9")))
        assert codes(gateway, late.id) == ["PGP_WRONG_SIGNER"]


def test_what_was_sealed_before_the_switch_and_not_sent_is_sealed_anew(
    tmp_path: Path, workshop: Forge, corp: str, bank: str
) -> None:
    second = workshop.key("Corp3")
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "corp3.asc").write_bytes(workshop.secret(second))
    (keys / "corp3.asc").chmod(0o600)
    more = f', {{ file = "{keys}/corp3.asc", from = {local(NOW + timedelta(hours=1))} }}'
    with setting(tmp_path, workshop, corp, bank, bank=rows(keys, bank, more=more)) as told:
        port, told.erp.port = told.erp.port, 1
        with opened(told.erp, told.clock) as gateway:
            before = sent(gateway, told)
            assert before.state is State.READY
        told.clock.advance(hours=1)
        told.erp.port = port
        with opened(told.erp, told.clock) as gateway:
            after = only(send(gateway))
            assert (after.state, after.sealed_sha256 == before.sealed_sha256) == (State.SENT, False)
            assert told.signer(told.at_bank()) == second


def test_what_was_sealed_to_a_subkey_that_another_one_replaced_is_sealed_anew(
    tmp_path: Path, workshop: Forge, corp: str
) -> None:
    """Under the same primary key: the bank may not open with the old one any more."""
    partner = workshop.key("Bank4")
    with setting(tmp_path, workshop, corp, partner) as told:
        port, told.erp.port = told.erp.port, 1
        with opened(told.erp, told.clock) as gateway:
            before = sent(gateway, told)
            assert before.state is State.READY
        workshop.run("--quick-add-key", partner, "cv25519", "encr", "seconds=8640000", at=NOW - timedelta(days=1))
        key_files(tmp_path / "keys", workshop, corp, partner)
        told.erp.port = port
        with opened(told.erp, told.clock) as gateway:
            after = only(send(gateway))
            assert (after.state, after.sealed_sha256 == before.sealed_sha256) == (State.SENT, False)
        said = workshop.run("--decrypt", "--status-fd=1", "--output=/dev/null", data=told.at_bank()).decode()
        [number] = [line.split()[2] for line in said.splitlines() if "ENC_TO" in line]
        subkeys = [text.rpartition("by subkey ")[2][:40] for text in (before.sealed_by or "", after.sealed_by or "")]
        assert [subkey.endswith(number) for subkey in subkeys] == [False, True]


def expiring(folder: Path, workshop: Forge, name: str, after: timedelta) -> str:
    """A key of the bank that ends so long after NOW, in place of its other one."""
    made = NOW - timedelta(days=30)
    fingerprint = workshop.key(name, days=30 + after.days, at=made + timedelta(seconds=after.seconds))
    (folder / f"{fingerprint}.asc").write_bytes(workshop.public(fingerprint))
    return fingerprint


def test_a_key_that_ends_before_the_cut_off_holds_a_file_when_it_comes_and_a_new_one_lets_it_go(
    tmp_path: Path, workshop: Forge, corp: str, bank: str
) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    ending = expiring(keys, workshop, "Ending", timedelta(hours=4))
    cut_off = {**OUT, "cut_off": '"17:00"', "opens": '"08:00"'}
    with setting(tmp_path, workshop, corp, bank, cut_off, bank=rows(keys, ending)) as told:
        with opened(told.erp, told.clock) as gateway:
            held = sent(gateway, told)
            assert (held.state, codes(gateway, held.id)) == (State.HELD, ["PGP_KEY_EXPIRED"])
            assert all(word in (held.reason or "") for word in (ending, "2026-03-02 13:00 UTC"))
            assert told.server.taken == []
        told.erp.bank = rows(keys, bank)
        with opened(told.erp, told.clock) as gateway:
            gateway.decisions.release(held.id, who="ann", reason="the key was replaced", now=True)
            assert only(send(gateway)).state is State.SENT
            assert told.opened_by_bank(told.at_bank())[0] == FILE


def test_a_key_that_ends_after_the_cut_off_holds_nothing(tmp_path: Path, workshop: Forge, corp: str, bank: str) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    ending = expiring(keys, workshop, "Later", timedelta(hours=9))
    cut_off = {**OUT, "cut_off": '"17:00"', "opens": '"08:00"'}
    with (
        setting(tmp_path, workshop, corp, bank, cut_off, bank=rows(keys, ending)) as told,
        opened(told.erp, told.clock) as gateway,
    ):
        t = sent(gateway, told)
        assert t.state is State.SENT, t.reason


def test_a_key_that_ended_while_the_file_waited_holds_it_when_it_is_to_go(
    tmp_path: Path, workshop: Forge, corp: str, bank: str
) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    ending = expiring(keys, workshop, "Between", timedelta(hours=4))
    with (
        setting(tmp_path, workshop, corp, bank, bank=rows(keys, ending)) as told,
        opened(told.erp, told.clock) as gateway,
    ):
        told.erp.drop_file(FILE)
        gateway.desks["box"].take_in()
        assert only(transfers(gateway)).state is State.READY
        told.clock.advance(hours=5)
        gateway.desks["box"].hand_over()
        held = only(transfers(gateway))
        assert held.state is State.HELD
        assert "expired at 2026-03-02 13:00 UTC" in (held.reason or "")
        assert told.server.taken == []


def test_a_key_that_ended_after_a_file_was_sealed_up_holds_it(
    tmp_path: Path, workshop: Forge, corp: str, bank: str
) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    ending = expiring(keys, workshop, "Sealed before", timedelta(hours=4))
    with setting(tmp_path, workshop, corp, bank, bank=rows(keys, ending)) as told:
        port, told.erp.port = told.erp.port, 1
        told.erp.drop_file(FILE)
        with opened(told.erp, told.clock) as gateway:
            waits = only(send(gateway))
            assert (waits.state, waits.sealed_sha256 is None) == (State.READY, False)
        told.erp.port = port
        told.clock.advance(hours=5)
        with opened(told.erp, told.clock) as gateway:
            held = only(send(gateway))
            assert held.state is State.HELD
            assert f"{ending} ends at 2026-03-02 13:00 UTC" in (held.reason or "")
            assert told.server.taken == []


def test_a_passphrase_that_is_wrong_holds_and_the_right_one_lets_go_without_a_restart(told: Setting) -> None:
    passphrase = told.erp.folder / "keys" / "pass"
    with opened(told.erp, told.clock) as gateway:
        passphrase.write_text("another")
        held = sent(gateway, told)
        assert held.state is State.HELD
        assert "does not open with the passphrase" in (held.reason or "")
        passphrase.write_text("geheim")
        gateway.decisions.release(held.id, who="ann", reason="mended", now=False)
        assert only(send(gateway)).state is State.SENT


# What is refused.


def refused(gateway: Gateway, message: Message, code: str) -> None:
    assert (message.state, codes(gateway, message.id)) == (MessageState.UNREADABLE, [code])
    assert gateway.ledger.views.history(message.id).statements == []
    assert gateway.ledger.views.history(message.id).reports == []


def test_a_file_of_a_wrong_signer_changes_nothing_and_is_read_when_the_key_is_named(
    told: Setting, stranger: str
) -> None:
    keys = told.erp.folder / "keys"
    with opened(told.erp, told.clock) as gateway:
        transfer = sent(gateway, told)
        message = told.from_bank(gateway, "a.pgp", told.sealed(answer("MSG-1", "ACSC"), signer=stranger))
        refused(gateway, message, "PGP_WRONG_SIGNER")
        assert gateway.ledger.transfers.get(transfer.id).verdict is Verdict.NONE
        assert list(told.erp.deliver.iterdir()) == []
        assert (told.server.folders.outbox / "a.pgp").exists()
    key_files(keys, told.forge, told.corp, told.bank, stranger)
    between = f"from = {local(NOW - timedelta(days=1))}"
    told.erp.bank = rows(keys, told.bank, stranger)
    told.erp.bank["pgp"] = told.erp.bank["pgp"].replace(f'"{stranger}" }}', f'"{stranger}", {between} }}')
    with opened(told.erp, told.clock) as gateway:
        gateway.ledger.messages.reread(message.id, who="ann", reason="the bank's new key", now=told.clock.now())
        pull(gateway)
        again = gateway.ledger.messages.get(message.id)
        assert (again.state, again.signed_by) == (MessageState.APPLIED, stranger)
        assert gateway.ledger.transfers.get(transfer.id).verdict is Verdict.ACCEPTED


@pytest.mark.parametrize(
    ("code", "order"),
    [
        ("PGP_NOT_SIGNED", ["--encrypt", "--recipient={corp}"]),
        ("PGP_NOT_ENCRYPTED", ["--sign", "--local-user={bank}"]),
        ("PGP_NOT_FOR_US", ["--sign", "--local-user={bank}", "--encrypt", "--recipient={bank}"]),
    ],
)
def test_a_file_that_is_not_what_the_folder_asks_for_is_refused(told: Setting, code: str, order: list[str]) -> None:
    order = [part.format(corp=told.corp, bank=told.bank) for part in order]
    with opened(told.erp, told.clock) as gateway:
        refused(gateway, told.from_bank(gateway, "a.pgp", told.sealed(answer("MSG-1"), *order)), code)


def test_a_file_as_it_is_is_refused_where_the_folder_asks_for_pgp(told: Setting) -> None:
    with opened(told.erp, told.clock) as gateway:
        refused(gateway, told.from_bank(gateway, "a.xml", answer("MSG-1")), "PGP_NOT_PGP")


def test_what_was_refused_is_not_read_as_it_is_when_the_settings_have_its_folder_no_more(told: Setting) -> None:
    with opened(told.erp, told.clock) as gateway:
        transfer = sent(gateway, told)
        message = told.from_bank(gateway, "a.xml", answer("MSG-1", "ACSC"))
        refused(gateway, message, "PGP_NOT_PGP")
    (told.server.folders.outbox.parent / "later").mkdir()
    told.erp.inbound = {**IN, "remote": '"/later"'}
    with opened(told.erp, told.clock) as gateway:
        gateway.ledger.messages.reread(message.id, who="ann", reason="try", now=told.clock.now())
        pull(gateway)
        refused(gateway, gateway.ledger.messages.get(message.id), "FOLDER_UNKNOWN")
        assert gateway.ledger.transfers.get(transfer.id).verdict is Verdict.NONE


def test_one_of_ours_that_comes_back_is_refused(told: Setting) -> None:
    with opened(told.erp, told.clock) as gateway:
        sent(gateway, told)
        refused(gateway, told.from_bank(gateway, "a.pgp", told.at_bank()), "PGP_NOT_FOR_US")
        to_us = ["--encrypt", f"--recipient={told.corp}", "--sign", f"--local-user={told.corp}", "--passphrase=geheim"]
        ours = told.sealed(answer("MSG-1"), *to_us)
        refused(gateway, told.from_bank(gateway, "b.pgp", ours), "PGP_OUR_SIGNATURE")


def test_more_than_the_folder_takes_is_not_unpacked(tmp_path: Path, workshop: Forge, corp: str, bank: str) -> None:
    with (
        setting(tmp_path, workshop, corp, bank, inbound={**IN, "max_size": "1000000"}) as told,
        opened(told.erp, told.clock) as gateway,
    ):
        bomb = told.sealed(b" " * 50_000_000)
        assert len(bomb) < 1_000_000
        message = told.from_bank(gateway, "a.pgp", bomb)
        refused(gateway, message, "PGP_TOO_LARGE")
        kept = [path.stat().st_size for path in (tmp_path / "data" / "archive").rglob("*") if path.is_file()]
        assert max(kept) < 1_000_000


def test_the_same_content_in_another_encryption_is_repeated(told: Setting) -> None:
    with opened(told.erp, told.clock) as gateway:
        sent(gateway, told)
        first = told.from_bank(gateway, "a.pgp", told.sealed(answer("MSG-1")))
        again = told.from_bank(gateway, "b.pgp", told.sealed(answer("MSG-1")))
        assert first.sha256 != again.sha256
        assert (first.state, again.state, again.same_as) == (MessageState.APPLIED, MessageState.REPEATED, first.id)
        assert len(gateway.ledger.views.history(transfers(gateway)[0].id).reports) == 1
        assert len(list(told.erp.deliver.iterdir())) == 2
        assert list(told.server.folders.outbox.iterdir()) == []


def test_the_right_file_is_read_although_the_same_content_was_refused_before(told: Setting) -> None:
    """What came without a signature was never read: it says nothing of what comes with one."""
    with opened(told.erp, told.clock) as gateway:
        transfer = sent(gateway, told)
        refused(gateway, told.from_bank(gateway, "a.xml", answer("MSG-1", "ACSC")), "PGP_NOT_PGP")
        message = told.from_bank(gateway, "b.pgp", told.sealed(answer("MSG-1", "ACSC")))
        assert message.state is MessageState.APPLIED
        assert gateway.ledger.transfers.get(transfer.id).verdict is Verdict.ACCEPTED
        states = [each.state for each in gateway.ledger.views.files() if each.direction == "in"]
        assert sorted(states) == [MessageState.APPLIED, MessageState.REPEATED]


def test_a_packed_file_in_an_encrypted_one_is_read(told: Setting) -> None:
    with opened(told.erp, told.clock) as gateway:
        transfer = sent(gateway, told)
        told.from_bank(gateway, "a.xml.gz.pgp", told.sealed(gzip.compress(answer("MSG-1", "ACSC"), mtime=0)))
        assert gateway.ledger.transfers.get(transfer.id).verdict is Verdict.ACCEPTED


def test_a_file_that_cannot_be_opened_for_our_own_fault_says_so_and_is_read_again(told: Setting) -> None:
    passphrase = told.erp.folder / "keys" / "pass"
    with opened(told.erp, told.clock) as gateway:
        passphrase.write_text("another")
        message = told.from_bank(gateway, "a.pgp", told.sealed(answer("MSG-1")))
        refused(gateway, message, "PGP_KEY_UNUSABLE")
        passphrase.write_text("geheim")
        gateway.ledger.messages.reread(message.id, who="ann", reason="mended", now=told.clock.now())
        pull(gateway)
        assert gateway.ledger.messages.get(message.id).state is MessageState.APPLIED


# Keys of ours that cannot be had.


LATER = f"from = {local(NOW + timedelta(days=1))}"


@contextmanager
def in_a_vault(
    folder: Path, forge: Forge, corp: str, partner: str, more: str = ""
) -> Iterator[tuple[Setting, VaultServer]]:
    """The passphrase of our key is there."""
    with vault(secrets={"kv/h2h": {"pgp": "geheim"}}) as safe, setting(folder, forge, corp, partner) as told:
        token = folder / "keys" / "token"
        token.touch(mode=0o600)
        token.write_text(TOKEN)
        keys = rows(folder / "keys", partner, more=more)
        told.erp.bank = {"pgp": keys["pgp"].replace(f"file:{folder}/keys/pass", "vault:kv/h2h#pgp", 1)}
        told.erp.vault = {"address": f'"{safe.address}"', "token": f'"file:{token}"'}
        yield told, safe


def troubles(gateway: Gateway) -> list[tuple[str, str]]:
    return [(row.kind, row.name) for row in gateway.ledger.troubles.now(["box"], gateway.clock.now())]


def test_a_file_whose_passphrase_may_be_had_later_waits_for_it_and_the_others_do_not(
    tmp_path: Path, workshop: Forge, corp: str, bank: str
) -> None:
    with in_a_vault(tmp_path, workshop, corp, bank) as (told, safe):
        _waits_for_the_vault(told, safe)


def _waits_for_the_vault(told: Setting, safe: VaultServer) -> None:
    with opened(told.erp, told.clock) as gateway:
        safe.behave = sealed
        for name, content in (("a.pgp", told.sealed(answer("MSG-1"))), ("b.pgp", b"no message")):
            put(told.server.folders.outbox, name, content)
        for _ in range(2):
            pull(gateway)
            files = {f.name: f for f in gateway.ledger.views.files()}
            assert [files[name].state for name in ("a.pgp", "b.pgp")] == [MessageState.KEPT, MessageState.UNREADABLE]
            assert troubles(gateway) == [("not opened", "a.pgp")]
            assert "it is sealed" in gateway.ledger.troubles.now(["box"], told.clock.now())[0].text
            assert not [path for path in told.erp.deliver.iterdir() if "a.pgp" in path.name]
            assert (told.server.folders.outbox / "a.pgp").exists()
    with opened(told.erp, told.clock) as gateway:
        safe.behave = None
        pull(gateway)
        message = gateway.ledger.messages.get(InboundId(files["a.pgp"].id))
        assert (message.state, troubles(gateway)) == (MessageState.APPLIED, [])
        assert message.handed_over_at is not None
        assert not (told.server.folders.outbox / "a.pgp").exists()


@pytest.mark.parametrize("fault", ["passphrase", "file", "no key"])
def test_a_key_that_cannot_be_used_stops_no_file_that_another_one_opens(
    told: Setting, stranger: str, fault: str
) -> None:
    keys = told.erp.folder / "keys"
    (keys / "old.asc").touch(mode=0o600)
    (keys / "old.asc").write_bytes(told.forge.secret(stranger, "--armor"))
    (keys / "old").touch(mode=0o600)
    told.erp.bank = rows(
        keys, told.bank, more=f', {{ file = "{keys}/old.asc", passphrase = "file:{keys}/old", {LATER} }}'
    )
    with opened(told.erp, told.clock) as gateway:
        match fault:
            case "passphrase":
                (keys / "old").unlink()
            case "file":
                (keys / "old.asc").unlink()
            case _:
                (keys / "old.asc").write_text("nothing")
        assert told.from_bank(gateway, "a.pgp", told.sealed(answer("MSG-1"))).state is MessageState.APPLIED
        message = told.from_bank(gateway, "b.pgp", told.sealed(answer("MSG-2"), to=stranger))
        refused(gateway, message, "PGP_NOT_FOR_US")
        [found] = [f for f in gateway.ledger.views.history(message.id).findings if f.code == "PGP_NOT_FOR_US"]
        assert f"{keys}/old" in found.text


def test_a_key_whose_passphrase_may_be_had_later_is_waited_for_by_files_that_no_other_opens_alone(
    tmp_path: Path, workshop: Forge, corp: str, bank: str, stranger: str
) -> None:
    more = f', {{ file = "{tmp_path}/keys/other.asc", {LATER} }}'
    with in_a_vault(tmp_path, workshop, corp, bank, more=more) as (told, safe):
        (tmp_path / "keys" / "other.asc").touch(mode=0o600)
        (tmp_path / "keys" / "other.asc").write_bytes(workshop.secret(stranger, "--armor"))
        safe.behave = sealed
        with opened(told.erp, told.clock) as gateway:
            waits = told.from_bank(gateway, "a.pgp", told.sealed(answer("MSG-1")))
            other = told.from_bank(gateway, "b.pgp", told.sealed(answer("MSG-2"), to=stranger))
            assert (waits.state, other.state) == (MessageState.KEPT, MessageState.APPLIED)
