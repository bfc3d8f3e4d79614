"""Settings: one TOML file, one more per bank, read into frozen, typed values.

`load` reports every mistake at once with its file and line (SettingsError). What depends on the machine, and folders
that get in each other's way, are asked in readiness.py, so that `status` still works while a disk is away. Relative
paths are relative to the file they stand in. Secrets are references, never values.
"""

from __future__ import annotations

import itertools
import os
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from h2h.errors import Problem, SettingsError
from h2h.messages.catalog import Catalog
from h2h.model import Severity, Way
from h2h.resources import root
from h2h.rules import Terms
from h2h.schedule import Window
from h2h.setting_values import (
    Account,
    Calendar,
    ClockTime,
    Cron,
    DatabaseUrl,
    Days,
    Duration,
    FilePattern,
    HostKey,
    IncomingMessage,
    LocalPath,
    NameTemplate,
    Network,
    OutgoingMessage,
    RemotePath,
    Span,
    Zone,
)
from h2h.toml_file import KeyPath, Read, Source, about, in_order, read_toml

T = TypeVar("T", bound=BaseModel)
SHORTEST = timedelta(milliseconds=100)  # between two looks at a bank's folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Values that are right by themselves and not together; told at the first of the keys, which are the section's."""

    text: str
    keys: tuple[KeyPath, ...]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def contradictions(self) -> Iterator[Contradiction]:
        """All of them. Not asked as a validator, which a wrong value elsewhere in the section would keep silent."""
        yield from ()


class GatewaySettings(Section):
    data: LocalPath
    environment: Literal["test", "production"]
    banks: FilePattern = "banks/*.toml"
    anchor: LocalPath | None = None
    anchor_every: Duration = timedelta(minutes=10)
    time_stamp: str | None = Field(default=None, pattern=r"^https?://")
    time_stamp_ca: LocalPath | None = None
    min_free: Annotated[int, Field(ge=0)] = 200_000_000

    def contradictions(self) -> Iterator[Contradiction]:
        if self.time_stamp and (self.anchor is None or self.time_stamp_ca is None):
            text = "time_stamp goes with anchor, where the stamps are noted, and time_stamp_ca"
            yield Contradiction(text=text, keys=(("time_stamp",),))


class LedgerSettings(Section):
    url: DatabaseUrl = "sqlite:///h2h.db"


class DuplicateSettings(Section):
    """How far back the same payments are looked for under another message id; 0 for not at all."""

    days: Annotated[int, Field(ge=0, le=366)] = 5


class ChannelFacts(Section):
    """Facts about a bank's server are false unless stated: the careless default asks a person."""

    publish: Literal["rename", "marker", "direct"] = "rename"
    publish_marker: str = Field(default=".done", pattern=r"^\.[A-Za-z0-9._-]+$")
    atomic_rename: bool = False
    staging_is_ours: bool = False
    takes_file_before_marker: bool = False

    @property
    def way(self) -> Way:
        return Way(self.publish)

    @property
    def repeatable(self) -> bool:
        """Whether asking twice to publish the same temporary file cannot make the bank take it twice."""
        return self.takes_file_before_marker if self.way is Way.MARKER else self.atomic_rename


class SftpSettings(ChannelFacts):
    kind: Literal["sftp"]
    host: str
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    user: str
    key_file: LocalPath
    key_passphrase: str | None = Field(default=None, pattern=r"^(env|file|cred):.+$")
    host_keys: Annotated[list[HostKey], Field(min_length=1)]
    addresses: Annotated[list[Network], Field(min_length=1)] | None = None
    connect_timeout: Duration = timedelta(seconds=15)
    operation_timeout: Duration = timedelta(seconds=60)


class FolderSettings(ChannelFacts):
    """A bank (or a SWIFT or EBICS client beside us) that is reached through a local or mounted folder."""

    kind: Literal["folder"]
    path: LocalPath


ChannelSettings = Annotated[SftpSettings | FolderSettings, Field(discriminator="kind")]


class Retry(Section):
    first: Duration = timedelta(seconds=30)
    most: Duration = timedelta(minutes=15)
    give_up_after: Annotated[int, Field(ge=1, le=1000)] = 20


class Outbound(Section):
    watch: LocalPath
    settle: Duration = timedelta(seconds=5)
    marker: str | None = Field(default=None, pattern=r"^\.[A-Za-z0-9._-]+$")
    match: str = "*"
    patience: Duration = timedelta(minutes=10)
    owners: list[Annotated[str, Field(min_length=1)]] = []
    manifest_key: str | None = Field(default=None, pattern=r"^(env|file|cred):.+$")
    messages: Annotated[list[OutgoingMessage], Field(min_length=1)]
    processed: str = Field(default="processed", pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")
    rejected: str = Field(default="rejected", pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")
    remote: RemotePath
    staging: RemotePath | None = None
    name: NameTemplate = "{msg_id}.xml"
    opens: ClockTime = time(0, 0)
    cut_off: ClockTime | None = None
    lead: Duration = timedelta(0)
    days: Days = frozenset(range(7))
    after_cut_off: Literal["hold", "next-window"] = "hold"
    max_size: Annotated[int, Field(ge=1)] = 2_000_000_000
    accounts: Annotated[list[Account], Field(min_length=1)] | None = None
    execution_days: Span = (-10, 90)
    creation_days: Span = (-30, 1)
    unusual_dates: Literal["warn", "hold"] = "warn"
    supplementary_data: list[str] = []

    def contradictions(self) -> Iterator[Contradiction]:
        window: tuple[KeyPath, ...] = (("cut_off",), ("opens",), ("lead",))
        if self.cut_off is None and (given := sorted(self.model_fields_set & {"opens", "days", "lead"})):
            text = "opens, days and lead go with a cut_off; without one a folder is always open"
            yield Contradiction(text=text, keys=((given[0],), ("cut_off",)))
        if self.cut_off is not None:
            opens, cut_off = (datetime.combine(date.min, clock) for clock in (self.opens, self.cut_off))
            if opens + self.lead >= cut_off:
                text = "the window has no time in it: opens plus lead must be before cut_off"
                yield Contradiction(text=text, keys=window)
        if self.processed == self.rejected:
            text = "is the folder for processed files, too; a refused one would be taken for sent"
            yield Contradiction(text=text, keys=(("rejected",), ("processed",)))

    @property
    def staging_folder(self) -> str:
        return self.staging or self.remote


class Inbound(Section):
    remote: RemotePath
    match: str = "*"
    messages: Annotated[list[IncomingMessage], Field(min_length=1)]
    every: Duration | None = None
    cron: Cron | None = None
    settle: Duration = timedelta(seconds=5)
    claim: RemotePath | None = None
    names_are_unique: bool = False
    one_shot: bool = False
    after: Literal["delete", "move", "leave"] = "leave"
    move_to: RemotePath | None = None
    deliver: LocalPath | None = None
    max_size: Annotated[int, Field(ge=1)] = 2_000_000_000

    def contradictions(self) -> Iterator[Contradiction]:
        timing: tuple[KeyPath, ...] = (("cron",), ("every",))
        if self.every is None and self.cron is None:
            yield Contradiction(text='say when to look: add every = "10m", or a cron', keys=timing)
        if self.every is not None and self.cron is not None:
            yield Contradiction(text="both every and cron say when to look; keep one of them", keys=timing)
        if self.every is not None and self.every < SHORTEST:
            text = f"every has to be {SHORTEST.total_seconds():g}s or more"
            yield Contradiction(text=text, keys=(("every",),))
        if (self.after == "move") != (self.move_to is not None):
            text = 'move_to goes with after = "move", and is needed there'
            yield Contradiction(text=text, keys=(("after",), ("move_to",)))
        if self.one_shot and self.after != "leave":
            text = 'a one_shot file is gone once it was opened; after must be "leave"'
            yield Contradiction(text=text, keys=(("one_shot",), ("after",)))
        if self.after != "leave" and self.claim is None and not self.names_are_unique:
            text = (
                f'after = "{self.after}" could remove a file that the bank wrote in place of the one we fetched: '
                "name a folder in claim, or state names_are_unique = true if the bank never uses a name again"
            )
            yield Contradiction(text=text, keys=(("after",),))
        yield from self._one_folder_twice()

    def _one_folder_twice(self) -> Iterator[Contradiction]:
        folders = [(key, getattr(self, key)) for key in ("remote", "claim", "move_to")]
        for (first, here), (second, there) in itertools.combinations(folders, 2):
            if here is not None and there is not None and posixpath.normpath(here) == posixpath.normpath(there):
                text = f"is the same folder as {first}; a file that was moved there would be looked at again"
                yield Contradiction(text=text, keys=((second,), (first,)))

    @property
    def place(self) -> str:
        """This block among those of its bank, in words."""
        return f"{self.remote} {self.match}"

    def takes(self, folder: str, name: str) -> bool:
        """Whether a file that was fetched from this folder of the bank, under this name, came by this block."""
        return folder in (self.remote, self.claim) and self.matches(name)

    def matches(self, name: str) -> bool:
        return fnmatchcase(name, self.match)


class Bank(Section):
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    timezone: Zone
    calendar: Calendar = "WEEKDAYS"
    channel: ChannelSettings
    retry: Retry = Retry()
    outbound: list[Outbound] = []
    inbound: list[Inbound] = []

    def contradictions(self) -> Iterator[Contradiction]:
        for number, folder in enumerate(self.outbound):
            if self.calendar != "EVERYDAY" and not folder.days & set(range(5)):
                text = f"these are only days that the calendar {self.calendar} closes"
                yield Contradiction(text=text, keys=(("outbound", number, "days"), ("calendar",)))
            if self.channel.way is not Way.RENAME and folder.staging:
                text = 'staging goes with publish = "rename": here nothing is moved from one folder to the other'
                yield Contradiction(text=text, keys=(("outbound", number, "staging"), ("channel", "publish")))

    def window(self, folder: Outbound) -> Window:
        return Window(
            timezone=self.timezone,
            calendar=self.calendar,
            days=folder.days,
            opens=folder.opens,
            cut_off=folder.cut_off,
            lead=folder.lead,
        )

    def terms(self, folder: Outbound, now: datetime) -> Terms:
        """What a file that is dropped into the folder now is judged by."""
        return Terms(
            messages=folder.messages,
            accounts=folder.accounts,
            supplementary_data=folder.supplementary_data,
            today=now.astimezone(ZoneInfo(self.timezone)).date(),
            execution_days=folder.execution_days,
            creation_days=folder.creation_days,
            unusual_dates=Severity.HOLD if folder.unusual_dates == "hold" else Severity.WARNING,
        )

    def outbound_for(self, watch: str) -> Outbound | None:
        return next((o for o in self.outbound if str(o.watch) == watch), None)


class Settings(Section):
    file: Path
    gateway: GatewaySettings
    ledger: LedgerSettings = LedgerSettings()
    duplicates: DuplicateSettings = DuplicateSettings()
    banks: tuple[Bank, ...] = ()

    def bank(self, name: str) -> Bank | None:
        return next((b for b in self.banks if b.name == name), None)


class _MainFile(Section):
    gateway: GatewaySettings
    ledger: LedgerSettings = LedgerSettings()
    duplicates: DuplicateSettings = DuplicateSettings()


class _BankFile(Section):
    bank: Bank


STAND_INS: Mapping[tuple[str, str], object] = {  # for what has to be there and cannot be used; see toml_file.py
    ("gateway", "data"): "data",
    ("gateway", "environment"): "test",
    ("bank", "name"): "unnamed",
    ("bank", "timezone"): "UTC",
    ("bank", "channel"): {"kind": "folder", "path": "."},
    ("channel", "path"): ".",
    ("channel", "host"): "localhost",
    ("channel", "user"): "nobody",
    ("channel", "key_file"): "key",
    ("channel", "host_keys"): [f"SHA256:{'A' * 43}"],
    ("outbound", "watch"): "watch",
    ("outbound", "messages"): ["pain.001.001.09"],
    ("outbound", "remote"): "/",
    ("inbound", "messages"): ["camt.053.001.08"],
    ("inbound", "remote"): "/",
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
        return Settings(file=file, gateway=self.gateway, ledger=self.ledger, duplicates=self.duplicates, banks=banks)


def load(file: Path) -> Settings:
    """Settings from the main file and the bank files that it names; SettingsError lists every mistake."""
    return read(file).settings()


def read(file: Path) -> Reading:
    catalog = Catalog.load(root("schemas"))
    main = _read(file, _MainFile, catalog)
    gateway, ledger = (main.value.gateway, main.value.ledger) if main.value else (None, LedgerSettings())
    pattern = gateway.banks if gateway else GatewaySettings.model_fields["banks"].default
    bank_files = tuple(sorted(file.parent.glob(pattern))) if os.path.exists(file) else ()
    banks = [_read(f, _BankFile, catalog) for f in bank_files]
    profiles = tuple(Profile(source=b.source, bank=b.value.bank) for b in banks if b.value)
    problems = [*map(_advised, main.problems), *(p for bank in banks for p in bank.problems)]
    problems += _contradictions(main.source, main.value, ()) if main.value else ()
    problems += [p for bank in banks if bank.value for p in _contradictions(bank.source, bank.value, ())]
    return Reading(
        source=main.source,
        gateway=gateway,
        ledger=ledger,
        duplicates=main.value.duplicates if main.value else DuplicateSettings(),
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
    fields = type(section).model_fields
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
