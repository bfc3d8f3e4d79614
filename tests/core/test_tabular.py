"""CSV, JSON Lines and Parquet: whatever stands in a row comes out of the file as it was."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from h2h.cli import tabular
from h2h.cli.tabular import write_csv, write_json_lines, write_parquet
from h2h.ledger.exports import COLUMNS, Column, Kind

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
ONE_OF_EACH = tuple(Column(kind.value, kind) for kind in Kind)
ROW = ("Ünï", Decimal("12.340"), NOW, 7, True, [{"code": "AC04"}])


def parquet(columns: tuple[Column, ...], *rows: tuple[Any, ...]) -> pa.Table:
    target = io.BytesIO()
    write_parquet(columns, rows, target)
    return pq.read_table(io.BytesIO(target.getvalue()))


def test_one_of_each_kind_as_parquet() -> None:
    table = parquet(ONE_OF_EACH, ROW, (None,) * 6)
    assert table.to_pylist() == [
        {"text": "Ünï", "amount": Decimal("12.34"), "amount_text": None, "instant": NOW, "integer": 7, "flag": True,
         "json": '[{"code": "AC04"}]'},
        dict.fromkeys(("text", "amount", "amount_text", "instant", "integer", "flag", "json")),
    ]  # fmt: skip
    assert table.schema.field("amount").type == pa.decimal128(38, 18)
    assert table.schema.field("instant").type == pa.timestamp("us", tz="UTC")


def test_one_of_each_kind_as_json_lines_and_csv() -> None:
    lines, table = io.BytesIO(), io.BytesIO()
    write_json_lines(ONE_OF_EACH, [ROW], lines)
    write_csv(ONE_OF_EACH, [ROW], table)
    assert json.loads(lines.getvalue()) == {
        "text": "Ünï", "amount": "12.340", "instant": "2026-11-20T09:00:00Z", "integer": 7, "flag": True,
        "json": [{"code": "AC04"}],
    }  # fmt: skip
    assert list(csv.reader(io.StringIO(table.getvalue().decode()))) == [
        ["text", "amount", "instant", "integer", "flag", "json"],
        ["Ünï", "12.340", "2026-11-20T09:00:00Z", "7", "True", '[{"code": "AC04"}]'],
    ]


@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False) | st.none(), max_size=20))
def test_an_amount_is_exact_as_decimal_or_as_text(amounts: list[Decimal | None]) -> None:
    rows = parquet((Column("amount", Kind.AMOUNT),), *((amount,) for amount in amounts)).to_pylist()
    assert [None if r["amount"] is None else r["amount"] for r in rows if r["amount_text"] is None] == [
        amount for amount, row in zip(amounts, rows, strict=True) if row["amount_text"] is None
    ]
    texts = [
        (amount, r["amount_text"]) for amount, r in zip(amounts, rows, strict=True) if r["amount_text"] is not None
    ]
    assert all(amount == Decimal(text) for amount, text in texts)


@pytest.mark.parametrize(
    ("amount", "decimal"),
    [
        ("99999999999999999999.999999999999999999", True),
        ("100000000000000000000", False),
        ("0." + "0" * 18 + "1", False),
    ],
)
def test_what_a_decimal_of_parquet_holds(amount: str, decimal: bool) -> None:
    (row,) = parquet((Column("amount", Kind.AMOUNT),), (Decimal(amount),)).to_pylist()
    assert (row["amount"], row["amount_text"]) == ((Decimal(amount), None) if decimal else (None, amount))


def test_parquet_is_written_group_by_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tabular, "ROW_GROUP", 10)
    asked: list[int] = []
    target = io.BytesIO()

    def rows() -> Any:
        for number in range(25):
            if number == 20:
                asked.append(target.tell())
            yield (number,)

    write_parquet((Column("number", Kind.INTEGER),), rows(), target)
    file = pq.ParquetFile(io.BytesIO(target.getvalue()))
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [10, 10, 5]
    assert asked[0] > 0  # the first groups were written before the last was asked for


@pytest.mark.parametrize("what", COLUMNS)
def test_an_export_of_nothing_has_its_columns(what: str) -> None:
    target = io.BytesIO()
    write_csv(COLUMNS[what], [], target)
    assert target.getvalue().decode().strip().split(",") == [column.name for column in COLUMNS[what]]
    assert parquet(COLUMNS[what]).num_rows == 0


def test_cells_that_a_spreadsheet_would_run_are_text() -> None:
    target = io.BytesIO()
    cells = ("=1+1", "+49 30", "-1.50", "@SUM(A1)", "\t=1", "a\x1b[31m", "-x", "plain")
    write_csv([Column(str(at)) for at in range(len(cells))], [cells], target)
    (_, row) = csv.reader(io.StringIO(target.getvalue().decode()))
    assert row == ["'=1+1", "'+49 30", "-1.50", "'@SUM(A1)", "'\\t=1", "a\\x1b[31m", "'-x", "plain"]
