"""Letters on their way: all at once, by a process of its own, in bounded time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from h2h.alerting.letters import Letter
from h2h.credentials import Credentials
from h2h.errors import ChannelError
from h2h.secrecy import handed_on

SECONDS = 40.0  # for all letters of a round: connecting to a mail server alone may take 15
GLANCE_SECONDS = 0.2  # how soon it is noticed that the gateway stops
PROGRAM = ("-P", "-m", "h2h.alerting.postman")


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """`stopping`: whether to leave off. Whoever has not answered by then counts as not told."""

    credentials: Credentials
    seconds: float = SECONDS
    stopping: Callable[[], bool] = _never

    def deliver(self, letters: Mapping[str, tuple[str, Letter]]) -> dict[str, str | None]:
        """By name: the reference to an address, and what goes there. Why it was not taken, or None where it was."""
        said = {name: _as_said(letter) for name, (_, letter) in letters.items()}
        return self._asked({name: reference for name, (reference, _) in letters.items()}, said, send=True)

    def faults(self, references: Mapping[str, str]) -> dict[str, str]:
        """What is wrong with these addresses, by name; nobody is asked but the library."""
        nothing: dict[str, str | None] = {"subject": "", "body": "", "urgency": None}
        found = self._asked(references, dict.fromkeys(references, nothing), send=False)
        return {name: fault for name, fault in found.items() if fault}

    def _asked(
        self, references: Mapping[str, str], said: Mapping[str, dict[str, str | None]], *, send: bool
    ) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        parcels: list[dict[str, Any]] = []
        for name, reference in references.items():
            try:
                parcels.append({"name": name, "address": self.credentials.secret(reference), **said[name]})
            except ChannelError as error:
                found[name] = str(error).rstrip(".")
        if parcels:
            found |= self._by_process(parcels, send=send)
        return found

    def _by_process(self, parcels: list[dict[str, Any]], *, send: bool) -> dict[str, str | None]:
        work = json.dumps({"send": send, "seconds": self.seconds, "parcels": parcels})
        try:
            answers, why = self._run(work)
        except OSError as error:
            answers, why = "", f"the process that tells cannot be started: {error.strerror}"
        found = {str(answer["name"]): answer["fault"] for answer in map(json.loads, _whole_lines(answers))}
        return {parcel["name"]: found.get(parcel["name"], why) for parcel in parcels}

    def _run(self, work: str) -> tuple[str, str]:
        """What it answered, and what is to be said of those of whom it said nothing."""
        environ = {**handed_on(os.environ), "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONUTF8": "1"}
        process = subprocess.Popen(  # noqa: S603  # the interpreter, with arguments of our own
            [sys.executable, *PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=environ,
            text=True,
            start_new_session=True,
        )
        with process:
            end = time.monotonic() + self.seconds
            given: str | None = work
            while True:
                try:
                    answers, _ = process.communicate(given, timeout=GLANCE_SECONDS)
                    return answers, f"the process that tells ended with status {process.returncode}"
                except subprocess.TimeoutExpired:
                    given = None
                if self.stopping() or time.monotonic() > end:
                    process.kill()
                    answers, _ = process.communicate()
                    return answers, f"it gave no answer within {self.seconds:g} s"


def _as_said(letter: Letter) -> dict[str, str | None]:
    return {"subject": letter.subject, "body": letter.body, "urgency": letter.urgency}


def _whole_lines(text: str) -> list[str]:
    """What a process that was ended had said to the end."""
    return [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
