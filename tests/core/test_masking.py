"""No account leaves the house in full, however it is written, and what is none stays as it is."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from h2h.ibans import STRUCTURES, is_sound
from h2h.masking import masker

OWN = ["CH93 0076 2011 6238 5295 7", "4711", "47110815", "K-00012345678"]
mask = masker(OWN)
CHARACTERS = {"n": "0123456789", "a": "ABCXYZ", "c": "0123456789ABCXYZ"}


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("Debtor DE89370400440532013000 has", "Debtor DE89…3000 has"),
        ("DE89 3704 0044 0532 0130 00 und mehr", "DE89…3000 und mehr"),
        ("de89 3704-0044-0532-0130-00.", "de89…3000."),
        ("stmt_DE89370400440532013000EUR_1.xml", "stmt_DE89…3000EUR_1.xml"),
        ("XXDE89370400440532013000", "XXDE89…3000"),
        ("wrong digits: DE88370400440532013000", "wrong digits: DE88…3000"),
        ("DE89DE89370400440532013000", "DE89DE89…3000"),
        ("FR1420041010050500013M02606,NO9386011117947", "FR14…2606,NO93…7947"),
        ("our CH9300762011623852957, or 0076 2011 6238 5295 7", "our CH93…2957, or 0076…2957"),
        ("4711, 47 11, 004711 and 47-11", "…1, …1, …11 and …1"),
        ("on 47110815 and x47110815y", "on …15 and x…15y"),
        ("k-000 123 456 78 and K00012345678", "k000…5678 and K000…5678"),
    ],
)
def test_accounts_are_masked(text: str, seen: str) -> None:
    assert mask(text) == seen


@pytest.mark.parametrize(
    "text",
    [
        "T261121-4F7K9QXM waits since 2026-11-22 10:05 UTC; the cut-off is at 15:30",
        "MSG-2026-11-22-000047110 of 47,110.00 EUR, 14711 files, x4711",
        "no 12 of the files is at 10 banks, and the bank said nothing at all to that",
        "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "eb6305c9-1f7f-49de-aed0-16487c27b42d",
    ],
)
def test_all_else_stays(text: str) -> None:
    assert mask(text) == text


def test_without_accounts_of_its_own_it_masks_ibans() -> None:
    assert masker([])("4711 DE89370400440532013000") == "4711 DE89…3000"


@st.composite
def ibans(draw: st.DrawFn) -> str:
    structure = draw(st.sampled_from(STRUCTURES.split()))
    runs = re.findall(r"([0-9]+)([nac])", structure[2:])
    account = "".join(draw(st.text(CHARACTERS[kind], min_size=int(n), max_size=int(n))) for n, kind in runs)
    number = int("".join(str(int(c, 36)) for c in f"{account}{structure[:2]}00"))
    return f"{structure[:2]}{98 - number % 97:02}{account}"


@given(
    ibans(),
    st.sampled_from(["", " ", "-", "\u00a0", "."]),
    st.integers(1, 6),
    st.text(max_size=30),
    st.text(max_size=30),
)
def test_no_iban_comes_through_in_whatever_text_it_stands(
    iban: str, between: str, size: int, before: str, behind: str
) -> None:
    assert is_sound(iban)
    written = between.join(iban[at : at + size] for at in range(0, len(iban), size))
    found = re.sub(r"[^\w…]|_", "", masker([])(f"{before}{written}{behind}")).upper()
    assert iban not in found


@given(st.text())
def test_any_text_can_be_masked(text: str) -> None:
    mask(text)
