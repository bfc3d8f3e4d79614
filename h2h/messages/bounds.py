"""How much may be said about one file: so many findings, of so many characters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from h2h.model import Finding, Severity

T = TypeVar("T")

MAX_FINDINGS = 1_000
MAX_CHARACTERS = 1_000  # of what the schema says; names and namespaces from outside stand in it
PACKED = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b")  # how files begin that are unpacked: zip, gzip
MAX_UNPACKED = 1_000_000_000  # bytes, in all
MAX_RATIO = 500  # statements are packed to a twentieth, the most repetitive ones to a 250th; a bomb to a 1,000th


def bounded(items: Iterable[T | Finding]) -> Iterator[T | Finding]:
    """What was read, up to the finding that is one too many: it says so, and it is the last."""
    count = 0
    for item in items:
        if isinstance(item, Finding):
            count += 1
            if count > MAX_FINDINGS:
                text = f"There are more than {MAX_FINDINGS} findings; what is listed is enough to begin with."
                yield Finding(code="FINDINGS_CUT", severity=Severity.ERROR, text=text)
                return
        yield item


def clipped(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…"
