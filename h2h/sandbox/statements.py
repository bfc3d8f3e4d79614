"""Writing what happened on an account, in the generation of 2009 or 2019.

camt.053: one day of an account, on one page or several. Opening balance, entries, closing balance: it adds up; between
pages the balance is an interim one (ITBD). camt.052: the same of a day that goes on. camt.054: entries, as they arise.
An entry has the same reference in all of them.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from h2h.sandbox.books import Account, Detail, Entry
from h2h.sandbox.scenario import Generation
from h2h.sandbox.xml import add, document, moment, put, put_account, put_amount, put_reason, put_uetr, serialize

_NAME = 140
_OWNER = 70  # Acct/Nm


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One of the three messages. `kind` stands in file names."""

    kind: str
    root: str
    body: str
    versions: tuple[tuple[Generation, str], ...]

    def message(self, generation: Generation) -> str:
        return dict(self.versions)[generation]


def _form(kind: str, root: str, body: str) -> Form:
    versions = ((Generation.Y2009, f"{kind}.001.02"), (Generation.Y2019, f"{kind}.001.08"))
    return Form(kind=kind.replace(".", ""), root=root, body=body, versions=versions)


STATEMENT = _form("camt.053", "BkToCstmrStmt", "Stmt")
REPORT = _form("camt.052", "BkToCstmrAcctRpt", "Rpt")
NOTIFICATION = _form("camt.054", "BkToCstmrDbtCdtNtfctn", "Ntfctn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """Where a message goes: its id, that of its account's part, and its time."""

    message_id: str
    body_id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of a statement. `first` is the place of its first entry among those of the day, from 0."""

    number: int
    last: bool
    first: int
    entries: tuple[Entry, ...]
    opening: Decimal
    closing: Decimal


def pages(account: Account, most: int) -> list[Page]:
    """`account` with all entries of the day, before it is closed; 0: all on one page."""
    size = most or len(account.entries) or 1
    starts = range(0, len(account.entries), size) or range(1)
    found: list[Page] = []
    for number, first in enumerate(starts, start=1):
        entries = account.entries[first : first + size]
        opening = found[-1].closing if found else account.balance
        closing = opening + sum((entry.signed for entry in entries), Decimal(0))
        last = number == len(starts)
        found.append(Page(number=number, last=last, first=first, entries=entries, opening=opening, closing=closing))
    return found


def statement(account: Account, page: Page, *, generation: Generation, paper: Paper) -> bytes:
    root, header, element = _begun(STATEMENT, generation, paper)
    _page(header if generation is Generation.Y2009 else element, page, generation)
    put(element, "ElctrncSeqNb", str(account.statements + 1))
    _describe(element, account, paper.at)
    _balance(element, "OPBD" if page.number == 1 else "ITBD", page.opening, account.currency, paper.at)
    _balance(element, "CLBD" if page.last else "ITBD", page.closing, account.currency, paper.at)
    _entries(element, account, page.first, page.entries, generation, paper.at)
    return serialize(root)


def report(account: Account, *, generation: Generation, paper: Paper) -> bytes:
    """What has been booked today until now."""
    root, _, element = _begun(REPORT, generation, paper)
    _describe(element, account, paper.at)
    _balance(element, "OPBD", account.balance, account.currency, paper.at)
    _balance(element, "ITBD", account.closing, account.currency, paper.at)
    _entries(element, account, 0, account.entries, generation, paper.at)
    return serialize(root)


def notification(account: Account, first: int, *, generation: Generation, paper: Paper) -> bytes:
    """The entries of the day from this place on."""
    root, _, element = _begun(NOTIFICATION, generation, paper)
    _describe(element, account, paper.at)
    _entries(element, account, first, account.entries[first:], generation, paper.at)
    return serialize(root)


def _begun(form: Form, generation: Generation, paper: Paper) -> tuple[ET.Element, ET.Element, ET.Element]:
    """The document, its header, and the part on the account, with its id."""
    root = document(form.message(generation))
    body = add(root, form.root)
    header = add(body, "GrpHdr")
    put(header, "MsgId", paper.message_id)
    put(header, "CreDtTm", moment(paper.at))
    element = add(body, form.body)
    put(element, "Id", paper.body_id)
    return root, header, element


def _page(parent: ET.Element, page: Page, generation: Generation) -> None:
    found = add(parent, "MsgPgntn" if generation is Generation.Y2009 else "StmtPgntn")
    put(found, "PgNb", str(page.number))
    put(found, "LastPgInd", "true" if page.last else "false")


def _describe(element: ET.Element, account: Account, at: datetime) -> None:
    put(element, "CreDtTm", moment(at))
    period = add(element, "FrToDt")
    put(period, "FrDtTm", moment(at.replace(hour=0, minute=0, second=0)))
    put(period, "ToDtTm", moment(at))
    put_account(element, "Acct", account.number)
    put(element[-1], "Ccy", account.currency)
    put(element[-1], "Nm", account.owner, limit=_OWNER)


def _balance(element: ET.Element, kind: str, amount: Decimal, currency: str, at: datetime) -> None:
    balance = add(element, "Bal")
    put(balance, "Tp/CdOrPrtry/Cd", kind)
    put_amount(balance, "Amt", abs(amount), currency)
    put(balance, "CdtDbtInd", "DBIT" if amount < 0 else "CRDT")
    put(balance, "Dt/Dt", f"{at:%Y-%m-%d}")


def _entries(
    element: ET.Element, account: Account, first: int, entries: Iterable[Entry], generation: Generation, at: datetime
) -> None:
    for number, entry in enumerate(entries, start=first + 1):
        _entry(element, entry, account, generation, f"{account.statements + 1:05d}-{number:06d}", at)


def _entry(
    parent: ET.Element, entry: Entry, account: Account, generation: Generation, reference: str, at: datetime
) -> None:
    element = add(parent, "Ntry")
    put(element, "NtryRef", reference)
    put_amount(element, "Amt", entry.amount, account.currency)
    put(element, "CdtDbtInd", entry.direction)
    put(element, "Sts" if generation is Generation.Y2009 else "Sts/Cd", "BOOK")
    put(element, "BookgDt/Dt", f"{at:%Y-%m-%d}")
    put(element, "ValDt/Dt", f"{at:%Y-%m-%d}")
    put(element, "AcctSvcrRef", f"SBX{reference}")
    domain = add(element, "BkTxCd/Domn")
    put(domain, "Cd", entry.code[0])
    family = add(domain, "Fmly")
    put(family, "Cd", entry.code[1])
    put(family, "SubFmlyCd", entry.code[2])
    charge = sum((detail.charge for detail in entry.details), Decimal(0))
    if not entry.listed:
        _charge(element, charge, account.currency, generation)
    if entry.details:
        details = add(element, "NtryDtls")
        if entry.batch:
            _batch(details, entry, account.currency)
        for detail in entry.details if entry.listed else ():
            _detail(details, detail, entry, account, generation)
    put(element, "AddtlNtryInf", entry.text, limit=500)


def _batch(details: ET.Element, entry: Entry, currency: str) -> None:
    batch = add(details, "Btch")
    put(batch, "MsgId", entry.details[0].message_id)
    put(batch, "PmtInfId", entry.details[0].payment_information_id)
    put(batch, "NbOfTxs", str(len(entry.details)))
    put_amount(batch, "TtlAmt", entry.amount, currency)
    put(batch, "CdtDbtInd", entry.direction)


def _detail(parent: ET.Element, detail: Detail, entry: Entry, account: Account, generation: Generation) -> None:
    element = add(parent, "TxDtls")
    references = add(element, "Refs")
    put(references, "MsgId", detail.message_id)
    put(references, "PmtInfId", detail.payment_information_id)
    put(references, "InstrId", detail.instruction_id)
    put(references, "EndToEndId", detail.end_to_end_id)
    if generation is Generation.Y2019:
        put_uetr(references, "UETR", detail.uetr)
        put_amount(element, "Amt", detail.amount + detail.charge, account.currency)
        put(element, "CdtDbtInd", entry.direction)
    _amounts(add(element, "AmtDtls"), detail, account.currency)
    _charge(element, detail.charge, account.currency, generation)
    _party(element, detail, entry, generation)
    if detail.remittance:
        remittance = add(element, "RmtInf")
        for line in detail.remittance:
            put(remittance, "Ustrd", line, limit=140)
    if detail.returned:
        why = detail.returned
        put_reason(add(element, "RtrInf"), why.reason, why.proprietary, why.text)


def _charge(element: ET.Element, charge: Decimal, currency: str, generation: Generation) -> None:
    """What the bank took with a payment, in the amount of the entry."""
    if charge:
        charges = add(element, "Chrgs" if generation is Generation.Y2009 else "Chrgs/Rcrd")
        put_amount(charges, "Amt", charge, currency)
        put(charges, "CdtDbtInd", "DBIT")
        if generation is Generation.Y2019:
            put(charges, "ChrgInclInd", "true")


def _amounts(element: ET.Element, detail: Detail, currency: str) -> None:
    if detail.instructed_amount is not None:
        instructed = add(element, "InstdAmt")
        put_amount(instructed, "Amt", detail.instructed_amount, detail.instructed_currency)
    put_amount(element, "TxAmt/Amt", detail.amount, currency)


def _party(element: ET.Element, detail: Detail, entry: Entry, generation: Generation) -> None:
    """The other side: a creditor where money went out, even if it came back, a debtor where it came in."""
    if not detail.party_name and not detail.party_account:
        return
    role = "Cdtr" if entry.direction == "DBIT" or detail.returned else "Dbtr"
    parties = add(element, "RltdPties")
    name = f"{role}/Nm" if generation is Generation.Y2009 else f"{role}/Pty/Nm"
    put(parties, name, detail.party_name, limit=_NAME)
    put_account(parties, f"{role}Acct", detail.party_account)
