"""What somebody has to be told. An alarm stands as long as what it says is so; who is told of it, and how often, is not
its business."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Urgency(StrEnum):
    NOTICE = "notice"  # to be read in the morning
    WARNING = "warning"  # to be looked at today
    URGENT = "urgent"  # now: a cut-off or money hangs on it

    @property
    def rank(self) -> int:
        return list(Urgency).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """`word`: a stable one, for programs. With bank and subject (the id of a file, an account and a day, …) it says
    which alarm this is: the same again is the same alarm. `text`: a sentence for a person, `step`: what to do next.

    `file`: the id of the file that it is about, in whose history it stands, too. `passing`: nobody mends it, it is only
    news for a while, and of its end nobody is told.
    """

    word: str
    text: str
    bank: str = ""
    subject: str = ""
    file: str = ""
    urgency: Urgency = Urgency.URGENT
    step: str = ""
    passing: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        return self.word, self.bank, self.subject
