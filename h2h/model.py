"""The frozen records that every layer speaks in; those of what banks say stand in reported.py and booked.py.

Records of messages mirror the ISO 20022 elements they are read from. Amounts are Decimal with their currency;
dates and times of the bank or the ERP stay the text that stood in the file (they may lack a zone, or carry one on a
date), times of our own are aware datetimes in UTC. Unknown codes are kept as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal, Inexact, InvalidOperation, localcontext
from enum import StrEnum
from typing import Literal, NewType

from msgspec import Struct

from h2h.booked import Balance as Balance
from h2h.booked import Entry as Entry
from h2h.booked import EntryDetail as EntryDetail
from h2h.booked import Statement as Statement
from h2h.booked import StatementFile as StatementFile
from h2h.booked import StatementNote as StatementNote
from h2h.collected import DirectDebit as DirectDebit
from h2h.collected import DirectDebitBatch as DirectDebitBatch
from h2h.collected import DirectDebitFile as DirectDebitFile
from h2h.collected import DirectDebits as DirectDebits
from h2h.reported import BatchStatus as BatchStatus
from h2h.reported import FileMember as FileMember
from h2h.reported import PaymentStatus as PaymentStatus
from h2h.reported import Reason as Reason
from h2h.reported import StatusReport as StatusReport
from h2h.text import one_line

TransferId = NewType("TransferId", str)
InboundId = NewType("InboundId", str)


EXACT = Context(prec=200, traps=[Inexact, InvalidOperation])  # amounts that are read have at most 64 digits
MAX_FINDING_TEXT = 1_000
MAX_FINDING_PATH = 500


class Severity(StrEnum):
    """HOLD: nothing is wrong for certain, but a person must look before the file is sent."""

    ERROR = "ERROR"
    HOLD = "HOLD"
    WARNING = "WARNING"
    INFO = "INFO"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing wrong, or remarkable, about a file. `text` is a sentence that says what to do.

    Whatever stood in the file: `text` and `path` are one visible line each, and bounded.
    """

    code: str
    severity: Severity
    text: str
    path: str = ""
    line: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", one_line(self.text, MAX_FINDING_TEXT))
        object.__setattr__(self, "path", one_line(self.path, MAX_FINDING_PATH))


# pain.001: what the ERP asks the bank to pay. Document order: PaymentFile, then each Batch followed by its Payments.


class Address(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One PstlAdr that is not empty, of a party or of an agent without a BIC. `place` is its path, as in Cdtr/PstlAdr.

    `lines` are its AdrLine. What else may stand in it has a name of its own, and nobody here asks for it.
    """

    place: str
    name: str | None
    town: str | None = None
    country: str | None = None
    lines: tuple[str, ...] = ()
    line: int | None = None


class PaymentFile(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """GrpHdr of a pain.001. `number_of_transactions` and `control_sum` are what the file claims."""

    message: str
    message_id: str | None
    created_at: str | None = None
    number_of_transactions: str | None = None
    control_sum: Decimal | None = None
    initiating_party: str | None = None
    line: int | None = None


class Batch(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One PmtInf. `position` counts from 1 in the file."""

    position: int
    payment_information_id: str | None
    payment_method: str | None = None
    batch_booking: bool | None = None
    number_of_transactions: str | None = None
    control_sum: Decimal | None = None
    service_level: str | None = None
    further_service_levels: tuple[str, ...] = ()  # beside the first
    local_instrument: str | None = None
    requested_execution_date: str | None = None
    debtor_name: str | None = None
    debtor_iban: str | None = None
    debtor_account: str | None = None  # Othr/Id where there is no IBAN
    debtor_agent: str | None = None  # BIC
    charges_account: str | None = None  # IBAN, else Othr/Id
    addresses: tuple[Address, ...] = ()
    line: int | None = None


class Payment(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One CdtTrfTxInf. `position` counts from 1 in the file, `batch` is the position of its PmtInf.

    Service levels and local instrument are those that stand at the payment itself: what it lacks, its batch may say.
    """

    position: int
    batch: int
    payment_information_id: str | None
    instruction_id: str | None
    end_to_end_id: str | None
    uetr: str | None
    amount: Decimal | None
    currency: str | None
    equivalent: bool = False  # EqvtAmt: `amount` is in the debtor's currency, to be converted
    transfer_currency: str | None = None  # EqvtAmt: into which
    service_level: str | None = None
    further_service_levels: tuple[str, ...] = ()
    local_instrument: str | None = None
    creditor_name: str | None = None
    creditor_iban: str | None = None
    creditor_account: str | None = None  # Othr/Id where there is no IBAN
    creditor_agent: str | None = None  # BIC
    execution_date: str | None = None
    remittance: str | None = None
    addresses: tuple[Address, ...] = ()
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What judge found in a file: its content, and everything wrong with it. Without a `header` nothing is sent.

    There may be more payments than memory has room for: they are gone through in order, and as often as wanted.
    """

    header: PaymentFile | None
    batches: Sequence[Batch]
    payments: Collection[Payment]
    findings: Sequence[Finding]
    direct_debits: DirectDebits | None = None

    @property
    def good(self) -> bool:
        return all(f.severity is not Severity.ERROR for f in self.findings)

    @property
    def held(self) -> bool:
        """Good, but a person must look before it is sent."""
        return self.good and any(f.severity is Severity.HOLD for f in self.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class AsSent:
    """What goes to the bank in place of a file that was dropped: the same orders in another version of the message."""

    sha256: str
    size: int
    judgement: Judgement


Compression = Literal["gzip", "zip"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """What a file is put into before it goes to its bank: compressed first, then signed and encrypted.

    `member`: its name in an archive. `pgp`: a form, as in "sign+encrypt". Keys by their fingerprints; `subkeys`:
    by which of `encrypted_to` it is encrypted, which may change under the same key.
    """

    compress: Compression | None = None
    member: str | None = None
    pgp: str | None = None
    armour: bool = False
    signed_by: str | None = None
    encrypted_to: tuple[str, ...] = ()
    subkeys: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """In one line, which is another one for each other seal."""
        packed = f"{self.compress} of {self.member}" if self.member else self.compress
        signed = self.signed_by and f"signed by {self.signed_by}"
        encrypted = f"encrypted to {', '.join(self.encrypted_to)}" if self.encrypted_to else None
        by = f"by subkey {', '.join(self.subkeys)}" if self.subkeys else None
        return "; ".join(filter(None, (packed, signed, encrypted, by, "armoured" if self.armour else None)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """The bytes that go to the bank in place of those that were judged, and what they are."""

    seal: Seal
    sha256: str
    size: int


Record = (
    PaymentFile
    | Batch
    | Payment
    | DirectDebitFile
    | DirectDebitBatch
    | DirectDebit
    | StatusReport
    | BatchStatus
    | PaymentStatus
    | StatementFile
    | Statement
    | Entry
    | StatementNote
    | FileMember
)


def total(amounts: Iterable[Decimal | None]) -> Decimal:
    """The sum of those that are there, to the last digit: the usual context of Decimal rounds to 28."""
    with localcontext(EXACT):
        return sum((amount for amount in amounts if amount is not None), Decimal())


# The bank's server, as a channel sees it.


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file in a listing. `name` is data from outside: never a path of ours, and perhaps not even a name."""

    folder: str
    name: str
    size: int
    modified: int | None = None  # seconds since 1970 by the bank's clock


class Way(StrEnum):
    """How a bank learns that a file is whole, which is the moment that counts."""

    RENAME = "rename"  # a temporary name becomes the final one
    MARKER = "marker"  # an empty file beside it says so
    DIRECT = "direct"  # it does not: what stands under the final name may be taken at any moment


class Presence(StrEnum):
    THERE = "there"
    GONE = "gone"
    HIDDEN = "hidden"  # looking is not allowed here, so nothing is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What `Channel.look` found under one name. `folder_there`: the folder that the name is in is known to be there."""

    presence: Presence
    folder_there: bool = True
    size: int | None = None
    modified: int | None = None  # seconds since 1970 by the bank's clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A whole file at the bank under its temporary name, its size checked on the open handle."""

    path: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the bank's server answered to a publish, for the journal. `how`: by which operation."""

    path: str
    answer: str
    at: datetime
    how: str
