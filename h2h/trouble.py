"""What keeps the running gateway from its work, noted for `status`: a file beside the ledger, since it may be the
ledger that cannot be written. Where this file cannot be written either, `status` finds out for itself.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from h2h.clock import Clock

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Who is kept from working, since when, and by what."""

    where: str
    since: datetime
    text: str


class Troubles:
    """Those of the running gateway; each stands until the same place is good again."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._standing: dict[str, Trouble] = {}
        self._noted = True

    def note(self, where: str, text: str | None) -> None:
        with self._lock:
            known = self._standing.get(where)
            if (known.text if known else None) == text and self._noted:
                return
            if text is None:
                self._standing.pop(where, None)
            else:
                since = known.since if known else self._clock.now()
                self._standing[where] = Trouble(where=where, since=since, text=text)
            self._noted = self._write()

    def clear(self) -> None:
        with self._lock:
            self._standing.clear()
            self._noted = self._write()

    def _write(self) -> bool:
        lines = [
            json.dumps({"where": t.where, "since": t.since.astimezone(UTC).isoformat(), "text": t.text})
            for t in self._standing.values()
        ]
        part = self._path.with_name(f".{self._path.name}.tmp")
        try:
            part.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            os.replace(part, self._path)
        except OSError as error:
            log.error("trouble not noted", extra={"event": "trouble_not_noted", "text": str(error)})
            return False
        return True


def noted(path: Path) -> list[Trouble]:
    """What the running gateway noted last; nothing where it noted nothing, or cannot."""
    try:
        return [_trouble(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _trouble(line: str) -> Trouble:
    found = json.loads(line)
    return Trouble(where=found["where"], since=datetime.fromisoformat(found["since"]), text=found["text"])
