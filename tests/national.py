"""A bank's own schemas as a test writes them: stricter than ours for the same namespace, or for one of their own."""

from __future__ import annotations

from pathlib import Path

from h2h.resources import root

SCHEMAS = root("schemas")
PURPOSES = """\
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:simpleType name="NationalPurpose">
    <xs:restriction base="xs:string"><xs:enumeration value="SALA"/><xs:enumeration value="SUPP"/></xs:restriction>
  </xs:simpleType>
</xs:schema>
"""
PURPOSE = """\
<xs:complexType><xs:sequence><xs:element name="Cd" type="NationalPurpose"/></xs:sequence></xs:complexType>"""
STATUS_NAMESPACE = "http://bank.invalid/de/pain.002.001.10.xx.01.xsd"
STATUS = "pain.002.001.10.xx.01"


def schema(name: str, *changes: tuple[str, str]) -> str:
    """One of ours with what is changed in it, to stand in another folder."""
    text = (SCHEMAS / f"{name}.xsd").read_text(encoding="utf-8")
    for old, new in (('"types-', f'"{SCHEMAS.as_uri()}/types-'), *changes):
        assert old in text
        text = text.replace(old, new)
    return text


def national(folder: Path) -> Path:
    """Every payment has its UETR, and a purpose from a list that stands in a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    rules = schema(
        "pain.001.001.09",
        ('type="Uetr" minOccurs="0"', 'type="Uetr"'),
        ('name="Purp" type="CodeOrText" minOccurs="0"/>', f'name="Purp" minOccurs="0">{PURPOSE}</xs:element>'),
        (
            '  <xs:element name="Document">',
            '  <xs:include schemaLocation="purposes.xsd"/>\n  <xs:element name="Document">',
        ),
    )
    (folder / "payments.xsd").write_text(rules, encoding="utf-8")
    (folder / "purposes.xsd").write_text(PURPOSES, encoding="utf-8")
    return folder


def national_status(folder: Path) -> Path:
    """A pain.002.001.10 under the bank's own namespace."""
    folder.mkdir(parents=True, exist_ok=True)
    text = schema("pain.002.001.10", ("urn:iso:std:iso:20022:tech:xsd:pain.002.001.10", STATUS_NAMESPACE))
    (folder / "status.xsd").write_text(text, encoding="utf-8")
    return folder
