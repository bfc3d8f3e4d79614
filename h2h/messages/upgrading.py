"""pain.001.001.03 as pain.001.001.09: what the newer version has under another name, in another place, or not at all.

Every element of the older version that is not named here stands in the newer one under the same path and takes the same
values; a test walks both schemas and says so. Nothing is invented (an address stays as it is), and nothing is left out:
what the newer version cannot hold is a finding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from h2h.identity import new_uetr
from h2h.messages.orders import Upgrade
from h2h.messages.rewriting import Impossible
from h2h.messages.xml import Node

FROM, TO = "pain.001.001.03", "pain.001.001.09"
NAMESPACE = f"urn:iso:std:iso:20022:tech:xsd:{TO}"
RENAMED = {  # by the element around it and its own name
    ("FinInstnId", "BIC"): "BICFI",
    ("OrgId", "BICOrBEI"): "AnyBIC",
    ("Tax", "AdmstnZn"): "AdmstnZone",
}
WRAPPED = {  # a value then, in an element of its own now
    ("PmtInf", "ReqdExctnDt"): "Dt",
    ("PstlAdr", "AdrTp"): "Cd",
    ("Adr", "AdrTp"): "Cd",
    ("RfrdDocAmt", "DscntApldAmt"): "Amt",
    ("RfrdDocAmt", "TaxAmt"): "Amt",
}
LOCATION = {"RmtLctnMtd": "Mtd", "RmtLctnElctrncAdr": "ElctrncAdr", "RmtLctnPstlAdr": "PstlAdr"}  # of RltdRmtInf


class Upgrading:
    """As rewriting.Change asks for it: all batches and payments stay."""

    code = "UPGRADE_IMPOSSIBLE"
    namespace: str | None = NAMESPACE

    def __init__(self, order: Upgrade) -> None:
        self._seed = order.uetr_seed

    def keeps(self, _: int) -> bool:
        return True

    def header(self, node: Node) -> Node:
        return upgraded(node)

    def batch(self, children: Sequence[Node], _: int) -> Sequence[Node]:
        return [upgraded(child, "PmtInf") for child in children]

    def payment(self, node: Node, position: int) -> Node:
        node = upgraded(node)
        return node if self._seed is None else _with_uetr(node, new_uetr(self._seed, position))


def upgraded(node: Node, around: str = "") -> Node:
    """The node as the newer version has it. `around`: the name of the element that it stands in."""
    place = (around, node.name)
    if place in WRAPPED:
        inner = node._replace(name=WRAPPED[place])
        return node._replace(value="", attributes={}, children=(inner,))
    if place == ("CtctDtls", "Othr"):
        raise Impossible(
            f"In {TO} another contact (Othr) says by which channel it is reached (ChanlTp), and the file does not. "
            "Leave it out, or write it into PhneNb, MobNb, FaxNb or EmailAdr.",
            node,
        )
    if place in RENAMED:
        return node._replace(name=RENAMED[place])
    if not node.children:
        return node
    children = tuple([upgraded(child, node.name) for child in node.children])
    if node.name == "RltdRmtInf":
        children = tuple(_located(node, children))
    return node if children == node.children else node._replace(children=children)


def _located(node: Node, children: Sequence[Node]) -> Iterator[Node]:
    """Where the remittance advice is: method, address and letter stand in an element around them now."""
    yield from (child for child in children if child.name not in LOCATION)
    details = tuple(child._replace(name=LOCATION[child.name]) for child in children if child.name in LOCATION)
    if details and details[0].name != "Mtd":
        raise Impossible(f"In {TO} an address for the remittance advice needs its method. Write RmtLctnMtd.", node)
    if details:
        yield Node("RmtLctnDtls", "", {}, details, details[0].line)


def _with_uetr(payment: Node, uetr: str) -> Node:
    children = (
        child._replace(children=(*child.children, Node("UETR", uetr, {}, (), child.line)))
        if child.name == "PmtId"
        else child
        for child in payment.children
    )
    return payment._replace(children=tuple(children))
