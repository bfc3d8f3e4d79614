"""Whatever a message says in a version that we know is read back from it to the same records, to the last digit.

Every version is tried with nothing in it that may be left out, with everything, and with a few random contents in a
random dress; H2H_LONG=1 tries many more.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path
from zipfile import ZIP_DEFLATED as DEFLATED
from zipfile import ZIP_STORED as STORED
from zipfile import ZipFile

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from h2h.messages import Catalog, MessageType, read
from h2h.model import (
    Balance,
    Batch,
    DirectDebit,
    Entry,
    FileMember,
    Finding,
    Payment,
    Record,
    Severity,
    total,
)
from h2h.outbound.judge import judge
from h2h.pages import booked_of
from h2h.rules import balances_add_up
from tests.changing import replace
from tests.core.chance import FULL, Chance
from tests.core.inventing_orders import ToldDebits, ToldPayments, debits, payments
from tests.core.inventing_reports import report
from tests.core.inventing_statements import Told, ToldFile, statement_file
from tests.core.writing import PLAIN, Element, any_dress
from tests.core.writing_orders import debits_message, payments_message
from tests.core.writing_reports import report_message
from tests.core.writing_statements import statement_message

CATALOG = Catalog.load(Path(__file__).resolve().parents[2] / "schemas")
LONG = bool(os.environ.get("H2H_LONG"))
FEW = settings(max_examples=500 if LONG else 4, deadline=None, print_blob=True, derandomize=not LONG)
FEWER = settings(FEW, max_examples=100 if LONG else 2)
SEEDS = st.integers(0, 2**32 - 1)


def invented(row: MessageType, c: Chance, before: Sequence[Record] = ()) -> tuple[list[Record], Element]:
    """Records that come after others in a file, and the message that says them."""
    match row.reader:
        case "pain001":
            orders = payments(c, row, before)
            return orders.records(), payments_message(orders, row, c)
        case "pain008":
            collected = debits(c, row, before)
            return collected.records(), debits_message(collected, row, c)
        case "pain002":
            answer = report(c, row, before)
            return answer.records(), report_message(answer, row, c)
    file = statement_file(c, row, before)
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


@pytest.mark.parametrize("row", CATALOG.rows, ids=lambda row: row.name)
def test_several_messages_in_an_envelope_are_read_back_one_after_the_other(row: MessageType) -> None:
    """Each with a header that names it, or without."""

    @FEWER
    @given(SEEDS, st.integers(2, 3), st.sampled_from((None, *CATALOG.headers)))
    @example(1, 3, CATALOG.headers[-1])
    def read_back(seed: int, count: int, header: MessageType | None) -> None:
        c = Chance(seed, 1)
        worn, said, parts = any_dress(c), list[Record](), list[str]()
        for _ in range(count):
            told, message = invented(row, c, said)
            said += told
            parts += [worn.header(header, row.name)] if header else []
            parts.append(worn.document(row.namespace, message))
        same(read(io.BytesIO(worn.file(worn.envelope(parts))), CATALOG, strict=False), said)

    read_back()


@FEW
@given(SEEDS, st.lists(st.sampled_from(CATALOG.rows), min_size=1, max_size=4), st.sampled_from((STORED, DEFLATED)))
def test_messages_of_any_kind_in_a_zip_are_read_back_member_by_member(
    seed: int, rows: list[MessageType], method: int
) -> None:
    c, said, packed = Chance(seed), list[Record](), io.BytesIO()
    with ZipFile(packed, "w", method) as archive:
        for position, row in enumerate(rows, start=1):
            told, message = invented(row, c, said)
            worn = any_dress(c)
            content = worn.file(worn.document(row.namespace, message))
            archive.writestr(f"{position}.xml", content)
            said += [FileMember(position=position, name=f"{position}.xml", size=len(content)), *told]
    same(read(io.BytesIO(packed.getvalue()), CATALOG, strict=False), said)


# Sums. What they come to is computed in whole units, and read where a context of Decimal rounds to six digits.


def units(number: int) -> Decimal:
    return Decimal((number < 0, tuple(map(int, str(abs(number)))), -5))


def amounts(c: Chance, count: int) -> list[int]:
    return [int(c.amount(17, 0)) for _ in range(count)]


def balance(kind: str, number: int) -> Balance:
    direction = "DBIT" if number < 0 else "CRDT"
    return Balance(type=kind, amount=units(abs(number)), currency="EUR", direction=direction, date="2026-11-16")


def balanced(c: Chance, told: Told, off_by: int) -> tuple[Told, int]:
    """Entries that are booked or not, and balances that differ by what is booked, which is told in units."""
    entries, booked, opening = list[Entry](), 0, amounts(c, 1)[0] - amounts(c, 1)[0]
    for position, number in enumerate(amounts(c, 1 + c.below(9)), start=1):
        direction, status = c.direction(), c.of(("BOOK", "BOOK", "PDNG"))
        booked += 0 if status == "PDNG" else number if direction == "CRDT" else -number
        entries.append(
            Entry(
                position=position,
                statement=told.statement.position,
                amount=units(number),
                currency="EUR",
                direction=direction,
                status=status,
                reversal=c.flag(),
            )
        )
    balances = (balance(c.of(("OPBD", "PRCD")), opening), balance("CLBD", opening + booked + off_by))
    statement = replace(told.statement, balances=balances, page_number=None, last_page=None)
    return Told(statement=statement, entries=tuple(entries), note=told.note), booked


@pytest.mark.parametrize("row", [row for row in CATALOG.rows if row.family == "camt.053"], ids=lambda row: row.name)
def test_what_is_booked_adds_up_to_the_last_digit(row: MessageType) -> None:
    @FEW
    @given(SEEDS, st.sampled_from((-1, 0, 1)))
    @example(0, 0)
    @example(1, 1)
    def adds_up(seed: int, off_by: int) -> None:
        c = Chance(seed)
        file = statement_file(c, row)
        pairs = [balanced(c, each, off_by) for each in file.statements]
        head = replace(file.head, page_number=None, last_page=None)
        message = statement_message(ToldFile(head=head, statements=tuple(told for told, _ in pairs)), row, c)
        with localcontext(prec=6):
            items = list(read(io.BytesIO(PLAIN.file(PLAIN.document(row.namespace, message))), CATALOG, strict=False))
            for at, (told, booked) in enumerate(pairs, start=1):
                entries = [each for each in items if isinstance(each, Entry) and each.statement == at]
                came_to = total(each.signed for each in entries if each.status == "BOOK")
                assert Fraction(came_to) == Fraction(booked, 100_000)
                fits, finding = balances_add_up(told.statement, booked_of(told.statement, entries).total)
                assert fits is (off_by == 0)
                assert (finding is None) is (off_by == 0)

    adds_up()


def summed(c: Chance, file: ToldPayments | ToldDebits, wrong: int) -> ToldPayments | ToldDebits:
    """With NbOfTxs and CtrlSum that fit, but for one by a unit: that of the file (0) or of a batch."""
    batches, sums, count = [], [], 0
    for batch, inside in file.batches:
        paid: Sequence[Payment | DirectDebit] = inside
        numbers = amounts(c, len(inside))
        off_by = c.of((-1, 1)) if wrong == batch.position else 0
        said = units(sum(numbers) + off_by)
        orders = tuple(replace(each, amount=units(n)) for each, n in zip(paid, numbers, strict=True))
        batches.append((replace(batch, control_sum=said, number_of_transactions=str(len(inside))), orders))
        sums.append(sum(numbers))
        count += len(inside)
    said = units(sum(sums) + (1 if wrong == 0 else 0))
    head = replace(file.head, control_sum=said, number_of_transactions=str(count))
    return replace(file, head=head, batches=tuple(batches))  # type: ignore[arg-type]  # of one kind or the other


def mismatches(items: Iterable[Record | Finding]) -> list[tuple[str, str]]:
    """What the business rules say of counts and sums."""
    return [(each.code, each.path) for each in judge(items).findings if each.code.endswith("_MISMATCH")]


@pytest.mark.parametrize("row", [row for row in CATALOG.rows if row.root.endswith("Initn")], ids=lambda row: row.name)
def test_control_sums_hold_to_the_last_digit(row: MessageType) -> None:
    @FEW
    @given(SEEDS, st.integers(-1, 3))
    @example(0, -1)
    @example(1, 0)
    @example(2, 1)
    def hold(seed: int, wrong: int) -> None:
        c = Chance(seed)
        if row.reader == "pain001":
            file = summed(c, payments(c, row), wrong)
            assert isinstance(file, ToldPayments)
            message = payments_message(file, row, c)
        else:
            file = summed(c, debits(c, row), wrong)
            assert isinstance(file, ToldDebits)
            message = debits_message(file, row, c)
        there = wrong in range(len(file.batches) + 1)
        place = f"/Document/{row.root}/{f'PmtInf[{wrong}]' if wrong else 'GrpHdr'}/CtrlSum"
        with localcontext(prec=6):
            items = list(read(io.BytesIO(PLAIN.file(PLAIN.document(row.namespace, message))), CATALOG, strict=True))
            assert mismatches(items) == ([("SUM_MISMATCH", place)] if there else [])

    hold()
