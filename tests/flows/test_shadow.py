"""The files of the last days, replayed through another profile of their bank: what would change, and nothing does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.flows.test_other_times import DOLLARS, Office, at_work, dollars, euros
from tests.flows.world import answer, put
from tests.shell.command import run as h2h

LATER = "2026-11-24T09:00:00+01:00"


def other_profile(office: Office, *changes: tuple[str, str]) -> Path:
    said = office.erp.profile_file.read_text()
    for before, after in changes:
        assert before in said
        said = said.replace(before, after)
    file = office.erp.folder / "next.toml"
    file.write_text(said)
    return file


def replayed(office: Office, profile: Path, *arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    done = h2h(office.erp.config, "shadow", str(profile), *arguments, "--json", H2H_NOW=LATER)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, {one["file"]: one for one in map(json.loads, done.stdout.splitlines())}


def week(office: Office) -> None:
    """Two files that went, one that is refused, and an answer."""
    office.sent(eur=euros("EUR-1"), usd=dollars("USD-1"), bad=euros("BAD-1").replace(b"<NbOfTxs>1<", b"<NbOfTxs>7<", 1))
    put(office.bank.folders.outbox, "yes.xml", answer("EUR-1", "ACSP"))
    office.gateway.desks["box"].pull(office.gateway.bank("box").inbound[0])


def everything(office: Office) -> tuple[object, object]:
    """What a replay must not change."""
    data = office.gateway.data
    return office.gateway.ledger.journal.last(), sorted(str(file) for file in (data / "archive").rglob("*"))


def test_the_same_profile_changes_nothing(tmp_path: Path) -> None:
    with at_work(tmp_path, "2026-11-20T10:00", DOLLARS) as office:
        week(office)
        before = everything(office)
        status, found = replayed(office, other_profile(office))
        assert (status, set(found)) == (0, {"eur.xml", "usd.xml", "bad.xml", "yes.xml"})
        assert not any(one["changes"] for one in found.values())
        assert found["bad.xml"]["then"]["verdict"] == "INVALID"
        assert everything(office) == before


def test_what_would_change_is_told_file_by_file_and_nothing_is_changed(tmp_path: Path) -> None:
    with at_work(tmp_path, "2026-11-20T10:00", DOLLARS) as office:
        week(office)
        before = everything(office)
        profile = other_profile(
            office,
            ('cut_off = "13:00"', 'cut_off = "09:00"'),
            ('name = "{msg_id}.xml"', 'name = "PAY_{msg_id}_{date:%m%d}.xml.gz"\ncompress = "gzip"'),
            ('match = "*.xml"', 'match = "camt*.xml"'),
        )
        status, found = replayed(office, profile)
        assert status == 1  # the answer would be left alone
        assert found["eur.xml"]["changes"] == ["name", "form"]
        assert found["eur.xml"]["then"]["name"] == "/in/PAY_EUR-1_1120.xml.gz"
        assert found["usd.xml"]["changes"] == ["name", "form", "goes_at", "cut_off"]
        assert found["usd.xml"]["now"]["goes_at"] == found["usd.xml"]["at"]
        assert found["usd.xml"]["then"]["goes_at"] == "2026-11-23T06:00:00Z"  # Monday, 07:00 in Berlin
        assert found["usd.xml"]["then"]["name"] == "/in/PAY_USD-1_1123.xml.gz"
        assert found["bad.xml"]["changes"] == []
        assert (found["yes.xml"]["now"]["verdict"], found["yes.xml"]["then"]["verdict"]) == ("VALID", "NOT_TAKEN")
        assert everything(office) == before


def test_what_would_be_refused_is_told_with_the_findings(tmp_path: Path) -> None:
    with at_work(tmp_path, "2026-11-20T10:00", DOLLARS) as office:
        week(office)
        profile = other_profile(office, ('match = "*.xml"', 'match = "*"'))
        profile.write_text(
            profile.read_text().replace("settle =", 'accounts = ["GB33BUKB20201555555555"]\nsettle =', 1)
        )
        status, found = replayed(office, profile)
        assert status == 1
        assert (found["eur.xml"]["worse"], found["eur.xml"]["then"]["verdict"]) == (True, "INVALID")
        assert found["eur.xml"]["then"]["findings"] == ["ERROR ACCOUNT_FOREIGN"]
        assert [finding["code"] for finding in found["eur.xml"]["findings"]] == ["ACCOUNT_FOREIGN"]
        assert found["yes.xml"]["changes"] == ["folder"]
        shown = h2h(office.erp.config, "shadow", str(profile), H2H_NOW=LATER, COLUMNS="200").stdout
        assert "box, the last 30 days: 3 payment files and 1 files from the bank." in shown
        assert "4 would go another way, 2 of them to the worse:" in shown


def test_days_and_another_bank(tmp_path: Path) -> None:
    with at_work(tmp_path, "2026-11-20T10:00", DOLLARS) as office:
        week(office)
        assert replayed(office, other_profile(office), "--days", "2") == (0, {})
        stranger = other_profile(office, ('name = "box"', 'name = "nobody"'))
        done = h2h(office.erp.config, "shadow", str(stranger), H2H_NOW=LATER)
        assert (done.returncode, "There is no bank 'nobody' in the settings" in done.stderr) == (2, True)
        broken = other_profile(office, ('settle = "0s"', 'settle = "soon"'))
        done = h2h(office.erp.config, "shadow", str(broken), H2H_NOW=LATER)
        assert (done.returncode, "next.toml" in done.stderr) == (2, True)
