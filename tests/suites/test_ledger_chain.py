"""The journal's chain where verbs fail, or put several events into one transaction."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from h2h.ledger.database import Database
from h2h.ledger.journal import record
from tests.suites.books import NOW, Book

pytestmark = pytest.mark.every_database


def test_events_of_a_verb_that_failed_are_no_part_of_the_chain_that_goes_on(book: Book, url: str) -> None:
    book.ready("T1", "MSG-1")
    database = Database(url, Path())
    told: dict[str, Any] = {"at": NOW, "kind": "note", "actor": "test", "data": {}}
    try:
        with suppress(RuntimeError), database.transaction() as connection:
            record(connection, subject="lost", **told)
            raise RuntimeError
        with database.rehearsal() as connection:
            record(connection, subject="tried", **told)
        with database.transaction() as connection:
            record(connection, subject="A", **told)
            record(connection, subject="B", **told)
    finally:
        database.close()
    assert book.ledger.journal.verify().fault is None
    assert [event.seq for name in ("T1", "A", "B") for event in book.ledger.journal.of(name)] == [1, 2, 3, 4]
