"""Invented records of what stands in several messages, within what the types of a year can say."""

from __future__ import annotations

from collections.abc import Sequence

from h2h.model import (
    Batch,
    BatchStatus,
    DirectDebit,
    DirectDebitBatch,
    Entry,
    Payment,
    PaymentStatus,
    Record,
    Statement,
)
from h2h.reported import (
    Charge,
    Money,
    Party,
    Reason,
    ReferredDocument,
    RemittanceAmount,
    StructuredRemittance,
)
from tests.core.chance import Chance

BEARERS = ("CRED", "DEBT", "SHAR", "SLEV")
OLD_CHARGES = ("BRKF", "COMM")
DOCUMENTS = ("CINV", "CREN", "DEBN", "MSIN")
REFERENCES = ("SCOR", "RADM", "PUOR")


def groups(before: Sequence[Record]) -> int:
    """How many statements and batches stand there: the next one counts on from them."""
    return sum(isinstance(each, Statement | BatchStatus | Batch | DirectDebitBatch) for each in before)


def items(before: Sequence[Record]) -> int:
    return sum(isinstance(each, Entry | PaymentStatus | Payment | DirectDebit) for each in before)


def money(c: Chance) -> Money:
    return Money(amount=c.amount(), currency=c.currency())


def code_or_text(c: Chance) -> str:
    return c.code() if c.yes() else c.text()


def listed_or_text(c: Chance, codes: tuple[str, ...], year: int, until: int) -> str:
    """Of a list that the schema closes until that year; then of one that grows outside of it."""
    if c.yes():
        return c.text()
    return c.of(codes) if year <= until else c.code()


def charge(c: Chance, year: int) -> Charge:
    kind = c.below(3)
    return Charge(
        amount=c.amount(),
        currency=c.currency(),
        direction=c.maybe(c.direction),
        included=c.flag() if year >= 2013 else None,
        type=(c.of(OLD_CHARGES) if year == 2009 else c.code()) if kind == 1 else None,
        proprietary=c.text() if kind == 2 else None,
        bearer=c.maybe(lambda: c.of(BEARERS)),
        agent=c.maybe(lambda: c.known_by(year)),
        tax=c.maybe(lambda: money(c)),
    )


def reason(c: Chance, year: int) -> Reason:
    kind = c.below(3)
    return Reason(
        code=c.code() if kind == 1 else None,
        proprietary=c.text() if kind == 2 else None,
        text=c.maybe(lambda: c.long_text(c.of((105, 300)))),
        originator=c.maybe(lambda: c.known_by(year)),
    )


def party(c: Chance, role: str, year: int, *, typed: bool = False) -> Party:
    return Party(
        role=role,
        type=c.text() if typed else None,
        name=c.maybe(lambda: c.text(140)),
        id=c.maybe(lambda: c.known_by(year)),
    )


def structured(c: Chance, year: int) -> StructuredRemittance:
    typed = c.yes()
    return StructuredRemittance(
        reference=c.maybe(c.text),
        type=listed_or_text(c, REFERENCES, year, 2021) if typed else None,
        issuer=c.maybe(c.text) if typed else None,
        documents=c.some(lambda: _document(c, year)),
        amounts=_amounts(c, year) if c.yes() else (),
        invoicer=c.maybe(lambda: c.text(140)),
        invoicee=c.maybe(lambda: c.text(140)),
        additional=c.some(lambda: c.text(140), most=3),
    )


def _document(c: Chance, year: int) -> ReferredDocument:
    return ReferredDocument(
        type=c.maybe(lambda: listed_or_text(c, DOCUMENTS, year, 2021)), number=c.maybe(c.text), date=c.maybe(c.date)
    )


def _amounts(c: Chance, year: int) -> tuple[RemittanceAmount, ...]:
    if year >= 2024:
        return (
            *c.some(lambda: _amount(c, "RmtAmtAndTp", code_or_text(c))),
            *c.some(lambda: _adjustment(c)),
        )
    typed = year >= 2013
    several = 2 if typed else 1
    return (
        *c.some(lambda: _amount(c, "DuePyblAmt"), most=1),
        *c.some(lambda: _amount(c, "DscntApldAmt", c.maybe(lambda: code_or_text(c)) if typed else None), most=several),
        *c.some(lambda: _amount(c, "CdtNoteAmt"), most=1),
        *c.some(lambda: _amount(c, "TaxAmt", c.maybe(lambda: code_or_text(c)) if typed else None), most=several),
        *c.some(lambda: _adjustment(c)),
        *c.some(lambda: _amount(c, "RmtdAmt"), most=1),
    )


def _amount(c: Chance, kind: str, what: str | None = None) -> RemittanceAmount:
    return RemittanceAmount(kind=kind, amount=c.amount(), currency=c.currency(), type=what)


def _adjustment(c: Chance) -> RemittanceAmount:
    return RemittanceAmount(
        kind="AdjstmntAmtAndRsn",
        amount=c.amount(),
        currency=c.currency(),
        direction=c.maybe(c.direction),
        type=c.maybe(c.code),
    )
