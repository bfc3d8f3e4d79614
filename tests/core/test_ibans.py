"""IBANs that are seen to be sound, against a well-kept library: table, check digits, and every kind of fault."""

from __future__ import annotations

import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from h2h.checks import bic_fault, iban_fault
from h2h.ibans import FEW, STRUCTURES, all_sound, is_sound

schwifty = pytest.importorskip("schwifty")
COUNTRIES = [structure[:2] for structure in STRUCTURES.split()]
MANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
CAPITALS, EITHER = string.ascii_uppercase, string.digits + string.ascii_uppercase


def takes(iban: str) -> bool:
    """Whether the library does, of what an XSD lets pass: it takes small letters and blanks, too."""
    try:
        schwifty.IBAN(iban)
    except schwifty.exceptions.SchwiftyException:
        return False
    return all(char in EITHER for char in iban)


def spec_of(country: str) -> str | None:
    """As STRUCTURES has it."""
    try:
        spec = schwifty.registry.get_iban_spec(country)
    except schwifty.exceptions.InvalidCountryCode:
        return None
    runs: list[tuple[int, str]] = []
    for part in spec.bban_spec.replace("!n", "n ").replace("!a", "a ").replace("!c", "c ").split():
        count, kind = int(part[:-1]), part[-1]
        runs = [*runs[:-1], (runs[-1][0] + count, kind)] if runs and runs[-1][1] == kind else [*runs, (count, kind)]
    assert sum(count for count, _ in runs) + 4 == spec.iban_length
    return country + "".join(f"{count}{kind}" for count, kind in runs)


def test_the_table_is_the_librarys_registry() -> None:
    every = (spec_of(first + second) for first in CAPITALS for second in CAPITALS)
    assert STRUCTURES.split() == [spec for spec in every if spec]


@st.composite
def ibans(draw: st.DrawFn) -> str:
    """Of the right structure mostly, and with the right check digits often."""
    structure = draw(st.sampled_from(STRUCTURES.split()))
    country, spec = structure[:2], spec_of(structure[:2])
    assert spec
    bban = ""
    for run in spec[2:].replace("n", "n ").replace("a", "a ").replace("c", "c ").split():
        letters = {"n": string.digits, "a": CAPITALS, "c": EITHER}[run[-1]]
        bban += draw(st.text(letters, min_size=int(run[:-1]), max_size=int(run[:-1])))
    number = int("".join(str(int(char, 36)) for char in f"{bban}{country}00"))
    return f"{country}{98 - number % 97:02}{bban}"


@MANY
@given(ibans())
def test_what_is_computed_right_is_sound_in_every_country(iban: str) -> None:
    assert is_sound(iban)
    assert takes(iban)


@MANY
@given(ibans(), st.data())
def test_whatever_is_done_to_one_the_library_says_the_same(iban: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(iban) - 1))
    char = data.draw(st.one_of(st.sampled_from(EITHER), st.characters()))
    for changed in (
        iban[:at] + char + iban[at + 1 :],
        iban[:at] + char + iban[at:],
        iban[:at] + iban[at + 1 :],
        iban[:at] + iban[at:][1:2] + iban[at:][:1] + iban[at + 2 :],
        iban[:2] + data.draw(st.sampled_from(["00", "01", "97", "98", "99"])) + iban[4:],
        data.draw(st.sampled_from([*COUNTRIES, "ZZ", "US"])) + iban[2:],
        iban.lower(),
        f"{iban[:4]} {iban[4:]}",
    ):
        assert is_sound(changed) is takes(changed)
        assert (iban_fault(changed) is None) is is_sound(changed)


@pytest.mark.parametrize("alias", [("00", "97"), ("01", "98"), ("99", "02")])
def test_check_digits_that_are_never_computed_are_wrong(alias: tuple[str, str]) -> None:
    wrong, right = alias
    found = next(i for n in range(97) if is_sound(i := f"DE{right}{n:018}"))
    assert not is_sound(f"DE{wrong}{found[4:]}")
    assert iban_fault(f"DE{wrong}{found[4:]}") is not None


@MANY
@given(st.text(EITHER, min_size=8, max_size=11))
def test_a_bic_is_what_the_library_takes_and_kosovo_has_some(bic: str) -> None:
    for each in (bic, f"{bic[:4]}XK{bic[6:]}"):
        try:
            schwifty.BIC(each.replace("XK", "DE") if each[4:6] == "XK" else each)
            good = True
        except schwifty.exceptions.SchwiftyException:
            good = False
        assert (bic_fault(each) is None) is good


@MANY
@given(st.lists(ibans(), max_size=5), st.data())
def test_many_are_sound_where_each_is(some: list[str], data: st.DataObject) -> None:
    assert all_sound(some)
    if some:
        old = data.draw(st.sampled_from(some))
        at = data.draw(st.integers(0, len(old)))
        put = data.draw(st.sampled_from(["", "0", "7", "Z", "\n", "a", " ", "\u0663"]))
        changed = [*some, old[:at] + put + old[at + 1 :]]
        assert all_sound(changed) is all(map(is_sound, changed))


def test_two_in_one_are_none() -> None:
    for second in ("NL91ABNA0417164300", "DE02120300000000202051"):
        for count in (1, 2 * FEW):
            assert not all_sound([*["DE02120300000000202051"] * count, f"DE02120300000000202051\n{second}"])
    assert all_sound(["DE02120300000000202051", "NL91ABNA0417164300"] * FEW)
    assert not all_sound(["ZZ02120300000000202051"])
    assert not all_sound([""])
