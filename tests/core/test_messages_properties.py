"""Whatever a message says in a version that we know is read back from it to the same records, to the last digit.

Every version is tried with nothing in it that may be left out, with everything, and with a few random contents in a
random dress; H2H_LONG=1 tries many more.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from h2h.messages import Catalog, MessageType, read
from h2h.model import Batch, Finding, Payment, Record, Severity
from tests.core.chance import FULL, Chance
from tests.core.inventing_orders import debits, payments
from tests.core.inventing_reports import report
from tests.core.inventing_statements import statement_file
from tests.core.writing import PLAIN, Element, any_dress
from tests.core.writing_orders import debits_message, payments_message
from tests.core.writing_reports import report_message
from tests.core.writing_statements import statement_message

CATALOG = Catalog.load(Path(__file__).resolve().parents[2] / "schemas")
LONG = bool(os.environ.get("H2H_LONG"))
FEW = settings(max_examples=500 if LONG else 4, deadline=None, print_blob=True, derandomize=not LONG)
SEEDS = st.integers(0, 2**32 - 1)


def invented(row: MessageType, c: Chance) -> tuple[list[Record], Element]:
    """Records, and the message that says them."""
    match row.reader:
        case "pain001":
            orders = payments(c, row)
            return orders.records(), payments_message(orders, row, c)
        case "pain008":
            collected = debits(c, row)
            return collected.records(), debits_message(collected, row, c)
        case "pain002":
            answer = report(c, row)
            return answer.records(), report_message(answer, row, c)
    file = statement_file(c, row)
    return file.records(), statement_message(file, row, c)


def same(items: Iterable[Record | Finding], said: Sequence[Record]) -> None:
    """These records and no others, digit for digit; nothing to warn of."""
    read_back = list(items)
    warnings = [each for each in read_back if isinstance(each, Finding) and each.severity is not Severity.INFO]
    assert warnings == []
    records = [without_lines(each) for each in read_back if not isinstance(each, Finding)]
    assert len(records) == len(said)
    for record, expected in zip(records, said, strict=True):
        assert record == expected
        assert repr(record) == repr(expected)  # 5.0 and 5.00 are equal


def without_lines(record: Record | Finding) -> Record | Finding:
    if isinstance(record, Batch | Payment):
        record = replace(record, addresses=tuple(replace(each, line=None) for each in record.addresses))
    return replace(record, line=None)


@pytest.mark.parametrize("row", CATALOG.rows, ids=lambda row: row.name)
def test_what_is_written_is_read_back(row: MessageType) -> None:
    @FEW
    @given(SEEDS, st.integers(0, FULL), st.booleans())
    @example(0, 0, False)
    @example(0, FULL, False)
    def read_back(seed: int, fullness: int, dressed: bool) -> None:
        c = Chance(seed, fullness)
        said, message = invented(row, c)
        worn = any_dress(c) if dressed else PLAIN
        source = io.BytesIO(worn.file(worn.document(row.namespace, message)))
        same(read(source, CATALOG, strict=False), said)
        if not dressed and row.reader in ("pain001", "pain008"):
            source.seek(0)
            assert [without_lines(each) for each in read(source, CATALOG, strict=True)] == said

    read_back()
