"""Writes an invented camt.052, .053 or .054 as its version has it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from h2h.booked import (
    AmountDetail,
    Availability,
    Balance,
    CreditLine,
    Entry,
    EntryBatch,
    EntryDetail,
    EntryTotals,
    Exchange,
    Statement,
)
from h2h.messages import MessageType
from h2h.model import StatementFile
from h2h.reported import Charge, Money, Party
from tests.core.chance import Chance
from tests.core.inventing_statements import BALANCES, Told, ToldFile, alone, implied
from tests.core.writing import Element, Part, Pen, amount, box, flag, frame, leaf, moment, money, number

GROUPS = {"camt.052": "Rpt", "camt.053": "Stmt", "camt.054": "Ntfctn"}


def statement_message(file: ToldFile, row: MessageType, chance: Chance) -> Element:
    pen = Pen(row.generation, chance)
    group = GROUPS[row.family]
    return frame(row.root, _header(pen, file.head), [_group(pen, group, file.head, each) for each in file.statements])


def _header(pen: Pen, head: StatementFile) -> Element:
    return frame(
        "GrpHdr",
        leaf("MsgId", head.message_id),
        leaf("CreDtTm", head.created_at),
        pen.word("MsgRcpt", head.recipient),
        _page(pen, "MsgPgntn", head.page_number, head.last_page),
        pen.noise(lambda: frame("OrgnlBizQry", leaf("MsgId", "query"))) if pen.year >= 2013 else None,
        leaf("AddtlInf", head.additional_information),
    )


def _page(pen: Pen, name: str, number: str | None, last: bool | None) -> Element | None:
    return frame(name, leaf("PgNb", number), flag("LastPgInd", last, pen.chance)) if number else None


def _group(pen: Pen, group: str, head: StatementFile, told: Told) -> Element:
    said = told.statement
    same = (said.page_number, said.last_page) == (head.page_number, head.last_page)
    paged = pen.year >= 2013 and (not same or pen.chance.yes())
    period = (leaf("FrDtTm", said.period_from), leaf("ToDtTm", said.period_to))
    return frame(
        group,
        leaf("Id", said.statement_id),
        _page(pen, f"{group}Pgntn", said.page_number, said.last_page) if paged else None,
        leaf("ElctrncSeqNb", said.electronic_sequence_number),
        _sequence(said) if said.reporting_sequence else None,
        leaf("LglSeqNb", said.legal_sequence_number),
        leaf("CreDtTm", said.created_at),
        box("FrToDt", *period),
        leaf("CpyDplctInd", said.copy_duplicate),
        pen.code("RptgSrc", said.reporting_source),
        _account(pen, said),
        pen.account("RltdAcct", said.related_account),
        pen.noise(lambda: frame("Intrst", leaf("Rsn", "none"))),
        [_balance(pen, each) for each in said.balances],
        _totals(pen, said.totals) if said.totals else None,
        [_entry(pen, each) for each in told.entries],
        leaf(f"Addtl{group}Inf", told.note.text) if told.note else None,
    )


def _sequence(said: Statement) -> Element:
    parts: list[Part] = []
    for each in said.reporting_sequence:
        if each.kind == "FrToSeq":
            parts.append(frame(each.kind, leaf("FrSeq", each.first), leaf("ToSeq", each.last)))
        else:
            parts.append(leaf(each.kind, each.first or each.last))
    return frame("RptgSeq", *parts)


def _account(pen: Pen, said: Statement) -> Element:
    number = said.iban or said.account
    return frame(
        "Acct",
        pen.account_id(number) if number else None,
        pen.noise(lambda: frame("Tp", leaf("Cd", "CACC"))),
        leaf("Ccy", said.currency),
        leaf("Nm", said.account_name),
        pen.party("Ownr", said.owner, None) if said.owner else None,
        pen.agent("Svcr", said.servicer),
    )


def _balance(pen: Pen, said: Balance) -> Element:
    kind = pen.code("CdOrPrtry", said.type, codes=BALANCES if pen.year < 2019 else None)
    return frame(
        "Bal",
        frame("Tp", kind, pen.code("SubTp", said.subtype)),
        [_credit_line(pen, each) for each in said.credit_lines],
        amount("Amt", said.amount, said.currency),
        leaf("CdtDbtInd", said.direction),
        moment("Dt", said.date),
        _availability(said.availability),
    )


def _credit_line(pen: Pen, said: CreditLine) -> Element:
    return frame(
        "CdtLine",
        flag("Incl", said.included, pen.chance),
        pen.code("Tp", said.type),
        amount("Amt", said.amount, said.currency),
        moment("Dt", said.date),
    )


def _availability(said: Iterable[Availability]) -> list[Element]:
    return [
        frame(
            "Avlbty",
            frame("Dt", leaf("NbOfDays", each.days), leaf("ActlDt", each.date)),
            amount("Amt", each.amount, each.currency),
            leaf("CdtDbtInd", each.direction),
        )
        for each in said
    ]


def _totals(pen: Pen, said: EntryTotals) -> Element:
    direction = leaf("CdtDbtInd", said.net_direction)
    if pen.year == 2009:
        net: list[Part] = [number("TtlNetNtryAmt", said.net), direction]
    else:
        net = [frame("TtlNetNtry", number("Amt", said.net), direction) if said.net is not None else None]
    return frame(
        "TxsSummry",
        box("TtlNtries", leaf("NbOfNtries", said.number), number("Sum", said.sum), *net),
        box("TtlCdtNtries", leaf("NbOfNtries", said.credit_number), number("Sum", said.credit_sum)),
        box("TtlDbtNtries", leaf("NbOfNtries", said.debit_number), number("Sum", said.debit_sum)),
    )


def _entry(pen: Pen, said: Entry) -> Element:
    assert said.status
    return frame(
        "Ntry",
        leaf("NtryRef", said.reference),
        amount("Amt", said.amount, said.currency),
        leaf("CdtDbtInd", said.direction),
        flag("RvslInd", said.reversal, pen.chance),
        leaf("Sts", said.status) if pen.year < 2019 else pen.code("Sts", said.status),
        moment("BookgDt", said.booking_date),
        moment("ValDt", said.value_date),
        leaf("AcctSvcrRef", said.account_servicer_reference),
        _availability(said.availability),
        frame("BkTxCd", *_codes(said.transaction_code, said.proprietary_code, said.proprietary_issuer)),
        flag("ComssnWvrInd", pen.chance.flag(), pen.chance),
        frame("AddtlInfInd", pen.noise(lambda: leaf("MsgNmId", "camt.054")), leaf("MsgId", said.told_in))
        if said.told_in
        else None,
        box("AmtDtls", [_amount(each) for each in said.amounts]),
        _charges(pen, said.charges, said.charges_totals),
        pen.code("TechInptChanl", pen.chance.maybe(pen.chance.code)),
        _blocks(pen, said),
        leaf("AddtlNtryInf", said.additional_information),
    )


def _codes(code: str | None, proprietary: str | None, issuer: str | None = None) -> list[Part]:
    domain, family, below = code.split("/") if code else ("", "", "")
    inner = frame("Fmly", leaf("Cd", family), leaf("SubFmlyCd", below))
    return [
        frame("Domn", leaf("Cd", domain), inner) if code else None,
        frame("Prtry", leaf("Cd", proprietary), leaf("Issr", issuer)) if proprietary else None,
    ]


def _amount(said: AmountDetail) -> Element:
    value, kind = amount("Amt", said.amount, said.currency), leaf("Tp", said.type)
    return frame(said.kind, kind, value, _exchange(said.exchange) if said.exchange else None)


def _exchange(said: Exchange) -> Element:
    return frame(
        "CcyXchg",
        leaf("SrcCcy", said.source_currency),
        leaf("TrgtCcy", said.target_currency),
        leaf("UnitCcy", said.unit_currency),
        number("XchgRate", said.rate),
        leaf("CtrctId", said.contract),
        leaf("QtnDt", said.quoted_at),
        number("XchgRateBase", said.base),
    )


def _charges(pen: Pen, said: Iterable[Charge], totals: Iterable[Money]) -> list[Element]:
    """One block since 2013; before, one for each charge, and a total in any of them."""
    sums = [each for total in totals if (each := money("TtlChrgsAndTaxAmt", total))]
    if pen.year == 2009:
        blocks = [pen.charge("Chrgs", each) for each in said]
        for total in sums:
            at = pen.chance.below(len(blocks))
            blocks[at] = frame("Chrgs", total, blocks[at].parts)
        return blocks
    block = box("Chrgs", sums, [pen.charge("Rcrd", each) for each in said])
    return [block] if block else []


def _blocks(pen: Pen, said: Entry) -> list[Element]:
    """NtryDtls: one for each batch, in order, and any number of those outside of a batch."""
    blocks: list[Element] = []
    written = 0
    for batch, group in groupby(said.details, key=lambda each: each.batch):
        inside = [_detail(pen, each, said) for each in group]
        blocks += [_block(each) for each in said.batches[written : max(batch - 1, written)]]
        written = max(batch, written)
        if batch:
            blocks.append(_block(said.batches[batch - 1], inside))
        elif len(inside) > 1 and pen.chance.yes():
            blocks += [frame("NtryDtls", inside[:1]), frame("NtryDtls", inside[1:])]
        else:
            blocks.append(frame("NtryDtls", inside))
    return blocks + [_block(each) for each in said.batches[written:]]


def _block(batch: EntryBatch, inside: Iterable[Element] = ()) -> Element:
    written = frame(
        "Btch",
        leaf("MsgId", batch.message_id),
        leaf("PmtInfId", batch.payment_information_id),
        leaf("NbOfTxs", batch.number_of_transactions),
        amount("TtlAmt", batch.total, batch.currency),
        leaf("CdtDbtInd", batch.direction),
    )
    return frame("NtryDtls", written, inside)


def _detail(pen: Pen, said: EntryDetail, entry: Entry) -> Element:
    return frame(
        "TxDtls",
        _references(said),
        _own_amount(pen, said, entry),
        box("AmtDtls", [_amount(each) for each in said.amounts]),
        _availability(said.availability),
        box("BkTxCd", *_codes(said.transaction_code, said.proprietary_code, said.proprietary_issuer)),
        _charges(pen, said.charges, said.charges_totals),
        _parties(pen, said),
        _agents(pen, said),
        pen.code("LclInstrm", said.local_instrument, most=35),
        pen.code("Purp", said.purpose),
        pen.noise(lambda: frame("RltdRmtInf", leaf("RmtId", "elsewhere"))),
        pen.remittance(said.remittance, said.structured_remittance),
        _dates(said),
        frame("Tax", pen.noise(lambda: leaf("RefNb", "T")), money("TtlTaxAmt", said.tax)) if said.tax else None,
        _return(pen, said),
        leaf("AddtlTxInf", said.additional_information),
    )


def _own_amount(pen: Pen, said: EntryDetail, entry: Entry) -> list[Element]:
    """Amt and CdtDbtInd: where they must stand, or say what nothing else does; else by chance."""
    if pen.year == 2009:
        return []
    only, must, c = alone(entry, len(entry.details)), pen.year < 2019, pen.chance
    same = (said.amount, said.currency) == implied(said.amounts, entry, only=only)
    value = None if same and not must and c.yes() else amount("Amt", said.amount, said.currency)
    known = said.direction == (entry.direction if only else None)
    direction = None if known and not must and c.yes() else leaf("CdtDbtInd", said.direction)
    return [each for each in (value, direction) if each]


def _references(said: EntryDetail) -> Element | None:
    kinds = {each.kind for each in said.references}
    others = [leaf(each.kind, each.value) for each in said.references if each.kind != "Prtry"]
    own = [each for each in said.references if each.kind == "Prtry"]
    assert len(kinds - {"Prtry"}) == len(others)
    return box(
        "Refs",
        leaf("MsgId", said.message_id),
        leaf("AcctSvcrRef", said.account_servicer_reference),
        leaf("PmtInfId", said.payment_information_id),
        leaf("InstrId", said.instruction_id),
        leaf("EndToEndId", said.end_to_end_id),
        leaf("UETR", said.uetr),
        leaf("TxId", said.transaction_id),
        leaf("MndtId", said.mandate_id),
        *others,
        [frame("Prtry", leaf("Tp", each.type), leaf("Ref", each.value)) for each in own],
    )


def _parties(pen: Pen, said: EntryDetail) -> Element | None:
    named = {each.role: each for each in said.parties if each.role != "Prtry"}

    def one(role: str) -> Element | None:
        return pen.party(role, named[role].name, named[role].id, wrapped=True) if role in named else None

    def side(role: str, name: str | None, word: str | None) -> Element | None:
        return pen.party(role, name, word, wrapped=True) if name or word else None

    return box(
        "RltdPties",
        one("InitgPty"),
        side("Dbtr", said.debtor_name, said.debtor_id),
        pen.account("DbtrAcct", said.debtor_account),
        one("UltmtDbtr"),
        side("Cdtr", said.creditor_name, said.creditor_id),
        pen.account("CdtrAcct", said.creditor_account),
        one("UltmtCdtr"),
        one("TradgPty"),
        [_own_party(pen, each) for each in said.parties if each.role == "Prtry"],
    )


def _own_party(pen: Pen, said: Party) -> Element:
    return frame("Prtry", leaf("Tp", said.type), pen.party("Pty", said.name, said.id, wrapped=True))


def _agents(pen: Pen, said: EntryDetail) -> Element | None:
    named = [each for each in said.agents if each.role != "Prtry"]
    own = [each for each in said.agents if each.role == "Prtry"]
    others = [pen.full_agent(each.role, each.name, each.id) for each in named]
    between = sum(each.role in ("InstgAgt", "InstdAgt") for each in named)
    return box(
        "RltdAgts",
        others[:between],
        pen.agent("DbtrAgt", said.debtor_agent),
        pen.agent("CdtrAgt", said.creditor_agent),
        others[between:],
        [frame("Prtry", leaf("Tp", each.type), pen.full_agent("Agt", each.name, each.id)) for each in own],
    )


def _dates(said: EntryDetail) -> Element | None:
    return box(
        "RltdDts",
        [
            frame("Prtry", leaf("Tp", each.type), moment("Dt", each.date))
            if each.kind == "Prtry"
            else Element(each.kind, each.date)
            for each in said.dates
        ],
    )


def _return(pen: Pen, said: EntryDetail) -> Element | None:
    if said.return_reason is None:
        return None
    codes = _codes(said.returned_transaction_code, said.returned_proprietary_code)
    return pen.reason("RtrInf", said.return_reason, box("OrgnlBkTxCd", *codes))
