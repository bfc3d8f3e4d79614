"""Reader of camt.053, bank to customer statement, every version since 2009 (.02).

The sign of an amount comes from CdtDbtInd alone; RvslInd is told and never flips it. Where in a transaction's details
its amount stands differs by version and bank: see `_own_amount`.
"""

from __future__ import annotations

from h2h.messages.elements import (
    Faults,
    Place,
    Shape,
    amount,
    bic,
    code,
    currency,
    date,
    flag,
    iban,
    name,
    other_account,
    reason,
)
from h2h.messages.xml import Node
from h2h.model import Balance, Entry, EntryDetail, Record, Statement, StatementFile


def statement_file(node: Node, *, message: str, faults: Faults) -> StatementFile:
    header = node.node("GrpHdr") or node
    return StatementFile(
        message=message,
        message_id=header.text("MsgId"),
        created_at=header.text("CreDtTm"),
        page_number=header.text("MsgPgntn", "PgNb"),
        last_page=flag(header.node("MsgPgntn", "LastPgInd"), faults),
        line=header.line,
    )


def statement(node: Node, *, position: int, faults: Faults) -> Statement:
    account = node.node("Acct")
    return Statement(
        position=position,
        statement_id=node.text("Id"),
        electronic_sequence_number=node.text("ElctrncSeqNb"),
        legal_sequence_number=node.text("LglSeqNb"),
        created_at=node.text("CreDtTm"),
        period_from=node.text("FrToDt", "FrDtTm"),
        period_to=node.text("FrToDt", "ToDtTm"),
        copy_duplicate=node.text("CpyDplctInd"),
        page_number=node.text("StmtPgntn", "PgNb"),
        last_page=flag(node.node("StmtPgntn", "LastPgInd"), faults),
        iban=iban(account),
        account=other_account(account),
        currency=node.text("Acct", "Ccy"),
        owner=name(node.node("Acct", "Ownr")),
        servicer=_servicer(node.node("Acct", "Svcr")),
        balances=tuple(_balance(each, faults) for each in node.nodes("Bal")),
        line=node.line,
    )


def entry(node: Node, *, place: Place, group: Record | None, faults: Faults) -> Entry:  # noqa: ARG001
    value = node.node("Amt")
    batch = node.node("NtryDtls", "Btch")
    details = node.nodes("NtryDtls", "TxDtls")
    return Entry(
        position=place.in_group,
        statement=place.group,
        amount=amount(value, faults),
        currency=currency(value),
        direction=node.text("CdtDbtInd"),
        reversal=flag(node.node("RvslInd"), faults),
        status=code(node.node("Sts")),
        reference=node.text("NtryRef"),
        booking_date=date(node.node("BookgDt")),
        value_date=date(node.node("ValDt")),
        account_servicer_reference=node.text("AcctSvcrRef"),
        transaction_code=_transaction_code(node),
        proprietary_code=node.text("BkTxCd", "Prtry", "Cd"),
        batch_message_id=batch.text("MsgId") if batch else None,
        batch_payment_information_id=batch.text("PmtInfId") if batch else None,
        batch_number_of_transactions=batch.text("NbOfTxs") if batch else None,
        additional_information=node.text("AddtlNtryInf"),
        details=tuple(_detail(each, at, node, len(details) == 1, faults) for at, each in enumerate(details, start=1)),
        line=node.line,
    )


def _detail(node: Node, position: int, entry: Node, only: bool, faults: Faults) -> EntryDetail:
    value = _own_amount(node, currency(entry.node("Amt"))) or (entry.node("Amt") if only else None)
    instructed = node.node("AmtDtls", "InstdAmt", "Amt")
    parties = node.node("RltdPties") or Node("RltdPties", "", {}, (), None)
    returned = node.node("RtrInf")
    return EntryDetail(
        position=position,
        message_id=node.text("Refs", "MsgId"),
        payment_information_id=node.text("Refs", "PmtInfId"),
        instruction_id=node.text("Refs", "InstrId"),
        end_to_end_id=node.text("Refs", "EndToEndId"),
        transaction_id=node.text("Refs", "TxId"),
        uetr=node.text("Refs", "UETR"),
        mandate_id=node.text("Refs", "MndtId"),
        account_servicer_reference=node.text("Refs", "AcctSvcrRef"),
        amount=amount(value, faults),
        currency=currency(value),
        direction=node.text("CdtDbtInd") or (entry.text("CdtDbtInd") if only else None),
        instructed_amount=amount(instructed, faults),
        instructed_currency=currency(instructed),
        debtor_name=name(parties.node("Dbtr")),
        debtor_account=iban(parties.node("DbtrAcct")) or other_account(parties.node("DbtrAcct")),
        creditor_name=name(parties.node("Cdtr")),
        creditor_account=iban(parties.node("CdtrAcct")) or other_account(parties.node("CdtrAcct")),
        remittance=tuple(node.all("RmtInf", "Ustrd")),
        structured=tuple(node.all("RmtInf", "Strd", "CdtrRefInf", "Ref")),
        return_reason=reason(returned) if returned else None,
        additional_information=node.text("AddtlTxInf"),
    )


def _own_amount(details: Node, entry_currency: str | None) -> Node | None:
    """TxDtls/Amt, else AmtDtls/TxAmt, else AmtDtls/InstdAmt where it is in the currency of the entry."""
    instructed = details.node("AmtDtls", "InstdAmt", "Amt")
    return (
        details.node("Amt")
        or details.node("AmtDtls", "TxAmt", "Amt")
        or (instructed if currency(instructed) == entry_currency else None)
    )


def _balance(node: Node, faults: Faults) -> Balance:
    value = node.node("Amt")
    return Balance(
        type=code(node.node("Tp", "CdOrPrtry")),
        amount=amount(value, faults),
        currency=currency(value),
        direction=node.text("CdtDbtInd"),
        date=date(node.node("Dt")),
    )


def _servicer(agent: Node | None) -> str | None:
    return (bic(agent) or agent.text("FinInstnId", "Nm")) if agent else None


def _transaction_code(entry: Node) -> str | None:
    """Domain/family/sub-family, as in PMNT/ICDT/ESCT."""
    domain = entry.node("BkTxCd", "Domn")
    if domain is None:
        return None
    parts = (domain.text("Cd"), domain.text("Fmly", "Cd"), domain.text("Fmly", "SubFmlyCd"))
    return "/".join(part or "" for part in parts)


def _lacks_balances(record: Record) -> bool:
    return isinstance(record, Statement) and not record.balances


SHAPE = Shape(
    message="BkToCstmrStmt",
    group="Stmt",
    item="Ntry",
    read_head=statement_file,
    read_group=statement,
    read_item=entry,
    incomplete=_lacks_balances,
)
