"""Test payment files: pain.001 in each version that the gateway sends, with small amounts. No files, no clock.

They are written with the standard library, apart from the gateway's own readers and writers, as those of an ERP are.
"""

from __future__ import annotations

import re
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256

from h2h.certify.inputs import Party
from h2h.messages.catalog import MessageType

_VERSION = re.compile(r"pain\.001\.001\.(\d{2})")
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Za-z0-9]{1,30}")
_TODAYS, _UETRS = 8, 9  # the first versions with BICFI and a choice of date and time, and with UETRs


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentType:
    """A kind of payment, as PmtTpInf and the amount say it."""

    currency: str
    service_level: str | None = None
    local_instrument: str | None = None

    def __str__(self) -> str:
        return "-".join(filter(None, (self.service_level, self.local_instrument, self.currency)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pay:
    """One payment of a test file."""

    end_to_end_id: str
    amount: Decimal
    creditor: Party
    remittance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One test file. `created`: aware; `execution`: in the bank's zone."""

    message: MessageType
    message_id: str
    created: datetime
    execution: date
    debtor: Party
    kind: PaymentType
    payments: Sequence[Pay]


def written(order: Order) -> bytes:
    """The file, well-formed and valid."""
    version = _version(order.message.name)
    root = ET.Element("Document", {"xmlns": order.message.namespace})
    body = ET.SubElement(root, order.message.root)
    head = _below(body, "GrpHdr")
    _put(head, "MsgId", order.message_id)
    _put(head, "CreDtTm", order.created.isoformat(timespec="seconds"))
    _totals(head, order)
    _put(_below(head, "InitgPty"), "Nm", order.debtor.name)
    batch = _batch(body, order, version)
    for pay in order.payments:
        _payment(batch, order, pay, version)
    ET.indent(root)
    text: str = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def spoilt(data: bytes) -> bytes:
    """The same file with a comma in its first amount, which no schema lets pass."""
    return re.sub(rb"(<InstdAmt[^>]*>[0-9]+)\.", rb"\1,", data, count=1)


def _version(name: str) -> int:
    found = _VERSION.match(name)
    return int(found[1]) if found else _TODAYS


def _totals(parent: ET.Element, order: Order) -> None:
    _put(parent, "NbOfTxs", str(len(order.payments)))
    _put(parent, "CtrlSum", str(sum((pay.amount for pay in order.payments), Decimal(0))))


def _batch(body: ET.Element, order: Order, version: int) -> ET.Element:
    batch = _below(body, "PmtInf")
    _put(batch, "PmtInfId", f"{order.message_id}-B1")
    _put(batch, "PmtMtd", "TRF")
    _put(batch, "BtchBookg", "false")
    _totals(batch, order)
    if order.kind.service_level or order.kind.local_instrument:
        of = _below(batch, "PmtTpInf")
        _put(of, "SvcLvl/Cd", order.kind.service_level)
        _put(of, "LclInstrm/Cd", order.kind.local_instrument)
    _put(batch, "ReqdExctnDt/Dt" if version >= _TODAYS else "ReqdExctnDt", order.execution.isoformat())
    _party(batch, "Dbtr", order.debtor)
    _account(batch, "DbtrAcct", order.debtor.account)
    _agent(batch, "DbtrAgt", order.debtor, version)
    _put(batch, "ChrgBr", "SLEV" if order.kind.service_level == "SEPA" else "SHAR")
    return batch


def _payment(batch: ET.Element, order: Order, pay: Pay, version: int) -> None:
    payment = _below(batch, "CdtTrfTxInf")
    _put(payment, "PmtId/InstrId", pay.end_to_end_id)
    _put(payment.find("PmtId"), "EndToEndId", pay.end_to_end_id)
    if version >= _UETRS:
        _put(payment.find("PmtId"), "UETR", _uetr(pay.end_to_end_id))
    amount = _below(payment, "Amt/InstdAmt")
    amount.set("Ccy", order.kind.currency)
    amount.text = f"{pay.amount:.2f}"
    if pay.creditor.agent:
        _agent(payment, "CdtrAgt", pay.creditor, version)
    _party(payment, "Cdtr", pay.creditor)
    _account(payment, "CdtrAcct", pay.creditor.account)
    _put(payment, "RmtInf/Ustrd", pay.remittance)


def _uetr(reference: str) -> str:
    """Made of the reference, so that nothing here is left to chance."""
    return str(uuid.UUID(bytes=sha256(reference.encode()).digest()[:16], version=4))


def _party(parent: ET.Element, name: str, party: Party) -> None:
    element = _below(parent, name)
    _put(element, "Nm", party.name)
    address = _below(element, "PstlAdr")
    _put(address, "TwnNm", party.town)
    _put(address, "Ctry", party.country)


def _account(parent: ET.Element, name: str, account: str) -> None:
    iban = _IBAN.fullmatch(account) is not None
    _put(parent, f"{name}/Id/IBAN" if iban else f"{name}/Id/Othr/Id", account)


def _agent(parent: ET.Element, name: str, party: Party, version: int) -> None:
    institution = _below(parent, f"{name}/FinInstnId")
    if party.agent:
        _put(institution, "BICFI" if version >= _TODAYS else "BIC", party.agent)
    else:
        _put(institution, "Othr/Id", "NOTPROVIDED")


def _below(parent: ET.Element, path: str) -> ET.Element:
    """A new element for every step of the path, each in the one before; the last."""
    for name in path.split("/"):
        parent = ET.SubElement(parent, name)
    return parent


def _put(parent: ET.Element | None, path: str, text: str | None) -> None:
    assert parent is not None
    if text:
        _below(parent, path).text = text
