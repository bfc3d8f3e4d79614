"""Writes an invented pain.002 as its version has it."""

from __future__ import annotations

from collections.abc import Iterable

from h2h.messages import MessageType
from h2h.model import BatchStatus, PaymentStatus
from h2h.reported import OriginalTransaction, StatusCount
from tests.core.chance import Chance
from tests.core.inventing_reports import ToldReport
from tests.core.writing import Element, Pen, amount, frame, leaf, moment, money, number


def report_message(report: ToldReport, row: MessageType, chance: Chance) -> Element:
    pen, head = Pen(row.generation, chance), report.head
    return frame(
        row.root,
        frame(
            "GrpHdr",
            leaf("MsgId", head.message_id),
            leaf("CreDtTm", head.created_at),
            pen.word("InitgPty", head.initiating_party),
            pen.agent("FwdgAgt", head.forwarding_agent),
            pen.agent("DbtrAgt", head.debtor_agent),
            pen.agent("CdtrAgt", head.creditor_agent),
        ),
        frame(
            "OrgnlGrpInfAndSts",
            leaf("OrgnlMsgId", head.original_message_id),
            leaf("OrgnlMsgNmId", head.original_message),
            leaf("OrgnlCreDtTm", head.original_created_at),
            leaf("OrgnlNbOfTxs", head.original_number_of_transactions),
            number("OrgnlCtrlSum", head.original_control_sum),
            leaf("GrpSts", head.status),
            [pen.reason("StsRsnInf", each) for each in head.reasons],
            _counts(head.counts),
        ),
        [_batch(pen, row, batch, inside) for batch, inside in report.batches],
    )


def _counts(said: Iterable[StatusCount]) -> list[Element]:
    return [
        frame(
            "NbOfTxsPerSts",
            leaf("DtldNbOfTxs", each.number),
            leaf("DtldSts", each.status),
            number("DtldCtrlSum", each.sum),
        )
        for each in said
    ]


def _batch(pen: Pen, row: MessageType, said: BatchStatus, inside: Iterable[PaymentStatus]) -> Element:
    return frame(
        "OrgnlPmtInfAndSts",
        leaf("OrgnlPmtInfId", said.payment_information_id),
        leaf("OrgnlNbOfTxs", said.number_of_transactions),
        number("OrgnlCtrlSum", said.control_sum),
        leaf("PmtInfSts", said.status),
        [pen.reason("StsRsnInf", each) for each in said.reasons],
        _counts(said.counts),
        [_payment(pen, row, each) for each in inside],
    )


def _payment(pen: Pen, row: MessageType, said: PaymentStatus) -> Element:
    return frame(
        "TxInfAndSts",
        leaf("StsId", said.status_id),
        leaf("OrgnlInstrId", said.instruction_id),
        leaf("OrgnlEndToEndId", said.end_to_end_id),
        leaf("OrgnlUETR", said.uetr),
        leaf("TxSts", said.status),
        [pen.reason("StsRsnInf", each) for each in said.reasons],
        [pen.status_charge(each) for each in said.charges],
        leaf("AccptncDtTm", said.accepted_at),
        leaf("AcctSvcrRef", said.account_servicer_reference),
        leaf("ClrSysRef", said.clearing_system_reference),
        _original(pen, row, said, said.original) if said.original else None,
    )


def _original(pen: Pen, row: MessageType, payment: PaymentStatus, said: OriginalTransaction) -> Element:
    others = {each.role: each for each in said.parties}

    def other(role: str) -> Element | None:
        wrapped = role != "CdtrSchmeId"
        return pen.party(role, others[role].name, others[role].id, wrapped=wrapped) if role in others else None

    executed = leaf if pen.year == 2009 else moment
    return frame(
        "OrgnlTxRef",
        money("IntrBkSttlmAmt", said.settlement_amount),
        _amount(pen, payment),
        leaf("IntrBkSttlmDt", said.settlement_date),
        leaf("ReqdColltnDt", said.requested_collection_date),
        executed("ReqdExctnDt", said.requested_execution_date),
        other("CdtrSchmeId"),
        pen.noise(lambda: frame("PmtTpInf", frame("SvcLvl", leaf("Cd", "SEPA")))),
        _mandate(pen, row, said.mandate_id) if said.mandate_id else None,
        pen.remittance(said.remittance, said.structured),
        other("UltmtDbtr"),
        pen.word("Dbtr", said.debtor_name, wrapped=True),
        pen.account("DbtrAcct", said.debtor_account),
        pen.agent("DbtrAgt", said.debtor_agent),
        pen.agent("CdtrAgt", said.creditor_agent),
        pen.word("Cdtr", said.creditor_name, wrapped=True),
        pen.account("CdtrAcct", said.creditor_account),
        other("UltmtCdtr"),
        pen.code("Purp", said.purpose),
    )


def _amount(pen: Pen, said: PaymentStatus) -> Element | None:
    if said.amount is None:
        return None
    if pen.chance.yes():
        equivalent = amount("Amt", said.amount, said.currency)
        return frame("Amt", frame("EqvtAmt", equivalent, leaf("CcyOfTrf", "NOK")))
    return frame("Amt", amount("InstdAmt", said.amount, said.currency))


def _mandate(pen: Pen, row: MessageType, mandate_id: str) -> Element:
    """Since version .11 below its kind."""
    inside = leaf("MndtId", mandate_id)
    if row.name < "pain.002.001.11":
        return frame("MndtRltdInf", inside)
    return frame("MndtRltdInf", frame(pen.chance.of(("DrctDbtMndt", "CdtTrfMndt")), inside))
