"""Statements that are written once: run by the driver alone, they do what SQLAlchemy does with them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from sqlalchemy import Connection, Table, bindparam, case, event, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from h2h.cash import Kind
from h2h.errors import StoreError
from h2h.ledger import tables as t
from h2h.ledger.candidates import Place, at_the_bank
from h2h.ledger.prepared import Prepared
from h2h.ledger.rows import Transfer
from h2h.ledger.window import COLUMNS, Candidate
from h2h.lifecycle import State
from tests.suites.books import NOW, Book
from tests.suites.test_ledger_bulk import VALUES, every_type

LONGEST = max(map(len, VALUES.values())) + 1
ROWS = [[values[at] if at < len(values) else None for values in VALUES.values()] for at in range(LONGEST)]


def rows_of(table: Table) -> tuple[list[str], list[dict[str, Any]]]:
    names = [column.name for column in table.columns]
    return names, [dict(zip(names, [at, *row], strict=True)) for at, row in enumerate(ROWS)]


def test_values_are_written_and_read_as_sqlalchemy_does_it(book: Book) -> None:
    with book.ledger._database.rehearsal() as connection:
        table = every_type(connection)
        names, rows = rows_of(table)
        stored = Prepared(insert(table), *names)
        assert sum(stored.run(connection, **row) for row in rows) == LONGEST
        in_order = select(table).order_by(table.c.id)
        plain = connection.exec_driver_sql("SELECT * FROM of_every_type ORDER BY id").all()
        asked = connection.execute(in_order).all()
        assert [tuple(row) for row in Prepared(in_order).all(connection)] == [tuple(row) for row in asked]
        connection.execute(table.delete())
        connection.execute(insert(table), rows)
        assert connection.exec_driver_sql("SELECT * FROM of_every_type ORDER BY id").all() == plain


def test_many_are_stored_as_one_by_one_and_counted(book: Book) -> None:
    with book.ledger._database.rehearsal() as connection:
        table = every_type(connection)
        names, rows = rows_of(table)
        assert Prepared(insert(table), *names).run_many(connection, rows) == LONGEST
        set_to = Prepared(update(table).where(table.c.id == bindparam("key")).values(c0=bindparam("new")))
        assert (
            set_to.run_many(connection, [{"key": 0, "new": NOW}, {"key": 1, "new": NOW}, {"key": 99, "new": NOW}]) == 2
        )
        assert set_to.run(connection, key=99, new=NOW) == 0
        assert Prepared(select(func.count(table.c.id).label("n")).where(table.c.c0 == NOW)).scalar(connection) == 2


def test_constants_and_lists_of_them_are_bound_by_their_types(book: Book) -> None:
    c = t.slot.c
    fresh = case((c.at >= NOW, "new"), else_="old")
    query = select(c.schedule, fresh.label("age")).where(c.slot.in_(["a", State.READY]), c.at >= bindparam("least"))
    with book.ledger._database.rehearsal() as connection:
        connection.execute(insert(t.slot), [{"schedule": s, "slot": s, "at": NOW} for s in ("a", "b", "READY")])
        found = Prepared(query).all(connection, least=NOW)
        assert {(row.schedule, row.age) for row in found} == {("READY", "new"), ("a", "new")}


def test_nothing_found_is_none(book: Book) -> None:
    asked = Prepared(select(t.slot.c.at).where(t.slot.c.slot == bindparam("one")))
    with book.ledger._database.reading() as connection:
        assert asked.first(connection, one="x") is None
        assert asked.scalar(connection, one="x") is None


def test_a_fault_of_the_driver_comes_as_sqlalchemys_and_to_flows_as_theirs(book: Book) -> None:
    stored = Prepared(insert(t.slot), "schedule", "slot", "at")
    with pytest.raises(IntegrityError), book.ledger._database.engine.begin() as connection:
        stored.run_many(connection, [{"schedule": "s", "slot": "s", "at": NOW}] * 2)
    with pytest.raises(StoreError, match="cannot do its work"), book.ledger._database.transaction() as connection:
        [stored.run(connection, schedule="s", slot="s", at=NOW) for _ in range(2)]
    with book.ledger._database.reading() as connection:
        assert connection.execute(select(t.slot)).all() == []


def test_what_is_read_is_of_one_moment(book: Book) -> None:
    """The first statement begins the view, whoever runs it."""
    asked = Prepared(select(t.slot.c.slot))

    def seen(connection: Connection) -> int:
        return len(asked.all(connection))

    with book.ledger._database.reading() as connection:
        assert seen(connection) == 0
        with book.ledger._database.transaction() as other:
            other.execute(insert(t.slot).values(schedule="s", slot="s", at=NOW))
        assert seen(connection) == 0
    with book.ledger._database.reading() as connection:
        assert seen(connection) == 1


def test_who_listens_to_statements_hears_of_these(book: Book) -> None:
    heard: list[tuple[str, Any]] = []
    engine = book.ledger._database.engine
    event.listen(engine, "before_cursor_execute", lambda *call: heard.append((call[2], call[3])))
    with book.ledger._database.reading() as connection:
        Prepared(select(t.slot.c.at).where(t.slot.c.slot == bindparam("one"))).all(connection, one="x")
    [values] = [values for said, values in heard if "FROM slot" in said]
    assert "x" in (values.values() if isinstance(values, dict) else values)


def test_rows_that_become_records_by_position_have_the_columns_in_their_order() -> None:
    """Two columns of one type that changed places would be read as each other, without a word."""
    assert [column.key for column in t.transfer.c] == [field.name for field in fields(Transfer)]
    place = Place(bank="acme", account=None, statement=1, kind=Kind.STATEMENT)
    selected = [column.key for column in at_the_bank(place).selected_columns]
    assert tuple(selected) == Candidate.__struct_fields__[:COLUMNS]
