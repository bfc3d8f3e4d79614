"""What a case came to, and by what evidence; and the report over all of them. Data alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Outcome(StrEnum):
    PASSED = "PASSED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    NEEDS_PERSON = "NEEDS PERSON"


class Sort(StrEnum):
    """Of evidence: what our side did, what the server or the bank said, and files by their hash."""

    FACT = "fact"
    SERVER = "server"
    SENT = "sent"
    EVENT = "event"
    ANSWER = "answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`name`, `sha256` and `size` (bytes) are those of a file."""

    sort: Sort
    text: str
    at: datetime | None = None
    name: str | None = None
    sha256: str | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """`text`: why, in a sentence; for NEEDS PERSON, what somebody has to do."""

    case: str
    title: str
    proves: str
    outcome: Outcome
    text: str
    started: datetime
    ended: datetime
    evidence: Sequence[Evidence]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where the files went. `facts`: what it said of itself, by name."""

    address: str
    user: str | None
    pinned: Sequence[str]
    facts: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The profile that was certified, as its file stood then."""

    file: str
    sha256: str
    version: str | None
    owner: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`ended_early`: somebody interrupted it. `sandbox`: the server was a bank in a box that it started."""

    bank: str
    environment: str
    gateway: str
    by: str
    profile: Profile
    server: Server
    inputs: str | None
    timezone: str
    started: datetime
    ended: datetime
    ended_early: bool
    sandbox: bool
    results: Sequence[Result]

    def count(self, outcome: Outcome) -> int:
        return sum(result.outcome is outcome for result in self.results)

    @property
    def good(self) -> bool:
        """Nothing failed, something was tried, and nobody broke it off."""
        return not self.count(Outcome.FAILED) and self.count(Outcome.PASSED) > 0 and not self.ended_early
