"""The house rules that a program can see: sizes, arrows, who asks the time, and codes that stand in a table."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from h2h import key_rows, rules
from h2h.confined import deaths
from h2h.formats import books
from h2h.ledger import database, findings
from h2h.messages import codes, packing
from h2h.openpgp import judgement

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "h2h").rglob("*.py"))
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
MOST_LINES_OF_A_MODULE = 450
MOST_LINES_OF_A_FUNCTION = 70
USUAL_LINES_OF_A_FUNCTION = 30
CODES = {
    **rules.CODES,
    **codes.CODES,
    **packing.CODES,
    **findings.CODES,
    **deaths.CODES,
    **books.CODES,
    **judgement.CODES,
    **key_rows.CODES,
}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions() -> Iterator[tuple[str, int]]:
    """Every function with its number of lines, decorators and docstring not counted."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, FUNCTIONS):
                first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
                assert node.end_lineno is not None
                yield f"{name_of(path)}:{node.lineno} {node.name}", node.end_lineno - first.lineno + 1


def test_half_of_the_functions_are_short_nine_of_ten_usual_and_none_long() -> None:
    sizes = dict(functions())
    lengths = sorted(sizes.values())
    assert lengths[len(lengths) // 2] <= 10
    assert lengths[len(lengths) * 9 // 10] <= USUAL_LINES_OF_A_FUNCTION
    assert [f"{f}: {n}" for f, n in sizes.items() if n > MOST_LINES_OF_A_FUNCTION] == []


def test_no_module_is_long() -> None:
    lengths = {name_of(p): len(p.read_text(encoding="utf-8").splitlines()) for p in MODULES}
    assert {p: n for p, n in lengths.items() if n > MOST_LINES_OF_A_MODULE} == {}


def test_every_module_says_what_it_is() -> None:
    silent = [p for p in MODULES if p.read_text().strip() and not ast.get_docstring(ast.parse(p.read_text()))]
    assert [name_of(p) for p in silent] == []


def test_the_arrows_point_down() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    if not program.exists():
        pytest.skip("import-linter is not installed here")
    found = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


# The time.

ASKS_THE_TIME = {
    ("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"), ("time", "time"),
    ("time", "time_ns"), ("time", "localtime"), ("time", "gmtime"),
}  # fmt: skip
MAY = ("h2h/clock.py", "h2h/logs.py", "h2h/sandbox/")
# A channel's receipt is stamped by its caller's clock; this is the default where there is none.
KNOWN = {"h2h/channels/kinds.py", "h2h/channels/folder.py", "h2h/channels/sftp.py"}


def time_calls(source: str) -> list[int]:
    """The lines that ask the time (datetime.now(), or time.time handed on uncalled)."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and (getattr(node.value, "id", getattr(node.value, "attr", None)), node.attr) in ASKS_THE_TIME
    ]


@pytest.mark.parametrize("source", ["datetime.now(UTC)", "f = time.time", "datetime.datetime.utcnow()", "date.today()"])
def test_the_search_for_the_time_finds_it(source: str) -> None:
    assert time_calls(source) == [1]


def test_nobody_but_the_clock_asks_the_time() -> None:
    asked = {name_of(p): time_calls(p.read_text(encoding="utf-8")) for p in MODULES if not name_of(p).startswith(MAY)}
    assert {p: lines for p, lines in asked.items() if lines and p not in KNOWN} == {}


# Migrations.


def test_each_migration_follows_the_one_before_it_and_the_last_is_the_head() -> None:
    """Two that were written at the same time under one number would leave a ledger that cannot be opened."""
    found = []
    for path in sorted((ROOT / "h2h/ledger/migrations/versions").glob("*.py")):
        values = {m[1]: m[2] for m in re.finditer(r'^(\w*revision) = "?(\w+)"?', path.read_text(), re.MULTILINE)}
        found.append((values["down_revision"], values["revision"], path.name[:4]))
    numbers = [f"{n:04}" for n in range(1, len(found) + 1)]
    assert found == list(zip(["None", *numbers], numbers, numbers, strict=False))
    assert numbers[-1] == database.HEAD


# Finding codes.


@cache
def used_codes() -> set[str]:
    """Every code that is given to a Finding: by name, to the small functions that make one, or in a table of them."""
    found: set[str] = set()
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "code":
                found |= set(_texts(node.value))
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in MAKERS:
                found |= {text for argument in node.args[:1] for text in _texts(argument)}
            if isinstance(node, ast.Assign) and {"code", "_LXML_CODES"} & _names(node.targets[0]):
                found |= {text for text in _texts(node.value) if not text.startswith("SCHEMAV")}
            if isinstance(node, ast.For) and "code" in _names(node.target):
                found |= set(_texts(node.iter))
    return found


MAKERS = ("refusal", "breach", "_error", "_find", "_once", "Finding", "Fault", "Rule")


def _names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _texts(node: ast.AST) -> list[str]:
    """The words of capitals in an expression."""
    constants = (n.value for n in ast.walk(node) if isinstance(n, ast.Constant))
    return [
        c for c in constants if (isinstance(c, str) and c.replace("_", "").isupper() and "_" in c) or c == "INTERNAL"
    ]


def test_every_finding_code_stands_in_a_table() -> None:
    assert used_codes() - set(CODES) == set()


def test_no_table_holds_a_code_that_nobody_gives() -> None:
    assert set(CODES) - used_codes() == set()


def test_no_code_stands_in_two_tables() -> None:
    tables = (
        rules.CODES,
        codes.CODES,
        packing.CODES,
        findings.CODES,
        deaths.CODES,
        books.CODES,
        judgement.CODES,
        key_rows.CODES,
    )
    assert len(CODES) == sum(map(len, tables))


def test_no_test_bends_the_rules_on_warnings() -> None:
    """Warnings are errors: nobody turns them off for a test of his own."""
    bending = "filter" + "warnings("
    assert [name_of(p) for p in (ROOT / "tests").rglob("*.py") if bending in p.read_text(encoding="utf-8")] == []
