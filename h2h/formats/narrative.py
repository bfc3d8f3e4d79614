"""The values of an entry for the one text that the old forms have: each after its word, the most wanted first.

Of an entry with several details only its own values are told. `taken` are values that stand whole in a field of their
own already. A value that is no prose is told whole or not at all: a reference that was cut is another one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from h2h.formats.losses import Fate, Why, leaves
from h2h.model import Entry

SHORTEST_PROSE = 12  # less than so much of a text says nothing

# Field of the details or of the entry, its word, and whether it is prose; the counterparty stands before the own party.
WORDS: tuple[tuple[str, str, bool], ...] = (
    ("end_to_end_id", "EREF", False),
    ("return_reason.code", "RTRN", False),
    ("return_reason.proprietary", "RTRN", False),
    ("counterparty_name", "", True),
    ("counterparty_account", "", False),
    ("counterparty_agent", "", False),
    ("remittance", "REMI", True),
    ("structured", "STRD", False),
    ("structured_remittance.reference", "STRD", False),
    ("structured_remittance.documents.number", "DOCN", False),
    ("structured_remittance.additional", "REMI", True),
    ("payment_information_id", "PREF", False),
    ("batch_payment_information_id", "PREF", False),
    ("batches.payment_information_id", "PREF", False),
    ("instruction_id", "IREF", False),
    ("account_servicer_reference", "SREF", False),
    ("mandate_id", "MARF", False),
    ("purpose", "PURP", False),
    ("uetr", "UETR", False),
    ("transaction_id", "TREF", False),
    ("reference", "NREF", False),
    ("additional_information", "INFO", True),
    ("return_reason.text", "RTXT", True),
    ("booking_date", "BKDT", False),
    ("transaction_code", "TXCD", False),
    ("proprietary_code", "TXCD", False),
    ("batch_number_of_transactions", "NTXS", False),
    ("batches.number_of_transactions", "NTXS", False),
    ("message_id", "MREF", False),
    ("batch_message_id", "MREF", False),
    ("batches.message_id", "MREF", False),
    ("counterparty_id", "", False),
    ("instructed_amount", "OCMT", False),
    ("instructed_currency", "OCCY", False),
    ("own_name", "", True),
    ("own_account", "", False),
    ("own_agent", "", False),
    ("own_id", "", False),
)
PARTIES = {
    "debtor_name": "DBTR", "debtor_account": "DBTA", "debtor_agent": "DBTB", "debtor_id": "DBTI",
    "creditor_name": "CDTR", "creditor_account": "CDTA", "creditor_agent": "CDTB", "creditor_id": "CDTI",
}  # fmt: skip
KNOWN = frozenset({*PARTIES.values(), *(word for _, word, _ in WORDS if word)})
_PLACES = {field: place for place, (field, _, _) in enumerate(WORDS)}
_COUNTERPARTY = {"CRDT": "debtor", "DBIT": "creditor"}
_NUMBER = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a form writes its one text: a word stands between `before` and `after`, and a value up to the next one."""

    before: str
    after: str
    longest: int
    in_characters: Callable[[str], str]
    fits: Callable[[str], bool]

    def spoken(self, value: str) -> str:
        """The value in the form's characters, with nothing in it that looks like a word."""
        words = f"{re.escape(self.before)}(?=(?:{'|'.join(sorted(KNOWN))})(?:{re.escape(self.after)}|$))"
        return re.sub(words, ".", self.in_characters(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One value on its way into a text; `text` is how it is written there."""

    word: str
    field: str
    value: str
    text: str
    prose: bool

    def fate(self, written: str) -> Fate:
        if not written:
            return Fate(field=self.field, why=Why.NO_ROOM)
        if written != self.text:
            return Fate(field=self.field, written=written, why=Why.CUT)
        return Fate(field=self.field, written=written, why=None if written == self.value else Why.CHARACTERS)


def narrative(entry: Entry, taken: Collection[str], style: Style) -> tuple[str, list[Fate]]:
    """One text of an entry's values that do not stand elsewhere, and what became of each. None is told twice."""
    told, fates = "", []
    parts = _parts(entry, style)
    said = {(part.word, part.value) for part in parts if part.field in taken}
    for part in parts:
        if (part.word, part.value) in said:
            fates.append(Fate(field=part.field))
            continue
        lead = f"{style.before}{part.word}{style.after}".lstrip(" " if not told else "")
        written = _fitting(part, f"{told}{lead}", style)
        told += f"{lead}{written}" if written else ""
        fates.append(part.fate(written))
        if written == part.value:
            said.add((part.word, part.value))
    return told, fates


def _fitting(part: Part, before: str, style: Style) -> str:
    """The whole text, or of prose as much as there is room for."""
    length = len(part.text)
    most = min(length, style.longest - len(before))
    least = min(length, SHORTEST_PROSE) if part.prose else length
    tries = (part.text[:n].rstrip(" ") for n in range(most, least - 1, -1))
    return next((text for text in tries if style.fits(before + text)), "")


def _parts(entry: Entry, style: Style) -> list[Part]:
    """The values that have a word, by what is most wanted."""
    found = []
    for field, value in leaves(entry):
        if field.startswith("details[") and len(entry.details) > 1:
            continue
        name = _NUMBER.sub("", field).removeprefix("details.")
        place = _PLACES.get(_role(name, entry))
        if place is not None and (text := style.spoken(value)):
            _, word, prose = WORDS[place]
            part = Part(word=word or PARTIES[name], field=field, value=value, text=text, prose=prose)
            found.append((place, part))
    return [part for _, part in sorted(found, key=lambda each: each[0])]


def _role(name: str, entry: Entry) -> str:
    """The name of a party's field by what it is to the account's owner."""
    if name not in PARTIES:
        return name
    party, _, what = name.partition("_")
    return f"{'counterparty' if party == _COUNTERPARTY.get(entry.direction or '') else 'own'}_{what}"
