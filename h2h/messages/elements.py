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
from h2h.reported import Money

FULL_PIECE = 105  # characters in which banks cut their words, in mid-word (AddtlInf)
FULL_USTRD = 140
MAX_DIGITS = 64

_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_FIRST_ROOTS = {"pain.001.001.02": "CstmrCdtTrfInitn", "pain.002.001.02": "CstmrPmtStsRpt"}
_VERSION = re.compile(r"V[0-9]{2}")
# In the order in which they are taken; what the first versions (2006) had follows what is used today.
_ACCOUNT_IDS = (("Othr", "Id"), ("BBAN",), ("UPIC",), ("PrtryAcct", "Id"))
_AGENT_IDS = (
    ("BICFI",),
    ("BIC",),
    ("ClrSysMmbId", "MmbId"),
    ("LEI",),
    ("Othr", "Id"),
    ("CmbndId", "BIC"),
    ("ClrSysMmbId", "Id"),
    ("ClrSysMmbId", "Prtry"),
    ("PrtryId", "Id"),
)
_AGENT_NAMES = (("Nm",), ("NmAndAdr", "Nm"), ("CmbndId", "Nm"))
_PARTY_IDS = (
    ("OrgId", "AnyBIC"),
    ("OrgId", "BICOrBEI"),
    ("OrgId", "BIC"),
    ("OrgId", "LEI"),
    ("OrgId", "Othr", "Id"),
    ("PrvtId", "Othr", "Id"),
    ("OrgId", "PrtryId", "Id"),
    ("OrgId", "BkPtyId"),
    ("OrgId", "TaxIdNb"),
    ("PrvtId", "OthrId", "Id"),
    ("PrvtId", "CstmrNb"),
    ("PrvtId", "TaxIdNb"),
)


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
    """`head` is the record of the message's head."""

    def __call__(self, node: Node, *, position: int, head: Record, faults: Faults) -> Record: ...


class TailReader(Protocol):
    """None where there is nothing in it."""

    def __call__(self, node: Node, *, group: int) -> Record | None: ...


class ItemReader(Protocol):
    """`group` is the record of the group, None outside of any and where the group's head was incomplete."""

    def __call__(self, node: Node, *, place: Place, group: Record | None, faults: Faults) -> Record: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A message as a stream: a head, then groups, each with a head of its own followed by its items.

    `message`, `group` and `item` are local names. `incomplete` says of a record, made of what stands before the first
    group or item, that more of it must be waited for: the items are kept back until their group ends. `tail` is an
    element of the group that stands after its items, and is a record of its own.
    """

    message: str
    group: str
    item: str
    read_head: HeadReader
    read_group: GroupReader
    read_item: ItemReader
    incomplete: Callable[[Record], bool] = never
    tail: str = ""
    read_tail: TailReader | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Those under which the message element is known: in the first versions with its version in it."""
        first = (name for name, root in _FIRST_ROOTS.items() if root == self.message)
        return self.message, f"{self.message}V01", *first

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


def money(leaf: Node | None, faults: Faults) -> Money | None:
    return Money(amount=amount(leaf, faults), currency=currency(leaf)) if leaf else None


def iban(account: Node | None) -> str | None:
    return account.text("Id", "IBAN") if account else None


def other_account(account: Node | None) -> str | None:
    """The identification of an account that is no IBAN."""
    ids = account.node("Id") if account else None
    return first_of(ids, _ACCOUNT_IDS) if ids else None


def account_number(account: Node | None) -> str | None:
    return iban(account) or other_account(account)


def bic(agent: Node | None) -> str | None:
    return (agent.text("FinInstnId", "BICFI") or agent.text("FinInstnId", "BIC")) if agent else None


def agent_id(agent: Node | None) -> str | None:
    """BIC, else the number in a clearing system, LEI or another identification."""
    ids = agent.node("FinInstnId") if agent else None
    return first_of(ids, _AGENT_IDS) if ids else None


def agent_name(agent: Node | None) -> str | None:
    ids = agent.node("FinInstnId") if agent else None
    return first_of(ids, _AGENT_NAMES) if ids else None


def agent_word(agent: Node | None) -> str | None:
    """The shortest by which an agent is known: BIC, else another identification, else its name."""
    return agent_id(agent) or agent_name(agent)


def party_id(party: Node | None) -> str | None:
    """BIC, LEI or another identification; of an agent in place of a party (2019) that of the agent."""
    if party is None:
        return None
    ids = party.node("Id") or party.node("Pty", "Id")
    return first_of(ids, _PARTY_IDS) if ids else agent_id(party.node("Agt"))


def first_of(node: Node, paths: Iterable[tuple[str, ...]]) -> str | None:
    """The value at the first of these paths that has one."""
    return next((value for path in paths if (value := node.text(*path))), None)


def reason(node: Node) -> Reason:
    """StsRsnInf or RtrInf; in the first versions its parts have longer names."""
    said, originator = node.node("Rsn") or node.node("StsRsn"), node.node("Orgtr") or node.node("StsOrgtr")
    return Reason(
        code=said.text("Cd") if said else None,
        proprietary=said.text("Prtry") if said else None,
        text=joined(piece.value for piece in (node.nodes("AddtlInf") or node.nodes("AddtlStsRsnInf"))),
        originator=name(originator) or party_id(originator),
    )


def root_of(name: str) -> str:
    """The message element's name, without the version that the first versions have in it."""
    return _FIRST_ROOTS.get(name) or _VERSION.sub("", name)


def remittance(node: Node) -> str | None:
    """What an order says to its other side: its words, else its references."""
    free = joined((piece.value for piece in node.nodes("RmtInf", "Ustrd")), full=FULL_USTRD)
    return free or joined(node.all("RmtInf", "Strd", "CdtrRefInf", "Ref"))


def joined(pieces: Iterable[str], full: int = FULL_PIECE) -> str | None:
    """Pieces of one text: a piece of full length runs on into the next, after a shorter one comes a blank.

    A cut may fall before a blank, which then begins the next piece and parts two words.
    """
    text, runs_on = "", False
    for piece in pieces:
        new = piece if runs_on else piece.lstrip(BLANKS)
        runs_on = len(piece) >= full
        text += new if runs_on else new.rstrip(BLANKS) + " "
    return text.strip(BLANKS) or None
