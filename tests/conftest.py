"""For all tests: what a gateway does once in its life of months, a test process does once, too, not for each test.

SQL is compiled once, our schemas are loaded once, and the gateways of a test process share the processes that read
files. A test that is about those processes asks for `own_readers`. Assertions of the shared modules tell what they saw.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from h2h.alerting.post import PROGRAM as POSTMAN
from h2h.messages import Catalog
from h2h.resources import root
from tests.places import quick
from tests.postmen import program

os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(quick()))
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or hundreds of processes compile what one has compiled
sys.dont_write_bytecode = False

OURS = root("schemas").resolve()
load = Catalog.load
loaded = cache(load)
Catalog.load = lambda folder: (loaded if folder.resolve() == OURS else load)(folder)  # type: ignore[method-assign]

KEPT = 4  # reader processes

pytest.register_assert_rewrite("tests.crash.roundtrip", "tests.flows.world")


@pytest.fixture(scope="session", autouse=True)
def one_cache_of_statements() -> Iterator[None]:
    from h2h.ledger import database

    original = database._engine
    first: dict[str, Engine] = {}

    def engine(url: str, base: Path) -> Engine:
        made = original(url, base)
        name = made.dialect.name
        if name not in first:
            with suppress(OperationalError), made.connect():  # lets the dialect find out what it works on
                first[name] = made
        if name in first:
            made.dialect, made._compiled_cache = first[name].dialect, first[name]._compiled_cache
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "_engine", engine)
        yield


@pytest.fixture(scope="session", autouse=True)
def one_reader_for_all_gateways() -> Iterator[object]:
    from h2h.confined import ConfinedReader
    from h2h.gateway import Gateway

    reader = ConfinedReader(Catalog.load(root("schemas")))
    reader._pool._size = KEPT  # else one that explains refusals, a second's work, is ended for one that reads
    own = Gateway.__dict__["reader"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Gateway, "reader", reader)
        yield own
    reader.close()


@pytest.fixture(scope="session", autouse=True)
def postmen_that_have_loaded_their_library(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """For the gateways of these folders, and for commands and daemons; see `own_postmen`."""
    if not any(item.path.parent.name in ("flows", "shell") for item in request.session.items):
        yield
        return
    place = str(tmp_path_factory.mktemp("postmen") / "line")
    with subprocess.Popen([sys.executable, "-m", "tests.postmen", place], cwd=Path(__file__).parents[1]) as server:
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("POSTMEN", place)
                patch.setattr("h2h.alerting.post.PROGRAM", program(place))
                yield
        finally:
            server.kill()


@pytest.fixture
def own_postmen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each a new process, as in real life."""
    monkeypatch.setattr("h2h.alerting.post.PROGRAM", POSTMAN)


@pytest.fixture
def own_readers(one_reader_for_all_gateways: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each gateway has reader processes of its own, as in real life."""
    from h2h.gateway import Gateway

    monkeypatch.setattr(Gateway, "reader", one_reader_for_all_gateways)
