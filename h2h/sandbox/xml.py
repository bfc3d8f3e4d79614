"""Writing ISO 20022 documents with the standard library: values are cut to their type's length, empty ones left out."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from datetime import datetime
from decimal import Decimal

_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[a-zA-Z0-9]{1,30}")
_UETR = re.compile(r"[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-[89ab][a-f0-9]{3}-[a-f0-9]{12}")
_TEXT_LIMIT = 35  # Max35Text, that of every identification
_PIECE = 105  # AddtlInf


def document(message: str) -> ET.Element:
    return ET.Element("Document", {"xmlns": f"urn:iso:std:iso:20022:tech:xsd:{message}"})


def serialize(root: ET.Element) -> bytes:
    ET.indent(root)
    text: str = ET.tostring(root, encoding="unicode")  # far faster than letting it encode piece by piece
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def add(parent: ET.Element, path: str) -> ET.Element:
    """A new element for every step of the path, each in the one before; the last."""
    for name in path.split("/"):
        parent = ET.SubElement(parent, name)
    return parent


def put(parent: ET.Element, path: str, text: str, *, limit: int = _TEXT_LIMIT) -> None:
    if text:
        add(parent, path).text = text[:limit].strip()


def put_amount(parent: ET.Element, path: str, amount: Decimal, currency: str) -> None:
    element = add(parent, path)
    element.set("Ccy", currency)
    element.text = plain(amount)


def put_account(parent: ET.Element, path: str, number: str) -> None:
    if number:
        iban = _IBAN.fullmatch(number) is not None
        put(parent, f"{path}/Id/IBAN" if iban else f"{path}/Id/Othr/Id", number, limit=34)


def put_uetr(parent: ET.Element, name: str, uetr: str) -> None:
    if _UETR.fullmatch(uetr):
        put(parent, name, uetr, limit=36)


def put_reason(parent: ET.Element, code: str, proprietary: str, text: str) -> None:
    put(parent, "Rsn/Cd" if code else "Rsn/Prtry", code or proprietary)
    for start in range(0, len(text), _PIECE):
        add(parent, "AddtlInf").text = text[start : start + _PIECE]


def plain(amount: Decimal) -> str:
    return format(amount, "f")


def moment(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
