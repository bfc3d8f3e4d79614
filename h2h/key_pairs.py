"""New key pairs: the files of one, and the letter by which the bank learns its public part.

    NAME              the private key, mode 0600      NAME.passphrase    what opens it, mode 0600, if it is made here
    NAME.pub          the public part                 NAME.letter.txt    the letter, and as NAME.letter.html
    (OpenPGP: NAME.asc and NAME.pub.asc)

Nothing is ever written over: where one of the files is there, none is made.
"""

from __future__ import annotations

import os
import secrets
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from h2h.channels.ssh_keys import Private, facts_of
from h2h.config import Bank, SftpSettings
from h2h.errors import UsageError

RSA_BITS = 4096
PRIVATE, PUBLIC = 0o600, 0o644
PASSPHRASE_BYTES = 24
WIDTH = 72  # of a letter
UNSAID = "_" * 26
COMPARE = (
    "Before you enter it, please compare the fingerprint above with that of the file that you have from us ({check}), "
    "and tell us from which hour on you take the key. Our private key does not leave our house."
)

SshKind = Literal["ed25519", "rsa"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A new pair, in no file yet. `check`: the command by which whoever gets the public part sees its fingerprint."""

    private: bytes
    public: bytes
    use: str
    algorithm: str
    fingerprint: str
    ends: datetime | None
    check: str

    @property
    def shown(self) -> str:
        """The fingerprint as people compare it."""
        return grouped(self.fingerprint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    private: Path
    public: Path
    passphrase: Path
    letter: Path
    page: Path

    @classmethod
    def of(cls, folder: Path, name: str, suffix: str = "") -> Files:
        """`suffix`: of the keys themselves."""
        if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
            raise UsageError(f"{name!r} is no name for files of keys: take letters, digits, - and _ alone.")
        path = folder / name
        return cls(
            private=path.with_name(f"{name}{suffix}"),
            public=path.with_name(f"{name}.pub{suffix}"),
            passphrase=path.with_name(f"{name}.passphrase"),
            letter=path.with_name(f"{name}.letter.txt"),
            page=path.with_name(f"{name}.letter.html"),
        )

    def refuse_if_there(self, *, passphrase: bool) -> None:
        """Where one of them is; `passphrase`: whether its file is to be made."""
        if not self.private.parent.is_dir():
            raise UsageError(f"There is no folder {self.private.parent}; h2h init makes it, or say --folder.")
        for path in (self.private, self.public, self.letter, self.page, *([self.passphrase] if passphrase else [])):
            if os.path.lexists(path):
                raise UsageError(f"{path} is there already; nothing was made. Take another --name, or move it away.")


def ssh_pair(kind: SshKind, passphrase: str, comment: str) -> Pair:
    key: Private
    if kind == "rsa":
        key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    else:
        key = ed25519.Ed25519PrivateKey.generate()
    shown = facts_of(key.public_key())
    locked = serialization.BestAvailableEncryption(passphrase.encode())
    form = serialization.PrivateFormat.OpenSSH
    return Pair(
        private=key.private_bytes(serialization.Encoding.PEM, form, locked),
        public=f"{shown.line} {comment}\n".encode(),
        use="login over SSH (SFTP)",
        algorithm=f"{shown.algorithm}, {shown.bits} bits",
        fingerprint=shown.fingerprint,
        ends=None,
        check="ssh-keygen -l -f FILE",
    )


def pgp_pair(kind: str, passphrase: str, user_id: str, days: int, now: datetime) -> Pair:
    """Raises Unusable and GpgError."""
    from h2h.openpgp import create

    made = create(user_id, kind=kind, days=days, passphrase=passphrase, now=now)
    return Pair(
        private=made.secret,
        public=made.public,
        use="OpenPGP: our signatures, and what you encrypt to us",
        algorithm=made.facts.algorithm,
        fingerprint=made.facts.fingerprint,
        ends=made.facts.expires,
        check="gpg --show-keys --with-fingerprint FILE",
    )


def mark(environment: str) -> str:
    """What a key of this environment has in its comment or user id, so that the other one does not take it."""
    return f"h2h {environment}"


def new_passphrase() -> str:
    return secrets.token_urlsafe(PASSPHRASE_BYTES)


def grouped(fingerprint: str) -> str:
    """That of OpenPGP in groups of four; that of SSH as it is."""
    if ":" in fingerprint:
        return fingerprint
    return " ".join(fingerprint[at : at + 4] for at in range(0, len(fingerprint), 4))


def write(files: Files, pair: Pair, letter: str, passphrase: str | None) -> None:
    """All of them, new; `passphrase`: None where it stands elsewhere. UsageError where one cannot be made."""
    wanted = {files.passphrase: (passphrase.encode() + b"\n", PRIVATE)} if passphrase else {}
    wanted |= {files.private: (pair.private, PRIVATE), files.public: (pair.public, PUBLIC)}
    wanted |= {files.letter: (letter.encode(), PUBLIC), files.page: (_page(letter).encode(), PUBLIC)}
    for path, (content, mode) in wanted.items():
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(handle)
        except OSError as error:
            raise UsageError(f"{path} cannot be made: {error.strerror}.") from error


# The letter.


def letter(bank: Bank, pair: Pair, *, environment: str, made: datetime, valid_from: str, replaces: str | None) -> str:
    """To print and to sign: what the bank has to know of our new key, and how it sees that it is ours."""
    facts = {
        "Bank": bank.name,
        "Customer": bank.customer,
        **_user(bank),
        "Environment": environment,
        "Purpose": pair.use,
        "Algorithm": pair.algorithm,
        "Fingerprint": pair.shown,
        "In place of": replaces,
        "Valid from": valid_from or f"{UNSAID} (time zone of the bank: {bank.timezone})",
        "Ends": f"{pair.ends:%Y-%m-%d %H:%M} UTC" if pair.ends else None,
        "Made on": f"{made:%Y-%m-%d}",
    }
    public = pair.public.decode()
    return "\n".join(
        [
            f"To {bank.name}",
            "",
            "OUR NEW PUBLIC KEY",
            "",
            *_lines(facts),
            "",
            *textwrap.wrap(COMPARE.format(check=pair.check), WIDTH),
            "",
            "The public key:",
            "",
            *_folded(public),
            "",
            "We confirm that this is our key:",
            "",
            *_signatures(),
            "",
        ]
    )


def _user(bank: Bank) -> Mapping[str, str | None]:
    channel = bank.channel
    if isinstance(channel, SftpSettings):
        return {"User": f"{channel.user} at {channel.host}, port {channel.port}"}
    return {}


def _lines(facts: Mapping[str, str | None]) -> list[str]:
    width = max(map(len, facts))
    return [f"{name:<{width}}  {value}" for name, value in facts.items() if value]


def _folded(public: str) -> list[str]:
    """A line that is too long for paper goes on in the next one."""
    return [
        line[at : at + WIDTH] for line in public.rstrip("\n").split("\n") for at in range(0, max(1, len(line)), WIDTH)
    ]


def _signatures() -> list[str]:
    rows = ("Name", "Function", "Date", "Signature")
    return [part for row in rows for part in ("", f"{row:<10}{UNSAID}    {row:<10}{UNSAID}")]


def _page(text: str) -> str:
    style = "body{margin:2cm}pre{font:11pt/1.35 monospace;white-space:pre-wrap}"
    head = f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Public key</title><style>{style}</style>'
    return f"{head}</head><body><pre>{escape(text)}</pre></body></html>\n"
