"""Where is my payment? One order from the ERP's folder to the account and back, at a bank that plays what banks do.

Of four payments one is refused and one comes back after it was booked. The bank's word comes after its statement, then
once more, then an older one; all is booked in one sum, on statements of two pages, of which one comes two days late.
At the end of each day the commands say what is known by then.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from h2h.gateway import Gateway
from h2h.sandbox.scenario import Booking, Generation, Repeat, Rule, Scenario, Then, When
from h2h.sandbox.server import BankServer
from h2h.verdicts import Verdict
from tests.shell.command import run

from .world import MovableClock, World, only, opened, payments, send, transfers, world

MONDAY = "2026-11-16T09:00:00+01:00"
ACCOUNT = "DE89370400440532013000"
REFUSED = Rule(when=When(end_to_end_id="*-2"), then=Then.REJECT, reason="AC04", text="The account is closed.")
COMES_BACK = Rule(when=When(end_to_end_id="*-3"), then=Then.RETURN, reason="AC01", text="No such account.")
PLAY = {
    "credits_per_day": 0,
    "answer_days": 1,
    "repeat_answers": Repeat.MESSAGE,
    "received_last": True,
    "batch_booking": Booking.BATCH,
    "entries_per_page": 1,
    "hold_statements": (2,),
    "hold_days": 2,
    "rule": (REFUSED, COMES_BACK),
}


@dataclass(frozen=True)
class Story:
    """A week at a bank: what it puts out at the end of a day is fetched, and then the commands are asked."""

    erp: World
    bank: BankServer
    clock: MovableClock
    gateway: Gateway

    def order(self, content: bytes) -> None:
        self.erp.drop_file(content)
        send(self.gateway)
        self.fetch()

    def fetch(self) -> None:
        desk = self.gateway.desks["box"]
        self.bank.settle()
        for folder in desk.bank.inbound:
            desk.pull(folder)

    def end_of_day(self) -> list[str]:
        """The kinds of what the bank puts out; then it is the next morning."""
        self.clock.advance(hours=9)
        names = self.bank.close_day()
        self.fetch()
        self.clock.advance(hours=15)
        return [name.rpartition("_")[2].removesuffix(".xml") for name in names]

    def ask(self, *words: str, status: int = 0) -> list[Any]:
        done = run(self.erp.config, *words, "--json", H2H_NOW=self.clock.now().isoformat())
        assert (done.returncode, done.stderr) == (status, ""), (words, done.stdout)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def payment(self, number: int) -> dict[str, Any]:
        return dict(only(self.ask("payments", f"M-1-{number}")))

    def closure(self) -> dict[str, list[tuple[str, str]]]:
        """What is open, each with its payment and amount; the exit status says whether anything is."""
        done = run(self.erp.config, "closure", "--json", H2H_NOW=self.clock.now().isoformat())
        found = [json.loads(line) for line in done.stdout.splitlines()]
        open_ = {
            s["case"]: [(r["reference"], r["amount"]) for r in s["rows"]] for s in found if s["open"] and s["rows"]
        }
        assert (done.returncode, done.stderr) == (1 if open_ else 0, "")
        return open_

    def stages(self) -> list[str]:
        """Of all payments, found by the message id of their file."""
        rows = self.ask("payments", "M-1")
        return [row["stage"] for row in sorted(rows, key=lambda row: row["position"])]

    def verdict(self) -> str:
        return only(transfers(self.gateway)).verdict

    def statements(self) -> list[tuple[object, ...]]:
        """Number, page, opening and closing of each, oldest number first."""
        rows = self.ask("statements")
        told = [(r["sequence_number"], r["page"], r["opening"], r["closing"]) for r in rows]
        return sorted(told, key=lambda row: (int(row[0]), row[1] or 1))

    def gaps(self) -> dict[str, list[tuple[str, int]]]:
        """What was ever missing among them: its kind and first number or page, by whether it has come."""
        found: dict[str, list[tuple[str, int]]] = {"open": [], "healed": []}
        for gap in reversed(self.ask("statements", "--gaps", "--all")):
            found["healed" if gap["healed_at"] else "open"].append((gap["kind"], gap["first"]))
        return found


@contextmanager
def story(folder: Path, scenario: Scenario, **profile: Any) -> Iterator[Story]:
    clock = MovableClock(MONDAY)
    with world(folder, scenario, bank_clock=clock, **profile) as (erp, bank), opened(erp, clock) as gateway:
        yield Story(erp=erp, bank=bank, clock=clock, gateway=gateway)


@pytest.mark.parametrize("generation", Generation)
def test_a_week_of_an_order_of_four_payments(tmp_path: Path, generation: Generation) -> None:
    with story(tmp_path, Scenario(generation=generation, **PLAY)) as week:  # type: ignore[arg-type]
        week.order(payments("M-1", 4))
        nothing_is_heard_yet(week)
        assert week.end_of_day() == ["camt053", "camt053", "pain002"]
        booked_in_one_sum_and_one_refused(week)
        assert week.end_of_day() == ["pain002", "pain002"]
        neither_an_older_word_nor_a_repeated_one_changes_anything(week)
        assert week.end_of_day() == ["camt053"]
        a_statement_is_missing(week)
        assert week.end_of_day() == ["camt053", "camt053", "camt053"]
        it_has_come_and_tells_of_the_return(week)


def nothing_is_heard_yet(week: Story) -> None:
    assert week.stages() == ["SUBMITTED"] * 4
    assert (week.verdict(), week.statements(), week.closure()) == (Verdict.NONE, [], {})


FIRST_PAGE, SECOND_PAGE = ("1", "1", "100000.00", None), ("1", "2", None, "99965.47")


def booked_in_one_sum_and_one_refused(week: Story) -> None:
    assert week.stages() == ["BOOKED", "REJECTED", "BOOKED", "BOOKED"]
    assert week.verdict() is Verdict.PARTIAL
    assert week.statements() == [FIRST_PAGE, SECOND_PAGE]
    booked, refused = week.payment(1), week.payment(2)
    assert (booked["booking"]["amount"], booked["booking"]["direction"]) == ("30.03", "DBIT")
    assert [(r["code"], r["text"]) for r in refused["reasons"]] == [("AC04", "The account is closed.")]
    assert refused["booking"] is None
    assert week.gaps() == {"open": [], "healed": [("PAGE", 2)]}
    assert week.closure() == {}


def neither_an_older_word_nor_a_repeated_one_changes_anything(week: Story) -> None:
    assert week.stages() == ["BOOKED", "REJECTED", "BOOKED", "BOOKED"]
    assert week.verdict() is Verdict.PARTIAL
    assert [(a["status"], a["effect"]) for a in week.payment(2)["answers"]] == [
        ("RJCT", "take"),
        ("ACTC", "late"),
        ("RJCT", "repeat"),
    ]


def a_statement_is_missing(week: Story) -> None:
    assert week.stages() == ["BOOKED", "REJECTED", "BOOKED", "BOOKED"]
    assert week.statements() == [FIRST_PAGE, SECOND_PAGE, ("3", "1", "99970.98", "99966.48")]
    assert week.gaps() == {"open": [("NUMBER", 2)], "healed": [("PAGE", 2)]}
    assert week.closure() == {}


def it_has_come_and_tells_of_the_return(week: Story) -> None:
    assert week.statements() == [
        FIRST_PAGE,
        SECOND_PAGE,
        ("2", "1", "99965.47", None),
        ("2", "2", None, "99970.98"),
        ("3", "1", "99970.98", "99966.48"),
        ("4", "1", "99966.48", "99961.98"),
    ]
    assert week.gaps() == {"open": [], "healed": [("PAGE", 2), ("NUMBER", 2), ("PAGE", 2)]}
    assert week.stages() == ["BOOKED", "REJECTED", "RETURNED", "BOOKED"]
    assert week.closure() == {"PAYMENT_RETURNED": [("M-1-3", "10.01")]}
    payment = week.payment(3)
    assert [(m["role"], m["kind"], m["amount"], m["booking_date"]) for m in payment["movements"]] == [
        ("debit", "053", "10.01", "2026-11-16"),
        ("return", "053", "10.01", "2026-11-17"),
    ]
    back = payment["returned"]
    assert (back["reasons"][0]["code"], back["reasons"][0]["text"]) == ("AC01", "No such account.")
    assert (back["less"], back["booking_date"]) == (None, "2026-11-17")
    assert week.verdict() is Verdict.PARTIAL


@pytest.mark.parametrize("generation", Generation)
def test_a_sum_without_its_payments_books_those_of_the_batch_that_were_not_refused(
    tmp_path: Path, generation: Generation
) -> None:
    plain = {"generation": generation, "credits_per_day": 0, "batch_booking": Booking.BATCH, "batch_details": False}
    with story(tmp_path, Scenario(rule=(REFUSED,), **plain)) as week:  # type: ignore[arg-type]
        week.order(payments("M-1", 4))
        assert week.end_of_day() == ["camt053"]
        assert week.stages() == ["BOOKED", "REJECTED", "BOOKED", "BOOKED"]


def test_what_was_accepted_and_is_never_debited_is_open_after_three_business_days(tmp_path: Path) -> None:
    """To be executed on Wednesday the 18th: in time until the end of Monday the 23rd."""
    held = {"credits_per_day": 0, "hold_statements": tuple(range(1, 9)), "hold_days": 9}
    with story(tmp_path, Scenario(**held)) as week:  # type: ignore[arg-type]
        week.order(payments("M-1", 4))
        for _ in range(7):
            week.end_of_day()
        assert (week.clock.now().day, week.closure()) == (23, {})
        week.end_of_day()
        assert week.closure() == {"NOT_DEBITED": [(f"M-1-{n}", "10.01") for n in (1, 2, 3, 4)]}
        for _ in range(3):
            week.end_of_day()
        assert (week.stages(), week.closure()) == (["BOOKED"] * 4, {})


@pytest.mark.parametrize("generation", Generation)
def test_a_charge_within_the_amount_does_not_hide_the_payment(tmp_path: Path, generation: Generation) -> None:
    charged = {"payment_charge": Decimal("0.35"), "charge_included": True, "batch_booking": Booking.SINGLE}
    with story(tmp_path, Scenario(generation=generation, credits_per_day=0, **charged)) as week:  # type: ignore[arg-type]
        week.order(payments("M-1", 4))
        assert week.end_of_day() == ["camt053"]
        assert week.stages() == ["BOOKED"] * 4
        assert week.payment(1)["booking"]["amount"] == "10.36"


VERSIONS = {"pain.002": ("03", "10"), "camt.052": ("02", "08"), "camt.053": ("02", "08"), "camt.054": ("02", "08")}
ALL_KINDS = [f"{kind}.001.{version}" for kind, versions in VERSIONS.items() for version in versions]


@pytest.mark.parametrize("generation", Generation)
def test_what_is_only_announced_is_not_booked_nor_back_until_a_statement_says_so(
    tmp_path: Path, generation: Generation
) -> None:
    plain = {"generation": generation, "credits_per_day": 0, "intraday": True, "notifications": True}
    scenario = Scenario(rule=(REFUSED, COMES_BACK), hold_statements=(2,), **plain)  # type: ignore[arg-type]
    with story(tmp_path, scenario, inbound={"messages": json.dumps(ALL_KINDS)}) as week:
        week.order(payments("M-1", 4))
        assert week.stages() == ["ADVISED", "REJECTED", "ADVISED", "ADVISED"]
        assert week.end_of_day() == ["camt054", "camt053"]
        assert week.stages() == ["BOOKED", "REJECTED", "BOOKED", "BOOKED"]
        assert week.end_of_day() == ["camt054"]
        assert week.stages() == ["BOOKED", "REJECTED", "BOOKED", "BOOKED"]
        last = week.payment(3)["movements"][-1]
        assert (last["role"], last["kind"], last["final"]) == ("return", "054", False)
        assert "camt053" in week.end_of_day()
        assert week.stages() == ["BOOKED", "REJECTED", "RETURNED", "BOOKED"]
