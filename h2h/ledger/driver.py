"""The driver of the database itself, within the transaction under way, for what is asked of it too often to go through
all of SQLAlchemy: text and bound values go in, its rows come out. Its faults come as SQLAlchemy's, and who listens to
statements hears of these as well.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError


def rows(connection: Connection, said: str, given: Any) -> list[Any]:
    cursor, faults = _cursor(connection, said, given, many=False), _faults(connection)
    try:
        cursor.execute(said, given)
        found: list[Any] = cursor.fetchall()
    except faults as error:
        raise _translated(connection, said, given, error) from error
    finally:
        cursor.close()
    return found


def change(connection: Connection, said: str, given: Any) -> int:
    """How many rows were changed."""
    cursor, faults = _cursor(connection, said, given, many=False), _faults(connection)
    try:
        cursor.execute(said, given)
        changed: int = cursor.rowcount
    except faults as error:
        raise _translated(connection, said, given, error) from error
    finally:
        cursor.close()
    return changed


def change_many(connection: Connection, said: str, given: list[Any]) -> int:
    """For each of these values; how many rows were changed in all."""
    cursor, faults = _cursor(connection, said, given, many=True), _faults(connection)
    try:
        cursor.executemany(said, given)
        changed: int = cursor.rowcount
    except faults as error:
        raise _translated(connection, said, given, error) from error
    finally:
        cursor.close()
    return changed


def _cursor(connection: Connection, said: str, given: Any, *, many: bool) -> Any:
    if not connection.in_transaction():
        connection.begin()  # ends with the connection, as the one that SQLAlchemy begins by itself
    cursor: Any = connection.connection.cursor()
    listening: Any = connection.engine.dispatch
    for hear in listening.before_cursor_execute:
        hear(connection, cursor, said, given, None, many)
    return cursor


def _faults(connection: Connection) -> type[Exception]:
    driver: Any = connection.dialect.loaded_dbapi
    faults: type[Exception] = driver.Error
    return faults


def _translated(connection: Connection, said: str, given: Any, error: Exception) -> BaseException:
    return DBAPIError.instance(said, given, error, _faults(connection), dialect=connection.dialect)
