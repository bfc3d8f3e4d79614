"""How a sandbox bank behaves: a frozen record, read from a small TOML file. `config/sandbox.toml` explains every key.

All mistakes of a file are reported at once, each with its line.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, with_config

from h2h.errors import Problem, SettingsError

NEVER: Literal["never"] = "never"
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)] | Literal["never"]
Marker = Annotated[str, StringConstraints(pattern=r"^\.[A-Za-z0-9._-]+$")]
ReasonCode = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{4}$")]
CurrencyCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
StatusCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,4}$")]
Word = Annotated[str, StringConstraints(pattern=r"^\S(.{0,33}\S)?$")]
Days = Annotated[int, Field(ge=0, le=366)]
PaperKind = Literal["pain002", "camt052", "camt053", "camt054"]
OutFolder = Annotated[str, StringConstraints(pattern=r"^/[a-z0-9_-]+(/[a-z0-9_-]+)?$")]
NamePattern = re.Pattern[str]
LaterDays = Annotated[int, Field(ge=1, le=366)]
Money = Annotated[Decimal, Field(allow_inf_nan=False, max_digits=18, decimal_places=5)]
_STRICT = ConfigDict(extra="forbid")


class Take(StrEnum):
    AT_ONCE = "at_once"
    AFTER = "after"
    KEEP = "keep"


class Then(StrEnum):
    ACCEPT = "accept"
    REJECT = "reject"
    PENDING = "pending"
    RETURN = "return"  # accepted and booked, and some statements later the money comes back


class Repeat(StrEnum):
    """How a report comes once more: its file under another name, or with a message id and time of its own, too."""

    NEVER = "never"
    FILE = "file"
    MESSAGE = "message"


class Booking(StrEnum):
    AS_ORDERED = "as_ordered"  # BtchBookg
    BATCH = "batch"
    SINGLE = "single"


class Generation(StrEnum):
    """The set of message versions: pain.002.001.03 with camt.053.001.02, or pain.002.001.10 with camt.053.001.08."""

    Y2009 = "2009"
    Y2019 = "2019"


@with_config(_STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """Conditions on a payment; all that are given must hold. Texts are shell patterns, case matters."""

    amount_above: Money | None = None
    creditor_name: str | None = None
    creditor_iban: str | None = None
    end_to_end_id: str | None = None
    currency: CurrencyCode | None = None

    def holds(self, *, amount: Decimal, currency: str, name: str, account: str, end_to_end_id: str) -> bool:
        texts = ((self.creditor_name, name), (self.creditor_iban, account), (self.end_to_end_id, end_to_end_id))
        return (
            (self.amount_above is None or amount > self.amount_above)
            and (self.currency is None or currency == self.currency)
            and all(pattern is None or fnmatchcase(value, pattern) for pattern, value in texts)
        )


@with_config(_STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`days`: after how many statements what is returned comes back. `proprietary` stands in for an ISO reason."""

    then: Then
    when: When = When()
    reason: ReasonCode | None = None
    proprietary: Word | None = None
    text: str | None = None
    days: LaterDays | None = None


@with_config(_STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class Statuses:
    """The bank's own words in a pain.002 of 2019; in that of 2009 the schema allows those of ISO alone."""

    accept: StatusCode | None = None
    reject: StatusCode | None = None
    pending: StatusCode | None = None

    def word(self, then: Then, generation: Generation) -> str:
        own = {Then.REJECT: self.reject, Then.PENDING: self.pending}.get(then, self.accept)
        if own is not None and generation is Generation.Y2019:
            return own
        accepted = {Generation.Y2009: "ACCP", Generation.Y2019: "ACSP"}[generation]
        return {Then.REJECT: "RJCT", Then.PENDING: "PDNG"}.get(then, accepted)


@with_config(_STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class Pgp:
    """Files go both ways in this form. `client_keys`: files of public keys; signed by any, encrypted to the last."""

    client_keys: Annotated[tuple[str, ...], Field(min_length=1)]
    form: Literal["sign", "encrypt", "sign+encrypt"] = "sign+encrypt"
    armour: bool = False


@with_config(_STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Without any key: everything is taken at once and accepted, and the day ends when somebody asks for it."""

    take: Take = Take.AT_ONCE
    after_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0
    marker: Marker | None = None
    received_seconds: Seconds = 0
    answer_seconds: Seconds = 0
    statement_seconds: Seconds = NEVER
    generation: Generation | None = None  # None: that of the question
    seed: int = 1
    opening_balance: Money = Decimal("100000.00")
    credits_per_day: Annotated[int, Field(ge=0, le=100)] = 2
    charge: Annotated[Money, Field(ge=0)] = Decimal("4.50")
    exchange_rate: Annotated[Money, Field(gt=0)] = Decimal("0.90")
    payment_charge: Annotated[Money, Field(ge=0)] = Decimal(0)
    charge_included: bool = False
    answer_days: Days = 0
    received_last: bool = False
    repeat_answers: Repeat = Repeat.NEVER
    statuses: Statuses = Statuses()
    batch_booking: Booking = Booking.AS_ORDERED
    batch_details: bool = True
    intraday: bool = False
    notifications: bool = False
    entries_per_page: Annotated[int, Field(ge=0)] = 0  # 0: as many as there are
    hold_statements: tuple[Annotated[int, Field(ge=1)], ...] = ()
    hold_days: LaterDays = 1
    pgp: Pgp | None = None
    renames: bool = True
    shows_inbox: bool = True
    names: NamePattern | None = None
    papers: dict[PaperKind, OutFolder] = field(default_factory=dict)
    rule: tuple[Rule, ...] = field(default=())


_SCENARIO = TypeAdapter(Scenario)


def load_scenario(path: Path) -> Scenario:
    """Raises SettingsError with every problem of the file. Files that it names are relative to it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([Problem(file=str(path), line=None, key="", text=f"cannot be read: {error}")]) from error
    scenario = parse_scenario(text, file=str(path))
    if scenario.pgp is None:
        return scenario
    keys = tuple(str(path.absolute().parent / key) for key in scenario.pgp.client_keys)
    return replace(scenario, pgp=replace(scenario.pgp, client_keys=keys))


def parse_scenario(text: str, *, file: str = "scenario") -> Scenario:
    try:
        data = tomllib.loads(text)
        scenario = _SCENARIO.validate_python(data)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([Problem(file=file, line=None, key="", text=f"is not TOML: {error}")]) from error
    except ValidationError as error:
        texts: dict[tuple[str, ...], list[str]] = {}
        for e in error.errors():
            texts.setdefault(_place(e["loc"], data), []).append(_explain(e["type"], e["msg"]))
        raise _settings_error(text, file, [(path, "; or ".join(each)) for path, each in texts.items()]) from error
    if found := _contradictions(scenario):
        raise _settings_error(text, file, found)
    return scenario


def _contradictions(scenario: Scenario) -> list[tuple[tuple[str, ...], str]]:
    found: list[tuple[tuple[str, ...], str]] = []
    if scenario.after_seconds and scenario.take is not Take.AFTER:
        found.append((("after_seconds",), 'has a meaning only with take = "after"'))
    if scenario.charge_included and not scenario.payment_charge:
        found.append((("charge_included",), "has a meaning only with a payment_charge"))
    if scenario.received_last and NEVER in (scenario.received_seconds, scenario.answer_seconds):
        found.append((("received_last",), "needs both, the word that a file is there and the final one"))
    if scenario.statuses != Statuses() and scenario.generation is Generation.Y2009:
        found.append((("statuses",), "stand only in answers of 2019; the schema of 2009 has those of ISO alone"))
    return found + [
        (("rule", str(n), key), text) for n, rule in enumerate(scenario.rule) for key, text in _of_rule(rule)
    ]


def _of_rule(rule: Rule) -> Iterator[tuple[str, str]]:
    if rule.then is Then.ACCEPT and (rule.reason or rule.proprietary or rule.text):
        yield "then", '"accept" takes neither reason nor text'
    if rule.days is not None and rule.then is not Then.RETURN:
        yield "days", 'has a meaning only with then = "return"'
    if rule.reason and rule.proprietary:
        yield "proprietary", "stands in for a reason; leave one of the two out"


def _settings_error(text: str, file: str, found: list[tuple[tuple[str, ...], str]]) -> SettingsError:
    return SettingsError(
        [Problem(file=file, line=_line_of(text, path), key=".".join(path), text=message) for path, message in found]
    )


def _place(location: tuple[int | str, ...], data: object) -> tuple[str, ...]:
    """The path as it stands in the file; at its end pydantic names the branch of a union, which is no key."""
    path: list[str] = []
    for part in location:
        if not isinstance(data, dict | list):
            break
        path.append(str(part))
        data = data.get(part) if isinstance(data, dict) else data[int(part)]
    return tuple(path)


def _explain(kind: str, message: str) -> str:
    match kind:
        case "unexpected_keyword_argument" | "extra_forbidden":
            return "is not a known key; see config/sandbox.toml for all of them"
        case "missing" | "missing_keyword_only_argument":
            return "is missing"
        case _:
            return message[:1].lower() + message[1:]


def _line_of(text: str, path: tuple[str, ...]) -> int | None:
    """The line of the last key of the path, or its [table], from the header of its [[rule]] on; else that header's."""
    lines = text.splitlines()
    headers = [n for n, line in enumerate(lines) if re.match(r"\s*\[\[\s*rule\s*\]\]", line)]
    start = headers[int(path[1])] if path[0] == "rule" and len(path) > 1 and int(path[1]) < len(headers) else 0
    end = next((n for n in headers if n > start), len(lines))
    name = re.escape([part for part in path if not part.isdigit()][-1])
    key = re.compile(rf"[^#]*?(^|[\s{{,.]){name}\s*=|\s*\[\s*{name}\s*\]")
    line = next((n for n in range(start, end) if key.match(lines[n])), start if path[0] == "rule" else None)
    return None if line is None else line + 1
