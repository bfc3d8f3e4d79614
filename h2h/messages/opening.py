"""What stands at the beginning of a file: whether it may be parsed at all, in which encoding, and what it says it is.

Before a parser sees a byte: not empty, not compressed, an allowed encoding (which then is forced on the parser), no
DOCTYPE.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import BinaryIO

from lxml import etree

from h2h.messages.xml import (
    BLANKS,
    Bounded,
    Stream,
    attributes_of,
    line_of,
    local,
    not_well_formed,
    path_of,
)
from h2h.model import Finding, Severity

HEAD_BYTES = 65_536
MAX_OPENING_ELEMENTS = 10_000
STRICT_ENCODINGS = ("utf-8",)
TOLERATED_ENCODINGS = ("utf-8", "us-ascii", "iso-8859-1", "iso-8859-15", "utf-16")

_PACKED = {
    b"\x1f\x8b": "gzip data",
    b"PK\x03\x04": "a zip archive",
    b"BZh": "bzip2 data",
    b"\xfd7zXZ": "xz data",
    b"\x28\xb5\x2f\xfd": "zstd data",
    b"-----BEGIN PGP": "a PGP message",
}
_MARKS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
TOLERATED_MARKS = tuple(_MARKS)
_DECLARATION = re.compile(r"<\?xml\s[^>]*?\?>")
_ENCODING = re.compile(r"\sencoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
_DOCTYPE = re.compile(r"(?:\s++|<\?(?:(?!\?>).)*+\?>|<!--(?:(?!-->).)*+-->)*+<!DOCTYPE", re.DOTALL)  # never goes back


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What stands at the beginning of a file. Tags are written as lxml does: {namespace}name."""

    encoding: str
    root: str
    document: str  # tag of the first Document; empty where there is none
    message: str  # tag of the first element below it; empty where there is none
    announced: str = ""  # the message that a header in front of it names (head.001: MsgDefIdr)
    path: str = ""  # of the first Document, else of the root
    line: int | None = None

    @property
    def envelope(self) -> str:
        """Tag of the root where it is wrapped around the Document; else empty."""
        return self.root if self.document and local(self.root) != "Document" else ""


def open_checked(source: BinaryIO, *, strict: bool) -> Opening | Finding:
    """Looks at the beginning of the file, from where `source` stands, and goes back there."""
    start = source.tell()
    head = source.read(HEAD_BYTES)
    source.seek(start)
    encoding = _refused(head) or _encoding(head, strict=strict)
    if isinstance(encoding, Finding):
        return encoding
    doctype = _DOCTYPE.match(head.decode(encoding, errors="replace").lstrip("\ufeff"))
    if doctype:
        return _doctype_finding(doctype[0].count("\n") + 1)
    try:
        return _opening(source, encoding)
    except etree.LxmlError as error:
        source.seek(start)
        return not_well_formed(error, source)
    finally:
        source.seek(start)


def has_doctype(element: etree._Element) -> bool:
    return bool(element.getroottree().docinfo.doctype)  # type: ignore[attr-defined]  # the stubs lack it


def _refused(head: bytes) -> Finding | None:
    if not head.strip():
        text = "The file is empty. Have it written and sent again."
        return Finding(code="XML_EMPTY", severity=Severity.ERROR, text=text, line=1)
    for magic, what in _PACKED.items():
        if head.startswith(magic):
            text = f"The file is {what}, not XML. Unpack or decrypt it first."
            return Finding(code="XML_COMPRESSED", severity=Severity.ERROR, text=text, line=1)
    return None


def _encoding(head: bytes, *, strict: bool) -> str | Finding:
    """The encoding by byte order mark, else by declaration, else UTF-8: a Python and libxml2 name."""
    mark = next((name for magic, name in _MARKS.items() if head.startswith(magic)), "")
    text = head.decode(mark or "latin-1", errors="replace").lstrip("\ufeff")
    declaration = _DECLARATION.match(text[:1000])
    named = _ENCODING.search(declaration[0]) if declaration else None
    declared = named[1].lower() if named else ""
    if declaration and not named and "encoding" in declaration[0]:
        declared = "(unreadable)"
    agreed = not mark or not declared or declared.startswith(mark)
    encoding = mark or declared or "utf-8"
    if agreed and encoding in (STRICT_ENCODINGS if strict else TOLERATED_ENCODINGS):
        return encoding
    said = f"The file is in {encoding}" if agreed else f"The file begins as {mark} and declares {declared}"
    advice = "UTF-8 is what banks accept" if strict else "only UTF-8, UTF-16, ISO-8859-1, ISO-8859-15 are read"
    return Finding(
        code="XML_ENCODING", severity=Severity.ERROR, text=f"{said}; {advice}. Write the file in UTF-8.", line=1
    )


def _opening(source: BinaryIO, encoding: str) -> Opening | Finding:
    root = document = message = path = announced = ""
    line: int | None = None
    for count, (event, element) in enumerate(Stream(Bounded(source), encoding)):
        tag = str(element.tag)
        attributes_of(element)
        if count == 0:
            root, path = tag, path_of(element)
            if has_doctype(element):
                return _doctype_finding(None)
        if (event == "end" and document) or count >= MAX_OPENING_ELEMENTS:
            break
        if event == "start" and document:
            message = tag
            break
        if event == "end" and local(tag) == "AppHdr":
            announced = named_in(element)
        if event == "start" and local(tag) == "Document":
            document, path, line = tag, path_of(element), line_of(element)
    return Opening(
        encoding=encoding, root=root, document=document, message=message, announced=announced, path=path, line=line
    )


def named_in(header: etree._Element) -> str:
    """The message that an AppHdr (head.001) is written for."""
    return (header.findtext("{*}MsgDefIdr") or "").strip(BLANKS)


def _doctype_finding(line: int | None) -> Finding:
    text = "The file has a DOCTYPE; no payment message needs one, and it can be used to attack. Leave it out."
    return Finding(code="XML_DOCTYPE", severity=Severity.ERROR, text=text, line=line)
