"""Reader of pain.008, customer direct debit initiation, every version since 2009 (.02)."""

from __future__ import annotations

from h2h.messages.elements import (
    Faults,
    Place,
    Shape,
    amount,
    bic,
    code,
    currency,
    flag,
    iban,
    name,
    other_account,
    remittance,
)
from h2h.messages.xml import Node
from h2h.model import DirectDebit, DirectDebitBatch, DirectDebitFile, Record


def direct_debit_file(node: Node, *, message: str, faults: Faults) -> DirectDebitFile:
    header = node.node("GrpHdr") or node
    return DirectDebitFile(
        message=message,
        message_id=header.text("MsgId"),
        created_at=header.text("CreDtTm"),
        number_of_transactions=header.text("NbOfTxs"),
        control_sum=amount(header.node("CtrlSum"), faults),
        initiating_party=name(header.node("InitgPty")),
        line=header.line,
    )


def batch(node: Node, *, position: int, head: Record, faults: Faults) -> DirectDebitBatch:  # noqa: ARG001
    account = node.node("CdtrAcct")
    return DirectDebitBatch(
        position=position,
        payment_information_id=node.text("PmtInfId"),
        payment_method=node.text("PmtMtd"),
        batch_booking=flag(node.node("BtchBookg"), faults),
        number_of_transactions=node.text("NbOfTxs"),
        control_sum=amount(node.node("CtrlSum"), faults),
        service_level=code(node.node("PmtTpInf", "SvcLvl")),
        local_instrument=code(node.node("PmtTpInf", "LclInstrm")),
        sequence_type=node.text("PmtTpInf", "SeqTp"),
        requested_collection_date=node.text("ReqdColltnDt"),
        creditor_name=name(node.node("Cdtr")),
        creditor_iban=iban(account),
        creditor_account=other_account(account),
        creditor_agent=bic(node.node("CdtrAgt")),
        creditor_scheme_id=_scheme_id(node.node("CdtrSchmeId")),
        line=node.line,
    )


def direct_debit(node: Node, *, place: Place, group: Record | None, faults: Faults) -> DirectDebit:
    assert isinstance(group, DirectDebitBatch | None)
    value, account, mandate = node.node("InstdAmt"), node.node("DbtrAcct"), node.node("DrctDbtTx", "MndtRltdInf")
    return DirectDebit(
        position=place.in_file,
        batch=place.group,
        payment_information_id=group.payment_information_id if group else None,
        instruction_id=node.text("PmtId", "InstrId"),
        end_to_end_id=node.text("PmtId", "EndToEndId"),
        uetr=node.text("PmtId", "UETR"),
        amount=amount(value, faults),
        currency=currency(value),
        mandate_id=mandate.text("MndtId") if mandate else None,
        mandate_signed=mandate.text("DtOfSgntr") if mandate else None,
        sequence_type=node.text("PmtTpInf", "SeqTp") or (group.sequence_type if group else None),
        creditor_scheme_id=_scheme_id(node.node("DrctDbtTx", "CdtrSchmeId"))
        or (group.creditor_scheme_id if group else None),
        debtor_name=name(node.node("Dbtr")),
        debtor_iban=iban(account),
        debtor_account=other_account(account),
        debtor_agent=bic(node.node("DbtrAgt")),
        collection_date=group.requested_collection_date if group else None,
        remittance=remittance(node),
        line=node.line,
    )


def _scheme_id(party: Node | None) -> str | None:
    """By which a creditor is known to the scheme, as in DE98ZZZ09999999999."""
    if party is None:
        return None
    return party.text("Id", "PrvtId", "Othr", "Id") or party.text("Id", "OrgId", "Othr", "Id")


SHAPES = (
    Shape(
        message="CstmrDrctDbtInitn",
        group="PmtInf",
        item="DrctDbtTxInf",
        read_head=direct_debit_file,
        read_group=batch,
        read_item=direct_debit,
    ),
)
