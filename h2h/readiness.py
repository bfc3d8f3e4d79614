"""Whether all is ready to move files: the settings are good, and the machine has what they need.

Everything that is wrong is told in one run: mistakes in the files, values that are not filled in yet, keys that do not
open, folders that are missing or in each other's way. What moves files asks here first; `h2h check` is no stricter.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from h2h.bank_rules import place_of
from h2h.calendars import is_calendar
from h2h.clashes import clashes
from h2h.clock import clock_for
from h2h.config import Bank, FolderSettings, Profile, Reading, Settings, SftpSettings, read
from h2h.config.toml_file import KeyPath, Place, about
from h2h.config.values import message_fault
from h2h.credentials import Credentials
from h2h.environments import crossings
from h2h.errors import Problem, Refused, UsageError
from h2h.messages.catalog import Catalog, MessageType
from h2h.outbound import origin
from h2h.resources import root
from h2h.schedule import Window, astray, closes_away, cut_off_on

if TYPE_CHECKING:
    from h2h.messages.own_schemas import OwnSchemas

RESERVED = (".example", ".invalid", ".test")  # RFC 2606 and RFC 6761, as are
EXAMPLES = (".example.com", ".example.net", ".example.org")
NETWORK = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs", "fuse.ceph", "fuse.gluster")
MOUNTS = Path("/proc/mounts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """`problems` forbid to move files; `warnings` are told."""

    reading: Reading
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]

    def settings(self) -> Settings:
        """Raises SettingsError with every problem, those of the files included."""
        return self.reading.settings(*self.problems)


def look(file: Path, environ: Mapping[str, str] = os.environ) -> Readiness:
    """Everything about the settings in `file` and this machine."""
    reading = read(file)
    credentials = Credentials(environ, reading.vault)
    keys = list(_pgp_faults(reading, credentials, environ))
    return Readiness(
        reading=reading,
        problems=(*world_problems(reading, credentials), *(problem for problem, ends in keys if not ends)),
        warnings=(*_warnings(reading, credentials), *(problem for problem, ends in keys if ends)),
    )


def world_problems(reading: Reading, credentials: Credentials) -> Iterator[Problem]:
    """What the settings need and the machine lacks, and folders that are in each other's way."""
    if reading.source.lines and not reading.bank_files:
        yield from about("no bank file is there; h2h init makes one", reading.source.at("gateway", "banks"))
    if reading.gateway:
        yield from _data_problems(reading.gateway.data, reading.source.at("gateway", "data"))
    for profile in reading.profiles:
        yield from _channel_problems(profile, credentials)
        yield from _folder_problems(profile, credentials)
        yield from _schema_problems(profile)
        yield from _rule_problems(profile)
        yield from _time_problems(profile)
    yield from _open_to_all(reading)
    yield from clashes(reading)
    yield from crossings(reading)
    yield from _main_problems(reading, credentials)
    yield from _alert_problems(reading, credentials)
    yield from _webhook_problems(reading, credentials)


def _open_to_all(reading: Reading) -> Iterator[Problem]:
    """What any user of this machine may change, and where a key is that he could put another one in the place of."""
    settings = [reading.source.at(), *(profile.source.at() for profile in reading.profiles)]
    for place in settings:
        yield from _writable(place.source.file, place)
    for profile in reading.profiles:
        if isinstance(profile.bank.channel, SftpSettings):
            folder = profile.bank.channel.key_file.parent
            yield from _writable(folder, profile.source.at("bank", "channel", "key_file"))


def _writable(path: Path, place: Place) -> Iterator[Problem]:
    mode = _mode(path)
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        yield from about(f"{path} can be written by everybody (mode {mode:04o}); do: chmod o-w {path}", place)


def _mode(path: Path) -> int:
    """0 of what is not there, or may not be looked at, which is told elsewhere."""
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except OSError:
        return 0


def _main_problems(reading: Reading, credentials: Credentials) -> Iterator[Problem]:
    """Secrets of the main file that are of no bank, and the vault, which is asked for each secret in it."""
    for place, reference in _of_main(reading):
        if not credentials.absence(reference):
            try:
                credentials.secret(reference)
            except Refused as error:
                yield from about(str(error).rstrip("."), place)
    if reading.vault and _for_examples(reading.vault.host):
        text = f"{reading.vault.host} is a name for examples; write your own"
        yield from about(text, reading.source.at("vault", "address"))


def _of_main(reading: Reading) -> Iterator[tuple[Place, str]]:
    if reading.ledger.password:
        yield reading.source.at("ledger", "password"), reading.ledger.password
    for key, reference in reading.vault.references.items() if reading.vault else ():
        yield reading.source.at("vault", key), reference


def _alert_problems(reading: Reading, credentials: Credentials) -> Iterator[Problem]:
    """Whether each address is one; nobody is told anything."""
    if not reading.alerts:
        return
    from h2h.alerting.post import Post  # here, as few commands tell anybody

    places = {one.name: reading.source.at("alerts", n, "to") for n, one in enumerate(reading.alerts)}
    tried = {one.name: one.to for one in reading.alerts if not credentials.absence(one.to)}
    for name, fault in Post(credentials=credentials).faults(tried).items():
        yield from about(fault, places[name])


def _webhook_problems(reading: Reading, credentials: Credentials) -> Iterator[Problem]:
    """Whether each can be told, as far as it is known here; nobody is told anything."""
    if not reading.webhooks:
        return
    from h2h.webhooks.post import secret_fault, tls  # here, as few gateways tell any

    for n, webhook in enumerate(reading.webhooks):
        if _for_examples(webhook.host):
            text = f"{webhook.host} is a name for examples; write the receiver's own"
            yield from about(text, reading.source.at("webhooks", n, "url"))
        for reference in webhook.secret:
            fault = None if credentials.absence(reference) else secret_fault(reference, credentials)
            yield from about(fault, reading.source.at("webhooks", n, "secret")) if fault else ()
        try:
            tls(webhook)
        except Refused as error:
            yield from about(str(error).rstrip("."), reading.source.at("webhooks", n, "ca"))


def _data_problems(data: Path, place: Place) -> Iterator[Problem]:
    there = next(p for p in (data, *data.parents) if os.path.lexists(p))
    if not os.path.isdir(there):
        yield from about(f"{there} is not a folder", place)
    elif fault := _closed(there):
        yield from about(fault, place)


def _folder_problems(profile: Profile, credentials: Credentials) -> Iterator[Problem]:
    bank, at = profile.bank, profile.source.at
    folders = [(o.watch, at("bank", "outbound", n, "watch")) for n, o in enumerate(bank.outbound)]
    folders += [(o.status, at("bank", "outbound", n, "status")) for n, o in enumerate(bank.outbound) if o.status]
    folders += [(i.deliver, at("bank", "inbound", n, "deliver")) for n, i in enumerate(bank.inbound) if i.deliver]
    for folder, place in folders:
        if not os.path.isdir(folder):
            yield from about(f"there is no folder {folder}; make it, or run h2h init", place)
        elif fault := _closed(folder):
            yield from about(fault, place)
    for n, outbound in enumerate(bank.outbound):
        if outbound.manifest_key and credentials.absence(outbound.manifest_key):
            outbound = outbound.model_copy(update={"manifest_key": None})
        if wrong := origin.problem(outbound, credentials):
            key = "owners" if "named as an owner" in wrong else "manifest_key"
            yield from about(wrong, at("bank", "outbound", n, key))


def _time_problems(profile: Profile) -> Iterator[Problem]:
    bank, at = profile.bank, profile.source.at
    if not is_calendar(bank.calendar):
        yield from about(f"there is no calendar {bank.calendar}", at("bank", "calendar"))
        return
    for n, outbound in enumerate(bank.outbound):
        *others, own = bank.windows_for(outbound, None)
        yield from _astray(own, at("bank", "outbound", n, "cut_off"))
        for m, (row, window) in enumerate(zip(outbound.cut_offs, others, strict=True)):
            place = ("bank", "outbound", n, "cut_offs", m)
            if row.calendar and not is_calendar(row.calendar):
                yield from about(f"there is no calendar {row.calendar}", at(*place, "calendar"))
            else:
                yield from _astray(window, at(*place, "cut_off"))


def _astray(window: Window, place: Place) -> Iterator[Problem]:
    if found := astray(window):
        day, what = found
        when = f"on {day}, when the clocks of {window.timezone} change"
        text = f"{cut_off_on(window, day):%H:%M} {what} {when}; choose a time that every open day has once"
        yield from about(text, place)


def _schema_problems(profile: Profile) -> Iterator[Problem]:
    """Whether each of the bank's own schemas can be used, and which messages there are with them."""
    bank, at = profile.bank, profile.source.at
    if bank.schemas is None:
        return
    shipped = Catalog.load(root("schemas"))
    found = _own_schemas(bank.schemas, shipped)
    uncompiled = {row: fault for row in found.rows if (fault := _not_compiled(row))}
    for fault in (*found.faults, *uncompiled.values()):
        yield from about(fault.rstrip("."), at("bank", "schemas"))
    catalog = shipped.with_rows(found.rows)
    for way, n, messages in _messages(bank):
        for m, name in enumerate(messages):
            wrong = message_fault(name, catalog, out=way == "outbound")
            if wrong and (catalog.by_name(name) or not found.faults):  # else it may be of a schema with a fault
                yield from about(wrong, at("bank", way, n, "messages", m))


def _rule_problems(profile: Profile) -> Iterator[Problem]:
    """Places that no message of their folder has: rules of them would never be asked."""
    bank, at = profile.bank, profile.source.at
    if not any(folder.rules for folder in bank.outbound):
        return
    from h2h.messages.places import stands

    catalog = Catalog.load(root("schemas"))
    own = _own_schemas(bank.schemas, catalog) if bank.schemas else None
    catalog = catalog.with_rows(own.rows) if own else catalog
    for n, folder in enumerate(bank.outbound):
        rows = [row for name in folder.messages if (row := catalog.by_name(name))]
        types = [catalog.types(row) for row in rows]
        for m, rule in enumerate(folder.asking.rules):
            for key, place in [("at", rule.at), *([("when", rule.when.at)] if rule.when else [])]:
                if types and not any(stands(each, place_of(place)) for each in types):
                    text = f"no {' or '.join(folder.messages)} can have {place}; look at its names and their order"
                    yield from about(text, at("bank", "outbound", n, "rules", m, key))


def _messages(bank: Bank) -> Iterator[tuple[str, int, Sequence[str]]]:
    yield from (("outbound", n, folder.messages) for n, folder in enumerate(bank.outbound))
    yield from (("inbound", n, folder.messages) for n, folder in enumerate(bank.inbound))


def _own_schemas(folder: Path, shipped: Catalog) -> OwnSchemas:
    from h2h.messages.own_schemas import own_schemas  # here, as it takes a while and few banks have any

    return own_schemas(folder, shipped.rows)


def _not_compiled(row: MessageType) -> str | None:
    catalog = Catalog((row,))
    try:
        catalog.preload()
        catalog.schema(row)
    except UsageError as error:
        return str(error)
    return None


def _closed(folder: Path) -> str | None:
    how = os.access in os.supports_effective_ids
    if os.access(folder, os.R_OK | os.W_OK | os.X_OK, effective_ids=how):
        return None
    return f"{folder} is closed to the user that runs h2h: it has to read and write there"


def _channel_problems(profile: Profile, credentials: Credentials) -> Iterator[Problem]:
    channel, source = profile.bank.channel, profile.source
    match channel:
        case FolderSettings(path=path) if not os.path.isdir(path):
            yield from about(f"there is no folder {path}", source.at("bank", "channel", "path"))
        case SftpSettings():
            yield from _placeholders(channel, profile)
            yield from _key_problems(channel, profile, credentials)
            if then := channel.by_next_key():
                yield from _key_problems(then, profile, credentials, ("next_key", "file"), ("next_key", "passphrase"))


def _placeholders(channel: SftpSettings, profile: Profile) -> Iterator[Problem]:
    at = profile.source.at
    if _for_examples(channel.host):
        text = f"{channel.host} is a name for examples; write the server that the bank told you"
        yield from about(text, at("bank", "channel", "host"))
    for number, pin in enumerate(channel.host_keys):
        if len(set(pin.removeprefix("SHA256:"))) == 1:
            text = f"{pin} is a placeholder; write the fingerprint that the bank told you"
            yield from about(text, at("bank", "channel", "host_keys", number))


def _for_examples(name: str) -> bool:
    host = name.lower().rstrip(".")
    return host.endswith(RESERVED) or f".{host}".endswith(EXAMPLES)


def _key_problems(
    channel: SftpSettings,
    profile: Profile,
    credentials: Credentials,
    file: KeyPath = ("key_file",),
    secret: KeyPath = ("key_passphrase",),
) -> Iterator[Problem]:
    """Whether the key opens, exactly as it will be opened for the bank."""
    from h2h.channels.ssh import load_key
    from h2h.channels.ssh_keys import facts

    key_file, passphrase = (profile.source.at("bank", "channel", *key) for key in (file, secret))
    reference, opened = channel.key_passphrase, None
    if reference and credentials.absence(reference):
        return
    try:
        opened = credentials.secret(reference) if reference else None
    except Refused as error:
        yield from about(str(error).rstrip("."), passphrase)
        return
    try:
        load_key(channel.key_file, passphrase=opened)
        weakness = facts(channel.key_file, lambda: opened).weakness
        yield from about(weakness, key_file) if weakness else ()
    except Refused as error:
        yield from about(str(error).rstrip("."), key_file, passphrase)


def _warnings(reading: Reading, credentials: Credentials) -> Iterator[Problem]:
    if reading.gateway and (mode := _mode(reading.gateway.data) & 0o077):
        text = f"others may look into it (mode {0o700 | mode:04o}), where ledger and files are; do: chmod 700 on it"
        yield from about(text, reading.source.at("gateway", "data"))
    if reading.gateway and reading.ledger.url.startswith("sqlite"):
        mounts = MOUNTS.read_text(encoding="utf-8", errors="replace") if MOUNTS.exists() else ""
        kind = file_system(Path(os.path.realpath(reading.gateway.data)), mounts)
        if kind.startswith(NETWORK):
            text = f"stands on a network file system ({kind}), on which SQLite can lose what it wrote; use a local disk"
            yield from about(text, reading.source.at("gateway", "data"))
    for profile in reading.profiles:
        yield from _not_said_to_be_real(profile, reading)
        yield from _closing_in_maintenance(profile)
        if profile.bank.schemas is not None:
            for text in _own_schemas(profile.bank.schemas, Catalog.load(root("schemas"))).unused:
                yield from about(text, profile.source.at("bank", "schemas"))
        for reference, place in _passphrases(profile):
            if reference and (why := credentials.absence(reference)):
                yield from about(f"the key was not tried: {why}", place)
    for what, place, reference in _unseen(reading):
        if why := credentials.absence(reference):
            yield from about(f"the {what} was not looked at: {why}", place)


def _passphrases(profile: Profile) -> Iterator[tuple[str | None, Place]]:
    channel, at = profile.bank.channel, profile.source.at
    if isinstance(channel, SftpSettings):
        yield channel.key_passphrase, at("bank", "channel", "key_passphrase")
        if channel.next_key:
            yield channel.next_key.passphrase, at("bank", "channel", "next_key", "passphrase")


def _pgp_faults(
    reading: Reading, credentials: Credentials, environ: Mapping[str, str]
) -> Iterator[tuple[Problem, bool]]:
    """What is wrong with keys of PGP; and whether it is that their time is over, for which files are held."""
    using = [profile for profile in reading.profiles if profile.bank.pgp.our_keys or profile.bank.pgp.their_keys]
    if not using:
        return
    from h2h.key_rows import faults  # here, as few banks have any

    environment = reading.gateway.environment if reading.gateway else "production"
    now = clock_for(environment, environ.get("H2H_NOW")).now()
    for profile in using:
        for fault in faults(profile.bank, credentials, now):
            place = profile.source.at("bank", "pgp", *fault.key)
            yield from ((problem, fault.ends) for problem in about(fault.text.rstrip("."), place))


def _unseen(reading: Reading) -> Iterator[tuple[str, Place, str]]:
    """Where a secret may not be had from here and now: what it is, where it is referred to, and how."""
    yield from (("secret", place, reference) for place, reference in _of_main(reading))
    for n, recipient in enumerate(reading.alerts):
        yield "address", reading.source.at("alerts", n, "to"), recipient.to
    for n, webhook in enumerate(reading.webhooks):
        yield from (("secret", reading.source.at("webhooks", n, "secret"), one) for one in webhook.secret)
    for profile in reading.profiles:
        for n, outbound in enumerate(profile.bank.outbound):
            if outbound.manifest_key:
                yield "key", profile.source.at("bank", "outbound", n, "manifest_key"), outbound.manifest_key
        for n, row in enumerate(profile.bank.pgp.our_keys):
            if row.passphrase:
                yield "passphrase", profile.source.at("bank", "pgp", "our_keys", n, "passphrase"), row.passphrase


def _not_said_to_be_real(profile: Profile, reading: Reading) -> Iterator[Problem]:
    if reading.gateway and reading.gateway.environment == "production" and profile.bank.environment is None:
        text = 'this profile does not say whether it is of the bank\'s test server; state environment = "production"'
        yield from about(text, profile.source.at("bank", "name"))


def _closing_in_maintenance(profile: Profile) -> Iterator[Problem]:
    bank, at = profile.bank, profile.source.at
    text = (
        "the bank's server is in maintenance right before this cut-off on a day of each week: files have to go earlier"
    )
    for n, outbound in enumerate(bank.outbound):
        *others, own = bank.windows_for(outbound, None)
        if is_calendar(bank.calendar) and closes_away(own, bank.away):
            yield from about(text, at("bank", "outbound", n, "cut_off"))
        for m, window in enumerate(others):
            if is_calendar(bank.calendar) and is_calendar(window.also.name) and closes_away(window, bank.away):
                yield from about(text, at("bank", "outbound", n, "cut_offs", m, "cut_off"))


def file_system(folder: Path, mounts: str) -> str:
    """The kind of the file system that a folder is on, by the lines of /proc/mounts; of two, the later covers."""
    best, kind = Path("/"), ""
    for line in mounts.splitlines():
        _, point, found, *_ = line.split(" ")
        at = Path(point.replace("\\040", " "))
        if folder.is_relative_to(at) and len(at.parts) >= len(best.parts):
            best, kind = at, found
    return kind
