"""Does a document end? A look at the first and the last bytes of a file, without a parser.

A file that stands still may still be half a file: a transfer that broke off, a writer that waits. A document is whole
when its root element is closed and only blanks, comments and processing instructions follow. What does not begin as
XML is nobody's half document: judge says what it is. This only decides how long to wait; judge alone says what is good.
"""

from __future__ import annotations

import io
import re
from typing import BinaryIO

HEAD_BYTES = 65_536
TAIL_BYTES = 65_536

_BLANKS = " \t\r\n"
_ROOT = re.compile(
    r"(?:\s++|<\?(?:(?!\?>).)*+\?>|<!--(?:(?!-->).)*+-->)*+<([^\s<>/!?]++)", re.DOTALL
)  # never goes back
_MARKS = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"<\x00", "utf-16-le"), (b"\x00<", "utf-16-be"))


def document_ends(file: BinaryIO) -> bool:
    """Whether the file holds a document to its end, or no document at all. Reads a bounded part of it."""
    head = file.read(HEAD_BYTES)
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - TAIL_BYTES))  # TAIL_BYTES is even: two-byte characters stay in step
    tail = file.read(TAIL_BYTES)
    encoding = next((name for mark, name in _MARKS if head.startswith(mark)), "latin-1")
    if encoding != "latin-1" and size % 2:
        return False
    start = head.removeprefix(b"\xef\xbb\xbf").decode(encoding, "replace").lstrip("\ufeff")
    if not start.strip(_BLANKS + "\0"):
        return False  # room that was set aside, and not written yet
    if not start.lstrip(_BLANKS).startswith("<"):
        return True
    return _closed(start, _without_trailer(tail.decode(encoding, "replace")))


def _closed(start: str, end: str) -> bool:
    """With a head too strange to find the root in, any closing tag will do: judge reads the file anyway."""
    root = _ROOT.match(start)
    if root and start[root.end() :].partition(">")[0].endswith("/"):
        return end.endswith("/>")
    name = re.escape(root[1]) if root else r"[^\s<>/]+"
    return re.search(rf"</{name}\s*>\Z", end) is not None


def _without_trailer(text: str) -> str:
    """The text up to the last tag: what may follow the root is taken off."""
    while True:
        text = text.rstrip(_BLANKS)
        opening = "<!--" if text.endswith("-->") else "<?" if text.endswith("?>") else None
        if opening is None or (at := text.rfind(opening)) < 0:
            return text
        text = text[:at]
