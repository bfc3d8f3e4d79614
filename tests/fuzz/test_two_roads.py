"""The fast road, the sure one, and the sure one that reads each record as a Node: all say the same of every file, in
records, findings, order and lines.

Files of every version, in which records are repeated with other values, good and bad; and the same files damaged.
Blocks are small, so that every file has many. H2H_LONG=1 tries 100,000 damaged ones.
"""

from __future__ import annotations

import io
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import cycle, product
from pathlib import Path
from random import Random

import pytest

from benchmarks import statements
from h2h.messages import Catalog, MessageType, fast, patterns, read, reading, runs, xml
from h2h.messages.expressions import by_re
from h2h.messages.fast import FastRoad
from h2h.messages.identify import shape_of
from h2h.messages.patterns import Stretch
from h2h.model import Entry, Finding, Payment, PaymentStatus, Record
from tests.core.chance import FULL, Chance
from tests.core.test_messages_properties import invented
from tests.core.writing import Dress
from tests.fuzz.mutations import damaged, odd

PROJECT = Path(__file__).resolve().parents[2]
CATALOG = Catalog.load(PROJECT / "schemas")
CORPUS = PROJECT.parent / "shared" / "corpus"
LONG = bool(os.environ.get("H2H_LONG"))
ROUNDS = 60 if LONG else 1  # of every version
DAMAGED = 42 if LONG else 2  # of every round
COPIES = 6
VALUE = re.compile(r">([^<>]+)</")
NEWLINE = "\n"
MAY_LACK = ("NtryRef", "ValDt", "RmtInf", "DbtrAcct", "CdtrAcct", "EndToEndId", "BookgDt", "RltdAgts")
LARGE = re.compile(r"(?<=[0-9]{9})[0-9]+(?=\.)")  # amounts that nobody has
LAST_DIGIT = re.compile(r"(?<=[0-9])(?<!-[0-9])[0-9](?=</)")  # not that of a date
STRICT = re.compile(r"[0-9a-f-]{36}|[0-9]{4}-[0-9]{2}.*|[01]")  # in which other digits are mostly wrong


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast, "FIRST_BLOCK", 3_000)
    monkeypatch.setattr(fast, "LARGEST_BLOCK", 60_000)
    monkeypatch.setattr(xml, "PIECE_BYTES", 10_000)
    monkeypatch.setattr(reading, "LOT_BYTES", 20_000)
    monkeypatch.setattr(runs, "OFTEN", 2)


class Seen:
    """How many records were read on the fast road, and together on the sure one."""

    count = together = 0


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    counter, beside = Seen(), FastRoad.beside

    def counted(self: FastRoad) -> Iterator[Stretch]:
        for stretch in beside(self):
            counter.count += len(stretch)
            yield stretch

    monkeypatch.setattr(FastRoad, "beside", counted)
    found = runs.Runs.read

    def read_together(self: runs.Runs, items: Sequence[runs.Item]) -> Iterator[Stretch | runs.Item]:
        for each in found(self, items):
            counter.together += len(each) if isinstance(each, Stretch) else 0
            yield each

    monkeypatch.setattr(runs.Runs, "read", read_together)
    return counter


def all_ways(content: bytes, *, strict: bool, monkeypatch: pytest.MonkeyPatch) -> list[Record | Finding]:
    quick = list(read(io.BytesIO(content), CATALOG, strict=strict))
    with monkeypatch.context() as only:
        only.setattr(reading, "fast_road", lambda *_: None)
        sure = list(read(io.BytesIO(content), CATALOG, strict=strict))
        only.setattr(reading, "together", lambda *_: None)
        plain = list(read(io.BytesIO(content), CATALOG, strict=strict))
    assert quick == plain
    assert sure == plain
    assert repr(quick) == repr(plain)  # 5.0 and 5.00 are equal
    assert repr(sure) == repr(plain)
    return plain


def repeated(content: str, item: str, random: Random) -> str:
    """All records of a group several times, each time with some other values, most as long as they were."""
    records = re.compile(rf"(?:<{item}>.*?</{item}>\s*)+", re.DOTALL)

    def copies(found: re.Match[str]) -> str:
        usual = VALUE.sub(lambda value: f">{LARGE.sub('9', value[1]).replace(NEWLINE, ' ')}</", found[0])
        originals = (found[0] if random.random() < 0.1 else usual for _ in range(COPIES))
        return usual + "".join(VALUE.sub(lambda value: varied(value, random), each) for each in originals)

    return records.sub(copies, content)


def varied(value: re.Match[str], random: Random) -> str:
    kind = random.random()
    if kind < 0.6 or STRICT.fullmatch(value[1]):
        return value[0]
    if kind < 0.9998:
        said = "".join(chr(random.randint(48, 57)) if char.isdigit() else char for char in value[1])
        return f">{said}</"
    said = odd(random).replace("&", "&amp;").replace("<", "&lt;")
    return f">{''.join(char for char in said if char >= ' ')}</"


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("row", CATALOG.rows, ids=lambda row: row.name)
def test_both_roads_say_the_same(row: MessageType, monkeypatch: pytest.MonkeyPatch) -> None:
    item, seed = shape_of(row).item, sum(map(ord, row.name))
    for number in range(ROUNDS):
        random = Random(seed + 1_000 * number)
        _, message = invented(row, Chance(seed + number, random.choice((1, 1, 2, 2, FULL))))
        dress = Dress(indent=random.choice(("", "\n  ", "\r\n ")))
        text = repeated(dress.document(row.namespace, message), item, random)
        content = dress.file(text)
        for strict in (True, False) if LONG else [random.random() < 0.5]:
            all_ways(content, strict=strict, monkeypatch=monkeypatch)
        for _ in range(DAMAGED):
            all_ways(damaged(content, random), strict=random.random() < 0.5, monkeypatch=monkeypatch)


@pytest.mark.parametrize("row", CATALOG.rows, ids=lambda row: row.name)
def test_most_records_of_a_usual_file_take_the_fast_road(
    row: MessageType, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those with amounts of any size, references to characters, and other lengths of their values."""
    item, random = shape_of(row).item, Random(4711)
    text = (PROJECT / "samples" / "good" / f"{row.name}.xml").read_text(encoding="utf-8")
    records = re.search(rf"(?:<{item}>.*?</{item}>\s*)+", text, re.DOTALL)
    assert records
    usual = LAST_DIGIT.sub(lambda _: str(random.randrange(10)), 300_000 // len(records[0]) * records[0])
    usual = re.sub(r"(?<=<Nm>)[A-Z]", lambda _: random.choice(("Ä", "&amp;", "A")), usual)
    items = all_ways(text.replace(records[0], usual).encode(), strict=False, monkeypatch=monkeypatch)
    read_on = sum(isinstance(each, Finding) for each in items)
    assert seen.count > 0.4 * (len(items) - read_on)


@pytest.mark.parametrize(("optional", "fits"), [(1, True), (4, True), (7, False)])
def test_records_of_many_forms_take_turns(
    optional: int, fits: bool, tmp_path: Path, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as PCRE2 has room for in one expression, and more."""
    random = Random(optional)
    statements.write(file := tmp_path / "day.xml", 600)

    def thinned(entry: re.Match[str]) -> str:
        text = entry[0]
        for name in MAY_LACK[:optional]:
            if random.random() < 0.5:
                text = re.sub(rf"\s*<{name}>.*?</{name}>", "", text, count=1, flags=re.DOTALL)
        return re.sub(r"(?<=<Nm>)P", lambda _: random.choice(("P", "\u0141", "&amp;")), text)

    content = re.sub(r"<Ntry>.*?</Ntry>", thinned, file.read_text(encoding="utf-8"), flags=re.DOTALL)
    quick: list[bool] = []
    monkeypatch.setattr(patterns, "by_re", lambda *of, sure: quick.append(not sure) or by_re(*of, sure=sure))
    items = all_ways(content.encode(), strict=False, monkeypatch=monkeypatch)
    assert len(items) > 600
    assert seen.count > (300 if fits else 100)
    assert any(quick) is not fits


@pytest.mark.parametrize("other", ["100", "100.0", "1", "1.0"])
def test_what_is_equal_and_not_the_same_stays_what_it_is(
    other: str, tmp_path: Path, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A number whose type has no expression is part of a form."""
    statements.write(file := tmp_path / "day.xml", 300)
    exchange = "<SrcCcy>EUR</SrcCcy><TrgtCcy>USD</TrgtCcy><XchgRate>1.1</XchgRate><XchgRateBase>{}</XchgRateBase>"
    amounts = f'<AmtDtls><TxAmt><Amt Ccy="EUR">5.00</Amt><CcyXchg>{exchange}</CcyXchg></TxAmt></AmtDtls>'
    bases = cycle(("100", "100", other))
    text = file.read_text(encoding="utf-8").replace("camt.053.001.08", "camt.053.001.13")
    content = re.sub(r"<RltdPties>", lambda _: amounts.format(next(bases)) + "<RltdPties>", text)
    items = all_ways(content.encode(), strict=False, monkeypatch=monkeypatch)
    assert Counter(str(e.details[0].amounts[0].exchange.base) for e in items if isinstance(e, Entry)) == (  # type: ignore[union-attr]
        Counter({"100": 200}) + Counter({other: 100})
    )
    assert seen.count > 200


def test_one_large_record_makes_others_no_slower(tmp_path: Path, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose form is too large for PCRE2."""
    statements.write(file := tmp_path / "day.xml", 300)
    text = file.read_text(encoding="utf-8")
    [details] = re.findall(r"<TxDtls>.*?</TxDtls>", text, flags=re.DOTALL)[:1]
    all_ways(text.replace(details, 40 * details, 1).encode(), strict=False, monkeypatch=monkeypatch)
    assert seen.count > 200


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus does not lie beside the checkout")
@pytest.mark.parametrize("folder", ["pain001", "pain002", "camt052", "camt053", "camt054", "other"])
def test_both_roads_say_the_same_of_real_files(folder: str, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast, "FIRST_BLOCK", 300)
    monkeypatch.setattr(fast, "LARGEST_BLOCK", 600)
    for file in sorted((CORPUS / folder).iterdir()):
        all_ways(file.read_bytes(), strict=folder == "pain001", monkeypatch=monkeypatch)
    assert seen.count > 0 or folder not in ("pain001", "camt053")


def test_beyond_what_the_parser_counts_a_line_is_known_however_deep_the_first_text_stands(
    seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = "<StsRsnInf><Orgtr><Id><OrgId><Othr><Id>two\nlines</Id></Othr></OrgId></Id></Orgtr></StsRsnInf>"
    text = (PROJECT / "samples" / "good" / "pain.002.001.14.xml").read_text(encoding="utf-8")
    text = re.sub(r"<TxInfAndSts>.*</TxInfAndSts>", 30 * f"<TxInfAndSts>{item}</TxInfAndSts>", text, flags=re.DOTALL)
    text = text.replace("<GrpHdr>", 70_000 * "\n" + "<GrpHdr>", 1)
    first = text.count("\n", 0, text.index("<TxInfAndSts>")) + 1
    items = all_ways(text.encode(), strict=False, monkeypatch=monkeypatch)
    assert [each.line for each in items if isinstance(each, PaymentStatus)] == [*range(first, first + 30)]


def test_words_that_are_joined_by_their_length_are_joined_alike(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (PROJECT / "samples" / "good" / "pain.001.001.09.xml").read_text(encoding="utf-8")
    record = re.search(r"<CdtTrfTxInf>.*?</CdtTrfTxInf>\s*", text, re.DOTALL)
    assert record
    several = (
        re.sub(
            r"<RmtInf>.*</RmtInf>",
            f"<RmtInf><Ustrd>{'x' * size}</Ustrd><Ustrd>y</Ustrd></RmtInf>",
            record[0],
            flags=re.DOTALL,
        )
        for size in (5, 5, 5, 5, 140, 139, 105, 104, 1) * 20
    )
    items = all_ways(text.replace(record[0], "".join(several), 1).encode(), strict=False, monkeypatch=monkeypatch)
    said = [item.remittance for item in items if isinstance(item, Payment)]
    assert f"{'x' * 140}y" in said
    assert "x y" in said
    assert seen.count > 100


@pytest.mark.parametrize(
    ("strict", "compact"), [(True, False), (False, True), *([(True, True), (False, False)] if LONG else [])]
)
def test_what_looks_like_a_record_and_is_none_is_passed_over(
    strict: bool, compact: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a place where none may stand, in another record, in another message, in a comment."""
    monkeypatch.setattr("tests.fuzz.test_two_roads.COPIES", 2)
    text = (PROJECT / "samples" / "good" / "camt.053.001.08.xml").read_text(encoding="utf-8")
    text = repeated(re.sub(r">\s+<", "><", text) if compact else text, "Ntry", Random(7))
    entry = re.search(r"<Ntry>.*?</Ntry>\s*", text, re.DOTALL)
    assert entry
    places = ("</Acct>", "</GrpHdr>", "<Ntry>", "</Ntry>", "</Stmt>", "</BkToCstmrStmt>")
    inners = (entry[0], 3 * entry[0], f"<!-- {entry[0]} -->", f"<x>{2 * entry[0]}</x>")
    tried = [pair for n, pair in enumerate(product(places, inners)) if LONG or (n + n // 4) % 2 == strict]
    for place, inner in tried:
        spots = [found.start() for found in re.finditer(place, text)]
        at = spots[len(spots) // 2] + len(place)
        all_ways(f"{text[:at]}{inner}{text[at:]}".encode(), strict=strict, monkeypatch=monkeypatch)


ODD = {  # of each sort of value what a schema, or XML itself, does not take or take as it stands; and what it does
    ("pain.001.001.09", "CdtTrfTxInf", "Nm"): (
        "a ", " a", "a  b", "\ta", "a\nb", "a\n", "a\r\nb", "a>b", "a]]>b", "&lt;&amp;amp;&gt;&quot;&apos;", "&x;",
        "&amp", "& ", "&#65;", "&#10;", "\x01", "\x85", "\ufffe", "M\u00fcller \u6f22 \U0001d518", "x" * 140, "x" * 141,
        "\u00e9" * 140, "\u00e9" * 141, "&amp;" * 140, "&amp;" * 141, "", "<b/>", "<!-- c -->a", "<![CDATA[a]]>", "7",
    ),
    ("pain.001.001.09", "CdtTrfTxInf", "InstdAmt"): (
        "1,00", "1e3", "-1", "+1", ".5", "5.", "007.50", "0", "1.123456", "1" * 19, "1" * 13 + ".12345",
        "1" * 14 + ".12345", " 1 ", "NaN", "1.5<!---->0",
    ),
    ("camt.053.001.08", "Ntry", "NtryRef"): ("1" * 35, "1" * 36, "a ", "a&b"),
    ("camt.053.001.08", "Ntry", "Dt"): (
        "2026-02-30", "2026-13-01", "2026-11-31", "2024-02-29", "0000-01-01", "2026-11-21Z", "26-11-21", "2026-11-2",
    ),
    ("camt.053.001.08", "Ntry", "CdtDbtInd"): ("DBIT", "DBTI", "DBITS", "dbit", "D", " DBIT"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "strict"),
    [(field, strict) for field in ODD for strict in (True, False) if LONG or strict == ("pain.001.001.09" in field)],
)
def test_an_odd_value_among_usual_ones_is_what_libxml2_says(
    field: tuple[str, str, str], strict: bool, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The generated files above are sure to hold each sort only with H2H_LONG=1."""
    monkeypatch.setattr(fast, "FIRST_BLOCK", 2_000)
    monkeypatch.setattr(fast, "LARGEST_BLOCK", 4_000)
    message, item, name = field
    text = (PROJECT / "samples" / "good" / f"{message}.xml").read_text(encoding="utf-8")
    record = re.search(rf"<{item}>.*?</{item}>\s*", text, re.DOTALL)
    assert record
    before, after = re.split(rf"(?<=<{name}>)[^<]*|(?<=<{name} Ccy=\"EUR\">)[^<]*", record[0], maxsplit=1)
    for value in ODD[field]:
        odd = f"{before}{value}{after}"
        in_turn = 5 * (record[0] + odd)
        content = text.replace(record[0], f"{15 * record[0]}\n{odd}{odd}{in_turn}", 1)
        seen.count = 0
        all_ways(content.encode(), strict=strict, monkeypatch=monkeypatch)
        assert seen.count > 3, value


@pytest.mark.parametrize("first", ["5", "1"])
def test_what_depends_on_a_value_is_left_to_the_reader(first: str, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction is the only one of its entry, and so of its amount, where its batch says that there is one."""
    text = (PROJECT / "samples" / "good" / "camt.053.001.08.xml").read_text(encoding="utf-8")
    entries = re.search(r"(?:<Ntry>.*?</Ntry>\s*)+", text, re.DOTALL)
    assert entries
    entry = (
        '<Ntry><Amt Ccy="EUR">7.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>'
        "<BkTxCd><Prtry><Cd>X</Cd></Prtry></BkTxCd><NtryDtls><Btch><NbOfTxs>{}</NbOfTxs></Btch>"
        "<TxDtls><Refs><EndToEndId>E</EndToEndId></Refs></TxDtls></NtryDtls></Ntry>"
    )
    several = "".join(map(entry.format, [first] * 100 + ["1", "01", "5", "1"] * 100))
    items = all_ways(text.replace(entries[0], several).encode(), strict=False, monkeypatch=monkeypatch)
    amounts = [str(item.details[0].amount) for item in items if isinstance(item, Entry)]
    assert amounts.count("None") == 100 + 100 * (first == "5")
    assert seen.count > 300


@pytest.mark.parametrize("strict", [True, False])
def test_what_stands_before_a_limit_is_told(strict: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (PROJECT / "samples" / "good" / "pain.001.001.09.xml").read_text(encoding="utf-8")
    record = re.search(r"<CdtTrfTxInf>.*?</CdtTrfTxInf>\s*", text, re.DOTALL)
    assert record
    for count in (1, 30, 90, 300):
        comment = record[0].replace("<RmtInf>", f"<!--{200_000 * '-x'}--><RmtInf>")
        for long in (comment, 200_000 * " " + record[0]):
            content = text.replace(record[0], count * record[0] + long, 1).encode()
            *told, last = read(io.BytesIO(content), CATALOG, strict=strict)
            assert sum(isinstance(each, Payment) for each in told) >= count
            assert isinstance(last, Finding)
            assert last.code == "XML_LIMIT"


@pytest.mark.parametrize("blank", [100, 9_000, 15_000, 19_000, 30_000, 60_000])
def test_blank_lines_between_records_are_no_reason_to_refuse_a_file(
    blank: int, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of all records that are left out in one go would be one text too long for the parser."""
    monkeypatch.setattr(fast, "LARGEST_BLOCK", 1 << 17)
    text = (PROJECT / "samples" / "good" / "pain.001.001.09.xml").read_text(encoding="utf-8")
    record = re.search(r"<CdtTrfTxInf>.*?</CdtTrfTxInf>\s*", text, re.DOTALL)
    assert record
    several = 25 * (record[0] + blank * NEWLINE)
    items = all_ways(text.replace(record[0], several, 1).encode(), strict=False, monkeypatch=monkeypatch)
    assert "XML_LIMIT" not in {item.code for item in items if isinstance(item, Finding)}
    assert seen.count > 5


def test_records_are_told_as_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever judges them can begin, while the rest is still to be read."""
    text = (PROJECT / "samples" / "good" / "pain.001.001.09.xml").read_text(encoding="utf-8")
    record = re.search(r"<CdtTrfTxInf>.*?</CdtTrfTxInf>\s*", text, re.DOTALL)
    assert record
    source, count = io.BytesIO(text.replace(record[0], 2_000 * record[0], 1).encode()), 0
    behind = []
    for item in read(source, CATALOG, strict=False):
        if isinstance(item, Payment):
            count += 1
            behind.append(source.tell() - count * len(record[0]))
    assert count > 2_000
    assert max(behind) < 5 * fast.LARGEST_BLOCK < source.tell() / 4


@pytest.mark.parametrize("strict", [True, False])
def test_a_value_with_a_line_of_its_own_moves_no_line_of_others(
    strict: bool, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is learned of its record is that of those that have none."""
    text = (PROJECT / "samples" / "good" / "pain.001.001.09.xml").read_text(encoding="utf-8")
    record = re.search(r"<CdtTrfTxInf>.*?</CdtTrfTxInf>\s*", text, re.DOTALL)
    assert record
    broken = re.sub(r"(<Nm>\w+) ", r"\1\n", record[0])
    assert broken != record[0]
    several = broken + 100 * record[0] + broken + 100 * record[0]
    all_ways(text.replace(record[0], several, 1).encode(), strict=strict, monkeypatch=monkeypatch)
    assert seen.count > 5
