"""The driver of the database itself, within the transaction under way, for what is asked of it too often to go through
all of SQLAlchemy: text and bound values go in, its rows come out. Its faults come as SQLAlchemy's, and who listens to
statements hears of these as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError


def rows(connection: Connection, said: str, given: Any) -> list[Any]:
    with _done(connection, said, given) as cursor:
        found: list[Any] = cursor.fetchall()
    return found


def change(connection: Connection, said: str, given: Any) -> int:
    """How many rows were changed."""
    with _done(connection, said, given) as cursor:
        changed: int = cursor.rowcount
    return changed


def change_many(connection: Connection, said: str, given: list[Any]) -> int:
    """For each of these values; how many rows were changed in all."""
    with _done(connection, said, given, many=True) as cursor:
        changed: int = cursor.rowcount
    return changed


@contextmanager
def _done(connection: Connection, said: str, given: Any, *, many: bool = False) -> Iterator[Any]:
    """A cursor that has run it."""
    cursor, driver = _cursor(connection, said, given, many=many), connection.dialect.loaded_dbapi
    faults: type[Exception] = driver.Error
    try:
        (cursor.executemany if many else cursor.execute)(said, given)
        yield cursor
    except faults as error:
        raise DBAPIError.instance(said, given, error, faults, dialect=connection.dialect) from error
    finally:
        cursor.close()


def _cursor(connection: Connection, said: str, given: Any, *, many: bool) -> Any:
    if not connection.in_transaction():
        connection.begin()  # ends with the connection, as the one that SQLAlchemy begins by itself
    cursor: Any = connection.connection.cursor()
    listening: Any = connection.engine.dispatch
    for hear in listening.before_cursor_execute:
        hear(connection, cursor, said, given, None, many)
    return cursor
