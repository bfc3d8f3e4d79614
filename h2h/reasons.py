"""Reason codes of status reports and returns, in our own words; and a reason as one line for people.

The words stand in reasons.toml, which is read when the first code is asked for. An unknown code has no words: it is
shown as it came, with whatever the bank wrote beside it.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from importlib.resources import files


class Of(StrEnum):
    """What the reason is given for; one code may mean another thing in another list."""

    STATUS = "status"
    RETURN = "return"
    REVERSAL = "reversal"


def means(code: str | None, of: Of = Of.STATUS) -> str | None:
    return lines(of).get(code) if code else None


@functools.cache
def lines(of: Of) -> Mapping[str, str]:
    """All codes of a list, each with its words."""
    read = _read()
    return {**read[Of.STATUS], **read[of]}


@functools.cache
def _read() -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads((files("h2h") / "reasons.toml").read_text(encoding="utf-8"))


def explained(reasons: Iterable[Mapping[str, str]] | None, of: Of = Of.STATUS) -> list[dict[str, str]]:
    """Reasons as they are kept, each with what its code means."""
    return [
        {**reason, "means": words} if (words := means(reason.get("code"), of)) else dict(reason)
        for reason in reasons or ()
    ]


def in_words(reasons: Iterable[Mapping[str, str]] | None, of: Of = Of.STATUS) -> str:
    """Reasons in a line, as in: AC04 the account is closed: "Konto ist geschlossen"."""
    return "; ".join(filter(None, (_said(reason, of) for reason in reasons or ())))


def _said(reason: Mapping[str, str], of: Of) -> str:
    code = reason.get("code")
    head = " ".join(filter(None, (code, means(code, of), reason.get("proprietary"))))
    words = f'"{reason["text"]}"' if reason.get("text") else ""
    return ": ".join(filter(None, (head, words)))
