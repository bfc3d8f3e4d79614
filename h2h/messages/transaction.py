"""Reader of TxDtls, one transaction behind an entry of a camt.052, .053 or .054.

Where its amount stands differs by version and bank: see `_own_amount`. What only the entry says is said of its
transaction, too, where it certainly has no other one: see `details`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from h2h.booked import EntryBatch, Reference, RelatedDate
from h2h.messages.blocks import (
    agent,
    amounts,
    availability,
    charges,
    charges_totals,
    party,
    structured_remittance,
)
from h2h.messages.elements import (
    Faults,
    account_number,
    agent_word,
    amount,
    code,
    currency,
    money,
    name,
    party_id,
    reason,
)
from h2h.messages.xml import Node
from h2h.model import EntryDetail
from h2h.reported import Party

Fields = dict[str, Any]  # of an EntryDetail

_REFERENCES = {
    "MsgId": "message_id",
    "AcctSvcrRef": "account_servicer_reference",
    "PmtInfId": "payment_information_id",
    "InstrId": "instruction_id",
    "EndToEndId": "end_to_end_id",
    "UETR": "uetr",
    "TxId": "transaction_id",
    "MndtId": "mandate_id",
}
_SIDES = {"Dbtr": "debtor", "Cdtr": "creditor"}
_ACCOUNTS = {"DbtrAcct": "debtor_account", "CdtrAcct": "creditor_account"}
_AGENTS = {"DbtrAgt": "debtor_agent", "CdtrAgt": "creditor_agent"}


def details(entry: Node, batches: Sequence[EntryBatch], faults: Faults) -> tuple[EntryDetail, ...]:
    """Every transaction of the entry, over all of its NtryDtls (in the first version, without one).

    An entry has one transaction only if there is one, and no batch says that there are more.
    """
    found: list[tuple[int, Node]] = []
    number = 0
    for block in entry.nodes("NtryDtls") or [entry]:
        number += block.node("Btch") is not None
        batch = number if block.node("Btch") else 0
        found += [(batch, each) for each in block.nodes("TxDtls")]
    only = len(found) == 1 and all((each.number_of_transactions or "1").lstrip("0") == "1" for each in batches)
    return tuple(_detail(each, at, batch, entry, only, faults) for at, (batch, each) in enumerate(found, start=1))


def bank_transaction_code(code: Node | None) -> str | None:
    """Domain/family/sub-family, as in PMNT/ICDT/ESCT."""
    domain = code.node("Domn") if code else None
    if domain is None:
        return None
    parts = (domain.text("Cd"), domain.text("Fmly", "Cd"), domain.text("Fmly", "SubFmlyCd"))
    return "/".join(part or "" for part in parts)


def proprietary_code(code: Node | None) -> str | None:
    return code.text("Prtry", "Cd") if code else None


def _detail(node: Node, position: int, batch: int, entry: Node, only: bool, faults: Faults) -> EntryDetail:
    parts = node.parts()
    value = _own_amount(parts, currency(entry.node("Amt"))) or (entry.node("Amt") if only else None)
    fields: Fields = {}
    for part, read in _BLOCKS.items():
        if found := parts.get(part):
            fields.update(read(found, faults))
    for part, read_all in _REPEATED.items():
        if part in parts:
            fields.update(read_all(node.nodes(part), faults))
    return EntryDetail(
        position=position,
        batch=batch,
        amount=amount(value, faults),
        currency=currency(value),
        direction=node.text("CdtDbtInd") or (entry.text("CdtDbtInd") if only else None),
        **fields,
    )


def _own_amount(parts: dict[str, Node], entry_currency: str | None) -> Node | None:
    """TxDtls/Amt, else AmtDtls/TxAmt, else AmtDtls/InstdAmt where it is in the currency of the entry."""
    own, others = parts.get("Amt"), parts.get("AmtDtls")
    if own or others is None:
        return own
    instructed = others.node("InstdAmt", "Amt")
    return others.node("TxAmt", "Amt") or (instructed if currency(instructed) == entry_currency else None)


def _references(node: Node, faults: Faults) -> Fields:  # noqa: ARG001
    """Those that have a field of their own, and the others; a second one of its kind is another one."""
    fields: Fields = {}
    others: list[Reference] = []
    for each in node.children:
        field = _REFERENCES.get(each.name)
        value = each.text() or each.text("Ref")
        if field and field not in fields:
            fields[field] = value
        elif value:
            others.append(Reference(kind=each.name, value=value, type=each.text("Tp")))
    return {**fields, "references": tuple(others)}


def _amount_details(node: Node, faults: Faults) -> Fields:
    instructed = node.node("InstdAmt", "Amt")
    return {
        "instructed_amount": amount(instructed, faults),
        "instructed_currency": currency(instructed),
        "amounts": amounts(node, faults),
    }


def _code(node: Node, faults: Faults) -> Fields:  # noqa: ARG001
    return {
        "transaction_code": bank_transaction_code(node),
        "proprietary_code": proprietary_code(node),
        "proprietary_issuer": node.text("Prtry", "Issr"),
    }


def _parties(node: Node, faults: Faults) -> Fields:  # noqa: ARG001
    fields: Fields = {}
    others: list[Party] = []
    for each in node.children:
        side, field = _SIDES.get(each.name), _ACCOUNTS.get(each.name)
        if side and f"{side}_name" not in fields:
            fields[f"{side}_name"], fields[f"{side}_id"] = name(each), party_id(each)
        elif field and field not in fields:
            fields[field] = account_number(each)
        else:
            others.append(party(each))
    return {**fields, "parties": tuple(others)}


def _agents(node: Node, faults: Faults) -> Fields:  # noqa: ARG001
    fields: Fields = {}
    others: list[Party] = []
    for each in node.children:
        field = _AGENTS.get(each.name)
        if field and field not in fields:
            fields[field] = agent_word(each)
        else:
            others.append(agent(each))
    return {**fields, "agents": tuple(others)}


def _remittance(node: Node, faults: Faults) -> Fields:
    structured = structured_remittance(node.nodes("Strd"), faults)
    return {
        "remittance": tuple(node.all("Ustrd")),
        "structured": tuple(each.reference for each in structured if each.reference),
        "structured_remittance": structured,
    }


def _dates(node: Node, faults: Faults) -> Fields:  # noqa: ARG001
    said = ((each, each.text() or each.text("Dt", "Dt") or each.text("Dt", "DtTm")) for each in node.children)
    return {"dates": tuple(RelatedDate(kind=each.name, date=date, type=each.text("Tp")) for each, date in said if date)}


def _return(node: Node, faults: Faults) -> Fields:  # noqa: ARG001
    original = node.node("OrgnlBkTxCd")
    return {
        "return_reason": reason(node),
        "returned_transaction_code": bank_transaction_code(original),
        "returned_proprietary_code": proprietary_code(original),
    }


_BLOCKS: dict[str, Callable[[Node, Faults], Fields]] = {
    "Refs": _references,
    "AmtDtls": _amount_details,
    "BkTxCd": _code,
    "RltdPties": _parties,
    "RltdAgts": _agents,
    "LclInstrm": lambda node, _: {"local_instrument": code(node)},
    "Purp": lambda node, _: {"purpose": code(node)},
    "RmtInf": _remittance,
    "RltdDts": _dates,
    "Tax": lambda node, faults: {"tax": money(node.node("TtlTaxAmt"), faults)},
    "RtrInf": _return,
    "AddtlTxInf": lambda node, _: {"additional_information": node.text()},
}
_REPEATED: dict[str, Callable[[Sequence[Node], Faults], Fields]] = {
    "Chrgs": lambda nodes, faults: {"charges": charges(nodes, faults), "charges_totals": charges_totals(nodes, faults)},
    "Avlbty": lambda nodes, faults: {"availability": availability(nodes, faults)},
}
