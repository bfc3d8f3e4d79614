"""The currencies that can be paid, against a well-kept library's list of ISO 4217."""

from __future__ import annotations

import pytest

from h2h.currencies import DECIMALS

# Metals, units of account of funds, tests and "no currency": on the list, and not to be paid.
NOT_PAID = {"XAG", "XAU", "XPD", "XPT", "XBA", "XBB", "XBC", "XBD", "XAD", "XDR", "XSU", "XUA", "XTS", "XXX"}
# Withdrawn in 2025 and 2026, where the library's list may lag behind.
WITHDRAWN = {"ANG", "BGN", "CUC", "HRK", "SLL", "ZWL"}


def test_the_codes_are_those_of_the_standard_less_what_cannot_be_paid() -> None:
    pycountry = pytest.importorskip("pycountry")
    listed = {c.alpha_3 for c in pycountry.currencies}
    assert set(DECIMALS) - listed == set()
    assert listed - set(DECIMALS) - NOT_PAID - WITHDRAWN == set()
    assert set(DECIMALS).isdisjoint(NOT_PAID | WITHDRAWN)


@pytest.mark.parametrize(
    ("currency", "decimals"),
    [("EUR", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("UYW", 4), ("CLP", 0), ("ISK", 0), ("HUF", 2), ("TND", 3)],
)
def test_decimals(currency: str, decimals: int) -> None:
    assert DECIMALS[currency] == decimals
