"""SSH keys as files: what can be told of one, and the one that opens. Nothing of connections, nor of paramiko.

A private key in OpenSSH's own format shows its public part without a passphrase; others have to be opened for it. An
OpenSSH certificate lies beside its key, as `KEY-cert.pub`, and is what a login is tried with then.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import SSHCertificate, SSHCertificateType

from h2h.channels.names import shown
from h2h.credentials import read_private
from h2h.errors import Refused

Private = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
Public = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey

LEAST_RSA_BITS = 2048  # what banks ask for
MOST_CERTIFICATE_BYTES = 1 << 16
OWN_FORMAT = b"OPENSSH PRIVATE KEY"
MAGIC = b"openssh-key-v1\0"
FOR_EVER = 253_402_300_799  # the last second that a calendar has: so far, or farther, is without an end
CURVES = ("secp256r1", "secp384r1", "secp521r1")  # of ECDSA in SSH (RFC 5656): nistp256, nistp384, nistp521
KINDS = "only Ed25519, ECDSA (nistp256, nistp384, nistp521) and RSA keys can be used"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """What a key shows of itself. `fingerprint` as people compare it: SHA256:…; `line`: as authorized_keys has it."""

    fingerprint: str
    algorithm: str
    bits: int
    line: str

    @property
    def weakness(self) -> str | None:
        if self.algorithm == "RSA" and self.bits < LEAST_RSA_BITS:
            return f"is an RSA key of {self.bits} bits; banks ask for {LEAST_RSA_BITS} or more: h2h keys new makes one"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """`of`: the fingerprint of its key, `authority`: of the one that signed it. `ends`: None where it has no end."""

    file: Path
    of: str
    name: str
    serial: int
    starts: datetime
    ends: datetime | None
    authority: str

    def fault(self, fingerprint: str) -> str | None:
        """Why it does not go with the key of this fingerprint; None where it does."""
        if self.of == fingerprint:
            return None
        return f"{self.file} is the certificate of another key, {self.of}, than the one beside it, {fingerprint}."


def facts(path: Path, passphrase: Callable[[], str | None]) -> KeyFacts:
    """Of the private key in `path`; `passphrase` is asked only where its public part cannot be seen. Raises Refused."""
    data = read_private(path)
    if OWN_FORMAT not in data:
        return facts_of(private_key(path, passphrase=passphrase()).public_key())
    with _usable(path):
        return facts_of(_public_part(data))


def facts_of(key: Public) -> KeyFacts:
    line = key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    match key:
        case ed25519.Ed25519PublicKey():
            algorithm, bits = "Ed25519", 256
        case ec.EllipticCurvePublicKey():
            algorithm, bits = "ECDSA", key.curve.key_size
        case rsa.RSAPublicKey():
            algorithm, bits = "RSA", key.key_size
    return KeyFacts(fingerprint=fingerprint(line), algorithm=algorithm, bits=bits, line=line)


def fingerprint(line: str) -> str:
    """Of a public key as authorized_keys has it."""
    digest = hashlib.sha256(base64.b64decode(line.split()[1])).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def private_key(path: Path, *, passphrase: str | None) -> Private:
    """A key in OpenSSH or PEM format. Raises Refused for loose modes, a wrong passphrase, an unknown kind."""
    data = read_private(path)
    secret = passphrase.encode() if passphrase is not None else None
    with _usable(
        path,
        ", or needs a passphrase (key_passphrase)"
        if secret is None
        else ", or does not open with the passphrase given",
    ):
        opened = _parse(data, secret)
        of_another_curve = isinstance(opened, ec.EllipticCurvePrivateKey) and opened.curve.name not in CURVES
        if isinstance(opened, Private) and not of_another_curve:
            return opened
        raise ValueError(KINDS)


def certificate(path: Path) -> CertificateFacts | None:
    """Of the certificate beside the private key in `path`; None where there is none. Raises Refused."""
    file = certificate_file(path)
    try:
        data = file.read_bytes()[:MOST_CERTIFICATE_BYTES]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}.") from error
    try:
        found = serialization.load_ssh_public_identity(data)
        if not isinstance(found, SSHCertificate):
            raise ValueError("it is a public key")
        if found.type is not SSHCertificateType.USER:
            raise ValueError("it is the certificate of a server")
        return _certificate_facts(found, file)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Refused(f"{file} is no certificate that a login can be tried with: {shown(str(error))}.") from error


def certificate_file(path: Path) -> Path:
    return path.with_name(f"{path.name}-cert.pub")


def _certificate_facts(found: SSHCertificate, file: Path) -> CertificateFacts:
    of, authority = found.public_key(), found.signature_key()
    if not isinstance(of, Public) or not isinstance(authority, Public):
        raise ValueError(KINDS)
    return CertificateFacts(
        file=file,
        of=facts_of(of).fingerprint,
        name=found.key_id.decode(errors="replace"),
        serial=found.serial,
        starts=datetime.fromtimestamp(found.valid_after, UTC),
        ends=None if found.valid_before >= FOR_EVER else datetime.fromtimestamp(found.valid_before, UTC),
        authority=facts_of(authority).fingerprint,
    )


@contextmanager
def _usable(path: Path, needs: str = "") -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Refused(f"{path} is no usable private key{needs}: {shown(str(error))}.") from error


def _parse(data: bytes, secret: bytes | None) -> object:
    if OWN_FORMAT in data:
        return serialization.load_ssh_private_key(data, secret)
    return serialization.load_pem_private_key(data, secret)


def comment(path: Path) -> str:
    """What is noted on the key: in its own file, where that can be seen without a passphrase, and in FILE.pub."""
    said = ""
    with suppress(Refused), _usable(path):
        _, _, behind = read_private(path).partition(b"-----BEGIN OPENSSH PRIVATE KEY-----")
        packed = base64.b64decode(behind.partition(b"-----")[0])
        said = packed.decode("ascii", "replace") if _field(packed[len(MAGIC) :])[0] == b"none" else ""
    with suppress(OSError):
        said += " " + path.with_name(f"{path.name}.pub").read_text("utf-8", "replace")[:MOST_CERTIFICATE_BYTES]
    return said


def _public_part(data: bytes) -> Public:
    """Of a private key in OpenSSH's format: it stands behind three strings (cipher, derivation, options), a number."""
    _, _, behind = data.partition(b"-----BEGIN OPENSSH PRIVATE KEY-----")
    packed = base64.b64decode(behind.partition(b"-----")[0])
    if not packed.startswith(MAGIC):
        raise ValueError("it is cut or damaged")
    rest = packed[len(MAGIC) :]
    for _ in ("cipher", "derivation", "options"):
        _, rest = _field(rest)
    blob, _ = _field(rest[4:])
    name, _ = _field(blob)
    key = serialization.load_ssh_public_key(name + b" " + base64.b64encode(blob))
    if isinstance(key, Public):
        return key
    raise ValueError(KINDS)


def _field(packed: bytes) -> tuple[bytes, bytes]:
    """The first string (RFC 4251) and what comes after it."""
    end = 4 + int.from_bytes(packed[:4])
    if not 4 <= end <= len(packed):
        raise ValueError("it is cut or damaged")
    return packed[4:end], packed[end:]
