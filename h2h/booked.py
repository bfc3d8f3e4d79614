"""What a bank books, and tells of it: the frozen records of camt.052, .053 and .054.

Document order: StatementFile, then each Statement followed by its Entries, and by a StatementNote where there is one.
Where a file holds several messages, each begins with its StatementFile. What is not said is None, or an empty tuple.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from h2h.reported import Charge, Money, Party, Reason, StructuredRemittance


class StatementFile(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """GrpHdr of a camt.052, .053 or .054. The page stands here in the 2009 generation; each Statement has it, too."""

    message: str
    message_id: str | None
    created_at: str | None = None
    page_number: str | None = None
    last_page: bool | None = None
    recipient: str | None = None  # name, else identification
    additional_information: str | None = None
    line: int | None = None


class CreditLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`included`: in the balance beside which it stands."""

    included: bool | None
    type: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    date: str | None = None


class Availability(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One Avlbty: so much is available on that day, or so many days from now."""

    amount: Decimal | None
    currency: str | None
    direction: str | None
    date: str | None = None
    days: str | None = None


class Balance(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One Bal. `type` is the code (OPBD, CLBD, …) or the proprietary word; `direction` CRDT or DBIT."""

    type: str | None
    amount: Decimal | None
    currency: str | None
    direction: str | None
    date: str | None = None
    subtype: str | None = None
    credit_lines: tuple[CreditLine, ...] = ()
    availability: tuple[Availability, ...] = ()

    @property
    def signed(self) -> Decimal | None:
        """The amount, negative for a debit balance; None where amount or direction is missing."""
        return signed(self.amount, self.direction)


class EntryTotals(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """TxsSummry: what the bank says that the entries come to."""

    number: str | None = None
    sum: Decimal | None = None
    net: Decimal | None = None
    net_direction: str | None = None
    credit_number: str | None = None
    credit_sum: Decimal | None = None
    debit_number: str | None = None
    debit_sum: Decimal | None = None


class SequenceRange(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of RptgSeq: from `first` to `last`, both of them in; an open end is None. `kind`: FrSeq, …, NEQSeq."""

    kind: str
    first: str | None = None
    last: str | None = None


class Statement(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One Rpt, Stmt or Ntfctn without its entries; `message` tells which. `position` counts from 1 in the file."""

    position: int
    statement_id: str | None
    message: str = ""  # as in camt.054.001.08
    electronic_sequence_number: str | None = None
    legal_sequence_number: str | None = None
    reporting_sequence: tuple[SequenceRange, ...] = ()
    created_at: str | None = None
    period_from: str | None = None
    period_to: str | None = None
    copy_duplicate: str | None = None
    reporting_source: str | None = None
    page_number: str | None = None  # its own, else that of the file
    last_page: bool | None = None
    iban: str | None = None
    account: str | None = None  # another identification, where there is no IBAN
    currency: str | None = None
    account_name: str | None = None
    related_account: str | None = None  # IBAN, else another identification
    owner: str | None = None
    servicer: str | None = None  # BIC, else another identification, else name
    balances: tuple[Balance, ...] = ()
    totals: EntryTotals | None = None
    line: int | None = None


class StatementNote(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """AddtlRptInf, AddtlStmtInf or AddtlNtfctnInf of the Statement at this position, after whose entries it stands."""

    statement: int
    text: str
    line: int | None = None


class Exchange(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """CcyXchg: so many units of the one currency for `unit_currency`, as said; which way round differs by bank."""

    source_currency: str | None = None
    target_currency: str | None = None
    unit_currency: str | None = None
    rate: Decimal | None = None
    base: Decimal | None = None
    contract: str | None = None
    quoted_at: str | None = None


class AmountDetail(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One amount of AmtDtls: InstdAmt, TxAmt, CntrValAmt, AnncdPstngAmt or PrtryAmt (which has a type)."""

    kind: str
    amount: Decimal | None
    currency: str | None
    type: str | None = None
    exchange: Exchange | None = None


class Reference(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of Refs, by the element's name; a Prtry one has a type."""

    kind: str
    value: str
    type: str | None = None


class RelatedDate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of RltdDts, by the element's name; a Prtry one has a type."""

    kind: str
    date: str
    type: str | None = None


class EntryBatch(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One Btch: that so many transactions were booked in one sum."""

    message_id: str | None = None
    payment_information_id: str | None = None
    number_of_transactions: str | None = None
    total: Decimal | None = None
    currency: str | None = None
    direction: str | None = None


class EntryDetail(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One TxDtls. Amount and direction are those of the details, else those of the entry where it has only one.

    `position` counts from 1 in the entry. `batch` is the number of its Btch in the entry's batches, 0 outside of any.
    """

    position: int
    batch: int = 0
    message_id: str | None = None
    payment_information_id: str | None = None
    instruction_id: str | None = None
    end_to_end_id: str | None = None
    transaction_id: str | None = None
    uetr: str | None = None
    mandate_id: str | None = None
    account_servicer_reference: str | None = None
    references: tuple[Reference, ...] = ()  # every other, as ChqNb, ClrSysRef, Prtry
    amount: Decimal | None = None
    currency: str | None = None
    direction: str | None = None
    instructed_amount: Decimal | None = None
    instructed_currency: str | None = None
    amounts: tuple[AmountDetail, ...] = ()
    charges: tuple[Charge, ...] = ()
    charges_totals: tuple[Money, ...] = ()  # TtlChrgsAndTaxAmt
    availability: tuple[Availability, ...] = ()
    transaction_code: str | None = None
    proprietary_code: str | None = None
    proprietary_issuer: str | None = None
    debtor_name: str | None = None
    debtor_id: str | None = None
    debtor_account: str | None = None
    debtor_agent: str | None = None  # BIC, else another identification, else name
    creditor_name: str | None = None
    creditor_id: str | None = None
    creditor_account: str | None = None
    creditor_agent: str | None = None
    parties: tuple[Party, ...] = ()  # every other, as UltmtDbtr, InitgPty, Prtry
    agents: tuple[Party, ...] = ()  # every other, as IntrmyAgt1
    local_instrument: str | None = None
    purpose: str | None = None
    remittance: tuple[str, ...] = ()  # every Ustrd, in order
    structured: tuple[str, ...] = ()  # every CdtrRefInf/Ref, in order
    structured_remittance: tuple[StructuredRemittance, ...] = ()
    dates: tuple[RelatedDate, ...] = ()
    tax: Money | None = None
    return_reason: Reason | None = None
    returned_transaction_code: str | None = None  # of the transaction that was returned
    returned_proprietary_code: str | None = None
    additional_information: str | None = None


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One Ntry. The sign comes from `direction` (CdtDbtInd) alone; `reversal` never flips it."""

    position: int  # in its statement, from 1
    statement: int
    amount: Decimal | None
    currency: str | None
    direction: str | None
    reversal: bool | None = None
    status: str | None = None
    reference: str | None = None
    booking_date: str | None = None
    value_date: str | None = None
    account_servicer_reference: str | None = None
    transaction_code: str | None = None  # domain/family/sub-family, as in PMNT/ICDT/ESCT
    proprietary_code: str | None = None
    proprietary_issuer: str | None = None
    amounts: tuple[AmountDetail, ...] = ()
    charges: tuple[Charge, ...] = ()
    charges_totals: tuple[Money, ...] = ()
    availability: tuple[Availability, ...] = ()
    told_in: str | None = None  # AddtlInfInd: the message id in which details are told
    batches: tuple[EntryBatch, ...] = ()  # every NtryDtls/Btch, in order
    batch_message_id: str | None = None  # of the first
    batch_payment_information_id: str | None = None
    batch_number_of_transactions: str | None = None
    additional_information: str | None = None
    details: tuple[EntryDetail, ...] = ()
    line: int | None = None

    @property
    def signed(self) -> Decimal | None:
        return signed(self.amount, self.direction)


def signed(amount: Decimal | None, direction: str | None) -> Decimal | None:
    if amount is None or direction not in ("CRDT", "DBIT"):
        return None
    return amount if direction == "CRDT" else amount.copy_negate()
