"""The keys of PGP of one bank, as the rows of its profile name them: which counts when, and what is wrong with them.

Files of keys are read when they are needed: one that was replaced counts at once.
"""

from __future__ import annotations

import hashlib
import io
import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from h2h.config import Bank, KeyRow, OurKeyRow, TheirKeyRow
from h2h.config.pgp import Row, encrypts, newest, signs
from h2h.credentials import Credentials, read_private
from h2h.errors import ChannelError, H2hError, PgpError, Unusable
from h2h.model import Finding, Severity
from h2h.openpgp import KeyFacts, OurKey, Smith, TheirKey, facts
from h2h.openpgp.keys import MOST_KEY_BYTES, Use

FAULTS = (PgpError, ChannelError)  # what keeps a key from being used; the latter of credentials
CODES = {
    "PGP_KEY_UNUSABLE": "a key that a file needs cannot be used, or there is none that counts",
}
USES: dict[Use, str] = {"sign": "signed with", "encrypt": "encrypted to"}
DONE: dict[Use, str] = {"sign": "signed", "encrypt": "encrypted"}
MOST_KNOWN = 50  # files of keys

Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a row, or with all of one kind. `key`: where it stands below [bank.pgp]; `ends`: with time it
    came, and files of folders that need the key are held for it; all else keeps everything from being sent."""

    key: Place
    text: str
    ends: bool = False


def faults(bank: Bank, credentials: Credentials, now: datetime) -> Iterator[Fault]:
    """Everything about the keys of a bank, each tried as it will be used."""
    keys = KeyRows(bank, credentials)
    ours: set[str] = set()
    for number, row in enumerate(bank.pgp.our_keys):
        yield from keys.faults_of_ours(("our_keys", number), row, now, ours)
    for number, theirs in enumerate(bank.pgp.their_keys):
        yield from keys.faults_of_theirs(("their_keys", number), theirs, ours)
    for use, name, rows, needed in keys.uses():
        if needed and (fault := keys.fault_now(use, name, rows, now)):
            yield fault


class KeyRows:
    """The rows of one bank, and what stands in their files."""

    def __init__(self, bank: Bank, credentials: Credentials) -> None:
        self._bank, self._credentials = bank, credentials
        self._known: dict[str, KeyFacts] = {}

    def ours_now(self, now: datetime) -> str:
        """The fingerprint of the key that we sign with."""
        row = newest(self._bank.pgp.our_keys, now, self._bank.timezone)
        return self.facts(_counting(row, "our_keys", now)).fingerprint

    def theirs_now(self, now: datetime) -> tuple[str, str | None]:
        """The fingerprint of the key that we encrypt to, and that of its subkey, if it is one that does it."""
        row = _counting(newest(self._bank.pgp.their_keys, now, self._bank.timezone), "their_keys", now)
        part = self.facts(row).encrypts_by(now).fingerprint
        return row.fingerprint, part if part != row.fingerprint else None

    def ours(self, fingerprints: Collection[str]) -> list[OurKeyRow]:
        """A row for each; the one that began last is looked at first."""
        found: dict[str, OurKeyRow] = {}
        zone = self._bank.timezone
        for row in sorted(self._bank.pgp.our_keys, key=lambda row: row.begins(zone), reverse=True):
            if set(found) == set(fingerprints):
                break
            if (fingerprint := self.facts(row).fingerprint) in fingerprints:
                found.setdefault(fingerprint, row)
        return [*found.values()]

    def theirs(self, fingerprints: Collection[str]) -> list[TheirKeyRow]:
        found = {row.fingerprint: row for row in self._bank.pgp.their_keys if row.fingerprint in fingerprints}
        return [*found.values()]

    def openers(self) -> tuple[list[OurKey], list[H2hError]]:
        """All keys of ours that a file can be opened with now, and why the others are not among them."""
        found: list[OurKey] = []
        left_out: list[H2hError] = []
        for row in self._bank.pgp.our_keys:
            try:
                if not self.facts(row).secret:
                    raise Unusable(f"{row.file} holds a public key alone.")
                found.append(self._our(row))
            except FAULTS as error:
                left_out.append(error)
        return found, left_out

    def opening(self, ours: Sequence[OurKey], theirs: Sequence[TheirKeyRow], now: Callable[[], datetime]) -> Smith:
        return Smith(ours, [self._their(row) for row in theirs], now=now)

    def smith(self, ours: Sequence[OurKeyRow], theirs: Sequence[TheirKeyRow], now: Callable[[], datetime]) -> Smith:
        return self.opening([self._our(row) for row in ours], theirs, now)

    def facts(self, row: KeyRow) -> KeyFacts:
        """Of the one key in its file. GnuPG is asked once for the same bytes."""
        data = _read(row)
        digest = hashlib.sha256(data).hexdigest()
        if digest not in self._known:
            try:
                found = facts(data)
            except Unusable as error:
                raise Unusable(f"{row.file}: {error}") from error
            if len(found) != 1:
                raise Unusable(f"{row.file} holds {len(found)} keys; export the one that is meant by itself.")
            self._known = {**dict(list(self._known.items())[1 - MOST_KNOWN :]), digest: found[0]}
        return self._known[digest]

    def doubts(self, rows: Sequence[KeyRow], use: Use, now: datetime, until: datetime) -> Iterator[Finding]:
        for begins, ends, row in self._spans(rows, now, until):
            if row is None:
                yield _hold("PGP_KEY_UNUSABLE", f"No key to {use} with counts at {_at(begins)}: see [bank.pgp].")
                continue
            try:
                found = self.facts(row)
            except FAULTS as error:
                yield _hold("PGP_KEY_UNUSABLE", str(error))
                continue
            if why := found.why_not(use, begins) or found.why_not(use, ends):
                yield _doubt(row, found, use, why, ends)

    def _spans(
        self, rows: Sequence[Row], now: datetime, until: datetime
    ) -> Iterator[tuple[datetime, datetime, Row | None]]:
        """From when to when which row is the newest, between now and then."""
        zone = self._bank.timezone
        changes = {at for row in rows for at in (row.begins(zone), row.ends(zone)) if now < at < until}
        times = [now, *sorted(changes), until]
        for begins, ends in itertools.pairwise(times):
            yield begins, ends, newest(rows, begins, zone)

    # What is wrong with them.

    def uses(self) -> list[tuple[Use, str, Sequence[KeyRow], bool]]:
        """What we do with the newest row of which kind, and whether a folder needs that."""
        pgp, outbound = self._bank.pgp, self._bank.outbound
        return [
            ("sign", "our_keys", pgp.our_keys, any(signs(folder.pgp) for folder in outbound)),
            ("encrypt", "their_keys", pgp.their_keys, any(encrypts(folder.pgp) for folder in outbound)),
        ]

    def faults_of_ours(self, at: Place, row: OurKeyRow, now: datetime, ours: set[str]) -> Iterator[Fault]:
        """`ours`: takes its fingerprint."""
        try:
            found = self.facts(row)
            ours.add(found.fingerprint)
            if not found.secret:
                text = f"{row.file} holds a public key alone; here belongs what gpg --export-secret-keys writes"
                yield Fault((*at, "file"), text)
            elif not (row.passphrase and self._credentials.absence(row.passphrase)):
                self._try(row, found, now)
        except Unusable as error:
            yield Fault((*at, "passphrase" if "passphrase" in str(error) and row.passphrase else "file"), str(error))
        except ChannelError as error:
            yield Fault((*at, "file" if str(row.file) in str(error) else "passphrase"), str(error))
        except PgpError as error:
            yield Fault(at, str(error))

    def _try(self, row: OurKeyRow, found: KeyFacts, now: datetime) -> None:
        """One that signs no more may still open what comes."""
        with self.smith([row], [], lambda: now) as smith:
            if found.why_not("sign", now):
                smith.try_passphrase(found.fingerprint)
            else:
                smith.seal(io.BytesIO(), lambda _: None, sign_with=found.fingerprint, encrypt_to=(), armour=False)

    def faults_of_theirs(self, at: Place, row: TheirKeyRow, ours: Collection[str]) -> Iterator[Fault]:
        try:
            found = self.facts(row)
        except FAULTS as error:
            yield Fault((*at, "file"), str(error))
            return
        if found.secret or found.fingerprint in ours:
            text = f"{row.file} holds a key of ours: the bank could not open what is encrypted to it alone"
            yield Fault((*at, "file"), text)
        elif found.fingerprint != row.fingerprint:
            text = f"{row.file} holds the key {found.fingerprint}; ask the bank, by another way, which one is right"
            yield Fault((*at, "fingerprint"), text)

    def fault_now(self, use: Use, name: str, rows: Sequence[KeyRow], now: datetime) -> Fault | None:
        row = newest(rows, now, self._bank.timezone)
        if row is None:
            return Fault((name,), f"none of these counts at {_at(now)}: files could not be {DONE[use]}")
        try:
            found = self.facts(row)
        except FAULTS:
            return None  # told of the row
        why = found.why_not(use, now)
        text = f"{row.file}: the key {found.fingerprint} {why}: files are held that have to be {DONE[use]}"
        return Fault((name, rows.index(row), "file"), text, ends=True) if why else None

    def _our(self, row: OurKeyRow) -> OurKey:
        passphrase = self._credentials.secret(row.passphrase) if row.passphrase else None
        if passphrase is not None and not passphrase.isprintable():
            raise Unusable(f"{row.file}: the passphrase holds a line break or another control character.")
        return OurKey(data=_read(row), passphrase=passphrase, name=str(row.file))

    def _their(self, row: TheirKeyRow) -> TheirKey:
        return TheirKey(data=_read(row), fingerprint=row.fingerprint, name=str(row.file))


def _read(row: KeyRow) -> bytes:
    """What the file holds; that of a secret key has to be closed to others."""
    if isinstance(row, OurKeyRow):
        return read_private(row.file)
    try:
        with row.file.open("rb") as file:
            return file.read(MOST_KEY_BYTES + 1)
    except OSError as error:
        raise Unusable(f"{row.file} cannot be read: {error.strerror}.") from error


def _counting(row: Row | None, key: str, now: datetime) -> Row:
    if row is None:
        raise Unusable(f"No key of bank.pgp.{key} counts at {_at(now)}: add the one that does, or mend from and until.")
    return row


def _doubt(row: KeyRow, found: KeyFacts, use: Use, why: str, until: datetime) -> Finding:
    ends = found.ends(use)
    code = "PGP_KEY_UNUSABLE"
    if found.revoked:
        code = "PGP_KEY_REVOKED"
    elif ends and ends <= until:
        code, why = "PGP_KEY_EXPIRED", f"ends at {_at(ends)}"
    text = (
        f"{row.file}: the key {found.fingerprint} {why}, and the file may be {USES[use]} it up to {_at(until)}. "
        "Put the next key into [bank.pgp], then release the file."
    )
    return _hold(code, text)


def _hold(code: str, text: str) -> Finding:
    return Finding(code=code, severity=Severity.HOLD, text=text)


def _at(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
