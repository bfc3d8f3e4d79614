"""Reader of pain.001, customer credit transfer initiation, every version since 2009 (.03)."""

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
    remittance,
)
from h2h.messages.xml import Node
from h2h.model import Address, Batch, Payment, PaymentFile, Record

_PARTIES, _AGENTS = ("Dbtr", "UltmtDbtr", "Cdtr", "UltmtCdtr"), ("DbtrAgt", "CdtrAgt")
_ON_THE_WAY = ("IntrmyAgt1", "IntrmyAgt2", "IntrmyAgt3")
# Where name and address stand in a party, and in an agent.
HOLDERS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_PARTIES, ()),
    **dict.fromkeys((*_AGENTS, *_ON_THE_WAY), ("FinInstnId",)),
}


def payment_file(node: Node, *, message: str, faults: Faults) -> PaymentFile:
    header = node.node("GrpHdr") or node
    return PaymentFile(
        message=message,
        message_id=header.text("MsgId"),
        created_at=header.text("CreDtTm"),
        number_of_transactions=header.text("NbOfTxs"),
        control_sum=amount(header.node("CtrlSum"), faults),
        initiating_party=name(header.node("InitgPty")),
        line=header.line,
    )


def batch(node: Node, *, position: int, head: Record, faults: Faults) -> Batch:  # noqa: ARG001
    account, charges = node.node("DbtrAcct"), node.node("ChrgsAcct")
    level, *further = _service_levels(node) or (None,)
    return Batch(
        position=position,
        payment_information_id=node.text("PmtInfId"),
        payment_method=node.text("PmtMtd"),
        batch_booking=flag(node.node("BtchBookg"), faults),
        number_of_transactions=node.text("NbOfTxs"),
        control_sum=amount(node.node("CtrlSum"), faults),
        service_level=level,
        further_service_levels=tuple(further),
        local_instrument=code(node.node("PmtTpInf", "LclInstrm")),
        requested_execution_date=date(node.node("ReqdExctnDt")),
        debtor_name=name(node.node("Dbtr")),
        debtor_iban=iban(account),
        debtor_account=other_account(account),
        debtor_agent=bic(node.node("DbtrAgt")),
        charges_account=iban(charges) or other_account(charges),
        addresses=_addresses(node),
        line=node.line,
    )


def payment(node: Node, *, place: Place, group: Record | None, faults: Faults) -> Payment:
    assert isinstance(group, Batch | None)
    equivalent = node.node("Amt", "EqvtAmt", "Amt")
    value = equivalent or node.node("Amt", "InstdAmt")
    account = node.node("CdtrAcct")
    level, *further = _service_levels(node) or (None,)
    return Payment(
        position=place.in_file,
        batch=place.group,
        payment_information_id=group.payment_information_id if group else None,
        instruction_id=node.text("PmtId", "InstrId"),
        end_to_end_id=node.text("PmtId", "EndToEndId"),
        uetr=node.text("PmtId", "UETR"),
        amount=amount(value, faults),
        currency=currency(value),
        equivalent=equivalent is not None,
        transfer_currency=node.text("Amt", "EqvtAmt", "CcyOfTrf"),
        service_level=level,
        further_service_levels=tuple(further),
        local_instrument=code(node.node("PmtTpInf", "LclInstrm")),
        creditor_name=name(node.node("Cdtr")),
        creditor_iban=iban(account),
        creditor_account=other_account(account),
        creditor_agent=bic(node.node("CdtrAgt")),
        execution_date=group.requested_execution_date if group else None,
        remittance=remittance(node),
        addresses=_addresses(node),
        line=node.line,
    )


def _service_levels(node: Node) -> list[str]:
    """Since 2019 there may be several."""
    return [said for each in node.nodes("PmtTpInf", "SvcLvl") if (said := code(each))]


def _addresses(node: Node) -> tuple[Address, ...]:
    """Those that stand in the order as such; a BIC says where its agent is, whatever is written beside it."""
    found = []
    for party in node.children:
        holder = party.node(*HOLDERS[party.name]) if party.name in HOLDERS else None
        postal = holder.node("PstlAdr") if holder else None
        if holder is not None and postal is not None and postal.children and bic(party) is None:
            found.append(_address(postal, "/".join((party.name, *HOLDERS[party.name], postal.name)), holder.text("Nm")))
    return tuple(found)


def _address(postal: Node, place: str, name: str | None) -> Address:
    return Address(
        place=place,
        name=name,
        town=postal.text("TwnNm"),
        country=postal.text("Ctry"),
        lines=tuple(postal.all("AdrLine")),
        line=postal.line,
    )


SHAPES = (
    Shape(
        message="CstmrCdtTrfInitn",
        group="PmtInf",
        item="CdtTrfTxInf",
        read_head=payment_file,
        read_group=batch,
        read_item=payment,
    ),
)
