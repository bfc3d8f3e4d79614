"""Every reason code of the official lists is told in words, and they are our own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from h2h.reasons import Of, explained, in_words, lines, means

OFFICIAL = Path(__file__).parents[2].parent / "shared" / "iso20022" / "ISO_ExternalCodeSets_2Q2026_v3.json"
LISTS = {
    Of.STATUS: "ExternalStatusReason1Code",
    Of.RETURN: "ExternalReturnReason1Code",
    Of.REVERSAL: "ExternalReversalReason1Code",
}
MOST_CHARACTERS = 60


def official(of: Of) -> dict[str, str]:
    """The codes of a list with their definitions."""
    if not OFFICIAL.exists():
        pytest.skip("the official code lists are not at hand")
    listed = json.loads(OFFICIAL.read_text())["definitions"][LISTS[of]]
    told = dict(re.findall(r"^\*`(\w+)`-((?:(?!^\*`).)*)", listed["description"], re.MULTILINE | re.DOTALL))
    return {code: told.get(code, "") for code in listed["enum"]}


@pytest.mark.parametrize("of", Of)
def test_every_code_of_the_official_list_has_a_line(of: Of) -> None:
    assert set(official(of)) - set(lines(of)) == set()


@pytest.mark.parametrize("of", Of)
def test_the_words_are_our_own(of: Of) -> None:
    def plain(text: str) -> str:
        return " ".join(re.findall(r"\w+", text.casefold()))

    theirs = official(of)
    assert [c for c, line in lines(of).items() if c in theirs and plain(line) == plain(theirs[c])] == []


@pytest.mark.parametrize("of", Of)
def test_a_line_is_short_and_goes_on_from_its_code(of: Of) -> None:
    odd = {c: line for c, line in lines(of).items() if not 0 < len(line) <= MOST_CHARACTERS or line.endswith(".")}
    assert odd == {}


def test_a_code_may_mean_another_thing_for_money_that_came_back() -> None:
    assert means("BE08") == "the debtor's name is missing"
    assert means("BE08", Of.RETURN) == "a mistake of the bank"
    assert means("AC04", Of.RETURN) == means("AC04") == "the account is closed"


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        ({"code": "AC04"}, "AC04 the account is closed"),
        ({"code": "AC04", "text": "Konto zu"}, 'AC04 the account is closed: "Konto zu"'),
        ({"code": "XX99", "text": "Nein"}, 'XX99: "Nein"'),
        ({"proprietary": "4711"}, "4711"),
        ({"proprietary": "4711", "text": "Nein"}, '4711: "Nein"'),
        ({"text": "Nein"}, '"Nein"'),
        ({"originator": "BANKDEFF"}, ""),
    ],
)
def test_a_reason_is_a_line_with_the_banks_own_words_beside_ours(reason: dict[str, str], line: str) -> None:
    assert in_words([reason]) == line


def test_several_reasons_are_one_line_and_none_is_nothing() -> None:
    assert in_words([{"code": "AC04"}, {}, {"code": "AM04"}]) == (
        "AC04 the account is closed; AM04 not enough money on the account"
    )
    assert (in_words(None), explained(None)) == ("", [])


def test_for_programs_the_meaning_stands_beside_what_came() -> None:
    kept = [{"code": "AC04", "text": "zu"}, {"proprietary": "4711"}]
    assert explained(kept) == [
        {"code": "AC04", "text": "zu", "means": "the account is closed"},
        {"proprietary": "4711"},
    ]
