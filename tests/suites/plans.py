"""What the databases do for a question: which tables they would go through as a whole, however large these are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event

GROWING = (
    "payment",
    "transfer",
    "batch",
    "entry",
    "detail",
    "booking",
    "statement",
    "report",
    "message",
    "event",
    "gap",
    "alarm",
    "cut_off",
    "telling",
    "complete_day",
)
Asked = list[tuple[str, Any]]


@contextmanager
def noted(engine: Engine) -> Iterator[Asked]:
    """Every statement that is executed meanwhile, with its values."""
    asked: Asked = []

    def note(_c: Any, _cursor: Any, said: str, values: Any, _context: Any, many: bool) -> None:
        if re.match(r"(SELECT|UPDATE|DELETE|WITH)\b", said):
            asked.append((said, values[0] if many else values))

    event.listen(engine, "before_cursor_execute", note)
    yield asked
    event.remove(engine, "before_cursor_execute", note)


def whole_tables(engine: Engine, asked: Asked) -> list[str]:
    """The statements that go through one of the growing tables as a whole. The first of some rows in the order of an
    index are no whole table."""
    found: dict[str, None] = {}
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            for way in ("seqscan", "mergejoin", "hashjoin"):  # which are for tables as small, or as new, as these
                connection.exec_driver_sql(f"SET enable_{way} = off")
            if connection.exec_driver_sql("SHOW is_superuser").scalar() == "on":  # forget, until this is rolled back,
                connection.exec_driver_sql("DELETE FROM pg_statistic")  # what other tests had in them
                unknown = "UPDATE pg_class SET relpages = 0, reltuples = -1 WHERE relkind IN ('r', 'i')"
                connection.exec_driver_sql(unknown)
        for said, values in asked:
            read = _sqlite if engine.dialect.name == "sqlite" else _postgresql
            for table in read(connection, said, values):
                if table in GROWING:
                    found[f"{table}: {said}"] = None
    return list(found)


def _sqlite(connection: Connection, said: str, values: Any) -> Iterator[str]:
    steps = [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {said}", values)]
    sorted_first = any("TEMP B-TREE FOR ORDER BY" in step for step in steps)
    for step in steps:
        if found := re.match(r"SCAN (\w+)(.*)", step):
            first_of_some = "LIMIT" in said and not sorted_first and ("INDEX" in found[2] or "WHERE" not in said)
            if not first_of_some:
                yield found[1]


def _postgresql(connection: Connection, said: str, values: Any) -> Iterator[str]:
    [[plan]] = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {said}", values).all()
    plan = json.loads(plan) if isinstance(plan, str) else plan
    yield from _nodes(plan[0]["Plan"], limited="LIMIT" in said)


def _nodes(node: dict[str, Any], *, limited: bool) -> Iterator[str]:
    kind = node["Node Type"]
    by_index = "Index" in kind and ("Index Cond" in node or limited)
    if "Scan" in kind and "Relation Name" in node and kind != "Bitmap Heap Scan" and not by_index:
        yield node["Relation Name"]
    for inner in node.get("Plans", ()):
        yield from _nodes(inner, limited=limited)


def ways_in(engine: Engine, asked: Asked) -> dict[str, str]:
    """Each statement with the first step of its plan, as SQLite writes it."""
    with engine.connect() as connection:
        plans = {said: connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {said}", values).all() for said, values in asked}
    return {said: plan[0][-1] for said, plan in plans.items() if plan}
