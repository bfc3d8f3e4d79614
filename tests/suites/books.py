"""What the ledger's tests are told with: a clock that stands, a few payment files, reports and statements, as records.

book.sent("T1", "MSG-1", pay("A", "10.00"), pay("B", "20.00"))
book.report(says("MSG-1", "PART", batch("MSG-1-1", None, tx("A", "RJCT"))))
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from h2h.gathered import Gathered
from h2h.ledger import Ledger
from h2h.ledger.leases import Book as Names
from h2h.ledger.leases import Planned
from h2h.ledger.messages import Message, Reading
from h2h.ledger.payment_views import PaymentRow
from h2h.ledger.rows import Received, Transfer
from h2h.lifecycle import Actor, Route, State, Trigger
from h2h.model import (
    Balance,
    Batch,
    BatchStatus,
    Entry,
    EntryDetail,
    Finding,
    InboundId,
    Judgement,
    Payment,
    PaymentFile,
    PaymentStatus,
    Reason,
    Record,
    RemoteFile,
    Severity,
    Statement,
    StatementFile,
    StatusReport,
    TransferId,
    Way,
)
from h2h.verdicts import NO_WORDS
from tests import alone
from tests.changing import replace

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
LEASE = timedelta(minutes=2)
ROUTE = Route(way=Way.RENAME, server="sftp://corp@bank:22")
RADAR = timedelta(days=5)
ACCOUNT = "DE02120300000000202051"


@dataclass(frozen=True)
class Pay:
    """One payment of a file: its EndToEndId, amount in EUR, and the number of its batch."""

    reference: str | None
    amount: str
    batch: int = 1
    instruction: str | None = None
    uetr: str | None = None
    to: str | None = None  # creditor account
    text: str | None = None
    debtor: str | None = ACCOUNT  # that of its batch


def pay(reference: str | None, amount: str = "10.00", batch: int = 1, **more: Any) -> Pay:
    return Pay(reference, amount, batch, **more)


def judgement(message_id: str | None, *pays: Pay, wrong: str | None = None) -> Judgement:
    """A file with these payments; batch n has PmtInfId `message_id-n`. `wrong`: a finding that makes it bad."""
    numbers = sorted({p.batch for p in pays})
    fault = Finding(code=wrong, severity=Severity.ERROR, text="Mend it.") if wrong else None
    return Judgement(
        header=PaymentFile(message="pain.001.001.09", message_id=message_id),
        batches=[
            Batch(
                position=n,
                payment_information_id=f"{message_id}-{n}",
                debtor_iban=next(p.debtor for p in pays if p.batch == n),
            )
            for n in numbers
        ],
        payments=[
            Payment(
                position=at,
                batch=p.batch,
                payment_information_id=f"{message_id}-{p.batch}",
                instruction_id=p.instruction,
                end_to_end_id=p.reference,
                uetr=p.uetr,
                amount=Decimal(p.amount),
                currency="EUR",
                creditor_iban=p.to,
                remittance=p.text,
            )
            for at, p in enumerate(pays, start=1)
        ],
        findings=[fault] if fault else [],
    )


# pain.002


@dataclass(frozen=True)
class Part:
    """The status of one batch and what is listed in it; without a name: listed outside of any batch."""

    name: str | None
    status: str | None
    listed: tuple[PaymentStatus, ...]


def tx(reference: str | None, status: str | None, *, reason: str | None = None, **more: Any) -> PaymentStatus:
    reasons = (Reason(code=reason),) if reason else ()
    return PaymentStatus(position=0, batch=0, end_to_end_id=reference, status=status, reasons=reasons, **more)


def batch(name: str, status: str | None, *listed: PaymentStatus) -> Part:
    return Part(name, status, listed)


def loose(*listed: PaymentStatus) -> Part:
    return Part(None, None, listed)


def says(message_id: str | None, status: str | None, *parts: Part, reason: str | None = None) -> list[Record]:
    """The records of one pain.002 on `message_id`."""
    records: list[Record] = [
        StatusReport(
            message="pain.002.001.10",
            message_id="STS",
            created_at=None,
            original_message_id=message_id,
            original_message="pain.001.001.09",
            status=status,
            reasons=(Reason(code=reason),) if reason else (),
        )
    ]
    position = 0
    for number, part in enumerate(parts, start=1):
        at = number if part.name is not None else 0
        if part.name is not None:
            records.append(BatchStatus(position=at, payment_information_id=part.name, status=part.status))
        for one in part.listed:
            position += 1
            records.append(replace(one, position=position, batch=at, payment_information_id=part.name))
    return records


# camt.053


def debit(amount: str, *references: str | None, **more: Any) -> Entry:
    """A booked debit; one detail for each reference, with the whole amount where there is only one."""
    details = tuple(
        EntryDetail(position=n, end_to_end_id=r, amount=Decimal(amount), currency="EUR", direction="DBIT")
        for n, r in enumerate(references, start=1)
    )
    values: dict[str, Any] = {"direction": "DBIT", "status": "BOOK", "details": details} | more
    return Entry(position=0, statement=1, amount=Decimal(amount), currency="EUR", **values)


def credit(amount: str, *references: str | None, reason: str | None = None, **more: Any) -> Entry:
    """A booked credit; with a reason it says that it is a return."""
    entry = debit(amount, *references, direction="CRDT", **more)
    told = Reason(code=reason) if reason else None
    return replace(entry, details=tuple(replace(d, direction="CRDT", return_reason=told) for d in entry.details))


def statement(
    name: str, *entries: Entry, opening: str = "1000.00", closing: str | None = None, **more: Any
) -> list[Record]:
    """One statement of ACCOUNT; the closing balance fits, where none is given."""
    total = Decimal(opening) + sum((e.signed or Decimal() for e in entries), Decimal())
    balances = tuple(
        Balance(type=kind, amount=abs(value), currency="EUR", direction="CRDT" if value >= 0 else "DBIT")
        for kind, value in (("OPBD", Decimal(opening)), ("CLBD", Decimal(closing) if closing else total))
    )
    head = StatementFile(message="camt.053.001.08", message_id=f"FILE-{name}")
    said = Statement(position=1, statement_id=name, iban=ACCOUNT, currency="EUR", balances=balances, **more)
    return [head, said, *(replace(e, position=n) for n, e in enumerate(entries, start=1))]


class Book:
    """A ledger, and the short words by which a test brings a transfer to where its story begins."""

    def __init__(self, ledger: Ledger, bank: str = "acme") -> None:
        self.ledger = ledger
        self.bank = bank
        self.transfers = ledger.transfers
        self._messages = 0

    def received(
        self, transfer_id: str, content: str | None = None, bank: str | None = None, now: datetime = NOW
    ) -> Transfer:
        """RECEIVED; content of its own, unless it is given."""
        sha256 = hashlib.sha256((content or transfer_id).encode()).hexdigest()
        new = Received(
            id=TransferId(transfer_id), bank=bank or self.bank, watch="/out", name="run.xml", sha256=sha256, size=100
        )
        return alone.received(self.transfers, new, now)

    def judged(
        self, transfer_id: str, message_id: str, *pays: Pay, wrong: str | None = None, now: datetime = NOW
    ) -> Transfer:
        said = judgement(message_id, *(pays or (pay("E2E"),)), wrong=wrong)
        return alone.judged(self.transfers, TransferId(transfer_id), said, now, same_payments_within=RADAR)

    def ready(self, transfer_id: str, message_id: str, *pays: Pay, content: str | None = None) -> Transfer:
        self.received(transfer_id, content)
        return self.judged(transfer_id, message_id, *pays)

    def lease(self, transfer: Transfer, owner: str = "node/1", now: datetime = NOW) -> Transfer | None:
        return alone.lease(self.transfers, transfer, owner, plan, ROUTE, now, LEASE)

    def staging(self, transfer_id: str, message_id: str, *pays: Pay, owner: str = "node/1") -> Transfer:
        leased = self.lease(self.ready(transfer_id, message_id, *pays), owner)
        assert leased is not None
        return leased

    def publishing(self, transfer_id: str, message_id: str, *pays: Pay) -> Transfer:
        return alone.publishing(self.transfers, self.staging(transfer_id, message_id, *pays), NOW)

    def sent(self, transfer_id: str, message_id: str, *pays: Pay) -> Transfer:
        return self.transfers.sent(self.publishing(transfer_id, message_id, *pays), {"answer": "OK"}, NOW)

    def uncertain(self, transfer_id: str, message_id: str, *pays: Pay) -> Transfer:
        return self.transfers.in_doubt(self.publishing(transfer_id, message_id, *pays), "both names are gone", {}, NOW)

    def decide(self, transfer_id: str, trigger: Trigger, actor: Actor = Actor.OPERATOR, who: str = "anna") -> Transfer:
        return self.ledger.people.decide(transfer_id, trigger, actor, who=who, reason="as agreed", now=LATER)

    def report(
        self, records: Sequence[Record], *, bank: str | None = None, words: Mapping[str, str] = NO_WORDS
    ) -> tuple[Message, list[Finding]]:
        """An inbound file with these records comes in and is applied; the message and its findings."""
        self._messages += 1
        new_id = InboundId(f"M{self._messages}")
        file = RemoteFile(folder="/out", name=f"{new_id}.xml", size=10, modified=self._messages)
        sha256 = hashlib.sha256(new_id.encode()).hexdigest()
        self.ledger.messages.kept(new_id, bank or self.bank, file, sha256, LATER)
        file_id = next((r.message_id for r in records if isinstance(r, StatementFile)), "ID")
        reading = Reading(message="message", message_id=file_id, records=Gathered(records), findings=())
        message = self.ledger.messages.applied(new_id, reading, LATER, words)
        return message, self.ledger.views.history(new_id).findings

    def codes(self, records: Sequence[Record], **more: Any) -> list[str]:
        return [f.code for f in self.report(records, **more)[1]]

    def verdict(self, transfer_id: str) -> str:
        return str(self.transfers.get(transfer_id).verdict)

    def state(self, transfer_id: str) -> State:
        return self.transfers.get(transfer_id).state

    def statuses(self, reference: str) -> list[str | None]:
        """The status of every payment with this EndToEndId, by file and position."""
        return [row.status for row in self._payments(reference)]

    def booked(self, reference: str) -> list[bool]:
        return [row.booking is not None for row in self._payments(reference)]

    def stages(self, reference: str) -> list[str]:
        return [str(row.stage) for row in self._payments(reference)]

    def _payments(self, reference: str) -> list[PaymentRow]:
        return sorted(self.ledger.views.payments(reference), key=lambda row: (row.transfer, row.position))

    def kinds(self, subject: str) -> list[str]:
        return [event.kind for event in self.ledger.journal.of(subject)]

    def attempts(self, transfer_id: str) -> list[dict[str, Any]]:
        return self.ledger.views.history(transfer_id).attempts


def plan(row: Transfer, number: int, names: Names) -> Planned:
    """Names at the bank: the final one is the message id's, or the next that was never used."""
    paths = (f"/in/{row.message_id}{'' if n == 1 else f'-{n}'}.xml" for n in range(1, 99))
    final = next(path for path in paths if not names.taken(path))
    return Planned(temporary=f"/in/.{row.id}-{number}.part", remote=final)
