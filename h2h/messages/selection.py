"""A pain.001 with some payments of another one: the parts that change, as pure functions on nodes.

A payment stays as it stood, value by value, but for its UETR: a UETR names one try to pay, so the next try has another
one. What could say something of the file as a whole (supplementary data: a signature, a hash, a count) cannot be
carried over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from h2h.identity import new_uetr
from h2h.messages.orders import BatchOrder, Selection
from h2h.messages.rewriting import Impossible
from h2h.messages.xml import Node

_FORM = re.compile(r"[^.]*?(?P<fraction>\.\d+)?(?P<zone>Z|[+-]\d\d:\d\d)?")


class Selecting:
    """The choice of one order, as rewriting.Change asks for it."""

    code = "REPAIR_IMPOSSIBLE"
    namespace: str | None = None

    def __init__(self, order: Selection) -> None:
        self._order = order
        self._batches = {batch.position: batch for batch in order.batches}
        self._kept = frozenset(order.payments)

    def header(self, node: Node) -> Node:
        order = self._order
        node = changed(node, ("MsgId",), lambda _: order.message_id)
        node = changed(node, ("CreDtTm",), lambda value: in_the_form_of(value, datetime.fromisoformat(order.now)))
        return _totals(node, len(order.payments), order.control_sum)

    def batch(self, children: Sequence[Node], position: int) -> Sequence[Node] | None:
        order = self._batches.get(position)
        return None if order is None else [self._in_batch(child, order) for child in children]

    def keeps(self, position: int) -> bool:
        return position in self._kept

    def payment(self, node: Node, position: int) -> Node:
        if found := node.node("SplmtryData"):
            raise Impossible("Supplementary data cannot be carried over: nobody here knows what it says.", found)
        return changed(node, ("PmtId", "UETR"), lambda _: new_uetr(self._order.uetr_seed, position))

    def _in_batch(self, child: Node, order: BatchOrder) -> Node:
        match child.name:
            case "PmtInfId":
                return child._replace(value=order.payment_information_id)
            case "NbOfTxs":
                return child._replace(value=str(order.payments))
            case "CtrlSum":
                return child._replace(value=order.control_sum)
            case "ReqdExctnDt" if self._order.execution_date:
                return _dated(child, self._order.execution_date)
        return child


def changed(node: Node, path: tuple[str, ...], to: Callable[[str], str]) -> Node:
    """The node with another value at a path, where there is one."""
    if not path:
        return node._replace(value=to(node.value))
    children = (changed(child, path[1:], to) if child.name == path[0] else child for child in node.children)
    return node._replace(children=tuple(children))


def in_the_form_of(old: str, now: datetime) -> str:
    """`now` written down as the old time was: with as many decimals, and with Z, an offset or no zone."""
    found = _FORM.fullmatch(old.strip())
    digits = len((found and found["fraction"]) or ".") - 1
    zone = (found and found["zone"]) or ""
    here = now.astimezone(UTC) if zone == "Z" else now
    fraction = f".{here.microsecond:06d}".ljust(digits + 1, "0")[: digits + 1] if digits else ""
    offset = "" if not zone else "Z" if zone == "Z" else f"{here:%z}"[:3] + ":" + f"{here:%z}"[3:5]
    return f"{here:%Y-%m-%dT%H:%M:%S}{fraction}{offset}"


def _totals(node: Node, payments: int, control_sum: str) -> Node:
    node = changed(node, ("NbOfTxs",), lambda _: str(payments))
    return changed(node, ("CtrlSum",), lambda _: control_sum)


def _dated(node: Node, day: str) -> Node:
    """Another ReqdExctnDt: text (2009), or in Dt; a time of day belonged to the day before and goes with it."""
    if not node.children:
        return node._replace(value=day)
    [choice] = node.children
    return node._replace(children=(choice._replace(name="Dt", value=day),))
