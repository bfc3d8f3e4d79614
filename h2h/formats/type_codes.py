"""BAI2 type codes for entries, by the bank transaction code (domain/family/sub-family) and the direction.

The first row that fits decides: a part that is empty fits anything. What no row knows is a miscellaneous one.
"""

from __future__ import annotations

from typing import NamedTuple

from h2h.model import Entry


class _Row(NamedTuple):
    domain: str
    family: str
    sub_family: str
    credit: str
    debit: str


OTHER = ("399", "699")
REVERSAL = ("252", "552")
_ROWS = (
    _Row("", "", "CHRG", "399", "698"),
    _Row("", "", "FEES", "399", "698"),
    _Row("", "", "COMM", "224", "524"),
    _Row("", "", "INTR", "354", "654"),
    _Row("", "", "STDO", "227", "527"),
    _Row("", "", "XBCT", "208", "508"),
    _Row("", "", "XRTN", "257", "557"),
    _Row("", "", "RRTN", "257", "557"),
    _Row("", "", "ARET", "257", "557"),
    _Row("", "", "UPDD", "257", "557"),
    _Row("", "", "UPCQ", "255", "555"),
    _Row("", "", "BOOK", "206", "506"),
    _Row("", "", "ACCT", "206", "506"),
    _Row("PMNT", "RCDT", "", "195", "495"),
    _Row("PMNT", "ICDT", "", "195", "495"),
    _Row("PMNT", "RRCT", "", "158", "458"),
    _Row("PMNT", "IRCT", "", "158", "458"),
    _Row("PMNT", "RDDT", "", "165", "455"),
    _Row("PMNT", "IDDT", "", "165", "455"),
    _Row("PMNT", "RCHQ", "", "174", "475"),
    _Row("PMNT", "ICHQ", "", "174", "475"),
    _Row("PMNT", "MCRD", "", "147", "699"),
    _Row("PMNT", "LBOX", "", "115", "699"),
    _Row("PMNT", "DRFT", "", "184", "484"),
    _Row("PMNT", "CNTR", "", "366", "666"),
    _Row("FORX", "", "", "214", "514"),
    _Row("TRAD", "LOCT", "", "213", "513"),
    _Row("TRAD", "CLNC", "", "218", "518"),
    _Row("CAMT", "ACCB", "", "275", "575"),
    _Row("SECU", "", "", "249", "549"),
)


def type_code(entry: Entry) -> str:
    """The code of three digits; a reversal has one of its own."""
    credit = entry.direction == "CRDT"
    if entry.reversal:
        return REVERSAL[0 if credit else 1]
    said = ((entry.transaction_code or "") + "//").split("/")[:3]
    row = next(
        (row for row in _ROWS if all(not want or want == is_ for want, is_ in zip(row[:3], said, strict=True))), None
    )
    codes = (row.credit, row.debit) if row else OTHER
    return codes[0 if credit else 1]
