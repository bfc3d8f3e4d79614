"""Blocks that occur in several messages, or at several places of one: parties, charges, amounts, remittance.

Each reader makes records of what is there, in document order, and nothing of what is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from h2h.booked import AmountDetail, Availability, Exchange
from h2h.messages.elements import (
    Faults,
    account_number,
    agent_id,
    agent_name,
    agent_word,
    amount,
    code,
    currency,
    flag,
    money,
    name,
    party_id,
)
from h2h.messages.xml import Node
from h2h.reported import Charge, Money, Party, ReferredDocument, RemittanceAmount, StructuredRemittance


def party(node: Node, account: Node | None = None) -> Party:
    """A party by its role; one that is Prtry stands, beside its type, one level deeper."""
    inner = (node.node("Pty") or node) if node.name == "Prtry" else node
    return Party(
        role=node.name, type=node.text("Tp"), name=name(inner), id=party_id(inner), account=account_number(account)
    )


def agent(node: Node) -> Party:
    inner = (node.node("Agt") or node) if node.name == "Prtry" else node
    return Party(role=node.name, type=node.text("Tp"), name=agent_name(inner), id=agent_id(inner))


def charges(blocks: Iterable[Node], faults: Faults) -> tuple[Charge, ...]:
    """Of every Chrgs: its records (since 2013), or itself."""
    return tuple(charge(record, faults) for block in blocks for record in _charge_records(block))


def charges_totals(blocks: Iterable[Node], faults: Faults) -> tuple[Money, ...]:
    totals = (money(block.node("TtlChrgsAndTaxAmt"), faults) for block in blocks)
    return tuple(total for total in totals if total)


def _charge_records(block: Node) -> list[Node]:
    return block.nodes("Rcrd") or ([block] if block.node("Amt") else [])


def charge(node: Node, faults: Faults) -> Charge:
    """A record of Chrgs, or a ChrgsInf."""
    value = node.node("Amt") or node.node("ChrgsAmt")
    return Charge(
        amount=amount(value, faults),
        currency=currency(value),
        direction=node.text("CdtDbtInd"),
        included=flag(node.node("ChrgInclInd"), faults),
        type=node.text("Tp", "Cd"),
        proprietary=node.text("Tp", "Prtry", "Id") or node.text("Tp", "Prtry"),
        bearer=node.text("Br"),
        agent=agent_word(node.node("Agt") or node.node("Pty") or node.node("ChrgsPty")),
        tax=money(node.node("Tax", "Amt"), faults),
    )


def amounts(details: Node | None, faults: Faults) -> tuple[AmountDetail, ...]:
    """Every amount of AmtDtls."""
    return tuple(_amount_detail(each, faults) for each in details.children) if details else ()


def _amount_detail(node: Node, faults: Faults) -> AmountDetail:
    value, exchange = node.node("Amt"), node.node("CcyXchg")
    return AmountDetail(
        kind=node.name,
        type=node.text("Tp"),
        amount=amount(value, faults),
        currency=currency(value),
        exchange=_exchange(exchange, faults) if exchange else None,
    )


def _exchange(node: Node, faults: Faults) -> Exchange:
    return Exchange(
        source_currency=node.text("SrcCcy"),
        target_currency=node.text("TrgtCcy"),
        unit_currency=node.text("UnitCcy"),
        rate=amount(node.node("XchgRate"), faults),
        base=amount(node.node("XchgRateBase"), faults),
        contract=node.text("CtrctId"),
        quoted_at=node.text("QtnDt"),
    )


def availability(nodes: Iterable[Node], faults: Faults) -> tuple[Availability, ...]:
    return tuple(
        Availability(
            amount=amount(node.node("Amt"), faults),
            currency=currency(node.node("Amt")),
            direction=node.text("CdtDbtInd"),
            date=node.text("Dt", "ActlDt"),
            days=node.text("Dt", "NbOfDays"),
        )
        for node in nodes
    )


def structured_remittance(nodes: Iterable[Node], faults: Faults) -> tuple[StructuredRemittance, ...]:
    return tuple(_structured(node, faults) for node in nodes)


def _structured(node: Node, faults: Faults) -> StructuredRemittance:
    kind = node.node("CdtrRefInf", "Tp") or node.node("CdtrRefInf", "CdtrRefTp")
    return StructuredRemittance(
        reference=node.text("CdtrRefInf", "Ref") or node.text("CdtrRefInf", "CdtrRef"),
        type=_document_type(kind),
        issuer=kind.text("Issr") if kind else None,
        documents=tuple(_document(each) for each in node.nodes("RfrdDocInf")),
        amounts=tuple(_remittance_amounts(node, faults)),
        invoicer=name(node.node("Invcr")),
        invoicee=name(node.node("Invcee")),
        additional=tuple(node.all("AddtlRmtInf")),
    )


def _document(node: Node) -> ReferredDocument:
    kind = node.node("Tp") or node.node("RfrdDocTp")
    date = node.node("RltdDt")
    return ReferredDocument(
        type=_document_type(kind),
        number=node.text("Nb") or node.text("RfrdDocNb"),
        date=(date.text() or date.text("Dt")) if date else None,  # since 2024 a choice
    )


def _document_type(kind: Node | None) -> str | None:
    """Of an element whose choice may stand one level deeper."""
    return code(kind.node("CdOrPrtry") or kind) if kind else None


def _remittance_amounts(node: Node, faults: Faults) -> Iterator[RemittanceAmount]:
    for block in node.nodes("RfrdDocAmt"):
        for each in block.children:
            leaf = each.node("Amt") or each  # discounts, taxes and adjustments have more than an amount
            yield RemittanceAmount(
                kind=each.name,
                amount=amount(leaf, faults),
                currency=currency(leaf),
                direction=each.text("CdtDbtInd"),
                type=code(each.node("Tp")) or each.text("Rsn"),
            )
