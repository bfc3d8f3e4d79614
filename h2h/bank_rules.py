"""A bank's own rules as rows: what may stand at a place of a message, in how many, and in the bank's words.

A place is a path of ISO names, as in CdtTrfTxInf/RmtInf/Ustrd, and may end with an attribute, as in
CdtTrfTxInf/Amt/InstdAmt/@Ccy. Its first element is the owner: a rule is asked of each of those, wherever in the message
they stand, and of all below them at the rest of the path. A path of one name is asked of the message as a whole.

Values are compared without the blanks around them; an empty element is not there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from h2h.model import Severity
from h2h.text import shown

CODES = {
    "BANK_RULE": "a rule of the bank's profile is broken",
    "CHARACTER_NOT_TAKEN": "a character that the bank does not take, or slashes in an id where none may be",
    "TOO_MANY_PAYMENTS": "a file holds more payments than the bank takes",
    "TOO_MANY_BATCHES": "a file holds more batches than the bank takes",
}
RULES = ("required", "forbidden", "max_length", "pattern", "one_of", "max_count", "max_amount", "charset")
OF_OWNERS = ("required", "max_count")  # of how many there are in each owner; the others are of each value
CHARSETS = {  # what may stand in a value, as the inside of a class of regular expressions
    "sepa": r"A-Za-z0-9/\-?:().,'+ ",
    "ascii": r"\x20-\x7e",
    "latin1": r"\x20-\x7e\xa0-\xff",
    "digits": r"0-9",
}
IDS = frozenset({"MsgId", "PmtInfId", "InstrId", "EndToEndId", "TxId", "ClrSysRef", "MndtId", "CdtrRefInf", "Ref"})
NUMBERED = ("PmtInf", "CdtTrfTxInf", "DrctDbtTxInf")  # elements that stand in great numbers
ITEMS = NUMBERED[1:]
STEP = re.compile(r"[A-Z][A-Za-z0-9]*")
MAX_PATTERN = 300  # characters
MAX_VALUE = 10_000  # characters to which a pattern is put; no value of a message is as long


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """The rule is asked of owners alone in which one of these values stands at this place; of payments also where it
    stands so in their batch."""

    at: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BankRule:
    """`values`: of one_of; the pattern; the name of a charset. `most`: of the rules that begin with max_, as text."""

    at: str
    rule: str
    values: tuple[str, ...] = ()
    most: str | None = None
    when: When | None = None
    text: str | None = None
    severity: Severity = Severity.ERROR


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """All that is asked of the values of a file. `characters`: a charset for every value, in which, where it is sepa,
    ids neither begin nor end with a slash, nor have two of them together."""

    rules: tuple[BankRule, ...] = ()
    characters: str | None = None

    def __bool__(self) -> bool:
        return bool(self.rules or self.characters)


NOTHING = Asking()


@dataclass(frozen=True, slots=True)
class Place:
    """`owner`: None for the message as a whole. `below`: the names from there, the owner's left out."""

    owner: str | None
    below: tuple[str, ...]
    attribute: str | None

    @property
    def element(self) -> str:
        """The name of the element whose value it is."""
        return self.below[-1] if self.below else self.owner or ""


@lru_cache(maxsize=1_000)
def place_of(path: str) -> Place:
    """ValueError, with a sentence, where it is none."""
    *steps, last = path.split("/")
    attribute = last[1:] if last.startswith("@") else None
    steps = steps if attribute else [*steps, last]
    if not steps or not all(STEP.fullmatch(step) for step in (*steps, attribute or "X")):
        raise ValueError(f"{path!r} is no place; write ISO names, as in CdtTrfTxInf/RmtInf/Ustrd or Amt/InstdAmt/@Ccy")
    return Place(None, (steps[0],), attribute) if len(steps) == 1 else Place(steps[0], tuple(steps[1:]), attribute)


def fault(rule: BankRule) -> str | None:
    """Why the row could not be asked."""
    try:
        place = place_of(rule.at)
        around = {place.owner, "PmtInf"} if place.owner in ITEMS else {place.owner}
        if rule.when and place_of(rule.when.at).owner not in around:
            names = " or ".join(sorted(name or "a single name" for name in around))
            return f"{rule.when.at} is not known where {rule.at} is asked; it has to begin with {names}"
        if rule.rule == "pattern":
            _pattern(rule.values[0])
        if rule.rule == "charset" and rule.values[0] not in CHARSETS:
            return f"{rule.values[0]!r} is no character set; write {', '.join(CHARSETS)}"
    except ValueError as error:
        return str(error)
    except re.error as error:
        return f"{rule.values[0]!r} is no pattern of Python's re: {error}"
    return None


@lru_cache(maxsize=1_000)
def _pattern(pattern: str) -> re.Pattern[str]:
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"a pattern of more than {MAX_PATTERN} characters")
    return re.compile(pattern)


def broken(rule: BankRule, value: str) -> str | None:
    """What a single value breaks, as the rest of a sentence; None where it keeps the rule. "": of an element that holds
    others."""
    if not value and rule.rule != "forbidden":
        return None
    match rule.rule:
        case "forbidden":
            return "may not stand there"
        case "max_length" if len(value) > int(rule.most or 0):
            return f"has {len(value)} characters, and {rule.most} are allowed"
        case "pattern" if len(value) > MAX_VALUE or not _pattern(rule.values[0]).fullmatch(value):
            return f"does not have the form {shown(rule.values[0])}"
        case "one_of" if value not in rule.values:
            return f"is none of {', '.join(rule.values)}"
        case "max_amount":
            return _amount_over(value, Decimal(rule.most or 0))
        case "charset":
            return strange(value, rule.values[0])
    return None


def _amount_over(value: str, most: Decimal) -> str | None:
    try:
        return f"is more than {most}" if Decimal(value) > most else None
    except InvalidOperation:
        return "is no amount"


def strange(value: str, charset: str) -> str | None:
    """The first character that is not of this set."""
    found = _outside(charset).search(value)
    return (
        f"holds {shown(found[0])} (U+{ord(found[0]):04X}), which is not of the character set {charset}"
        if found
        else None
    )


@lru_cache(maxsize=10)
def _outside(charset: str) -> re.Pattern[str]:
    return re.compile(f"[^{CHARSETS[charset]}]")


def slashes(value: str) -> str | None:
    """What an id may not have by the rules of SEPA."""
    if value.startswith("/") or value.endswith("/"):
        return "begins or ends with a slash"
    return "has two slashes together" if "//" in value else None


def too_many(rule: BankRule, count: int) -> str | None:
    """What an owner breaks in which so many stand at the place."""
    if rule.rule == "required" and not count:
        return "is missing"
    if rule.rule == "max_count" and count > int(rule.most or 0):
        return f"stands there {count} times, and {rule.most} are allowed"
    return None


def sentence(rule: BankRule, what: str, value: str | None = None) -> str:
    """The bank's words first, where there are some."""
    said = f"{rule.at} {what}" if value is None else f"{rule.at} is {shown(value)}, which {what}"
    return f"{rule.text.rstrip('.')}: {said}." if rule.text else f"The bank's rule on {said}."


def elements(asking: Sequence[BankRule]) -> set[str]:
    """The names of elements that have to be looked at."""
    places = [place_of(at) for rule in asking for at in (rule.at, *([rule.when.at] if rule.when else []))]
    return {place.element for place in places} | {place.owner for place in places if place.owner}
