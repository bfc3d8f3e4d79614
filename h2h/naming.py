"""Templates of names at a bank: what may stand in them, what they come to, and whether each file gets one of its own.

A number comes from a counter: `{sequence}` runs on, `{sequence_day}` begins again each day of the bank's zone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from string import Formatter
from typing import NamedTuple

SEQUENCE, SEQUENCE_DAY = "sequence", "sequence_day"
NUMBERS = (SEQUENCE, SEQUENCE_DAY)
MARKS = ("test", "production")  # stand for what is written behind them, in a gateway of that environment alone
FIELDS = (
    "bank", "customer", "environment", *MARKS, "message", "msg_id", "id", "name", "date", "execution_date", *NUMBERS,
)  # fmt: skip
OWN = ("id", "msg_id", SEQUENCE)  # of which each file has its own
NUMBER = re.compile(r"(?:0[1-9])?")
DAYS = [datetime(y, m, d, h, 30, tzinfo=UTC) for y in (2026, 2027) for m in (1, 12) for d in (1, 31) for h in (0, 13)]


class Part(NamedTuple):
    """Literal text, then a field with its format; None at the end of a template."""

    literal: str
    field: str | None
    form: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a name is made of, numbers apart; texts hold what may stand in one. `now`: in the bank's zone."""

    bank: str
    customer: str | None
    environment: str
    message: str
    msg_id: str
    id: str
    name: str
    now: datetime
    execution_date: date | None


EXAMPLE = Facts(
    bank="bank",
    customer="CUSTOMER",
    environment="production",
    message="pain.001.001.09",
    msg_id="MSG-1",
    id="T261231-1ABCDEFG",
    name="payments.xml",
    now=datetime(2026, 12, 31, 13, 30, tzinfo=UTC),
    execution_date=date(2026, 12, 31),
)


def parts(template: str) -> Iterator[Part]:
    """ValueError where it is no template."""
    for literal, field, form, conversion in Formatter().parse(template):
        if conversion:
            raise ValueError(f"!{conversion} has no meaning in a name")
        yield Part(literal, field, form or "")


def counters(template: str) -> list[str]:
    """Which numbers stand in it."""
    fields = {part.field for part in parts(template)}
    return [number for number in NUMBERS if number in fields]


def filled(template: str, facts: Facts, numbers: Mapping[str, int]) -> str:
    """The name. ValueError, with a sentence, where there is none for these facts and numbers."""
    return "".join(part.literal + _value(part, facts, numbers) for part in parts(template))


def _value(part: Part, facts: Facts, numbers: Mapping[str, int]) -> str:
    match part.field:
        case None:
            return ""
        case "test" | "production" as mark:
            return part.form if facts.environment == mark else ""
        case "sequence" | "sequence_day" as counter:
            return _number(part, numbers[counter])
    value = facts.now if part.field == "date" else getattr(facts, part.field)
    if value is None:
        raise ValueError(f"the file has no {part.field.replace('_', ' ')}, which stands in its name at the bank")
    return format(value, part.form)


def _number(part: Part, number: int) -> str:
    text = format(number, part.form)
    if part.form and len(text) > int(part.form):
        raise ValueError(f"{number} has more digits than {{{part.field}:{part.form}}} has room for")
    return text


def fault(template: str) -> str | None:
    """Why no name could be made by it."""
    try:
        found = list(parts(template))
    except ValueError as error:
        return f"{template!r} is not a template: {error}"
    for part in found:
        if wrong := _wrong(part):
            return wrong
    try:
        names = [filled(template, replace(EXAMPLE, environment=mark), dict.fromkeys(NUMBERS, 1)) for mark in MARKS]
    except ValueError as error:
        return f"{template!r} is not a template: {error}"
    if any("/" in name for name in (template, *names)):
        return "is a name, not a path; the folder stands in remote"
    if any(name in ("", ".", "..") or not name.isprintable() for name in names):
        return f"{template!r} does not make a name that can be shown"
    if SEQUENCE_DAY in counters(template) and not _tells_days(template):
        return "{sequence_day} begins again each day, so the day has to stand beside it, as in {date:%Y%m%d}"
    return None


def _wrong(part: Part) -> str | None:
    if part.field is None:
        return None
    if part.field not in FIELDS:
        return f"{{{part.field}}} is not known; write {', '.join(f'{{{field}}}' for field in FIELDS)}"
    if "{" in part.form or "}" in part.form:
        return f"{{{part.field}:{part.form}}}: a format holds no braces"
    if part.field in NUMBERS and not NUMBER.fullmatch(part.form):
        way = f"as it is, or with zeros before it as in {{{part.field}:04}}"
        return f"{{{part.field}:{part.form}}}: a number is written {way}"
    if part.field in MARKS and not part.form:
        way = f"{{{part.field}:{part.field[0].upper()}}}"
        return f"{{{part.field}}} says what stands there in a {part.field} gateway, as in {way}"
    return None


def _tells_days(template: str) -> bool:
    """Whether names of two days differ, of whatever hour they are."""
    numbers = dict.fromkeys(NUMBERS, 1)
    made = [(day.date(), filled(template, replace(EXAMPLE, now=day), numbers)) for day in DAYS]
    return all(one != other for first, one in made for second, other in made if first != second)


def of_its_own(template: str) -> bool:
    """Whether no two files get the same name by it."""
    whole = {part.field for part in parts(template) if not part.form or part.field in NUMBERS}
    return bool(whole & {*OWN, SEQUENCE_DAY})  # of one that begins again each day, the day stands beside it
