"""Does a document end? Told from the first and last bytes of a file."""

from __future__ import annotations

import io

import pytest

from h2h.whole import HEAD_BYTES, TAIL_BYTES, document_ends

HEAD = b'<?xml version="1.0"?>\n<!-- a <b> --><Document xmlns="urn:x">'
WHOLE = [
    b"<x/>",
    b"<x></x>",
    b'<x a="1"\n/>',
    b"\xef\xbb\xbf<x></x >\r\n",
    HEAD + b"<a/></Document>",
    HEAD + b"</Document>\n<!-- made by erp --> \n<?page break?>\n",
    HEAD + b"\n" * (HEAD_BYTES + TAIL_BYTES + 1) + b"</Document>\n",
    b"<p:Document></p:Document>",
    "<?xml version='1.0' encoding='UTF-16'?><Document>ä</Document>\n".encode("utf-16"),
    "\ufeff<Document>ä</Document>".encode("utf-16-be"),
    "<Document></Document>".encode("utf-16-le"),
    ("<Document>" + "ä" * TAIL_BYTES + "</Document>").encode("utf-16"),
    b"<!--" + b"x" * HEAD_BYTES + b"--><a></a>",  # the root is nowhere near
]
NO_DOCUMENT = [b"payments", b"%PDF-1.7 half", b"\x1f\x8b\x08 half", b"{"]
HALF = [
    b"<",
    b"<x",
    b"<x>",
    b"<x><x/>",
    HEAD,
    HEAD + b"<a></a>",
    HEAD + b"</Docu",
    HEAD + b"</Document",
    HEAD + b"</Document><!-- half",
    HEAD + b"<!-- </Document -->",
    HEAD + b"<Documents/>",
    HEAD + b"</aDocument>",
    HEAD + "ä".encode()[:1],
    HEAD + b"<a>" + b"\n" * (HEAD_BYTES + TAIL_BYTES) + b"</a>",
    HEAD + b"</Document>" + b"\0" * 4096,
    b"\0" * 4096,
    b" \n ",
    "<Document>ä</Document>".encode("utf-16")[:-1],
    "<Document>ä</Document>".encode("utf-16")[:-2],
    "\ufeff<Document><a></a>".encode("utf-16-be"),
]


def shown(content: bytes) -> str:
    return f"{content[:20]!r}…{content[-20:]!r}"


@pytest.mark.parametrize("content", WHOLE + NO_DOCUMENT, ids=shown)
def test_a_document_that_ends_or_what_is_none_is_whole(content: bytes) -> None:
    assert document_ends(io.BytesIO(content))


@pytest.mark.parametrize("content", HALF, ids=shown)
def test_half_a_document_is_not(content: bytes) -> None:
    assert not document_ends(io.BytesIO(content))


def test_a_document_cut_anywhere_is_half() -> None:
    whole = HEAD + b"<a>1</a><b/>\n</Document>"
    assert [n for n in range(1, len(whole)) if document_ends(io.BytesIO(whole[:n]))] == []


def test_only_both_ends_of_a_large_file_are_read() -> None:
    class Counting(io.BytesIO):
        count = 0

        def read(self, size: int | None = -1, /) -> bytes:
            found = super().read(size)
            self.count += len(found)
            return found

    file = Counting(b"<x>" + b" " * 5_000_000 + b"</x>")
    assert document_ends(file)
    assert file.count == HEAD_BYTES + TAIL_BYTES
