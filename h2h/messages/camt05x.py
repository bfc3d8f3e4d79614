"""Reader of camt.052, .053 and .054: report, statement and notification of a bank to its customer, every version.

The three differ in the name of their root and their groups, and in which balances they have. The sign of an amount
comes from CdtDbtInd alone; RvslInd is told and never flips it. The page stands in the group, or (2009) in the header.
"""

from __future__ import annotations

from functools import partial

from h2h.booked import CreditLine, EntryBatch, EntryTotals, SequenceRange
from h2h.messages.blocks import amounts, availability, charges, charges_totals
from h2h.messages.elements import (
    Faults,
    Place,
    Shape,
    account_number,
    agent_word,
    amount,
    code,
    currency,
    date,
    flag,
    iban,
    money,
    name,
    never,
    other_account,
    party_id,
)
from h2h.messages.transaction import bank_transaction_code, details, proprietary_code
from h2h.messages.xml import Node
from h2h.model import Balance, Entry, Record, Statement, StatementFile, StatementNote


def statement_file(node: Node, *, message: str, faults: Faults) -> StatementFile:
    header = node.node("GrpHdr") or node
    recipient = header.node("MsgRcpt")
    return StatementFile(
        message=message,
        message_id=header.text("MsgId"),
        created_at=header.text("CreDtTm"),
        page_number=header.text("MsgPgntn", "PgNb"),
        last_page=flag(header.node("MsgPgntn", "LastPgInd"), faults),
        recipient=name(recipient) or party_id(recipient),
        additional_information=header.text("AddtlInf"),
        line=header.line,
    )


def statement(node: Node, *, position: int, head: Record, faults: Faults, pagination: str) -> Statement:
    assert isinstance(head, StatementFile)
    account, page = node.node("Acct"), node.node(pagination)
    servicer = account.node("Svcr") if account else None
    return Statement(
        position=position,
        statement_id=node.text("Id"),
        message=head.message,
        electronic_sequence_number=node.text("ElctrncSeqNb"),
        legal_sequence_number=node.text("LglSeqNb"),
        reporting_sequence=_sequence(node.node("RptgSeq")),
        created_at=node.text("CreDtTm"),
        period_from=node.text("FrToDt", "FrDtTm"),
        period_to=node.text("FrToDt", "ToDtTm"),
        copy_duplicate=node.text("CpyDplctInd"),
        reporting_source=code(node.node("RptgSrc")),
        page_number=page.text("PgNb") if page else head.page_number,
        last_page=flag(page.node("LastPgInd"), faults) if page else head.last_page,
        iban=iban(account),
        account=other_account(account),
        currency=node.text("Acct", "Ccy"),
        account_name=node.text("Acct", "Nm"),
        related_account=account_number(node.node("RltdAcct")),
        owner=name(node.node("Acct", "Ownr")),
        servicer=agent_word(servicer),
        balances=tuple(_balance(each, faults) for each in node.nodes("Bal")),
        totals=_totals(node.node("TxsSummry"), faults),
        line=node.line,
    )


def note(node: Node, *, group: int) -> StatementNote | None:
    text = node.text()
    return StatementNote(statement=group, text=text, line=node.line) if text else None


def entry(node: Node, *, place: Place, group: Record | None, faults: Faults) -> Entry:  # noqa: ARG001
    parts = node.parts()
    value = parts.get("Amt")
    blocks = node.nodes("NtryDtls")
    batches = tuple(_batch(each, faults) for block in blocks for each in block.nodes("Btch"))
    first = batches[0] if batches else EntryBatch()
    more = (parts.get("Chrgs") and node.nodes("Chrgs")) or []
    return Entry(
        position=place.in_group,
        statement=place.group,
        amount=amount(value, faults),
        currency=currency(value),
        direction=node.text("CdtDbtInd"),
        reversal=flag(parts.get("RvslInd"), faults),
        status=code(parts.get("Sts")),
        reference=node.text("NtryRef"),
        booking_date=date(parts.get("BookgDt")),
        value_date=date(parts.get("ValDt")),
        account_servicer_reference=node.text("AcctSvcrRef"),
        transaction_code=bank_transaction_code(parts.get("BkTxCd")),
        proprietary_code=proprietary_code(parts.get("BkTxCd")),
        proprietary_issuer=node.text("BkTxCd", "Prtry", "Issr"),
        amounts=amounts(parts.get("AmtDtls"), faults),
        charges=charges(more, faults),
        charges_totals=charges_totals(more, faults),
        availability=availability(node.nodes("Avlbty"), faults) if "Avlbty" in parts else (),
        told_in=node.text("AddtlInfInd", "MsgId"),
        batches=batches,
        batch_message_id=first.message_id,
        batch_payment_information_id=first.payment_information_id,
        batch_number_of_transactions=first.number_of_transactions,
        additional_information=node.text("AddtlNtryInf"),
        details=details(node, batches, faults),
        line=node.line,
    )


def _batch(node: Node, faults: Faults) -> EntryBatch:
    value = node.node("TtlAmt")
    return EntryBatch(
        message_id=node.text("MsgId"),
        payment_information_id=node.text("PmtInfId"),
        number_of_transactions=node.text("NbOfTxs"),
        total=amount(value, faults),
        currency=currency(value),
        direction=node.text("CdtDbtInd"),
    )


def _balance(node: Node, faults: Faults) -> Balance:
    value = node.node("Amt")
    return Balance(
        type=code(node.node("Tp", "CdOrPrtry") or node.node("Tp")),
        subtype=code(node.node("Tp", "SubTp")),
        amount=amount(value, faults),
        currency=currency(value),
        direction=node.text("CdtDbtInd"),
        date=date(node.node("Dt")),
        credit_lines=tuple(_credit_line(each, faults) for each in node.nodes("CdtLine")),
        availability=availability(node.nodes("Avlbty"), faults),
    )


def _credit_line(node: Node, faults: Faults) -> CreditLine:
    value = money(node.node("Amt"), faults)
    return CreditLine(
        included=flag(node.node("Incl"), faults),
        type=code(node.node("Tp")),
        amount=value.amount if value else None,
        currency=value.currency if value else None,
        date=date(node.node("Dt")),
    )


def _totals(node: Node | None, faults: Faults) -> EntryTotals | None:
    """The net amount stands in an element of its own since 2013, with its direction."""
    if node is None:
        return None
    every = node.node("TtlNtries") or node
    net = every.node("TtlNetNtry")
    return EntryTotals(
        number=node.text("TtlNtries", "NbOfNtries"),
        sum=amount(node.node("TtlNtries", "Sum"), faults),
        net=amount(net.node("Amt") if net else every.node("TtlNetNtryAmt"), faults),
        net_direction=(net or every).text("CdtDbtInd"),
        credit_number=node.text("TtlCdtNtries", "NbOfNtries"),
        credit_sum=amount(node.node("TtlCdtNtries", "Sum"), faults),
        debit_number=node.text("TtlDbtNtries", "NbOfNtries"),
        debit_sum=amount(node.node("TtlDbtNtries", "Sum"), faults),
    )


def _sequence(node: Node | None) -> tuple[SequenceRange, ...]:
    return tuple(_range(each) for each in node.children) if node else ()


def _range(node: Node) -> SequenceRange:
    said = node.text()
    match node.name:
        case "FrSeq":
            return SequenceRange(kind=node.name, first=said)
        case "ToSeq":
            return SequenceRange(kind=node.name, last=said)
        case "FrToSeq":
            return SequenceRange(kind=node.name, first=node.text("FrSeq"), last=node.text("ToSeq"))
        case _:  # EQSeq, NEQSeq: one number
            return SequenceRange(kind=node.name, first=said, last=said)


def _lacks_balances(record: Record) -> bool:
    return isinstance(record, Statement) and not record.balances


def _shape(message: str, group: str) -> Shape:
    """A statement alone must have balances: where they do not come before its entries, they are waited for."""
    return Shape(
        message=message,
        group=group,
        item="Ntry",
        tail=f"Addtl{group}Inf",
        read_head=statement_file,
        read_group=partial(statement, pagination=f"{group}Pgntn"),
        read_item=entry,
        read_tail=note,
        incomplete=_lacks_balances if group == "Stmt" else never,
    )


SHAPES = (
    _shape("BkToCstmrAcctRpt", "Rpt"),
    _shape("BkToCstmrStmt", "Stmt"),
    _shape("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
)
