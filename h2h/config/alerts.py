"""Who is told of alarms: the recipients in the main file, each with a reference to its address."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from h2h.alarms import Urgency
from h2h.config.section import Contradiction, Section
from h2h.config.values import Duration, Reference

GATHER = timedelta(minutes=1)  # what is not urgent waits so long for more
SHORTEST_REPEAT = timedelta(minutes=1)
OF_THE_OTHER = ("banks", "least", "repeat")  # a fall-back is told what the one that fails should have been told


class Recipient(Section):
    """`to` refers to the address, which may hold a password. Without `banks`: of all, and what is of none."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    to: Reference
    banks: Annotated[list[str], Field(min_length=1)] | None = None
    least: Literal["notice", "warning", "urgent"] = "warning"
    repeat: Duration = timedelta(hours=1)
    instead_of: str | None = None

    def contradictions(self) -> Iterator[Contradiction]:
        if timedelta(0) < self.repeat < SHORTEST_REPEAT:
            yield Contradiction(text="repeat has to be 1m or more, or 0s for never", keys=(("repeat",),))
        if self.instead_of is not None and (given := [key for key in OF_THE_OTHER if key in self.model_fields_set]):
            text = f"goes by {self.instead_of} here, as a fall-back is told what that one should have been told"
            yield Contradiction(text=text, keys=((given[0],), ("instead_of",)))

    def hears(self, bank: str, urgency: Urgency) -> bool:
        """Whether it is told of alarms of this bank (empty: of none)."""
        return (self.banks is None or bank in self.banks) and urgency.rank >= Urgency(self.least).rank


def contradicting(recipients: Sequence[Recipient]) -> Iterator[Contradiction]:
    """Between them: a name twice, a fall-back of nobody, or of itself by however many others."""
    for (first, one), (second, other) in itertools.combinations(enumerate(recipients), 2):
        if one.name == other.name:
            text = "is the name of another one, too; it must be unique"
            yield Contradiction(text=text, keys=(("alerts", second, "name"), ("alerts", first, "name")))
    known = {recipient.name: recipient for recipient in recipients}
    names = [("alerts", number, "name") for number in range(len(recipients))]
    for number, recipient in enumerate(recipients):
        if recipient.instead_of is None:
            continue
        key = ("alerts", number, "instead_of")
        if recipient.instead_of not in known:
            others = ", ".join(name for name in known if name != recipient.name) or "nobody else"
            text = f"names nobody: there is no {recipient.instead_of!r} among the alerts; there is {others}"
            yield Contradiction(text=text, keys=(key, *names))
        elif _stands_in_for_itself(recipient, known):
            yield Contradiction(text="leads back to itself; one of them has to be told first", keys=(key,))


def _stands_in_for_itself(recipient: Recipient, known: Mapping[str, Recipient]) -> bool:
    at: Recipient | None = recipient
    for _ in known:
        at = known.get(at.instead_of) if at and at.instead_of else None
        if at is recipient:
            return True
    return False
