"""Statements that are written once and run often, without what SQLAlchemy does anew for each run of one.

SQLAlchemy writes their text, and says by the types of columns how values are bound and read: once for a database. To
run one is then a call of the driver, within the transaction under way: a fifth of what `Connection.execute` takes.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect, Insert, Select, Update
from sqlalchemy.types import TypeEngine

from h2h.ledger import driver
from h2h.ledger.bulk import Bind, bind_of
from h2h.ledger.columns import Exact, Instant, Json

STATEMENTS = 500  # whose text is kept, over all databases of a process

Values = Mapping[str, Any]


class Prepared:
    """A statement whose values, all but the constant ones, are `bindparam`s. Raises what `Connection.execute` does."""

    def __init__(self, statement: Select[Any] | Insert | Update, *columns: str) -> None:
        """`columns`: those that an insert fills; their values have these names."""
        self.statement = statement
        self.columns = columns

    def all(self, connection: Connection, **values: Any) -> list[Any]:
        """The rows, as named tuples."""
        text = _text(self, connection.dialect)
        return [text.read(row) for row in driver.rows(connection, text.said, text.bound(values))]

    def first(self, connection: Connection, **values: Any) -> Any:
        """The first row; None where there is none."""
        return next(iter(self.all(connection, **values)), None)

    def scalar(self, connection: Connection, **values: Any) -> Any:
        """The first column of the first row; None where there is none."""
        row = self.first(connection, **values)
        return None if row is None else row[0]

    def run(self, connection: Connection, **values: Any) -> int:
        """How many rows were changed."""
        text = _text(self, connection.dialect)
        return driver.change(connection, text.said, text.bound(values))

    def run_many(self, connection: Connection, rows: Sequence[Values]) -> int:
        """For each of these values; how many rows were changed in all."""
        text = _text(self, connection.dialect)
        return driver.change_many(connection, text.said, [text.bound(values) for values in rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Text:
    """A statement as one database is told it. `order`: of its values, where they have no names there."""

    said: str
    order: tuple[str, ...] | None
    constant: Values
    binds: Sequence[tuple[str, Bind | None]]
    row: Callable[[Sequence[Any]], Any]
    reads: Sequence[tuple[int, Bind]]

    def bound(self, values: Values) -> Any:
        found = dict(self.constant)
        for name, bind in self.binds:
            value = values[name]
            found[name] = value if bind is None or value is None else bind(value)
        return found if self.order is None else tuple([found[name] for name in self.order])

    def read(self, row: Sequence[Any]) -> Any:
        found = list(row)
        for at, read in self.reads:
            if found[at] is not None:
                found[at] = read(found[at])
        return self.row(found)


@lru_cache(STATEMENTS)
def _text(prepared: Prepared, dialect: Dialect) -> _Text:
    statement = prepared.statement
    compiled: Any = statement.compile(dialect=dialect, column_keys=list(prepared.columns) or None)
    wanted = [name for name, bind in compiled.binds.items() if bind.required]
    state = compiled.construct_expanded_state(dict.fromkeys(wanted))
    constant = {name: value for name, value in state.parameters.items() if name not in wanted}
    binds = {name: bind_of(dialect, bind.type) for name, bind in compiled.binds.items()} | state.processors
    selected = list(statement.selected_columns) if isinstance(statement, Select) else []
    reads = [(at, read) for at, column in enumerate(selected) if (read := _read(dialect, column.type))]
    return _Text(
        said=state.statement,
        order=tuple(state.positiontup) if compiled.positional else None,
        constant={name: bind(value) if (bind := binds.get(name)) else value for name, value in constant.items()},
        binds=[(name, binds[name]) for name in wanted],
        row=_row_of([str(column.key) for column in selected]),
        reads=reads,
    )


def _row_of(names: Sequence[str]) -> Callable[[Sequence[Any]], Any]:
    kind: Any = namedtuple("Row", names)  # type: ignore[misc]  # the columns are known when it runs
    make: Callable[[Sequence[Any]], Any] = kind._make
    return make


def _read(dialect: Dialect, kind: TypeEngine[Any]) -> Bind | None:
    if isinstance(kind, Exact | Instant | Json):
        return kind.read
    return kind.dialect_impl(dialect).result_processor(dialect, None)
