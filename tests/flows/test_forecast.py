"""What will become of a file, told before it is dropped and while it waits; and then it does become so."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from h2h.lifecycle import State
from tests.flows.test_bad_world import SILENT
from tests.flows.test_other_times import DOLLARS, MORNING, OWN, at_work, dollars, euros, mixed
from tests.flows.world import answer, put, world
from tests.shell.command import run as h2h


def told(config: Path, now: str, *arguments: str) -> list[dict[str, Any]]:
    done = h2h(config, "forecast", *arguments, "--json", H2H_NOW=f"{now}:00+01:00")
    assert "Traceback" not in done.stderr, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_file_is_told_what_the_gateway_then_does_with_it(tmp_path: Path) -> None:
    cases = {
        "2026-11-20T10:00": ("MAKES_IT", "MAKES_IT", "MAKES_IT"),
        "2026-11-20T13:30": ("MAKES_IT", "TOO_LATE", "TOO_LATE"),
        "2026-11-20T16:00": ("TOO_LATE", "TOO_LATE", "TOO_LATE"),
        "2026-11-21T10:00": ("NEXT_WINDOW", "NEXT_WINDOW", "NEXT_WINDOW"),
    }
    becomes = {"MAKES_IT": State.SENT, "TOO_LATE": State.HELD, "NEXT_WINDOW": State.READY}
    for number, (now, expected) in enumerate(cases.items()):
        with at_work(tmp_path / str(number), now, DOLLARS) as it:
            contents = {"eur": euros("EUR"), "usd": dollars("USD"), "both": mixed("BOTH")}
            for name, content in contents.items():
                (it.erp.drop / f"{name}.xml").write_bytes(content)
            paths = [str(it.erp.drop / f"{name}.xml") for name in contents]
            found = told(it.erp.config, now, *paths)
            assert tuple(each["verdict"] for each in found) == expected
            sent = it.sent()
            assert tuple(sent[name].state for name in contents) == tuple(becomes[verdict] for verdict in expected)
            for each, name in zip(found, contents, strict=True):
                if each["verdict"] == "NEXT_WINDOW":
                    assert each["goes_at"][:16] == f"{sent[name].due_at:%Y-%m-%dT%H:%M}"


def test_times_cut_off_and_execution_are_told_from_what_the_bank_has_taken(tmp_path: Path) -> None:
    now = "2026-11-20T10:00"
    with at_work(tmp_path, now, DOLLARS) as it:
        [first] = told(it.erp.config, now, str(_written(tmp_path, euros("A", 3))))
        assert (first["upload"], first["answer"], first["answer_by"]) == (None, None, None)
        it.sent(before=euros("BEFORE"))
        put(it.bank.folders.outbox, "yes.xml", answer("BEFORE", "ACSP"))
        it.gateway.desks["box"].pull(it.gateway.bank("box").inbound[0])
        [then] = told(it.erp.config, now, str(_written(tmp_path, mixed("B"))))
        assert (then["upload"]["files"], then["answer"]["files"]) == (1, 1)
        assert then["there_by"] <= then["answer_by"]
        assert then["cut_off"] == "2026-11-20T12:00:00Z"
        assert then["cut_off_for"] == "USD/CAD"
        assert 10000 < then["to_spare"] <= 10800
        assert (then["payments"], then["currencies"], then["line"]) == (2, ["EUR", "USD"], None)
        [execution] = then["executions"]
        assert execution["payments"] == 2


@pytest.mark.parametrize(("count", "words"), [(1, "1 payment"), (2, "2 payments")])
def test_one_payment_is_told_as_one(tmp_path: Path, count: int, words: str) -> None:
    now = "2026-11-20T10:00"
    with at_work(tmp_path, now, DOLLARS) as it:
        file = _written(tmp_path, euros("A", count))
        said = h2h(it.erp.config, "forecast", str(file), H2H_NOW=f"{now}:00+01:00").stdout
    assert re.search(rf"^  to        box, {words}, ", said, re.MULTILINE)
    assert re.search(rf"^  executed  2026-11-20, {words};", said, re.MULTILINE)


def test_a_file_that_waits_is_told_by_its_id_and_one_that_went_is_not(tmp_path: Path) -> None:
    with at_work(tmp_path, "2026-11-21T10:00", DOLLARS) as it:
        waiting = it.sent(run=mixed("MSG"))["run"]
        [found] = told(it.erp.config, "2026-11-21T10:00", waiting.id)
        assert (found["verdict"], found["goes_at"]) == ("NEXT_WINDOW", "2026-11-23T07:00:00Z")
        shown = h2h(it.erp.config, "show", waiting.id, H2H_NOW="2026-11-21T10:00:00+01:00").stdout
        assert "it goes by itself in the next window" in shown
        it.gateway.decisions.cancel(waiting.id, who="ann", reason="not wanted")
        done = h2h(it.erp.config, "forecast", waiting.id)
        assert (done.returncode, f"{waiting.id} is CANCELLED: nothing is to be foreseen" in done.stderr) == (2, True)


def test_send_tells_what_will_become_of_what_it_leaves(tmp_path: Path) -> None:
    with world(tmp_path, SILENT, outbound=OWN) as (erp, _):
        erp.write_settings()
        erp.drop_file(euros("EUR"))
        done = h2h(erp.config, "send", H2H_NOW="2026-11-21T10:00:00+01:00")
        assert (done.returncode, "it goes by itself in the next window" in done.stdout) == (0, True)


def test_what_cannot_go_or_be_told_is_said(tmp_path: Path) -> None:
    now = "2026-11-20T10:00"
    with at_work(tmp_path, now, DOLLARS) as it:
        bad = euros("BAD").replace(b"<NbOfTxs>1<", b"<NbOfTxs>3<")
        done = h2h(it.erp.config, "forecast", str(_written(tmp_path, bad)), H2H_NOW=f"{now}:00+01:00")
        assert (done.returncode, "INVALID" in done.stdout) == (1, True)
        assert "There is no file nothing.xml" in h2h(it.erp.config, "forecast", "nothing.xml").stderr
        (it.erp.drop / "one.xml").write_bytes(euros("ONE"))
        (it.erp.drop / ".hidden").write_bytes(b"")
        assert [Path(each["file"]).name for each in told(it.erp.config, now, str(it.erp.drop))] == ["one.xml"]
        text = h2h(it.erp.config, "forecast", str(it.erp.drop), H2H_NOW=f"{now}:00+01:00").stdout
        assert "MAKES_IT, it goes in the window that is open" in text
        assert "goes      now" in text


def _written(folder: Path, content: bytes) -> Path:
    file = folder / "run.xml"
    file.write_bytes(content)
    return file


AWAY = """
[[bank.maintenance]]
days = "{days}"
starts = "{starts}"
ends = "{ends}"
"""


@pytest.mark.parametrize(
    ("days", "starts", "ends", "verdict", "goes_at"),
    [
        ("fri", "09:00", "11:00", "MAKES_IT", "2026-11-20T10:00:00Z"),
        ("fri", "09:00", "15:00", "TOO_LATE", None),  # until then the cut-off for USD has passed
        ("sun", "09:00", "11:00", "MAKES_IT", "2026-11-20T09:00"),
    ],
)
def test_a_bank_in_maintenance_gets_it_afterwards(
    tmp_path: Path, days: str, starts: str, ends: str, verdict: str, goes_at: str | None
) -> None:
    now = "2026-11-20T10:00"
    with at_work(tmp_path, now, DOLLARS) as it:
        profile = it.erp.profile_file
        profile.write_text(profile.read_text() + AWAY.format(days=days, starts=starts, ends=ends))
        [found] = told(it.erp.config, now, str(_written(tmp_path, dollars("USD"))))
        assert found["verdict"] == verdict
        assert (found["goes_at"] or "").startswith(goes_at or "")


def test_an_opening_in_maintenance_is_put_off_to_its_end(tmp_path: Path) -> None:
    now = "2026-11-21T10:00"
    with at_work(tmp_path, now) as it:
        profile = it.erp.profile_file
        profile.write_text(profile.read_text() + AWAY.format(days="mon", starts="07:00", ends="09:30"))
        [found] = told(it.erp.config, now, str(_written(tmp_path, euros("EUR"))))
        assert (found["verdict"], found["goes_at"]) == ("NEXT_WINDOW", "2026-11-23T08:30:00Z")


def test_maintenance_over_a_whole_window_is_a_cut_off_missed(tmp_path: Path) -> None:
    now = "2026-11-21T10:00"
    with at_work(tmp_path, now) as it:
        profile = it.erp.profile_file
        profile.write_text(profile.read_text() + AWAY.format(days="mon", starts="07:00", ends="16:30"))
        [found] = told(it.erp.config, now, str(_written(tmp_path, euros("EUR"))))
        assert (found["verdict"], found["goes_at"]) == ("TOO_LATE", None)


@pytest.mark.parametrize(
    ("now", "verdict", "state"),
    [
        ("2026-11-20T04:30", "TOO_LATE", State.HELD),
        ("2026-11-20T10:00", "AT_ONCE_THOUGH_LATE", State.SENT),  # the one for USD has passed
    ],
)
def test_windows_that_are_never_open_together_need_a_person_until_one_has_passed(
    tmp_path: Path, now: str, verdict: str, state: State
) -> None:
    with at_work(tmp_path, now, MORNING, after_cut_off='"send"') as it:
        [found] = told(it.erp.config, now, str(_written(tmp_path, mixed("BOTH"))))
        assert found["verdict"] == verdict
        assert it.sent(both=mixed("BOTH"))["both"].state is state
