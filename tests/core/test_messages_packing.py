"""What banks pack: archives member by member, gzip, text around the XML; and what is refused with a reason."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import pytest

from h2h.messages import Catalog, packing, read
from h2h.model import Entry, FileMember, Finding, Record, Severity, Statement, StatementFile, StatusReport

PROJECT = Path(__file__).resolve().parents[2]
CATALOG = Catalog.load(PROJECT / "schemas")
STATEMENT = (PROJECT / "samples" / "good" / "camt.053.001.08.xml").read_bytes()
REPORT = (PROJECT / "samples" / "good" / "pain.002.001.10.xml").read_bytes()
FAULTY = STATEMENT.replace(b"<MsgId>", b"<MsgId>" + 36 * b"x", 1)


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", method) as file:
        for name, content in members:
            file.writestr(name, content)
    return archive.getvalue()


def reading(content: bytes, *, strict: bool = False) -> list[Record | Finding]:
    source = io.BytesIO(b"before" + content)
    source.seek(6)
    return list(read(source, CATALOG, strict=strict))


def findings(items: Iterable[Record | Finding]) -> list[Finding]:
    return [item for item in items if isinstance(item, Finding)]


def told(items: Iterable[Record | Finding]) -> list[tuple[str, Severity, str]]:
    return [(finding.code, finding.severity, finding.path) for finding in findings(items)]


def records(items: Iterable[Record | Finding]) -> list[Record]:
    return [item for item in items if not isinstance(item, Finding | FileMember)]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is large is a matter of numbers."""
    monkeypatch.setattr(packing, "IN_MEMORY_BYTES", 100)


# Archives.


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_every_member_of_an_archive_is_read_as_a_file_of_its_own(method: int) -> None:
    items = reading(zipped(("a.xml", STATEMENT), ("sub/b.xml", REPORT), ("c.xml", STATEMENT), method=method))
    assert told(items) == []
    members = [item for item in items if isinstance(item, FileMember)]
    assert [(each.position, each.name, each.size) for each in members] == [
        (1, "a.xml", len(STATEMENT)),
        (2, "sub/b.xml", len(REPORT)),
        (3, "c.xml", len(STATEMENT)),
    ]
    first, second = items.index(members[1]), items.index(members[2])
    assert items[1:first] == reading(STATEMENT)
    assert [type(item) for item in items[first + 1 : second]] == [type(item) for item in reading(REPORT)]
    statements = [item.position for item in items if isinstance(item, Statement)]
    assert statements == sorted(set(statements))
    assert {item.statement for item in items if isinstance(item, Entry)} <= set(statements)


@pytest.mark.usefixtures("small")
def test_a_large_member_is_read_piece_by_piece_like_a_small_one() -> None:
    content = zipped(("a.xml", FAULTY), ("b.xml", STATEMENT[:-30]), ("c.xml", STATEMENT))
    items = reading(content)
    assert told(items) == [
        ("XML_TRUNCATED", Severity.ERROR, "b.xml"),
        ("XSD_TOO_LONG", Severity.WARNING, "a.xml/Document/BkToCstmrStmt/GrpHdr/MsgId"),
    ]
    packing.IN_MEMORY_BYTES = 10**7  # type: ignore[misc]  # put back by the fixture
    assert reading(content) == items


def test_a_finding_names_the_member() -> None:
    items = reading(zipped(("good.xml", STATEMENT), ("bad.xml", FAULTY), ("other.xml", b"<html/>")))
    assert told(items) == [
        ("MSG_UNKNOWN", Severity.ERROR, "other.xml/html"),
        ("XSD_TOO_LONG", Severity.WARNING, "bad.xml/Document/BkToCstmrStmt/GrpHdr/MsgId"),
    ]
    assert [each.text.partition(":")[0] for each in findings(items)] == ["In 'other.xml'", "In 'bad.xml'"]


def test_two_refused_members_are_both_explained() -> None:
    items = reading(zipped(("a.xml", FAULTY), ("b.xml", STATEMENT), ("c.xml", FAULTY)))
    assert [each.path.partition("/")[0] for each in findings(items)] == ["a.xml", "c.xml"]


def test_what_is_not_xml_in_an_archive_is_told_and_the_rest_is_read() -> None:
    items = reading(zipped(("info.pdf", b"%PDF-1.7 nothing"), ("a.xml", STATEMENT), ("dir/", b"")))
    assert told(items) == [("PACK_NOT_XML", Severity.WARNING, "info.pdf")]
    assert records(items) == reading(STATEMENT)


def test_an_empty_member_and_an_empty_archive_are_told() -> None:
    assert told(reading(zipped(("a.xml", b"")))) == [("XML_EMPTY", Severity.ERROR, "a.xml")]
    assert told(reading(zipped())) == [("PACK_NOT_XML", Severity.WARNING, "")]


def test_what_is_packed_once_more_stays_packed() -> None:
    inner = zipped(("a.xml", STATEMENT))
    for name, content in (("a.zip", inner), ("a.gz", gzip.compress(STATEMENT))):
        assert told(reading(zipped((name, content)))) == [("PACK_UNREADABLE", Severity.ERROR, name)]
    assert told(reading(gzip.compress(inner))) == [("PACK_UNREADABLE", Severity.ERROR, "")]


def patched(content: bytes, *, local: dict[int, bytes] | None = None, central: dict[int, bytes]) -> bytes:
    """Other bytes at these offsets of the first local header and of its entry in the directory."""
    changed = bytearray(content)
    for at, places in ((0, local or {}), (content.index(b"PK\x01\x02"), central)):
        for offset, value in places.items():
            changed[at + offset : at + offset + len(value)] = value
    return bytes(changed)


def test_an_encrypted_member_is_refused_with_the_reason() -> None:
    content = zipped(("a.xml", STATEMENT), ("b.xml", STATEMENT))
    items = reading(patched(content, local={6: b"\x01\x00"}, central={8: b"\x01\x00"}))
    assert told(items) == [("PACK_UNREADABLE", Severity.ERROR, "a.xml")]
    assert "encrypted" in findings(items)[0].text
    assert records(items) == reading(STATEMENT)


def test_an_unknown_method_is_refused() -> None:
    content = zipped(("a.xml", STATEMENT), method=zipfile.ZIP_BZIP2)
    assert told(reading(content)) == [("PACK_UNREADABLE", Severity.ERROR, "a.xml")]
    strange = patched(zipped(("a.xml", STATEMENT)), local={8: b"\x63\x00"}, central={10: b"\x63\x00"})
    assert told(reading(strange)) == [("PACK_UNREADABLE", Severity.ERROR, "a.xml")]


@pytest.mark.parametrize("memory", [100, 10**7])
def test_a_member_whose_check_sum_does_not_hold_is_not_read(monkeypatch: pytest.MonkeyPatch, memory: int) -> None:
    monkeypatch.setattr(packing, "IN_MEMORY_BYTES", memory)
    wrong = {14: b"\0\0\0\0"}
    content = patched(zipped(("a.xml", STATEMENT)), local=wrong, central={16: b"\0\0\0\0"})
    items = reading(content)
    assert told(items) == [("PACK_UNREADABLE", Severity.ERROR, "a.xml")]
    assert records(items) == []


def test_an_archive_that_is_cut_anywhere_is_told_and_never_raises() -> None:
    content = zipped(("a.xml", STATEMENT), ("b.xml", REPORT))
    for size in (*range(4, 60), *range(60, len(content), 97)):
        items = reading(content[:size])
        assert {finding.code for finding in findings(items)} == {"PACK_UNREADABLE"}, size
        assert records(items) == []


def test_damage_anywhere_in_an_archive_is_told_and_never_raises() -> None:
    content = zipped(("a.xml", STATEMENT))
    for at in range(4, len(content), 7):
        items = reading(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
        assert findings(items) or records(items) == reading(STATEMENT), at


# Bounds.


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = zipped(("a.xml", b" " * 50_000_000))
    assert len(bomb) < 100_000
    (finding,) = findings(reading(bomb))
    assert (finding.code, finding.severity) == ("PACK_LIMIT", Severity.ERROR)
    assert "500 times" in finding.text


def test_a_bomb_that_lies_about_its_size_is_unpacked_no_further_than_it_says() -> None:
    bomb = zipped(("a.xml", b" " * 50_000_000))
    small = (1_000).to_bytes(4, "little")
    assert told(reading(patched(bomb, local={22: small}, central={24: small}))) == [
        ("PACK_UNREADABLE", Severity.ERROR, "a.xml")
    ]


def test_a_gzip_bomb_is_unpacked_no_further_than_its_bound() -> None:
    counted: list[int] = []
    bomb = gzip.compress(b" " * 50_000_000)
    items = list(packing.unpacked(io.BytesIO(bomb), counted.append))
    assert told(items) == [("PACK_LIMIT", Severity.ERROR, "")]  # type: ignore[arg-type]
    assert sum(counted) <= packing.MAX_RATIO * len(bomb) + 2 * packing.BLOCK


@pytest.mark.parametrize(
    ("bound", "value", "words"),
    [
        ("MAX_MEMBERS", 2, "3 members"),
        ("MAX_UNPACKED", 3 * len(STATEMENT) - 1, "its members have"),
    ],
)
def test_an_archive_with_too_much_in_it_is_refused_as_a_whole(
    monkeypatch: pytest.MonkeyPatch, bound: str, value: int, words: str
) -> None:
    monkeypatch.setattr(packing, bound, value)
    items = reading(zipped(*((f"{n}.xml", STATEMENT) for n in range(3))))
    assert told(items) == [("PACK_LIMIT", Severity.ERROR, "")]
    assert words in findings(items)[0].text


def test_a_member_that_is_too_large_is_refused_and_the_others_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "MAX_BYTES", len(STATEMENT))
    items = reading(zipped(("a.xml", STATEMENT + b" "), ("b.xml", STATEMENT)))
    assert told(items) == [("PACK_LIMIT", Severity.ERROR, "a.xml")]
    assert records(items) == reading(STATEMENT)


def test_a_member_that_says_it_has_two_gigabytes_is_refused() -> None:
    content = zipped(("a.xml", STATEMENT))
    items = reading(patched(content, central={24: (2_000_000_000).to_bytes(4, "little")}))
    assert told(items) == [("PACK_LIMIT", Severity.ERROR, "")]


def test_one_member_alone_may_not_be_packed_too_well() -> None:
    """Beside much that is hard to pack, so that the archive as a whole is not."""
    noise = bytes(range(256)) + zlib.compress(STATEMENT * 50, 9) * 60
    items = reading(zipped(("a.xml", b" " * 3_000_000), ("b.bin", noise), method=zipfile.ZIP_DEFLATED))
    assert told(items)[0][0] == "PACK_LIMIT"


# gzip.


@pytest.mark.parametrize("memory", [100, 10**7])
def test_a_gzip_file_is_read_as_what_is_in_it(monkeypatch: pytest.MonkeyPatch, memory: int) -> None:
    monkeypatch.setattr(packing, "IN_MEMORY_BYTES", memory)
    assert reading(gzip.compress(STATEMENT)) == reading(STATEMENT)
    assert reading(gzip.compress(FAULTY)) == reading(FAULTY)


def test_a_gzip_file_that_is_cut_or_damaged_is_told() -> None:
    content = gzip.compress(STATEMENT)
    for damaged in (content[:-20], content[:-8] + b"\0" * 8, content[:40] + b"\xff" * 40 + content[80:]):
        assert told(reading(damaged)) == [("PACK_UNREADABLE", Severity.ERROR, "")]
        with pytest.raises((EOFError, zlib.error, gzip.BadGzipFile)):
            gzip.decompress(damaged)


def test_what_is_not_xml_in_a_gzip_file_is_told() -> None:
    assert told(reading(gzip.compress(b"MT940"))) == [("PACK_NOT_XML", Severity.WARNING, "")]


# Text around the XML.

MIME = b"--part\r\nContent-Type: text/xml; charset=utf-8\r\n\r\n"


@pytest.mark.parametrize("before", [b"\n", b" \r\n\t\n", MIME, b"\xef\xbb\xbf\n", "Grüße\n".encode()])
@pytest.mark.parametrize("after", [b"", b"\r\n--part--\r\n"])
@pytest.mark.parametrize("declared", [True, False])
def test_text_around_the_xml_is_left_out_and_told(before: bytes, after: bytes, declared: bool) -> None:
    xml = STATEMENT if declared else STATEMENT.partition(b"?>")[2].strip()
    plain = not before.removeprefix(b"\xef\xbb\xbf").strip() and not declared  # blanks before a root are XML, too
    if plain and after:
        return
    items = reading(before + xml + after)
    assert told(items) == [] if plain else [("XML_TEXT_AROUND", Severity.WARNING, "")]
    assert len(records(items)) == len(reading(STATEMENT))
    if not plain:
        assert records(items) == records(reading(xml))


def test_text_after_the_xml_alone_is_no_xml() -> None:
    assert [finding.code for finding in findings(reading(STATEMENT + b"--part--"))] == ["XML_NOT_WELL_FORMED"]


def test_text_around_a_member_is_left_out_too() -> None:
    items = reading(zipped(("a.xml", MIME + STATEMENT)))
    assert told(items) == [("XML_TEXT_AROUND", Severity.WARNING, "a.xml")]
    assert records(items) == reading(STATEMENT)


def test_a_file_with_text_around_that_breaks_off_is_truncated() -> None:
    assert [finding.code for finding in findings(reading(MIME + STATEMENT[:-60]))] == [
        "XML_TRUNCATED",
        "XML_TEXT_AROUND",
    ]


# Out.


@pytest.mark.parametrize("content", [zipped(("a.xml", STATEMENT)), gzip.compress(STATEMENT)])
def test_what_we_send_is_never_unpacked(content: bytes) -> None:
    assert told(reading(content, strict=True)) == [("XML_COMPRESSED", Severity.ERROR, "")]


def test_what_we_send_begins_with_xml() -> None:
    assert [finding.code for finding in findings(reading(MIME + STATEMENT, strict=True))] == ["XML_NOT_WELL_FORMED"]


def test_reports_and_statements_may_share_an_archive() -> None:
    items = reading(zipped(("a.xml", STATEMENT), ("b.xml", REPORT)))
    assert {type(item) for item in items} >= {StatementFile, StatusReport}
