"""One pain.002 for a whole file, as its bank might have written it: the last known status of every payment.

For an ERP that reads status reports and nothing else. Batches and the file have the status that follows from those of
their payments; what is bad in all is bad in the whole, what is bad in some makes it PART, and else the least counts.
The ids are the ERP's own, as they stood in its file. It is read twice: counts stand before what they count.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import IO

from lxml import etree

from h2h.formats.status import FileStanding, PaymentStanding
from h2h.life import CODES, Stage
from h2h.lifecycle import State
from h2h.messages.elements import FULL_PIECE
from h2h.model import total
from h2h.verdicts import REFUSALS, STATION

MESSAGES = ("pain.002.001.03", "pain.002.001.10")
FIRST = "pain.002.001.03"  # has fewer codes, each in its schema
LONGEST_ID = 35
MOST_DIGITS, MOST_DECIMALS, MOST_DECIMALS_OF_A_SUM = 18, 5, 17
NOT_PROVIDED = "NOTPROVIDED"
MAKER = "h2h"
UETR = re.compile(r"[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-[89ab][a-f0-9]{3}-[a-f0-9]{12}")

CODE: dict[Stage, str] = {
    Stage.NOT_SENT: "PDNG",
    Stage.IN_DOUBT: "PDNG",
    Stage.SUBMITTED: "PDNG",
    Stage.RECEIVED: "PDNG",
    Stage.PENDING: "PDNG",
    Stage.CHECKED: "ACTC",
    Stage.ACCEPTED: "ACCP",
    Stage.CHANGED: "ACWC",
    Stage.IN_PROCESS: "ACSP",
    Stage.SETTLED: "ACSC",
    Stage.CREDITED: "ACSC",
    Stage.REJECTED: "RJCT",
    Stage.CANCELLED: "RJCT",
    Stage.BLOCKED: "PDNG",
    Stage.ADVISED: "ACSP",
    Stage.BOOKED: "ACSC",
    Stage.RETURNED: "RJCT",
}
# What the gateway itself refused, or a person took back: the reason by the ISO list of status reasons.
OURS = {State.INVALID: "FF01", State.DUPLICATE: "AM05", State.CANCELLED: "DS02"}
OF_GROUPS = frozenset({"ACTC", "PDNG", "ACCP", "ACSP", "ACSC", "ACWC", "RJCT", "RCVD", "ACCC"})


def code_of(payment: PaymentStanding, state: State, message: str) -> str:
    """TxSts: what the bank said where the message has it and nothing was known since, else what comes nearest."""
    if state in OURS:
        return "RJCT"
    said = CODES.get(payment.status or "")
    if said is not None and said.stage is payment.stage and message != FIRST and payment.status != "PART":
        return payment.status or ""
    return CODE[payment.stage]


def status_over(codes: Iterable[str]) -> str | None:
    """The status of a batch or a file from those of its payments; None without payments."""
    there = set(codes)
    refused = there & REFUSALS
    if not there:
        return None
    if refused:
        return "RJCT" if refused == there else "PART"
    least = min(there, key=lambda code: (STATION.get(code, 0), code))
    return least if least in OF_GROUPS else CODE[CODES[least].stage]


@dataclass(slots=True)
class _Counts:
    """How many payments have a status, and their sum."""

    numbers: Counter[str] = field(default_factory=Counter)
    sums: dict[str, Decimal] = field(default_factory=dict)

    def add(self, code: str, amount: Decimal | None) -> None:
        self.numbers[code] += 1
        self.sums[code] = total((self.sums.get(code), amount))


def write_pain_002(
    file: FileStanding,
    payments: Callable[[], Iterator[PaymentStanding]],
    to: IO[bytes],
    *,
    message: str,
    message_id: str,
    at: datetime,
) -> None:
    """`payments` is asked twice for all payments, in the order of the file."""
    of_file, of_batches = _counted(file, payments(), message)
    namespace = f"urn:iso:std:iso:20022:tech:xsd:{message}"
    to.write(b'<?xml version="1.0" encoding="UTF-8"?>\n')
    with (
        etree.xmlfile(to, encoding="ASCII") as xml,  # the rest by number: shown on a terminal, it plays no tricks
        xml.element("Document", nsmap={None: namespace}),
        xml.element("CstmrPmtStsRpt"),
    ):
        xml.write(_header(message_id, at), pretty_print=True)
        xml.write(_group(file, of_file), pretty_print=True)
        rows = payments()
        row = next(rows, None)
        for batch in file.batches:
            with xml.element("OrgnlPmtInfAndSts"):
                for element in _batch_head(batch.payment_information_id, of_batches[batch.position]):
                    xml.write(element, pretty_print=True)
                while row is not None and row.batch == batch.position:
                    xml.write(_payment(row, file, message), pretty_print=True)
                    row = next(rows, None)
        assert row is None, "payments stand in the order of their batches"


def _counted(
    file: FileStanding, payments: Iterable[PaymentStanding], message: str
) -> tuple[_Counts, Mapping[int, _Counts]]:
    of_file, of_batches = _Counts(), {batch.position: _Counts() for batch in file.batches}
    for payment in payments:
        code = code_of(payment, file.state, message)
        of_file.add(code, payment.amount)
        of_batches[payment.batch].add(code, payment.amount)
    return of_file, of_batches


# Elements.


def _header(message_id: str, at: datetime) -> etree._Element:
    header = etree.Element("GrpHdr")
    _put(header, "MsgId", message_id)
    _put(header, "CreDtTm", at.isoformat(timespec="seconds"))
    _put(_add(header, "InitgPty"), "Nm", MAKER)
    return header


def _group(file: FileStanding, counts: _Counts) -> etree._Element:
    group = etree.Element("OrgnlGrpInfAndSts")
    _put(group, "OrgnlMsgId", _id(file.message_id) or NOT_PROVIDED)
    _put(group, "OrgnlMsgNmId", _id(file.message) or NOT_PROVIDED)
    _put(group, "OrgnlNbOfTxs", str(file.count) if file.count else None)
    _put(group, "OrgnlCtrlSum", _sum(file.control_sum))
    _put(group, "GrpSts", status_over(counts.numbers) or ("RJCT" if file.state in OURS else "PDNG"))
    for reason in _own_reasons(file):
        group.append(_reason(reason))
    for element in _per_status(counts):
        group.append(element)
    return group


def _batch_head(name: str | None, counts: _Counts) -> Iterator[etree._Element]:
    head = etree.Element("OrgnlPmtInfAndSts")
    _put(head, "OrgnlPmtInfId", _id(name) or NOT_PROVIDED)
    _put(head, "OrgnlNbOfTxs", str(counts.numbers.total()))
    _put(head, "OrgnlCtrlSum", _sum(total(counts.sums.values())))
    _put(head, "PmtInfSts", status_over(counts.numbers))
    for element in _per_status(counts):
        head.append(element)
    yield from list(head)


def _per_status(counts: _Counts) -> Iterator[etree._Element]:
    for code in sorted(counts.numbers):
        one = etree.Element("NbOfTxsPerSts")
        _put(one, "DtldNbOfTxs", str(counts.numbers[code]))
        _put(one, "DtldSts", code)
        _put(one, "DtldCtrlSum", _sum(counts.sums[code]))
        yield one


def _payment(payment: PaymentStanding, file: FileStanding, message: str) -> etree._Element:
    one = etree.Element("TxInfAndSts")
    _put(one, "StsId", f"{file.transfer}-{payment.position}")
    _put(one, "OrgnlInstrId", _id(payment.instruction_id))
    _put(one, "OrgnlEndToEndId", _id(payment.end_to_end_id))
    _put(one, "OrgnlUETR", payment.uetr if message != FIRST and UETR.fullmatch(payment.uetr or "") else None)
    _put(one, "TxSts", code_of(payment, file.state, message))
    for reason in payment.reasons or _own_reasons(file):
        one.append(_reason(reason))
    _put(one, "AcctSvcrRef", _id(payment.account_servicer_reference))
    if payment.amount is not None and payment.currency and _fits(payment.amount, MOST_DECIMALS):
        amount = _add(_add(one, "OrgnlTxRef"), "Amt")
        _put(amount, "InstdAmt", format(payment.amount, "f")).set("Ccy", payment.currency)  # type: ignore[union-attr]
    return one


def _own_reasons(file: FileStanding) -> list[Mapping[str, str]]:
    """Why the gateway, or a person, did not let it go."""
    code = OURS.get(file.state)
    return [{"code": code, "text": file.reason or ""}] if code else []


def _reason(said: Mapping[str, str]) -> etree._Element:
    reason = etree.Element("StsRsnInf")
    code, own, text = said.get("code"), said.get("proprietary"), said.get("text") or ""
    if code and len(code) <= len("AC01"):
        _put(_add(reason, "Rsn"), "Cd", code)
    elif code or own:
        _put(_add(reason, "Rsn"), "Prtry", (code or own or "")[:LONGEST_ID])
    for start in range(0, len(text), FULL_PIECE):
        _put(reason, "AddtlInf", text[start : start + FULL_PIECE])
    return reason


def _add(parent: etree._Element, name: str) -> etree._Element:
    return etree.SubElement(parent, name)


def _put(parent: etree._Element, name: str, text: str | None) -> etree._Element | None:
    if not text:
        return None
    element = _add(parent, name)
    element.text = text
    return element


def _id(value: str | None) -> str | None:
    """An id that the message can hold; one that was cut would be another one."""
    return value if value and len(value) <= LONGEST_ID else None


def _sum(value: Decimal | None) -> str | None:
    return format(value, "f") if value is not None and _fits(value, MOST_DECIMALS_OF_A_SUM) else None


def _fits(value: Decimal, most_decimals: int) -> bool:
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    return not sign and len(digits) + max(exponent, 0) <= MOST_DIGITS and -exponent <= most_decimals
