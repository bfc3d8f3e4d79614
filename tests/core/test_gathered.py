"""The records of one file: in its order, by runs, and without what may not be applied."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from h2h.columns import Columns
from h2h.gathered import Gathered, Joined, Written
from h2h.model import Entry, EntryDetail, FileMember, Record, Statement, StatementFile
from h2h.records import as_text
from tests.changing import replace


def entry(statement: int, position: int, details: int = 1) -> Entry:
    inside = tuple(EntryDetail(position=n, end_to_end_id=f"E{n}") for n in range(1, details + 1))
    return Entry(
        position=position, statement=statement, amount=Decimal("1.50"), currency="EUR", direction="DBIT", details=inside
    )


def file_of(*sizes: int, details: int = 1) -> list[Record]:
    """A statement for each size, with so many entries."""
    records: list[Record] = [StatementFile(message="camt.053.001.08", message_id="M")]
    for number, size in enumerate(sizes, start=1):
        records.append(Statement(position=number, statement_id=f"S{number}"))
        records += [entry(number, position, details) for position in range(1, size + 1)]
    return records


@pytest.mark.parametrize("sizes", [(), (0,), (1, 0, 2), (2_500, 3, 700), (1,) * 2_100])
def test_they_come_in_their_order_as_often_as_wanted(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    records = file_of(*sizes)
    gathered = Gathered(records, tmp_path)
    assert len(gathered) == len(records)
    assert [*gathered] == [*gathered] == records
    assert gathered.has(Statement) is bool(sizes)
    assert not gathered.has(FileMember)


def test_entries_stand_in_one_run_and_can_be_joined_with_others(tmp_path: Path) -> None:
    records = file_of(2_500, 700)
    runs = [(run.kind, len(run)) for run in Gathered(records, tmp_path).runs()]
    assert runs == [(StatementFile, 1), (Statement, 1), (Entry, 2_500), (Statement, 1), (Entry, 700)]
    joined: Joined[Entry] = Joined()
    for run in Gathered(records, tmp_path).runs():
        if run.kind is Entry:
            joined.append(run)
    assert len(joined) == 3_200
    assert [*joined] == [*joined] == [each for each in records if isinstance(each, Entry)]
    assert entry(2, 700) in joined
    assert entry(3, 1) not in joined


def test_what_came_since_a_mark_is_forgotten_and_more_may_come(tmp_path: Path) -> None:
    first, second, third = file_of(2_100), file_of(3), file_of(1, 1)
    gathered = Gathered(first, tmp_path)
    mark = gathered.mark()
    for record in second:
        gathered.append(record)
    gathered.drop(mark)
    assert [*gathered] == first
    for record in third:
        gathered.append(record)
    assert [*gathered] == [*first, *third]
    gathered.drop(0)
    assert (len(gathered), [*gathered], bool(gathered)) == (0, [], False)


def test_a_run_that_goes_on_after_a_mark_is_cut_there(tmp_path: Path) -> None:
    gathered = Gathered([entry(1, 1)], tmp_path)
    mark = gathered.mark()
    gathered.append(entry(1, 2))
    gathered.drop(mark)
    assert [*gathered] == [entry(1, 1)]


def test_an_entry_of_many_details_counts_as_many(tmp_path: Path) -> None:
    gathered = Gathered(file_of(6, details=900), tmp_path)
    assert len(gathered._spools[Entry]._latest) < 3
    assert len(gathered._spools[Entry]._frames) == 3
    assert [*gathered] == file_of(6, details=900)


@pytest.mark.parametrize("together", [1, 7, 400, 3_000])
def test_entries_that_come_in_columns_stand_among_those_that_come_alone(tmp_path: Path, together: int) -> None:
    entries = [entry(1, position, position % 3) for position in range(1, 3_001)]
    gathered = Gathered(file_of(0, 0), tmp_path)
    for first in range(0, 3_000, 2 * together):
        gathered.add(Columns.of(entries[first : first + together]))
        for each in entries[first + together : first + 2 * together]:
            gathered.append(each)
    *_, run = gathered.runs()
    assert (len(run), [*run], [*run]) == (3_000, entries, entries)
    assert [each for some in run.columns() for each in some] == entries


@pytest.mark.parametrize("sizes", [(3,), (700, 2, 1_500, 1), (1,) * 1_200])
def test_each_run_has_its_own_entries_in_columns(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    runs = [run for run in Gathered(file_of(*sizes), tmp_path).runs() if run.kind is Entry]
    for number, (run, size) in enumerate(zip(runs, sizes, strict=True), start=1):
        found = [*run.columns()]
        assert [p for some in found for p in some.column("position")] == [*range(1, size + 1)]
        assert {s for some in found for s in some.column("statement")} == {number}


def test_records_of_other_kinds_come_in_columns_as_well(tmp_path: Path) -> None:
    notes = [Statement(position=1, statement_id=f"S{n}") for n in range(3)]
    gathered = Gathered((), tmp_path)
    gathered.add(Columns.of(notes))
    assert [*gathered] == notes
    [run] = gathered.runs()
    assert [each for some in run.columns() for each in some] == notes


def texts(entries: list[Entry]) -> tuple[list[str], list[str]]:
    """What is kept of entries, and of their details."""
    bare = [as_text(replace(each, details=())) for each in entries]
    return bare, [as_text(detail) for each in entries for detail in each.details]


@pytest.mark.parametrize("details", [(1,), (0, 1, 2)])
@pytest.mark.parametrize("together", [1, 400])
def test_entries_come_with_the_text_that_is_kept_of_them(
    tmp_path: Path, details: tuple[int, ...], together: int
) -> None:
    """Whole, cut at the ends of a run, and some of them."""
    records = file_of(700, 2, 1_500)
    entries = [
        replace(e, details=entry(1, 1, details[at % len(details)]).details)
        for at, e in enumerate(records)
        if isinstance(e, Entry)
    ]
    gathered = Gathered(folder=tmp_path)
    for size in (700, 2, 1_500):
        gathered.append(Statement(position=1, statement_id="S"))
        mine, entries = entries[:size], entries[size:]
        for first in range(0, size, together):
            gathered.add(Columns.of(mine[first : first + together]))
    for run in gathered.runs():
        for some in run.columns() if run.kind is Entry else ():
            assert isinstance(some, Written)
            assert (some.texts, some.of_details) == texts([*some])
            third = some.where([at % 3 == 0 for at in range(len(some))])
            assert [*third] == [*some][::3]
            assert (third.texts, third.of_details) == texts([*third])
