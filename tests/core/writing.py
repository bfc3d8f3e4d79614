"""Writes invented records as XML, by the schemas alone: nothing here knows how h2h reads them.

An element is a name with parts below it, or with a value. What a record leaves open (Cd or Prtry, BIC or another
identification, what else stands beside it) is left to Chance; so is the Dress of a file, which says nothing at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple
from xml.sax.saxutils import escape

from h2h.messages import MessageType
from h2h.model import Reason
from h2h.reported import Charge, Money, ReferredDocument, RemittanceAmount, StructuredRemittance
from tests.core.chance import Chance

BIC = re.compile(r"[A-Z]{4}DEFF(XXX)?")
LEI = re.compile(r"[0-9]{20}")
IBAN = re.compile(r"DE[0-9]{20}")
PIECE = 105  # of AddtlInf


class Element(NamedTuple):
    name: str
    value: str | None = None
    parts: tuple[Element, ...] = ()
    currency: str | None = None


Part = Element | None | Iterable[Element]


def frame(name: str, *parts: Part) -> Element:
    """An element of parts, even where there are none."""
    below: list[Element] = []
    for part in parts:
        if isinstance(part, Element):
            below.append(part)
        elif part is not None:
            below += part
    return Element(name, parts=tuple(below))


def box(name: str, *parts: Part) -> Element | None:
    """An element of parts, if there are any."""
    made = frame(name, *parts)
    return made if made.parts else None


def leaf(name: str, value: str | None) -> Element | None:
    return None if value is None else Element(name, value)


def flag(name: str, value: bool | None, c: Chance) -> Element | None:
    return None if value is None else Element(name, c.of(("true", "1") if value else ("false", "0")))


def number(name: str, value: Decimal | None) -> Element | None:
    return None if value is None else Element(name, f"{value:f}")


def amount(name: str, value: Decimal | None, currency: str | None) -> Element | None:
    return None if value is None else Element(name, f"{value:f}", currency=currency)


def money(name: str, value: Money | None) -> Element | None:
    return amount(name, value.amount, value.currency) if value else None


def moment(name: str, value: str | None) -> Element | None:
    """The choice of Dt and DtTm."""
    return None if value is None else frame(name, leaf("DtTm" if "T" in value else "Dt", value))


@dataclass(frozen=True, slots=True)
class Pen:
    """Writes what stands in several messages, as the types of its year have it."""

    year: int
    chance: Chance

    def noise(self, make: Callable[[], Element | None]) -> Element | None:
        """What may stand there, and changes nothing that is read."""
        return make() if self.chance.yes() else None

    def code(self, name: str, value: str | None, most: int = 4, codes: Iterable[str] | None = None) -> Element | None:
        """The choice of Cd and Prtry; Cd only for what may be one."""
        if value is None:
            return None
        may = value in codes if codes is not None else len(value) <= most
        return frame(name, leaf("Cd" if may and self.chance.yes() else "Prtry", value))

    # Agents, parties, accounts

    def agent(self, name: str, word: str | None) -> Element | None:
        """By one word: what is better known than it stands beside it never, what is less known may."""
        if word is None:
            return self.noise(lambda: frame(name, frame("FinInstnId")))
        return frame(name, frame("FinInstnId", *self._institution(word)))

    def full_agent(self, name: str, said: str | None, word: str | None) -> Element:
        """By name and identification."""
        return frame(name, frame("FinInstnId", *self._ids(word, leaf("Nm", said)) if word else [leaf("Nm", said)]))

    def _institution(self, word: str) -> list[Part]:
        if not BIC.fullmatch(word) and not LEI.fullmatch(word) and self.chance.yes():
            return [leaf("Nm", word)]
        return self._ids(word, self.noise(lambda: leaf("Nm", self.chance.text())))

    def _ids(self, word: str, name: Element | None) -> list[Part]:
        c, bic, lei = self.chance, BIC.fullmatch(word), LEI.fullmatch(word)
        member = leaf("MmbId", word) if not bic and not lei and c.yes() else None
        other = None if bic or lei or member else word
        if bic and c.yes():
            member = leaf("MmbId", c.text())
        if (bic or lei or member) and c.yes():
            other = c.text()
        return [
            leaf("BIC" if self.year == 2009 else "BICFI", word) if bic else None,
            frame("ClrSysMmbId", self.noise(lambda: frame("ClrSysId", leaf("Cd", "DEBLZ"))), member)
            if member
            else None,
            leaf("LEI", word) if lei else None,
            name,
            self.noise(lambda: frame("PstlAdr", leaf("Ctry", "DE"), leaf("AdrLine", self.chance.text()))),
            frame("Othr", leaf("Id", other)) if other else None,
        ]

    def party(self, name: str, said: str | None, word: str | None, *, wrapped: bool = False) -> Element:
        """By name and identification; `wrapped`: where since 2019 an agent may stand in its place."""
        if not wrapped or self.year < 2019:
            return frame(name, *self._party(said, word))
        if self.chance.yes():
            return frame(name, self.full_agent("Agt", said, word))
        return frame(name, frame("Pty", *self._party(said, word)))

    def word(self, name: str, word: str | None, *, wrapped: bool = False) -> Element | None:
        """A party by its name, or where it has none by its identification."""
        if word is None:
            return self.noise(lambda: self.party(name, None, None, wrapped=wrapped))
        named = not BIC.fullmatch(word) and not LEI.fullmatch(word) and self.chance.yes()
        other = self.chance.maybe(self.chance.text) if named else word
        return self.party(name, word if named else None, other, wrapped=wrapped)

    def _party(self, said: str | None, word: str | None) -> list[Part]:
        return [
            leaf("Nm", said),
            self.noise(lambda: frame("PstlAdr", leaf("Ctry", "DE"), leaf("AdrLine", self.chance.text()))),
            frame("Id", self._identification(word)) if word else None,
            self.noise(lambda: leaf("CtryOfRes", "DE")),
        ]

    def _identification(self, word: str) -> Element:
        bic, lei = BIC.fullmatch(word), LEI.fullmatch(word)
        other = leaf("Id", word if not bic and not lei else self.chance.maybe(self.chance.text))
        others = [frame("Othr", other)] if other else []
        if not bic and not lei and self.chance.yes():
            return frame("PrvtId", others)
        return frame(
            "OrgId",
            leaf("BICOrBEI" if self.year == 2009 else "AnyBIC", word) if bic else None,
            leaf("LEI", word) if lei else None,
            others,
        )

    def account(self, name: str, value: str | None) -> Element | None:
        return None if value is None else frame(name, self.account_id(value))

    def account_id(self, value: str) -> Element:
        return frame("Id", leaf("IBAN", value) if IBAN.fullmatch(value) else frame("Othr", leaf("Id", value)))

    # Charges, reasons, remittance

    def charge(self, name: str, said: Charge) -> Element:
        old = self.year == 2009
        return frame(
            name,
            amount("Amt", said.amount, said.currency),
            leaf("CdtDbtInd", said.direction),
            flag("ChrgInclInd", said.included, self.chance),
            self._charge_type(said),
            self.noise(lambda: leaf("Rate", "0.5")),
            leaf("Br", said.bearer),
            self.agent("Pty" if old else "Agt", said.agent),
            frame("Tax", self.noise(lambda: leaf("Rate", "19")), money("Amt", said.tax)) if said.tax else None,
        )

    def _charge_type(self, said: Charge) -> Element | None:
        if said.type:
            return frame("Tp", leaf("Cd", said.type))
        own = said.proprietary
        return frame("Tp", frame("Prtry", leaf("Id", own), self.noise(lambda: leaf("Issr", "I")))) if own else None

    def status_charge(self, said: Charge) -> Element:
        """A ChrgsInf of a pain.002."""
        agent = self.agent("Pty" if self.year == 2009 else "Agt", said.agent)
        return frame("ChrgsInf", amount("Amt", said.amount, said.currency), agent, self._charge_type(said))

    def reason(self, name: str, said: Reason, *before: Part) -> Element:
        code = leaf("Cd", said.code) or leaf("Prtry", said.proprietary)
        return frame(
            name,
            *before,
            self.word("Orgtr", said.originator),
            box("Rsn", code),
            [Element("AddtlInf", piece) for piece in self.pieces(said.text or "", PIECE)],
        )

    def pieces(self, text: str, most: int) -> list[str]:
        """A text cut where a piece is full, or between two words."""
        if len(text) <= most:
            cut = text.rfind(" word") if self.chance.yes() else -1
            return [text[:cut], text[cut + 1 :]] if cut > 0 else [text] if text else []
        return [text[at : at + most] for at in range(0, len(text), most)]

    def remittance(self, free: Iterable[str], structured: Iterable[StructuredRemittance]) -> Element | None:
        return box("RmtInf", [Element("Ustrd", text) for text in free], [self._structured(each) for each in structured])

    def _structured(self, said: StructuredRemittance) -> Element:
        references = ("SCOR", "RADM", "PUOR") if self.year < 2024 else None
        kind = self.code("CdOrPrtry", said.type, codes=references)
        return frame(
            "Strd",
            [self._document(each) for each in said.documents],
            box("RfrdDocAmt", [self._remittance_amount(each) for each in said.amounts]),
            box("CdtrRefInf", box("Tp", kind, leaf("Issr", said.issuer)), leaf("Ref", said.reference)),
            frame("Invcr", leaf("Nm", said.invoicer)) if said.invoicer else None,
            frame("Invcee", leaf("Nm", said.invoicee)) if said.invoicee else None,
            [Element("AddtlRmtInf", text) for text in said.additional],
        )

    def _document(self, said: ReferredDocument) -> Element:
        kinds = ("CINV", "CREN", "DEBN", "MSIN") if self.year < 2024 else None
        new = self.year >= 2024 and said.date
        return frame(
            "RfrdDocInf",
            box("Tp", self.code("CdOrPrtry", said.type, codes=kinds)),
            leaf("Nb", said.number),
            frame("RltdDt", frame("Tp", leaf("Cd", "INDA")), leaf("Dt", said.date))
            if new
            else leaf("RltdDt", said.date),
        )

    def _remittance_amount(self, said: RemittanceAmount) -> Element:
        if said.kind == "AdjstmntAmtAndRsn":
            value = amount("Amt", said.amount, said.currency)
            return frame(said.kind, value, leaf("CdtDbtInd", said.direction), leaf("Rsn", said.type))
        if self.year >= 2024 or (self.year >= 2013 and said.kind in ("DscntApldAmt", "TaxAmt")):
            return frame(said.kind, self.code("Tp", said.type), amount("Amt", said.amount, said.currency))
        plain = amount(said.kind, said.amount, said.currency)
        assert plain
        return plain


# Dress: what a file looks like.


@dataclass(frozen=True, slots=True, kw_only=True)
class Dress:
    """How a document is written down. The plain one is what a strict reader takes, too."""

    prefix: str = ""
    indent: str = ""
    between: str = ""  # a comment or processing instruction
    encoding: str = "utf-8"
    mark: bool = False
    quote: str = '"'
    declared: bool = True
    extras: tuple[str, str] = ("", "")  # attributes of the root before and after its namespace

    def document(self, namespace: str, message: Element) -> str:
        prefix = f"{self.prefix}:" if self.prefix else ""
        name = f"xmlns:{self.prefix}" if self.prefix else "xmlns"
        q, (first, last) = self.quote, self.extras
        inside = self._element(message, prefix, 1)
        start = f"<{prefix}Document{first} {name}={q}{namespace}{q}{last}>"
        return f"{start}{self._gap(1)}{inside}{self._gap(0)}</{prefix}Document>"

    def envelope(self, parts: Iterable[str]) -> str:
        inside = self._gap(1).join(parts)
        return f"<Envelope xmlns='urn:swift:xsd:envelope'>{self._gap(1)}{inside}{self._gap(0)}</Envelope>"

    def header(self, row: MessageType, announced: str) -> str:
        """An AppHdr that names the message behind it."""
        agent = frame("FIId", frame("FinInstnId", Element("BICFI", "BEISDEFFXXX")))
        header = frame(
            "AppHdr",
            frame("Fr", agent),
            frame("To", agent),
            Element("BizMsgIdr", "B"),
            Element("MsgDefIdr", announced),
            Element("CreDt", "2026-11-16T09:30:00Z"),
        )
        name = f":{self.prefix}" if self.prefix else ""
        prefix = f"{self.prefix}:" if self.prefix else ""
        written = self._element(header, prefix, 1)
        return written.replace("AppHdr>", f"AppHdr xmlns{name}={self.quote}{row.namespace}{self.quote}>", 1)

    def file(self, content: str) -> bytes:
        declared = self.encoding if self.encoding != "utf-16" else "UTF-16"
        heading = f"<?xml version='1.0' encoding={self.quote}{declared}{self.quote}?>\n" if self.declared else ""
        mark = "\ufeff" if self.mark and self.encoding == "utf-8" else ""
        return f"{mark}{heading}{content}".encode(self.encoding, "xmlcharrefreplace")

    def _element(self, element: Element, prefix: str, depth: int) -> str:
        name = f"{prefix}{element.name}"
        if element.value is not None:
            currency = f" Ccy={self.quote}{element.currency}{self.quote}" if element.currency else ""
            return f"<{name}{currency}>{escape(element.value)}</{name}>"
        if not element.parts:
            return f"<{name}/>"
        gap = self._gap(depth + 1)
        inside = gap.join(self._element(part, prefix, depth + 1) for part in element.parts)
        return f"<{name}>{gap}{inside}{self._gap(depth)}</{name}>"

    def _gap(self, depth: int) -> str:
        return f"{self.indent * depth}{self.between}"


PLAIN = Dress()
XSI = ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
HINT = ' xsi:schemaLocation="urn:x nowhere.xsd"'


def any_dress(c: Chance) -> Dress:
    encoding = c.of(("utf-8", "utf-16", "iso-8859-1", "us-ascii", "iso-8859-15"))
    return Dress(
        prefix=c.of(("", "camt", "n0")),
        indent=c.of(("", "\n", "\r\n\t ", "  ")),
        between=c.of(("", "<!-- <Ntry> -->", "<?stop here?>", "<!---->\n")),
        encoding=encoding,
        mark=c.yes(),
        quote=c.of(('"', "'")),
        declared=encoding not in ("utf-8", "utf-16") or c.yes(),
        extras=c.of((("", ""), (XSI, HINT), ("", XSI + HINT), (HINT + XSI, ""))),
    )
