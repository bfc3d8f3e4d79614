"""The file of local closings: what a bank, or a branch of it, adds to its calendar. Several banks may name the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationInfo

from h2h.calendars import Closings
from h2h.config.section import Contradiction, Section
from h2h.config.toml_file import about, read_toml
from h2h.config.values import ClockTime, path_of
from h2h.errors import Problem

MOST_IN_A_ROW = 20  # days; a calendar that closes for longer is a mistake
WEEKEND = timedelta(days=3)  # from Friday to Monday


def _day(value: object) -> date:
    if type(value) is date:
        return value
    try:
        return date.fromisoformat(value if isinstance(value, str) else "")  # the name of a key is a text
    except ValueError:
        raise ValueError(f"{str(value)!r} is not a day; write it as in 2026-12-24") from None


Day = Annotated[date, BeforeValidator(_day)]


class _File(Section):
    until: Day
    closed: list[Day] = Field(default=[])
    open: list[Day] = Field(default=[])
    early: dict[Day, ClockTime] = Field(default={})

    def contradictions(self) -> Iterator[Contradiction]:
        for number, day in enumerate(self.closed):
            if day in self.open or day in self.early:
                text = f"{day} is closed, and open or closed early, too; let it stand once"
                yield Contradiction(text=text, keys=(("closed", number),))
        if late := [day for day in (*self.closed, *self.open, *self.early) if day > self.until]:
            text = f"{max(late)} comes after it; days are known until then, so let it be the later one"
            yield Contradiction(text=text, keys=(("until",),))
        if len(self._longest()) > MOST_IN_A_ROW:
            first, *_, last = self._longest()
            text = f"closes each day from {first} to {last}; more than {MOST_IN_A_ROW} in a row are taken for a mistake"
            yield Contradiction(text=text, keys=(("closed",),))

    def _longest(self) -> list[date]:
        """Of the closed days those that come one after the other, weekends left out."""
        rows: list[list[date]] = [[]]
        for day in sorted({*self.closed}):
            if rows[-1] and day - rows[-1][-1] > WEEKEND:
                rows.append([])
            rows[-1].append(day)
        return max(rows, key=len)


def _closings(value: object, info: ValidationInfo) -> Closings:
    """What the file says that is named; ValueError with all that is wrong in it, by its lines."""
    file = path_of(value, info)
    read = read_toml(file, _File, stand_ins={}, context={})
    said = read.value
    problems = [*read.problems]
    if said:
        problems += [p for each in said.contradictions() for p in about(each.text, read.source.at(*each.keys[0]))]
    if problems or not said:
        raise ValueError("; ".join(map(_told, problems)))
    return Closings(closed=frozenset(said.closed), open=frozenset(said.open), early=said.early, until=said.until)


def _told(problem: Problem) -> str:
    place = f"{problem.file}:{problem.line}" if problem.line else problem.file
    key = problem.key.removesuffix(".[key]")  # of pydantic, for the name of a key
    return f"{place}: {key}: {problem.text}" if key else f"{place} {problem.text}"


LocalClosings = Annotated[Closings, BeforeValidator(_closings)]
