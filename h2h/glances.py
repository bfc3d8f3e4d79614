"""Glances: what proves of many values at once that the checks of single values (checks.py) find nothing in them.

A glance that fails proves nothing: then each value is asked. A test holds them against the checks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal

from h2h.checks import bic_fault
from h2h.currencies import DECIMALS
from h2h.ibans import all_sound
from h2h.text import BLANK_LETTERS


def amounts_clear(amounts: Sequence[Decimal], reached: Decimal, currencies: Collection[str | None]) -> bool:
    """All above zero, in known currencies, with no more decimals than any of these has. `reached`: their exact sum.

    Such a sum has as many decimals as the amount that has most of them.
    """
    if not all(amounts) or any(map(Decimal.is_signed, amounts)):
        return False
    decimals = [DECIMALS.get(currency) for currency in currencies if currency is not None]
    known = [each for each in decimals if each is not None]
    exponent = reached.as_tuple().exponent
    return len(known) == len(decimals) and isinstance(exponent, int) and -exponent <= min(known, default=0)


def ibans_clear(ibans: Iterable[str | None]) -> bool:
    return all_sound([iban for iban in ibans if iban is not None])


def bics_clear(bics: Iterable[str | None]) -> bool:
    return not any(map(bic_fault, [bic for bic in bics if bic is not None]))


def texts_clear(*columns: Iterable[str | None]) -> bool:
    """Nothing in them that cannot be seen: neither in identifications nor in names."""
    for column in columns:
        text = "".join(filter(None, column))
        if not text.isprintable() or not (text.isascii() or _without_blank_letters(text)):
            return False
    return True


def _without_blank_letters(text: str) -> bool:
    return not any(letter in text for letter in BLANK_LETTERS)
