"""Who is told of alarms, as the settings say it; and what they cannot say."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from h2h.config import load
from h2h.config.values import WAYS
from tests.core.test_config import BANK, MAIN, problems, write


def main(*blocks: str) -> str:
    """A main file with a recipient for each block, of which the first two lines are made up: name and address."""
    made = [f'[[alerts]]\nname = "r{n}"\nto = "env:R{n}"\n{block}' for n, block in enumerate(blocks, start=1)]
    return MAIN + "\n".join(made)


def test_a_good_one(tmp_path: Path) -> None:
    text = main('banks = ["acme"]\nleast = "urgent"\nrepeat = "30m"', 'instead_of = "r1"')
    first, second = load(write(tmp_path, text, acme=BANK)).alerts
    assert (first.name, first.to, first.banks, first.least) == ("r1", "env:R1", ["acme"], "urgent")
    assert first.repeat == timedelta(minutes=30)
    assert (second.instead_of, second.banks, second.least, second.repeat) == (
        "r1",
        None,
        "warning",
        timedelta(hours=1),
    )


def test_nobody_has_to_be_told(tmp_path: Path) -> None:
    assert load(write(tmp_path, acme=BANK)).alerts == ()


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        (['repeat = "59s"'], "9: alerts[1].repeat: repeat has to be 1m or more, or 0s for never"),
        (
            ['banks = ["acme", "acne"]'],
            "9: alerts[1].banks[2]: there is no bank 'acne' in the settings; there is acme",
        ),
        (['least = "critical"'], "9: alerts[1].least: must be 'notice', 'warning' or 'urgent', not 'critical'"),
        (
            ['instead_of = "none"', ""],
            "9: alerts[1].instead_of: names nobody: there is no 'none' among the alerts; there is r2",
        ),
        (['instead_of = "r1"'], "9: alerts[1].instead_of: leads back to itself; one of them has to be told first"),
        (
            ['instead_of = "r2"\nleast = "notice"', ""],
            "10: alerts[1].least: goes by r2 here, as a fall-back is told what that one should have been told",
        ),
    ],
)
def test_what_cannot_be(tmp_path: Path, blocks: list[str], said: str) -> None:
    assert problems(tmp_path, main(*blocks), acme=BANK) == [f"h2h.toml:{said}"]


def test_fall_backs_in_a_circle_are_told_at_each_of_them(tmp_path: Path) -> None:
    text = main('instead_of = "r2"', 'instead_of = "r3"', 'instead_of = "r2"')
    found = problems(tmp_path, text, acme=BANK)
    assert [line.split(": ")[1] for line in found] == ["alerts[2].instead_of", "alerts[3].instead_of"]


def test_a_name_that_two_have(tmp_path: Path) -> None:
    text = main("") + '\n[[alerts]]\nname = "r1"\nto = "env:X"\n'
    assert problems(tmp_path, text, acme=BANK) == [
        "h2h.toml:11: alerts[2].name: is the name of another one, too; it must be unique"
    ]


def test_an_address_stands_behind_a_reference_and_is_not_repeated(tmp_path: Path) -> None:
    text = main("").replace("env:R1", "mailtos://user:password@corp.example")
    wanted = f"write where it stands, {WAYS}; a secret itself never stands in the settings"
    assert problems(tmp_path, text, acme=BANK) == [f"h2h.toml:8: alerts[1].to: {wanted}"]


def test_what_is_missing_and_what_is_misspelt_is_told_and_nothing_that_follows_from_it(tmp_path: Path) -> None:
    text = MAIN + '[[alerts]]\nnam = "r1"\nto = "env:X"\n[[alerts]]\nname = "r2"\nto = "env:Y"\ninstead_of = "r1"\n'
    assert sorted(problems(tmp_path, text, acme=BANK)) == [
        "h2h.toml:6: alerts[1].name: is missing",
        "h2h.toml:7: alerts[1].nam: is not a known setting; look for a typing error",
    ]


@pytest.mark.parametrize("broken", ["[bank", BANK.replace('name = "acme"', 'name = "A B"')])
def test_of_a_bank_whose_file_is_broken_nothing_is_said(tmp_path: Path, broken: str) -> None:
    found = problems(tmp_path, main('banks = ["acme"]'), acme=broken)
    assert [line.split(":")[0] for line in found] == ["banks/acme.toml"]


def test_one_bracket_is_one_too_few(tmp_path: Path) -> None:
    found = problems(tmp_path, MAIN + '[alerts]\nname = "r1"\nto = "env:X"\n', acme=BANK)
    assert found == [
        "h2h.toml:6: alerts: may stand several times: write its header with two brackets, [[alerts]]",
    ]
