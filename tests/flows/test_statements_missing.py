"""Statements that are missing, from the bank's folder to the screen: told until they come."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from h2h.daemon import Daemon
from tests.flows.process import daemon
from tests.flows.test_inbound_matrix import House, house, statement
from tests.flows.world import MovableClock, put, until
from tests.shell.command import run as h2h

ACCOUNT = "DE89370400440532013000"
FRIDAY = datetime(2026, 11, 20, 10, tzinfo=UTC)
DAILY = f"""
[[bank.accounts]]
account = "{ACCOUNT}"
statements = "daily"
due = "09:00"
"""


def closing(number: int, day: str, opening: str, to: str) -> bytes:
    """The sample, from one balance to another; its entries come to -17377.20."""
    text = statement(number, day, **{"101527.42": "CLOSING", "118904.62": opening, "CLOSING": to})
    period = text.replace(b"<FrDtTm>2026-11-18", f"<FrDtTm>{day}".encode())
    return period.replace(b"<ToDtTm>2026-11-19", f"<ToDtTm>{day}".encode())


FIRST = ("118904.62", "101527.42")
SECOND = ("101527.42", "84150.22")
THIRD = ("84150.22", "66773.02")


def shown(it: House, *arguments: str, now: datetime = FRIDAY) -> str:
    done = h2h(it.erp.config, *arguments, H2H_NOW=now.isoformat(), COLUMNS="200")
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def listed(it: House, *arguments: str, now: datetime = FRIDAY) -> list[dict[str, Any]]:
    return [json.loads(line) for line in shown(it, *arguments, "--json", now=now).splitlines()]


def test_a_missing_statement_is_told_until_it_comes_and_then_as_healed(tmp_path: Path) -> None:
    with house(tmp_path, "folder", clock=MovableClock(FRIDAY.isoformat())) as it:
        put(it.out, "a.xml", closing(221, "2026-11-16", *FIRST))
        put(it.out, "b.xml", closing(223, "2026-11-18", *THIRD))
        it.pull()
        status = shown(it, "status")
        assert "Missing among the statements (1):" in status
        assert "no. 222 missing" in status
        assert "222 did not come. Ask the bank to send what is missing." in status
        assert it.attention() == ["b.xml"]
        assert [row["gap"] for row in rows_of(shown(it, "statements", "--gaps"))] == ["no. 222 missing"]
        assert [row["complete"] for row in listed(it, "statements")] == [False, True]
        assert listed(it, "status")[0]["gaps"][0]["kind"] == "NUMBER"
        put(it.out, "c.xml", closing(222, "2026-11-17", *SECOND))
        it.pull()
        assert it.attention() == []
        assert "Nothing needs attention" in shown(it, "status")
        assert it.findings("b.xml") == ["STATEMENT_GAP"]  # as it was seen when it came
        assert shown(it, "statements", "--gaps").strip() == "No gaps."
        (healed,) = listed(it, "statements", "--gaps", "--all")
        assert healed["healed_by"] == it.files()[-1].id
        assert healed["healed_by"] in shown(it, "statements", "--gaps", "--all")
        assert "gap healed" in shown(it, "show", healed["healed_by"])
        assert [row["complete"] for row in listed(it, "statements")] == [True, True, True]
        assert "gap(s)" not in shown(it, "statements")


def rows_of(table: str) -> list[dict[str, str]]:
    """The cells of a table whose columns begin where their headings do."""
    head, *lines = table.splitlines()
    names = ["bank", "account", "gap", "since", "what is missing"]
    starts = [head.index(name) for name in names]
    ends = [*starts[1:], 10_000]
    return [
        {name: line[start:end].strip() for name, start, end in zip(names, starts, ends, strict=True)}
        for line in lines
        if line.strip() and not line.startswith(" ")
    ]


def test_a_list_says_which_statements_follow_the_one_before_and_of_which_it_cannot_be_said(tmp_path: Path) -> None:
    masked = closing(300, "2026-11-19", *FIRST).replace(ACCOUNT.encode(), b"DExxxxxxxxxxxxxxxxxx00")
    with house(tmp_path, "folder") as it:
        put(it.out, "a.xml", closing(221, "2026-11-16", *FIRST))
        put(it.out, "b.xml", closing(222, "2026-11-17", *THIRD))
        put(it.out, "c.xml", masked)
        it.pull()
        table = shown(it, "statements")
        assert "does not follow" in table
        assert "cannot be said" in table
        assert "1 gap(s) among them" in table
        assert [row["complete"] for row in listed(it, "statements")] == [None, False, True]
        assert [row["account"] for row in listed(it, "statements", "--account", f"{ACCOUNT[:4]} {ACCOUNT[4:]}")] == (
            [ACCOUNT] * 2
        )
        assert listed(it, "statements", "--gaps", "--bank", "box")[0]["kind"] == "BALANCE"
        assert "There is no bank 'nobody'" in shown(it, "statements", "--gaps", "--bank", "nobody")
        assert "--all goes with --gaps" in shown(it, "statements", "--all")
        assert listed(it, "statements", "--gaps", "--account", "4711") == []


def test_a_day_is_told_though_no_gateway_runs_and_noted_by_the_next_pull(tmp_path: Path) -> None:
    clock = MovableClock(FRIDAY.isoformat())
    with house(tmp_path, "folder", clock=clock, more=DAILY) as it:
        put(it.out, "a.xml", closing(221, "2026-11-18", *FIRST))
        it.pull()
        early = datetime(2026, 11, 20, 7, 59, tzinfo=UTC)
        assert "overdue" not in shown(it, "status", now=early)
        assert "2026-11-19 overdue" in shown(it, "status")
        assert [gap["id"] for gap in listed(it, "statements", "--gaps")] == [None]
        assert it.gateway.ledger.gaps.rows() == []
    assert h2h(it.erp.config, "pull", H2H_NOW=FRIDAY.isoformat()).returncode == 0
    assert [gap["id"] for gap in listed(it, "statements", "--gaps")] == [1]
    put(it.out, "b.xml", closing(222, "2026-11-19", *SECOND))
    assert h2h(it.erp.config, "pull", H2H_NOW=FRIDAY.isoformat()).returncode == 0
    assert listed(it, "statements", "--gaps") == []
    (healed,) = listed(it, "statements", "--gaps", "--all")
    assert (healed["kind"], healed["to_day"], healed["since"]) == ("DAY", "2026-11-19", "2026-11-20T08:00:00Z")


@pytest.mark.parametrize("how", ["when-booked", "none"])
def test_an_account_without_daily_statements_misses_no_day(tmp_path: Path, how: str) -> None:
    settings = DAILY.replace('"daily"', f'"{how}"').replace('due = "09:00"\n', "")
    with house(tmp_path, "folder", clock=MovableClock(FRIDAY.isoformat()), more=settings) as it:
        put(it.out, "a.xml", closing(221, "2026-11-16", *FIRST))
        put(it.out, "b.xml", closing(223, "2026-11-18", *THIRD))
        it.pull()
        assert [gap["kind"] for gap in listed(it, "statements", "--gaps")] == ["NUMBER"]


def test_the_gateway_looks_for_overdue_statements_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("h2h.daemon.OVERDUE_SECONDS", 0.05)
    clock = MovableClock(datetime(2026, 11, 20, 7, 50, tzinfo=UTC).isoformat())
    with house(tmp_path, "folder", clock=clock, more=DAILY) as it:
        put(it.out, "a.xml", closing(221, "2026-11-18", *FIRST))
        it.pull()
        daemon = Daemon(it.gateway)
        daemon._plan_overdue()
        daemon._scheduler.start()
        try:
            daemon._note_overdue()
            assert it.gateway.ledger.gaps.rows() == []
            clock.advance(minutes=10)
            until(lambda: it.gateway.ledger.gaps.rows(), "the day is noted")
        finally:
            daemon._scheduler.shutdown()


def test_a_gateway_that_starts_notes_what_became_overdue_before(tmp_path: Path) -> None:
    """A statement from so long ago that it is overdue by any clock."""
    with house(tmp_path, "folder", more=DAILY) as it:
        put(it.out, "a.xml", closing(2, "2020-01-02", *FIRST))
        it.pull()
        assert it.gateway.ledger.gaps.rows() == []
    with daemon(it.erp.config):
        until(lambda: overdue(it), "the days are noted")
    assert {gap["kind"] for gap in overdue(it)} == {"DAY"}


def overdue(it: House) -> list[dict[str, Any]]:
    """What is noted; not what is computed for the list alone."""
    done = h2h(it.erp.config, "statements", "--gaps", "--json")
    return [gap for gap in map(json.loads, done.stdout.splitlines()) if gap["id"] is not None]
