"""What may be applied of a file that came in, put aside record by record; and what was found in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from h2h.columns import Columns, inner_counts
from h2h.gathered import Gathered
from h2h.ledger.messages import Reading
from h2h.model import (
    Batch,
    DirectDebit,
    DirectDebitBatch,
    DirectDebitFile,
    Entry,
    FileMember,
    Finding,
    Payment,
    PaymentFile,
    Record,
    Severity,
    StatementFile,
    StatusReport,
)

ORDERS = (PaymentFile, Batch, Payment, DirectDebitFile, DirectDebitBatch, DirectDebit)
HEADS = (StatusReport, StatementFile, PaymentFile, DirectDebitFile)
CUT = frozenset(
    {
        "XML_TRUNCATED", "XML_NOT_WELL_FORMED", "XML_LIMIT", "XML_ENCODING", "PACK_LIMIT", "PACK_UNREADABLE",
    }
)  # fmt: skip
STOPPED = frozenset({"FINDINGS_CUT", "READER_LIMIT", "READER_DIED", "TOO_MANY_RECORDS"})
MOST_RECORDS = 10_000_000  # of one file, each detail of an entry counted: they are applied in one transaction


def reading_of(
    items: Iterable[Record | Columns[Any] | Finding], most: int = MOST_RECORDS, *, scratch: Path | None = None
) -> Reading:
    """Records and findings of one file, and which message it is: the first, where it holds several.

    Nothing of a payment message that comes in is applied, and nothing of a file that ends in the middle: half a
    statement would keep the whole one out, and from half a report nothing follows for what it does not list. In an
    archive that is so for each member; what stops the reader stands for all of it. `scratch`: a folder for the
    records, where they are too many for memory.
    """
    taking = _Taking(records=Gathered(folder=scratch))
    for item in _bounded(items, most):
        taking.take(item)
    return taking.reading()


@dataclass(slots=True, kw_only=True)
class _Taking:
    """A file, member by member where it is an archive."""

    records: Gathered
    findings: list[Finding] = field(default_factory=list)
    head: StatusReport | StatementFile | PaymentFile | DirectDebitFile | None = None
    orders: list[str] = field(default_factory=list)  # which payment messages stood in it
    stopped: bool = False
    begins: int = 0  # where the records of the member under way do
    cut: bool = False  # it ends in the middle
    told: bool = False  # it says something that may be applied

    def take(self, item: Record | Columns[Any] | Finding) -> None:
        if isinstance(item, Finding):
            self._find(item)
            return
        if isinstance(item, Columns):
            if item.kind not in ORDERS:
                self.told = True
                self.records.add(item)
            return
        if isinstance(item, FileMember):
            self._end_member()
        if isinstance(item, HEADS):
            self.head = self.head or item
        if isinstance(item, PaymentFile | DirectDebitFile):
            self.orders.append(item.message)
        if not isinstance(item, ORDERS):
            self.told = self.told or not isinstance(item, FileMember)
            self.records.append(item)

    def _find(self, finding: Finding) -> None:
        self.findings.append(finding)
        error = finding.severity is Severity.ERROR
        self.cut = self.cut or (error and finding.code in CUT)
        self.stopped = self.stopped or (error and finding.code in STOPPED)

    def _end_member(self) -> None:
        """Forget what may not be applied of it."""
        if self.cut or not self.told:
            self.records.drop(self.begins)
        self.begins = self.records.mark()
        self.cut = self.told = False

    def reading(self) -> Reading:
        self._end_member()
        if self.stopped:
            self.records.drop(0)
        for order in self.orders:
            text = f"A {order} came in from the bank: payment orders only go out. It is kept and changes nothing."
            self._find(Finding(code="OUTBOUND_MESSAGE_CAME_IN", severity=Severity.ERROR, text=text))
        return Reading(
            message=self.head.message if self.head else None,
            message_id=self.head.message_id if self.head else None,
            records=self.records,
            findings=self.findings,
        )


def _bounded(items: Iterable[Record | Columns[Any] | Finding], most: int) -> Iterator[Record | Columns[Any] | Finding]:
    count = 0
    for item in items:
        count += _records_in(item)
        if count > most:
            text = (
                f"The file holds more than {most:,} entries, details and statuses; it is kept, and nothing of it is "
                "applied. Ask the bank to send it in parts: a file for each account, or more often."
            )
            yield Finding(code="TOO_MANY_RECORDS", severity=Severity.ERROR, text=text)
            return
        yield item


def _records_in(item: Record | Columns[Any] | Finding) -> int:
    if isinstance(item, Columns):
        return len(item) + (sum(inner_counts(item.column("details"))) if item.kind is Entry else 0)
    return 1 + len(item.details) if isinstance(item, Entry) else 1
