"""OpenPGP keys as facts: what a key file holds, what a key can be used for and until when, and new pairs."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from h2h.errors import Unusable
from h2h.openpgp.gpg import Gpg, version
from h2h.openpgp.home import home
from h2h.text import escaped, shown

MOST_KEY_BYTES = 1 << 20  # in a file of keys
MOST_DAYS = 731  # of a new pair: two years
KINDS = {"ed25519": ("ed25519", "cv25519"), "rsa3072": ("rsa3072", "rsa3072"), "rsa4096": ("rsa4096", "rsa4096")}
NAMES = {1: "RSA", 16: "Elgamal", 17: "DSA", 18: "ECDH", 19: "ECDSA", 22: "EdDSA"}
CURVES = {"ed25519": "Ed25519", "cv25519": "Curve25519", "ed448": "Ed448", "cv448": "Curve448"}
FINGERPRINT = re.compile(r"[0-9A-F]{40}|[0-9A-F]{64}")
LISTED = (
    "--with-colons", "--fixed-list-mode", "--with-fingerprint", "--with-subkey-fingerprint",
    "--trust-model=direct",  # with "always" GnuPG wants a file of its own for a key that has ended, and fails
)  # fmt: skip
PREFERRED = "AES256 AES192 AES SHA512 SHA384 SHA256 ZLIB ZIP Uncompressed"  # what every partner can read, no OCB

Use = Literal["sign", "encrypt"]
_DOING = {"sign": "signing", "encrypt": "encrypting"}


@dataclass(frozen=True, slots=True, kw_only=True)
class OurKey:
    """A secret key, armoured or binary, as its file holds it. `name`: what sentences call it, such as its file."""

    data: bytes = field(repr=False)
    passphrase: str | None = field(repr=False)
    name: str = "our key"


@dataclass(frozen=True, slots=True, kw_only=True)
class TheirKey:
    """A public key, pinned by the fingerprint of its primary key: 40 (or 64) hex digits, blanks do not matter."""

    data: bytes = field(repr=False)
    fingerprint: str
    name: str = "their key"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """Of a primary key with its subkeys, or of one of these. What it can do is told of this very key alone."""

    fingerprint: str
    algorithm: str  # RSA 3072, Ed25519, …
    bits: int  # 255 or 256 says as much of a curve as 3072 of RSA
    created: datetime
    expires: datetime | None
    revoked: bool
    user_ids: tuple[str, ...]  # safe to show
    secret: bool
    can_sign: bool
    can_encrypt: bool
    subkeys: tuple[KeyFacts, ...] = ()

    def parts(self, use: Use) -> list[KeyFacts]:
        """The primary key and subkeys that are for this use and not revoked, whatever the time."""
        parts = [part for part in (self, *self.subkeys) if not part.revoked]
        return [part for part in parts if (part.can_sign if use == "sign" else part.can_encrypt)]

    def encrypts_by(self, at: datetime) -> KeyFacts:
        """The part that GnuPG encrypts to at that time: the newest subkey that can be used; itself where it has none.
        Where none can be used, the newest one all the same."""
        subkeys = [part for part in self.parts("encrypt") if part is not self]
        counting = [part for part in subkeys if part.why_not("encrypt", at) is None]
        return max(counting or subkeys, key=lambda part: part.created, default=self)

    def ends(self, use: Use) -> datetime | None:
        """When the last part for this use expires, or the whole key, if that is earlier. None: never."""
        ends = [part.expires for part in self.parts(use)]
        last = None if None in ends else max((end for end in ends if end), default=None)
        return min((end for end in (self.expires, last) if end), default=None)

    def why_not(self, use: Use, at: datetime) -> str | None:
        """Why it cannot be used so at that time, as the rest of a sentence with the key before it; None if it can."""
        if self.revoked:
            return "is revoked"
        if not self.parts(use):
            return f"has no part that is for {_DOING[use]} and not revoked"
        first = max(self.created, min(part.created for part in self.parts(use)))
        if first > at:
            return f"counts from {first:%Y-%m-%d %H:%M} UTC on, which is still to come: is the clock right?"
        end = self.ends(use)
        return f"expired at {end:%Y-%m-%d %H:%M} UTC" if end and end <= at else None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPair:
    """Both parts armoured; the secret one stays locked by its passphrase."""

    facts: KeyFacts
    secret: bytes = field(repr=False)
    public: bytes


def facts(data: bytes, *, program: str = "gpg") -> list[KeyFacts]:
    """Of all keys in a file. Raises Unusable where it holds none or is no file of keys, GpgError."""
    if len(data) > MOST_KEY_BYTES:
        raise Unusable(f"A file of {len(data):,} bytes is no file of OpenPGP keys: those are small. Export it again.")
    version(program)
    with home(program) as folder:
        listing = bytearray()
        gpg = Gpg(program=program, home=folder)
        gpg.run("--show-keys", *LISTED, source=io.BytesIO(data), sink=listing.extend, at_most=64 * MOST_KEY_BYTES)
    found = listed(listing.decode("utf-8", "replace"))
    if not found:
        raise Unusable(
            "The file holds no OpenPGP key. It has to be what `gpg --export` (or --export-secret-keys) writes: "
            "binary, or text that begins with -----BEGIN PGP PUBLIC KEY BLOCK-----."
        )
    return found


def public_part(data: bytes, *, program: str = "gpg") -> bytes:
    """Of a file of secret keys, armoured; no passphrase is needed for it."""
    found = bytearray()
    with home(program) as folder:
        gpg = Gpg(program=program, home=folder)
        gpg.run("--import", source=io.BytesIO(data))
        gpg.run("--armor", "--export", sink=found.extend)
    return bytes(found)


def create(
    user_id: str, *, kind: str = "ed25519", days: int = MOST_DAYS, passphrase: str, now: datetime, program: str = "gpg"
) -> NewPair:
    """A new pair with a subkey for encryption, both parts of which expire together. Raises Unusable, GpgError."""
    _check_request(user_id, kind, days, passphrase)
    version(program)
    first, second = KINDS[kind]
    with home(program) as folder:
        gpg = Gpg(program=program, home=folder, now=lambda: now)
        until = f"seconds={days * 86_400}"
        made = gpg.run(
            f"--default-preference-list={PREFERRED}", "--cert-digest-algo=SHA512",
            "--quick-generate-key", user_id, first, "cert,sign", until, passphrase=lambda _: passphrase,
        )  # fmt: skip
        fingerprint = next((words[1] for words in made.words("KEY_CREATED")), "")
        if fingerprint:
            late = "--ignore-time-conflict"  # making the first part may have taken a second
            gpg.run(late, "--quick-add-key", fingerprint, second, "encr", until, passphrase=lambda _: passphrase)
        return _exported(gpg, fingerprint, passphrase, made.told)


def _check_request(user_id: str, kind: str, days: int, passphrase: str) -> None:
    if kind not in KINDS:
        raise Unusable(f"{shown(kind)} is no kind of key to be made: take one of {', '.join(KINDS)}.")
    if not 1 <= days <= MOST_DAYS:
        raise Unusable(f"A key has to expire within 1 to {MOST_DAYS} days, not {days}.")
    if not user_id.isprintable() or not 5 <= len(user_id) <= 200:
        raise Unusable(f"{shown(user_id)} cannot name a key: take 5 to 200 letters, as in Corp Ltd <pay@corp.example>.")
    if not passphrase or not passphrase.isprintable():
        raise Unusable("A new key needs a passphrase of printable characters.")


def _exported(gpg: Gpg, fingerprint: str, passphrase: str, why: str) -> NewPair:
    secret, public, listing = bytearray(), bytearray(), bytearray()
    if fingerprint:
        gpg.run("--armor", "--export", fingerprint, sink=public.extend)
        gpg.run(
            "--armor", "--export-secret-keys", fingerprint, sink=secret.extend, passphrase=lambda _: passphrase
        )  # fmt: skip
        gpg.run("--list-secret-keys", *LISTED, sink=listing.extend)
    found = listed(listing.decode("utf-8", "replace"))
    if not (found and secret and public and found[0].parts("encrypt")):
        raise Unusable(f"GnuPG made no key; it says: {why or 'nothing'}.")
    return NewPair(facts=found[0], secret=bytes(secret), public=bytes(public))


def listed(listing: str) -> list[KeyFacts]:
    """What a listing with colons tells (GnuPG, doc/DETAILS)."""
    found: list[KeyFacts] = []
    for rows in _by_primary(line.split(":") for line in listing.splitlines()):
        primary, *others = (_part(row, rows[n + 1 : n + 2]) for n, row in enumerate(rows) if row[0] in PARTS)
        names = tuple(_name(row[9]) for row in rows if row[0] == "uid")
        found.append(replace(primary, user_ids=names, subkeys=tuple(others)))
    return found


PARTS = {"pub": False, "sec": True, "sub": False, "ssb": True}


def _by_primary(rows: Iterator[list[str]]) -> list[list[list[str]]]:
    keys: list[list[list[str]]] = []
    for row in rows:
        if row[0] in ("pub", "sec"):
            keys.append([])
        if keys and row[0] in (*PARTS, "fpr", "uid"):
            keys[-1].append(row)
    return keys


def _part(row: Sequence[str], following: Sequence[Sequence[str]]) -> KeyFacts:
    number, curve = int(row[3]), (row[16] if len(row) > 16 else "")
    own = [letter for letter in row[11] if letter.islower()]
    return KeyFacts(
        fingerprint=next((fpr[9] for fpr in following if fpr[0] == "fpr"), ""),
        algorithm=CURVES.get(curve, curve) or f"{NAMES.get(number, f'algorithm {number}')} {row[2]}",
        bits=int(row[2] or 0),
        created=datetime.fromtimestamp(int(row[5]), UTC),
        expires=datetime.fromtimestamp(int(row[6]), UTC) if row[6] else None,
        revoked=row[1] == "r",
        user_ids=(),
        secret=PARTS[row[0]],
        can_sign="s" in own,
        can_encrypt="e" in own,
    )


def _name(field_: str) -> str:
    """A user id, whose odd bytes a listing escapes as \\x3a."""
    plain = re.sub(r"\\x([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), field_)
    return escaped(plain)[:200]
