"""Anchors: the head of the journal, noted at a place that the gateway's own machine cannot take back.

A chain of hashes alone can be cut off at its end or rebuilt as a whole by whoever owns the disk. A file on another
machine (a mounted folder that only appends, say) that holds earlier heads shows both. One JSON object a line.
"""

from __future__ import annotations

import base64
import json
import os
from datetime import UTC, datetime
from pathlib import Path

from h2h.errors import StoreError
from h2h.ledger.journal import Anchor


class AnchorFile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def lacks(self, head: Anchor, *, stamp: bool = False) -> bool:
        """Whether the last head noted is another one; or, where a stamp is wanted, has none."""
        known = self.read()
        same = bool(known) and (known[-1].seq, known[-1].hash) == (head.seq, head.hash)
        return not same or (stamp and known[-1].stamp is None)

    def note(self, head: Anchor) -> bool:
        """Append the head, durably; False where it is the last one noted already."""
        if not self.lacks(head, stamp=head.stamp is not None):
            return False
        noted: dict[str, object] = {"at": head.at.astimezone(UTC).isoformat(), "seq": head.seq, "hash": head.hash}
        if head.stamp is not None:
            noted["stamp"] = base64.b64encode(head.stamp).decode()
        line = json.dumps(noted)
        try:
            with self.path.open("ab") as file:
                file.write(line.encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StoreError(f"The journal's head cannot be noted in {self.path}: {error.strerror}.") from error
        return True

    def read(self) -> list[Anchor]:
        """Every head noted so far, oldest first; empty where there is no file yet."""
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
            return [_anchor(line) for line in lines if line.strip()]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"The anchors in {self.path} cannot be read: {error}.") from error


def _anchor(line: str) -> Anchor:
    found = json.loads(line)
    stamp = base64.b64decode(found["stamp"], validate=True) if "stamp" in found else None
    at = datetime.fromisoformat(found["at"])
    return Anchor(seq=int(found["seq"]), hash=str(found["hash"]), at=at, stamp=stamp)
