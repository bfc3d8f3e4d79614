"""What the readers of all messages share: the shape of a message, and the pieces that occur everywhere.

A reader is pure: it makes a record of a Node. A value that it cannot read with certainty becomes None and goes, as
the Node that holds it, onto the list of faults; reading.py turns that into a finding with path and line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple, Protocol

from h2h.messages.xml import BLANKS, Node
from h2h.model import Reason, Record

FULL_PIECE = 105  # characters in which banks cut their words, in mid-word (AddtlInf)
MAX_DIGITS = 64

_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


class Fault(NamedTuple):
    """A value that cannot be read, and what was wanted there; or one that can, but is not written plainly."""

    leaf: Node
    wanted: str
    readable: bool = False


Faults = list[Fault]


class Place(NamedTuple):
    """Where a record stands: all count from 1; `group` is 0 for an item outside of any group."""

    group: int
    in_group: int
    in_file: int


def never(_: Record) -> bool:
    return False


class HeadReader(Protocol):
    def __call__(self, node: Node, *, message: str, faults: Faults) -> Record: ...


class GroupReader(Protocol):
    def __call__(self, node: Node, *, position: int, faults: Faults) -> Record: ...


class ItemReader(Protocol):
    """`group` is the record of the group, None outside of any and where the group's head was incomplete."""

    def __call__(self, node: Node, *, place: Place, group: Record | None, faults: Faults) -> Record: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A message as a stream: a head, then groups, each with a head of its own followed by its items.

    `message`, `group` and `item` are local names. `incomplete` says of a record, made of what stands before the first
    group or item, that more of it must be waited for: the items are kept back until their group ends.
    """

    message: str
    group: str
    item: str
    read_head: HeadReader
    read_group: GroupReader
    read_item: ItemReader
    incomplete: Callable[[Record], bool] = never

    @property
    def repeated(self) -> tuple[str, str]:
        """The elements that always have their number in a path."""
        return self.group, self.item


def amount(leaf: Node | None, faults: Faults) -> Decimal | None:
    """A decimal in plain notation, as XML Schema has it, with its text's decimals; never NaN or an exponent."""
    if leaf is None:
        return None
    text = leaf.value.strip(BLANKS)
    readable = len(text) <= MAX_DIGITS and _DECIMAL.fullmatch(text) is not None
    if not readable or not _PLAIN.fullmatch(leaf.value):
        faults.append(Fault(leaf, "an amount in digits with a point before the decimals, as in 1234.50", readable))
    return Decimal(text) if readable else None


def flag(leaf: Node | None, faults: Faults) -> bool | None:
    if leaf is None:
        return None
    value = _FLAGS.get(leaf.value.strip(BLANKS))
    if value is None:
        faults.append(Fault(leaf, "true or false"))
    return value


def currency(leaf: Node | None) -> str | None:
    return (leaf.attributes.get("Ccy") or None) if leaf else None


def date(node: Node | None) -> str | None:
    """A date or time as it stands in the file: in Dt or DtTm, or (2009) the text itself."""
    if node is None:
        return None
    return node.text("Dt") or node.text("DtTm") or node.text()


def code(node: Node | None) -> str | None:
    """Cd or Prtry, or (2009) the text itself."""
    if node is None:
        return None
    return node.text("Cd") or node.text("Prtry") or node.text("Prtry", "Id") or node.text()


def name(party: Node | None) -> str | None:
    """The name of a party: Nm, or (2019, in statements and statuses) Pty/Nm or an agent's."""
    if party is None:
        return None
    return party.text("Nm") or party.text("Pty", "Nm") or party.text("Agt", "FinInstnId", "Nm")


def iban(account: Node | None) -> str | None:
    return account.text("Id", "IBAN") if account else None


def other_account(account: Node | None) -> str | None:
    return account.text("Id", "Othr", "Id") if account else None


def bic(agent: Node | None) -> str | None:
    return (agent.text("FinInstnId", "BICFI") or agent.text("FinInstnId", "BIC")) if agent else None


def reason(node: Node) -> Reason:
    """StsRsnInf or RtrInf."""
    originator = node.node("Orgtr")
    return Reason(
        code=node.text("Rsn", "Cd"),
        proprietary=node.text("Rsn", "Prtry"),
        text=joined(piece.value for piece in node.nodes("AddtlInf")),
        originator=_originator(originator) if originator else None,
    )


def joined(pieces: Iterable[str]) -> str | None:
    """Pieces of one text: a piece of full length runs on into the next, after a shorter one comes a blank."""
    text = ""
    for piece in pieces:
        text += piece if len(piece) >= FULL_PIECE else piece.strip(BLANKS) + " "
    return text.strip(BLANKS) or None


def _originator(party: Node) -> str | None:
    ids = party.node("Id", "OrgId")
    of_organisation = (ids.text("AnyBIC") or ids.text("BICOrBEI") or ids.text("Othr", "Id")) if ids else None
    return name(party) or of_organisation
