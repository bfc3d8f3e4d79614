"""The large files that are measured with: good by every rule, the same for the same seed, and wrong only on demand."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from benchmarks.payments import IN_BATCH, parts, write
from h2h.messages import Catalog, read
from h2h.model import Judgement
from h2h.outbound.judge import judge
from h2h.rules import Terms

CATALOG = Catalog.load(Path(__file__).resolve().parents[2] / "schemas")


def judged(text: str) -> Judgement:
    return judge(read(io.BytesIO(text.encode()), CATALOG, strict=True), Terms())


@pytest.mark.parametrize("indent", [True, False])
def test_a_generated_file_is_good_and_says_the_same_in_both_forms(indent: bool) -> None:
    found = judged("".join(parts(200, indent)))
    assert found.findings == []
    assert [*found.payments][-1].position == 200
    assert len({payment.creditor_iban for payment in found.payments}) > 150


def test_it_follows_from_its_seed(tmp_path: Path) -> None:
    one, two = tmp_path / "1.xml", tmp_path / "2.xml"
    write(one, 1_500)
    write(two, 1_500)
    assert one.read_bytes() == two.read_bytes()
    assert "".join(parts(1_500, seed=2)) != one.read_text(encoding="utf-8")


def test_it_has_a_batch_for_every_ten_thousand_payments() -> None:
    text = "".join(parts(IN_BATCH + 1, indent=False))
    assert (text.count("<PmtInf>"), text.count("<CdtTrfTxInf>")) == (2, IN_BATCH + 1)


def test_one_iban_is_wrong_where_that_is_asked_for() -> None:
    found = judged("".join(parts(20, wrong_iban=19)))
    assert [(f.code, f.path.rpartition("/CdtTrfTxInf")[2]) for f in found.findings] == [
        ("IBAN_INVALID", "[19]/CdtrAcct/Id/IBAN")
    ]
