"""A section of the settings: what may stand in it, and how its keys go together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from h2h.config.toml_file import KeyPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Values that are right by themselves and not together; told at the first of the keys, which are the section's."""

    text: str
    keys: tuple[KeyPath, ...]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def contradictions(self) -> Iterator[Contradiction]:
        """All of them. Not asked as a validator, which a wrong value elsewhere in the section would keep silent."""
        yield from ()
