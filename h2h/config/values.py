"""How single values are written in the settings: what is read from them, and what is said of a wrong one."""

from __future__ import annotations

import importlib.util
import os
import re
import socket
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, ValidationInfo

from h2h.calendars import CALENDARS, looks_like_calendar
from h2h.checks import iban_fault
from h2h.messages.catalog import Catalog, listed
from h2h.naming import fault
from h2h.schedule import parse_days
from h2h.verdicts import KNOWN

WAYS = "as in file:/path, env:NAME, cred:NAME, keyring:SERVICE/NAME or vault:MOUNT/PATH#FIELD"
REFERENCES = {
    "file": ".+",
    "env": ".+",
    "cred": ".+",
    "keyring": "[^/]+/.+",
    "vault": r"[\w@+-][\w.@+-]*(/[\w@+-][\w.@+ -]*)+#[^#]+",
}
LIBRARIES = {"keyring": "keyring", "vault": "hvac"}  # of the extra of this name
MOST_DAYS = 100_000
KEPT_DAYS = range(90, MOST_DAYS)
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
DATABASES = ("sqlite", "postgresql", "postgresql+psycopg")
GOES_OUT = ("pain001",)  # readers of messages to the bank; the others come from it
STAYS = ("pain008",)  # read and judged, never sent nor fetched


def _duration(value: object) -> object:
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", value)):
        return timedelta(seconds=float(match[1]) * UNITS[match[2]])
    raise ValueError("write a number and a unit, as in 500ms, 30s, 10m, 2h or 1d")


def _clock_time(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        return time.fromisoformat(value)
    raise ValueError("write hours and minutes, as in 15:30")


def _local_time(value: object) -> datetime:
    if isinstance(value, datetime) and value.tzinfo is None:
        return value
    raise ValueError("write a day and a time of the bank's zone, without quotes or offset, as in 2026-12-01T06:00:00")


def _fingerprint(value: str) -> str:
    digits = "".join(value.split()).upper()
    if not re.fullmatch(r"[0-9A-F]{40}|[0-9A-F]{64}", digits):
        raise ValueError("write the fingerprint of the whole key: 40 (or 64) hexadecimal digits; blanks do not matter")
    return digits


def path_of(value: object, info: ValidationInfo) -> Path:
    if not isinstance(value, str) or not value:
        raise ValueError("write a path")
    base: Path = (info.context or {}).get("base", Path())
    return Path(os.path.abspath(base / Path(value).expanduser()))


def reference(value: object) -> str:
    """Where a secret stands. No word of the value is repeated: it may be the secret itself."""
    kind, _, place = value.partition(":") if isinstance(value, str) else ("", "", "")
    if not isinstance(value, str) or not re.fullmatch(REFERENCES.get(kind, "(?!)"), place):
        raise ValueError(f"write where it stands, {WAYS}; a secret itself never stands in the settings")
    if kind in LIBRARIES and importlib.util.find_spec(LIBRARIES[kind]) is None:
        raise ValueError(f"needs a library that is not installed; do: pip install 'h2h[{kind}]'")
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{value!r} is not a time zone; write one such as Europe/Berlin") from None
    return value


def _calendar(value: str) -> str:
    if not looks_like_calendar(value):
        known = ", ".join(sorted(CALENDARS))
        several = "or several as in TARGET+DE-BY"
        raise ValueError(f"{value!r} is not a calendar; write {known}, a country as in DE, DE-BY or CH-ZH, {several}")
    return value


def _template(value: str) -> str:
    if wrong := fault(value):
        raise ValueError(wrong)
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


def _network(value: str) -> str:
    try:
        ip_network(value)
    except ValueError:
        text = f"{value!r} is no address or network; write 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32"
        raise ValueError(text) from None
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where a server of ours listens. `host`: an address."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        return ip_address(self.host).is_loopback

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET


def _listen(value: object) -> Listen:
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        address = ip_address({"localhost": "127.0.0.1"}.get(bare, bare))
        if (address.version == 6) == (bare != host) and port.isdecimal() and 0 < int(port) < 65536:
            return Listen(host=str(address), port=int(port))
    except ValueError:
        pass
    raise ValueError(f"{value!r} is no address with a port; write it as in 127.0.0.1:9464 or [::1]:9464")


def _pattern(value: str) -> str:
    try:
        next(Path().glob(value), None)
    except (ValueError, NotImplementedError):
        text = f"{value!r} is not a pattern of files below the folder of this one, as in banks/*.toml"
        raise ValueError(text) from None
    return value


def _database(value: str) -> str:
    """No word of the value is repeated: a password may stand in it."""
    scheme, separator, _ = value.partition("://")
    if not separator or scheme not in DATABASES:
        raise ValueError("write sqlite:///h2h.db, or postgresql+psycopg://USER@HOST/DATABASE")
    if scheme != "sqlite":
        if importlib.util.find_spec("psycopg") is None:
            raise ValueError("PostgreSQL needs a driver that is not installed; do: pip install 'h2h[cluster]'")
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError

        try:
            make_url(value)
        except (ArgumentError, ValueError):
            raise ValueError(
                "is no address of a database; write postgresql+psycopg://USER@HOST:PORT/DATABASE"
            ) from None
    return value


def _outgoing(value: str, info: ValidationInfo) -> str:
    return _message(value, info, out=True)


def _incoming(value: str, info: ValidationInfo) -> str:
    return _message(value, info, out=False)


def _message(value: str, info: ValidationInfo, *, out: bool) -> str:
    """A message of the catalog that goes this way; without a catalog there is nothing to compare it with."""
    catalog: Catalog | None = (info.context or {}).get("catalog")
    if catalog is not None and (wrong := message_fault(value, catalog, out=out)):
        raise ValueError(wrong)
    return value


def message_fault(name: str, catalog: Catalog, *, out: bool) -> str | None:
    """Why a folder to the bank (`out`), or from it, cannot take this message."""
    known = listed(row for row in catalog.rows if (row.reader in GOES_OUT) == out and row.reader not in STAYS)
    row = catalog.by_name(name)
    if row is None:
        return f"{name!r} is not a message that h2h knows; here it takes {known}"
    if row.reader in STAYS:
        return f"{name} can be validated and inspected, not sent or fetched; here it takes {known}"
    if (row.reader in GOES_OUT) != out:
        way = "comes from the bank; an outbound folder" if out else "goes to the bank; an inbound folder"
        return f"{name} {way} takes {known}"
    return None


def _schemas(value: Path, info: ValidationInfo) -> Path:
    """The messages of this profile may be of these schemas: readiness compares them, which reads the files."""
    if info.context:
        info.context["catalog"] = None
    return value


def _kept_for(value: timedelta) -> timedelta:
    if value.days in KEPT_DAYS:
        return value
    raise ValueError(
        f"write {KEPT_DAYS[0]}d or more, and no more than {KEPT_DAYS[-1]}d: what came lately is needed to know "
        "duplicates, late answers, returns and gaps among statements"
    )


def _status_code(value: str) -> str:
    if value not in KNOWN:
        raise ValueError(f"{value!r} is not a status of ISO 20022; write one of {', '.join(sorted(KNOWN))}")
    return value


Environment = Literal["test", "production"]
Reference = Annotated[str, BeforeValidator(reference)]
Duration = Annotated[timedelta, BeforeValidator(_duration), PlainSerializer(lambda d: f"{d.total_seconds():g}s")]
KeptFor = Annotated[Duration, AfterValidator(_kept_for)]
ClockTime = Annotated[time, BeforeValidator(_clock_time)]
LocalTime = Annotated[datetime, BeforeValidator(_local_time)]
Fingerprint = Annotated[str, AfterValidator(_fingerprint)]
LocalPath = Annotated[Path, BeforeValidator(path_of)]
SchemaFolder = Annotated[LocalPath, AfterValidator(_schemas)]
RemotePath = Annotated[str, AfterValidator(_remote)]
Days = Annotated[frozenset[int], BeforeValidator(parse_days)]
HostKey = Annotated[str, Field(pattern=r"^SHA256:[A-Za-z0-9+/]{43}$")]
OutgoingMessage = Annotated[str, AfterValidator(_outgoing)]
IncomingMessage = Annotated[str, AfterValidator(_incoming)]
Account = Annotated[str, AfterValidator(_account)]
Span = Annotated[tuple[int, int], BeforeValidator(_span)]
Network = Annotated[str, AfterValidator(_network)]
Zone = Annotated[str, AfterValidator(_zone)]
CalendarName = Annotated[str, AfterValidator(_calendar)]
NameTemplate = Annotated[str, AfterValidator(_template)]
Cron = Annotated[str, AfterValidator(_cron)]
StatusCode = Annotated[str, AfterValidator(_status_code)]
FilePattern = Annotated[str, AfterValidator(_pattern)]
ListenAddress = Annotated[Listen, BeforeValidator(_listen), PlainSerializer(str)]
DatabaseUrl = Annotated[str, AfterValidator(_database)]
