"""Banks and databases at hand for the suites."""

from __future__ import annotations

import os
import shutil
from collections import Counter, defaultdict
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
DATABASES = ("sqlite", "postgresql")
LONG = bool(os.environ.get("H2H_LONG"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """By default each case of a test meets one database, so that every value meets both; with H2H_LONG=1 both do."""
    if LONG:
        return
    tests: dict[str, dict[str, list[pytest.Function]]] = defaultdict(lambda: defaultdict(list))
    for item in items:
        if isinstance(item, pytest.Function) and "url" in getattr(item, "fixturenames", ()) and _a_case(item):
            tests[item.nodeid.partition("[")[0]][repr(_values(item))].append(item)
    left_out = {item: None for cases in tests.values() for item in _left_out(list(cases.values()))}
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=list(left_out))


def _a_case(item: pytest.Function) -> bool:
    return bool(_values(item)) and item.get_closest_marker("every_database") is None


def _values(item: pytest.Function) -> list[tuple[str, str]]:
    return [(name, repr(value)) for name, value in item.callspec.params.items() if name != "url"]


def _left_out(cases: list[list[pytest.Function]]) -> Iterator[pytest.Function]:
    """Of the twins of a case the one on the database that has met its values more often."""
    met: Counter[object] = Counter()
    for twins in cases:
        if len(twins) < len(DATABASES):
            continue
        often = {twin: sum(met[twin.callspec.params["url"], value] for value in _values(twin)) for twin in twins}
        taken = min(twins, key=lambda twin: (often[twin], met[twin.callspec.params["url"]]))
        on = taken.callspec.params["url"]
        met.update([on, *((on, value) for value in _values(taken))])
        yield from (twin for twin in twins if twin is not taken)


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


@pytest.fixture(params=DATABASES)
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
