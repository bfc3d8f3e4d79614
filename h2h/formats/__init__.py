"""Statements in the forms that came before camt.053, with every loss told; and the status of a transfer for an ERP.

books.py       what is booked on one account between two balances, or why that cannot be said
losses.py      which values of the records do not stand in the output, and why
characters.py  what the character sets of the old forms cannot hold
narrative.py   the values of an entry for the one text that both forms have
mt940.py, bai2.py   the forms themselves
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum

from h2h.formats import bai2, mt940
from h2h.formats.books import Said
from h2h.formats.losses import MEANING, Loss, Why
from h2h.model import Finding, Record

__all__ = ["MEANING", "Form", "Loss", "Said", "Why", "convert"]


class Form(StrEnum):
    MT940 = "mt940"
    BAI2 = "bai2"


_CONVERTERS: dict[Form, Callable[[Iterable[Record | Finding]], Iterator[Said]]] = {
    Form.MT940: mt940.convert,
    Form.BAI2: bai2.convert,
}


def convert(items: Iterable[Record | Finding], form: Form) -> Iterator[Said]:
    """Text to write, in order, and between it what is lost and found, of what a reader says of a camt.053.

    An ERROR, of the reader's or of here, says that the text is not worth keeping: a statement cannot be told whole.
    """
    return _CONVERTERS[form](items)
