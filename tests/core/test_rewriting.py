"""What is written anew from a payment file: the same values in the same order, whatever stood around them."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import groupby
from pathlib import Path

import pytest
from lxml import etree

from h2h.confined import ConfinedReader, Limits
from h2h.identity import derived_id, new_uetr
from h2h.messages import Catalog, read
from h2h.messages.orders import BatchOrder, Selection, Upgrade
from h2h.messages.rewriting import rewritten
from h2h.messages.selection import Selecting, in_the_form_of
from h2h.messages.upgrading import FROM, Upgrading
from h2h.model import Batch, Finding, Payment, PaymentFile, Record, Severity
from h2h.resources import root
from tests.changing import replace
from tests.flows.world import payments, sample

CATALOG = Catalog.load(root("schemas"))
CORPUS = Path(os.environ.get("H2H_SHARED", root("samples").parents[1] / "shared")) / "corpus" / "pain001"
FILES = sorted(CORPUS.glob("*")) if CORPUS.is_dir() else []


def records(content: bytes) -> tuple[list[Record], list[Finding]]:
    items = list(read(io.BytesIO(content), CATALOG, strict=True))
    errors = [i for i in items if isinstance(i, Finding) and i.severity is Severity.ERROR]
    return [i for i in items if not isinstance(i, Finding)], errors


def order(content: bytes, *positions: int) -> Selection:
    """These payments, and no sums: what they come to is not what is asked here."""
    chosen = [r for r in records(content)[0] if isinstance(r, Payment) and r.position in positions]
    batches = [(number, len(list(inside))) for number, inside in groupby(chosen, key=lambda p: p.batch)]
    return Selection(
        message_id="NEW",
        now="2026-11-21T10:00:00.123456+01:00",
        control_sum="1",
        batches=tuple(
            BatchOrder(position=n, payment_information_id=f"B-{n}", payments=count, control_sum="1")
            for n, count in batches
        ),
        payments=positions,
        uetr_seed="seed",
    )


def selected(content: bytes, *positions: int) -> tuple[bytes, list[Finding]]:
    items = list(rewritten(io.BytesIO(content), Selecting(order(content, *positions))))
    return b"".join(i for i in items if isinstance(i, bytes)), [i for i in items if isinstance(i, Finding)]


def whole(content: bytes, name: str) -> list[bytes]:
    """Every element of this name in canonical form, without indentation and UETR."""
    tree = etree.fromstring(content, etree.XMLParser(remove_blank_text=True, remove_comments=True, remove_pis=True))
    for uetr in list(tree.iter("{*}UETR")):
        uetr.getparent().remove(uetr)  # type: ignore[union-attr]
    return [etree.tostring(each, method="c14n", exclusive=True, with_tail=False) for each in tree.iter(f"{{*}}{name}")]


# The time, in the form that it had.

NOW = datetime(2026, 1, 5, 8, 7, 6, 120_000, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2025-10-05T16:42:10", "2026-01-05T08:07:06"),
        ("2025-10-05T16:42:10Z", "2026-01-05T11:37:06Z"),
        ("2025-10-05T16:42:10+02:00", "2026-01-05T08:07:06-03:30"),
        ("2025-10-05T16:42:10.5", "2026-01-05T08:07:06.1"),
        ("2025-10-05T16:42:10.1234567+01:00", "2026-01-05T08:07:06.1200000-03:30"),
        (" 2025-10-05T16:42:10.000Z\n", "2026-01-05T11:37:06.120Z"),
    ],
)
def test_a_new_time_is_written_in_the_form_of_the_old_one(old: str, new: str) -> None:
    assert in_the_form_of(old, NOW) == new


# Names.


@pytest.mark.parametrize(
    ("old", "number", "new"),
    [
        ("ABC", 1, "ABC-R1"),
        ("ABC-R1", 2, "ABC-R2"),
        ("x" * 35, 1, "x" * 32 + "-R1"),
        ("x" * 31 + " yz", 12, "x" * 31 + "-R12"),
        ("x" * 35, 999, "x" * 30 + "-R999"),
        ("A-R1-R7", 1, "A-R1-R1"),
    ],
)
def test_a_derived_name_shows_where_it_comes_from_and_is_not_too_long(old: str, number: int, new: str) -> None:
    assert derived_id(old, number) == new
    assert len(new) <= 35


def test_a_new_uetr_is_of_version_4_and_hangs_on_file_and_position_alone() -> None:
    made = {new_uetr(seed, position) for seed in ("a", "b") for position in range(1, 501)}
    assert len(made) == 1000
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", u) for u in made)
    assert new_uetr("a", 1) in made


# What comes out.


def test_payments_of_which_nobody_asks_leave_no_trace_and_neither_do_their_batches() -> None:
    content = sample()
    new, findings = selected(content, 2, 6)
    assert findings == []
    assert whole(new, "CdtTrfTxInf") == [whole(content, "CdtTrfTxInf")[n] for n in (1, 5)]
    assert [r.payment_information_id for r in records(new)[0] if isinstance(r, Batch)] == ["B-1", "B-2"]


def test_comments_stay_behind_and_change_no_value() -> None:
    content = sample().replace(b"<CdtTrfTxInf>", b"<!-- one --><?do it?><CdtTrfTxInf><!-- two -->")
    new, findings = selected(content, 1)
    assert (findings, b"<!--" in new, b"<?do" in new) == ([], False, False)
    assert whole(new, "CdtTrfTxInf") == whole(sample(), "CdtTrfTxInf")[:1]


def test_what_is_like_a_part_of_the_message_in_somebody_elses_data_is_no_part_of_it() -> None:
    inside = "<PmtInf xmlns='urn:x'><CdtTrfTxInf/><GrpHdr/></PmtInf>"
    data = f"<SplmtryData><Envlp>{inside}</Envlp></SplmtryData>"
    text = sample().decode().replace("</CdtTrfTxInf>", f"{data}</CdtTrfTxInf>", 1)
    new, findings = selected(text.encode(), 2, 3)
    assert findings == []
    assert whole(new, "CdtTrfTxInf") == whole(sample(), "CdtTrfTxInf")[1:3]
    [finding] = selected(text.encode(), 1)[1]
    assert (finding.code, finding.path) == (
        "REPAIR_IMPOSSIBLE",
        "/Document/CstmrCdtTrfInitn/PmtInf[1]/CdtTrfTxInf[1]/SplmtryData",
    )


def test_a_payment_of_a_batch_that_is_to_stay_behind_is_not_written() -> None:
    wanted = replace(order(sample(), 1), payments=(1, 5))
    items = list(rewritten(io.BytesIO(sample()), Selecting(wanted)))
    assert [i.code for i in items if isinstance(i, Finding)] == ["REPAIR_IMPOSSIBLE"]


def test_a_byte_order_mark_and_a_default_namespace_that_is_none_change_nothing() -> None:
    new, findings = selected(b"\xef\xbb\xbf" + sample(), 1)
    assert findings == []
    assert whole(new, "CdtTrfTxInf") == whole(sample(), "CdtTrfTxInf")[:1]


# What cannot be read to its end.


@pytest.mark.parametrize("content", [b"", b"no XML", sample()[:5000], sample().replace(b"</Document>", b"")])
def test_half_a_file_is_a_finding(content: bytes) -> None:
    items = list(rewritten(io.BytesIO(content), Upgrading(Upgrade(uetr_seed=None))))
    assert [i for i in items if isinstance(i, Finding)]


# In a reader process.


@pytest.fixture(scope="module")
def small() -> Iterator[ConfinedReader]:
    reader = ConfinedReader(CATALOG, Limits(memory=48 << 20))
    yield reader
    reader.close()


LARGE = payments("MSG-LARGE", 20_000)  # 15 MB, which make a tree of more than 100


def test_a_large_file_is_gone_through_in_little_memory(small: ConfinedReader) -> None:
    wanted = Selection(
        message_id="NEW",
        now="2026-11-21T10:00:00+01:00",
        control_sum="20.02",
        batches=(BatchOrder(position=1, payment_information_id="B", payments=2, control_sum="20.02"),),
        payments=(5, 20_000),
        uetr_seed="seed",
    )
    items = list(small.selected(io.BytesIO(LARGE), wanted))
    new = b"".join(i for i in items if isinstance(i, bytes))
    assert [i for i in items if isinstance(i, Finding)] == []
    assert [r.end_to_end_id for r in records(new)[0] if isinstance(r, Payment)] == ["MSG-LARGE-5", "MSG-LARGE-20000"]


def test_as_much_is_written_as_was_read_and_it_does_not_add_up(small: ConfinedReader) -> None:
    old = LARGE.replace(b"pain.001.001.09", b"pain.001.001.03")
    old = re.sub(rb"<ReqdExctnDt>\s*<Dt>([^<]*)</Dt>\s*</ReqdExctnDt>", rb"<ReqdExctnDt>\1</ReqdExctnDt>", old)
    old = re.sub(rb"\s*<UETR>[^<]*</UETR>", b"", old).replace(b"BICFI>", b"BIC>")
    new = b"".join(i for i in small.upgraded(io.BytesIO(old), Upgrade(uetr_seed=None)) if isinstance(i, bytes))
    assert new.count(b"<CdtTrfTxInf>") == 20_000
    assert small.pids


def test_a_reader_that_reads_says_no_bytes_and_one_that_writes_no_records() -> None:
    from h2h.confined.wire import Job

    reads = Job(size=1, strict=True, expected=None)
    writes = Job(size=1, strict=True, expected=None, upgrade=Upgrade(uetr_seed=None))
    assert bytes not in reads.answers
    assert PaymentFile not in writes.answers


# What banks and programs really write.


@pytest.mark.skipif(not FILES, reason="the corpus is not here")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_half_of_the_payments_of_a_real_file_come_out_as_they_stood(path: Path) -> None:
    content = path.read_bytes()
    found, errors = records(content)
    if errors:
        pytest.skip("no good file")
    positions = [r.position for r in found if isinstance(r, Payment)][::2]
    new, findings = selected(content, *positions)
    assert findings == []
    assert whole(new, "CdtTrfTxInf") == [whole(content, "CdtTrfTxInf")[n - 1] for n in positions]
    assert records(new)[1] == []


@pytest.mark.skipif(not FILES, reason="the corpus is not here")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_real_file_says_the_same_in_the_newer_version(path: Path) -> None:
    content = path.read_bytes()
    found, errors = records(content)
    if errors or not isinstance(found[0], PaymentFile) or found[0].message != FROM:
        pytest.skip("no good pain.001.001.03")
    items = list(rewritten(io.BytesIO(content), Upgrading(Upgrade(uetr_seed=None))))
    findings = [i for i in items if isinstance(i, Finding)]
    if findings:
        assert {(f.code, f.path.rpartition("/")[2]) for f in findings} == {("UPGRADE_IMPOSSIBLE", "Othr")}
        return
    new, errors = records(b"".join(i for i in items if isinstance(i, bytes)))
    assert errors == []
    assert [type(r) for r in new] == [type(r) for r in found]
    assert [r.amount for r in new if isinstance(r, Payment)] == [r.amount for r in found if isinstance(r, Payment)]
