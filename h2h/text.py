"""Text from outside made safe: for a person to read, or to stand in a file name or in XML."""

from __future__ import annotations

import os
import unicodedata

MAX_SHOWN = 60
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})  # control, format (bidi, zero-width), without a shape
BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")  # of other categories, shown as nothing

_IN_VALUE = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
_IN_XML_VALUE = str.maketrans(_IN_VALUE)
_IN_XML_ATTRIBUTE = str.maketrans({**_IN_VALUE, '"': "&quot;", "\n": "&#10;", "\t": "&#9;"})


def printable(name: str) -> str:
    """A name as text that is safe in a log, a terminal and the ledger: what cannot be shown is escaped."""
    return escaped(os.fsencode(name).decode("utf-8", "backslashreplace"))


def escaped(text: str) -> str:
    """Any text, on one line, with what cannot be shown escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def one_line(text: str, longest: int) -> str:
    """Text that was put together with parts from outside: on one line, all of it visible, and not longer."""
    if len(text) <= longest and text.isprintable():
        return text
    seen = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[: longest + 1])
    return seen if len(seen) <= longest else seen[: longest - 1] + "…"


def shown(value: str) -> str:
    """A value as it may stand in a sentence: quoted, its invisible characters visible, and not too long."""
    return repr(value if len(value) <= MAX_SHOWN else value[:MAX_SHOWN] + "…")


def unseen(value: str) -> str | None:
    """The first character that nobody sees, or that changes how others are shown; None where there is none."""
    if value.isascii() and value.isprintable():
        return None
    return next((c for c in value if unicodedata.category(c) in UNSEEN or c in BLANK_LETTERS), None)


def character(char: str) -> str:
    """How a character is named in a sentence."""
    return f"U+{ord(char):04X} {unicodedata.name(char, 'a control character').lower()}"


def harmless(name: str) -> str:
    """A name that every file system and server takes: ASCII letters, digits, dot, underscore, hyphen; not hidden."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)
    return kept.lstrip(".") or "_"


def xml_value(text: str) -> str:
    """As it is written between tags."""
    return text.translate(_IN_XML_VALUE)


def xml_attribute(text: str) -> str:
    """As it is written between quotation marks."""
    return text.translate(_IN_XML_ATTRIBUTE)
