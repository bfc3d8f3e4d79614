"""Every key that the settings name, in one list: whose it is, what for, how old, and when it ends.

Nothing in it is secret: fingerprints, dates, places. A key that cannot be read is in the list, with the reason.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from h2h.channels.ssh_keys import CertificateFacts, KeyFacts, certificate, facts
from h2h.clock import Clock
from h2h.config import Bank, KeyRow, Settings, SftpSettings, TheirKeyRow
from h2h.credentials import Credentials
from h2h.errors import ChannelError
from h2h.key_rows import FAULTS, USES, KeyRows
from h2h.ledger.keys import HostKey, Keys

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

Ssh = Callable[[Path, Callable[[], str | None]], KeyFacts]
"""(file, what gives its passphrase if that is needed) -> what the key shows."""


class Kind(StrEnum):
    SSH = "ssh"
    HOST = "ssh-host"
    PGP = "pgp"
    CERTIFICATE = "certificate"
    SHARED = "shared secret"


class Stands(StrEnum):
    IN_FORCE = "in force"
    SCHEDULED = "scheduled"  # its hour is yet to come
    OVER = "over"  # another one counts in its place, or it ended
    SHOWN = "shown, not accepted"
    PROPOSED = "proposed, not accepted"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """`bank`: empty for what is of none. `use`: those of one bank and use stand in for each other. `fingerprint`: as
    people compare it. `since`: known, or on this disk, for so long; `created`: where the key itself says it.

    `starts` and `until`: from when to when it counts; `expires`: by what `ends_by` names, or never.
    """

    bank: str
    kind: Kind
    ours: bool
    use: str
    setting: str
    stands: Stands = Stands.IN_FORCE
    file: str | None = None
    fingerprint: str | None = None
    algorithm: str | None = None
    bits: int | None = None
    created: datetime | None = None
    since: datetime | None = None
    starts: datetime | None = None
    until: datetime | None = None
    expires: datetime | None = None
    ends_by: str = ""
    note: str = ""
    fault: str | None = None

    @property
    def ends(self) -> datetime | None:
        """When it counts no more."""
        return min(filter(None, (self.until, self.expires)), default=None)

    def at(self, now: datetime) -> Key:
        """The same, as it stands now."""
        if self.stands is not Stands.IN_FORCE:
            return self
        if self.fault and not self.fingerprint:
            return replace(self, stands=Stands.UNREADABLE)
        if self.starts and now < self.starts:
            return replace(self, stands=Stands.SCHEDULED)
        return replace(self, stands=Stands.OVER) if self.ends and self.ends <= now else self


class Inventory:
    """The list of one gateway, as ledger and files are when it is asked for."""

    def __init__(self, settings: Settings, ledger: Keys, credentials: Credentials, clock: Clock) -> None:
        self._settings, self._ledger, self._credentials, self._clock = settings, ledger, credentials, clock
        self._pgp = {bank.name: KeyRows(bank, credentials) for bank in settings.banks}  # GnuPG is asked once for a file
        self._seen: dict[tuple[object, ...], KeyFacts] = {}

    def listed(self) -> list[Key]:
        return inventory(
            self._settings,
            self._clock.now(),
            self._credentials,
            first_seen=self._ledger.known_since(),
            host_keys=self._ledger.host_keys(),
            pgp=lambda bank: self._pgp[bank.name],
            ssh=self._ssh,
        )

    def _ssh(self, file: Path, passphrase: Callable[[], str | None]) -> KeyFacts:
        """Read once as it is, since a passphrase may have to be fetched for it. Raises ChannelError."""
        try:
            state = os.stat(file)
        except OSError:
            return facts(file, passphrase)
        at = (file, state.st_ino, state.st_mtime_ns, state.st_size, state.st_mode)
        if at not in self._seen:
            self._seen[at] = facts(file, passphrase)
        return self._seen[at]


def inventory(
    settings: Settings,
    now: datetime,
    credentials: Credentials,
    *,
    first_seen: Mapping[str, datetime] = {},
    host_keys: Sequence[HostKey] = (),
    pgp: Callable[[Bank], KeyRows] | None = None,
    ssh: Ssh = facts,
) -> list[Key]:
    """By bank, what is of none at the end. From the ledger `first_seen`, since when which fingerprints are known, and
    the `host_keys` that servers showed or people accepted. `pgp` and `ssh`: who read files of keys."""
    found: list[Key] = []
    for bank in settings.banks:
        found += _of_bank(bank, credentials, host_keys, ssh)
        found += _pgp(bank, pgp(bank) if pgp else KeyRows(bank, credentials))
    found += [*_certificates(settings), *_secrets(settings)]
    return [_aged(key, first_seen, settings.keys.max_age).at(now) for key in found]


def _of_bank(bank: Bank, credentials: Credentials, host_keys: Sequence[HostKey], ssh: Ssh) -> Iterator[Key]:
    if isinstance(bank.channel, SftpSettings):
        yield from _logins(bank, bank.channel, credentials, ssh)
        yield from _pins(bank.name, bank.channel)
        for one in host_keys:
            here = (one.bank, one.server) == (bank.name, bank.channel.address)
            if here and one.fingerprint not in bank.channel.host_keys:
                yield _of_ledger(one)
    for number, folder in enumerate(bank.outbound, start=1):
        if folder.manifest_key:
            where = f"bank.outbound[{number}].manifest_key"
            yield _named(bank.name, f"manifests of {folder.watch}", where, folder.manifest_key)


def _logins(bank: Bank, channel: SftpSettings, credentials: Credentials, ssh: Ssh) -> Iterator[Key]:
    """The key that we log in with, and the one that takes its place at its hour."""
    then = channel.next_key
    switch = then.begins(bank.timezone) if then else None
    key = Key(
        bank=bank.name,
        kind=Kind.SSH,
        ours=True,
        use=f"login as {channel.user} at {channel.host}:{channel.port}",
        setting="bank.channel.key_file",
        until=switch,
    )
    yield _login(key, channel.key_file, channel.key_passphrase, credentials, ssh)
    if then:
        key = replace(key, setting="bank.channel.next_key", starts=switch, until=None)
        yield _login(key, then.file, then.passphrase, credentials, ssh)


def _login(key: Key, file: Path, reference: str | None, credentials: Credentials, ssh: Ssh) -> Key:
    key = replace(key, file=str(file))
    try:
        shown = ssh(file, lambda: credentials.secret(reference) if reference else None)
        return _ssh(key, shown, certificate(file))
    except ChannelError as error:
        return replace(key, fault=str(error))


def _ssh(key: Key, shown: KeyFacts, beside: CertificateFacts | None) -> Key:
    key = replace(
        key,
        fingerprint=shown.fingerprint,
        algorithm=shown.algorithm,
        bits=shown.bits,
        since=_changed(key.file),
        fault=f"{key.file} {shown.weakness}." if shown.weakness else None,
    )
    if beside is None:
        return key
    note = f"with certificate {beside.name}, serial {beside.serial}, of {beside.authority}"
    fault = beside.fault(shown.fingerprint) or key.fault
    return replace(key, expires=beside.ends, ends_by=beside.file.name if beside.ends else "", note=note, fault=fault)


def _pins(bank: str, channel: SftpSettings) -> Iterator[Key]:
    for number, pin in enumerate(channel.host_keys, start=1):
        yield Key(
            bank=bank,
            kind=Kind.HOST,
            ours=False,
            use=f"host key of {channel.host}:{channel.port}",
            setting=f"bank.channel.host_keys[{number}]",
            fingerprint=pin,
            note="pinned in the settings",
        )


def _of_ledger(one: HostKey) -> Key:
    """A host key that is not in the settings."""
    key = Key(
        bank=one.bank,
        kind=Kind.HOST,
        ours=False,
        use=f"host key of {one.server}",
        setting="",
        fingerprint=one.fingerprint,
        algorithm=one.algorithm,
        since=one.shown_at,
        starts=one.accepted_at,
        until=one.withdrawn_at,
    )
    if one.counts:
        return replace(key, note=f"accepted by {one.proposed_by} and {one.accepted_by}")
    if one.pending:
        return replace(key, stands=Stands.PROPOSED, note=f"proposed by {one.proposed_by}; a second person decides")
    if one.withdrawn_at:
        return replace(key, stands=Stands.OVER, note=f"withdrawn by {one.withdrawn_by}")
    return replace(key, stands=Stands.SHOWN, note="the server shows it, and nobody has accepted it")


def _pgp(bank: Bank, rows: KeyRows) -> Iterator[Key]:
    for name, ours, use in (("our_keys", True, "PGP: signs, opens"), ("their_keys", False, "PGP: encrypts, verifies")):
        for number, row in enumerate(getattr(bank.pgp, name), start=1):
            key = Key(
                bank=bank.name,
                kind=Kind.PGP,
                ours=ours,
                use=use,
                setting=f"bank.pgp.{name}[{number}]",
                file=str(row.file),
                starts=row.begins(bank.timezone) if row.from_ else None,
                until=row.ends(bank.timezone) if row.until else None,
            )
            yield _of_pgp(key, row, rows)


def _of_pgp(key: Key, row: KeyRow, rows: KeyRows) -> Key:
    try:
        found = rows.facts(row)
    except FAULTS as error:
        return replace(key, fault=str(error))
    ends = [end for use in USES if found.parts(use) and (end := found.ends(use))]
    fault = f"{key.file}: the key is revoked." if found.revoked else None
    if isinstance(row, TheirKeyRow) and row.fingerprint != found.fingerprint:
        fault = f"{key.file} holds another key than the one that is pinned, {row.fingerprint}."
    return replace(
        key,
        fingerprint=found.fingerprint,
        algorithm=found.algorithm.split()[0],
        bits=found.bits if found.algorithm.startswith("RSA") else None,  # the name of a curve says it
        created=found.created,
        expires=min(ends, default=None),
        ends_by="itself" if ends else "",
        note=", ".join(found.user_ids),
        fault=fault,
    )


def _certificates(settings: Settings) -> Iterator[Key]:
    """Those that the signatures and servers of others have to lead to."""
    gateway = settings.gateway
    if gateway.time_stamp_ca:
        yield from _in_file("time stamps", "gateway.time_stamp_ca", gateway.time_stamp_ca)
    for number, webhook in enumerate(settings.webhooks, start=1):
        if webhook.ca:
            yield from _in_file(f"webhook {webhook.name}", f"webhooks[{number}].ca", webhook.ca)


def _in_file(use: str, setting: str, file: Path) -> Iterator[Key]:
    from cryptography.x509 import load_pem_x509_certificates  # here, as few settings name any, and it takes memory

    key = Key(bank="", kind=Kind.CERTIFICATE, ours=False, use=use, setting=setting, file=str(file))
    try:
        for one in load_pem_x509_certificates(file.read_bytes()):
            yield _x509(key, one)
    except (OSError, ValueError) as error:
        yield replace(key, fault=f"The certificates in {file} cannot be read: {error}.")


def _x509(key: Key, found: Certificate) -> Key:
    from cryptography.hazmat.primitives.hashes import SHA256

    public = found.public_key()
    return replace(
        key,
        use=f"{key.use}: {found.subject.rfc4514_string()}",
        fingerprint=found.fingerprint(SHA256()).hex(":").upper(),
        algorithm=type(public).__name__.removesuffix("PublicKey"),
        bits=getattr(public, "key_size", None),
        created=found.not_valid_before_utc,
        expires=found.not_valid_after_utc,
        ends_by="itself",
    )


def _secrets(settings: Settings) -> Iterator[Key]:
    for number, webhook in enumerate(settings.webhooks, start=1):
        for reference in webhook.secret:
            yield _named("", f"signs events for the webhook {webhook.name}", f"webhooks[{number}].secret", reference)


def _named(bank: str, use: str, setting: str, reference: str) -> Key:
    """A secret that both sides know: of it only the name is told."""
    note = f"stands in {reference}"
    return Key(bank=bank, kind=Kind.SHARED, ours=True, use=use, setting=setting, note=note)


def _changed(file: str | None) -> datetime | None:
    try:
        return datetime.fromtimestamp(os.stat(file).st_mtime, UTC) if file else None
    except OSError:
        return None


def _aged(key: Key, first_seen: Mapping[str, datetime], max_age: timedelta | None) -> Key:
    """Since when it is known, by ledger, file or itself; and a key of ours ends as soon as it is as old as may be."""
    seen = first_seen.get(key.fingerprint or "")
    since = min((at for at in (key.created, seen, key.since) if at), default=None)
    key = replace(key, since=since)
    if max_age is None or since is None or not key.ours:
        return key
    if key.expires and key.expires <= since + max_age:
        return key
    return replace(key, expires=since + max_age, ends_by="[keys] max_age")


def by_bank(keys: Sequence[Key]) -> Iterator[tuple[str, list[Key]]]:
    """In the order of the list."""
    for bank in dict.fromkeys(key.bank for key in keys):
        yield bank, [key for key in keys if key.bank == bank]
