"""The peer that benchmarks hold us against reads the same as we do, to the last value: neither more nor less."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct, structs

from benchmarks import by_hand, statements
from h2h.messages import Catalog, read
from h2h.model import Entry
from tests.core.chance import Chance
from tests.core.inventing_statements import ToldFile, statement_file
from tests.core.writing import PLAIN
from tests.core.writing_statements import statement_message

CATALOG = Catalog.load(Path(__file__).resolve().parents[2] / "schemas")
[CAMT] = [row for row in CATALOG.rows if row.name == "camt.053.001.08"]
PAST_THE_LAST_SURE_LINE = 1_100
INVENTED = 2_000 if os.environ.get("H2H_LONG") else 50


def plain(value: Any) -> Any:
    """Records as tuples."""
    if isinstance(value, Struct):
        return tuple(map(plain, structs.astuple(value)))
    return tuple(map(plain, value)) if isinstance(value, tuple) else value


def ours(file: Path) -> list[Any]:
    with file.open("rb") as source:
        return [plain(each) for each in read(source, CATALOG, strict=False) if isinstance(each, Entry)]


def test_of_the_file_that_is_measured_with(tmp_path: Path) -> None:
    file = tmp_path / "day.xml"
    statements.write(file, PAST_THE_LAST_SURE_LINE)
    theirs = [*by_hand.entries(str(file))]
    assert len(theirs) == PAST_THE_LAST_SURE_LINE
    assert theirs == ours(file)


@pytest.mark.parametrize("fullness", [0, 2, 4])
def test_of_whatever_a_statement_may_say(tmp_path: Path, fullness: int) -> None:
    seen = 0
    for seed in range(INVENTED):
        c = Chance(seed, fullness)
        whole = statement_file(c, CAMT)
        one = ToldFile(head=whole.head, statements=whole.statements[:1])
        file = tmp_path / "day.xml"
        file.write_bytes(PLAIN.file(PLAIN.document(CAMT.namespace, statement_message(one, CAMT, c))))
        theirs = [*by_hand.entries(str(file))]
        assert theirs == ours(file)
        seen += len(theirs)
    assert seen or not fullness
