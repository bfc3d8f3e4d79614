"""Judge: everything that is wrong with a payment file, without a gateway and without a trace.

Rules are asked while the records come; payments are put aside as they come, so that memory stays flat.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, BinaryIO, Generic

from h2h.bank_rules import Asking
from h2h.columns import Columns
from h2h.confined import ConfinedReader, Whole
from h2h.direct_debits import DirectDebitRules
from h2h.errors import ReaderError
from h2h.looked import Looked
from h2h.model import (
    Batch,
    DirectDebit,
    DirectDebitBatch,
    DirectDebitFile,
    DirectDebits,
    Finding,
    Judgement,
    Payment,
    PaymentFile,
    Record,
    Severity,
)
from h2h.one_pass import G, H, OnePass, T, Told
from h2h.rules import PaymentRules, Terms, limit_findings
from h2h.spool import ColumnSpool, Frames, few_as_list

Opened = Callable[[], AbstractContextManager[BinaryIO]]
"""Opens a file from its start."""
Asker = Callable[[BinaryIO, Asking], Iterable[Finding]]
UNFINISHED = frozenset(
    {
        "XML_NOT_WELL_FORMED", "XML_LIMIT", "XML_TRUNCATED", "XML_ENCODING", "MSG_SEVERAL", "FINDINGS_CUT",
        "READER_LIMIT", "READER_DIED",
    }
)  # fmt: skip
ANY = Terms()


def judge(
    items: Iterable[Record | Columns[Any] | Looked | Finding], terms: Terms = ANY, scratch: Path | None = None
) -> Judgement:
    """What a strict reader made of the file comes first; then the business rules on what could be read.

    `scratch`: a folder for the payments, where they are too many for memory.
    """
    sent = _Orders(partial(PaymentRules, terms, Frames(scratch)), ColumnSpool(Payment, scratch))
    collected = _Orders(partial(DirectDebitRules, terms, Frames(scratch)), ColumnSpool(DirectDebit, scratch))
    findings: list[Finding] = []
    take: dict[type, Callable[[Any], None]] = {
        Finding: findings.append,
        Looked: sent.looked,
        PaymentFile: sent.head, Batch: sent.group, Payment: sent.order,
        DirectDebitFile: collected.head, DirectDebitBatch: collected.group, DirectDebit: collected.order,
    }  # fmt: skip
    in_columns: dict[type, Callable[[Any], None]] = {Payment: sent.orders, DirectDebit: collected.orders}
    for item in items:
        taken = in_columns.get(item.kind) if isinstance(item, Columns) else take.get(type(item))
        if taken:
            taken(item)
    if not any(_cut_short(f) for f in findings):
        valid = all(f.severity is not Severity.ERROR for f in findings)
        told = Told()
        told.extend(sent.findings(valid=valid))
        told.extend(limit_findings(sent.count, len(sent.groups), terms))
        told.extend(collected.findings(valid=valid))
        findings += told
    judgement = _of(sent, collected, findings)
    orders = judgement.header or (terms.messages is None and judgement.direct_debits)
    if not orders and judgement.good:
        text = "The file holds no payment message; only pain.001 files go out."
        findings.append(Finding(code="NO_PAYMENTS", severity=Severity.ERROR, text=text))
    return judgement


def judge_bytes(reader: ConfinedReader, source: BinaryIO, terms: Terms = ANY, scratch: Path | None = None) -> Judgement:
    """What is wrong with the file that begins where `source` stands. A large one is read by two processes at once;
    whatever they come upon is told by one that reads it as a whole."""
    start = source.tell()
    expected, taken = terms.messages, terms.supplementary_data
    try:
        halves = reader.read_in_halves(source, expected=expected, supplementary=taken, scratch=scratch)
        return judge(halves, terms, scratch)
    except (Whole, ReaderError):  # or they said what is not so
        source.seek(start)
    return judge(reader.read_in_columns(source, strict=True, expected=expected, supplementary=taken), terms, scratch)


def asked_too(judgement: Judgement, source: Opened, ask: Asker, terms: Terms) -> Judgement:
    """With what the bank's own rules find in the bytes that go to it, where those could be read."""
    if not terms.asking or judgement.header is None or any(_cut_short(f) for f in judgement.findings):
        return judgement
    with source() as file:
        found = [*ask(file, terms.asking)]
    return replace(judgement, findings=[*judgement.findings, *found])


class _Orders(Generic[H, G, T]):
    """The records of one kind of message, on their way through its rules, which are made when the first one comes."""

    def __init__(self, rules: Callable[[], OnePass[H, G, T]], orders: ColumnSpool[T]) -> None:
        self._made, self._orders = rules, orders
        self.header: H | None = None
        self.groups: list[G] = []

    @cached_property
    def _rules(self) -> OnePass[H, G, T]:
        return self._made()

    def head(self, record: H) -> None:
        self.header = self.header or record

    def group(self, record: G) -> None:
        self.groups.append(record)
        self._rules.group(record)

    def order(self, record: T) -> None:
        self._orders.append(record)
        self._rules.order(record)

    def orders(self, records: Columns[T]) -> None:
        self._orders.add(records)
        self._rules.orders(records)

    def looked(self, said: Looked) -> None:
        self._orders.add_looked(said)
        self._rules.looked(said)

    def findings(self, *, valid: bool) -> Iterator[Finding]:
        return self._rules.findings(self.header, self._orders, valid=valid) if self.header else iter(())

    @property
    def count(self) -> int:
        return len(self._orders)

    def all(self) -> Collection[T]:
        return few_as_list(self._orders)


def _of(
    sent: _Orders[PaymentFile, Batch, Payment],
    collected: _Orders[DirectDebitFile, DirectDebitBatch, DirectDebit],
    findings: list[Finding],
) -> Judgement:
    head = collected.header
    return Judgement(
        header=sent.header,
        batches=sent.groups,
        payments=sent.all(),
        findings=findings,
        direct_debits=DirectDebits(header=head, batches=collected.groups, transactions=collected.all())
        if head
        else None,
    )


def _cut_short(finding: Finding) -> bool:
    """Faults after which counts and sums of what was read mean nothing."""
    return finding.severity is Severity.ERROR and finding.code in UNFINISHED
