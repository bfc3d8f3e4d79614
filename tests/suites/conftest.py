"""Banks and databases at hand for the suites."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from h2h.ledger import Ledger
from tests.suites.books import Book
from tests.suites.postgres import Postgres, postgres
from tests.suites.servers import SSHD, AsyncSshServer, OpenSshServer

Misbehaving = Callable[..., AsyncSshServer]


@pytest.fixture
def openssh(tmp_path: Path) -> Iterator[OpenSshServer]:
    if SSHD is None:
        pytest.skip("no sshd here: apt-get install openssh-server")
    with OpenSshServer(tmp_path / "openssh") as server:
        yield server


@pytest.fixture
def bank_that(tmp_path: Path) -> Iterator[Misbehaving]:
    """Start a bank with a behaviour of its own: `bank_that(behaviour, **options of asyncssh.listen)`."""
    with ExitStack() as stack:

        def start(behaviour: type[asyncssh.SFTPServer] = asyncssh.SFTPServer, **options: Any) -> AsyncSshServer:
            work = tmp_path / f"bank{len(list(tmp_path.iterdir()))}"
            return stack.enter_context(AsyncSshServer(work, behaviour, **options))

        yield start


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite ledger that is up to date; tests take copies."""
    folder = tmp_path_factory.mktemp("sqlite")
    Ledger("sqlite:///h2h.db", folder).close()
    return folder / "h2h.db"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgres | None]:
    """A ledger on a PostgreSQL server; None where there is no server."""
    with postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a fresh ledger is, on each database in turn."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "h2h.db")
        return f"sqlite:///{tmp_path / 'h2h.db'}"
    server: Postgres | None = request.getfixturevalue("postgresql")
    if server is None:
        pytest.skip("no PostgreSQL here: apt-get install postgresql, or set H2H_TEST_POSTGRES")
    server.empty()
    return server.url


@pytest.fixture
def book(url: str) -> Iterator[Book]:
    ledger = Ledger(url, Path("/nowhere"))
    yield Book(ledger)
    ledger.close()
