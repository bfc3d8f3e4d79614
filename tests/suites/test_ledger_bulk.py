"""Many rows at once: what is stored is what SQLAlchemy stores row by row, all of it or nothing, in flat memory."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from random import Random
from string import ascii_letters
from typing import Any, cast

import pytest
from sqlalchemy import BigInteger, Boolean, Column, Connection, Integer, MetaData, String, Table, Text, insert, select

from h2h.booked import AmountDetail
from h2h.columns import Columns
from h2h.errors import StoreError, Unstorable
from h2h.ledger import bulk, earlier
from h2h.ledger import tables as t
from h2h.ledger.judged import Tally
from h2h.lifecycle import State
from h2h.model import Balance, Entry, EntryDetail, Judgement, Payment, Statement, TransferId
from h2h.records import as_texts, columns_as_texts, plain
from h2h.reported import Charge, Party
from tests import alone
from tests.changing import replace
from tests.suites.books import ACCOUNT, NOW, RADAR, Book, debit, judgement, pay, statement

FAR = datetime(2026, 3, 29, 3, 30, 0, 17, tzinfo=timezone(timedelta(hours=-5)))
VALUES: dict[type, list[Any]] = {
    t.Instant: [NOW, FAR, datetime(1, 1, 1, tzinfo=UTC)],
    t.Exact: [Decimal("10.50"), Decimal("1E+3"), Decimal("-0.00"), Decimal("9" * 40 + ".00001")],
    t.Json: [{"b": [Decimal("1.0"), "é\n"], "a": None}, [], "", 7],
    t.RecordText: [{"b": ['é\n\x7f\u2028"\\/<>&', {"z": 1, "a": True}], "a": "1.00"}, {}],
    Boolean: [True, False],
    Integer: [0, -7, 2**31 - 1],
    BigInteger: [-(2**63), 2**63 - 1],
    String: ["", "plain", State.READY],
    Text: ["\\N", "\\.", "tab\there", "two\nlines\r\n", "a\\b", "quote'\"", "Zoë \U0001f600", " ", "NULL"],
}


def every_type(connection: Connection) -> Table:
    """A table, for this transaction, with a column of each type."""
    columns = [Column(f"c{at}", kind(64) if kind is String else kind()) for at, kind in enumerate(VALUES)]
    table = Table("of_every_type", MetaData(), Column("id", Integer, primary_key=True), *columns)
    table.create(connection)
    return table


def test_the_types_below_are_those_of_the_ledger() -> None:
    assert {type(column.type) for table in t.metadata.tables.values() for column in table.columns} == set(VALUES)


def test_a_row_is_stored_as_sqlalchemy_stores_it(book: Book) -> None:
    longest = max(map(len, VALUES.values())) + 1
    rows = [tuple(values[at] if at < len(values) else None for values in VALUES.values()) for at in range(longest)]
    rows *= bulk.TOGETHER // len(rows) + 1  # more than go into one statement
    count = len(rows)
    with book.ledger._database.rehearsal() as connection:
        table = every_type(connection)
        names = [column.name for column in table.columns if column.name != "id"]
        connection.execute(insert(table), [dict(zip(names, row, strict=True)) for row in rows])
        bulk.store(connection, table, names, iter(rows))
        bulk.store_columns(connection, table, dict(zip(names, zip(*rows, strict=True), strict=True)))
        bulk.store_columns(connection, table, dict.fromkeys(names, ()))
        found = connection.exec_driver_sql("SELECT * FROM of_every_type ORDER BY id").all()
    plain = [tuple(row)[1:] for row in found]
    assert plain[:count] == plain[count : 2 * count] == plain[2 * count :]
    assert len(plain) == 3 * count


def test_more_rows_than_go_to_the_driver_at_once_are_stored_in_their_order(book: Book) -> None:
    count, number = 2 * bulk.CHUNK + 1, f"c{[*VALUES].index(Integer)}"
    with book.ledger._database.rehearsal() as connection:
        table = every_type(connection)
        bulk.store(connection, table, (number,), ((at,) for at in range(count)))
        found = connection.execute(select(table.c[number]).order_by(table.c.id)).scalars().all()
    assert found == [*range(count)]


def test_no_rows_are_no_rows(book: Book) -> None:
    with book.ledger._database.rehearsal() as connection:
        bulk.store(connection, t.slot, ("schedule", "slot", "at"), [])
        assert connection.exec_driver_sql("SELECT count(*) FROM slot").scalar() == 0


def test_a_fault_on_the_way_leaves_nothing_of_what_was_stored(book: Book) -> None:
    def rows() -> Iterator[tuple[str, str, datetime]]:
        yield from (("s", str(at), NOW) for at in range(bulk.CHUNK + 5))
        raise ValueError("the source broke")

    with pytest.raises(ValueError, match="the source broke"), book.ledger._database.transaction() as connection:
        bulk.store(connection, t.slot, ("schedule", "slot", "at"), rows())
    with book.ledger._database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM slot").scalar() == 0


def test_what_the_database_refuses_is_an_error_of_the_ledger(book: Book) -> None:
    twice = [("s", "1", NOW)] * 2
    with pytest.raises(StoreError, match="The ledger cannot do its work"), book.ledger._database.transaction() as here:
        bulk.store(here, t.slot, ("schedule", "slot", "at"), twice)


RECORDS = [
    EntryDetail(
        position=1, batch=2, end_to_end_id='é\n\x7f\u2028"\\/<>&', amount=Decimal("-0.10"), remittance=("a", "")
    ),
    EntryDetail(position=1, batch=1, amount=Decimal("1E+3"), parties=(Party(role="UltmtDbtr"),)),
    EntryDetail(
        position=1,
        batch=1,
        amount=Decimal("0.00000001"),
        amounts=(AmountDetail(kind="TxAmt", amount=None, currency=None),),
    ),
    Entry(position=1, statement=1, amount=None, currency=None, direction="DBIT", reversal=False, line=7),
    Statement(
        position=1,
        statement_id=None,
        last_page=False,
        balances=(Balance(type="OPBD", amount=Decimal(1), currency=None, direction=None),),
    ),
]


@pytest.mark.parametrize("record", RECORDS)
def test_a_record_is_kept_as_canonical_text_without_what_is_empty(record: Any) -> None:
    assert t.RecordText.written(record) == t.canonical(plain(record))


def test_many_records_are_written_together_as_one_by_one() -> None:
    usual = [EntryDetail(position=n, amount=Decimal(n), remittance=("1E+5 \n",)) for n in range(3)]
    for some in (usual, [*usual, *RECORDS], [RECORDS[1]], [*RECORDS[3:4], *usual]):
        assert as_texts(some) == t.RecordText.all_written(some) == [*map(t.RecordText.written, some)]


def test_records_in_columns_are_written_without_the_field_that_is_left_out() -> None:
    bare = Entry(position=2, statement=1, amount=None, currency=None, direction=None)
    charged = replace(bare, amount=Decimal("1E+3"), charges=(Charge(amount=None, currency=None),), reversal=False)
    for some in ([bare], [bare, charged], [charged, replace(bare, amount=Decimal("2.50"), line=7)]):
        full = [replace(each, details=(EntryDetail(position=1),)) for each in some]
        written = columns_as_texts(Columns.of(full), without="details")
        assert written == [t.canonical(plain(each)) for each in some]


def test_what_is_as_usual_is_left_out_of_a_record() -> None:
    assert json.loads(t.RecordText.written(EntryDetail(position=1, amount=Decimal("1.00")))) == {
        "amount": "1.00",
        "position": 1,
    }


@pytest.mark.every_database
def test_what_no_index_of_the_database_holds_is_said_to_be_so(book: Book) -> None:
    """To try it again would be no use; on SQLite a key may be as long as it likes."""
    long = "".join(Random(1).choices(ascii_letters, k=20_000))
    for entry in (debit("1.00", account_servicer_reference=long), debit("1.00", long)):
        with nullcontext() if book.ledger._database.engine.dialect.name == "sqlite" else pytest.raises(Unstorable):
            book.report(statement(f"S{entry.account_servicer_reference is None}", entry))


# A file's payments.


class Streamed:
    """Payments that can be gone through any number of times, and are nowhere."""

    def __init__(self, count: int) -> None:
        self._count = count
        [self._one] = judgement("M", pay("E", to="FR1420041010050500013M02606")).payments

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Payment]:
        for at in range(1, self._count + 1):
            yield replace(self._one, position=at, end_to_end_id=f"E{at}", amount=Decimal(at) / 100)


def streamed(message_id: str, count: int) -> Judgement:
    return replace(judgement(message_id, pay("E")), payments=cast(Any, Streamed(count)))


def take(book: Book, transfer_id: str, count: int) -> State:
    book.received(transfer_id)
    said = streamed(f"MSG-{transfer_id}", count)
    return alone.judged(book.transfers, TransferId(transfer_id), said, NOW, same_payments_within=RADAR).state


class Number(int):
    """Of a batch; tells how often it is compared."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        Number.compared += 1
        return int(self) == other

    __hash__ = int.__hash__


def test_batches_are_counted_in_one_pass_however_many_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Number, "compared", 0)
    [one] = judgement("M", pay("E", "0.10")).payments
    numbers = [*range(1, 701), 1, 1, 7]  # and some that are taken up again
    tally = Tally()
    for _ in tally.passing([replace(one, batch=Number(number)) for number in numbers]):
        pass
    assert Number.compared < 10 * len(numbers)  # each with its neighbours
    found = {number: (count.payments, count.amount) for number, count in tally.batches.items()}
    assert (found[1], found[7], found[700]) == ((3, Decimal("0.30")), (2, Decimal("0.20")), (1, Decimal("0.10")))
    assert sum(payments for payments, _ in found.values()) == len(numbers)


def test_payments_are_stored_with_what_they_come_to(book: Book) -> None:
    count = bulk.CHUNK + 10
    assert take(book, "T1", count) is State.READY
    row = book.transfers.get("T1")
    assert (row.payments, row.control_sum) == (count, Decimal(count * (count + 1) // 2) / 100)
    with book.ledger._database.reading() as connection:
        [batch] = connection.execute(t.batch.select()).all()
        stored = connection.execute(t.payment.select().order_by(t.payment.c.position)).all()
    assert (batch.payments, batch.amount, batch.debtor_account) == (count, row.control_sum, ACCOUNT)
    assert [p.end_to_end_id for p in stored] == [f"E{at}" for at in range(1, count + 1)]
    assert len({p.fingerprint for p in stored}) == count


def test_neither_a_new_file_nor_one_that_repeats_another_is_held_in_memory(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Judged four times as large, by what Python holds at most."""
    monkeypatch.setattr(bulk, "CHUNK", 50)
    monkeypatch.setattr(earlier, "CHUNK", 50)
    monkeypatch.setattr(earlier, "STREAMED", {"yield_per": 50})
    peaks = []
    for n, count in enumerate((10, 500, 2_000)):
        tracemalloc.start()
        assert take(book, f"NEW{n}", count) is (State.READY if n == 0 else State.HELD)
        assert take(book, f"AGAIN{n}", count) is State.DUPLICATE
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < peaks[1] + 300_000
