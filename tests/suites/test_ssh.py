"""Coming to a bank over SSH: whom we trust, how we log in, what we agree on, and how long we wait."""

from __future__ import annotations

import io
import random
import shutil
import socket
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from h2h.channels.sftp import open_sftp
from h2h.channels.ssh import MAX_BYTES_BEFORE_LOGIN, Line, load_key
from h2h.channels.ssh_keys import facts
from h2h.config import SftpSettings
from h2h.errors import ChannelError, NotDelivered, Refused
from h2h.model import RemoteFile
from tests import alone
from tests.suites.conftest import Misbehaving
from tests.suites.servers import BankServer, Connection, OpenSshServer, make_key

OTHER_PIN = "SHA256:" + "A" * 43


def test_a_host_key_that_is_not_pinned_is_refused_before_anything_is_said_about_us(bank_that: Misbehaving) -> None:
    bank = bank_that()
    with pytest.raises(Refused) as raised:
        open_sftp(bank.settings(host_keys=[OTHER_PIN]), passphrase=None)
    text = str(raised.value)
    assert OTHER_PIN in text
    assert bank.fingerprint in text
    assert "do not go on until the bank has confirmed" in text
    assert bank.logins == []


def test_any_of_several_pins_is_enough(bank_that: Misbehaving) -> None:
    bank = bank_that()
    open_and_close(bank.settings(host_keys=[OTHER_PIN, bank.fingerprint]))
    assert bank.logins == ["CORP0815"]


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp384", "ssh-rsa"])
def test_a_bank_with_keys_of_several_kinds_is_trusted_by_the_one_that_is_pinned(
    bank_that: Misbehaving, kind: str
) -> None:
    keys = {k: asyncssh.generate_private_key(k) for k in ("ssh-ed25519", "ecdsa-sha2-nistp384", "ssh-rsa")}
    bank = bank_that(server_host_keys=list(keys.values()))
    open_and_close(bank.settings(host_keys=[keys[kind].get_fingerprint()]))
    with pytest.raises(Refused) as raised:
        open_sftp(bank.settings(host_keys=[OTHER_PIN]), passphrase=None)
    assert all(key.get_fingerprint() in str(raised.value) for key in keys.values())


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp521", "ssh-rsa"])
def test_login_with_every_kind_of_key(openssh: OpenSshServer, kind: str) -> None:
    make_key(openssh.user_key, kind)
    open_and_close(openssh.settings())


@pytest.mark.parametrize("change", ["key", "user"])
def test_a_login_that_the_bank_does_not_take_is_refused(openssh: OpenSshServer, tmp_path: Path, change: str) -> None:
    make_key(tmp_path / "other")
    changes = {"key_file": str(tmp_path / "other")} if change == "key" else {"user": "nobody-we-know"}
    with pytest.raises(Refused, match="refused the login") as raised:
        open_sftp(openssh.settings(**changes), passphrase=None)
    assert openssh.settings(**changes).user in str(raised.value)
    assert "SHA256:" in str(raised.value)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_login_with_the_certificate_that_lies_beside_the_key(tmp_path: Path, kind: str) -> None:
    work = tmp_path / "bank"
    with OpenSshServer(work, [f"TrustedUserCAKeys {work}/ca.pub"]) as bank:
        make_key(work / "ca")
        bank.user_key.unlink()
        keygen("-t", kind, "-N", "", "-f", bank.user_key)
        public = (work / "user_key.pub").rename(work / "signed.pub")
        shutil.copy(work / "ca.pub", work / "user_key.pub")  # the key alone is not known there
        with pytest.raises(Refused, match="refused the login"):
            open_sftp(bank.settings(), passphrase=None)
        keygen("-s", work / "ca", "-I", "corp", "-n", bank.user, public)
        (work / "signed-cert.pub").rename(work / "user_key-cert.pub")
        open_and_close(bank.settings())
        with pytest.raises(Refused, match="and the certificate beside it"):
            open_sftp(bank.settings(user="nobody-we-know"), passphrase=None)


def test_a_certificate_of_another_key_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    for name in ("key", "other", "ca"):
        make_key(tmp_path / name)
    keygen("-s", tmp_path / "ca", "-I", "corp", "-n", "CORP0815", tmp_path / "other.pub")
    (tmp_path / "other-cert.pub").rename(tmp_path / "key-cert.pub")
    with pytest.raises(Refused, match="certificate of another key"):
        load_key(tmp_path / "key", passphrase=None)


def keygen(*arguments: str | Path) -> None:
    subprocess.run(["ssh-keygen", "-q", *map(str, arguments)], check=True, capture_output=True)


def test_a_bank_that_takes_passwords_only_is_refused(openssh: OpenSshServer, tmp_path: Path) -> None:
    lines = ["PubkeyAuthentication no"]
    with OpenSshServer(tmp_path / "old", lines) as bank, pytest.raises(Refused, match="refused the login"):
        open_sftp(bank.settings(), passphrase=None)


@pytest.mark.parametrize(
    "weak",
    [
        {"kex_algs": ["diffie-hellman-group14-sha1"]},
        {"kex_algs": ["diffie-hellman-group1-sha1"]},
        {"kex_algs": ["diffie-hellman-group-exchange-sha256"]},
        {"encryption_algs": ["aes128-cbc", "3des-cbc"]},
        {"encryption_algs": ["aes128-ctr"], "mac_algs": ["hmac-sha1", "hmac-md5"]},
    ],
    ids=str,
)
def test_a_bank_that_offers_weak_algorithms_only_is_refused(bank_that: Misbehaving, weak: dict[str, Any]) -> None:
    bank = bank_that(**weak)
    with pytest.raises(Refused, match="no SSH algorithm in common"):
        open_sftp(bank.settings(), passphrase=None)
    assert bank.logins == []


@pytest.mark.parametrize(
    "good",
    [
        ["KexAlgorithms curve25519-sha256@libssh.org"],
        ["KexAlgorithms ecdh-sha2-nistp384"],
        ["KexAlgorithms diffie-hellman-group14-sha256"],
        ["KexAlgorithms diffie-hellman-group16-sha512"],
        ["Ciphers aes256-ctr", "MACs hmac-sha2-512"],
        ["Ciphers aes128-gcm@openssh.com"],
    ],
    ids=str,
)
def test_a_bank_that_offers_one_good_algorithm_is_enough(
    openssh: OpenSshServer, tmp_path: Path, good: list[str]
) -> None:
    with OpenSshServer(tmp_path / "bank", good) as bank:
        open_and_close(bank.settings())


def test_a_key_exchange_that_holds_against_quantum_computers_is_preferred(bank_that: Misbehaving) -> None:
    open_and_close(bank_that(kex_algs=["mlkem768x25519-sha256"]).settings())


def test_strict_key_exchange_and_authenticated_encryption_are_agreed_on(openssh: OpenSshServer) -> None:
    with open_sftp(openssh.settings(), passphrase=None) as channel:
        transport = channel._transport
        assert transport.agreed_on_strict_kex  # type: ignore[attr-defined]
        assert transport.local_cipher == "aes128-gcm@openssh.com"
        assert transport.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1  # type: ignore[union-attr]


def test_a_server_that_says_nothing_is_not_waited_for(tmp_path: Path) -> None:
    def wait(line: socket.socket) -> None:
        while line.recv(1 << 16):
            pass

    with answering(tmp_path, wait) as settings, pytest.raises(NotDelivered, match=settings.host):
        open_sftp(settings, passphrase=None)


def test_a_server_that_greets_and_then_says_nothing_is_not_waited_for(tmp_path: Path) -> None:
    def greet(line: socket.socket) -> None:
        line.sendall(b"SSH-2.0-Bank\r\n")
        while line.recv(1 << 16):
            pass

    with answering(tmp_path, greet) as settings, pytest.raises(NotDelivered, match=settings.host):
        open_sftp(settings, passphrase=None)


@pytest.mark.parametrize("piece", [b"x" * 65_536, (b"x" * 32_000 + b"\r\n"), b"\n"], ids=["no line", "lines", "empty"])
def test_a_flood_instead_of_a_greeting_is_cut_off(tmp_path: Path, piece: bytes) -> None:
    sent = 0

    def flood(line: socket.socket) -> None:
        nonlocal sent
        while sent < 800 * MAX_BYTES_BEFORE_LOGIN:
            sent += line.send(piece)

    with answering(tmp_path, flood, connect_timeout=5) as settings, pytest.raises(NotDelivered):
        open_sftp(settings, passphrase=None)
    assert sent < 80 * MAX_BYTES_BEFORE_LOGIN  # what the kernel takes on the way


@pytest.mark.parametrize(
    "rest",
    [
        bytes(1000),
        b"\xff" * 1000,
        b"\0\0\0\x0c\x04\x14" + bytes(10),  # the start of a key exchange, cut short
        b"\0\0\0\x0c\x04\x63" + bytes(10),  # a message that has no meaning
        b"\0\0\0\0",
    ],
)
def test_garbage_after_the_greeting_is_an_error_of_the_channel(tmp_path: Path, rest: bytes) -> None:
    def garble(line: socket.socket) -> None:
        line.sendall(b"SSH-2.0-Bank\r\n" + rest)
        while line.recv(1 << 16):
            pass

    with answering(tmp_path, garble, connect_timeout=1) as settings, pytest.raises(ChannelError, match=settings.host):
        open_sftp(settings, passphrase=None)


def test_new_session_keys_in_the_middle_of_a_file_change_nothing(openssh: OpenSshServer, tmp_path: Path) -> None:
    content = random.Random(1).randbytes(12 << 20)
    sink = io.BytesIO()
    with OpenSshServer(tmp_path / "bank", ["RekeyLimit 2M"]) as bank:
        with open_sftp(bank.settings(), passphrase=None) as channel:
            alone.stage(channel, f"{bank.home}/out/f", io.BytesIO(content))
            channel.fetch(RemoteFile(folder=f"{bank.home}/out", name="f", size=len(content)), sink)
        assert (bank.root / "out" / "f").read_bytes() == content == sink.getvalue()


def test_a_flood_of_login_banners_is_cut_off(bank_that: Misbehaving) -> None:
    class Talks(Connection):
        def begin_auth(self, username: str) -> bool:
            for _ in range(100):
                self.bank.connections[-1].send_auth_banner("x" * 30_000)
            return True

    with pytest.raises(NotDelivered):
        open_sftp(bank_that(connection=Talks).settings(), passphrase=None)


def test_a_greeting_without_an_end_takes_little_memory(tmp_path: Path) -> None:
    piece = b"x" * 65_536

    def flood(line: socket.socket) -> None:
        for _ in range(320):  # 20 MB, if we took them
            line.sendall(piece)

    with answering(tmp_path, flood, connect_timeout=5) as settings:
        assert peak_while(lambda: open_sftp(settings, passphrase=None)) < 1_200_000


def peak_while(refused: Callable[[], object]) -> int:
    """The most bytes that were in use at a time while the channel did not come to be."""
    tracemalloc.start()
    try:
        with pytest.raises(NotDelivered):
            refused()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_line_that_is_closed_wakes_whoever_waits_for_what_comes() -> None:
    """However long it waits at a time, a session that is over leaves no thread behind."""
    ours, theirs = socket.socketpair()
    line = Line(fileno=ours.detach())
    waiting, ended = threading.Event(), threading.Event()

    def wait() -> None:
        waiting.set()
        with suppress(OSError):
            line.recv(1)
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    assert waiting.wait(10)
    time.sleep(0.05)  # so that it waits, most likely; if not, it finds the line closed
    line.close()
    assert ended.wait(10)
    theirs.close()


def test_a_server_that_hangs_up_is_not_delivered(tmp_path: Path) -> None:
    with answering(tmp_path, lambda line: line.close()) as settings, pytest.raises(NotDelivered):
        open_sftp(settings, passphrase=None)


def test_a_port_where_nobody_listens_is_not_delivered(tmp_path: Path) -> None:
    with answering(tmp_path, lambda line: None) as settings:
        pass
    with pytest.raises(NotDelivered, match="connection refused"):
        open_sftp(settings, passphrase=None)


def test_a_name_that_cannot_be_resolved_is_not_delivered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_name(*args: object, **options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_name)
    settings = BankServer(tmp_path).settings(host="sftp.bank.invalid", port=22)
    with pytest.raises(NotDelivered, match=r"sftp\.bank\.invalid cannot be resolved"):
        open_sftp(settings, passphrase=None)


@pytest.mark.parametrize("allowed", [["127.0.0.0/8"], ["203.0.113.0/24", "127.0.0.1"], None])
def test_a_name_that_stands_for_an_allowed_address_is_connected_to(
    bank_that: Misbehaving, allowed: list[str] | None
) -> None:
    open_and_close(bank_that().settings(host="localhost", addresses=allowed))


@pytest.mark.parametrize("allowed", [["203.0.113.0/24"], ["127.0.0.2", "2001:db8::/32"]])
def test_a_name_that_stands_for_another_address_is_refused_before_anything_is_sent(
    bank_that: Misbehaving, allowed: list[str]
) -> None:
    bank = bank_that()
    with pytest.raises(Refused, match=r"stands for .*127\.0\.0\.1") as raised:
        open_sftp(bank.settings(host="localhost", addresses=allowed), passphrase=None)
    assert allowed[0] in str(raised.value)
    assert bank.connections == []


def test_of_several_addresses_only_the_allowed_are_connected_to(
    bank_that: Misbehaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody may answer at the first one; and an IPv4 address may come dressed as one of IPv6."""
    bank = bank_that()
    listed = ["127.0.0.9", "::ffff:127.0.0.1", "127.0.0.1"]
    lookup = socket.getaddrinfo

    def several(host: str, port: int, *args: Any, **options: Any) -> Any:
        if host != "sftp.bank.example":
            return lookup(host, port, *args, **options)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in listed]

    monkeypatch.setattr(socket, "getaddrinfo", several)
    open_and_close(bank.settings(host="sftp.bank.example"))  # the first one refuses, the next one takes us
    open_and_close(bank.settings(host="sftp.bank.example", addresses=["127.0.0.1"]))


def test_the_libraries_are_those_without_the_known_holes() -> None:
    """Terrapin, rogue sessions, SHA-1: see the bounds in pyproject.toml."""
    assert tuple(map(int, metadata.version("paramiko").split(".")[:1])) >= (5,)
    assert tuple(map(int, metadata.version("asyncssh").split(".")[:2])) >= (2, 23)


def test_a_server_that_never_starts_sftp_is_not_waited_for(bank_that: Misbehaving) -> None:
    """paramiko alone would wait for ever here."""
    over = threading.Event()

    class Silent(asyncssh.SSHServerSession[bytes]):
        def subsystem_requested(self, subsystem: str) -> bool:
            return over.wait(10)

    class Bank(Connection):
        def session_requested(self) -> Any:
            return Silent()

    settings = bank_that(connection=Bank, sftp_factory=None).settings(operation_timeout=0.3)
    try:
        with pytest.raises(NotDelivered, match="request to start SFTP was not answered"):
            open_sftp(settings, passphrase=None)
    finally:
        over.set()


def test_a_server_without_sftp_is_not_delivered(bank_that: Misbehaving) -> None:
    with pytest.raises(NotDelivered):
        open_sftp(bank_that(sftp_factory=None).settings(), passphrase=None)


@pytest.mark.parametrize(
    ("algorithm", "form", "passphrase"),
    [
        ("ssh-ed25519", "openssh", None),
        ("ssh-ed25519", "openssh", "für Übung"),
        ("ssh-ed25519", "pkcs8-pem", None),
        ("ecdsa-sha2-nistp256", "openssh", None),
        ("ecdsa-sha2-nistp384", "pkcs8-pem", None),
        ("ecdsa-sha2-nistp521", "pkcs1-pem", None),
        ("ssh-rsa", "openssh", None),
        ("ssh-rsa", "pkcs8-pem", "für Übung"),
        ("ssh-rsa", "pkcs1-pem", None),
    ],
)
def test_a_key_is_read_in_every_usual_format(tmp_path: Path, algorithm: str, form: str, passphrase: str | None) -> None:
    key = asyncssh.generate_private_key(algorithm)
    path = key_file(tmp_path, key.export_private_key(form, passphrase and passphrase.encode(), rounds=50))
    loaded = load_key(path, passphrase=passphrase)
    assert loaded.fingerprint == key.get_fingerprint()
    assert loaded.can_sign()


@pytest.mark.parametrize("form", ["openssh", "pkcs8-pem"])
def test_a_key_is_refused_without_its_passphrase(tmp_path: Path, form: str) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    path = key_file(tmp_path, key.export_private_key(form, "right", rounds=50))
    for given in (None, "a wrong one"):
        with pytest.raises(Refused, match="passphrase") as raised:
            load_key(path, passphrase=given)
        assert "a wrong one" not in str(raised.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_key_that_others_could_touch_is_refused(tmp_path: Path, mode: int) -> None:
    make_key(path := tmp_path / "key")
    path.chmod(mode)
    with pytest.raises(Refused, match=f"chmod 600 {path}"):
        load_key(path, passphrase=None)


@pytest.mark.parametrize("content", [b"", b"not a key", b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"])
def test_what_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(Refused, match="no usable private key"):
        load_key(key_file(tmp_path, content), passphrase=None)


@pytest.mark.parametrize("curve", [ec.SECP256K1(), ec.BrainpoolP256R1(), ec.SECP224R1()], ids=lambda curve: curve.name)
def test_a_key_on_a_curve_that_ssh_does_not_know_is_refused(tmp_path: Path, curve: ec.EllipticCurve) -> None:
    form, open_ = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    key = ec.generate_private_key(curve).private_bytes(serialization.Encoding.PEM, form, open_)
    path = key_file(tmp_path, key)
    for read in (lambda: load_key(path, passphrase=None), lambda: facts(path, lambda: None)):
        with pytest.raises(Refused, match=r"no usable private key.*nistp256"):
            read()


def test_a_missing_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be read"):
        load_key(tmp_path / "none", passphrase=None)


def key_file(folder: Path, content: bytes) -> Path:
    path = folder / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def open_and_close(settings: SftpSettings) -> None:
    with open_sftp(settings, passphrase=None) as channel:
        assert channel.alive()


@contextmanager
def answering(
    work: Path, answer: Callable[[socket.socket], object], *, connect_timeout: float = 0.3
) -> Iterator[SftpSettings]:
    """A listener that answers its first caller with plain bytes."""

    def serve() -> None:
        try:
            line, _ = listener.accept()
            with line:
                answer(line)
        except OSError:
            pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        bank = BankServer(work)
        bank.port = listener.getsockname()[1]
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield bank.settings(connect_timeout=connect_timeout)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        assert not thread.is_alive()
