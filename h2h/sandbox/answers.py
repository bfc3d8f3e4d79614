"""Writing pain.002: the bank's word on an order, in .03 or .10.

| payments of the order | group | batch |
| --- | --- | --- |
| all alike | their status | their status, no payments listed |
| mixed | PART | alike: their status; mixed: PART, and every payment listed that is not accepted |

So under PART "not listed" means accepted. A refusal of the whole file has no batches. The reason of a batch that is
rejected as a whole stands on the batch; where its payments have different ones, they are listed with them.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from h2h.sandbox.orders import Order, OrderBatch, OrderPayment, Refusal
from h2h.sandbox.scenario import Generation, Statuses, Then
from h2h.sandbox.xml import add, document, moment, plain, put, put_amount, put_reason, put_uetr, serialize

MESSAGES = {Generation.Y2009: "pain.002.001.03", Generation.Y2019: "pain.002.001.10"}
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})?")
_COUNT = re.compile(r"[0-9]{1,15}")
_SUM = re.compile(r"[0-9]{1,13}(\.[0-9]{1,5})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of one payment; after how many `days` it comes back, if it does."""

    then: Then
    reason: str = ""
    proprietary: str = ""
    text: str = ""
    days: int = 0

    def told(self) -> Decision:
        """As a report says it: nobody knows yet what will come back."""
        return Decision(then=Then.ACCEPT) if self.then is Then.RETURN else self


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedBatch:
    batch: OrderBatch
    decisions: tuple[Decision, ...]  # one per payment, in order

    def pairs(self) -> Iterable[tuple[OrderPayment, Decision]]:
        return zip(self.batch.payments, self.decisions, strict=True)


def received(order: Order, *, generation: Generation, paper_id: str, at: datetime) -> bytes:
    """Only "technically fine so far": ACTC, group level."""
    root, report = _report(generation, paper_id, at)
    _group(report, order, "ACTC")
    return serialize(root)


def refused(order: Order, refusal: Refusal, *, generation: Generation, paper_id: str, at: datetime) -> bytes:
    root, report = _report(generation, paper_id, at)
    _reason(_group(report, order, "RJCT"), refusal.code, "", refusal.text)
    return serialize(root)


def decided(
    order: Order,
    batches: Sequence[DecidedBatch],
    *,
    generation: Generation,
    statuses: Statuses,
    paper_id: str,
    at: datetime,
) -> bytes:
    """The final word."""
    root, report = _report(generation, paper_id, at)
    told = [replace(batch, decisions=tuple(decision.told() for decision in batch.decisions)) for batch in batches]
    words = _Words(generation=generation, statuses=statuses)
    decisions = [decision for batch in told for decision in batch.decisions]
    status = words.common(decisions)
    group = _group(report, order, status)
    if status == "PART":
        for code, count in sorted(Counter(map(words.of, decisions)).items()):
            put(add(group, "NbOfTxsPerSts"), "DtldNbOfTxs", str(count))
            put(group[-1], "DtldSts", code)
    for position, batch in enumerate(told, start=1):
        _batch(report, batch, words, f"{paper_id}-{position}")
    return serialize(root)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """The status words of one report."""

    generation: Generation
    statuses: Statuses

    def of(self, decision: Decision) -> str:
        return self.statuses.word(decision.then, self.generation)

    def common(self, decisions: Sequence[Decision]) -> str:
        words = set(map(self.of, decisions))
        return words.pop() if len(words) == 1 else "PART"


def _report(generation: Generation, paper_id: str, at: datetime) -> tuple[ET.Element, ET.Element]:
    root = document(MESSAGES[generation])
    report = add(root, "CstmrPmtStsRpt")
    header = add(report, "GrpHdr")
    put(header, "MsgId", paper_id)
    put(header, "CreDtTm", moment(at))
    return root, report


def _group(report: ET.Element, order: Order, status: str) -> ET.Element:
    group = add(report, "OrgnlGrpInfAndSts")
    put(group, "OrgnlMsgId", order.message_id)
    put(group, "OrgnlMsgNmId", order.message)
    put(group, "OrgnlCreDtTm", order.created_at if _DATE_TIME.fullmatch(order.created_at) else "")
    put(group, "OrgnlNbOfTxs", order.number_of_transactions if _COUNT.fullmatch(order.number_of_transactions) else "")
    put(group, "OrgnlCtrlSum", order.control_sum if _SUM.fullmatch(order.control_sum) else "")
    put(group, "GrpSts", status)
    return group


def _batch(report: ET.Element, batch: DecidedBatch, words: _Words, status_id: str) -> None:
    element = add(report, "OrgnlPmtInfAndSts")
    put(element, "OrgnlPmtInfId", batch.batch.payment_information_id)
    put(element, "OrgnlNbOfTxs", str(len(batch.decisions)))
    put(element, "OrgnlCtrlSum", plain(sum((p.amount for p in batch.batch.payments), Decimal(0))))
    put(element, "PmtInfSts", words.common(batch.decisions))
    alike = len(set(batch.decisions)) == 1
    if alike:
        first = batch.decisions[0]
        _reason(element, first.reason, first.proprietary, first.text)
    for position, (payment, decision) in enumerate(batch.pairs(), start=1):
        if not alike and decision.then is not Then.ACCEPT:
            _payment(element, payment, decision, words, f"{status_id}-{position}")


def _payment(parent: ET.Element, payment: OrderPayment, decision: Decision, words: _Words, status_id: str) -> None:
    element = add(parent, "TxInfAndSts")
    put(element, "StsId", status_id)
    put(element, "OrgnlInstrId", payment.instruction_id)
    put(element, "OrgnlEndToEndId", payment.end_to_end_id)
    if words.generation is Generation.Y2019:
        put_uetr(element, "OrgnlUETR", payment.uetr)
    put(element, "TxSts", words.of(decision))
    _reason(element, decision.reason, decision.proprietary, decision.text)
    if not payment.equivalent:
        put_amount(element, "OrgnlTxRef/Amt/InstdAmt", payment.amount, payment.currency)


def _reason(parent: ET.Element, code: str, proprietary: str, text: str) -> None:
    if code or proprietary or text:
        put_reason(add(parent, "StsRsnInf"), code, proprietary, text)
