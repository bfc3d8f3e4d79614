"""A scenario says how a sandbox bank behaves; every mistake in its file is named at once, with its line."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from h2h.errors import SettingsError
from h2h.sandbox.scenario import (
    Booking,
    Generation,
    Repeat,
    Rule,
    Scenario,
    Statuses,
    Take,
    Then,
    When,
    load_scenario,
    parse_scenario,
)

EXAMPLE = Path(__file__).resolve().parents[2] / "config" / "sandbox.toml"

FULL = """
take = "after"
after_seconds = 1.5
received_seconds = "never"
answer_seconds = 2
statement_seconds = 60
generation = "2019"
seed = 7
opening_balance = "-5.25"
credits_per_day = 0
charge = 0
exchange_rate = "1.1"
payment_charge = "0.35"
charge_included = true
answer_days = 2
received_last = false
repeat_answers = "message"
statuses = { accept = "00", reject = "99", pending = "50" }
batch_booking = "single"
batch_details = false
intraday = true
notifications = true
entries_per_page = 7
hold_statements = [2, 5]
hold_days = 3
[[rule]]
when = { amount_above = "10000", creditor_name = "A*", creditor_iban = "DE*", end_to_end_id = "X?", currency = "USD" }
then = "reject"
reason = "AC04"
text = "No."
[[rule]]
then = "pending"
[[rule]]
then = "return"
proprietary = "X 17"
days = 4
"""

BAD = [
    ('take = "sometimes"', 1, "take", "'at_once', 'after' or 'keep'"),
    ("colour = 1", 1, "colour", "not a known key"),
    ("\nreceived_seconds = -1", 2, "received_seconds", "greater than or equal to 0; or input should be 'never'"),
    ('answer_seconds = "soon"', 1, "answer_seconds", "valid number"),
    ("statement_seconds = inf", 1, "statement_seconds", "finite"),
    ("after_seconds = 3", 1, "after_seconds", 'only with take = "after"'),
    ('generation = "2014"', 1, "generation", "'2009' or '2019'"),
    ("opening_balance = nan", 1, "opening_balance", "finite"),
    ("credits_per_day = 1000", 1, "credits_per_day", "less than or equal to 100"),
    ('charge = "-1"', 1, "charge", "greater than or equal to 0"),
    ("exchange_rate = 0", 1, "exchange_rate", "greater than 0"),
    ("charge_included = true", 1, "charge_included", "only with a payment_charge"),
    ("answer_days = -1", 1, "answer_days", "greater than or equal to 0"),
    ('answer_seconds = "never"\nreceived_last = true', 2, "received_last", "needs both"),
    ('received_seconds = "never"\nreceived_last = true', 2, "received_last", "needs both"),
    ('repeat_answers = "twice"', 1, "repeat_answers", "'never', 'file' or 'message'"),
    ('statuses = { accept = "TOO LONG" }', 1, "statuses.accept", "pattern"),
    ('seed = 2\n[statuses]\ndone = "00"', 3, "statuses.done", "not a known key"),
    ('generation = "2009"\nstatuses = { accept = "00" }', 2, "statuses", "schema of 2009"),
    ('generation = "2009"\n[statuses]\naccept = "00"', 2, "statuses", "schema of 2009"),
    ('batch_booking = "yes"', 1, "batch_booking", "'as_ordered', 'batch' or 'single'"),
    ("entries_per_page = -1", 1, "entries_per_page", "greater than or equal to 0"),
    ("\nhold_statements = [0]", 2, "hold_statements.0", "greater than or equal to 1"),
    ("hold_days = 0", 1, "hold_days", "greater than or equal to 1"),
    ('[[rule]]\nthen = "pending"\ndays = 2', 3, "rule.0.days", 'only with then = "return"'),
    ('[[rule]]\nthen = "return"\ndays = 0', 3, "rule.0.days", "greater than or equal to 1"),
    ('[[rule]]\nthen = "reject"\nreason = "AC04"\nproprietary = "X"', 4, "rule.0.proprietary", "leave one"),
    ("rule = 3", 1, "rule", "valid tuple"),
    ('[[rule]]\nreason = "AC04"', 1, "rule.0.then", "is missing"),
    ('[[rule]]\nthen = "refuse"', 2, "rule.0.then", "'accept', 'reject', 'pending' or 'return'"),
    ('[[rule]]\nthen = "reject"\n[[rule]]\nthen = "reject"\nreason = "toolong"', 5, "rule.1.reason", "pattern"),
    ('[[rule]]\nthen = "accept"\nreason = "AC04"', 2, "rule.0.then", "neither reason nor text"),
    ('[[rule]]\nthen = "reject"\nwhen = { city = "Bonn" }', 3, "rule.0.when.city", "not a known key"),
    ('[[rule]]\nthen = "reject"\n[rule.when]\namount_above = "x"', 4, "rule.0.when.amount_above", "valid decimal"),
]


def test_nothing_said_means_that_everything_is_taken_at_once_and_accepted() -> None:
    scenario = parse_scenario("")
    assert scenario == Scenario()
    assert (scenario.take, scenario.received_seconds, scenario.answer_seconds, scenario.rule) == (
        Take.AT_ONCE,
        0,
        0,
        (),
    )


def test_every_key_is_read() -> None:
    when = When(
        amount_above=Decimal(10000), creditor_name="A*", creditor_iban="DE*", end_to_end_id="X?", currency="USD"
    )
    assert parse_scenario(FULL) == Scenario(
        take=Take.AFTER,
        after_seconds=1.5,
        received_seconds="never",
        answer_seconds=2,
        statement_seconds=60,
        generation=Generation.Y2019,
        seed=7,
        opening_balance=Decimal("-5.25"),
        credits_per_day=0,
        charge=Decimal(0),
        exchange_rate=Decimal("1.1"),
        payment_charge=Decimal("0.35"),
        charge_included=True,
        answer_days=2,
        repeat_answers=Repeat.MESSAGE,
        statuses=Statuses(accept="00", reject="99", pending="50"),
        batch_booking=Booking.SINGLE,
        batch_details=False,
        intraday=True,
        notifications=True,
        entries_per_page=7,
        hold_statements=(2, 5),
        hold_days=3,
        rule=(
            Rule(when=when, then=Then.REJECT, reason="AC04", text="No."),
            Rule(then=Then.PENDING),
            Rule(then=Then.RETURN, proprietary="X 17", days=4),
        ),
    )


def test_the_annotated_example_shows_the_defaults_and_four_rules() -> None:
    scenario = load_scenario(EXAMPLE)
    assert [rule.then for rule in scenario.rule] == [Then.REJECT, Then.REJECT, Then.PENDING, Then.RETURN]
    assert scenario == Scenario(rule=scenario.rule)


def test_the_annotated_example_names_every_key() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert [key for key in Scenario.__dataclass_fields__ if key not in text] == []


@pytest.mark.parametrize(("text", "line", "key", "says"), BAD, ids=[case[2] + "-" + case[3][:12] for case in BAD])
def test_a_mistake_is_named_with_its_line(text: str, line: int, key: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_scenario(text, file="bank.toml")
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.key) == ("bank.toml", line, key)
    assert says in problem.text


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        parse_scenario('take = "x"\ncolour = 1\n[[rule]]\nwhen = { city = "Bonn" }\n')
    assert [problem.key for problem in caught.value.problems] == ["take", "rule.0.then", "rule.0.when.city", "colour"]


@pytest.mark.parametrize("content", [b"take = ", b"\xff", None])
def test_a_file_that_cannot_be_read_is_a_settings_error(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "bank.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"bank\.toml: (is not TOML|cannot be read)"):
        load_scenario(file)
