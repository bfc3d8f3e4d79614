"""Records in columns: the same records, one by one, through bytes, and through a spool."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from h2h.columns import (
    Code,
    Columns,
    Inside,
    code_of,
    default_of,
    inner_column,
    inner_counts,
    inner_records,
    joined,
    names_of,
    one_by_one,
)
from h2h.model import Address, Batch, Entry, EntryDetail, Finding, Payment, Severity
from h2h.spool import ColumnSpool


def payment(position: int) -> Payment:
    return Payment(
        position=position,
        batch=1,
        payment_information_id=None,
        instruction_id=f"I{position}",
        end_to_end_id="Ü" if position % 2 else None,
        uetr=None,
        amount=Decimal(position) / 100 if position % 3 else None,
        currency="EUR",
        addresses=(Address(place="Cdtr/PstlAdr", name=None, lines=("a", "b")),) if position % 5 else (),
        line=7 * position,
    )


PAYMENTS = [payment(n) for n in range(1, 30)]


def test_records_are_what_they_were() -> None:
    columns = Columns.of(PAYMENTS)
    assert len(columns) == 29
    assert repr([*columns]) == repr(PAYMENTS)
    assert [*columns.column("line")] == [each.line for each in PAYMENTS]
    assert PAYMENTS[3] in columns
    assert payment(40) not in columns


@pytest.mark.parametrize("kind", [Address, Batch, Entry, EntryDetail, Payment])
def test_what_a_field_is_where_nothing_is_said_is_known_without_its_type(kind: type[msgspec.Struct]) -> None:
    assert {f.name: default_of(kind, f.name) for f in structs.fields(kind)} == {
        f.name: f.default for f in structs.fields(kind)
    }


def test_what_nobody_says_is_left_out_only_where_it_means_nothing() -> None:
    said = [*PAYMENTS, *(structs.replace(each, amount=Decimal("0.00"), addresses=()) for each in PAYMENTS)]
    for some in (said[:1], said[2:3], said[29:], said):
        assert repr([*Columns.of(some)]) == repr(some)
    assert [*Columns.of(said).where([False] * len(said))] == []


def test_they_come_out_of_bytes_as_they_went_in() -> None:
    details = (EntryDetail(position=1, amount=Decimal("5.00")),)
    entry = Entry(position=1, statement=1, amount=Decimal("5.00"), currency="EUR", direction="DBIT", details=details)
    for kind, records in ((Payment, PAYMENTS), (Entry, [entry])):
        code = Code(kind)
        assert repr([*code.decode(code.encode(Columns.of(records)))]) == repr(records)


@pytest.mark.parametrize(
    "values",
    [
        [[1], [1, 2], *[[None]] * 16],
        [[], *[[]] * 17],
        [["x"], [1], *[[None]] * 16],
        [[1], [1], *[[None]] * 15],
        [[1], [1], *[[None]] * 16, [None]][:10],
    ],
)
def test_bytes_that_are_no_columns_of_this_kind_are_refused(values: list[list[object]]) -> None:
    with pytest.raises((msgspec.MsgspecError, ValueError)):
        Code(Payment).decode(msgspec.msgpack.encode(values))


DETAILS = Inside(EntryDetail, {"position": [1, 1, 1], "amount": [Decimal("5.00"), None, Decimal(7)]})
OBJECTS = [(EntryDetail(position=1, amount=amount),) for amount in (Decimal("5.00"), None, Decimal(7))]


def test_what_is_inside_is_a_column_of_tuples_as_any_other() -> None:
    assert repr([*DETAILS]) == repr(OBJECTS)
    assert repr([DETAILS[at] for at in (0, 1, 2, -1)]) == repr([*OBJECTS, OBJECTS[-1]])
    assert repr([*DETAILS[1:]]) == repr(OBJECTS[1:])
    assert [*DETAILS.column("amount")] == [Decimal(5), None, Decimal(7)]
    assert [*DETAILS.column("uetr")] == [None, None, None]
    assert repr([*joined([DETAILS, Inside(EntryDetail, {"position": [2], "uetr": ["U"]})])]) == repr(
        [*OBJECTS, (EntryDetail(position=2, uetr="U"),)]
    )
    assert repr([*joined([DETAILS, [()], OBJECTS])]) == repr([*OBJECTS, (), *OBJECTS])
    for column in (DETAILS, OBJECTS):
        assert [*inner_counts(column)] == [1, 1, 1]
        assert repr([*inner_records(column)]) == repr([each for (each,) in OBJECTS])
        assert [*inner_column(column, "amount")] == [Decimal(5), None, Decimal(7)]
    two = [(), OBJECTS[0] + OBJECTS[1], OBJECTS[2]]
    assert [*inner_counts(two)] == [0, 2, 1]
    assert [*inner_column(two, "amount")] == [Decimal(5), None, Decimal(7)]


def test_columns_inside_come_out_of_bytes_as_they_went_in() -> None:
    entry = Entry(position=1, statement=1, amount=None, currency="EUR", direction="DBIT")
    columns = Columns.of([entry] * 3)
    columns.values[names_of(Entry).index("details")] = DETAILS  # type: ignore[index]
    some = [each for at, each in enumerate(columns) if at != 1]
    assert repr([*columns.where([True, False, True])]) == repr(some)
    found = code_of(Entry).decode(code_of(Entry).encode(columns))
    assert isinstance(found.column("details"), Inside)
    assert repr([*found]) == repr([*columns]) == repr([structs.replace(entry, details=each) for each in OBJECTS])


@pytest.mark.parametrize(
    "details",
    [
        {},
        {"position": [1, 1]},
        {"position": [1, 1, 1], "amount": ["1"]},
        {"position": [1, 1, 1], "amount": ["1", "2", "x"]},
        {"position": [1, 1, 1], "nobody": [1, 1, 1]},
        {"amount": ["1", "2", "3"]},
        {"position": ["1", "1", "1"]},
    ],
)
def test_bytes_with_other_columns_inside_are_refused(details: object) -> None:
    entry = Entry(position=1, statement=1, amount=None, currency="EUR", direction="DBIT")
    said = Columns.of([entry] * 3).said()
    said[names_of(Entry).index("details")] = details
    with pytest.raises((msgspec.MsgspecError, ValueError, ArithmeticError)):
        Code(Entry).decode(msgspec.msgpack.encode(said))


def test_others_may_stand_between_them() -> None:
    finding = Finding(code="X", severity=Severity.INFO, text="x")
    batch = Batch(position=1, payment_information_id="B")
    items = [batch, Columns.of(PAYMENTS[:3]), finding, PAYMENTS[3]]
    assert [*one_by_one(items)] == [batch, *PAYMENTS[:3], finding, PAYMENTS[3]]


@pytest.mark.parametrize("in_memory", [1, 7, 29, 1_000])
def test_a_spool_of_columns_keeps_the_order_of_what_comes_in_either_way(tmp_path: Path, in_memory: int) -> None:
    spool = ColumnSpool(Payment, tmp_path, in_memory=in_memory)
    spool.append(PAYMENTS[0])
    spool.add(Columns.of(PAYMENTS[1:9]))
    for each in PAYMENTS[9:20]:
        spool.append(each)
    spool.add(Columns.of(PAYMENTS[20:29]))
    assert len(spool) == 29
    assert [*spool] == [*spool] == PAYMENTS
    assert [position for part in spool.columns() for position in part.column("position")] == [*range(1, 30)]
    assert PAYMENTS[5] in spool
    assert os.listdir(tmp_path) == []
