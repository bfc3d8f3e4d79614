"""pain.001.001.03 as .09: every element of the older version, each comes out whole or is refused by its path."""

from __future__ import annotations

import io
import itertools
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import xmlschema
from lxml import etree

from h2h.messages import Catalog, read
from h2h.messages.orders import Upgrade
from h2h.messages.rewriting import rewritten
from h2h.messages.upgrading import LOCATION, NAMESPACE, RENAMED, TO, WRAPPED, Upgrading
from h2h.model import Finding, Severity
from h2h.resources import root

CATALOG = Catalog.load(root("schemas"))
OLD = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.03"
Path = tuple[str, ...]
VALUES = {  # by the beginning of a pattern
    "[A-Z]{6,6}": "BEISDEFFXXX",
    "[A-Z]{2,2}[0-9]{2,2}": "DE89370400440532013000",
    "[A-Z]{2,2}": "DE",
    "[A-Z]{3,3}": "EUR",
    r"\+[0-9]": "+49-221123456",
    "[0-9]{1,15}": "1",
    "[0-9]{1,5}": "1",
}
PLAIN = {"date": "2026-10-07", "dateTime": "2026-10-05T16:42:10", "boolean": "true", "decimal": "1"}
CHANNEL = ("CtctDtls", "Othr")
LOCATED = ("RltdRmtInf", *LOCATION)


@cache
def model(version: str) -> xmlschema.XMLSchema:
    row = CATALOG.by_name(version)
    assert row
    return CATALOG.model(row)


def children(element: Any) -> list[Any]:
    simple = element.type.is_simple() or element.type.has_simple_content()
    return [] if simple else [e for e in element.type.content.iter_elements() if e.local_name]


def leaves(version: str) -> Iterator[tuple[Any, ...]]:
    """Every element that holds a value, each with all those around it, from the Document on."""
    todo: list[tuple[Any, ...]] = [(model(version).elements["Document"],)]
    while todo:
        chain = todo.pop()
        inner = children(chain[-1])
        todo += [(*chain, child) for child in inner]
        if not inner and (chain[-1].type.is_simple() or chain[-1].type.has_simple_content()):
            yield chain


def name(chain: tuple[Any, ...]) -> str:
    return "/".join(e.local_name for e in chain)


LEAVES = {name(chain): chain for chain in leaves("pain.001.001.03")}
ALL_NEW = {name(chain) for chain in leaves(TO)}


def value(element: Any) -> str:
    kind = element.type if element.type.is_simple() else element.type.content
    if kind.enumeration:
        return str(kind.enumeration[0])
    for pattern in kind.patterns.regexps if kind.patterns else ():
        return next(text for begin, text in VALUES.items() if pattern.startswith(begin))
    return PLAIN.get(kind.root_type.local_name, f"x{element.local_name}")


def add(parent: etree._Element, element: Any, path: tuple[Any, ...]) -> None:
    """The element with what it must have, and with what leads along the path."""
    node = etree.SubElement(parent, f"{{{OLD}}}{element.local_name}")
    inner = children(element)
    if not inner:
        node.text = value(element)
        if element.type.is_complex():
            node.set("Ccy", "EUR")
    fill(node, element, path)


def fill(node: etree._Element, element: Any, path: tuple[Any, ...]) -> None:
    wanted = path[0] if path else None
    for group in element.type.content if children(element) else ():
        for child in choice(group, wanted):
            if child is wanted or child.min_occurs:
                add(node, child, path[1:] if child is wanted else ())


def choice(part: Any, wanted: Any) -> list[Any]:
    """Of a choice the one that is wanted, else the first; of a sequence all."""
    if hasattr(part, "local_name") and part.local_name:
        return [part]
    inside = [e for child in part for e in choice(child, wanted)]
    if part.model != "choice":
        return inside
    return [e for e in inside if e is wanted] or inside[:1]


def document(chain: tuple[Any, ...]) -> bytes:
    tree = etree.Element(f"{{{OLD}}}Document", nsmap={None: OLD})
    fill(tree, chain[0], chain[1:])
    return etree.tostring(tree)


def upgraded(content: bytes, seed: str | None = None) -> tuple[bytes, list[Finding]]:
    items = list(rewritten(io.BytesIO(content), Upgrading(Upgrade(uetr_seed=seed))))
    return b"".join(i for i in items if isinstance(i, bytes)), [i for i in items if isinstance(i, Finding)]


def faults(content: bytes) -> list[str]:
    items = read(io.BytesIO(content), CATALOG, strict=True)
    return [str(i) for i in items if isinstance(i, Finding) and i.severity is Severity.ERROR]


def said(content: bytes) -> Counter[tuple[str, str]]:
    """Every value with its currency; nothing of where it stands."""
    found = etree.fromstring(content).iter("{*}*")
    return Counter(((e.text or "").strip(), str(e.get("Ccy"))) for e in found if not len(e))


@pytest.mark.parametrize("path", LEAVES)
def test_every_value_of_the_older_version_comes_out_or_is_refused_by_its_place(path: str) -> None:
    old = document(LEAVES[path])
    assert faults(old) == []
    new, findings = upgraded(old)
    last = tuple(path.split("/")[-2:])
    if last == CHANNEL or ("RltdRmtInf" in path and "RmtLctnMtd" not in path and "RmtLctn" in path):
        [finding] = findings
        assert (finding.code, finding.severity) == ("UPGRADE_IMPOSSIBLE", Severity.ERROR)
        assert path.split("/")[-2 if last == CHANNEL else 4] in finding.path
        return
    assert findings == []
    assert faults(new) == []
    assert said(new) == said(old)
    assert etree.fromstring(new).tag == f"{{{NAMESPACE}}}Document"


def moved(path: str) -> str:
    """Where the rules say that a value of the older version stands in the newer."""
    found: list[str] = []
    around = ""
    for part in path.split("/"):
        if around == "RltdRmtInf" and part in LOCATION:
            found.append("RmtLctnDtls")
        found.append(LOCATION.get(part, part) if around == "RltdRmtInf" else RENAMED.get((around, part), part))
        found += [WRAPPED[around, part]] if (around, part) in WRAPPED else []
        around = part
    return "/".join(found)


def test_the_rules_name_every_path_that_the_newer_version_lacks_and_no_other() -> None:
    refused = {path for path in LEAVES if tuple(path.split("/")[-2:]) == CHANNEL}
    assert {path for path in LEAVES if moved(path) not in ALL_NEW} == refused
    rules = {*RENAMED, *WRAPPED, *(("RltdRmtInf", part) for part in LOCATION), CHANNEL}
    pairs = {pair for path in LEAVES for pair in itertools.pairwise(path.split("/"))}
    assert rules <= pairs
    assert {tuple(path.split("/")[-2:]) for path in LEAVES if path not in ALL_NEW} - rules <= {
        pair for path in LEAVES if "RmtLctnPstlAdr" in path for pair in itertools.pairwise(path.split("/"))
    }


def test_the_advice_keeps_method_address_and_letter_together_and_in_order() -> None:
    base = etree.fromstring(document(LEAVES[next(p for p in LEAVES if p.endswith("RltdRmtInf/RmtId"))]))
    [place] = base.iter(f"{{{OLD}}}RltdRmtInf")
    for tag, text in (("RmtLctnMtd", "EMAL"), ("RmtLctnElctrncAdr", "a@b.example")):
        etree.SubElement(place, f"{{{OLD}}}{tag}").text = text
    old = etree.tostring(base)
    assert faults(old) == []
    new, findings = upgraded(old)
    assert (findings, faults(new)) == ([], [])
    [place] = etree.fromstring(new).iter(f"{{{NAMESPACE}}}RltdRmtInf")
    assert [etree.QName(e).localname for e in place.iter()] == [
        "RltdRmtInf",
        "RmtId",
        "RmtLctnDtls",
        "Mtd",
        "ElctrncAdr",
    ]


def test_all_that_is_impossible_is_told_and_not_only_the_first() -> None:
    path = next(p for p in LEAVES if p.endswith("CdtTrfTxInf/Cdtr/CtctDtls/Othr"))
    tree = etree.fromstring(document(LEAVES[path]))
    [batch] = tree.iter(f"{{{OLD}}}PmtInf")
    payment = batch[-1]
    batch.append(etree.fromstring(etree.tostring(payment)))
    _, findings = upgraded(etree.tostring(tree))
    places = [f"/Document/CstmrCdtTrfInitn/PmtInf[1]/CdtTrfTxInf[{n}]/Cdtr/CtctDtls/Othr" for n in (1, 2)]
    assert [f.path for f in findings] == places


def test_a_uetr_is_given_to_every_payment_where_it_is_asked_for_and_always_the_same() -> None:
    old = (root("samples") / "good" / "pain.001.001.03.xml").read_bytes()
    new, findings = upgraded(old, "T1 of these bytes")
    assert (findings, faults(new)) == ([], [])
    uetrs = [e.text for e in etree.fromstring(new).iter("{*}UETR")]
    assert len(set(uetrs)) == 7
    assert upgraded(old, "T1 of these bytes") == (new, [])
    assert upgraded(old, "T2 of these bytes") != (new, [])


def test_a_hint_where_the_schema_is_follows_the_version_and_other_attributes_are_refused() -> None:
    xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    old = (root("samples") / "good" / "pain.001.001.03.xml").read_text()
    hint = old.replace("<Document ", f'<Document {xsi} xsi:schemaLocation="{OLD} pain.001.001.03.xsd" ')
    new, findings = upgraded(hint.encode())
    assert (findings, faults(new)) == ([], [])
    assert f'xsi:schemaLocation="{NAMESPACE} {TO}.xsd"' in new.decode()
    below = old.replace("<InitgPty>", f'<InitgPty {xsi} xsi:type="x">', 1)
    assert [f.code for f in upgraded(below.encode())[1]] == ["UPGRADE_IMPOSSIBLE"]
