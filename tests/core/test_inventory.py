"""One list of every key that the settings name, held against what ssh-keygen says of the same files."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from h2h.channels.ssh_keys import certificate, facts
from h2h.clock import Clock
from h2h.config import load
from h2h.config.files import Settings
from h2h.credentials import Credentials
from h2h.errors import Refused
from h2h.inventory import Inventory, Key, Kind, Stands, inventory
from h2h.ledger import Ledger
from tests.forging import Forge, forge

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
KEYGEN = shutil.which("ssh-keygen")
PIN = f"SHA256:{'Q' * 43}"
KINDS = [("ed25519", None, "Ed25519", 256), ("ecdsa", "384", "ECDSA", 384), ("rsa", "2048", "RSA", 2048)]

pytestmark = pytest.mark.skipif(KEYGEN is None, reason="no ssh-keygen here: apt-get install openssh-client")


def keygen(*arguments: str | Path) -> str:
    done = subprocess.run([str(KEYGEN), *map(str, arguments)], check=True, capture_output=True, text=True)
    return done.stdout


def make(path: Path, kind: str = "ed25519", bits: str | None = None, passphrase: str = "", *more: str) -> Path:
    keygen("-q", "-t", kind, *(["-b", bits] if bits else []), "-N", passphrase, "-C", "", "-f", path, *more)
    return path


def nobody() -> str | None:
    raise AssertionError("a passphrase was asked for")


@pytest.mark.parametrize("passphrase", ["", "für Übung"])
@pytest.mark.parametrize(("kind", "bits", "algorithm", "size"), KINDS)
def test_a_key_of_ssh_keygen_shows_its_fingerprint_without_its_passphrase(
    tmp_path: Path, kind: str, bits: str | None, algorithm: str, size: int, passphrase: str
) -> None:
    path = make(tmp_path / "key", kind, bits, passphrase)
    shown = facts(path, nobody)
    assert keygen("-l", "-f", path).split()[:2] == [str(shown.bits), shown.fingerprint]
    assert (shown.algorithm, shown.bits) == (algorithm, size)
    assert shown.line == path.with_name("key.pub").read_text().strip()


def test_a_key_in_pem_is_opened_for_its_fingerprint(tmp_path: Path) -> None:
    path = make(tmp_path / "key", "rsa", "2048", "secret", "-m", "PEM")
    assert facts(path, lambda: "secret").fingerprint == keygen("-l", "-f", path).split()[1]
    with pytest.raises(Refused, match="does not open with the passphrase given"):
        facts(path, lambda: "wrong")


@pytest.mark.parametrize("cut", [0, 20, 60, 200])
def test_a_key_that_is_cut_is_refused_in_a_sentence(tmp_path: Path, cut: int) -> None:
    path = make(tmp_path / "key")
    head, body = path.read_text().split("\n", 1)
    path.write_text(f"{head}\n{body[:cut]}")
    with pytest.raises(Refused, match="is no usable private key"):
        facts(path, nobody)


def signed(path: Path, *options: str) -> None:
    authority = path.with_name("ca")
    if not authority.exists():
        make(authority)
    keygen("-q", "-s", authority, "-I", "corp-2026", "-z", "7", "-n", "CORP0815", *options, path.with_name("key.pub"))


def test_a_certificate_tells_its_name_its_authority_and_its_end(tmp_path: Path) -> None:
    path = make(tmp_path / "key")
    assert certificate(path) is None
    signed(path, "-V", "20260101000000Z:20270101000000Z")
    found = certificate(path)
    assert found is not None
    assert (found.name, found.serial, found.ends) == ("corp-2026", 7, datetime(2027, 1, 1, tzinfo=UTC))
    assert found.authority == keygen("-l", "-f", tmp_path / "ca").split()[1]
    assert found.fault(facts(path, nobody).fingerprint) is None
    assert "another key" in (found.fault(PIN) or "")


def test_a_certificate_may_have_no_end_and_one_of_a_server_is_none_for_us(tmp_path: Path) -> None:
    path = make(tmp_path / "key")
    signed(path)
    found = certificate(path)
    assert found is not None
    assert found.ends is None
    signed(path, "-h")
    with pytest.raises(Refused, match="the certificate of a server"):
        certificate(path)


# The list as a whole.

MAIN = '[gateway]\ndata = "data"\nenvironment = "test"\n'
BANK = f"""
[bank]
name = "mybank"
timezone = "Europe/Berlin"
[bank.channel]
kind = "sftp"
host = "127.0.0.1"
user = "CORP0815"
key_file = "../key"
host_keys = ["{PIN}"]
"""


def settings(folder: Path, main: str = "", bank: str = "") -> Settings:
    (folder / "banks").mkdir(exist_ok=True)
    (folder / "h2h.toml").write_text(MAIN + main)
    (folder / "banks" / "mybank.toml").write_text(BANK + bank)
    return load(folder / "h2h.toml")


def login(folder: Path, main: str = "", **options: object) -> Key:
    [found] = [
        key for key in inventory(settings(folder, main), NOW, Credentials({}), **options) if key.kind is Kind.SSH
    ]  # type: ignore[arg-type]
    return found


def test_every_key_that_the_settings_name_is_in_the_list_and_no_secret(tmp_path: Path) -> None:
    make(tmp_path / "key")
    (tmp_path / "ca.pem").write_bytes(authority())
    webhook = '[[webhooks]]\nname = "erp"\nurl = "https://127.0.0.1/"\nsecret = "env:ERP_SECRET"\nca = "ca.pem"\n'
    outbound = '[[bank.outbound]]\nwatch = "../out"\nmessages = ["pain.001.001.09"]\nremote = "/in"\n'
    found = inventory(
        settings(tmp_path, webhook, f'{outbound}manifest_key = "env:MANIFEST_KEY"\n'),
        NOW,
        Credentials({"ERP_SECRET": "hush-hush", "MANIFEST_KEY": "hush-hush"}),
    )
    assert [(key.bank, key.kind, key.ours, key.setting) for key in found] == [
        ("mybank", "ssh", True, "bank.channel.key_file"),
        ("mybank", "ssh-host", False, "bank.channel.host_keys[1]"),
        ("mybank", "shared secret", True, "bank.outbound[1].manifest_key"),
        ("", "certificate", False, "webhooks[1].ca"),
        ("", "shared secret", True, "webhooks[1].secret"),
    ]
    assert "hush-hush" not in str(found)
    ca = found[3]
    assert (ca.use, ca.algorithm, ca.bits) == ("webhook erp: CN=Corp CA", "EC", 256)
    assert (ca.stands, ca.expires) == (Stands.IN_FORCE, datetime(2027, 1, 1, tzinfo=UTC))


def authority() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Corp CA")])
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    unsigned = x509.CertificateBuilder(name, name, key.public_key(), 1, start, end)
    return unsigned.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_a_key_that_cannot_be_read_is_in_the_list_with_the_reason(tmp_path: Path) -> None:
    found = login(tmp_path)
    assert (found.stands, found.fingerprint) == (Stands.UNREADABLE, None)
    assert found.fault == f"{tmp_path}/key cannot be read: No such file or directory."


def test_a_login_ends_with_its_certificate(tmp_path: Path) -> None:
    signed(make(tmp_path / "key"), "-V", "20260101000000Z:20261101000000Z")
    found = login(tmp_path)
    assert (found.stands, found.ends_by, found.expires) == (
        Stands.OVER, "key-cert.pub", datetime(2026, 11, 1, tzinfo=UTC)
    )  # fmt: skip


def test_an_ssh_key_is_as_old_as_file_or_ledger_know_and_ends_only_where_the_settings_say_so(tmp_path: Path) -> None:
    path = make(tmp_path / "key")
    changed = NOW - timedelta(days=10)
    os.utime(path, (changed.timestamp(),) * 2)
    fresh = login(tmp_path)
    assert (fresh.since, fresh.expires) == (changed, None)
    assert fresh.fingerprint
    seen = {fresh.fingerprint: NOW - timedelta(days=100)}
    known = login(tmp_path, '[keys]\nmax_age = "90d"\n', first_seen=seen)
    assert (known.since, known.expires, known.stands) == (
        NOW - timedelta(days=100), NOW - timedelta(days=10), Stands.OVER
    )  # fmt: skip
    assert known.ends_by == "[keys] max_age"


def test_a_weak_rsa_key_is_told(tmp_path: Path) -> None:
    make(tmp_path / "key", "rsa", "1024")
    found = login(tmp_path)
    assert found.fingerprint
    assert "RSA key of 1024 bits" in (found.fault or "")


@pytest.fixture(scope="module")
def partners() -> Iterator[Forge]:
    with forge() as made:
        yield made


def test_keys_of_pgp_are_told_as_their_rows_name_them(tmp_path: Path, partners: Forge) -> None:
    """NOW of `forging` is in March 2026; what is made there ends a year after its making."""
    made = datetime(2026, 1, 1, tzinfo=UTC)
    ours, old, new = (partners.key(name, at=made) for name in ("Corp", "Old", "New"))
    (tmp_path / "ours.asc").write_bytes(partners.secret(ours))
    (tmp_path / "ours.asc").chmod(0o600)
    for name, fingerprint in (("old", old), ("new", new)):
        (tmp_path / f"{name}.asc").write_bytes(partners.public(fingerprint))
    rows = (
        '[bank.pgp]\nour_keys = [{ file = "../ours.asc" }]\ntheir_keys = [\n'
        f'{{ file = "../old.asc", fingerprint = "{old}", until = 2026-12-01T07:00:00 }},\n'
        f'{{ file = "../new.asc", fingerprint = "{new}", from = 2026-12-01T06:00:00 }},\n'
        f'{{ file = "../new.asc", fingerprint = "{ours}", from = 2026-12-01T07:00:00 }}]\n'
    )
    keys = inventory(settings(tmp_path, bank=rows), NOW, Credentials({}))
    found = [key for key in keys if key.kind is Kind.PGP]
    assert [(key.ours, key.fingerprint, key.stands, key.algorithm, key.note) for key in found[:3]] == [
        (True, ours, Stands.IN_FORCE, "Ed25519", "Corp <corp@test.example>"),
        (False, old, Stands.IN_FORCE, "Ed25519", "Old <old@test.example>"),
        (False, new, Stands.SCHEDULED, "Ed25519", "New <new@test.example>"),
    ]
    end = made + timedelta(days=365)
    assert [(key.created, key.expires) for key in found] == [(made, end)] * 4
    assert found[1].until == datetime(2026, 12, 1, 6, tzinfo=UTC)
    assert f"holds another key than the one that is pinned, {ours}" in (found[3].fault or "")
    assert [key.fault for key in found[:3]] == [None] * 3
    aged = inventory(settings(tmp_path, '[keys]\nmax_age = "90d"\n', rows), NOW, Credentials({}))
    assert [key.ends_by for key in aged if key.kind is Kind.PGP] == ["[keys] max_age", *["itself"] * 3]


def test_a_key_of_pgp_that_cannot_be_read_is_in_the_list_with_the_reason(tmp_path: Path, partners: Forge) -> None:
    (tmp_path / "ours.asc").write_text("no key")
    (tmp_path / "ours.asc").chmod(0o600)
    keys = inventory(
        settings(tmp_path, bank='[bank.pgp]\nour_keys = [{ file = "../ours.asc" }]\n'), NOW, Credentials({})
    )
    [found] = [key for key in keys if key.kind is Kind.PGP]
    assert (found.stands, found.fingerprint) == (Stands.UNREADABLE, None)
    assert "no OpenPGP key" in (found.fault or "")


def test_a_passphrase_is_fetched_once_for_a_file_as_it_is(tmp_path: Path) -> None:
    class Counted(Credentials):
        asked = 0

        def secret(self, reference: str) -> str:
            self.asked += 1
            return super().secret(reference)

    make(tmp_path / "key", "rsa", "2048", "sesame", "-m", "PEM")
    found = settings(tmp_path)
    channel = found.banks[0].channel.model_copy(update={"key_passphrase": "env:P"})
    bank = found.banks[0].model_copy(update={"channel": channel})
    ledger, credentials = Ledger("sqlite:///h2h.db", tmp_path), Counted({"P": "sesame"})
    listed = Inventory(found.model_copy(update={"banks": (bank,)}), ledger.keys, credentials, Clock(NOW))
    assert {listed.listed()[0].fingerprint for _ in range(3)} == {keygen("-l", "-f", tmp_path / "key").split()[1]}
    assert credentials.asked == 1
    (tmp_path / "key").unlink()
    assert "cannot be read" in (listed.listed()[0].fault or "")
    ledger.close()
