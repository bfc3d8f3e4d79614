"""Keys of PGP: ours and the bank's, each a row that counts for a time, so that one takes the place of another."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Literal, TypeVar

from pydantic import Field

from h2h.config.section import Contradiction, Section
from h2h.config.values import Fingerprint, LocalPath, LocalTime, Reference
from h2h.schedule import instant

PgpForm = Literal["sign", "encrypt", "sign+encrypt"]
LONG_AGO = datetime.min.replace(tzinfo=UTC)
END = datetime.max.replace(tzinfo=UTC)


def signs(form: PgpForm | None) -> bool:
    return form is not None and "sign" in form


def encrypts(form: PgpForm | None) -> bool:
    return form is not None and "encrypt" in form


class KeyRow(Section):
    """`from_` and `until` are times of the bank's zone; the first instant that counts, and the first that does not."""

    file: LocalPath
    from_: LocalTime | None = Field(default=None, alias="from")
    until: LocalTime | None = None

    def contradictions(self) -> Iterator[Contradiction]:
        if self.from_ and self.until and self.until <= self.from_:
            text = "ends before it begins, so that the key never counts"
            yield Contradiction(text=text, keys=(("until",), ("from",)))

    def begins(self, timezone: str) -> datetime:
        return instant(self.from_.date(), self.from_.time(), timezone) if self.from_ else LONG_AGO

    def ends(self, timezone: str) -> datetime:
        return instant(self.until.date(), self.until.time(), timezone) if self.until else END

    def counts(self, now: datetime, timezone: str) -> bool:
        return self.begins(timezone) <= now < self.ends(timezone)


class OurKeyRow(KeyRow):
    passphrase: Reference | None = None


class TheirKeyRow(KeyRow):
    fingerprint: Fingerprint


class PgpSettings(Section):
    our_keys: list[OurKeyRow] = Field(default=[])
    their_keys: list[TheirKeyRow] = Field(default=[])

    def contradictions(self) -> Iterator[Contradiction]:
        yield from _never_newest("our_keys", self.our_keys)
        yield from _never_newest("their_keys", self.their_keys)


Row = TypeVar("Row", bound=KeyRow)


def newest(rows: Sequence[Row], now: datetime, timezone: str) -> Row | None:
    """The row that began last of those that count: by its key we sign, or to it we encrypt."""
    counting = [row for row in rows if row.counts(now, timezone)]
    return max(counting, key=lambda row: row.begins(timezone), default=None)


def _never_newest(key: str, rows: Sequence[KeyRow]) -> Iterator[Contradiction]:
    for (first, one), (second, other) in itertools.combinations(enumerate(rows), 2):
        if one.from_ == other.from_:
            text = "begins when another key does, so that it never takes its place: say from when on it counts"
            yield Contradiction(text=text, keys=((key, second), (key, first)))
