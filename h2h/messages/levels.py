"""Where in a file a walk stands: what is open, what it is, and how much of it was read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from lxml import etree

from h2h.messages.elements import Shape
from h2h.messages.nodes import Reader
from h2h.model import Finding, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a message is: how it is read, and its name."""

    shape: Shape
    name: str


class Further(Protocol):
    """Says what a further message is, None where it is not to be read, and what there is to be told of it."""

    def __call__(
        self, *, document: str, message: str, announced: str, path: str, line: int
    ) -> tuple[Kind | None, list[Finding]]: ...


@dataclass(slots=True, kw_only=True)
class Counts:
    """How many groups and items there were until now, over everything that is read as one file."""

    groups: int = 0
    items: int = 0


@dataclass(slots=True, kw_only=True)
class Level:
    """An open element with a head: the message, or one of its groups. `groups` and `items` are those in it."""

    element: etree._Element
    path: str
    read: Reader
    record: Record | None = None
    seen: int = 0  # elements of the head when it was read
    kept_back: list[Record | Finding] | None = None
    groups: int = 0
    items: int = 0

    @property
    def begun(self) -> bool:
        """Whether its first item has begun."""
        return self.record is not None or self.kept_back is not None


@dataclass(slots=True, kw_only=True)
class Document:
    element: etree._Element
    path: str
    announced: str
    messages: int = 0
