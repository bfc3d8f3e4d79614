"""Types of the ledger's columns: text of one form, so that every database keeps instants and amounts exactly; and how
the names of keys and indexes are made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Dialect, Index, MetaData, String, Text, TypeDecorator, event, text

from h2h.records import as_text, as_texts

INSTANT_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"


class Instant(TypeDecorator[datetime]):
    """An aware datetime as UTC text of fixed width, which sorts by time."""

    impl = String(27)
    cache_ok = True

    @staticmethod
    def written(value: datetime) -> str:
        """As by INSTANT_FORMAT, in a third of the time."""
        return f"{value.astimezone(UTC).isoformat(timespec='microseconds')[:26]}Z"

    @staticmethod
    def read(value: str) -> datetime:
        return datetime.fromisoformat(value)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        return None if value is None else self.written(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        return None if value is None else self.read(value)


class Exact(TypeDecorator[Decimal]):
    """A Decimal as its own text: no rounding, trailing zeros kept."""

    impl = Text
    cache_ok = True

    @staticmethod
    def written(value: Decimal) -> str:
        return format(value, "f")

    @staticmethod
    def read(value: str) -> Decimal:
        return Decimal(value)

    @classmethod
    def all_written(cls, values: Sequence[Decimal | None]) -> list[str | None]:
        """Plain text is made quicker than that without an exponent, which few need."""
        texts = [None if value is None else str(value) for value in values]
        if "E" not in "".join(filter(None, texts)):
            return texts
        return [None if value is None else cls.written(value) for value in values]

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        return None if value is None else self.written(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else self.read(value)


class Json(TypeDecorator[Any]):
    """A small JSON value as canonical text."""

    impl = Text
    cache_ok = True

    @staticmethod
    def written(value: Any) -> str:
        return canonical(value)

    @staticmethod
    def read(value: str) -> Any:
        return json.loads(value)

    def process_bind_param(self, value: Any | None, dialect: Dialect) -> str | None:
        return None if value is None else self.written(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Any | None:
        return None if value is None else self.read(value)


class RecordText(Json):
    """A record as canonical text, without what is empty or as usual; read, it is a dictionary."""

    cache_ok = True

    @staticmethod
    def written(value: Any) -> str:
        return as_text(value) if isinstance(value, Struct) else canonical(value)

    @classmethod
    def all_written(cls, values: Sequence[Any]) -> list[str | None]:
        """Text that was made before stays."""
        ways = set(map(type, values))
        if ways == {str}:
            return list(values)
        if all(issubclass(way, Struct) for way in ways):
            return [*as_texts(values)]
        return [None if value is None else cls.written(value) for value in values]


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def canonical(value: object) -> str:
    return _CANONICAL.encode(value)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


@event.listens_for(metadata, "before_create")
def _of_some_rows(_: MetaData, connection: Connection, **__: Any) -> None:
    """What partial indexes say to SQLite, said to PostgreSQL: to say it where they are defined would load all that
    SQLAlchemy knows of that, whoever works with SQLite."""
    if connection.dialect.name == "postgresql":
        for index in (index for table in metadata.tables.values() for index in table.indexes):
            index.dialect_options["postgresql"]["where"] = index.dialect_options["sqlite"]["where"]


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """Of the rows of which this holds."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where))


def to_erase_index(table: str) -> Index:
    """Of the files that were purged and are not erased yet: few, if any."""
    return partial_index(f"ix_{table}_to_erase", "purged_at", where="purged_at IS NOT NULL AND erased_at IS NULL")


def known_index(table: str, column: str) -> Index:
    """Of the rows that have a value there: most have none, and each index costs where rows come in bulk."""
    return partial_index(f"ix_{table}_{column}", column, where=f"{column} IS NOT NULL")
