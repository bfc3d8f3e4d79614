"""Large files are judged by two reader processes at once, and what is found is what one process finds."""

from __future__ import annotations

import io
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import pytest

from h2h.archive import Archive
from h2h.confined import ConfinedReader, Limits, Whole, halves
from h2h.confined.wire import Job
from h2h.errors import Damaged
from h2h.looked import Looked
from h2h.messages import Catalog
from h2h.model import Judgement, Severity
from h2h.one_pass import none_is_blank
from h2h.outbound.judge import judge, judge_bytes
from h2h.resources import root
from h2h.rules import CLEAR, PaymentRules, Terms
from tests.flows.world import payments

CATALOG = Catalog.load(root("schemas"))
COUNT = 2_600  # some blocks for either half
GOOD = payments("MSG-TWO", COUNT)
FIRST, LAST = 3, COUNT - 3  # a payment in either half


FILES = ExitStack()


@pytest.fixture(autouse=True)
def however_small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(halves, "LEAST", 0)
    with FILES:
        yield


@pytest.fixture
def reader() -> Iterator[ConfinedReader]:
    made = ConfinedReader(CATALOG, Limits())
    yield made
    made.close()


def opened(content: bytes) -> BinaryIO:
    file = FILES.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
    file.write(content)
    file.seek(0)
    return file


def by_one(reader: ConfinedReader, content: bytes, terms: Terms) -> Judgement:
    return judge(reader.read_in_columns(io.BytesIO(content), strict=True), terms)


def by_two(reader: ConfinedReader, content: bytes, terms: Terms) -> Judgement:
    """Raises Whole."""
    return judge(reader.read_in_halves(opened(content)), terms)


def same(one: Judgement, other: Judgement) -> bool:
    told = (repr([each.header, [*each.batches], [*each.payments], [*each.findings]]) for each in (one, other))
    return len({*told}) == 1


def changed(content: bytes, number: int, what: bytes, new: bytes) -> bytes:
    """In one payment."""
    start = content.index(b"<InstrId>MSG-TWO-%d<" % number)
    end = content.index(b"</CdtTrfTxInf>", start)
    assert what in content[start:end]
    return content[:start] + content[start:end].replace(what, new, 1) + content[end:]


def several_batches(content: bytes) -> bytes:
    """A new one begins behind every 700 payments."""
    head = content[content.index(b"<PmtInf>") : content.index(b"<CdtTrfTxInf>")]
    pieces = content.split(b"</CdtTrfTxInf>")
    for at in range(700, COUNT, 700):
        new = head.replace(b"<PmtInfId>", b"<PmtInfId>%d-" % at)
        pieces[at] = b"</PmtInf>" + new + pieces[at].lstrip()
    return b"</CdtTrfTxInf>".join(pieces)


IBAN, AMOUNT = b"<IBAN>FR1420041010050500013M02606", b'Ccy="EUR">10.01'
BREACHES: dict[str, bytes] = {
    "nothing": GOOD,
    "in the first half": changed(GOOD, FIRST, b"10.01", b"10.001"),
    "in the second half": changed(GOOD, LAST, b"10.01", b"10.001"),
    "in both": changed(changed(GOOD, FIRST, b"10.01", b"0.00"), LAST, b"EUR", b"XXX"),
    "a reference twice in one half": changed(GOOD, LAST, b"%d</EndToEndId>" % LAST, b"%d</EndToEndId>" % (LAST - 9)),
    "a reference in both halves": changed(GOOD, LAST, b"%d</EndToEndId>" % LAST, b"%d</EndToEndId>" % FIRST),
    "a blank one": changed(GOOD, LAST, b"<EndToEndId>MSG-TWO-%d<" % LAST, b"<EndToEndId> <"),
    "an unseen character": changed(GOOD, LAST, b"<EndToEndId>MSG", b"<EndToEndId>M\xe2\x80\x8bSG"),
    "another count": GOOD.replace(b"<NbOfTxs>%d" % COUNT, b"<NbOfTxs>%d" % (COUNT - 1)),
}  # fmt: skip


def test_readers_ask_all_that_the_rules_ask() -> None:
    asked = {rule.clears for rule in PaymentRules(Terms()).rules()}
    assert {*CLEAR} == asked | {none_is_blank}


@pytest.mark.parametrize("batches", ["one batch", "several batches"])
@pytest.mark.parametrize("what", BREACHES)
def test_two_find_what_one_finds(what: str, batches: str, reader: ConfinedReader) -> None:
    content = several_batches(BREACHES[what]) if batches == "several batches" else BREACHES[what]
    terms = Terms(unusual_dates=Severity.HOLD)
    one, two = by_one(reader, content, terms), by_two(reader, content, terms)
    assert same(one, two)
    assert len(two.payments) == COUNT
    assert len(two.batches) == (4 if batches == "several batches" else 1)
    assert bool(two.findings) == (what != "nothing" or batches == "several batches")  # whose totals are of all


def test_an_account_that_is_wrong_in_the_last_payment_but_one_is_exactly_that_finding(reader: ConfinedReader) -> None:
    iban = GOOD[GOOD.rindex(b"<IBAN>") + 6 :].split(b"<")[0]
    content = changed(GOOD, COUNT - 1, iban, iban[:-1] + (b"0" if iban[-1:] != b"0" else b"1"))
    [finding] = by_two(reader, content, Terms()).findings
    assert finding.code == "IBAN_INVALID"
    assert finding.path is not None
    assert f"CdtTrfTxInf[{COUNT - 1}]" in finding.path
    assert finding.line is not None
    assert content.splitlines()[finding.line - 1].strip() == b"<CdtTrfTxInf>"


@pytest.mark.parametrize("number", [FIRST, LAST])
def test_what_a_schema_refuses_is_told_by_one_that_reads_the_whole(number: int, reader: ConfinedReader) -> None:
    content = changed(GOOD, number, b"EUR", b"EURO")
    with pytest.raises(Whole):
        by_two(reader, content, Terms())
    found = judge_bytes(reader, opened(content), Terms())
    assert not found.good
    assert same(found, by_one(reader, content, Terms()))


@pytest.mark.parametrize("cut", [0.2, 0.6, 0.999])
def test_a_file_that_breaks_off_is_refused_as_one_reader_refuses_it(cut: float, reader: ConfinedReader) -> None:
    content = GOOD[: int(len(GOOD) * cut)]
    assert same(judge_bytes(reader, opened(content), Terms()), by_one(reader, content, Terms()))


class Struck(io.FileIO):
    """Kills every reader process when so much of it was read, once."""

    at: float
    pids: Any
    struck = False

    def read(self, size: int = -1) -> bytes:  # type: ignore[override]
        if not self.struck and self.tell() > self.at:
            self.struck = True
            for pid in self.pids():
                os.kill(pid, signal.SIGKILL)
        return super().read(size) or b""


def test_where_readers_die_the_whole_is_read_anew(reader: ConfinedReader, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(GOOD)
    source = FILES.enter_context(Struck(tmp_path / "file"))
    source.at, source.pids = len(GOOD) / 3, lambda: reader.pids
    found = judge_bytes(reader, source, Terms())  # type: ignore[arg-type]
    assert source.struck
    assert found.good
    assert len(found.payments) == COUNT


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "1E+65"])
def test_a_sum_that_cannot_be_reckoned_with_cannot_be_said(amount: str) -> None:
    said = {"written": b"", "many": 1, "batch": 1, "amount": amount, "references": b"", "clear": True}
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(msgspec.msgpack.encode(said), type=Looked)


class Liar(ConfinedReader):
    """Its processes tell of payments in no known form, where nobody takes them apart at once."""

    def _said(self, job: Job, source: BinaryIO, start: int) -> Iterator[Any]:
        for item in super()._said(job, source, start):
            yield replace(item, written=b"\xc1") if isinstance(item, Looked) else item


def test_where_readers_told_what_is_not_so_the_whole_is_read_anew() -> None:
    reader = Liar(CATALOG, Limits())
    with closing(reader):
        assert same(judge_bytes(reader, opened(GOOD), Terms()), by_one(reader, GOOD, Terms()))


@pytest.mark.parametrize("place", [0.3, 0.8])
def test_bytes_of_either_half_that_were_changed_in_the_archive_are_damage(
    place: float, reader: ConfinedReader, tmp_path: Path
) -> None:
    archive = Archive(tmp_path / "archive")
    archive.prepare()
    with archive.incoming() as incoming:
        incoming.write(GOOD)
        sha256 = incoming.keep()
    path = tmp_path / "archive" / sha256[:2] / sha256[2:4] / sha256
    at = GOOD.index(b"10.01", int(len(GOOD) * place))
    path.write_bytes(GOOD[:at] + b"99.01" + GOOD[at + 5 :])
    with archive.open(sha256) as source, pytest.raises(Damaged):
        judge_bytes(reader, source, Terms())


def test_one_reads_what_lies_in_no_file(reader: ConfinedReader) -> None:
    with pytest.raises(Whole):
        next(reader.read_in_halves(io.BytesIO(GOOD)))
    assert judge_bytes(reader, io.BytesIO(GOOD), Terms()).good


def test_one_reads_where_the_others_are_busy(reader: ConfinedReader) -> None:
    busy = [reader.read(opened(GOOD), strict=True) for _ in range(max(2, os.cpu_count() or 1) - 1)]
    for each in busy:
        next(each)
    with pytest.raises(Whole):
        next(reader.read_in_halves(opened(GOOD)))
    assert judge_bytes(reader, opened(GOOD), Terms()).good


def test_who_leaves_early_leaves_no_process_busy(reader: ConfinedReader) -> None:
    said = reader.read_in_halves(opened(GOOD))
    next(said)
    said.close()  # type: ignore[attr-defined]
    assert by_two(reader, GOOD, Terms()).good
