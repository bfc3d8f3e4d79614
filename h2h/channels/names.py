"""Names at the bank are bytes; here they are text that can be stored, printed and turned back.

UTF-8 is read as UTF-8. A byte that is not part of any stands as one character of a private range (U+F780 to U+F7FF),
so that a name never holds a surrogate, which neither SQLite nor JSON would take. Every name turns back into the very
bytes it came from.
"""

from __future__ import annotations

MOST_BYTES = 300
TO_PRIVATE = {0xDC00 + byte: 0xF700 + byte for byte in range(0x80, 0x100)}
FROM_PRIVATE = {private: surrogate for surrogate, private in TO_PRIVATE.items()}


def text_of(raw: bytes) -> str:
    text = raw.decode("utf-8", "surrogateescape")
    if any(ord(character) in FROM_PRIVATE for character in text):
        text = raw.decode("ascii", "surrogateescape")
    return text.translate(TO_PRIVATE)


def bytes_of(text: str) -> bytes:
    return text.translate(FROM_PRIVATE).encode("utf-8", "surrogateescape")


def joined(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}"


def parent(path: str) -> str:
    return path.rpartition("/")[0] or ("/" if path.startswith("/") else ".")


def is_name(raw: bytes) -> bool:
    """Whether a listed name can be one of a file: one step, and no longer than any file system has it."""
    return is_plain(raw) and len(raw) <= MOST_BYTES


def is_plain(raw: bytes) -> bool:
    """Whether a listed name is one step below its folder and nothing else."""
    return raw not in (b"", b".", b"..") and b"/" not in raw and b"\0" not in raw


def shown(text: str, *, most: int = 200) -> str:
    """A server's words, made harmless for a terminal and a log line."""
    one_line = " ".join(text.split())
    return "".join(c if c.isprintable() else "?" for c in one_line[:most])
