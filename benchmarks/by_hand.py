"""Reads the entries of a camt.053.001.08 as one would by hand: lxml's iterparse, and a walk through each Ntry.

    python benchmarks/by_hand.py day.xml

An entry is a tuple of the values that an Entry has (h2h/booked.py), in the order of its fields, and what is a record
there is a tuple here, too; a test holds them against each other. Without a schema the file is taken for valid, and
texts as they stand.

It is the quickest of what was tried: children one after the other, told apart by their tags, values in local names,
and places that the schema fixes by their index. Dictionaries filled by a function for each tag took a tenth longer,
paths for everything twice as long. More than half of the time is the parser's own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from lxml import etree

SPACE = "{urn:iso:std:iso:20022:tech:xsd:camt.053.001.08}"
VAGUE = 65_535  # a line from which on libxml2 only knows where the text inside ends
FULL_PIECE = 105  # characters of a piece of text that runs on in the next one
Element = Any  # etree._Element
Values = tuple[Any, ...]


def _full(path: str) -> str:
    return "/".join(f"{SPACE}{name}" for name in path.split("/"))


# fmt: off
(
    NTRY, NTRY_REF, AMT, CDT_DBT_IND, RVSL_IND, STS, BOOKG_DT, VAL_DT, ACCT_SVCR_REF, AVLBTY, BK_TX_CD, ADDTL_INF_IND,
    AMT_DTLS, CHRGS, NTRY_DTLS, TX_DTLS, ADDTL_NTRY_INF, DOMN, REFS, MSG_ID, PMT_INF_ID, INSTR_ID, END_TO_END_ID, UETR,
    TX_ID, MNDT_ID, RLTD_PTIES, DBTR, DBTR_ACCT, CDTR, CDTR_ACCT, RLTD_AGTS, DBTR_AGT, CDTR_AGT, BICFI, PTY, NM, ID,
    IBAN, LCL_INSTRM, PURP, RMT_INF, USTRD, STRD, RLTD_DTS, TAX, RTR_INF, ADDTL_TX_INF, RCRD, PRTRY,
) = map(_full, (
    "Ntry", "NtryRef", "Amt", "CdtDbtInd", "RvslInd", "Sts", "BookgDt", "ValDt", "AcctSvcrRef", "Avlbty", "BkTxCd",
    "AddtlInfInd", "AmtDtls", "Chrgs", "NtryDtls", "TxDtls", "AddtlNtryInf", "Domn", "Refs", "MsgId", "PmtInfId",
    "InstrId", "EndToEndId", "UETR", "TxId", "MndtId", "RltdPties", "Dbtr", "DbtrAcct", "Cdtr", "CdtrAcct", "RltdAgts",
    "DbtrAgt", "CdtrAgt", "BICFI", "Pty", "Nm", "Id", "IBAN", "LclInstrm", "Purp", "RmtInf", "Ustrd", "Strd",
    "RltdDts", "Tax", "RtrInf", "AddtlTxInf", "Rcrd", "Prtry",
))
# fmt: on
NOTHING, NO_NAMES = (None, None), (None, None, None)


def entries(file: str) -> Iterator[Values]:
    """Those of a file with one statement."""
    ended = etree.iterparse(file, tag=NTRY, remove_comments=True, remove_pis=True)
    for position, (_, ntry) in enumerate(ended, start=1):
        yield _entry(ntry, position)
        ntry.clear()
        statement = ntry.getparent()
        while ntry.getprevious() is not None:
            del statement[0]


def _entry(ntry: Element, position: int) -> Values:
    amount = currency = direction = reversal = status = reference = booked = valued = servicer = told_in = words = None
    code = proprietary = issuer = None
    amounts = charges = totals = availability = batches = blocks = details = ()
    for child in ntry:
        tag = child.tag
        if tag == NTRY_REF:
            reference = child.text
        elif tag == AMT:
            amount, currency = Decimal(child.text), child.get("Ccy")
        elif tag == CDT_DBT_IND:
            direction = child.text
        elif tag == STS:
            status = child[0].text
        elif tag == BOOKG_DT:
            booked = child[0].text
        elif tag == VAL_DT:
            valued = child[0].text
        elif tag == ACCT_SVCR_REF:
            servicer = child.text
        elif tag == BK_TX_CD:
            code, proprietary, issuer = _codes(child)
        elif tag == NTRY_DTLS:
            blocks += (child,)
        elif tag == RVSL_IND:
            reversal = _flag(child)
        elif tag == ADDTL_NTRY_INF:
            words = child.text
        elif tag == AVLBTY:
            availability += (_availability(child),)
        elif tag == ADDTL_INF_IND:
            told_in = child.findtext(MSG_ID)
        elif tag == AMT_DTLS:
            amounts = _amounts(child)
        elif tag == CHRGS:
            charges, totals = _charges(child)
    if blocks:
        batches, details = _within(blocks, amount, currency, direction)
    message, batch, number = batches[0][:3] if batches else NO_NAMES
    line = ntry.sourceline
    if line >= VAGUE:
        line -= ntry.text.count("\n")
    return (
        position, 1, amount, currency, direction, reversal, status, reference, booked, valued, servicer, code,
        proprietary, issuer, amounts, charges, totals, availability, told_in, batches, message, batch, number, words,
        details, line,
    )  # fmt: skip


def _within(
    blocks: Values, amount: Decimal | None, currency: str | None, direction: str | None
) -> tuple[Values, Values]:
    """Batches and details of all NtryDtls. A detail that is the only one has amount and direction of its entry."""
    batches: Values = ()
    found: list[tuple[int, Element]] = []
    for block in blocks:
        number = 0
        for child in block:
            if child.tag == TX_DTLS:
                found.append((number, child))
            else:
                batches += (_batch(child),)
                number = len(batches)
    if len(found) != 1 or (batches and any(int(batch[2] or 1) != 1 for batch in batches)):
        return batches, tuple(
            [_detail(details, at, number, currency, None, None) for at, (number, details) in enumerate(found, start=1)]
        )
    return batches, (_detail(found[0][1], 1, found[0][0], currency, amount, direction),)


def _detail(
    details: Element, position: int, batch: int, entry_currency: str | None, entry_amount: Decimal | None,
    direction: str | None,
) -> Values:  # fmt: skip
    """The entry's amount and direction are None where they are not those of its only transaction."""
    message = payment = instruction = end_to_end = transaction = uetr = mandate = servicer = None
    debtor = debtor_id = debtor_account = debtor_agent = creditor = creditor_id = creditor_account = None
    creditor_agent = amount = currency = instructed = instructed_in = code = proprietary = issuer = None
    local = purpose = tax = reason = returned = returned_proprietary = words = None
    references = parties = agents = amounts = charges = totals = availability = remittance = dates = ()
    structured = creditor_references = ()
    for child in details:
        tag = child.tag
        if tag == REFS:
            for ref in child:
                tag = ref.tag
                if tag == END_TO_END_ID:
                    end_to_end = ref.text
                elif tag == ACCT_SVCR_REF:
                    servicer = ref.text
                elif tag == INSTR_ID:
                    instruction = ref.text
                elif tag == PMT_INF_ID:
                    payment = ref.text
                elif tag == MSG_ID:
                    message = ref.text
                elif tag == TX_ID:
                    transaction = ref.text
                elif tag == UETR:
                    uetr = ref.text
                elif tag == MNDT_ID:
                    mandate = ref.text
                else:
                    references += (_reference(ref),)
        elif tag == AMT:
            amount, currency = Decimal(child.text), child.get("Ccy")
        elif tag == CDT_DBT_IND:
            direction = child.text
        elif tag == RLTD_PTIES:
            for party in child:
                tag = party.tag
                if tag == DBTR:
                    debtor, debtor_id = _party(party)
                elif tag == DBTR_ACCT:
                    debtor_account = _account(party)
                elif tag == CDTR:
                    creditor, creditor_id = _party(party)
                elif tag == CDTR_ACCT:
                    creditor_account = _account(party)
                else:
                    parties += (_other_party(party),)
        elif tag == RLTD_AGTS:
            for agent in child:
                tag = agent.tag
                if tag == DBTR_AGT:
                    debtor_agent = _agent(agent)
                elif tag == CDTR_AGT:
                    creditor_agent = _agent(agent)
                else:
                    agents += (_other_agent(agent),)
        elif tag == RMT_INF:
            for said in child:
                tag = said.tag
                if tag == USTRD:
                    remittance += (said.text,)
                elif tag == STRD:
                    structured += (_structured(said),)
        elif tag == AMT_DTLS:
            amounts = _amounts(child)
        elif tag == BK_TX_CD:
            code, proprietary, issuer = _codes(child)
        elif tag == PURP:
            purpose = child[0].text
        elif tag == LCL_INSTRM:
            local = child[0].text
        elif tag == AVLBTY:
            availability += (_availability(child),)
        elif tag == CHRGS:
            charges, totals = _charges(child)
        elif tag == RLTD_DTS:
            dates = tuple(map(_date, child))
        elif tag == TAX:
            tax = _money(child, "TtlTaxAmt")
        elif tag == RTR_INF:
            reason, returned, returned_proprietary = _return(child)
        elif tag == ADDTL_TX_INF:
            words = child.text
    if amounts:
        instructed, instructed_in = _amount_of("InstdAmt", amounts)
        if amount is None:
            amount, currency = _amount_of("TxAmt", amounts)
        if amount is None and instructed_in == entry_currency:
            amount, currency = instructed, instructed_in
    if amount is None and entry_amount is not None:
        amount, currency = entry_amount, entry_currency
    if structured:
        creditor_references = tuple([each[0] for each in structured if each[0]])
    return (
        position, batch, message, payment, instruction, end_to_end, transaction, uetr, mandate, servicer, references,
        amount, currency, direction, instructed, instructed_in, amounts, charges, totals, availability, code,
        proprietary, issuer, debtor, debtor_id, debtor_account, debtor_agent, creditor, creditor_id, creditor_account,
        creditor_agent, parties, agents, local, purpose, remittance, creditor_references, structured, dates, tax,
        reason, returned, returned_proprietary, words,
    )  # fmt: skip


def _party(choice: Element) -> Values:
    """Name and identification."""
    inner = choice[0]
    if inner.tag != PTY:
        return _said(inner[0], "Nm"), _agent_id(inner[0])
    name = number = None
    for child in inner:
        tag = child.tag
        if tag == NM:
            name = child.text
        elif tag == ID:
            number = _said(child, *_PARTY_IDS)
    return name, number


def _account(account: Element) -> str | None:
    number = account[0][0]
    return number.text if number.tag == IBAN else _said(number, "Id")


def _agent(agent: Element) -> str | None:
    institution = agent[0]
    for child in institution:
        if child.tag == BICFI:
            return child.text  # type: ignore[no-any-return]
    return _agent_id(institution) or _said(institution, "Nm")


def _codes(code: Element) -> Values:
    domain = proprietary = issuer = None
    for child in code:
        if child.tag == DOMN:
            family = child[1]
            domain = f"{child[0].text}/{family[0].text}/{family[1].text}"
        else:
            proprietary, issuer = _said(child, "Cd"), _said(child, "Issr")
    return domain, proprietary, issuer


# What is said seldom.

_PARTY_IDS = ("OrgId/AnyBIC", "OrgId/LEI", "OrgId/Othr/Id", "PrvtId/Othr/Id")
_AGENT_IDS = ("BICFI", "ClrSysMmbId/MmbId", "LEI", "Othr/Id")


def _said(element: Element, *paths: str) -> str | None:
    """At the first of these paths where something is said."""
    return next((said for path in paths if (said := element.findtext(_full(path)))), None)


def _name(element: Element) -> str:
    name: str = element.tag
    return name[len(SPACE) :]


def _flag(element: Element | None) -> bool | None:
    return None if element is None else element.text in ("true", "1")


def _number(element: Element, path: str) -> Decimal | None:
    said = _said(element, path)
    return None if said is None else Decimal(said)


def _money(element: Element, path: str) -> Values | None:
    found = element.find(_full(path))
    return None if found is None else (Decimal(found.text), found.get("Ccy"))


def _agent_id(institution: Element) -> str | None:
    return _said(institution, *_AGENT_IDS)


def _agent_at(element: Element, path: str) -> str | None:
    found = element.find(_full(path))
    return None if found is None else _agent(found)


def _amount_of(kind: str, amounts: Values) -> Values:
    return next(((each[1], each[2]) for each in amounts if each[0] == kind), NOTHING)


def _batch(batch: Element) -> Values:
    names = _said(batch, "MsgId"), _said(batch, "PmtInfId"), _said(batch, "NbOfTxs")
    return (*names, *(_money(batch, "TtlAmt") or NOTHING), _said(batch, "CdtDbtInd"))


def _amounts(details: Element) -> Values:
    return tuple(
        (_name(each), *(_money(each, "Amt") or NOTHING), _said(each, "Tp"), _exchange(each.find(_full("CcyXchg"))))
        for each in details
    )


def _exchange(exchange: Element | None) -> Values | None:
    if exchange is None:
        return None
    currencies = (_said(exchange, name) for name in ("SrcCcy", "TrgtCcy", "UnitCcy"))
    return *currencies, _number(exchange, "XchgRate"), None, _said(exchange, "CtrctId"), _said(exchange, "QtnDt")


def _charges(charges: Element) -> tuple[Values, Values]:
    """Records and total."""
    total = _money(charges, "TtlChrgsAndTaxAmt")
    return tuple(map(_charge, charges.iterchildren(RCRD))), (total,) if total else ()


def _charge(charge: Element) -> Values:
    return (
        *(_money(charge, "Amt") or NOTHING), _said(charge, "CdtDbtInd"), _flag(charge.find(_full("ChrgInclInd"))),
        _said(charge, "Tp/Cd"), _said(charge, "Tp/Prtry/Id"), _said(charge, "Br"), _agent_at(charge, "Agt"),
        _money(charge, "Tax/Amt"),
    )  # fmt: skip


def _reference(ref: Element) -> Values:
    return ("Prtry", _said(ref, "Ref"), _said(ref, "Tp")) if ref.tag == PRTRY else (_name(ref), ref.text, None)


def _other_party(party: Element) -> Values:
    own, inner = (_said(party, "Tp"), party[1]) if party.tag == PRTRY else (None, party)
    return _name(party), own, *_party(inner), None


def _other_agent(agent: Element) -> Values:
    own, inner = (_said(agent, "Tp"), agent[1]) if agent.tag == PRTRY else (None, agent)
    return _name(agent), own, _said(inner[0], "Nm"), _agent_id(inner[0]), None


def _availability(one: Element) -> Values:
    return *(_money(one, "Amt") or NOTHING), _said(one, "CdtDbtInd"), _said(one, "Dt/ActlDt"), _said(one, "Dt/NbOfDays")


def _date(date: Element) -> Values:
    return _name(date), date.text if not len(date) else _said(date, "Dt/Dt", "Dt/DtTm"), _said(date, "Tp")


def _return(back: Element) -> Values:
    pieces = [each.text for each in back.iterfind(_full("AddtlInf"))]
    text = "".join(each if len(each) >= FULL_PIECE else f"{each} " for each in pieces).strip() or None
    originator = _said(back, "Orgtr/Nm", *(f"Orgtr/Id/{path}" for path in _PARTY_IDS))
    code = back.find(_full("OrgnlBkTxCd"))
    reason = (_said(back, "Rsn/Cd"), _said(back, "Rsn/Prtry"), text, originator)
    return reason, *(_codes(code)[:2] if code is not None else NOTHING)


def _structured(one: Element) -> Values:
    documents, amounts = one.iterfind(_full("RfrdDocInf")), one.iterfind(_full("RfrdDocAmt") + "/*")
    return (
        _said(one, "CdtrRefInf/Ref"), _said(one, *_either("CdtrRefInf/Tp/CdOrPrtry")), _said(one, "CdtrRefInf/Tp/Issr"),
        tuple((_said(d, *_either("Tp/CdOrPrtry")), _said(d, "Nb"), _said(d, "RltdDt")) for d in documents),
        tuple(map(_remittance_amount, amounts)), _said(one, "Invcr/Nm"), _said(one, "Invcee/Nm"),
        tuple(each.text for each in one.iterfind(_full("AddtlRmtInf"))),
    )  # fmt: skip


def _remittance_amount(each: Element) -> Values:
    said = _money(each, "Amt") or (Decimal(each.text), each.get("Ccy"))
    return _name(each), *said, _said(each, "CdtDbtInd"), _said(each, *_either("Tp"), "Rsn")


def _either(path: str) -> tuple[str, str]:
    return f"{path}/Cd", f"{path}/Prtry"


if __name__ == "__main__":
    assert sum(1 for _ in entries(sys.argv[1]))
