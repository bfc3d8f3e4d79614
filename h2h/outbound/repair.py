"""Repair: from a transfer of which the bank refused payments, a new file with these alone, HELD for a person.

Nothing is taken on trust: the new file is written in a reader process, read again by the strict judge, and compared
with the file that was sent and with the ledger, payment by payment. Where anything differs, nothing is stored.

    plan    what the bank refused by its own report, and is alive nowhere else      ledger/repairs.py
    write   their elements as they stood, under new message and batch ids          messages/selection.py
    prove   the same payments as planned, each once, and none of the others         proof.py
    enter   one transaction: the transfer, which payment was which, the proof      ledger/repairs.py
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

from h2h.approval import Rule
from h2h.archive import BLOCK, Archive
from h2h.clock import Clock
from h2h.config import Bank, Outbound
from h2h.confined import ConfinedReader
from h2h.errors import Damaged, FolderError, NotAllowed, StoreError
from h2h.foothold import Foothold
from h2h.ledger.repairs import Plan, Repairs
from h2h.ledger.rows import Judged, Received, Transfer
from h2h.messages.orders import BatchOrder, Selection
from h2h.model import Batch, Finding, Judgement, Payment, PaymentFile, Severity, TransferId
from h2h.outbound.judge import asked_too, judge
from h2h.outbound.proof import Original, key_of, key_of_row, not_proven, prove
from h2h.rules import Terms

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A new file, written and proven. `file` stands at its beginning, and lives as long as it is being built."""

    id: TransferId
    plan: Plan
    judgement: Judgement
    approvals: Sequence[Rule]
    proof: dict[str, Any]
    file: BinaryIO
    sha256: str
    size: int

    @property
    def received(self) -> Received:
        old = self.plan.transfer
        stem, dot, ending = old.name.rpartition(".")
        number = self.plan.message_id.rpartition("-")[2]
        name = f"{stem}-{number}{dot}{ending}" if stem else f"{old.name}-{number}"
        return Received(
            id=self.id, bank=old.bank, watch=old.watch, name=name, sha256=self.sha256, size=self.size, repair_of=old.id
        )


class Repair:
    def __init__(
        self,
        bank_of: Callable[[str], Bank],
        *,
        archive: Archive,
        reader_of: Callable[[Bank], ConfinedReader],
        clock: Clock,
        same_payments_within: timedelta,
        spool: Path,
        new_id: Callable[[], TransferId],
        entered: Callable[[Transfer], None],
    ) -> None:
        """`spool`: a folder for the new file while it is not proven. `entered` is told of each, once it stands."""
        self._bank_of = bank_of
        self._archive = archive
        self._reader_of = reader_of
        self._clock = clock
        self._same_payments_within = same_payments_within
        self._spool = spool
        self._new_id = new_id
        self._entered = entered

    @contextmanager
    def built(self, plan: Plan, execution_date: date | None) -> Iterator[Built]:
        """The new file. NotAllowed where it cannot be made, or is not what it has to be."""
        bank, folder = self._home(plan.transfer)
        self._archive.require_room(plan.transfer.size)
        new_id, now = self._new_id(), self._clock.now()
        order = _order(plan, new_id, now.astimezone(ZoneInfo(bank.timezone)), execution_date)
        terms = replace(bank.terms(folder, now), messages=(plan.transfer.message or "",), test_files=None)
        with _scratch(self._spool) as file:
            sha256 = self._write(plan, order, file)
            size = file.seek(0, 2)
            judgement = self._judgement(plan, file, terms)
            proof = prove(plan, self._original(plan, terms), order, judgement)
            file.seek(0)
            told = {**proof, "sha256": sha256, "of_sha256": plan.transfer.sha256}
            yield Built(
                id=new_id, plan=plan, judgement=judgement, approvals=terms.approvals, proof=told,
                file=file, sha256=sha256, size=size,
            )  # fmt: skip

    def enter(self, built: Built, repairs: Repairs, *, who: str, reason: str) -> Transfer:
        """Into the ledger, as far as `repairs` keeps it: HELD, with lineage and proof."""
        return repairs.enter(
            built.plan,
            built.received,
            Judged(id=built.id, judgement=built.judgement, approvals=built.approvals),
            built.proof,
            who=who,
            reason=reason,
            now=self._clock.now(),
            same_payments_within=self._same_payments_within,
        )

    def keep(self, built: Built, repairs: Repairs, *, who: str, reason: str) -> Transfer:
        """Bytes first, row second; then a copy where the folder's files are filed away, by which a ledger that was put
        back from an older copy knows that there was such a file."""
        built.file.seek(0)
        with self._archive.incoming() as incoming:
            incoming.copy(built.file, built.size)
            if (kept := incoming.keep()) != built.sha256:
                raise Damaged(
                    f"The new file came into the archive as {kept}, not as {built.sha256}; nothing is stored."
                )
        made = self.enter(built, repairs, who=who, reason=reason)
        self._entered(made)
        _, folder = self._home(built.plan.transfer)
        built.file.seek(0)
        try:
            Foothold(folder).leave(made.id, made.name, built.file)
        except FolderError as error:
            log.warning("a copy was not filed away", extra={"event": "file_away_failed", "text": str(error)})
        return made

    def _home(self, transfer: Transfer) -> tuple[Bank, Outbound]:
        bank = self._bank_of(transfer.bank)
        folder = bank.outbound_for(transfer.watch)
        if folder is None:
            raise NotAllowed(f"{transfer.id} came from {transfer.watch}, which is not in the settings any more.")
        return bank, folder

    def _reader(self, plan: Plan) -> ConfinedReader:
        return self._reader_of(self._bank_of(plan.transfer.bank))

    def _write(self, plan: Plan, order: Selection, file: BinaryIO) -> str:
        digest = hashlib.sha256()
        with self._archive.open(plan.transfer.sha256) as source:
            for item in self._reader(plan).selected(source, order):
                if isinstance(item, Finding):
                    raise _refused(plan, item)
                digest.update(item)
                file.write(item)
            while source.read(BLOCK):  # to its end, where the archive says whether these are the bytes that it keeps
                pass
        return digest.hexdigest()

    def _judgement(self, plan: Plan, file: BinaryIO, terms: Terms) -> Judgement:
        """What the strict judge says of the new file; and that a person has to let it go."""

        def opened() -> AbstractContextManager[BinaryIO]:
            file.seek(0)
            return nullcontext(file)

        reader = self._reader(plan)
        with opened() as source:
            found = judge(reader.read_in_columns(source, strict=True, expected=terms.messages,
                                        supplementary=terms.supplementary_data), terms, self._spool)  # fmt: skip
        found = asked_too(found, opened, reader.asked, terms)
        if wrong := next((f for f in found.findings if f.severity is Severity.ERROR), None):
            raise _refused(plan, wrong)
        old = plan.transfer
        text = (
            f"Repair of {old.id} ({old.name}): {len(plan.refused)} of its {old.payments} payments, which the bank "
            "refused. Release it to send it."
        )
        hold = Finding(code="REPAIR_OF_REFUSED", severity=Severity.HOLD, text=text)
        return replace(found, findings=[hold, *found.findings])

    def _original(self, plan: Plan, terms: Terms) -> Original:
        """In flat memory: of the payments that stay behind it is only seen that they are others."""
        kept, batches_kept = {p.position for p in plan.refused}, {b.position for b in plan.batches}
        theirs = {key_of_row(payment) for payment in plan.refused}
        header: PaymentFile | None = None
        batches: list[Batch] = []
        payments: list[Payment] = []
        taken = terms.supplementary_data
        with self._archive.open(plan.transfer.sha256) as source:
            for item in self._reader(plan).read(source, strict=True, expected=terms.messages, supplementary=taken):
                match item:
                    case Finding(severity=Severity.ERROR):
                        raise _refused(plan, item)
                    case PaymentFile():
                        header = item
                    case Batch() if item.position in batches_kept:
                        batches.append(item)
                    case Payment() if item.position in kept:
                        payments.append(item)
                    case Payment() if key_of(item) in theirs:
                        raise not_proven(plan, f"payment {item.position}, which the bank did not refuse, is like one "
                                                "that it refused in all that is known of them")  # fmt: skip
        if header is None:
            raise not_proven(plan, "the file that was sent has no header")
        return Original(header=header, batches=batches, payments=payments)


@contextmanager
def _scratch(folder: Path) -> Iterator[BinaryIO]:
    """A file without a name, which is gone when the block is left."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            yield file
    except OSError as error:
        raise StoreError(f"The new file cannot be written in {folder}: {error.strerror}.") from error


def _order(plan: Plan, new_id: TransferId, here: datetime, execution_date: date | None) -> Selection:
    return Selection(
        message_id=plan.message_id,
        now=here.isoformat(),
        control_sum=f"{plan.control_sum:f}",
        batches=tuple(
            BatchOrder(
                position=batch.position,
                payment_information_id=batch.payment_information_id,
                payments=batch.payments,
                control_sum=f"{batch.control_sum:f}",
            )
            for batch in plan.batches
        ),
        payments=tuple(payment.position for payment in plan.refused),
        uetr_seed=f"{new_id} {plan.transfer.sha256}",
        execution_date=execution_date.isoformat() if execution_date else None,
    )


def _refused(plan: Plan, finding: Finding) -> NotAllowed:
    place = " ".join(filter(None, (finding.path, f"line {finding.line}" if finding.line else "")))
    where = f" ({place})" if place else ""
    return NotAllowed(f"{plan.transfer.id} cannot be repaired: {finding.code}{where}: {finding.text}")
