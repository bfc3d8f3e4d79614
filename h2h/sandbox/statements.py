"""Writing camt.053: one account, one day, in .02 or .08. Opening balance, entries, closing balance: it adds up."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import datetime
from decimal import Decimal

from h2h.sandbox.books import Account, Detail, Entry
from h2h.sandbox.scenario import Generation
from h2h.sandbox.xml import add, document, moment, put, put_account, put_amount, put_uetr, serialize

MESSAGES = {Generation.Y2009: "camt.053.001.02", Generation.Y2019: "camt.053.001.08"}
_NAME = 140
_OWNER = 70  # Acct/Nm


def statement(account: Account, *, generation: Generation, paper_id: str, at: datetime) -> bytes:
    """`account` with all entries of the day, before it is closed."""
    root = document(MESSAGES[generation])
    body = add(root, "BkToCstmrStmt")
    header = add(body, "GrpHdr")
    put(header, "MsgId", paper_id)
    put(header, "CreDtTm", moment(at))
    if generation is Generation.Y2009:
        _page(header, "MsgPgntn")
    element = add(body, "Stmt")
    put(element, "Id", f"{paper_id}-1")
    if generation is Generation.Y2019:
        _page(element, "StmtPgntn")
    _describe(element, account, at)
    _balance(element, "OPBD", account.balance, account.currency, at)
    _balance(element, "CLBD", account.closing, account.currency, at)
    for number, entry in enumerate(account.entries, start=1):
        _entry(element, entry, account, generation, f"{account.statements + 1:05d}-{number:06d}", at)
    return serialize(root)


def _page(parent: ET.Element, name: str) -> None:
    page = add(parent, name)
    put(page, "PgNb", "1")
    put(page, "LastPgInd", "true")


def _describe(element: ET.Element, account: Account, at: datetime) -> None:
    put(element, "ElctrncSeqNb", str(account.statements + 1))
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
    if entry.details:
        details = add(element, "NtryDtls")
        if entry.batch:
            _batch(details, entry, account.currency)
        for detail in entry.details:
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
        put_amount(element, "Amt", detail.amount, account.currency)
        put(element, "CdtDbtInd", entry.direction)
    _amounts(add(element, "AmtDtls"), detail, account.currency)
    _party(element, detail, entry, generation)
    if detail.remittance:
        remittance = add(element, "RmtInf")
        for line in detail.remittance:
            put(remittance, "Ustrd", line, limit=140)


def _amounts(element: ET.Element, detail: Detail, currency: str) -> None:
    if detail.instructed_amount is not None:
        instructed = add(element, "InstdAmt")
        put_amount(instructed, "Amt", detail.instructed_amount, detail.instructed_currency)
    put_amount(element, "TxAmt/Amt", detail.amount, currency)


def _party(element: ET.Element, detail: Detail, entry: Entry, generation: Generation) -> None:
    """The other side: a creditor where money went out, a debtor where it came in."""
    if not detail.party_name and not detail.party_account:
        return
    role = "Cdtr" if entry.direction == "DBIT" else "Dbtr"
    parties = add(element, "RltdPties")
    name = f"{role}/Nm" if generation is Generation.Y2009 else f"{role}/Pty/Nm"
    put(parties, name, detail.party_name, limit=_NAME)
    put_account(parties, f"{role}Acct", detail.party_account)
