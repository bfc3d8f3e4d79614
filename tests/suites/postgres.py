"""A real PostgreSQL for the tests: the one that H2H_TEST_POSTGRES names, or one of our own, started and stopped here.

The server refuses to run as root, so it runs as the user postgres (or nobody) where the tests are root's.
"""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, NullPool, create_engine, make_url, text
from sqlalchemy.exc import ProgrammingError

from h2h.ledger import Ledger
from h2h.ledger.tables import metadata
from tests.places import quick

PATIENCE_SECONDS = 60
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "listen_addresses=", "max_connections=40")


class Postgres:
    """One database of our own on a server; `empty` makes it as good as new."""

    def __init__(self, server: str) -> None:
        self._server = make_url(server)
        self._name = f"h2h_test_{os.getpid()}"
        self.url = self._server.set(database=self._name).render_as_string(hide_password=False)

    def create(self) -> None:
        _run(self._server, f"CREATE DATABASE {self._name}")
        Ledger(self.url, Path("/nowhere")).close()

    @cached_property
    def _connection(self) -> Connection:
        """Kept open, and without triggers and references where the user may have it so."""
        engine = create_engine(self.url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        connection = engine.connect()
        with suppress(ProgrammingError):
            connection.execute(text("SET session_replication_role = replica"))
        return connection

    @cached_property
    def _emptying(self) -> str:
        """To delete is a tenth of the work of TRUNCATE, which makes new files for all tables and indexes."""
        if self._connection.execute(text("SHOW session_replication_role")).scalar() == "replica":
            counters = self._connection.execute(text("SELECT sequencename FROM pg_sequences")).scalars()
            steps = [f"DELETE FROM {table}" for table in metadata.tables]
            steps += [f"PERFORM setval('{counter}', 1, false)" for counter in counters]
        else:
            tables = ", ".join(metadata.tables)
            steps = ["ALTER TABLE event DISABLE TRIGGER event_is_final", f"TRUNCATE {tables} RESTART IDENTITY"]
        enabled = "ALTER TABLE event ENABLE TRIGGER event_is_final"  # a test may have disabled it
        return f"DO $$ BEGIN {'; '.join([*steps, enabled])}; END $$"

    def empty(self) -> None:
        self._connection.exec_driver_sql(self._emptying)

    def drop(self) -> None:
        self._connection.close()
        _run(self._server, f"DROP DATABASE {self._name} WITH (FORCE)")


def _run(url: URL, *statements: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))


@contextmanager
def postgres() -> Iterator[Postgres | None]:
    """None where there is no PostgreSQL here."""
    if url := os.environ.get("H2H_TEST_POSTGRES"):
        server = Postgres(url)
        server.create()
        yield server
        server.drop()
        return
    programs = _programs()
    if programs is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="h2h-pg-", dir=quick()))
    try:
        with _running(programs, folder):
            server = Postgres(f"postgresql+psycopg://h2h@/postgres?host={folder}")
            server.create()
            yield server
            server.drop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path | None:
    """The newest folder that has both programs."""
    found = [Path(p).parent for p in glob.glob("/usr/lib/postgresql/*/bin/initdb")]
    on_path = shutil.which("initdb")
    found += [Path(on_path).resolve().parent] if on_path else []
    return max((p for p in found if (p / "postgres").exists()), default=None)


@contextmanager
def _running(programs: Path, folder: Path) -> Iterator[None]:
    other = _other_user(folder)
    data = folder / "data"
    setup = [programs / "initdb", "-D", data, "-U", "h2h", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    subprocess.run(setup, check=True, capture_output=True, timeout=PATIENCE_SECONDS, cwd=folder, **other)
    options = [word for option in FAST for word in ("-c", option)]
    log = (folder / "log").open("wb")
    server = subprocess.Popen(
        [programs / "postgres", "-D", data, "-k", folder, *options], stdout=log, stderr=log, cwd=folder, **other
    )
    try:
        _await(programs, folder, server)
        yield
    finally:
        server.send_signal(signal.SIGQUIT)
        server.wait(PATIENCE_SECONDS)
        log.close()


def _await(programs: Path, folder: Path, server: subprocess.Popen[bytes]) -> None:
    """Until it answers: `pg_isready` has no waiting of its own, so it is asked again and again."""
    for _ in range(500):
        asked = [programs / "pg_isready", "-q", "-h", folder, "-t", "5"]
        if subprocess.run(asked, check=False).returncode == 0:
            return
        if server.poll() is not None:
            break
    raise RuntimeError(f"PostgreSQL did not start: {(folder / 'log').read_text()}")


def _other_user(folder: Path) -> dict[str, Any]:
    if os.getuid() != 0:
        return {}
    names = {user.pw_name: user for user in pwd.getpwall()}
    user = names.get("postgres") or names["nobody"]
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
