"""Records that may be too many for memory."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from decimal import Decimal
from itertools import islice
from os import pread
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


@pytest.mark.parametrize("weight", [None, lambda each: 1 + each.position % 7])
def test_any_part_of_it_comes_alone_wherever_it_stands(tmp_path: Path, weight: Callable[[Payment], int] | None) -> None:
    count = 2 * FRAME + 25
    spool = Spool(Payment, tmp_path, in_memory=10, weight=weight)
    spool.extend(map(payment, range(count)))
    edges = [0, 1, 9, 10, 11, FRAME + 9, FRAME + 10, FRAME + 11, count - 16, count - 15, count - 1, count, count + 5]
    for first in edges:
        for end in edges:
            found = [each.position for each in spool.part(first, end)]
            assert found == [*range(first, min(end, count))], (first, end)


def test_many_small_parts_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(Payment, tmp_path, in_memory=10)
    spool.extend(map(payment, range(3 * FRAME)))
    reads: list[int] = []
    monkeypatch.setattr("h2h.spool.os.pread", lambda file, size, at: reads.append(at) or pread(file, size, at))
    assert [next(spool.part(at, at + 1)).position for at in range(2 * FRAME)] == [*range(2 * FRAME)]
    assert len(reads) == len(set(reads)) <= 3


def test_few_large_records_leave_memory_as_soon_as_many_small_ones(tmp_path: Path) -> None:
    spool = Spool(Payment, tmp_path, in_memory=100, weight=lambda _: 50)
    spool.append(payment(1))
    assert len(spool._latest) == 1
    spool.append(payment(2))
    assert len(spool._latest) == 0
    spool.extend(map(payment, range(3, 63)))
    assert [each.position for each in spool] == [*range(1, 63)]
    assert max(len(spool._read(frame)) for frame in range(len(spool._file))) == FRAME // 50


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
