"""Many records are read together on the sure road, whatever form a file has, and as if each were read by itself."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from h2h.messages import Catalog, read, reading, runs, xml
from h2h.messages.patterns import Stretch
from h2h.model import Finding, Payment, Record

PROJECT = Path(__file__).resolve().parents[2]
CATALOG = Catalog.load(PROJECT / "schemas")
SAMPLE = (PROJECT / "samples" / "good" / "pain.001.001.09.xml").read_text(encoding="utf-8")
RECORD = re.search(r"<CdtTrfTxInf>.*?</CdtTrfTxInf>\s*", SAMPLE, re.DOTALL)
assert RECORD
ONE = re.sub(r"<EndToEndId>.*?</EndToEndId>", "<EndToEndId>E{n}</EndToEndId>", RECORD[0])
COUNT = 200


@pytest.fixture(autouse=True)
def sure_road_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "fast_road", lambda *_: None)
    monkeypatch.setattr(runs, "OFTEN", 3)


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many records were read together, time after time."""
    counts, found = [], runs.Runs.read

    def counted(self: runs.Runs, items: Sequence[runs.Item]) -> Iterator[Stretch | runs.Item]:
        for each in found(self, items):
            if isinstance(each, Stretch):
                counts.append(len(each))
            yield each

    monkeypatch.setattr(runs.Runs, "read", counted)
    return counts


def of(one: Callable[[int], str]) -> str:
    """The sample with many records in place of one."""
    return SAMPLE.replace(RECORD[0], "".join(one(n).format(n=n) for n in range(COUNT)), 1)


def prefixed(text: str) -> str:
    return re.sub(r"(</?)([A-Z])", r"\1p:\2", text).replace("xmlns=", "xmlns:p=")


def read_all(content: bytes, monkeypatch: pytest.MonkeyPatch, *, strict: bool = False) -> list[Record | Finding]:
    """As it is read together, which must be as it is read one by one."""
    said = list(read(io.BytesIO(content), CATALOG, strict=strict))
    with monkeypatch.context() as only:
        only.setattr(reading, "together", lambda *_: None)
        plain = list(read(io.BytesIO(content), CATALOG, strict=strict))
    assert repr(said) == repr(plain)
    return plain


USUAL = of(lambda _: ONE)
LATIN = of(lambda _: ONE.replace("<Nm>", "<Nm>Ä&amp;")).replace("UTF-8", "ISO-8859-1")


@pytest.mark.parametrize(
    "content",
    [
        USUAL.encode(),
        re.sub(r">\s+<", "><", USUAL).encode(),
        USUAL.replace("\n", "\r\n").encode(),
        LATIN.encode("latin-1"),
        prefixed(USUAL).encode(),
        USUAL.replace("<Document ", '<Document xmlns:x="urn:x" ').encode(),
        of(lambda _: re.sub(r"<Nm>(.*?)</Nm>", r"<Nm><![CDATA[\1 & <b>]]></Nm>", ONE)).encode(),
        of(lambda _: ONE.replace("<Nm>", "<Nm>&#228;&#x20ac;")).encode(),
        of(lambda n: ONE if n % 20 else ONE.replace("<Nm>", "<Nm><!-- who? -->")).encode(),
        of(lambda _: ONE.replace("<EndToEndId>", "<EndToEndId>" + 40 * "x")).encode(),  # which no schema takes
        of(lambda _: ONE.replace("</PmtId>", "</PmtId><Invented>1</Invented>")).encode(),
    ],
    ids=[
        "usual",
        "compact",
        "CRLF",
        "Latin-1",
        "prefix",
        "namespaces",
        "CDATA",
        "characters by number",
        "comments",
        "too long",
        "unknown",
    ],
)
def test_files_of_any_form_are_read_as_if_record_by_record(
    content: bytes, together: list[int], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    said = read_all(content, monkeypatch)
    assert sum(isinstance(each, Payment) for each in said) >= COUNT
    learned = request.node.callspec.id not in ("too long", "unknown")
    assert (sum(together) > COUNT / 2) == learned


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("<Nm>", "<Nm\n>"),
        lambda text: text.replace("</Nm>", "</Nm\n>"),
        lambda text: text.replace(' Ccy="', '\n\nCcy="'),
        lambda text: text.replace("</Cdtr>", "</Cdtr>&#10;").replace("<PmtId>", "<PmtId\n>"),
        lambda text: text.replace("</Cdtr>", "</Cdtr>&#xA;").replace("<PmtId>", "<PmtId\n>"),
        lambda text: text.replace("</Cdtr>", "</Cdtr>\r ").replace("<PmtId>", "<PmtId\n>"),
        lambda text: text.replace("<Cdtr>", "<Cdtr><!--\n\n-->"),
        lambda text: text + "<!--\n\n-->",
        lambda text: re.sub(r"<Nm>(.*?)</Nm>", r"<Nm>\1\nand Sons</Nm>", text),
    ],
    ids=["tag", "end tag", "attribute", "number", "number in hex", "CR", "comment", "comment between", "value"],
)
@pytest.mark.parametrize("often", [20, 2, 1])
def test_a_line_is_that_of_the_file_however_its_ends_are_written(
    change: Callable[[str], str], often: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every one so many records is written in another way; `read_all` compares the lines."""
    said = read_all(of(lambda n: change(ONE) if n % often == often - 1 else ONE).encode(), monkeypatch)
    assert sum(isinstance(each, Payment) for each in said) >= COUNT


def test_lines_are_those_of_the_file_beyond_what_the_parser_counts(
    together: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = USUAL.replace("<PmtInf>", "\n" * 66_000 + "<PmtInf>", 1)
    said = read_all(text.encode(), monkeypatch)
    assert max(each.line or 0 for each in said if isinstance(each, Payment)) > 66_000
    assert sum(together) > COUNT / 2


def test_values_are_read_wherever_a_piece_ends(together: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (2_000, 2_001, 3_333, 65_536):
        monkeypatch.setattr(xml, "PIECE_BYTES", size)
        monkeypatch.setattr(reading, "LOT_BYTES", 2 * size)
        together.clear()
        read_all(USUAL.replace("\n", "\r\n").encode(), monkeypatch)
        assert sum(together) > COUNT / 2


def test_what_is_seldom_is_not_learned(together: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "OFTEN", COUNT + 10)
    read_all(USUAL.encode(), monkeypatch)
    assert sum(together) < COUNT / 2


def test_what_is_told_of_by_itself_is_told_of_in_every_item(
    together: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Documents are counted, wherever they stand: the number of the last one stands in the paths of its findings."""
    first = of(lambda _: ONE.replace("</PmtId>", "<Document/></PmtId>"))
    second = SAMPLE.replace("<PmtMtd>TRF", "<PmtMtd>ODD").replace("<CtrlSum>", "<CtrlSum>x")
    bare = [re.sub(r"<\?xml.*?\?>", "", text) for text in (first, second)]
    said = read_all(f"<Both>{''.join(bare)}</Both>".encode(), monkeypatch)
    paths = {each.path for each in said if isinstance(each, Finding) and each.code == "VALUE_UNREADABLE"}
    assert any(path and path.startswith(f"/Both/Document[{COUNT + 2}]/") for path in paths)
    assert sum(together) < COUNT / 2


def test_what_stands_between_items_is_kept_when_they_are_given_back(
    together: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = "<ChrgsAcct><Id><IBAN>DE89370400440532013000</IBAN></Id></ChrgsAcct>"
    said = read_all(of(lambda n: ONE + (odd if n == COUNT // 2 else "<!-- c -->" * (n % 3))).encode(), monkeypatch)
    assert "MSG_ORDER" in {each.code for each in said if isinstance(each, Finding)}
    assert sum(together) > COUNT / 2
