"""Rows into files of other programs: CSV for spreadsheets, JSON Lines, Parquet. A row is written as it comes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO
from unicodedata import category

from h2h.cli.output import one_line
from h2h.records import json_value

if TYPE_CHECKING:
    import pyarrow as pa

    from h2h.ledger.exports import Column

DANGEROUS = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet takes a cell that begins so for a formula
ROW_GROUP = 10_000
DIGITS, DECIMALS = 38, 18  # of an amount in Parquet; ISO 20022 has at most 18 digits, 17 of them decimals
IN_TEXT = "_text"  # the column for an amount that has more


def write_json_lines(columns: Sequence[Column], rows: Iterable[Sequence[Any]], target: BinaryIO) -> None:
    names = [column.name for column in columns]
    for row in rows:
        target.write(f"{one_line(json_value(dict(zip(names, row, strict=True))))}\n".encode())


def write_csv(columns: Sequence[Column], rows: Iterable[Sequence[Any]], target: BinaryIO) -> None:
    text = io.TextIOWrapper(target, encoding="utf-8", newline="")
    writer = csv.writer(text)
    writer.writerow([column.name for column in columns])
    for row in rows:
        writer.writerow([_cell(json_value(value)) for value in row])
    text.flush()
    text.detach()


def _cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        return one_line(value)
    if not isinstance(value, str):
        return value
    shown = "".join(c if category(c) != "Cc" else c.encode("unicode_escape").decode() for c in value)
    return f"'{shown}" if value.startswith(DANGEROUS) and not _number(value) else shown


def _number(value: str) -> bool:
    return value.lstrip("-").replace(".", "", 1).isdigit()


def write_parquet(columns: Sequence[Column], rows: Iterable[Sequence[Any]], target: BinaryIO) -> None:
    """In groups of rows. Amounts are exact decimals; one with more digits stands as text in a column of its own."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = iter(rows)
    with pq.ParquetWriter(target, _schema(columns)) as writer:
        while group := list(islice(source, ROW_GROUP)):
            arrays = [array for at, column in enumerate(columns) for array in _arrays(column, [r[at] for r in group])]
            writer.write_table(pa.Table.from_arrays(arrays, schema=_schema(columns)))


def _schema(columns: Sequence[Column]) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([pa.field(name, kind) for column in columns for name, kind in _fields(column)])


def _fields(column: Column) -> Iterator[tuple[str, pa.DataType]]:
    import pyarrow as pa

    from h2h.ledger.exports import Kind

    kinds = {
        Kind.TEXT: pa.string(),
        Kind.JSON: pa.string(),
        Kind.AMOUNT: pa.decimal128(DIGITS, DECIMALS),
        Kind.INSTANT: pa.timestamp("us", tz="UTC"),
        Kind.INTEGER: pa.int64(),
        Kind.FLAG: pa.bool_(),
    }
    yield column.name, kinds[column.kind]
    if column.kind is Kind.AMOUNT:
        yield f"{column.name}{IN_TEXT}", pa.string()


def _arrays(column: Column, values: Sequence[Any]) -> list[pa.Array]:
    import pyarrow as pa

    from h2h.ledger.exports import Kind

    types = [kind for _, kind in _fields(column)]
    if column.kind is Kind.AMOUNT:
        exact = [value if value is not None and _holds(value) else None for value in values]
        rest = [format(v, "f") if v is not None and not _holds(v) else None for v in values]
        return [pa.array(exact, types[0]), pa.array(rest, types[1])]
    if column.kind is Kind.JSON:
        values = [None if value is None else one_line(json_value(value)) for value in values]
    return [pa.array(values, types[0])]


def _holds(amount: Decimal) -> bool:
    """Whether a decimal of Parquet holds it to the last digit."""
    exponent = amount.as_tuple().exponent
    assert isinstance(exponent, int)
    return exponent >= -DECIMALS and amount.adjusted() < DIGITS - DECIMALS
