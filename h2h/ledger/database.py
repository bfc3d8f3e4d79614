"""The database behind the ledger: connections at full durability, one transaction per verb, schema kept up to date."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, select, text
from sqlalchemy.exc import DataError, DBAPIError, OperationalError, SQLAlchemyError

from h2h.errors import AlreadyRunning, Stale, StoreError, Unstorable
from h2h.ledger.making import VERSION, done, make
from h2h.witness import Head, Witness

log = logging.getLogger(__name__)

HEAD = "0029"  # the newest migration
NEW_HEAD = "h2h_head"  # the head of the journal as the transaction under way will leave it; none if it left it so far
BUSY_SECONDS = 30
CONNECTIONS = 20  # kept open; more are opened when needed
ROOM = 2_048  # KiB of pages that SQLite may hold for one connection; up to 8,192 store a million payments no sooner
PROGRAM_LIMIT = "54000"  # of PostgreSQL: a key that does not fit a page of an index
WRITER = 0x683268  # the advisory lock that makes writers on PostgreSQL take turns, as SQLite has it by itself


class Database:
    """Opens the ledger's database and brings it up to date; every use is one `transaction`."""

    def __init__(self, url: str, base: Path) -> None:
        self.engine = _engine(url, base)
        self.witness: Witness | None = None
        try:
            self._upgrade()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def transaction(self, *, witnessed: bool = False) -> Iterator[Connection]:
        """One unit of work: committed as a whole, or nothing of it. The writer's lock is taken at once.

        Once it is committed the witness notes the journal's new head; `witnessed`: durably.
        """
        with self._translated(), self.engine.connect() as connection, connection.begin():
            connection.info.pop(NEW_HEAD, None)  # of a transaction that was rolled back
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": WRITER})
            yield connection
            head = connection.info.pop(NEW_HEAD, None)
        self._note(head, durably=witnessed)

    def _note(self, head: Head | None, *, durably: bool) -> None:
        """A witness that lags behind is no reason to stop: what was committed is committed."""
        if head is None or self.witness is None:
            return
        try:
            self.witness.note(head, durably=durably)
        except StoreError as error:
            log.error("the journal's head was not noted", extra={"event": "witness_failed", "text": str(error)})

    @contextmanager
    def rehearsal(self) -> Iterator[Connection]:
        """As `transaction`, but nothing of it stays: to see what a verb would do."""
        with self._translated(), self.engine.connect() as connection, connection.begin() as begun:
            connection.info.pop(NEW_HEAD, None)
            yield connection
            begun.rollback()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A view of one moment, however long it takes, whatever is committed meanwhile; no writer's lock."""
        with self._translated(), self.engine.connect() as connection:
            if connection.dialect.name == "postgresql":  # which else would look anew for each statement
                connection.execution_options(isolation_level="REPEATABLE READ")
            connection.execution_options(h2h_reading=True)
            yield connection

    @contextmanager
    def held(self, node: str) -> Iterator[None]:
        """Be the one gateway of this node that works on the ledger, from whatever data folder; else AlreadyRunning."""
        if self.engine.dialect.name == "sqlite":
            with _file_held(Path(f"{self.engine.url.database}.lock")):
                yield
            return
        with self._translated(), self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            keys = {"key": WRITER, "node": node}
            query = text("SELECT pg_try_advisory_lock(:key, hashtext(:node))")
            if not connection.execute(query, keys).scalar():
                raise AlreadyRunning(f"A gateway of {node} works on this ledger already; it sends and pulls by itself.")
            try:
                yield
            finally:
                connection.execute(text("SELECT pg_advisory_unlock(:key, hashtext(:node))"), keys)

    def close(self) -> None:
        self.engine.dispose()

    def _upgrade(self) -> None:
        """A new database gets its tables at once; only an older one needs what runs migrations, which is large."""
        with self.reading() as connection:
            known = self._revision(connection)
        if known is None:
            with self.transaction() as connection:
                known = self._revision(connection)  # somebody else may have been quicker
                if known is None:
                    make(connection, HEAD)
                    known = HEAD
        if known > HEAD:
            versions = f"its tables are of {known}, this one knows {HEAD}"
            raise StoreError(
                f"This ledger was brought up to date by a newer h2h ({versions}). Install that one again, or put "
                "back the ledger as it was before."
            )
        if known != HEAD:
            self._migrate()

    def _migrate(self) -> None:
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self.transaction() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def _revision(self, connection: Connection) -> str | None:
        if not self.engine.dialect.has_table(connection, VERSION):
            return None
        return connection.execute(select(done.c.version_num)).scalar()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            kind = Unstorable if _of_a_value(error) else StoreError
            raise kind(f"The ledger cannot do its work: {self._sentence(error)}.") from error
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


def _of_a_value(error: DBAPIError) -> bool:
    """Whether it comes of what is to be stored, and so comes again: too long for an index, out of a range."""
    return isinstance(error, DataError) or getattr(error.orig, "sqlstate", None) == PROGRAM_LIMIT


@contextmanager
def _file_held(lock: Path) -> Iterator[None]:
    """A file of its own: SQLite's locks on the database would be lost with any handle on it that is closed."""
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"{lock} cannot be written: {error.strerror}.") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(f"A gateway works on the ledger {lock.with_suffix('')} already.") from None
        yield
    finally:
        os.close(handle)


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
        pool_use_lifo=True,  # few of them hold pages
    )
    event.listen(engine, "connect", _sqlite_connect)
    event.listen(engine, "begin", _sqlite_begin)
    return engine


def _sqlite_connect(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    pragmas = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_SECONDS * 1000}")
    for pragma in (*pragmas, f"cache_size=-{ROOM}"):
        connection.execute(f"PRAGMA {pragma}")


def _sqlite_begin(connection: Connection) -> None:
    reading = connection.get_execution_options().get("h2h_reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def changed_one(changed: int, what: str) -> None:
    """Assert that exactly one row was changed; Stale where somebody else was quicker."""
    if changed != 1:
        raise Stale(f"{what} was changed by somebody else in the meantime; look again.")
