"""That the schema refuses a file, before it is said why."""

from __future__ import annotations

from dataclasses import dataclass

from h2h.model import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The schema refuses the file: by `faults` faults of which `words` tell the first; why is still to be explained.

    `namespace`: that of the schema. `told`: paths of values that have a finding already. `part`: which of the parts of
    a packed file is meant, from 1, and its name.
    """

    namespace: str
    strict: bool
    words: str
    faults: int
    told: tuple[str, ...]
    part: int = 1
    name: str = ""

    @property
    def severity(self) -> Severity:
        return severity_of(self.strict)


def severity_of(strict: bool) -> Severity:
    """Of what is unclean, and can be read."""
    return Severity.ERROR if strict else Severity.WARNING
