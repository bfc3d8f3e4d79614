"""Turns what a validator says into a finding code and a sentence: what stands there, what was expected, what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from lxml import etree
from xmlschema.validators import (
    XMLSchemaChildrenValidationError,
    XMLSchemaValidationError,
    XsdAttributeGroup,
    XsdElement,
    XsdEnumerationFacets,
    XsdFractionDigitsFacet,
    XsdGroup,
    XsdMaxLengthFacet,
    XsdMinLengthFacet,
    XsdPatternFacets,
    XsdTotalDigitsFacet,
)

from h2h.messages.xml import BLANKS, line_of, local, namespace_of, text_of
from h2h.text import shown

MAX_LISTED = 12
NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
NIL_TEXT = "{} has the attribute xsi:nil, which would mark it as empty on purpose; these messages do not know that. \
Take the attribute out, and give the element a value or leave it out where it is optional."

_FORMS = {
    "decimal": "write digits with a point before the decimals, as in 1234.50: no comma, no thousands separator",
    "date": "write year, month and day, as in 2026-11-18",
    "dateTime": "write date and time, as in 2026-11-18T09:30:00+01:00",
    "boolean": "write true or false",
}
_PATTERNS = {
    "Ccy": "write the three capital letters of the currency, as in EUR",
    "Ctry": "write the two capital letters of the country, as in DE",
    "IBAN": "write the IBAN in capital letters without blanks, as in DE89370400440532013000",
    "BIC": "write the BIC of 8 or 11 capital letters and digits, as in COBADEFFXXX",
    "BICFI": "write the BIC of 8 or 11 capital letters and digits, as in COBADEFFXXX",
    "AnyBIC": "write the BIC of 8 or 11 capital letters and digits, as in COBADEFFXXX",
    "BICOrBEI": "write the BIC of 8 or 11 capital letters and digits, as in COBADEFFXXX",
    "LEI": "write the LEI of 20 capital letters and digits",
    "UETR": "write a version 4 UUID in small letters, as in 8a562c67-ca16-48ba-b074-65581be6f001",
    "NbOfTxs": "write a number in digits, at most 15 of them",
}
_LXML_CODES = {
    "SCHEMAV_CVC_MAXLENGTH_VALID": "XSD_TOO_LONG",
    "SCHEMAV_CVC_FRACTIONDIGITS_VALID": "XSD_TOO_LONG",
    "SCHEMAV_CVC_TOTALDIGITS_VALID": "XSD_TOO_LONG",
    "SCHEMAV_CVC_MINLENGTH_VALID": "XSD_EMPTY",
    "SCHEMAV_CVC_PATTERN_VALID": "XSD_VALUE",
    "SCHEMAV_CVC_ENUMERATION_VALID": "XSD_VALUE",
    "SCHEMAV_CVC_DATATYPE_VALID_1_2_1": "XSD_VALUE",
    "SCHEMAV_ELEMENT_CONTENT": "XSD_UNEXPECTED",
    "SCHEMAV_CVC_COMPLEX_TYPE_4": "XSD_MISSING",
}
_SUBJECT = re.compile(r"Element '([^']+)'(?:, attribute '([^']+)')?: ")
_ATTRIBUTE = re.compile(r"attribute (\S+?)=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One breach of the schema. In what `in_plain_words` gives, `path` is the rest after the element's own path."""

    code: str
    text: str
    path: str = ""
    line: int | None = None
    subject: str = ""  # tag of the element


def in_lxml_words(error: etree._LogEntry, *, line: int | None) -> Fault:
    """lxml's message without its namespaces and rule names."""
    subject = _SUBJECT.match(error.message)
    rest = error.message[subject.end() :] if subject else error.message
    plain = re.sub(r"\{[^}\s]*[:/][^}\s]*\}", "", re.sub(r"\[facet '\w+'\] ", "", rest))
    what = (subject[2] and f"{local(subject[2])} of {local(subject[1])}") or local(subject[1]) if subject else ""
    code = _LXML_CODES.get(error.type_name, "XSD_INVALID")
    if code == "XSD_UNEXPECTED" and plain.startswith("Missing"):
        code = "XSD_MISSING"
    text = f"{what}: {plain}" if what else plain
    if error.type_name == "SCHEMAV_CVC_ELT_3_1":
        text = NIL_TEXT.format(what)
    return Fault(code=code, text=text, line=line, subject=subject[1] if subject else "")


def in_plain_words(
    error: XMLSchemaValidationError, possible: Mapping[etree._Element, Sequence[str]]
) -> tuple[Fault, etree._Element]:
    """The fault and the element at which it stands. `possible`: what lxml would have taken in place of an element."""
    element = cast(etree._Element, error.elem)
    if isinstance(error, XMLSchemaChildrenValidationError):
        return _children(error, element, possible)
    name = local(str(element.tag))
    if isinstance(error.validator, XsdAttributeGroup):
        return _attributes(error, element, name), element
    if isinstance(error.validator, XsdGroup):
        text = f"{name} holds text between its elements; only elements may stand there. Take the text out."
        return Fault(code="XSD_UNEXPECTED", text=text), element
    if isinstance(error.validator, XsdElement) and element.get(NIL) is not None:
        return Fault(code="XSD_INVALID", text=NIL_TEXT.format(name)), element
    attribute = _ATTRIBUTE.match(error.reason or "")
    if attribute:
        value = element.get(attribute[1]) or ""
        fault = _value(error, local(attribute[1]), value, f"The attribute {local(attribute[1])} of {name}")
        return Fault(code=fault.code, text=fault.text, path=f"/@{local(attribute[1])}"), element
    if len(element) and any(isinstance(child.tag, str) for child in element):
        text = f"{name} must hold a value, but elements stand in it. Take them out."
        return Fault(code="XSD_UNEXPECTED", text=text), element
    return _value(error, name, text_of(element), name), element


def _children(
    error: XMLSchemaChildrenValidationError, parent: etree._Element, possible: Mapping[etree._Element, Sequence[str]]
) -> tuple[Fault, etree._Element]:
    holder = local(str(parent.tag))
    wanted = [local(str(each.name)) for each in error.expected or () if getattr(each, "name", None)]
    child = cast("etree._Element | None", error.invalid_child)
    if child is None:
        taken = possible.get(parent) or wanted
        empty = f"{holder} is empty" if not len(parent) else f"{holder} ends too early"
        return Fault(code="XSD_MISSING", text=f"{empty}: {_one_of(wanted or taken)} is missing. Add it."), parent
    name = local(str(child.tag))
    known = {local(each.name) for each in _elements(error) if each.name}
    present = {local(str(each.tag)) for each in parent if isinstance(each.tag, str)}
    if name in known and wanted and not present & set(wanted):
        text = f"{_one_of(wanted)} is missing in {holder}; it belongs before {name}, which stands here. Add it."
        return Fault(code="XSD_MISSING", text=text, line=line_of(child)), parent
    text = _misplaced(child, name, holder, known, possible.get(child) or wanted)
    return Fault(code="XSD_UNEXPECTED", text=text), child


def _misplaced(child: etree._Element, name: str, holder: str, known: set[str], possible: Sequence[str]) -> str:
    here = f" Possible here: {_listed(possible)}." if possible else ""
    parent = child.getparent()
    if name not in known:
        return f"{name} is not known in {holder}.{here} Take it out, or correct its name."
    if parent is not None and namespace_of(str(child.tag)) != namespace_of(str(parent.tag)):
        return f"{name} is not in the namespace of {holder}, {namespace_of(str(parent.tag))}. Put it there."
    if next(child.itersiblings(child.tag, preceding=True), None) is not None:
        return f"{name} stands once too often in {holder}, or not beside the others.{here} Take it out or move it."
    return f"{name} stands at the wrong place in {holder}: the order of elements is fixed.{here} Move it."


def _attributes(error: XMLSchemaValidationError, element: etree._Element, name: str) -> Fault:
    group = cast(XsdAttributeGroup, error.validator)
    missing = [key for key, each in group.items() if key and each.use == "required" and key not in element.attrib]
    if missing:
        example = ', as in Ccy="EUR"' if missing[0] == "Ccy" else ""
        text = f"{name} lacks the attribute {missing[0]}. Add it{example}."
        return Fault(code="XSD_MISSING", text=text, path=f"/@{missing[0]}")
    strange = [local(str(key)) for key in element.attrib if key not in group]
    if not strange:
        return Fault(code="XSD_INVALID", text=f"{name}: {error.reason}.")
    text = f"{name} has the attribute {strange[0]}, which is not allowed there. Take it out."
    return Fault(code="XSD_UNEXPECTED", text=text, path=f"/@{strange[0]}")


def _value(error: XMLSchemaValidationError, name: str, value: str, what: str) -> Fault:
    """What is wrong with the value of an element or attribute; `what` it is in a sentence."""
    facet = error.validator
    if not value.strip(BLANKS) and not isinstance(facet, XsdMaxLengthFacet):
        return Fault(code="XSD_EMPTY", text=f"{what} is empty. Give it a value, or leave it out where it is optional.")
    said = f"{what} is {shown(value)}"
    match facet:
        case XsdMaxLengthFacet():
            text = f"{what} has {len(value)} characters, {facet.value} are allowed: {shown(value)}. Shorten it."
            return Fault(code="XSD_TOO_LONG", text=text)
        case XsdTotalDigitsFacet():
            return Fault(code="XSD_TOO_LONG", text=f"{said}; at most {facet.value} digits are allowed in all.")
        case XsdFractionDigitsFacet():
            return Fault(code="XSD_TOO_LONG", text=f"{said}; at most {facet.value} decimals are allowed. Round it.")
        case XsdMinLengthFacet():
            text = f"{said}, {len(value)} characters; at least {facet.value} are needed."
        case XsdEnumerationFacets():
            text = f"{said}; write {_one_of([str(each) for each in facet.enumeration])}."
        case XsdPatternFacets():
            form = _PATTERNS.get(name) or f"it must have the form {_pattern(facet)}"
            text = f"{said}; {form}{_hint(value)}."
        case XsdElement():
            return Fault(code="XSD_INVALID", text=f"{what}: {error.reason}.")
        case _:
            text = f"{said}; {_form(error)}."
    return Fault(code="XSD_VALUE", text=text)


def _form(error: XMLSchemaValidationError) -> str:
    kind = getattr(error.validator, "local_name", None) or ""
    return _FORMS.get(kind) or f"the schema does not take it: {error.reason}"


def _pattern(facet: XsdPatternFacets) -> str:
    """The pattern, a little shorter than schemas write it: {3,3} as {3} and {0,1} as ?."""
    patterns = " or ".join(str(each) for each in facet.regexps)
    return re.sub(r"\{(\d+),\1\}", r"{\1}", patterns).replace("{0,1}", "?")


def _hint(value: str) -> str:
    if value != value.strip(BLANKS):
        return " (blanks or line breaks stand around it)"
    if value != value.upper() and value.upper().isalnum() and not value.isdigit():
        return " (mind capital letters)"
    return ""


def _elements(error: XMLSchemaChildrenValidationError) -> list[XsdElement]:
    group = error.validator
    inner = group.iter_elements() if isinstance(group, XsdGroup) else ()
    return [each for each in inner if isinstance(each, XsdElement)]


def _one_of(names: Sequence[str]) -> str:
    return f"one of {_listed(names)}" if len(names) > 1 else _listed(names)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return ", ".join(names[:MAX_LISTED]) + more
