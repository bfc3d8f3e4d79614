"""What a company has its bank collect from debtors: the frozen records of pain.008.

Document order: DirectDebitFile, then each DirectDebitBatch followed by its DirectDebits. Kinds of their own, since here
the money comes in: what is written for payments, and watches that nobody is paid twice, must not take them for any.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

from msgspec import Struct


class DirectDebitFile(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """GrpHdr of a pain.008. `number_of_transactions` and `control_sum` are what the file claims."""

    message: str
    message_id: str | None
    created_at: str | None = None
    number_of_transactions: str | None = None
    control_sum: Decimal | None = None
    initiating_party: str | None = None
    line: int | None = None


class DirectDebitBatch(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One PmtInf of a pain.008, in favour of one account. `position` counts from 1 in the file."""

    position: int
    payment_information_id: str | None
    payment_method: str | None = None
    batch_booking: bool | None = None
    number_of_transactions: str | None = None
    control_sum: Decimal | None = None
    service_level: str | None = None
    local_instrument: str | None = None
    sequence_type: str | None = None
    requested_collection_date: str | None = None
    creditor_name: str | None = None
    creditor_iban: str | None = None
    creditor_account: str | None = None  # Othr/Id where there is no IBAN
    creditor_agent: str | None = None  # BIC
    creditor_scheme_id: str | None = None
    line: int | None = None


class DirectDebit(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One DrctDbtTxInf. `position` counts from 1 in the file, `batch` is the position of its PmtInf."""

    position: int
    batch: int
    payment_information_id: str | None
    instruction_id: str | None
    end_to_end_id: str | None
    uetr: str | None
    amount: Decimal | None
    currency: str | None
    mandate_id: str | None = None
    mandate_signed: str | None = None  # the date of signature
    sequence_type: str | None = None  # of its own, else of its batch
    creditor_scheme_id: str | None = None  # of its own, else of its batch
    debtor_name: str | None = None
    debtor_iban: str | None = None
    debtor_account: str | None = None  # Othr/Id where there is no IBAN
    debtor_agent: str | None = None  # BIC
    collection_date: str | None = None
    remittance: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectDebits:
    """A pain.008 as a whole."""

    header: DirectDebitFile
    batches: Sequence[DirectDebitBatch]
    transactions: Collection[DirectDebit]
