"""A bank's statement from its bytes to rows that are committed, against pyiso20022, which only reads.

    python -m benchmarks.statement_days [--entries N] [--peer-entries N] [--rounds N] [--peer PYTHON]

"h2h" is what the gateway does: a reader process validates and reads, records are put aside, and the ledger applies them
in one transaction, SQLite at full durability. No entry is a payment of ours; in "h2h, our payments" each debit is one.
Speeds are in MB of the file. `--peer`: a Python that has pyiso20022 and xsdata[lxml]; where that has none, it is left
out. Since it holds 10 KB for each entry, it is given a smaller file of the same sort.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import sys
import tempfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks import statements
from benchmarks.models import NAME, Peer
from benchmarks.rounds import interleaved, table, target
from h2h.arrivals import reading_of
from h2h.confined import ConfinedReader
from h2h.ledger import Ledger
from h2h.ledger.messages import MessageState
from h2h.ledger.rows import Received
from h2h.messages import Catalog
from h2h.model import Batch, InboundId, Judgement, Payment, PaymentFile, RemoteFile, TransferId
from h2h.resources import root
from tests import alone

NOW = datetime(2026, 11, 20, 21, 0, tzinfo=UTC)
ACCOUNT = "DE89370400440532013000"
OURS, MATCHED = "h2h", "h2h, our payments"
LEAST = 15.0


class Stage:
    """A ledger of its own for each turn of a way."""

    def __init__(self, folder: Path, file: Path, entries: int) -> None:
        self._folder, self._file, self._entries = folder, file, entries
        self._reader = ConfinedReader(Catalog.load(root("schemas")))
        self._ledger: Ledger | None = None

    def before(self, way: str) -> None:
        self.close()
        place = Path(tempfile.mkdtemp(dir=self._folder))
        self._ledger = Ledger("sqlite:///h2h.db", place)
        self._scratch = place
        file = RemoteFile(folder="/out", name="day.xml", size=self._file.stat().st_size, modified=1)
        self._ledger.messages.kept(InboundId("M"), "acme", file, hashlib.sha256(b"").hexdigest(), NOW)
        if way == MATCHED:
            self._pay()

    def _pay(self) -> None:
        """The debits of the statement, sent before."""
        assert self._ledger is not None
        new = Received(id=TransferId("T"), bank="acme", watch="/in", name="run.xml", sha256="0" * 64, size=1)
        alone.received(self._ledger.transfers, new, NOW)
        cents = statements.amounts(self._entries)
        payments = [
            Payment(
                position=at, batch=1, payment_information_id="P", instruction_id=None, uetr=None, currency="EUR",
                end_to_end_id=f"E2E-{number:012d}", amount=Decimal(-each) / 100,
            )
            for at, (number, each) in enumerate(((n, c) for n, c in enumerate(cents, start=1) if c < 0), start=1)
        ]  # fmt: skip
        header = PaymentFile(message="pain.001.001.09", message_id="RUN")
        batch = Batch(position=1, payment_information_id="P", debtor_iban=ACCOUNT)
        judgement = Judgement(header=header, batches=[batch], payments=payments, findings=[])
        alone.judged(self._ledger.transfers, new.id, judgement, NOW)
        with self._ledger._database.transaction() as connection:
            connection.exec_driver_sql("UPDATE transfer SET state = 'SENT'")

    def apply(self) -> None:
        assert self._ledger is not None
        with self._file.open("rb") as source:
            reading = reading_of(self._reader.read_in_columns(source, strict=False), scratch=self._scratch)
        message = self._ledger.messages.applied(InboundId("M"), reading, NOW)
        assert message.state is MessageState.APPLIED, message.reason

    def close(self) -> None:
        if self._ledger is not None:
            self._ledger.close()
        self._ledger = None

    def end(self) -> None:
        self.close()
        self._reader.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--peer-entries", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", default=sys.executable)
    said = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="h2h-days-") as folder:
        file = Path(folder) / "day.xml"
        statements.write(file, said.entries)
        stage = Stage(Path(folder), file, said.entries)
        gc.freeze()  # as the daemon does
        peer = Peer(python=said.peer, file=Path(folder) / "small.xml", entries=said.peer_entries)
        compare(stage, file, peer if peer.there() else None, said)
        stage.end()


def compare(stage: Stage, file: Path, peer: Peer | None, said: Any) -> None:
    size = file.stat().st_size / 1e6
    notes: dict[str, str] = {}
    ways: dict[str, Any] = {OURS: stage.apply, MATCHED: stage.apply}
    if peer:
        ways = {NAME: lambda: notes.update({NAME: f"peak {peer.peak_mb():.0f} MB"}), **ways}
    times = interleaved(ways, rounds=said.rounds, before=stage.before)
    title = f"camt.053.001.08, {said.entries:,} entries, {size:.0f} MB: validated, read, stored in SQLite, committed"
    if not peer:
        print(table(title, times, peer=OURS, amount=size, unit="MB"))
        return
    times = peer.with_all_of(file, times)
    print(table(title, times, peer=NAME, amount=size, unit="MB", notes=notes))
    print(target(OURS, times.ratio(OURS, NAME), LEAST))


if __name__ == "__main__":
    main()
