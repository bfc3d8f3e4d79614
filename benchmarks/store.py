"""Stores payments and entries in a ledger, against the driver's own `executemany` of as many rows in the same run.

    python -m benchmarks.store [--payments N] [--entries N] [--rounds N]

Each round is a ledger of its own in a temporary folder, SQLite at full durability, everything committed. The peer
writes the same columns as plain text into tables with the same keys and indexes: what storing them costs at least. For
entries that are payments of ours a last way says what matching them adds.
"""

from __future__ import annotations

import argparse
import hashlib
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.rounds import interleaved, table
from h2h.gathered import Gathered
from h2h.ledger import Ledger, judged
from h2h.ledger.entries import DETAIL, ENTRY
from h2h.ledger.messages import Reading
from h2h.ledger.rows import Received
from h2h.model import (
    Batch,
    Entry,
    EntryDetail,
    InboundId,
    Judgement,
    Payment,
    PaymentFile,
    Record,
    RemoteFile,
    Statement,
    StatementFile,
    TransferId,
)
from tests import alone

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
ACCOUNT = "DE02120300000000202051"
PAYMENT, STATEMENT, UNKNOWN, RAW = "payments", "entries, matched", "entries, not ours", "executemany"


def amount(number: int) -> Decimal:
    return Decimal(number % 500_000 + 1) / 100


def judgement(count: int) -> Judgement:
    payments = [
        Payment(
            position=number, batch=1, payment_information_id="RUN-1", instruction_id=f"INSTR-{number:09d}",
            end_to_end_id=f"E2E-{number:09d}", uetr=None, amount=amount(number), currency="EUR",
            creditor_name=f"Supplier {number % 9_000} GmbH", creditor_iban="FR1420041010050500013M02606",
            remittance=f"Invoice {number} of November",
        )
        for number in range(1, count + 1)
    ]  # fmt: skip
    batch = Batch(position=1, payment_information_id="RUN-1", debtor_iban=ACCOUNT, debtor_name="Nordwerk Holding AG")
    header = PaymentFile(message="pain.001.001.09", message_id="RUN")
    return Judgement(header=header, batches=[batch], payments=payments, findings=[])


def records(count: int, prefix: str) -> list[Record]:
    """One statement, whose entries name payments by EndToEndId."""
    head = StatementFile(message="camt.053.001.08", message_id="STATEMENTS")
    said = Statement(position=1, statement_id="S1", message="camt.053.001.08", iban=ACCOUNT, currency="EUR")
    return [head, said, *(entry(number, prefix) for number in range(1, count + 1))]


def entry(number: int, prefix: str) -> Entry:
    detail = EntryDetail(
        position=1, end_to_end_id=f"{prefix}-{number:09d}", amount=amount(number), currency="EUR", direction="DBIT",
        creditor_name=f"Supplier {number % 9_000} GmbH", creditor_account="FR1420041010050500013M02606",
        remittance=(f"Invoice {number} of November",),
    )  # fmt: skip
    return Entry(
        position=number, statement=1, amount=amount(number), currency="EUR", direction="DBIT", status="BOOK",
        booking_date="2026-11-20", value_date="2026-11-20", account_servicer_reference=f"BANK{number:012d}",
        transaction_code="PMNT/ICDT/ESCT", details=(detail,),
    )  # fmt: skip


@dataclass(slots=True)
class Stage:
    """A fresh ledger for each way, with what that way finds there."""

    payments: Judgement
    entries: dict[str, list[Record]]
    folder: Path
    ledger: Ledger | None = None
    raw: sqlite3.Connection | None = None

    def prepare(self, way: str) -> None:
        self.close()
        self.ledger = Ledger("sqlite:///h2h.db", Path(tempfile.mkdtemp(dir=self.folder)))
        if way == STATEMENT:
            self.store_payments()
        if way in self.entries:
            file = RemoteFile(folder="/out", name="statement.xml", size=1, modified=1)
            self.ledger.messages.kept(InboundId("M"), "acme", file, hashlib.sha256(way.encode()).hexdigest(), NOW)
        if way.startswith(RAW):
            self.raw = sqlite3.connect(str(self.ledger._database.engine.url.database), isolation_level=None)
            self.raw.execute("PRAGMA synchronous=FULL")

    def store_payments(self) -> None:
        assert self.ledger is not None
        new = Received(id=TransferId("T"), bank="acme", watch="/out", name="run.xml", sha256="0" * 64, size=1)
        alone.received(self.ledger.transfers, new, NOW)
        alone.judged(self.ledger.transfers, new.id, self.payments, NOW, same_payments_within=timedelta(days=5))
        if self.ledger.transfers.get(new.id).state != "READY":
            raise RuntimeError("the payments were not taken")

    def sent(self) -> None:
        """As if the bank had the file."""
        assert self.ledger is not None
        with self.ledger._database.transaction() as connection:
            connection.exec_driver_sql("UPDATE transfer SET state = 'SENT'")

    def store_entries(self, way: str) -> None:
        assert self.ledger is not None
        reading = Reading(message="camt.053.001.08", message_id="X", records=Gathered(self.entries[way]), findings=())
        self.ledger.messages.applied(InboundId("M"), reading, NOW)

    def store_raw(self, way: str) -> None:
        """The rows of what the ledger stores for this way, by the driver alone."""
        assert self.raw is not None
        self.raw.execute("PRAGMA foreign_keys=OFF")
        self.raw.execute("BEGIN IMMEDIATE")
        for name, columns, rows in self._plain(way):
            marks = ", ".join("?" * len(columns))
            self.raw.executemany(f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({marks})", rows)
        self.raw.execute("COMMIT")

    def _plain(self, way: str) -> Iterator[tuple[str, Sequence[str], Iterator[tuple[Any, ...]]]]:
        if way == PAYMENT:
            yield "payment", judged.PAYMENT, (_payment_row(p) for p in self.payments.payments)
            return
        entries = [record for record in self.entries[UNKNOWN] if isinstance(record, Entry)]
        yield "entry", ENTRY, (_entry_row(e) for e in entries)
        yield "detail", DETAIL, (_detail_row(e.position, e.details[0]) for e in entries)

    def size(self) -> int:
        """Bytes of the ledger's file, with all of it in it."""
        assert self.ledger is not None
        file = Path(str(self.ledger._database.engine.url.database))
        with sqlite3.connect(file) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return file.stat().st_size

    def close(self) -> None:
        if self.raw is not None:
            self.raw.close()
        if self.ledger is not None:
            self.ledger.close()
        self.ledger = self.raw = None


def _payment_row(p: Payment) -> tuple[Any, ...]:
    return (
        "T", p.position, p.batch, p.instruction_id, p.end_to_end_id, p.uetr, str(p.amount), p.currency, p.creditor_name,
        p.creditor_iban, p.creditor_agent, p.execution_date, p.remittance, hash(p.end_to_end_id),
    )  # fmt: skip


TEXT = "{" + '"name":"of a record, as long as one is usually, with what the bank says of the transaction",' * 4 + "}"


def _entry_row(e: Entry) -> tuple[Any, ...]:
    return (
        e.position, 1, e.position, str(e.amount), e.currency, e.direction, None, e.status, e.booking_date, e.value_date,
        None, e.account_servicer_reference, None, None, "2026-11-20", TEXT,
    )  # fmt: skip


def _detail_row(number: int, d: EntryDetail) -> tuple[Any, ...]:
    return (
        number, 1, d.end_to_end_id, None, None, None, str(d.amount), d.currency, d.direction, None, None, None, None,
        TEXT,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--payments", type=int, default=100_000)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    said = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="h2h-store-") as folder:
        entries = {STATEMENT: records(said.entries, "E2E"), UNKNOWN: records(said.entries, "OTHER")}
        stage = Stage(payments=judgement(said.payments), entries=entries, folder=Path(folder))
        _payments(stage, said.payments, said.rounds)
        _entries(stage, said.entries, said.rounds)
        stage.close()


def _payments(stage: Stage, count: int, rounds: int) -> None:
    stage.prepare(PAYMENT)
    empty = stage.size()
    stage.store_payments()
    print(f"Growth: {(stage.size() - empty) / count:,.0f} bytes for each payment.\n")
    ways = {RAW: lambda: stage.store_raw(PAYMENT), PAYMENT: stage.store_payments}
    times = interleaved(ways, rounds=rounds, before=stage.prepare)
    print(table(f"Storing {count:,} payments", times, peer=RAW, amount=count, unit="payments"))


def _entries(stage: Stage, count: int, rounds: int) -> None:
    def before(way: str) -> None:
        stage.prepare(way)
        if way == STATEMENT:
            stage.sent()

    stage.prepare(UNKNOWN)
    empty = stage.size()
    stage.store_entries(UNKNOWN)
    print(f"Growth: {(stage.size() - empty) / count:,.0f} bytes for each entry with one detail.\n")
    ways = {RAW: lambda: stage.store_raw(UNKNOWN), **{way: _stored(stage, way) for way in (UNKNOWN, STATEMENT)}}
    times = interleaved(ways, rounds=rounds, before=before)
    print(table(f"Storing {count:,} entries of one detail each", times, peer=RAW, amount=count, unit="entries"))


def _stored(stage: Stage, way: str) -> Any:
    return lambda: stage.store_entries(way)


if __name__ == "__main__":
    main()
