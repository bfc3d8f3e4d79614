"""Whether all is ready to move files: the settings are good, and the machine has what they need.

Everything that is wrong is told in one run: mistakes in the files, values that are not filled in yet, keys that do not
open, folders that are missing or in each other's way. What moves files asks here first; `h2h check` is no stricter.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from h2h.clashes import clashes
from h2h.config import Reading, Settings, read
from h2h.config.toml_file import about
from h2h.credentials import Credentials
from h2h.environments import crossings
from h2h.errors import Problem
from h2h.readiness import machine, placeholders, profiles, secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """`problems` forbid to move files; `warnings` are told."""

    reading: Reading
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]

    def settings(self) -> Settings:
        """Raises SettingsError with every problem, those of the files included."""
        return self.reading.settings(*self.problems)


def look(file: Path, environ: Mapping[str, str] = os.environ) -> Readiness:
    """Everything about the settings in `file` and this machine."""
    reading = read(file)
    credentials = Credentials(environ, reading.vault)
    of_pgp = list(secrets.pgp_faults(reading, credentials, environ))
    return Readiness(
        reading=reading,
        problems=(*_problems(reading, credentials), *(problem for problem, ends in of_pgp if not ends)),
        warnings=(*_warnings(reading, credentials), *(problem for problem, ends in of_pgp if ends)),
    )


def _problems(reading: Reading, credentials: Credentials) -> Iterator[Problem]:
    if reading.source.lines and not reading.bank_files:
        yield from about("no bank file is there; h2h init makes one", reading.source.at("gateway", "banks"))
    yield from machine.problems(reading)
    yield from placeholders.problems(reading)
    yield from profiles.problems(reading, credentials)
    yield from secrets.problems(reading, credentials)
    yield from clashes(reading)
    yield from crossings(reading)


def _warnings(reading: Reading, credentials: Credentials) -> Iterator[Problem]:
    yield from machine.warnings(reading)
    yield from profiles.warnings(reading)
    yield from secrets.not_tried(reading, credentials)
