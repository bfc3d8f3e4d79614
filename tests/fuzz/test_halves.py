"""A pain.001 read in two halves says what it says as a whole, or nothing: of files of every version, cut anywhere, good
and damaged. H2H_LONG=1 tries some ten thousand."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from h2h.columns import one_by_one
from h2h.confined import halves
from h2h.confined.halves import Whole
from h2h.looked import Looked
from h2h.messages import MessageType, fast, read, xml
from h2h.messages.identify import Manner, shape_of
from h2h.messages.raw import RawSource
from h2h.messages.reading import unexplained
from h2h.model import Finding, Payment
from h2h.rules import looking
from tests.core.chance import FULL, Chance
from tests.core.test_messages_properties import invented
from tests.core.writing import Dress
from tests.fuzz.mutations import damaged
from tests.fuzz.test_two_roads import CATALOG, repeated

LONG = bool(os.environ.get("H2H_LONG"))
ROUNDS = 150 if LONG else 2  # of every version
DAMAGED = 20 if LONG else 2  # of every round
CUTS = 3
ROWS = [row for row in CATALOG.rows if row.name.startswith("pain.001")]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halves, "LEAST", 0)
    monkeypatch.setattr(fast, "FIRST_BLOCK", 3_000)
    monkeypatch.setattr(fast, "LARGEST_BLOCK", 60_000)
    monkeypatch.setattr(xml, "PIECE_BYTES", 10_000)


def as_whole(content: bytes) -> list[Any]:
    return list(read(io.BytesIO(content), CATALOG, strict=True))


def in_halves(content: bytes) -> list[Any]:
    """Raises Whole."""

    def said(half: RawSource) -> Iterator[Any]:
        source = io.BytesIO(b"".join(iter(lambda: half.read(5_000), b"")))
        yield from looking(unexplained(source, Manner(catalog=CATALOG, strict=True, only_valid=True)))

    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        told = (item.payments() if isinstance(item, Looked) else item for item in halves.read(file, said))
        return list(one_by_one(told))


def agree(content: bytes, random: Random, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many ways of cutting it told anything."""
    whole, count = as_whole(content), 0
    for _ in range(CUTS):
        monkeypatch.setattr(halves, "SHARE", random.random())
        try:
            found = in_halves(content)
        except Whole:
            continue
        assert found == whole
        assert repr(found) == repr(whole)
        assert not any(isinstance(item, Finding) for item in whole)
        count += 1
    return count


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_halves_say_what_the_whole_says_or_nothing(row: MessageType, monkeypatch: pytest.MonkeyPatch) -> None:
    item, seed, told = shape_of(row).item, sum(map(ord, row.name)), 0
    for number in range(ROUNDS):
        random = Random(seed + 1_000 * number)
        _, message = invented(row, Chance(seed + number, random.choice((1, 1, 2, 2, FULL))))
        dress = Dress(indent=random.choice(("", "\n  ", "\r\n ")))
        content = dress.file(repeated(dress.document(row.namespace, message), item, random))
        told += agree(content, random, monkeypatch)
        for _ in range(DAMAGED):
            told += agree(damaged(content, random), random, monkeypatch)
    assert told > ROUNDS // 2  # or nothing was held against anything


# What stands at the cut.

HEAD = (
    '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09">\n<CstmrCdtTrfInitn>\n<GrpHdr><MsgId>M</MsgId>'
    "<CreDtTm>2026-11-20T09:00:00</CreDtTm><NbOfTxs>6</NbOfTxs><InitgPty><Nm>N</Nm></InitgPty></GrpHdr>\n"
)
BATCH = (
    "<PmtInf>\n<PmtInfId>B-{}</PmtInfId><PmtMtd>TRF</PmtMtd><ReqdExctnDt><Dt>2026-11-23</Dt></ReqdExctnDt><Dbtr><Nm>N"
    "</Nm></Dbtr>\n<DbtrAcct><Id><IBAN>DE02120300000000202051</IBAN></Id></DbtrAcct><DbtrAgt><FinInstnId><BICFI>"
    "BYLADEM1001</BICFI></FinInstnId></DbtrAgt>\n"
)
PAYMENT = (
    "<CdtTrfTxInf>\n<PmtId><EndToEndId>E-{}</EndToEndId></PmtId><Amt><InstdAmt Ccy='EUR'>1.00</InstdAmt></Amt>\n"
    "<Cdtr><Nm>S</Nm></Cdtr><CdtrAcct><Id><IBAN>FR1420041010050500013M02606</IBAN></Id></CdtrAcct>\n</CdtTrfTxInf>\n"
).replace("'", '"')
END = "</PmtInf>\n"
CLOSE = "</CstmrCdtTrfInitn>\n</Document>\n"
PAYMENTS = [PAYMENT.format(at) for at in range(6)]
TWO = HEAD + BATCH.format(1) + "".join(PAYMENTS[:3]) + END + BATCH.format(2) + "".join(PAYMENTS[3:]) + END + CLOSE
HIDDEN = {  # what looks like the end of a payment, or the head of a batch, and is none
    "comment": f"<!-- {PAYMENTS[0]} -->",
    "batch in a comment": f"<!-- {BATCH.format(9)} -->",
    "batch and payment in a comment": f"<!-- {BATCH.format(9)}<CdtTrfTxInf> -->",
    "head in a comment": "<!-- <PmtInf> <CdtTrfTxInf> -->",
    "instruction": "<?x </CdtTrfTxInf> ?>",
    "batch in an instruction": "<?x <PmtInf> <CdtTrfTxInf> ?>",
    "cdata": "<![CDATA[</CdtTrfTxInf>]]>",
}


def shares() -> list[float]:
    return [at / 40 for at in range(40)]


def test_a_file_of_two_batches_is_told_however_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, told = as_whole(TWO.encode()), 0
    assert sum(isinstance(item, Payment) for item in whole) == 6
    for share in shares():
        monkeypatch.setattr(halves, "SHARE", share)
        try:
            assert in_halves(TWO.encode()) == whole
            told += 1
        except Whole:
            continue
    assert told > 25  # not behind the last payment but one of the last batch


def test_where_no_two_payments_stand_in_one_batch_no_half_is_begun() -> None:
    batches = (BATCH.format(at) + PAYMENTS[at] + END for at in range(6))
    with tempfile.TemporaryFile() as file:
        file.write((HEAD + "".join(batches) + CLOSE).encode())
        file.seek(0)
        with pytest.raises(Whole):
            next(halves.read(file, lambda _: pytest.fail("begun")))


def test_the_batch_of_a_cut_is_found_however_far_in_front(monkeypatch: pytest.MonkeyPatch) -> None:
    content, told = TWO.replace(END + BATCH.format(2), "").encode(), 0
    whole = as_whole(content)
    for near in range(300, 500, 3):
        monkeypatch.setattr(halves, "NEAR", near)
        for share in (0.4, 0.6, 0.8):
            monkeypatch.setattr(halves, "SHARE", share)
            try:
                assert in_halves(content) == whole
                told += 1
            except Whole:
                continue
    assert told > 100


@pytest.mark.parametrize("hidden", HIDDEN.values(), ids=HIDDEN)
@pytest.mark.parametrize("place", range(9))
def test_what_only_looks_like_a_payment_or_a_batch_misleads_nobody(
    hidden: str, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = [HEAD, BATCH.format(1), *PAYMENTS[:3], END + BATCH.format(2), *PAYMENTS[3:5], PAYMENTS[5] + END, CLOSE]
    told_by_all("".join((*pieces[: place + 1], hidden, *pieces[place + 1 :])).encode(), monkeypatch)


ODD = ["<{}\n>", "<{} >", "<{}\t\n >"]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("element", ["CdtTrfTxInf", "PmtInf"])
@pytest.mark.parametrize("number", range(6))
def test_tags_that_are_written_in_another_way_mislead_nobody(
    element: str, number: int, odd: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One, and all up to it: nothing is told twice, and everything stands on its line."""
    for content in (TWO, TWO.replace("B-2", "B-1"), TWO.replace("\n", "")):
        pieces = content.split(f"<{element}>")
        for many in (1, number + 1):
            written = [f"<{element}>"] * (len(pieces) - 1)
            written[number + 1 - many : number + 1] = [odd.format(element)] * many
            told_by_all("".join(map("".join, zip(["", *written], pieces, strict=False))).encode(), monkeypatch)


SWALLOWED = (
    HEAD
    + "<!-- <PmtInf> -->"
    + BATCH.format(1)
    + "".join(PAYMENTS[:4])
    + "{}"
    + BATCH.format(1)
    + PAYMENTS[4]
    + END
    + CLOSE
)


@pytest.mark.parametrize("hidden", ["-->", "?>", "]]>", END + "-->", "--><!-- -->", "<!-- -->"])
@pytest.mark.parametrize("begins", ["<!-- <PmtInf> -->", "<?x <PmtInf> ?>", "<!-- <PmtInf>"])
def test_what_begins_in_front_swallows_no_payment(hidden: str, begins: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = SWALLOWED.replace("<!-- <PmtInf> -->", begins).format(hidden).replace("B-9", "B-1").encode()
    told_by_all(content, monkeypatch)


def told_by_all(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = as_whole(content)
    for share in shares()[:: 1 if LONG else 2]:
        monkeypatch.setattr(halves, "SHARE", share)
        try:
            assert in_halves(content) == whole
        except Whole:
            continue


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<Document/>",
        HEAD.encode(),
        TWO[: len(TWO) * 3 // 4].encode(),
        (TWO + "x").encode(),
        TWO.replace("E-5", "E-5\x00").encode(),
        TWO.replace("E-1", 36 * "E").encode(),
        TWO.replace("<CdtTrfTxInf>", "<CdtTrfTxInf >").encode(),
        TWO.replace("<PmtInf>", "<PmtInf >").encode(),
        TWO.replace("<Document ", "<p:Document xmlns:p='urn:x' ").encode(),
        TWO.encode("utf-16"),
    ],
)
def test_what_cannot_be_told_in_halves_is_left_to_one_reader(content: bytes) -> None:
    with pytest.raises(Whole):
        in_halves(content)
