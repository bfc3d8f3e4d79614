"""For all tests: assertions of the shared modules tell what they saw, and SQL is compiled once for a test process.

A gateway opens its ledger once and runs for months; a test run opens thousands, and would spend half its time on
compiling the same statements.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

pytest.register_assert_rewrite("tests.crash.roundtrip", "tests.flows.world")


@pytest.fixture(scope="session", autouse=True)
def one_cache_of_statements() -> Iterator[None]:
    from h2h.ledger import database

    original = database._engine
    first: list[Engine] = []

    def engine(url: str, base: Path) -> Engine:
        made = original(url, base)
        if made.dialect.name != "sqlite":
            return made
        if not first:
            with made.connect():  # lets the dialect find out what it works on
                first.append(made)
        made.dialect, made._compiled_cache = first[0].dialect, first[0]._compiled_cache
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "_engine", engine)
        yield
