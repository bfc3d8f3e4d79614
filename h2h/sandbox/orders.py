"""Reading a pain.001 as a bank does: expat, by local names, whatever the prefix, envelope or version.

Only what the sandbox acts on is read. What makes a file unusable is a `Refusal`, with the reason code of the answer.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from xml.parsers import expat

from h2h.sandbox.scenario import Generation

NOT_PROVIDED = "NOTPROVIDED"
_MESSAGE = re.compile(r"pain\.001\.\d{3}\.(\d{2})")
_AMOUNT = re.compile(r"[0-9]{1,18}(\.[0-9]{0,5})?")
_AMOUNT_DIGITS = 18
_CURRENCY = re.compile(r"[A-Z]{3}")
_FIRST_OF_2019 = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPayment:
    instruction_id: str
    end_to_end_id: str
    uetr: str
    amount: Decimal
    currency: str
    equivalent: bool  # EqvtAmt: the amount is in the currency of the account
    creditor_name: str
    creditor_account: str
    remittance: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderBatch:
    payment_information_id: str
    batch_booking: bool
    account: str  # IBAN, else Othr/Id
    account_currency: str
    owner: str
    payments: tuple[OrderPayment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """`refusal` is set where the order as a whole cannot be carried out; `batches` may then be empty."""

    message: str
    generation: Generation
    message_id: str
    created_at: str
    number_of_transactions: str
    control_sum: str
    batches: tuple[OrderBatch, ...] = ()
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a file is refused as a whole: an ISO external status reason code, and words."""

    code: str
    text: str


class _Unusable(Exception):
    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.refusal = Refusal(code=code, text=text)


def read_order(data: bytes) -> Order:
    """Never raises: what cannot be read is an order with a refusal and as much of a header as there is."""
    try:
        root = _parse(data)
    except _Unusable as error:
        return _headless(error.refusal)
    message = _message(root)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    body = next(root.iter("CstmrCdtTrfInitn"), None)
    if body is None:
        return _headless(Refusal(code="FF01", text="There is no customer credit transfer initiation in this file."))
    try:
        batches = tuple(_batch(element) for element in body.findall("PmtInf"))
        return _order(message, body, batches, None if batches else Refusal(code="FF01", text="There is no PmtInf."))
    except _Unusable as error:
        return _order(message, body, (), error.refusal)


def _parse(data: bytes) -> ET.Element:
    try:
        _check_prolog(data)
        return ET.fromstring(data)  # noqa: S314 - without a document type there are no entities
    except (ET.ParseError, expat.ExpatError, ValueError, LookupError) as error:
        raise _Unusable("FF01", f"The file is not well-formed XML: {error}.") from error


def _check_prolog(data: bytes) -> None:
    """Refuses a document type declaration, and with it all entities, before the document itself is read."""
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = _stop
    with suppress(_PrologEnds):
        parser.Parse(data, True)


def _refuse_doctype(*_: object) -> None:
    raise _Unusable("FF01", "A document type declaration is not allowed.")


def _stop(*_: object) -> None:
    raise _PrologEnds


class _PrologEnds(Exception):
    pass


def _order(message: str, body: ET.Element, batches: tuple[OrderBatch, ...], refusal: Refusal | None = None) -> Order:
    version = _MESSAGE.fullmatch(message)
    return Order(
        message=message,
        generation=Generation.Y2009 if version and int(version[1]) < _FIRST_OF_2019 else Generation.Y2019,
        message_id=_text(body, "GrpHdr/MsgId") or NOT_PROVIDED,
        created_at=_text(body, "GrpHdr/CreDtTm"),
        number_of_transactions=_text(body, "GrpHdr/NbOfTxs"),
        control_sum=_text(body, "GrpHdr/CtrlSum"),
        batches=batches,
        refusal=refusal,
    )


def _headless(refusal: Refusal) -> Order:
    return Order(
        message=NOT_PROVIDED,
        generation=Generation.Y2019,
        message_id=NOT_PROVIDED,
        created_at="",
        number_of_transactions="",
        control_sum="",
        refusal=refusal,
    )


def _message(root: ET.Element) -> str:
    """pain.001.001.09 from the first namespace that names one."""
    hits = (_MESSAGE.search(element.tag) for element in root.iter())
    return next((hit[0] for hit in hits if hit), NOT_PROVIDED)


def _batch(element: ET.Element) -> OrderBatch:
    payments = tuple(_payment(child) for child in element.findall("CdtTrfTxInf"))
    if not payments:
        raise _Unusable("FF01", "A PmtInf has no payment.")
    return OrderBatch(
        payment_information_id=_text(element, "PmtInfId") or NOT_PROVIDED,
        batch_booking=_text(element, "BtchBookg") in ("true", "1"),
        account=_account(element, "DbtrAcct"),
        account_currency=_currency(_text(element, "DbtrAcct/Ccy") or "EUR"),
        owner=_text(element, "Dbtr/Nm"),
        payments=payments,
    )


def _payment(element: ET.Element) -> OrderPayment:
    equivalent = element.find("Amt/EqvtAmt/Amt")
    amount = element.find("Amt/InstdAmt") if equivalent is None else equivalent
    if amount is None:
        raise _Unusable("FF01", "A payment has no amount.")
    return OrderPayment(
        instruction_id=_text(element, "PmtId/InstrId"),
        end_to_end_id=_text(element, "PmtId/EndToEndId") or NOT_PROVIDED,
        uetr=_text(element, "PmtId/UETR"),
        amount=_decimal(amount.text),
        currency=_currency(amount.get("Ccy", "")),
        equivalent=equivalent is not None,
        creditor_name=_text(element, "Cdtr/Nm"),
        creditor_account=_account(element, "CdtrAcct"),
        remittance=tuple(filter(None, (_clean(line.text) for line in element.findall("RmtInf/Ustrd")))),
    )


def _account(element: ET.Element, name: str) -> str:
    account = _text(element, f"{name}/Id/IBAN") or _text(element, f"{name}/Id/Othr/Id")
    return account.replace(" ", "")


def _text(element: ET.Element, path: str) -> str:
    return _clean(element.findtext(path))


def _clean(text: str | None) -> str:
    return (text or "").strip()


def _decimal(text: str | None) -> Decimal:
    value = (text or "").strip().removeprefix("+")
    if not _AMOUNT.fullmatch(value) or len(value.replace(".", "")) > _AMOUNT_DIGITS:
        raise _Unusable("AM12", f"{value[:35]!r} is not an amount.")
    return Decimal(value)


def _currency(text: str) -> str:
    if not _CURRENCY.fullmatch(text):
        raise _Unusable("AM11", f"{text[:35]!r} is not a currency.")
    return text


def check_totals(order: Order) -> Refusal | None:
    """NbOfTxs and CtrlSum of the group header against the payments."""
    amounts = [payment.amount for batch in order.batches for payment in batch.payments]
    if not order.number_of_transactions.isdecimal() or int(order.number_of_transactions) != len(amounts):
        return Refusal(
            code="AM18", text=f"NbOfTxs says {order.number_of_transactions[:15]!r}, the file has {len(amounts)}."
        )
    if order.control_sum and _number(order.control_sum) != sum(amounts, Decimal(0)):
        return Refusal(
            code="AM10", text=f"CtrlSum says {order.control_sum[:35]!r}, the amounts add up to {sum(amounts)}."
        )
    return None


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None
