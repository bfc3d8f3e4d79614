"""Reader of pain.002, payment status report, every version since 2009 (.03).

A status may stand at the file, the batch or the payment; what is not said is None, and nothing is inferred here.
Statuses of transactions stand in their batch, or directly below the message (group 0).
"""

from __future__ import annotations

from h2h.messages.elements import Faults, Place, Shape, amount, currency, reason
from h2h.messages.xml import Node
from h2h.model import BatchStatus, PaymentStatus, Reason, Record, StatusReport


def status_report(node: Node, *, message: str, faults: Faults) -> StatusReport:
    original = node.node("OrgnlGrpInfAndSts") or Node("OrgnlGrpInfAndSts", "", {}, (), None)
    return StatusReport(
        message=message,
        message_id=node.text("GrpHdr", "MsgId"),
        created_at=node.text("GrpHdr", "CreDtTm"),
        original_message_id=original.text("OrgnlMsgId"),
        original_message=original.text("OrgnlMsgNmId"),
        original_number_of_transactions=original.text("OrgnlNbOfTxs"),
        original_control_sum=amount(original.node("OrgnlCtrlSum"), faults),
        status=original.text("GrpSts"),
        reasons=_reasons(original),
        line=original.line or node.line,
    )


def batch_status(node: Node, *, position: int, faults: Faults) -> BatchStatus:
    return BatchStatus(
        position=position,
        payment_information_id=node.text("OrgnlPmtInfId"),
        number_of_transactions=node.text("OrgnlNbOfTxs"),
        control_sum=amount(node.node("OrgnlCtrlSum"), faults),
        status=node.text("PmtInfSts"),
        reasons=_reasons(node),
        line=node.line,
    )


def payment_status(node: Node, *, place: Place, group: Record | None, faults: Faults) -> PaymentStatus:
    assert isinstance(group, BatchStatus | None)
    original = node.node("OrgnlTxRef", "Amt")
    value = (original.node("InstdAmt") or original.node("EqvtAmt", "Amt")) if original else None
    return PaymentStatus(
        position=place.in_file,
        batch=place.group,
        payment_information_id=group.payment_information_id if group else node.text("OrgnlPmtInfId"),
        status_id=node.text("StsId"),
        instruction_id=node.text("OrgnlInstrId"),
        end_to_end_id=node.text("OrgnlEndToEndId"),
        uetr=node.text("OrgnlUETR"),
        status=node.text("TxSts"),
        reasons=_reasons(node),
        amount=amount(value, faults),
        currency=currency(value),
        accepted_at=node.text("AccptncDtTm"),
        account_servicer_reference=node.text("AcctSvcrRef"),
        line=node.line,
    )


def _reasons(node: Node) -> tuple[Reason, ...]:
    return tuple(reason(each) for each in node.nodes("StsRsnInf"))


SHAPE = Shape(
    message="CstmrPmtStsRpt",
    group="OrgnlPmtInfAndSts",
    item="TxInfAndSts",
    read_head=status_report,
    read_group=batch_status,
    read_item=payment_status,
)
