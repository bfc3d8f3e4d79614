"""Records that may be too many for memory."""

from __future__ import annotations

import os
import tracemalloc
from decimal import Decimal
from itertools import islice
from pathlib import Path

import pytest

from h2h.errors import StoreError
from h2h.model import Address, Payment
from h2h.spool import FRAME, Spool


def payment(position: int) -> Payment:
    return Payment(
        position=position,
        batch=1,
        payment_information_id="P",
        instruction_id=None,
        uetr=None,
        end_to_end_id=f"E-{position}",
        amount=Decimal(position) / 100,
        currency="EUR",
        creditor_name="Ærlig Ost",
        addresses=(
            Address(place="Cdtr/PstlAdr", name="Ost", town=None, country="DK", lines=("a", "b"), line=position),
        ),
        line=7 * position,
    )


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, FRAME, 2 * FRAME + 10, 2 * FRAME + 11])
def test_what_went_in_comes_out_in_order_and_as_often_as_wanted(tmp_path: Path, count: int) -> None:
    spool = Spool(Payment, tmp_path, in_memory=10)
    spool.extend(map(payment, range(count)))
    wanted = [payment(n) for n in range(count)]
    assert len(spool) == count
    assert [*spool] == wanted
    assert all(one is not two and one == two for one, two in zip(spool, wanted, strict=True))
    assert (payment(count - 1) in spool) == (count > 0)
    assert payment(count) not in spool
    assert os.listdir(tmp_path) == []


def test_two_may_go_through_it_at_once_while_it_grows(tmp_path: Path) -> None:
    spool = Spool(Payment, tmp_path, in_memory=10)
    spool.extend(map(payment, range(FRAME)))
    slow, quick = iter(spool), iter(spool)
    assert [each.position for each in islice(slow, 3)] == [0, 1, 2]
    spool.extend(map(payment, range(FRAME, 3 * FRAME)))
    assert [each.position for each in quick] == [*range(3 * FRAME)]
    assert [each.position for each in slow] == [*range(3, 3 * FRAME)]


def test_memory_does_not_grow_with_it(tmp_path: Path) -> None:
    spool = Spool(Payment, tmp_path)
    tracemalloc.start()
    spool.extend(map(payment, range(8_000)))
    before = tracemalloc.get_traced_memory()[0]
    spool.extend(map(payment, range(8_000, 16_000)))
    assert sum(1 for _ in spool) == 16_000
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 2_000_000


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    spool = Spool(Payment, tmp_path / "gone", in_memory=2)
    with pytest.raises(StoreError, match="gone cannot be written or read: No such file"):
        spool.extend(map(payment, range(2)))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full")
    monkeypatch.setattr("h2h.spool.tempfile.TemporaryFile", lambda **_: full.open("r+b", buffering=0))
    spool = Spool(Payment, tmp_path, in_memory=2)
    with pytest.raises(StoreError, match="No space left"):
        spool.extend(map(payment, range(2)))
