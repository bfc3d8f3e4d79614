"""What a bank reports of payments: the frozen records of pain.002, and those that they share with camt (booked.py).

They mirror the ISO 20022 elements they are read from. What is not said is None, or an empty tuple; nothing is inferred.
Where a record says what it is (`role`, `kind`), it does so by the element's name, as in UltmtDbtr or TxAmt.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

# What occurs in several messages.


class FileMember(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A member of an archive: the records after it, up to the next one, are its own."""

    position: int
    name: str
    size: int
    line: int | None = None


class Reason(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """StsRsnInf or RtrRsn: an external code, or the bank's own, and its words (pieces of AddtlInf joined)."""

    code: str | None = None
    proprietary: str | None = None
    text: str | None = None
    originator: str | None = None


class Money(Struct, frozen=True, kw_only=True, omit_defaults=True):
    amount: Decimal | None
    currency: str | None


class Charge(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One record of charges. `included`: in the amount of the entry or transaction; None where that is not said."""

    amount: Decimal | None
    currency: str | None
    direction: str | None = None
    included: bool | None = None
    type: str | None = None
    proprietary: str | None = None
    bearer: str | None = None
    agent: str | None = None  # BIC, else another identification, else name
    tax: Money | None = None


class Party(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A party or an agent. `id`: of an agent the BIC, else another identification; of a party BIC, LEI or other."""

    role: str
    type: str | None = None  # of a Prtry one
    name: str | None = None
    id: str | None = None
    account: str | None = None  # IBAN, else another identification


class ReferredDocument(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One RfrdDocInf: an invoice, a credit note."""

    type: str | None = None
    number: str | None = None
    date: str | None = None


class RemittanceAmount(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One amount of RfrdDocAmt: DuePyblAmt, DscntApldAmt, CdtNoteAmt, TaxAmt, AdjstmntAmtAndRsn or RmtdAmt."""

    kind: str
    amount: Decimal | None
    currency: str | None
    direction: str | None = None
    type: str | None = None  # or the reason of an adjustment


class StructuredRemittance(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One Strd. `reference` is that of the creditor, `type` its kind, as in SCOR or QRR."""

    reference: str | None = None
    type: str | None = None
    issuer: str | None = None
    documents: tuple[ReferredDocument, ...] = ()
    amounts: tuple[RemittanceAmount, ...] = ()
    invoicer: str | None = None
    invoicee: str | None = None
    additional: tuple[str, ...] = ()


# pain.002: the bank's word on a payment. Document order: StatusReport, then each BatchStatus followed by its
# PaymentStatuses. Where a file holds several reports, each begins with its StatusReport.


class StatusCount(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One NbOfTxsPerSts: how many transactions have this status, and their sum."""

    status: str | None
    number: str | None
    sum: Decimal | None = None


class StatusReport(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """GrpHdr and OrgnlGrpInfAndSts of a pain.002. `status` is None where the bank gave no group status."""

    message: str
    message_id: str | None
    created_at: str | None
    original_message_id: str | None
    original_message: str | None
    original_created_at: str | None = None
    original_number_of_transactions: str | None = None
    original_control_sum: Decimal | None = None
    status: str | None = None
    reasons: tuple[Reason, ...] = ()
    counts: tuple[StatusCount, ...] = ()
    initiating_party: str | None = None  # name, else identification
    forwarding_agent: str | None = None  # BIC, else another identification, else name
    debtor_agent: str | None = None
    creditor_agent: str | None = None
    line: int | None = None


class BatchStatus(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One OrgnlPmtInfAndSts; `position` counts from 1 in the file."""

    position: int
    payment_information_id: str | None
    original_message_id: str | None = None  # that of the report
    number_of_transactions: str | None = None
    control_sum: Decimal | None = None
    status: str | None = None
    reasons: tuple[Reason, ...] = ()
    counts: tuple[StatusCount, ...] = ()
    line: int | None = None


class OriginalTransaction(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """OrgnlTxRef: what the bank repeats of the payment that it speaks of."""

    settlement_amount: Money | None = None
    settlement_date: str | None = None
    requested_execution_date: str | None = None
    requested_collection_date: str | None = None
    mandate_id: str | None = None
    purpose: str | None = None
    debtor_name: str | None = None
    debtor_account: str | None = None
    debtor_agent: str | None = None
    creditor_name: str | None = None
    creditor_account: str | None = None
    creditor_agent: str | None = None
    parties: tuple[Party, ...] = ()  # UltmtDbtr, UltmtCdtr, CdtrSchmeId
    remittance: tuple[str, ...] = ()  # every Ustrd, in order
    structured: tuple[StructuredRemittance, ...] = ()


class PaymentStatus(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One TxInfAndSts, `position` counts from 1 in the file. `batch` is the position of its BatchStatus, 0 where it
    stands outside of any."""

    position: int
    batch: int
    payment_information_id: str | None = None
    original_message_id: str | None = None  # where it names one of its own
    status_id: str | None = None
    instruction_id: str | None = None
    end_to_end_id: str | None = None
    transaction_id: str | None = None
    uetr: str | None = None
    status: str | None = None
    reasons: tuple[Reason, ...] = ()
    charges: tuple[Charge, ...] = ()
    amount: Decimal | None = None
    currency: str | None = None
    accepted_at: str | None = None
    account_servicer_reference: str | None = None
    clearing_system_reference: str | None = None
    original: OriginalTransaction | None = None
    line: int | None = None
