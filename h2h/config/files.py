"""The settings as a whole: the main file, and the bank files that it names."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, Field

from h2h.config.alerts import Recipient, contradicting
from h2h.config.bank import Bank
from h2h.config.section import Contradiction, Section
from h2h.config.toml_file import KeyPath, Read, Source, about, in_order, read_toml
from h2h.config.values import (
    DatabaseUrl,
    Duration,
    Environment,
    FilePattern,
    KeptFor,
    ListenAddress,
    LocalPath,
    Reference,
)
from h2h.config.vault import VaultSettings
from h2h.config.webhooks import Webhook, named_twice
from h2h.errors import Problem, SettingsError
from h2h.messages.catalog import Catalog
from h2h.resources import root

T = TypeVar("T", bound=BaseModel)


def _stamps(value: str) -> str:
    """No word of the value is repeated: a password may stand in it."""
    if not re.fullmatch(r"https?://[^@/\s]+(/[!-~]*)?", value):
        raise ValueError("is no address of a time stamp server; write one such as http://tsa.example/, without a login")
    return value


class GatewaySettings(Section):
    data: LocalPath
    environment: Environment
    other_environment: LocalPath | None = None
    banks: FilePattern = "banks/*.toml"
    anchor: LocalPath | None = None
    anchor_every: Duration = timedelta(minutes=10)
    time_stamp: Annotated[str, AfterValidator(_stamps)] | None = None
    time_stamp_ca: LocalPath | None = None
    min_free: Annotated[int, Field(ge=0)] = 200_000_000
    metrics: ListenAddress | None = None
    metrics_public: bool = False

    def contradictions(self) -> Iterator[Contradiction]:
        if self.time_stamp and (self.anchor is None or self.time_stamp_ca is None):
            text = "time_stamp goes with anchor, where the stamps are noted, and time_stamp_ca"
            yield Contradiction(text=text, keys=(("time_stamp",),))
        if self.metrics_public and self.metrics is None:
            yield Contradiction(text="metrics_public goes with metrics", keys=(("metrics_public",), ("metrics",)))
        if self.metrics and not self.metrics.loopback and not self.metrics_public:
            text = (
                f"{self.metrics} can be reached from other machines, where everybody may then read what is told of "
                "banks and files: listen on 127.0.0.1, or state metrics_public = true"
            )
            yield Contradiction(text=text, keys=(("metrics",), ("metrics_public",)))


class LedgerSettings(Section):
    url: DatabaseUrl = "sqlite:///h2h.db"
    password: Reference | None = None

    def contradictions(self) -> Iterator[Contradiction]:
        if self.password and self.url.startswith("sqlite"):
            yield Contradiction(text="goes with a url of PostgreSQL", keys=(("password",), ("url",)))


class DuplicateSettings(Section):
    """How far back the same payments are looked for under another message id; 0 for not at all."""

    days: Annotated[int, Field(ge=0, le=366)] = 5


class RetentionSettings(Section):
    """For how long files and records are kept after they came to their end; for ever, if that is not stated."""

    files: KeptFor | None = None


class KeySettings(Section):
    """How old a key of ours may be; without it, as old as it is by itself."""

    max_age: Duration | None = None


class PeopleSettings(Section):
    """Who decides: users of the operating system, or people with accounts of their own in the ledger."""

    accounts: Literal["system", "local"] = "system"


class Settings(Section):
    file: Path
    gateway: GatewaySettings
    ledger: LedgerSettings = LedgerSettings()
    duplicates: DuplicateSettings = DuplicateSettings()
    alerts: tuple[Recipient, ...] = ()
    webhooks: tuple[Webhook, ...] = ()
    retention: RetentionSettings = RetentionSettings()
    keys: KeySettings = KeySettings()
    people: PeopleSettings = PeopleSettings()
    vault: VaultSettings | None = None
    banks: tuple[Bank, ...] = ()

    def bank(self, name: str) -> Bank | None:
        return next((b for b in self.banks if b.name == name), None)

    def accounts(self) -> list[str]:
        """All that are named anywhere; they are told nobody outside in full."""
        own = [account.account for bank in self.banks for account in bank.accounts]
        return own + [account for bank in self.banks for folder in bank.outbound for account in folder.accounts or ()]


class _MainFile(Section):
    gateway: GatewaySettings
    ledger: LedgerSettings = LedgerSettings()
    duplicates: DuplicateSettings = DuplicateSettings()
    alerts: list[Recipient] = Field(default=[])
    webhooks: list[Webhook] = Field(default=[])
    retention: RetentionSettings = RetentionSettings()
    keys: KeySettings = KeySettings()
    people: PeopleSettings = PeopleSettings()
    vault: VaultSettings | None = None

    def contradictions(self) -> Iterator[Contradiction]:
        yield from contradicting(self.alerts)
        yield from named_twice(self.webhooks)
        kept = self.retention.files
        if kept is not None and kept <= timedelta(days=self.duplicates.days):
            text = f"payments are looked for {self.duplicates.days} days back (duplicates.days); keep them for longer"
            yield Contradiction(text=text, keys=(("retention", "files"), ("duplicates", "days")))


class _BankFile(Section):
    bank: Bank


STAND_INS: Mapping[tuple[str, str], object] = {  # for what has to be there and cannot be used; see toml_file.py
    ("gateway", "data"): "data",
    ("gateway", "environment"): "test",
    ("alerts", "name"): "unnamed",
    ("alerts", "to"): "env:UNNAMED",
    ("webhooks", "name"): "unnamed",
    ("webhooks", "url"): "https://localhost/",
    ("webhooks", "secret"): "env:UNNAMED",
    ("vault", "address"): "https://localhost",
    ("bank", "name"): "unnamed",
    ("bank", "timezone"): "UTC",
    ("bank", "channel"): {"kind": "folder", "path": "."},
    ("channel", "path"): ".",
    ("channel", "host"): "localhost",
    ("channel", "user"): "nobody",
    ("channel", "key_file"): "key",
    ("channel", "host_keys"): [f"SHA256:{'A' * 43}"],
    ("next_key", "file"): "key",
    ("next_key", "from"): datetime(9999, 1, 1),  # noqa: DTZ001 (a time of the bank's zone)
    ("outbound", "watch"): "watch",
    ("outbound", "messages"): ["pain.001.001.09"],
    ("outbound", "remote"): "/",
    ("inbound", "messages"): ["camt.053.001.08"],
    ("inbound", "remote"): "/",
    ("accounts", "account"): "0",
    ("our_keys", "file"): "key",
    ("their_keys", "file"): "key",
    ("their_keys", "fingerprint"): "0" * 40,
    ("maintenance", "starts"): "00:00",
    ("maintenance", "ends"): "00:01",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A bank, and the file that it stands in."""

    source: Source
    bank: Bank


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the files say, as far as it can be used, and what is wrong with them."""

    source: Source
    gateway: GatewaySettings | None
    ledger: LedgerSettings
    duplicates: DuplicateSettings
    alerts: tuple[Recipient, ...]
    webhooks: tuple[Webhook, ...]
    retention: RetentionSettings
    keys: KeySettings
    people: PeopleSettings
    vault: VaultSettings | None
    bank_files: tuple[Path, ...]
    profiles: tuple[Profile, ...]
    problems: tuple[Problem, ...]

    def settings(self, *more: Problem) -> Settings:
        """Raises SettingsError with all problems, and those of `more`."""
        file = self.source.file
        if problems := in_order([*self.problems, *more], file):
            raise SettingsError(problems)
        assert self.gateway
        banks = tuple(profile.bank for profile in self.profiles)
        return Settings(
            file=file,
            gateway=self.gateway,
            ledger=self.ledger,
            duplicates=self.duplicates,
            alerts=self.alerts,
            webhooks=self.webhooks,
            retention=self.retention,
            keys=self.keys,
            people=self.people,
            vault=self.vault,
            banks=banks,
        )


def load(file: Path) -> Settings:
    """Settings from the main file and the bank files that it names; SettingsError lists every mistake."""
    return read(file).settings()


def load_profile(file: Path) -> Bank:
    """One bank's profile, whatever other banks there are; SettingsError lists every mistake."""
    found = _read(file, _BankFile, Catalog.load(root("schemas")))
    more = _contradictions(found.source, found.value, ()) if found.value else ()
    if problems := in_order([*found.problems, *more], file):
        raise SettingsError(problems)
    assert found.value
    return found.value.bank


def read(file: Path) -> Reading:
    catalog = Catalog.load(root("schemas"))
    main = _read(file, _MainFile, catalog)
    gateway, ledger = (main.value.gateway, main.value.ledger) if main.value else (None, LedgerSettings())
    pattern = gateway.banks if gateway else GatewaySettings.model_fields["banks"].default
    bank_files = tuple(sorted(file.parent.glob(pattern))) if os.path.exists(file) else ()
    banks = [_read(f, _BankFile, catalog) for f in bank_files]
    profiles = tuple(Profile(source=b.source, bank=b.value.bank.read_from(b.source)) for b in banks if b.value)
    problems = [*map(_advised, main.problems), *(p for bank in banks for p in bank.problems)]
    problems += _contradictions(main.source, main.value, ()) if main.value else ()
    problems += [p for bank in banks if bank.value for p in _contradictions(bank.source, bank.value, ())]
    alerts = tuple(main.value.alerts) if main.value else ()
    webhooks = tuple(main.value.webhooks) if main.value else ()
    if all(bank.value for bank in banks):
        problems += _of_no_bank(main.source, "alerts", alerts, profiles)
        problems += _of_no_bank(main.source, "webhooks", webhooks, profiles)
    problems += _of_other_environment(main.source, gateway, profiles)
    return Reading(
        source=main.source,
        gateway=gateway,
        ledger=ledger,
        duplicates=main.value.duplicates if main.value else DuplicateSettings(),
        alerts=alerts,
        webhooks=webhooks,
        retention=main.value.retention if main.value else RetentionSettings(),
        keys=main.value.keys if main.value else KeySettings(),
        people=main.value.people if main.value else PeopleSettings(),
        vault=main.value.vault if main.value else None,
        bank_files=bank_files,
        profiles=profiles,
        problems=(*problems, *_named_twice(profiles)),
    )


def _read(file: Path, kind: type[T], catalog: Catalog) -> Read[T]:
    context = {"base": file.parent.absolute(), "catalog": catalog}
    return read_toml(file, kind, stand_ins=STAND_INS, context=context)


def _advised(problem: Problem) -> Problem:
    """A settings file that is not there is mostly one that was looked for in the wrong place."""
    if "no such file" not in problem.text:
        return problem
    advice = "name it with -c FILE or in the environment variable H2H_CONFIG, or have `h2h init` write one"
    return replace(problem, text=f"{problem.text}; {advice}")


def _contradictions(source: Source, section: BaseModel, path: KeyPath) -> Iterator[Problem]:
    """Of the section and all those in it. Where a key is not known, the one that it was meant for seems to be
    missing, so that nothing is said of how the keys beside it go together."""
    fields = {field.alias or name for name, field in type(section).model_fields.items()}
    misspelt = any(broken[:-1] == path and broken[-1] not in fields for broken in source.broken)
    if isinstance(section, Section) and not misspelt:
        for found in section.contradictions():
            yield from about(found.text, *(source.at(*path, *key) for key in found.keys))
    for name, value in section:
        if isinstance(value, BaseModel):
            yield from _contradictions(source, value, (*path, name))
        for number, item in enumerate(value if isinstance(value, list) else []):
            if isinstance(item, BaseModel):
                yield from _contradictions(source, item, (*path, name, number))


def _named_twice(profiles: tuple[Profile, ...]) -> Iterator[Problem]:
    for first, second in itertools.combinations(profiles, 2):
        if first.bank.name == second.bank.name:
            here, there = second.source.at("bank", "name"), first.source.at("bank", "name")
            text = f"{first.bank.name} is the name of the bank in {there} too; it must be unique"
            yield from about(text, here, there)


def _of_other_environment(
    main: Source, gateway: GatewaySettings | None, profiles: tuple[Profile, ...]
) -> Iterator[Problem]:
    """A profile of the bank's test server among those of production, or the other way round."""
    for profile in profiles:
        stated, here = profile.bank.environment, profile.source.at("bank", "environment")
        if gateway and stated not in (None, gateway.environment):
            there = main.at("gateway", "environment")
            text = (
                f"is {stated}, and the gateway is {gateway.environment} ({there}): neither may have the other's banks"
            )
            yield from about(text, here, there)


def _of_no_bank(
    main: Source, block: str, told: Sequence[Recipient | Webhook], profiles: tuple[Profile, ...]
) -> Iterator[Problem]:
    """Who is to be told of a bank that there is not would be told nothing."""
    names = [profile.source.at("bank", "name") for profile in profiles]
    known = [profile.bank.name for profile in profiles]
    for number, one in enumerate(told):
        for which, bank in enumerate(one.banks or ()):
            if bank not in known:
                text = f"there is no bank {bank!r} in the settings; there is {', '.join(known) or 'none'}"
                yield from about(text, main.at(block, number, "banks", which), *names)
