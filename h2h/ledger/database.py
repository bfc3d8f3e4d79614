"""The database behind the ledger: connections at full durability, one transaction per verb, schema kept up to date."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from h2h.errors import Stale, StoreError

HEAD = "0004"  # the newest migration
BUSY_SECONDS = 30
CONNECTIONS = 20  # kept open; more are opened when needed
WRITER = 0x683268  # the advisory lock that makes writers on PostgreSQL take turns, as SQLite has it by itself


class Database:
    """Opens the ledger's database and brings it up to date; every use is one `transaction`."""

    def __init__(self, url: str, base: Path) -> None:
        self.engine = _engine(url, base)
        self._upgrade()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One unit of work: committed as a whole, or nothing of it. The writer's lock is taken at once."""
        with self._translated(), self.engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": WRITER})
            yield connection

    @contextmanager
    def rehearsal(self) -> Iterator[Connection]:
        """As `transaction`, but nothing of it stays: to see what a verb would do."""
        with self._translated(), self.engine.connect() as connection, connection.begin() as begun:
            yield connection
            begun.rollback()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A consistent view that takes no writer's lock."""
        with self._translated(), self.engine.connect().execution_options(h2h_reading=True) as connection:
            yield connection

    def close(self) -> None:
        self.engine.dispose()

    def _upgrade(self) -> None:
        if self._revision() == HEAD:
            return
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self.transaction() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def _revision(self) -> str | None:
        with self._translated(), self.engine.connect() as connection:
            if not self.engine.dialect.has_table(connection, "alembic_version"):
                return None
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise StoreError(f"The ledger cannot do its work: {self._sentence(error)}.") from error
        except SQLAlchemyError as error:
            raise StoreError(f"The ledger cannot do its work: {error}.") from error

    def _sentence(self, error: DBAPIError) -> str:
        """The driver's words on one line, and for a server which one it is and where to look."""
        said = " ".join(str(error.orig).split()).rstrip(".")
        if self.engine.dialect.name == "sqlite" or not isinstance(error, OperationalError):
            return said
        address = self.engine.url
        said = said.replace(str(address.password), "***") if address.password else said
        return (
            f"{address.render_as_string(hide_password=True)} says: {said}. Look whether the server runs there, whether "
            "database and user exist, and whether it lets the user in (pg_hba.conf there, ~/.pgpass here); ledger.url "
            "in the settings names them"
        )


def _engine(url: str, base: Path) -> Engine:
    target = make_url(url)
    if target.get_backend_name() != "sqlite":
        try:
            return create_engine(target, pool_pre_ping=True, pool_size=CONNECTIONS, max_overflow=-1)
        except ImportError as error:
            raise StoreError(f"The driver for the ledger's database cannot be loaded: {error}.") from error
    file = base / (target.database or "h2h.db")
    engine = create_engine(
        target.set(database=str(file)),
        connect_args={"timeout": BUSY_SECONDS},
        pool_size=CONNECTIONS,
        max_overflow=-1,
    )
    event.listen(engine, "connect", _sqlite_connect)
    event.listen(engine, "begin", _sqlite_begin)
    return engine


def _sqlite_connect(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_SECONDS * 1000}"):
        connection.execute(f"PRAGMA {pragma}")


def _sqlite_begin(connection: Connection) -> None:
    reading = connection.get_execution_options().get("h2h_reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def changed_one(result: Any, what: str) -> None:
    """Assert that exactly one row was changed; Stale where somebody else was quicker."""
    if result.rowcount != 1:
        raise Stale(f"{what} was changed by somebody else in the meantime; look again.")
