"""Invented records of a pain.001 and a pain.008, within what its version can say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from h2h.messages import MessageType
from h2h.model import (
    Address,
    Batch,
    DirectDebit,
    DirectDebitBatch,
    DirectDebitFile,
    Payment,
    PaymentFile,
    Record,
)
from tests.core.chance import Chance
from tests.core.inventing import code_or_text, groups, items

PARTIES = ("UltmtDbtr", "Cdtr", "UltmtCdtr")
AGENTS = ("IntrmyAgt1", "IntrmyAgt2", "IntrmyAgt3", "CdtrAgt")
SEQUENCES = ("FNAL", "FRST", "OOFF", "RCUR")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldPayments:
    head: PaymentFile
    batches: tuple[tuple[Batch, tuple[Payment, ...]], ...]

    def records(self) -> list[Record]:
        return [self.head, *(each for batch, inside in self.batches for each in (batch, *inside))]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldDebits:
    head: DirectDebitFile
    batches: tuple[tuple[DirectDebitBatch, tuple[DirectDebit, ...]], ...]

    def records(self) -> list[Record]:
        return [self.head, *(each for batch, inside in self.batches for each in (batch, *inside))]


class _Account(NamedTuple):
    iban: str | None = None
    other: str | None = None


def _account(c: Chance, *, may_lack: bool = False) -> _Account:
    """`may_lack`: since 2021 an account may be known by its proxy alone."""
    kind = c.below(3 if may_lack else 2)
    return (_Account(iban=c.iban()), _Account(other=c.text(34)), _Account())[kind]


def payments(c: Chance, row: MessageType, before: Sequence[Record] = ()) -> ToldPayments:
    """`before`: what stands before it in the file."""
    head = PaymentFile(
        message=row.name,
        message_id=c.text(),
        created_at=c.moment(),
        number_of_transactions=c.digits(),
        control_sum=c.maybe(lambda: c.amount(18, 17)),
        initiating_party=c.maybe(lambda: c.text(140)),
    )
    batches: list[tuple[Batch, tuple[Payment, ...]]] = []
    first, written = groups(before) + 1, items(before)
    for position in range(first, first + 1 + c.below(3)):
        batch = _batch(c, row, position)
        inside = tuple(_payment(c, row, written + n, batch) for n in range(1, 2 + c.below(3)))
        written += len(inside)
        batches.append((batch, inside))
    return ToldPayments(head=head, batches=tuple(batches))


def _batch(c: Chance, row: MessageType, position: int) -> Batch:
    year = row.generation
    account = _account(c, may_lack=year >= 2021)
    name, agent = c.maybe(lambda: c.text(140)), c.maybe(c.bic)
    addresses = (
        _address(c, "Dbtr", lambda: name),
        None if agent else _address(c, "DbtrAgt", lambda: c.text(140)),
        _address(c, "UltmtDbtr", lambda: c.text(140)),
    )
    return Batch(
        position=position,
        payment_information_id=c.text(),
        payment_method=c.of(("CHK", "TRA", "TRF")),
        batch_booking=c.flag(),
        number_of_transactions=c.maybe(c.digits),
        control_sum=c.maybe(lambda: c.amount(18, 17)),
        **_kind(c, year),
        requested_execution_date=c.date() if row.name == "pain.001.001.03" else c.date_or_moment(),
        debtor_name=name,
        debtor_iban=account.iban,
        debtor_account=account.other,
        debtor_agent=agent,
        charges_account=c.maybe(c.account),
        addresses=tuple(each for each in addresses if each),
    )


def _kind(c: Chance, year: int) -> dict[str, Any]:
    """Of a batch or of a payment: the schemas let it stand at both."""
    level = c.maybe(lambda: code_or_text(c))
    further = c.some(lambda: code_or_text(c)) if level and year >= 2019 else ()
    return {"service_level": level, "further_service_levels": further, "local_instrument": c.maybe(c.text)}


def _address(c: Chance, holder: str, name: Callable[[], str | None]) -> Address | None:
    """Of an agent it stands one level deeper."""
    if not c.yes():
        return None
    place = f"{holder}/FinInstnId/PstlAdr" if "Agt" in holder else f"{holder}/PstlAdr"
    return Address(
        place=place,
        name=name(),
        town=c.maybe(c.text),
        country=c.maybe(lambda: c.of(("DE", "CH", "AT"))),
        lines=c.some(lambda: c.text(70), most=3),
    )


def _payment(c: Chance, row: MessageType, position: int, batch: Batch) -> Payment:
    year = row.generation
    account = _account(c, may_lack=True)
    name, agent = c.maybe(lambda: c.text(140)), c.maybe(c.bic)
    holders = [holder for holder in ("UltmtDbtr", *AGENTS, "Cdtr", "UltmtCdtr") if holder != "CdtrAgt" or not agent]
    addresses = [_address(c, each, lambda: name) if each == "Cdtr" else _address(c, each, c.text) for each in holders]
    equivalent = c.yes()
    return Payment(
        position=position,
        batch=batch.position,
        payment_information_id=batch.payment_information_id,
        instruction_id=c.maybe(c.text),
        end_to_end_id=c.text(),
        uetr=c.maybe(c.uetr) if year >= 2019 else None,
        amount=c.amount(),
        currency=c.currency(),
        equivalent=equivalent,
        transfer_currency=c.currency() if equivalent else None,
        **_kind(c, year),
        creditor_name=name,
        creditor_iban=account.iban,
        creditor_account=account.other,
        creditor_agent=agent,
        execution_date=batch.requested_execution_date,
        remittance=c.maybe(lambda: c.long_text(c.of((140, 400)))),
        addresses=tuple(each for each in addresses if each),
    )


def debits(c: Chance, row: MessageType, before: Sequence[Record] = ()) -> ToldDebits:
    """`before`: what stands before it in the file."""
    head = DirectDebitFile(
        message=row.name,
        message_id=c.text(),
        created_at=c.moment(),
        number_of_transactions=c.digits(),
        control_sum=c.maybe(lambda: c.amount(18, 17)),
        initiating_party=c.maybe(lambda: c.text(140)),
    )
    batches: list[tuple[DirectDebitBatch, tuple[DirectDebit, ...]]] = []
    first, written = groups(before) + 1, items(before)
    for position in range(first, first + 1 + c.below(3)):
        batch = _debit_batch(c, position)
        inside = tuple(_debit(c, row, written + n, batch) for n in range(1, 2 + c.below(3)))
        written += len(inside)
        batches.append((batch, inside))
    return ToldDebits(head=head, batches=tuple(batches))


def _debit_batch(c: Chance, position: int) -> DirectDebitBatch:
    account = _account(c)
    return DirectDebitBatch(
        position=position,
        payment_information_id=c.text(),
        payment_method="DD",
        batch_booking=c.flag(),
        number_of_transactions=c.maybe(c.digits),
        control_sum=c.maybe(lambda: c.amount(18, 17)),
        service_level=c.maybe(lambda: code_or_text(c)),
        local_instrument=c.maybe(c.text),
        sequence_type=c.maybe(lambda: c.of(SEQUENCES)),
        requested_collection_date=c.date(),
        creditor_name=c.maybe(lambda: c.text(140)),
        creditor_iban=account.iban,
        creditor_account=account.other,
        creditor_agent=c.maybe(c.bic),
        creditor_scheme_id=c.maybe(c.text),
    )


def _debit(c: Chance, row: MessageType, position: int, batch: DirectDebitBatch) -> DirectDebit:
    account, mandate = _account(c), c.yes()
    return DirectDebit(
        position=position,
        batch=batch.position,
        payment_information_id=batch.payment_information_id,
        instruction_id=c.maybe(c.text),
        end_to_end_id=c.text(),
        uetr=c.maybe(c.uetr) if row.generation >= 2019 else None,
        amount=c.amount(),
        currency=c.currency(),
        mandate_id=c.maybe(c.text) if mandate else None,
        mandate_signed=c.maybe(c.date) if mandate else None,
        sequence_type=c.maybe(lambda: c.of(SEQUENCES)) or batch.sequence_type,
        creditor_scheme_id=c.maybe(c.text) or batch.creditor_scheme_id,
        debtor_name=c.maybe(lambda: c.text(140)),
        debtor_iban=account.iban,
        debtor_account=account.other,
        debtor_agent=c.maybe(c.bic),
        collection_date=batch.requested_collection_date,
        remittance=c.maybe(lambda: c.long_text(c.of((140, 400)))),
    )
