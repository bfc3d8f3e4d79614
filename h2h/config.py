"""Settings: one TOML file, one more per bank, read into frozen, typed values.

`load` reports every mistake at once with its file and line (SettingsError); what depends on the world (folders that
must exist, key files and their modes) is asked by `world_problems`, so that `status` still works while a disk is
away. Relative paths are relative to the file they stand in. Secrets are references, never values.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from h2h.errors import Problem, SettingsError
from h2h.model import Severity
from h2h.rules import Terms, iban_fault
from h2h.schedule import CALENDARS, COUNTRY, Window, is_calendar, parse_days
from h2h.toml_lines import lines_of, nearest

T = TypeVar("T", bound=BaseModel)
NAME_FIELDS = ("bank", "msg_id", "id", "name", "date")
MOST_DAYS = 100_000
SHORTEST = timedelta(milliseconds=100)  # between two looks at a bank's folder
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def _duration(value: object) -> object:
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", value)):
        return timedelta(seconds=float(match[1]) * UNITS[match[2]])
    raise ValueError("write a number and a unit, as in 500ms, 30s, 10m, 2h or 1d")


def _clock_time(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        return time.fromisoformat(value)
    raise ValueError("write hours and minutes, as in 15:30")


def _path(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str) or not value:
        raise ValueError("write a path")
    base: Path = (info.context or {}).get("base", Path())
    return Path(os.path.abspath(base / Path(value).expanduser()))


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{value!r} is not a time zone; write one such as Europe/Berlin") from None
    return value


def _calendar(value: str) -> str:
    if value not in CALENDARS and not COUNTRY.fullmatch(value):
        known = ", ".join(sorted(CALENDARS))
        raise ValueError(f"{value!r} is not a calendar; write {known}, or a country as in DE, DE-BY or CH-ZH")
    return value


def _template(value: str) -> str:
    try:
        fields = [field for _, field, _, _ in Formatter().parse(value) if field is not None]
    except ValueError as error:
        raise ValueError(f"{value!r} is not a template: {error}") from None
    if unknown := [f for f in fields if f not in NAME_FIELDS]:
        raise ValueError(f"{{{unknown[0]}}} is not known; write {', '.join(f'{{{f}}}' for f in NAME_FIELDS)}")
    try:
        name = value.format(**dict.fromkeys(NAME_FIELDS, "x") | {"date": datetime(2026, 12, 31, tzinfo=UTC)})
    except (ValueError, KeyError, IndexError, AttributeError) as error:
        raise ValueError(f"{value!r} is not a template: {error}") from None
    if "/" in value + name:
        raise ValueError("is a name, not a path; the folder stands in remote")
    return value


def _cron(value: str) -> str:
    from apscheduler.triggers.cron import CronTrigger

    try:
        CronTrigger.from_crontab(value)
    except ValueError as error:
        raise ValueError(f"{value!r} is not a time of crontab, such as */10 7-20 * * mon-fri: {error}") from None
    return value


def _remote(value: str) -> str:
    if not value.startswith("/") and value != ".":
        raise ValueError("write an absolute path at the bank, as in /in")
    return value.rstrip("/") or "/"


def _account(value: str) -> str:
    account = re.sub(r"\s", "", value)
    if re.match(r"[A-Z]{2}[0-9]{2}", account) and (wrong := iban_fault(account)):
        raise ValueError(f"{value!r} is not a valid IBAN: {wrong}")
    return account


def _span(value: object) -> object:
    match value:
        case [int(first), int(last)] if -MOST_DAYS <= first <= last <= MOST_DAYS:
            return first, last
    raise ValueError(f"write two numbers of days from today, the earlier first, as in [-10, 90]; at most {MOST_DAYS}")


Duration = Annotated[timedelta, BeforeValidator(_duration), PlainSerializer(lambda d: f"{d.total_seconds():g}s")]
ClockTime = Annotated[time, BeforeValidator(_clock_time)]
LocalPath = Annotated[Path, BeforeValidator(_path)]
RemotePath = Annotated[str, AfterValidator(_remote)]
Days = Annotated[frozenset[int], BeforeValidator(parse_days)]
Account = Annotated[str, AfterValidator(_account)]
Span = Annotated[tuple[int, int], BeforeValidator(_span)]
HostKey = Annotated[str, Field(pattern=r"^SHA256:[A-Za-z0-9+/]{43}$")]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class GatewaySettings(Section):
    data: LocalPath
    environment: Literal["test", "production"]
    banks: str = "banks/*.toml"
    anchor: LocalPath | None = None
    anchor_every: Duration = timedelta(minutes=10)


class LedgerSettings(Section):
    url: str = "sqlite:///h2h.db"


class SftpSettings(Section):
    """Facts about a bank's server are false unless stated: the careless default asks a person."""

    kind: Literal["sftp"]
    host: str
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    user: str
    key_file: LocalPath
    key_passphrase: str | None = Field(default=None, pattern=r"^(env|file|cred):.+$")
    host_keys: Annotated[list[HostKey], Field(min_length=1)]
    connect_timeout: Duration = timedelta(seconds=15)
    operation_timeout: Duration = timedelta(seconds=60)
    atomic_rename: bool = False
    staging_is_ours: bool = False


class FolderSettings(Section):
    """A bank (or a SWIFT or EBICS client beside us) that is reached through a local or mounted folder."""

    kind: Literal["folder"]
    path: LocalPath
    atomic_rename: bool = False
    staging_is_ours: bool = False


ChannelSettings = Annotated[SftpSettings | FolderSettings, Field(discriminator="kind")]


class Retry(Section):
    first: Duration = timedelta(seconds=30)
    most: Duration = timedelta(minutes=15)
    give_up_after: Annotated[int, Field(ge=1, le=1000)] = 20


class Outbound(Section):
    watch: LocalPath
    settle: Duration = timedelta(seconds=5)
    marker: str | None = Field(default=None, pattern=r"^\.[A-Za-z0-9._-]+$")
    messages: Annotated[list[str], Field(min_length=1)]
    processed: str = Field(default="processed", pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")
    rejected: str = Field(default="rejected", pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")
    remote: RemotePath
    staging: RemotePath | None = None
    name: Annotated[str, AfterValidator(_template)] = "{msg_id}.xml"
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

    @model_validator(mode="after")
    def _some_time_left(self) -> Outbound:
        if self.cut_off is None and self.model_fields_set & {"opens", "days", "lead"}:
            raise ValueError("opens, days and lead go with a cut_off; without one a folder is always open")
        if self.cut_off is not None:
            opens, cut_off = (datetime.combine(date.min, clock) for clock in (self.opens, self.cut_off))
            if opens + self.lead >= cut_off:
                raise ValueError("the window has no time in it: opens plus lead must be before cut_off")
        return self

    @property
    def staging_folder(self) -> str:
        return self.staging or self.remote


class Inbound(Section):
    remote: RemotePath
    match: str = "*"
    messages: Annotated[list[str], Field(min_length=1)]
    every: Duration | None = None
    cron: Annotated[str, AfterValidator(_cron)] | None = None
    claim: RemotePath | None = None
    after: Literal["delete", "move", "leave"] = "leave"
    move_to: RemotePath | None = None
    deliver: LocalPath | None = None
    max_size: Annotated[int, Field(ge=1)] = 2_000_000_000

    @model_validator(mode="after")
    def _whole(self) -> Inbound:
        if (self.every is None) == (self.cron is None):
            raise ValueError("say when to look: either every or cron, not both")
        if self.every is not None and self.every < SHORTEST:
            raise ValueError(f"every has to be {SHORTEST.total_seconds():g}s or more")
        if (self.after == "move") != (self.move_to is not None):
            raise ValueError('move_to goes with after = "move", and is needed there')
        return self


class Bank(Section):
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    timezone: Annotated[str, AfterValidator(_zone)]
    calendar: Annotated[str, AfterValidator(_calendar)] = "WEEKDAYS"
    channel: ChannelSettings
    retry: Retry = Retry()
    outbound: list[Outbound] = []
    inbound: list[Inbound] = []

    @model_validator(mode="after")
    def _some_day_open(self) -> Bank:
        if self.calendar != "EVERYDAY" and any(not folder.days & set(range(5)) for folder in self.outbound):
            raise ValueError(f"an outbound folder has only days that the calendar {self.calendar} closes")
        return self

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
    banks: tuple[Bank, ...] = ()

    def bank(self, name: str) -> Bank | None:
        return next((b for b in self.banks if b.name == name), None)


class _MainFile(Section):
    gateway: GatewaySettings
    ledger: LedgerSettings = LedgerSettings()


class _BankFile(Section):
    bank: Bank


def load(file: Path) -> Settings:
    """Settings from the main file and the bank files that it names; SettingsError lists every mistake."""
    problems: list[Problem] = []
    main = _read(file, _MainFile, problems)
    pattern = main.gateway.banks if main else GatewaySettings.model_fields["banks"].default
    bank_files = _bank_files(file, pattern, problems)
    banks = [(f, bank.bank) for f in bank_files if (bank := _read(f, _BankFile, problems))]
    problems += _shared(banks)
    if problems or main is None:
        raise SettingsError(problems)
    return Settings(file=file, gateway=main.gateway, ledger=main.ledger, banks=tuple(bank for _, bank in banks))


def _bank_files(file: Path, pattern: str, problems: list[Problem]) -> list[Path]:
    try:
        return sorted(file.parent.glob(pattern))
    except (ValueError, NotImplementedError):
        text = f"{pattern!r} is not a pattern of files below the folder of this one, as in banks/*.toml"
        problems.append(Problem(file=str(file), line=None, key="gateway.banks", text=text))
        return []


def _read(file: Path, kind: type[T], problems: list[Problem]) -> T | None:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(Problem(file=str(file), line=None, key="", text=f"cannot be read: {_words(error)}"))
        return None
    try:
        return kind.model_validate(tomllib.loads(text), context={"base": file.parent.absolute()})
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"\(at line (\d+)", str(error))
        said = re.sub(r"\s*\(at .*\)$", "", str(error))
        problems.append(Problem(file=str(file), line=int(at[1]) if at else None, key="", text=f"is not TOML: {said}"))
    except ValidationError as error:
        problems += _problems(file, text, error)
    return None


def _words(error: Exception) -> str:
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else "it is not UTF-8"


def _problems(file: Path, text: str, error: ValidationError) -> Iterator[Problem]:
    lines = lines_of(text)
    for fault in error.errors(include_url=False):
        path = tuple(part for part in fault["loc"] if not (part in ("sftp", "folder") and "channel" in fault["loc"]))
        path += ("kind",) if fault["type"] == "union_tag_invalid" else ()
        key = "".join(f"[{p + 1}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")
        yield Problem(file=str(file), line=nearest(lines, path), key=key, text=_sentence(fault))


def _sentence(fault: Mapping[str, Any]) -> str:
    match fault["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "is not a known setting; look for a typing error"
        case "value_error":
            return str(fault["ctx"]["error"])
        case "literal_error" | "union_tag_invalid":
            expected = fault["ctx"].get("expected") or fault["ctx"].get("expected_tags")
            return (
                f"must be {expected}, not {fault['input']!r}"
                if fault["type"] == "literal_error"
                else f"must be one of {expected}"
            )
        case "union_tag_not_found":
            return 'needs a kind, as in kind = "sftp"'
        case "string_pattern_mismatch":
            return f"{fault['input']!r} is not of the right form ({fault['ctx']['pattern']})"
        case _:
            return f"{fault['msg'][0].lower()}{fault['msg'][1:]}, not {fault['input']!r}"


def _shared(banks: list[tuple[Path, Bank]]) -> Iterator[Problem]:
    """Names and watched folders that two banks claim at once: a file would go to whoever is quicker."""
    seen: dict[str, Path] = {}
    for file, bank in banks:
        for key, what in [("bank.name", bank.name), *(("bank.outbound.watch", str(o.watch)) for o in bank.outbound)]:
            if what in seen:
                also = "again here" if seen[what] == file else f"in {seen[what]} too"
                yield Problem(file=str(file), line=None, key=key, text=f"{what} stands {also}; it must be unique")
            seen.setdefault(what, file)
    watched = {outbound.watch for _, bank in banks for outbound in bank.outbound}
    for file, bank in banks:
        for folder in bank.inbound:
            if folder.deliver in watched:
                text = f"{folder.deliver} is a watched folder; what the bank sends would be sent back"
                yield Problem(file=str(file), line=None, key="bank.inbound.deliver", text=text)


def world_problems(settings: Settings) -> list[Problem]:
    """What the settings need and the machine lacks: folders, key files and their modes, calendars."""
    none = Problem(
        file=str(settings.file), line=None, key="gateway.banks", text="no bank file is there; h2h init makes one"
    )
    return [p for bank in settings.banks for p in _bank_problems(bank)] if settings.banks else [none]


def _bank_problems(bank: Bank) -> Iterator[Problem]:
    def problem(key: str, text: str) -> Problem:
        return Problem(file=f"bank {bank.name}", line=None, key=key, text=text)

    if isinstance(bank.channel, SftpSettings) and (wrong := key_file_fault(bank.channel.key_file)):
        yield problem("bank.channel.key_file", wrong)
    if isinstance(bank.channel, FolderSettings) and not bank.channel.path.is_dir():
        yield problem("bank.channel.path", f"there is no folder {bank.channel.path}")
    if not is_calendar(bank.calendar):
        yield problem("bank.calendar", f"there is no calendar {bank.calendar}")
    folders = [("bank.outbound.watch", o.watch) for o in bank.outbound]
    folders += [("bank.inbound.deliver", i.deliver) for i in bank.inbound if i.deliver]
    for key, folder in folders:
        if not folder.is_dir():
            yield problem(key, f"there is no folder {folder}; make it, or run h2h init")


def key_file_fault(file: Path) -> str | None:
    """Why a private key file cannot be used; None where it can."""
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
    except OSError as error:
        return f"{file} cannot be read: {_words(error)}"
    if mode & 0o077:
        return f"{file} has mode {mode:04o}, which lets others read it; chmod 600 it"
    return None
