"""Text from outside made safe: for a person to read, or to stand in a file name."""

from __future__ import annotations

import os


def printable(name: str) -> str:
    """A name as text that is safe in a log, a terminal and the ledger: what cannot be shown is escaped."""
    return escaped(os.fsencode(name).decode("utf-8", "backslashreplace"))


def escaped(text: str) -> str:
    """Any text, on one line, with what cannot be shown escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def harmless(name: str) -> str:
    """A name that every file system and server takes: ASCII letters, digits, dot, underscore, hyphen; not hidden."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)
    return kept.lstrip(".") or "_"
