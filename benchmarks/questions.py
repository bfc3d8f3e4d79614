"""What people ask all day, at two sizes of the ledger: its cost should grow with the answer, not with the store.

    python -m benchmarks.questions [--transfers N N] [--payments N] [--rounds N]

`status`, `files`, `payments ID` (by EndToEndId, one answer) and `statements`, as the commands ask the ledger; the
start of the program, which is the same at any size, is left out. Each ledger is filled row by row with sent and
answered files of so many payments, one for each quarter of an hour, and a statement of the day for every ten of
them, whose entries book the payments. By default that takes a minute; the sizes of the target are
`--transfers 50000 1000000 --payments 20`, which takes hours and 10 GB.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.rounds import interleaved
from h2h.ledger import Ledger
from h2h.ledger import tables as t
from h2h.ledger.bulk import store

FIRST = datetime(2000, 1, 1, tzinfo=UTC)
EACH = timedelta(minutes=15)
FILES_OF_A_STATEMENT = 10
ACCOUNT = "DE02120300000000202051"
BANKS = ("first", "second")
QUESTIONS = ("status", "files", "payments ID", "statements")


def filled(folder: Path, transfers: int, payments: int) -> Ledger:
    ledger = Ledger("sqlite:///h2h.db", folder)
    files = (_file(number, payments) for number in range(transfers))
    statements = transfers // FILES_OF_A_STATEMENT
    with ledger._database.transaction() as connection:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
        for table, rows in (
            (t.transfer, files),
            (t.batch, ({**_batch(number), "payments": payments} for number in range(transfers))),
            (t.payment, (_payment(n, at, payments) for n in range(transfers) for at in range(1, payments + 1))),
            (t.message, (_message(number) for number in range(statements))),
            (t.statement, (_statement(number, payments) for number in range(statements))),
            (t.entry, (_entry(number, payments) for number in range(statements * FILES_OF_A_STATEMENT * payments))),
        ):
            _fill(connection, table, rows)
    return ledger


def _fill(connection: Any, table: Any, rows: Iterator[dict[str, Any]]) -> None:
    first = next(rows, None)
    if first is None:
        return
    names = [column.name for column in table.columns if column.name in first]
    store(connection, table, names, (tuple(row[name] for name in names) for row in _with(first, rows)))


def _with(first: dict[str, Any], rest: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    yield first
    yield from rest


def _at(number: int) -> datetime:
    return FIRST + number * EACH


def _file(number: int, payments: int) -> dict[str, Any]:
    at = _at(number)
    return {
        "id": f"T{number:09d}", "bank": BANKS[number % 2], "watch": "/out", "name": f"run-{number}.xml",
        "sha256": f"{number:064x}", "content_sha256": f"{number:064x}", "size": 1_000 * payments, "state": "SENT",
        "verdict": "ACCEPTED", "received_at": at, "message": "pain.001.001.09", "message_id": f"MSG-{number}",
        "payments": payments, "control_sum": Decimal(payments), "sent_at": at, "answered_at": at, "attempts": 1,
        "failures": 0, "fence": 1, "version": 5,
    }  # fmt: skip


def _batch(number: int) -> dict[str, Any]:
    return {
        "transfer_id": f"T{number:09d}", "position": 1, "payment_information_id": f"RUN-{number}",
        "amount": Decimal(1), "debtor_account": ACCOUNT, "verdict": "ACCEPTED",
    }  # fmt: skip


def _payment(number: int, at: int, payments: int) -> dict[str, Any]:
    key = number * payments + at
    booked = number // FILES_OF_A_STATEMENT * FILES_OF_A_STATEMENT * payments
    return {
        "transfer_id": f"T{number:09d}", "position": at, "batch": 1, "end_to_end_id": f"E2E-{key}",
        "amount": Decimal(key * 7_919 % 500_000) / 100, "currency": "EUR", "creditor_name": f"Supplier {key % 9_000}",
        "creditor_account": f"FR{key * 104_729 % 10**9:025d}", "execution_date": f"{_at(number):%Y-%m-%d}",
        "status": "ACSC", "booked_by": key if key <= booked else None, "fingerprint": key * 2_654_435_761 % 2**63,
    }  # fmt: skip


def _message(number: int) -> dict[str, Any]:
    at = _at(number * FILES_OF_A_STATEMENT)
    return {
        "id": f"M{number:09d}", "bank": BANKS[number % 2], "folder": "/in", "name": f"day-{number}.xml", "size": 1,
        "sha256": f"{number:064x}", "state": "APPLIED", "fetched_at": at, "message": "camt.053.001.08",
        "message_id": f"STM-{number}", "handed_over_at": at,
    }  # fmt: skip


def _statement(number: int, payments: int) -> dict[str, Any]:
    day = f"{_at(number * FILES_OF_A_STATEMENT):%Y-%m-%d}"
    return {
        "id": number + 1, "message_id": f"M{number:09d}", "bank": BANKS[number % 2], "position": 1, "kind": "053",
        "statement_id": f"S{number}", "account": ACCOUNT, "currency": "EUR", "opening": Decimal(0),
        "closing": Decimal(0), "closing_date": day, "entries": payments, "matched": payments, "reconciles": True,
        "record": {}, "chain": ACCOUNT, "day": day, "booked": Decimal(0), "page_of_message": False,
    }  # fmt: skip


def _entry(number: int, payments: int) -> dict[str, Any]:
    statement = number // (FILES_OF_A_STATEMENT * payments)
    return {
        "id": number + 1, "statement_id": statement + 1, "position": number % (FILES_OF_A_STATEMENT * payments) + 1,
        "amount": Decimal(number * 7_919 % 500_000) / 100, "currency": "EUR", "direction": "DBIT", "status": "BOOK",
        "booking_date": f"{_at(statement * FILES_OF_A_STATEMENT):%Y-%m-%d}", "account_servicer_reference": f"B{number}",
        "day": f"{_at(statement * FILES_OF_A_STATEMENT):%Y-%m-%d}", "record": {},
    }  # fmt: skip


def ask(ledger: Ledger, question: str, size: int) -> None:
    views, now = ledger.views, _at(size)
    match question:
        case "status":
            views.board(BANKS, now)
        case "files":
            assert views.files()
        case "statements":
            assert views.statements()
        case _:
            assert len(views.payments(f"E2E-{size // 2}")) == 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transfers", type=int, nargs=2, default=[1_000, 10_000])
    parser.add_argument("--payments", type=int, default=20, help="in each file")
    parser.add_argument("--rounds", type=int, default=21)
    said = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="h2h-questions-") as folder:
        ledgers = {}
        for size in said.transfers:
            place = Path(folder) / f"{size}"
            place.mkdir()
            ledgers[size] = filled(place, size, said.payments)
        compare(ledgers, said)
        for ledger in ledgers.values():
            ledger.close()


def compare(ledgers: dict[int, Ledger], said: Any) -> None:
    few, many = said.transfers
    print(f"## {few:,} and {many:,} files of {said.payments} payments ({said.rounds} rounds)\n")
    print("| question | ms at the first size | ms at the second | times as long |")
    print("| --- | --- | --- | --- |")
    for question in QUESTIONS:
        ways = {f"{size}": partial(ask, ledgers[size], question, size) for size in said.transfers}
        for way in ways.values():
            way()  # statements are compiled once
        times = interleaved(ways, rounds=said.rounds)
        first, second = (times.median(f"{size}") * 1_000 for size in (few, many))
        print(f"| {question} | {first:.1f} | {second:.1f} | {times.ratio(f'{few}', f'{many}'):.2f} |")


if __name__ == "__main__":
    main()
