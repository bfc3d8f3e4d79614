"""Many rows into a table, by the fastest safe way of each database, within the transaction under way.

SQLite takes them by the driver's `executemany`, what comes in columns by a hundred rows to a statement, PostgreSQL by
COPY. Every value is bound as SQLAlchemy would bind it, by the types of the table's columns; only the building of a
statement for each row is left out. Rows are tuples in the order of `names`, which is that of the columns; at most CHUNK
of them are held at a time, and nothing is asked of the database while they are made.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, islice
from typing import Any, TypeVar

from sqlalchemy import (
    ARRAY,
    JSON,
    BindParameter,
    ColumnElement,
    Connection,
    Dialect,
    FromClause,
    Table,
    Text,
    bindparam,
    cast,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from h2h.ledger import driver
from h2h.ledger.columns import Exact, Instant, Json, RecordText

CHUNK = 1_000  # rows that are handed to the driver at a time
TOGETHER = 100  # of them in one statement: to begin and end one for each takes a fifth of the time
STATEMENTS = 64  # whose text is kept

Bind = Callable[[Any], Any]
ColumnBind = Callable[[Sequence[Any]], Sequence[Any]]  # of all values of a column
T = TypeVar("T")


def store(connection: Connection, table: Table, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert these rows, in their order; all is part of the transaction, and undone with it.

    In SQLite each by itself: a statement of many rows keeps a copy of every page that it is the first to change, which
    are as many as there are keys where these come in no order, as those of payments do.
    """
    binds = _binds(connection.dialect, table, tuple(names))
    chunks = (_bound(chunk, binds) for chunk in in_chunks(rows, CHUNK))
    if connection.dialect.name == "postgresql":
        _copy(connection, table, names, chunks)
        return
    statement = _insert(connection.dialect, table, tuple(names), 1)
    for chunk in chunks:
        driver.change_many(connection, statement, chunk)


def store_columns(connection: Connection, table: Table, columns: Mapping[str, Sequence[Any]]) -> None:
    """The same of rows whose values come column by column: as many as may be held at a time."""
    names = tuple(columns)
    rows = _in_rows([*columns.values()], _binds(connection.dialect, table, names))
    if connection.dialect.name == "postgresql":
        _copy(connection, table, names, iter([rows]))
    else:
        _insert_many(connection, table, names, rows)


def change(connection: Connection, table: Table, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Set these columns of these rows, found by their primary keys: first come the new values, then the key."""
    keys = [column.name for column in table.primary_key]
    marks = [f"b_{name}" for name in (*names, *keys)]
    binds = _binds(connection.dialect, table, (*names, *keys))
    statement, positional = _update(connection.dialect, table, tuple(names))
    for chunk in in_chunks(rows, CHUNK):
        values: list[Any] = _bound(chunk, binds)
        if not positional:
            values = [dict(zip(marks, row, strict=True)) for row in values]
        driver.change_many(connection, statement, values)


def _insert_many(connection: Connection, table: Table, names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    whole = len(rows) - len(rows) % TOGETHER
    values, size = [*chain.from_iterable(rows[:whole])], TOGETHER * len(names)
    together = [values[at : at + size] for at in range(0, len(values), size)]
    for count, given in ((TOGETHER, together), (1, rows[whole:])):
        if given:
            driver.change_many(connection, _insert(connection.dialect, table, names, count), given)


@lru_cache(STATEMENTS)
def _insert(dialect: Dialect, table: Table, names: tuple[str, ...], count: int) -> str:
    """Of so many rows."""
    compiled = insert(table).inline().compile(dialect=dialect, column_keys=list(names))
    assert compiled.positiontup == list(names), f"the columns of {table} are named in another order"
    said, values, row = str(compiled).rpartition("VALUES ")
    return f"{said}{values}{', '.join([row] * count)}"


@lru_cache(STATEMENTS)
def _update(dialect: Dialect, table: Table, names: tuple[str, ...]) -> tuple[str, bool]:
    """Its text, and whether its values stand in a row."""
    keys = [column.name for column in table.primary_key]
    marks: dict[str, BindParameter[Any]] = {name: bindparam(f"b_{name}") for name in (*names, *keys)}
    statement = update(table).where(*(table.c[key] == marks[key] for key in keys))
    compiled = statement.values({name: marks[name] for name in names}).compile(dialect=dialect)
    return str(compiled), compiled.positional


def in_chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def among(connection: Connection, column: ColumnElement[Any], values: Collection[str]) -> ColumnElement[bool]:
    """As `in_`, by one value that is bound, however many they are: SQLAlchemy writes a statement anew for each."""
    if connection.dialect.name == "postgresql":
        return column == func.any(bindparam(None, sorted(values), ARRAY(Text)))
    return column.in_(select(each_of(connection.dialect.name, literal(in_one(values), Text)).c.value))


def each_of(dialect: str, said: ColumnElement[str]) -> FromClause:
    """A table of the values that `said` has, one text (`in_one`), in its column `value`."""
    if dialect == "postgresql":
        made = func.json_array_elements_text(cast(said, JSON), type_=Text)
        return made.table_valued("value").render_derived()
    return func.json_each(said).table_valued("value")


def in_one(values: Collection[str]) -> str:
    return json.dumps(sorted(values))


def allot(connection: Connection, table: Table, count: int) -> int:
    """The first of so many ids in a row that nobody else is given: writers take turns."""
    if connection.dialect.name == "postgresql":
        name, ids = f"{table.name}_id_seq", "SELECT nextval(CAST(:name AS regclass))"
        first: int = connection.execute(text(ids), {"name": name}).scalar_one()
        last = {"name": name, "last": first + count - 1}
        connection.execute(text("SELECT setval(CAST(:name AS regclass), :last)"), last)
        return first
    known: int = connection.execute(select(func.coalesce(func.max(table.c.id), 0))).scalar_one()
    return known + 1


@lru_cache(STATEMENTS)
def _binds(dialect: Dialect, table: Table, names: tuple[str, ...]) -> list[tuple[int, ColumnBind]]:
    """What SQLAlchemy makes of values that are there, before it hands them on, by the place of the column."""
    found = ((at, _column_bind(dialect, table.c[name].type)) for at, name in enumerate(names))
    return [(at, bind) for at, bind in found if bind is not None]


def bind_of(dialect: Dialect, kind: TypeEngine[Any]) -> Bind | None:
    """What SQLAlchemy makes of a value of this type; None where that is the value itself."""
    if isinstance(kind, Exact | Instant | Json):
        return kind.written
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _column_bind(dialect: Dialect, kind: TypeEngine[Any]) -> ColumnBind | None:
    if isinstance(kind, Exact | RecordText):
        return kind.all_written
    bind = bind_of(dialect, kind)
    return None if bind is None else lambda values: [None if value is None else bind(value) for value in values]


def _bound(rows: Sequence[Sequence[Any]], binds: Sequence[tuple[int, ColumnBind]]) -> list[tuple[Any, ...]]:
    """Column by column, which is quicker than row by row."""
    return _in_rows(list(zip(*rows, strict=True)), binds)


def _in_rows(columns: list[Sequence[Any]], binds: Sequence[tuple[int, ColumnBind]]) -> list[tuple[Any, ...]]:
    for at, bind in binds:
        columns[at] = bind(columns[at])
    return list(zip(*columns, strict=True))


def _copy(connection: Connection, table: Table, names: Sequence[str], chunks: Iterator[list[tuple[Any, ...]]]) -> None:
    quote = connection.dialect.identifier_preparer
    columns = ", ".join(quote.format_column(table.c[name]) for name in names)
    statement = f"COPY {quote.format_table(table)} ({columns}) FROM STDIN"
    cursor: Any = connection.connection.cursor()
    faults: Any = connection.dialect.loaded_dbapi
    try:
        with cursor.copy(statement) as copy:
            for row in chain.from_iterable(chunks):
                copy.write_row(row)
    except faults.Error as error:
        raise DBAPIError.instance(statement, None, error, faults.Error) from error
    finally:
        cursor.close()
