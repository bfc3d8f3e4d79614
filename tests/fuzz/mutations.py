"""Damage to files, by a seed: to their bytes, their elements, their values and the way in which they are written."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from random import Random

from lxml import etree

ISO = "urn:iso:std:iso:20022:tech:xsd:"
NUMBERS = (
    "0", "-0", "1", "-1", "+5", "5.", ".5", "00.10", "1e3", "1E+3", "NaN", "INF", "-INF", "0x10", "1,5", "1.000,00",
    "12..34", "9" * 13 + ".99", "9" * 18, "9" * 19, "9" * 64, "9" * 65, "9" * 5_000, "0." + "0" * 40 + "1", "1" * 15,
    "99999999999999999", "0.00001", "0.000001", "٣", "１", "1_000", " 7 ", "\n8\t", "1 000",
)  # fmt: skip
DATES = (
    "2026-11-18", " 2026-11-18", "2026-11-18 ", "2026-02-30", "0001-01-01", "-0001-01-01", "12026-11-18", "9999-12-31",
    "2026-11-18+14:00", "2026-11-18Z", "2026-11-18T24:00:00", "2026-11-18T23:59:60", "2026-11-18T10:00:00.1234567",
    "YYYY-MM-DD", "2026-11-18T10:00:00-14:00", "20261118", "99999999999999999999-01-01",
)  # fmt: skip
UNSEEN = ("\u200b", "\u202e", "\u2066", "\ufeff", "\u00ad", "\x9b31m", "\x7f", "\x85", "\u2028", "\U000e0041", "\u3164")
TEXTS = (
    "", " ", "\n", "A", "NOTPROVIDED", "true", "TRUE", "EUR", "eur", "XXX", "DE89370400440532013000", "COBADEFFXXX",
    "DE00", "GB82WEST12345698765432", "ACCP", "RJCT", "PART", "ACSC", "BOOK", "PDNG", "CRDT", "DBIT", "OPBD", "CLBD",
    "x" * 35, "x" * 36, "x" * 140, "x" * 9_000, "é" * 35, "𝔘" * 35, "e\u0301" * 20, "../../etc/passwd", "%s%n{0}",
    "'; DROP TABLE event; --", "=1+1", "&amp;", "]]", "a\tb\nc", "\u00a0", "a8562c67-ca16-48ba-b074-65581be6f001",
    "MMB-20261116-0001", "MMB-20261005-0001", "LIEF-2026-47", "ZA-2026-004701", "ZA-2026-004101",
)  # fmt: skip
RAW = (
    b"<", b">", b"&", b"&amp;", b"&x;", b"&#0;", b"&#x202e;", b"&#55296;", b"&#x10FFFF;", b"&#xFFFFFFFF;", b"]]>",
    b"<!--", b"-->", b"<![CDATA[", b"<?", b"?>", b"\x00", b"\x07", b"\x1b[31m", b"\xff", b"\xc0\x80", b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80", b"\xe2\x80\xae", b"\xef\xbb\xbf", b"'", b'"', b"<!DOCTYPE a>", b"<a/>", b"</a>", b"xmlns=''",
    b"<!ENTITY x 'y'>", b"\r", b"\xc2\x85",
)  # fmt: skip
INSIDE = (
    b"<!-- x -->", b"<!---->", b"<?x y?>", b"<![CDATA[]]>", b"<![CDATA[1]]>", b"<![CDATA[<]]>", b"&#49;", b"&#x31;",
    b"&#10;", b"&amp;", b"&lt;",
)  # fmt: skip
ENCODINGS = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "iso-8859-1", "iso-8859-15", "cp1252", "utf-7", "cp037")
NAMES = ("Document", "SplmtryData", "Envlp", "PmtInf", "CdtTrfTxInf", "Ntry", "Stmt", "Bal", "TxInfAndSts", "Foo", "Id")
TAG = re.compile(rb"<[A-Za-z][^<>]*>")
VALUE = re.compile(rb">([^<>]+)<")

Damage = Callable[[bytes, Random], bytes]


def damaged(content: bytes, random: Random, others: Sequence[bytes] = ()) -> bytes:
    """One to four kinds of damage, one after the other; what can no longer be parsed is damaged as bytes."""
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4))):
        kind = random.choices((_element, _value, _written, _bytes, _spliced), (8, 8, 4, 3, 1))[0]
        content = kind(content, random) if kind is not _spliced else _spliced(content, random, others)
        content = content[:MAX_BYTES]
    return content


MAX_BYTES = 400_000


def odd(random: Random) -> str:
    value = random.choice(random.choice((NUMBERS, DATES, TEXTS)))
    match random.randrange(8):
        case 0:
            at = random.randint(0, len(value))
            return value[:at] + random.choice(UNSEEN) + value[at:]
        case 1:
            return value + random.choice(TEXTS)
        case _:
            return value


# Elements: the file stays well-formed.


def _element(content: bytes, random: Random) -> bytes:
    try:
        document = etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True))
    except (etree.LxmlError, ValueError):
        return _bytes(content, random)
    elements = list(document.iter("{*}*"))
    if len(elements) < 2:
        return _bytes(content, random)
    element = random.choice(elements[1:])
    random.choice((_removed, _removed, _doubled, _swapped, _renamed, _moved, _nested, _attributed, _filled, _supplied))(
        element, elements, random
    )
    return etree.tostring(document, xml_declaration=random.random() < 0.9, encoding="UTF-8")


def _removed(element: etree._Element, elements: list[etree._Element], random: Random) -> None:
    parent = element.getparent()
    if parent is not None:
        parent.remove(element)


def _doubled(element: etree._Element, elements: list[etree._Element], random: Random) -> None:
    parent = element.getparent()
    if parent is not None:
        size = sum(1 for _ in element.iter())
        for _ in range(random.choice((1, 1, 1, 2, 30) if size < 50 else (1, 2))):
            parent.insert(parent.index(element) + random.randint(0, 1), copy.deepcopy(element))


def _swapped(element: etree._Element, elements: list[etree._Element], random: Random) -> None:
    parent = element.getparent()
    if parent is not None:
        parent.insert(random.randint(0, len(parent)), element)


def _renamed(element: etree._Element, elements: list[etree._Element], random: Random) -> None:
    space = random.choice((etree.QName(elements[0]).namespace or "urn:x", "urn:x", f"{ISO}pain.001.001.09", ""))
    name = random.choice((*NAMES, etree.QName(random.choice(elements)).localname, "x" * 300, "Ⅷ\u200d"))
    element.tag = f"{{{space}}}{name}" if space else name


def _moved(element: etree._Element, elements: list[etree._Element], random: Random) -> None:
    target = random.choice(elements)
    if element not in (target, *target.iterancestors()):
        target.insert(random.randint(0, len(target)), element)


def _nested(element: etree._Element, elements: list[etree._Element], random: Random) -> None:
    for _ in range(random.choice((1, 2, 20, 120, 260))):
        element = etree.SubElement(element, random.choice((str(element.tag), "a")))


def _attributed(element: etree._Element, elements: list[etree._Element], random: Random) -> None:
    if element.attrib and random.random() < 0.6:
        name = random.choice(list(element.attrib))
        if random.random() < 0.3:
            del element.attrib[name]
        else:
            element.set(name, _possible(odd(random)))
        return
    for n in range(random.choice((1, 1, 2, 30))):
        name = random.choice(("Ccy", "a", "{urn:x}b", "{http://www.w3.org/2001/XMLSchema-instance}type", "lang"))
        element.set(name if n == 0 else f"a{n}", _possible(odd(random)))


def _filled(element: etree._Element, elements: list[etree._Element], random: Random) -> None:
    """Text where elements stand, comments and processing instructions anywhere."""
    match random.randrange(4):
        case 0:
            element.text = _possible(odd(random))
        case 1:
            element.tail = _possible(odd(random))
        case 2:
            element.insert(random.randint(0, len(element)), etree.Comment("x"))
        case _:
            element.insert(random.randint(0, len(element)), etree.ProcessingInstruction("x", "y"))


def _supplied(element: etree._Element, elements: list[etree._Element], random: Random) -> None:
    space = etree.QName(elements[0]).namespace or "urn:x"
    data = etree.SubElement(element, f"{{{space}}}SplmtryData")
    envelope = etree.SubElement(data, f"{{{space}}}Envlp")
    inner = etree.SubElement(envelope, f"{{{random.choice(('urn:known', 'urn:x', space))}}}{random.choice(NAMES)}")
    inner.text = _possible(odd(random))


def _possible(text: str) -> str:
    """Without what no XML may hold; that is tried as bytes."""
    return "".join(c for c in text if c in "\t\n\r" or ord(c) >= 32)


# Values, in the bytes: also such as no XML may hold.


def _value(content: bytes, random: Random) -> bytes:
    values = [match.span(1) for match in VALUE.finditer(content) if match[1].strip()]
    if not values:
        return _bytes(content, random)
    start, end = random.choice(values)
    value = content[start:end]
    at = random.randint(0, len(value))
    match random.randrange(6):
        case 0:
            value = value[:at] + random.choice(INSIDE) + value[at:]
        case 1:
            value = value[:at] + random.choice(RAW) + value[at:]
        case 2:
            value = value[:at] + random.choice(UNSEEN).encode() + value[at:]
        case 3:
            value = random.choice((b" ", b"\n", b"\t", b"\xc2\xa0")) + value if random.random() < 0.5 else value + b" "
        case _:
            value = odd(random).replace("&", "&amp;").replace("<", "&lt;").encode()
    return content[:start] + value + content[end:]


# The way in which the file is written.


def _written(content: bytes, random: Random) -> bytes:
    return random.choice(
        (_prefixed, _encoded, _declared, _marked, _wrapped, _followed, _preceded, _entities, _spaced, _namespaced, _tag)
    )(content, random)


def _prefixed(content: bytes, random: Random) -> bytes:
    return re.sub(rb"<(/?)([A-Za-z])", rb"<\1p:\2", content).replace(b"xmlns=", b"xmlns:p=", 1)


def _encoded(content: bytes, random: Random) -> bytes:
    encoding = random.choice(ENCODINGS)
    text = content.decode("utf-8", "replace")
    if random.random() < 0.6:
        text = text.replace("UTF-8", encoding, 1)
    return text.encode(encoding, "replace")


def _declared(content: bytes, random: Random) -> bytes:
    declaration = random.choice(
        (b"", b"<?xml version='1.1'?>", b"<?xml version='1.0' encoding='%s'?>", b"<?xml?>", b"<?XML version='1.0'?>",
         b"<?xml version='1.0' standalone='yes'?>", b"<?xml version='1.0' encoding='utf-8' standalone='maybe'?>")
    )  # fmt: skip
    if b"%s" in declaration:
        declaration %= random.choice(ENCODINGS).encode()
    return re.sub(rb"^<\?xml[^>]*\?>", lambda _: declaration, content, count=1)


def _marked(content: bytes, random: Random) -> bytes:
    return random.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf\xef\xbb\xbf", b"\x00")) + content


def _body(content: bytes) -> bytes:
    return re.sub(rb"^<\?xml[^>]*\?>", b"", content, count=1)


def _wrapped(content: bytes, random: Random) -> bytes:
    times = random.choice((1, 1, 2, 300))
    name = random.choice((b"E", b"Document", b"SplmtryData"))
    return b"<%s>" % name * times + _body(content) * random.choice((1, 1, 2)) + b"</%s>" % name * times


def _followed(content: bytes, random: Random) -> bytes:
    return content + random.choice((b"\n", b"junk", b"<!-- end -->", b"<a/>", b"\x1a", b"\x00" * 10, _body(content)))


def _preceded(content: bytes, random: Random) -> bytes:
    many = random.choice((1, 10, 20_000))
    before = random.choice((b" ", b"\n", b"<!-- a -->", b"<?a b?>", b"HTTP/1.1 200 OK\r\n\r\n", b"junk"))
    return before * many + (_body(content) if random.random() < 0.7 else content)


def _entities(content: bytes, random: Random) -> bytes:
    doctype = random.choice(
        (b"<!DOCTYPE Document>", b"<!DOCTYPE Document [<!ENTITY x 'y'>]>", b"<!doctype Document>",
         b"<!DOCTYPE Document SYSTEM 'file:///etc/hostname'>",
         b"<!DOCTYPE Document [<!ENTITY % a '<!ENTITY x 1>'> %a;]>")
    )  # fmt: skip
    return content.replace(b"<Document", doctype + b"<Document", 1)


def _spaced(content: bytes, random: Random) -> bytes:
    match random.randrange(4):
        case 0:
            return re.sub(rb">\s+<", b"><", content)
        case 1:
            return content.replace(b"\n", random.choice((b"\r\n", b"\r", b"\n\n", b"\xc2\xa0\n")))
        case 2:
            return content.replace(b"<GrpHdr>", b"\n" * random.choice((1_000, 70_000, 120_000)) + b"<GrpHdr>", 1)
        case _:
            return TAG.sub(lambda m: m[0][:-1] + b" " * 3 + m[0][-1:], content)


def _namespaced(content: bytes, random: Random) -> bytes:
    namespace = random.choice(
        ("", ISO, f"{ISO}pain.001.001.12", f"{ISO}pain.002.001.03", f"{ISO}camt.053.001.02", f"{ISO}pain.001.001.09",
         f"{ISO}pain.001.001.03", "http://www.six-interbank-clearing.com/de/pain.001.001.03.ch.02.xsd", "x", "{odd}",
         "&#x202e;")
    ).encode()  # fmt: skip
    return re.sub(
        rb"xmlns(:?\w*)=([\"'])[^\"']*", lambda m: b"xmlns" + m[1] + b"=" + m[2] + namespace, content, count=1
    )


def _tag(content: bytes, random: Random) -> bytes:
    tags = list(TAG.finditer(content))
    if not tags:
        return content
    tag = random.choice(tags)
    end = tag.end() - 1
    more = random.choice(
        (b" a=''", b" a='' a=''", b" a=\"'>\"", b" xmlns=''", b" xmlns:q='urn:q' q:r=''", b" xml:lang='x'", b"/",
         b" xsi:nil='true' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'", b" a='" + b"x" * 30_000 + b"'",
         b" a='&#10;&#x202e;'", b" xml:base='file:///'", b" xml:id='1'", b" xmlns:xml='urn:x'", b" a")
    )  # fmt: skip
    return content[:end] + more + content[end:]


# Bytes.


def _bytes(content: bytes, random: Random) -> bytes:
    at = random.randint(0, len(content))
    some = random.choice((1, 1, 2, 10, 200))
    match random.randrange(6):
        case 0:
            return content[:at]
        case 1:
            return content[:at] + content[at + some :]
        case 2:
            return content[:at] + random.randbytes(some) + content[at:]
        case 3:
            return content[:at] + bytes([random.randrange(256)]) + content[at + 1 :]
        case 4:
            return content[:at] + random.choice(RAW) + content[at:]
        case _:
            return content[:at] + content[max(0, at - 50 * some) :]


def _spliced(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    other = random.choice(others) if others else content
    return content[: random.randint(0, len(content))] + other[random.randint(0, len(other)) :]


# Good files.


def generated(random: Random, name: str) -> bytes:
    """A valid pain.001 with batches, payments and sums by chance, in one of the ways in which a file may be written."""
    new = name.endswith("09")
    batches, count, whole = [], 0, Decimal()
    for b in range(1, random.randint(1, 4) + 1):
        amounts = [_amount(random) for _ in range(random.randint(1, 6))]
        paid = [_paid(new, f"E{b}-{n}-{random.randrange(10**9)}", text) for n, text in enumerate(amounts, start=1)]
        total = sum((Decimal(text) for _, text in amounts), Decimal())
        count, whole = count + len(amounts), whole + total
        totals = f"<NbOfTxs>{len(amounts)}</NbOfTxs>{_control(total)}" if random.random() < 0.6 else ""
        day = "<ReqdExctnDt><Dt>2026-11-18</Dt></ReqdExctnDt>" if new else "<ReqdExctnDt>2026-11-18</ReqdExctnDt>"
        bic = "BICFI" if new else "BIC"
        batches.append(
            f"<PmtInf><PmtInfId>B{b}</PmtInfId><PmtMtd>TRF</PmtMtd>{totals}{day}<Dbtr><Nm>{_name(random)}</Nm></Dbtr>"
            "<DbtrAcct><Id><IBAN>DE89370400440532013000</IBAN></Id></DbtrAcct>"
            f"<DbtrAgt><FinInstnId><{bic}>COBADEFFXXX</{bic}></FinInstnId></DbtrAgt>{''.join(paid)}</PmtInf>"
        )
    control = _control(whole) if random.random() < 0.7 else ""
    message_id = f"GEN-{random.randrange(10**12)}"
    text = (
        f'<Document xmlns="{ISO}{name}"><CstmrCdtTrfInitn><GrpHdr><MsgId>{message_id}</MsgId>'
        f"<CreDtTm>2026-11-16T09:00:00</CreDtTm><NbOfTxs>{count}</NbOfTxs>{control}"
        f"<InitgPty><Nm>{_name(random)}</Nm></InitgPty></GrpHdr>{''.join(batches)}</CstmrCdtTrfInitn></Document>"
    )
    return _dressed(text, random)


def _control(total: Decimal) -> str:
    return f"<CtrlSum>{total}</CtrlSum>" if len(total.as_tuple().digits) <= 18 else ""  # more, no schema takes


def _amount(random: Random) -> tuple[str, str]:
    currency, decimals = random.choice((("EUR", 2), ("JPY", 0), ("KWD", 3), ("CHF", 2), ("CLF", 4)))
    digits = random.choice((1, 3, 7, 18 - decimals))
    text = str(random.randrange(1, 10**digits))
    fraction = f"{random.randrange(10**decimals):0{decimals}d}" if decimals and random.random() < 0.8 else ""
    return currency, f"{text}.{fraction}" if fraction else text


def _paid(new: bool, reference: str, amount: tuple[str, str]) -> str:
    return (
        f"<CdtTrfTxInf><PmtId><EndToEndId>{reference}</EndToEndId></PmtId>"
        f'<Amt><InstdAmt Ccy="{amount[0]}">{amount[1]}</InstdAmt></Amt><Cdtr><Nm>Muster</Nm></Cdtr>'
        "<CdtrAcct><Id><IBAN>NL91ABNA0417164300</IBAN></Id></CdtrAcct></CdtTrfTxInf>"
    )


def _name(random: Random) -> str:
    return random.choice(("Muster AG", "Müller &amp; Söhne", "株式会社", "O&apos;Neill", "Ωμέγα", "A&#x42;C"))


def _dressed(text: str, random: Random) -> bytes:
    if random.random() < 0.3:
        text = re.sub(r"<(/?)([A-Za-z])", r"<\1p:\2", text).replace("xmlns=", "xmlns:p=", 1)
    if random.random() < 0.5:
        text = text.replace("><", random.choice((">\n<", ">\r\n  <", "> <!-- a --><")))
    mark = random.choice(("", "", "\ufeff"))
    declaration = random.choice(("", '<?xml version="1.0" encoding="UTF-8"?>\n', "<?xml version='1.0'?>"))
    return (mark + declaration + text).encode()
