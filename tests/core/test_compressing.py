"""Compressing: what comes out is what went in, the same bytes each time, and memory stays flat."""

from __future__ import annotations

import gzip
import io
import tracemalloc
import zipfile
from typing import BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from h2h.compressing import BLOCK, compressed
from h2h.envelopes import member_of
from h2h.model import Compression, Seal

WAYS: tuple[Compression, ...] = ("gzip", "zip")


def packed(content: bytes, how: Compression, member: str = "a.xml") -> bytes:
    return b"".join(compressed(io.BytesIO(content), how, member=member, size=len(content)))


contents = st.binary(max_size=2000) | st.integers(0, 3 * BLOCK).map(lambda size: b"pay " * (size // 4))


@given(contents)
def test_gzip_gives_back_what_went_in_and_says_neither_name_nor_time(content: bytes) -> None:
    found = packed(content, "gzip")
    assert gzip.decompress(found) == content
    assert found[3:8] == bytes(5)  # no flags, no time


@given(contents, st.text(st.characters(categories=("L", "N")), min_size=1, max_size=40))
def test_a_zip_has_one_whole_member_of_the_name_that_was_asked_for_and_no_time(content: bytes, name: str) -> None:
    with zipfile.ZipFile(io.BytesIO(packed(content, "zip", name))) as archive:
        [member] = archive.infolist()
        assert (member.filename, member.date_time, member.file_size) == (name, (1980, 1, 1, 0, 0, 0), len(content))
        assert archive.testzip() is None
        assert archive.read(name) == content


@pytest.mark.parametrize("how", WAYS)
def test_the_same_content_gives_the_same_bytes(how: Compression) -> None:
    assert packed(b"pay" * 100_000, how) == packed(b"pay" * 100_000, how)


class Endless(io.RawIOBase):
    """So many bytes, made as they are read."""

    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int = -1) -> bytes:
        block = bytes(min(size, self.left))
        self.left -= len(block)
        return block


@pytest.mark.parametrize("how", WAYS)
def test_memory_does_not_grow_with_the_file(how: Compression) -> None:
    size = 60 << 20
    tracemalloc.start()
    try:
        for _ in compressed(cast(BinaryIO, Endless(size)), how, member="a.xml", size=size):
            pass
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "member"),
    [("A.xml.zip", "A.xml"), ("A.ZIP", "A"), ("A.xml", "A.xml"), ("A.xml.zip.pgp", "A.xml"), (".zip", ".zip")],
)
def test_a_member_is_named_as_the_file_goes_without_what_says_how_it_is_packed(name: str, member: str) -> None:
    assert member_of(name) == member


def test_seals_have_the_same_words_only_if_they_are_the_same() -> None:
    seals = [
        Seal(compress="gzip"),
        Seal(compress="zip", member="a.xml"),
        Seal(compress="zip", member="b.xml"),
        Seal(pgp="sign", signed_by="AA"),
        Seal(pgp="encrypt", encrypted_to=("AA",)),
        Seal(pgp="sign", signed_by="AA", armour=True),
        Seal(compress="gzip", pgp="sign+encrypt", signed_by="AA", encrypted_to=("BB",)),
        Seal(compress="gzip", pgp="sign+encrypt", signed_by="AA", encrypted_to=("BB", "CC")),
        Seal(pgp="encrypt", encrypted_to=("AA",), subkeys=("BB",)),
        Seal(pgp="encrypt", encrypted_to=("AA",), subkeys=("CC",)),
    ]
    assert len({seal.words for seal in seals}) == len(seals)
