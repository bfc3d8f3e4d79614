"""Reader of pain.002, payment status report, every version.

A status may stand at the file, the batch or the payment; what is not said is None, and nothing is inferred here.
Statuses of transactions stand in their batch, or (in the first versions) directly below the message (group 0).
"""

from __future__ import annotations

from h2h.messages.blocks import charge, party, structured_remittance
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
    money,
    name,
    party_id,
    reason,
)
from h2h.messages.xml import Node
from h2h.model import BatchStatus, PaymentStatus, Reason, Record, StatusReport
from h2h.reported import OriginalTransaction, Party, StatusCount

_OTHER_PARTIES = ("UltmtDbtr", "UltmtCdtr", "CdtrSchmeId")
_NOTHING = Node("", "", {}, (), None)


def status_report(node: Node, *, message: str, faults: Faults) -> StatusReport:
    header, original = node.node("GrpHdr") or _NOTHING, node.node("OrgnlGrpInfAndSts") or _NOTHING
    initiator = header.node("InitgPty")
    return StatusReport(
        message=message,
        message_id=header.text("MsgId"),
        created_at=header.text("CreDtTm"),
        original_message_id=original.text("OrgnlMsgId"),
        original_message=original.text("OrgnlMsgNmId"),
        original_created_at=original.text("OrgnlCreDtTm"),
        original_number_of_transactions=original.text("OrgnlNbOfTxs"),
        original_control_sum=amount(original.node("OrgnlCtrlSum"), faults),
        status=original.text("GrpSts"),
        reasons=_reasons(original),
        counts=_counts(original, faults),
        initiating_party=name(initiator) or party_id(initiator),
        forwarding_agent=agent_word(header.node("FwdgAgt")),
        debtor_agent=agent_word(header.node("DbtrAgt")),
        creditor_agent=agent_word(header.node("CdtrAgt")),
        line=original.line or node.line,
    )


def batch_status(node: Node, *, position: int, head: Record, faults: Faults) -> BatchStatus:
    assert isinstance(head, StatusReport)
    return BatchStatus(
        position=position,
        payment_information_id=node.text("OrgnlPmtInfId"),
        original_message_id=node.text("OrgnlGrpInf", "OrgnlMsgId") or head.original_message_id,
        number_of_transactions=node.text("OrgnlNbOfTxs"),
        control_sum=amount(node.node("OrgnlCtrlSum"), faults),
        status=node.text("PmtInfSts"),
        reasons=_reasons(node),
        counts=_counts(node, faults),
        line=node.line,
    )


def payment_status(node: Node, *, place: Place, group: Record | None, faults: Faults) -> PaymentStatus:
    assert isinstance(group, BatchStatus | None)
    original = node.node("OrgnlTxRef")
    amounts = original.node("Amt") if original else None
    value = (amounts.node("InstdAmt") or amounts.node("EqvtAmt", "Amt")) if amounts else None
    return PaymentStatus(
        position=place.in_file,
        batch=place.group,
        payment_information_id=group.payment_information_id if group else node.text("OrgnlPmtInfId"),
        original_message_id=node.text("OrgnlGrpInf", "OrgnlMsgId"),
        status_id=node.text("StsId"),
        instruction_id=node.text("OrgnlInstrId") or node.text("OrgnlInstrdId"),  # misspelt by some banks
        end_to_end_id=node.text("OrgnlEndToEndId"),
        transaction_id=node.text("OrgnlTxId"),
        uetr=node.text("OrgnlUETR"),
        status=node.text("TxSts"),
        reasons=_reasons(node),
        charges=tuple(charge(each, faults) for each in node.nodes("ChrgsInf")),
        amount=amount(value, faults),
        currency=currency(value),
        accepted_at=node.text("AccptncDtTm"),
        account_servicer_reference=node.text("AcctSvcrRef"),
        clearing_system_reference=node.text("ClrSysRef"),
        original=_original(original, faults) if original else None,
        line=node.line,
    )


def _original(node: Node, faults: Faults) -> OriginalTransaction:
    parts = node.parts()
    remittance = parts.get("RmtInf") or _NOTHING
    return OriginalTransaction(
        settlement_amount=money(parts.get("IntrBkSttlmAmt"), faults),
        settlement_date=node.text("IntrBkSttlmDt"),
        requested_execution_date=date(parts.get("ReqdExctnDt")),
        requested_collection_date=node.text("ReqdColltnDt"),
        mandate_id=_mandate(parts.get("MndtRltdInf")),
        purpose=code(parts.get("Purp")),
        debtor_name=name(parts.get("Dbtr")) or party_id(parts.get("Dbtr")),
        debtor_account=account_number(parts.get("DbtrAcct")),
        debtor_agent=agent_word(parts.get("DbtrAgt")),
        creditor_name=name(parts.get("Cdtr")) or party_id(parts.get("Cdtr")),
        creditor_account=account_number(parts.get("CdtrAcct")),
        creditor_agent=agent_word(parts.get("CdtrAgt")),
        parties=_parties(parts),
        remittance=tuple(remittance.all("Ustrd")),
        structured=structured_remittance(remittance.nodes("Strd"), faults),
    )


def _mandate(node: Node | None) -> str | None:
    """Since 2024 below the kind of the mandate."""
    if node is None:
        return None
    return node.text("MndtId") or node.text("DrctDbtMndt", "MndtId") or node.text("CdtTrfMndt", "MndtId")


def _parties(parts: dict[str, Node]) -> tuple[Party, ...]:
    return tuple(party(parts[role]) for role in _OTHER_PARTIES if role in parts)


def _counts(node: Node, faults: Faults) -> tuple[StatusCount, ...]:
    return tuple(
        StatusCount(
            status=each.text("DtldSts"),
            number=each.text("DtldNbOfTxs"),
            sum=amount(each.node("DtldCtrlSum"), faults),
        )
        for each in node.nodes("NbOfTxsPerSts")
    )


def _reasons(node: Node) -> tuple[Reason, ...]:
    return tuple(reason(each) for each in node.nodes("StsRsnInf"))


SHAPES = (
    Shape(
        message="CstmrPmtStsRpt",
        group="OrgnlPmtInfAndSts",
        item="TxInfAndSts",
        read_head=status_report,
        read_group=batch_status,
        read_item=payment_status,
    ),
)
