"""The commands as a person runs them: what they print, what they refuse, and with which exit status."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from unicodedata import category

import pytest

from h2h.gateway import Gateway
from h2h.ledger.leases import Planned
from h2h.ledger.rows import Transfer
from h2h.resources import root
from h2h.sandbox.scenario import Scenario
from tests import alone
from tests.flows import process
from tests.flows.process import environment
from tests.flows.world import MovableClock, World, answer, opened, payments, put, sample, send, transfers, world
from tests.national import national

from .command import run as h2h

SILENT = Scenario(received_seconds="never", answer_seconds="never")
NOW = "2026-11-20T10:00:00+01:00"
ESCAPE = "\x1b[31mevil\x1b[0m\x07.xml"  # a file name that colours a terminal and rings its bell
CSI = "\u009b31mred\u202e"  # allowed in XML: a control sequence in one character, and text turned round
GOOD = {"A": payments("MSG-A"), "P": sample(), "R": payments("MSG-R"), "H": payments("MSG-H"), "F": payments("MSG-F"),
        "U": payments("MSG-U")}  # fmt: skip


@dataclass(frozen=True)
class Office:
    """A data folder with a transfer in every state that a person may meet, and the ids of these transfers."""

    config: Path
    ids: dict[str, str]

    def run(self, *arguments: str, status: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
        done = h2h(self.config, *arguments, **variables)
        assert done.returncode == status, (arguments, done.stdout, done.stderr)
        no_traceback(done)
        return done

    def json(self, *arguments: str, status: int = 0, **variables: str) -> list[Any]:
        done = self.run(*arguments, "--json", status=status, **variables)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def refused(self, *arguments: str) -> str:
        """Why a decision was refused: one sentence, exit status 1, nothing printed."""
        done = self.run(*arguments, "--reason", "a test", status=1)
        assert done.stdout == ""
        return done.stderr


def no_traceback(done: subprocess.CompletedProcess[str]) -> None:
    """One sentence for whatever went wrong; and nothing that a terminal would obey, a line's end aside."""
    said = done.stdout.replace("\r\n", "\n") + done.stderr
    assert "Traceback" not in said
    assert "the gateway itself failed" not in said
    assert [c for c in said if category(c) in ("Cc", "Cs") and c != "\n"] == [], repr(said)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("office")
    with world(folder, SILENT) as (erp, bank):
        erp.write_settings()
        for name, content in GOOD.items():
            erp.drop_file(content, f"{name}.xml")
        erp.drop_file((root("samples") / "bad" / "IBAN_INVALID.xml").read_bytes(), ESCAPE)
        with opened(erp, MovableClock(NOW)) as gateway:
            gateway.desks["box"].take_in()
            ids = {t.name[0]: t.id for t in transfers(gateway)}
            ids["I"] = ids.pop("\\")
            gateway.decisions.hold(ids["H"], who="ann", reason="the treasurer is asked")
            doubt(gateway, gateway.ledger.transfers.get(ids["U"]))
            damage(erp, gateway.ledger.transfers.get(ids["F"]))
            gateway.desks["box"].hand_over()
            erp.drop_file(GOOD["A"], "D.xml")
            ids["D"] = next(t.id for t in send(gateway) if t.name == "D.xml")
            for name, paper in papers().items():
                put(bank.folders.outbox, name, paper)
            gateway.desks["box"].pull(gateway.desks["box"].bank.inbound[0])
        yield Office(erp.config, ids)


def papers() -> dict[str, bytes]:
    return {
        "1.xml": answer("MSG-A", "ACSP", paper_id="STS-A"),
        "2.xml": sample("pain.002.001.10"),
        "3.xml": answer("MSG-R", "RJCT", paper_id="STS-R", reason="AM04", text=f"no cover {CSI}"),
        "4.xml": sample("camt.053.001.08"),
        "5.xml": b"no XML at all",
    }


def doubt(gateway: Gateway, transfer: Transfer) -> None:
    """As after a rename whose answer was lost, at a bank of which too little is known."""
    verbs, now = gateway.ledger.transfers, gateway.clock.now()
    names = Planned(temporary="/in/.U.part", remote="/in/MSG-U.xml")
    route = gateway.settings.banks[0].channel.route
    leased = alone.lease(verbs, transfer, gateway.owner, lambda *_: names, route, now, timedelta(minutes=2))
    assert leased
    verbs.in_doubt(alone.publishing(verbs, leased, now), "both names are gone", {"final": "gone"}, now)


def damage(erp: World, transfer: Transfer) -> None:
    stored = next((erp.folder / "data" / "archive").rglob(transfer.sha256))
    stored.write_bytes(b"changed")


@pytest.fixture
def office(made: Office, tmp_path: Path) -> Office:
    """A copy to be changed."""
    folder = made.config.parent
    shutil.copytree(folder, tmp_path / "office", ignore=shutil.ignore_patterns("bank"))
    profile = tmp_path / "office" / "banks" / "box.toml"
    profile.write_text(profile.read_text().replace(str(folder), str(tmp_path / "office")))
    return Office(tmp_path / "office" / "h2h.toml", made.ids)


# Looking.


def test_every_state_is_where_this_file_thinks_it_is(made: Office) -> None:
    found = {f["id"]: (f["state"], f["verdict"]) for f in made.json("files") if f["direction"] == "out"}
    assert {name: found[id_] for name, id_ in made.ids.items()} == {
        "A": ("SENT", "ACCEPTED"), "P": ("SENT", "PARTIAL"), "R": ("SENT", "REJECTED"), "H": ("HELD", "none"),
        "F": ("FAILED", "none"), "U": ("UNCERTAIN", "none"), "D": ("DUPLICATE", "none"), "I": ("INVALID", "none"),
    }  # fmt: skip


def test_files_lists_both_directions_and_filters_by_state(made: Office) -> None:
    everything = made.json("files")
    assert {f["direction"] for f in everything} == {"in", "out"}
    assert {"id", "direction", "bank", "name", "state", "verdict", "message_id", "sha256", "size", "payments", "reason",
            "attempts"} <= set(everything[0])  # fmt: skip
    assert [f["id"] for f in made.json("files", "--state", "held")] == [made.ids["H"]]
    listed = made.run("files").stdout
    assert all(id_ in listed for id_ in made.ids.values())


def test_status_names_everything_that_waits_for_a_person(made: Office) -> None:
    board = made.json("status")[0]
    assert (board["environment"], board["process"]) == ("test", None)
    shown = {f["id"] for f in board["attention"]}
    assert {made.ids[name] for name in "HFU"} <= shown
    printed = made.run("status").stdout
    assert all(made.ids[name] in printed for name in "HFU")
    assert "not running" in printed


def test_status_takes_the_set_clock_in_a_test_environment(made: Office) -> None:
    done = made.run("status", "--json", H2H_NOW="2026-11-27T12:00:00+01:00")
    assert json.loads(done.stdout)["at"].startswith("2026-11-27T11:00:0")
    wrong = made.run("status", status=2, H2H_NOW="next week")
    assert "H2H_NOW" in wrong.stderr


def test_show_is_a_timeline_and_takes_the_end_of_an_id(made: Office) -> None:
    history = made.json("show", made.ids["A"][-5:])[0]
    assert history["file"]["id"] == made.ids["A"]
    kinds = [line["kind"] for line in history["lines"]]
    assert kinds[:5] == ["RECEIVED", "READY", "STAGING", "PUBLISHING", "SENT"]
    assert "verdict ACCEPTED" in kinds
    assert made.ids["A"] in made.run("show", made.ids["A"]).stdout
    assert "There is no file" in made.run("show", "T000000-NOTHERE", status=2).stderr


def test_a_payment_is_followed_from_the_file_to_the_statement(made: Office) -> None:
    paid = made.json("payments", "ZA-2026-004705")[0]
    assert (paid["transfer"], paid["status"], bool(paid["booking"])) == (made.ids["P"], "ACSP", True)
    refused = made.json("payments", "ZA-2026-004706")[0]
    assert (refused["status"], refused["booking"]) == ("RJCT", None)
    assert refused["answers"][-1]["reasons"][0]["code"] == "AC01"
    assert "AC01" in made.run("payments", "ZA-2026-004706").stdout
    made.run("payments", "no such reference", status=1)


def test_payments_are_found_by_whatever_is_known_of_them(made: Office) -> None:
    """Many are a table, a few are told one by one."""
    of_file = made.json("payments", "--stage", "booked", "--from", "2026-01-01", "--account", "DE89370400440532013000")
    assert {row["stage"] for row in of_file} == {"BOOKED"}
    everything = made.run("payments", "--bank", "box").stdout
    assert everything.splitlines()[0].split() == [
        "payment",
        "amount",
        "to",
        "execution",
        "stage",
        "bank",
        "file",
        "batch",
    ]
    [paid] = made.json("payments", "ZA-2026-004705")
    exact = made.json("payments", "--amount", paid["amount"], "--name", paid["creditor_name"][1:6].upper())
    assert paid["end_to_end_id"] in {row["end_to_end_id"] for row in exact}
    assert made.json("payments", "--amount", f"..{paid['amount']}", "--limit", "1") != []
    told = made.run("payments", "ZA-2026-004705").stdout
    order = [told.index(f"\n  {word}") for word in ("file", "dropped", "sent", "answer", "booked")]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--amount", "ten"], "is no amount"),
        (["--amount", "NaN"], "is no amount"),
        (["--stage", "PAID"], "there is no stage"),
        (["--from", "soon"], "does not match the format"),
        (["--bank", "nobody"], "There is no bank"),
    ],
)
def test_what_payments_cannot_be_asked_for_is_said(made: Office, arguments: list[str], words: str) -> None:
    assert words in made.run("payments", *arguments, status=2).stderr


def test_closure_lists_what_is_open_and_says_so_by_its_status(made: Office) -> None:
    sections = made.json("closure", "--from", "2026-01-01", "--to", "2026-12-31", status=1)
    assert [s["case"] for s in sections][-1] == "DEBIT_BY_THE_BANK"
    assert {s["case"] for s in sections if s["open"] and s["rows"]}
    shown = made.run("closure", "--from", "2026-01-01", "--to", "2026-12-31", status=1).stdout
    assert all(s["means"] in shown for s in sections)
    assert "closed" in made.run("closure", "--from", "2020-01-01", "--to", "2020-01-31").stdout
    assert "after the last one" in made.run("closure", "--from", "2026-02-01", "--to", "2026-01-01", status=2).stderr
    assert "There is no bank" in made.run("closure", "--bank", "nobody", status=2).stderr


def test_statements_say_whether_they_add_up(made: Office) -> None:
    statement = made.json("statements")[0]
    assert (statement["reconciles"], statement["matched"]) == (True, 7)
    assert statement["account"] in made.run("statements").stdout
    assert made.json("statements", "--account", "nobody's") == []


def test_the_journal_is_whole_until_somebody_edits_it(office: Office) -> None:
    whole = office.json("journal", "verify")[0]
    assert (whole["fault"], whole["events"] > 30) == (None, True)
    assert whole["head"] in office.run("journal", "verify").stdout
    with closing(sqlite3.connect(office.config.parent / "data" / "h2h.db")) as ledger, ledger:
        for (trigger,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            ledger.execute(f"DROP TRIGGER {trigger}")
        ledger.execute("UPDATE event SET data = replace(data, 'gateway', 'somebody') || ' ' WHERE seq = 2")
    assert "event 2 was edited" in office.json("journal", "verify", status=1)[0]["fault"]
    assert "BROKEN" in office.run("journal", "verify", status=1).stdout


def test_texts_from_files_cannot_play_tricks_on_a_terminal(made: Office) -> None:
    """`no_traceback` looks for control characters in the output of every command in this file."""
    assert "\\x1b[31mevil" in made.run("files").stdout
    assert "\\x1b[31mevil" in made.run("show", made.ids["I"]).stdout
    assert "\\x9b31mred" in made.run("payments", "MSG-R-1").stdout
    assert "\\u202e" in made.run("show", made.ids["R"]).stdout
    assert "\\u202e" in made.run("show", made.ids["R"], "--json").stdout


# Judging without a gateway.


def test_validate_says_what_judge_would_say(tmp_path: Path) -> None:
    nowhere = tmp_path / "nothing.toml"
    good, bad = root("samples") / "good" / "pain.001.001.09.xml", root("samples") / "bad" / "IBAN_INVALID.xml"
    done = h2h(nowhere, "validate", str(good), str(bad), "--json")
    no_traceback(done)
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert done.returncode == 1
    assert (first["verdict"], first["message"], first["payments"]) == ("VALID", "pain.001.001.09", 8)
    assert (second["verdict"], second["findings"][0]["code"]) == ("INVALID", "IBAN_INVALID")
    assert second["findings"][0]["line"] > 1
    assert list(second) == ["file", "verdict", "message", "message_id", "payments", "control_sum", "findings"]
    assert h2h(nowhere, "validate", str(good)).returncode == 0
    assert "IBAN_INVALID" in h2h(nowhere, "validate", str(bad)).stdout
    assert list(tmp_path.iterdir()) == []
    held = h2h(nowhere, "validate", str(root("samples") / "bad" / "NAME_UNSEEN.xml"))
    assert (held.returncode, "HELD" in held.stdout, "\\u202e" in held.stdout) == (0, True, True)
    missing = h2h(nowhere, "validate", str(tmp_path / "gone.xml"))
    assert (missing.returncode, "cannot be read" in missing.stderr) == (2, True)
    no_traceback(missing)


def test_validate_for_a_bank_judges_by_the_folder_that_takes_the_file_best_and_by_the_day(tmp_path: Path) -> None:
    with world(tmp_path, outbound={"accounts": '["DE02120300000000202051"]', "unusual_dates": '"hold"'}) as (erp, _):
        erp.write_settings()
        files = [str(root("samples") / "bad" / f"{name}.xml") for name in ("ACCOUNT_FOREIGN", "MSG_UNEXPECTED")]
        second = '[[bank.outbound]]\nwatch = "{}"\nremote = "/in"\nmessages = ["pain.001.001.09"]\n'
        erp.profile_file.write_text(erp.profile_file.read_text() + second.format(tmp_path / "other"))
        office = Office(erp.config, {})
        found = office.json("validate", *files, "--bank", "box", status=1, H2H_NOW="2026-11-17T10:00:00+01:00")
        assert [(f["verdict"], [x["code"] for x in f["findings"]]) for f in found] == [
            ("INVALID", ["ACCOUNT_FOREIGN"]),
            ("VALID", []),
        ]


def test_validate_for_a_bank_says_what_becomes_of_a_file_in_the_version_that_it_wants(tmp_path: Path) -> None:
    upgrade = {"messages": '["pain.001.001.03"]', "upgrade": '"pain.001.001.09"'}
    good = sample("pain.001.001.03").decode()
    contact = "</PstlAdr><CtctDtls><Othr>4711</Othr></CtctDtls></Dbtr>"
    files = {"good": good, "bad": re.sub(r"</PstlAdr>\s*</Dbtr>", contact, good)}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with world(tmp_path, outbound=upgrade) as (erp, _):
        erp.write_settings()
        office = Office(erp.config, {})
        paths = [str(tmp_path / name) for name in files]
        found = office.json("validate", *paths, "--bank", "box", status=1)
        assert [f["verdict"] for f in found] == ["VALID", "INVALID"]
        assert [f["message"] for f in found] == ["pain.001.001.03"] * 2
        told = [[x["code"] for x in f["findings"] if x["severity"] in ("ERROR", "INFO")] for f in found]
        assert told == [["UPGRADE_MADE"], ["UPGRADE_IMPOSSIBLE"] * 2]
        assert [f["verdict"] for f in office.json("validate", *paths)] == ["VALID", "VALID"]
        erp.drop_file(good.encode())
        office.run("send")
        [file] = office.json("files")
        shown = office.run("show", file["id"]).stdout
        assert f"sha256 {file['sha256']}" in shown
        assert f"dropped as      pain.001.001.03  sha256 {file['original_sha256']}" in shown


def test_validate_opens_no_ledger_and_loads_nothing_of_one(tmp_path: Path) -> None:
    program = "import sys, h2h.cli; h2h.cli.main()"
    file = str(root("samples") / "good" / "pain.001.001.09.xml")
    command = [sys.executable, "-X", "importtime", "-c", program, "validate", file]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True, env=environment())
    assert "VALID" in done.stdout
    assert "h2h.outbound.judge" in done.stderr
    assert [name for name in ("sqlalchemy", "paramiko", "xmlschema") if name in done.stderr] == []


def test_validate_for_a_bank_goes_by_its_own_schemas(tmp_path: Path) -> None:
    with world(tmp_path, bank={"schemas": f'"{national(tmp_path / "national")}"'}) as (erp, _):
        erp.write_settings()
        file = tmp_path / "file.xml"
        file.write_bytes(re.sub(rb"<UETR>.*</UETR>", b"", sample()))
        office = Office(erp.config, {})
        assert office.json("validate", str(file))[0]["verdict"] == "VALID"
        (found,) = office.json("validate", str(file), "--bank", "box", status=1)
        assert {f["code"] for f in found["findings"] if f["severity"] == "ERROR"} == {"XSD_MISSING"}
        (tmp_path / "national" / "purposes.xsd").unlink()
        broken = h2h(erp.config, "validate", str(file), "--bank", "box")
        assert (broken.returncode, "purposes.xsd cannot be read" in broken.stderr) == (1, True)
        no_traceback(broken)
        (tmp_path / "national" / "payments.xsd").write_text("none")
        broken = h2h(erp.config, "validate", str(file), "--bank", "box")
        assert (broken.returncode, "payments.xsd is not a schema" in broken.stderr) == (2, True)


def test_inspect_shows_records_of_any_message(tmp_path: Path) -> None:
    names = ["pain.001.001.03", "pain.002.001.10", "camt.053.001.08"]
    files = [str(root("samples") / "good" / f"{name}.xml") for name in names]
    done = h2h(tmp_path / "nothing.toml", "inspect", *files, "--json")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, [f["message"] for f in found]) == (0, names)
    kinds = [{record["record"] for record in f["records"]} for f in found]
    assert kinds[0] == {"PaymentFile", "Batch", "Payment"}
    assert {"StatementFile", "Statement", "Entry"} <= kinds[2]
    assert "Statement" in h2h(tmp_path / "nothing.toml", "inspect", files[2]).stdout
    (tmp_path / "bad.xml").write_bytes(b"\x1b[31m no XML")
    unread = h2h(tmp_path / "nothing.toml", "inspect", str(tmp_path / "bad.xml"))
    assert unread.returncode == 1
    no_traceback(unread)


# Moving files.


def test_send_and_pull_do_one_round_and_end(tmp_path: Path) -> None:
    with world(tmp_path) as (erp, bank):
        erp.write_settings()
        erp.drop_file(GOOD["A"], "good.xml")
        office = Office(erp.config, {})
        sent = office.json("send")
        assert [(f["name"], f["state"]) for f in sent] == [("good.xml", "SENT")]
        assert [t.data for t in bank.taken] == [GOOD["A"]]
        erp.drop_file(b"<no/>", "bad.xml")
        assert "INVALID" in office.run("send", status=1).stdout
        bank.settle()
        assert {m["state"] for m in office.json("pull")} == {"APPLIED"}
        assert "Nothing new" in office.run("pull").stdout
        put(bank.folders.outbox, "x.xml", b"no XML")
        assert "UNREADABLE" in office.run("pull", status=1).stdout


def test_send_and_pull_say_what_cannot_be_reached(tmp_path: Path) -> None:
    with world(tmp_path) as (erp, _):
        pass
    erp.write_settings()
    erp.drop_file(GOOD["A"], "good.xml")
    office = Office(erp.config, {})
    waiting = office.json("send", status=1)[0]
    assert (waiting["state"], waiting["sent_at"]) == ("READY", None)
    assert "could not be opened" in office.run("pull", status=1).stderr


# Deciding.


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("A", "the bank has it since"),
        ("P", "would pay that part twice"),
        ("U", "the bank may have it"),
        ("H", "it is held"),
        ("D", "it repeats"),
        ("I", "it is INVALID"),
    ],
)
def test_resend_is_refused_with_the_reason_where_it_could_pay_twice(made: Office, name: str, why: str) -> None:
    assert why in made.refused("resend", made.ids[name])


@pytest.mark.parametrize("name", ["F", "R"])
def test_resend_is_possible_where_the_bank_cannot_have_it_or_refused_all_of_it(office: Office, name: str) -> None:
    done = office.json("resend", office.ids[name], "--reason", "mended")[0]
    assert (done["id"], done["state"], done["verdict"]) == (office.ids[name], "READY", "none")
    decided = office.json("show", office.ids[name])[0]["lines"][-1]
    assert decided["data"]["reason"] == "mended"
    assert decided["actor"] not in ("", "gateway")


def test_a_decision_without_a_reason_or_on_nothing_is_wrong_use(made: Office) -> None:
    assert "--reason" in made.run("resend", made.ids["F"], status=2).stderr
    assert "There is no file" in made.run("hold", "T000000-NOTHERE", "--reason", "x", status=2).stderr
    assert "--bank-has-it or --send-again" in made.run("resolve", made.ids["U"], "--reason", "x", status=2).stderr


def test_release_hold_and_cancel_move_what_waits_and_nothing_else(office: Office) -> None:
    held, sent = office.ids["H"], office.ids["A"]
    assert office.json("release", held, "--reason", "approved")[0]["state"] == "READY"
    assert office.json("hold", held, "--reason", "wait")[0]["state"] == "HELD"
    assert "is now HELD" not in office.run("release", held, "--reason", "approved", "--now").stdout
    assert office.json("cancel", held, "--reason", "wrong account")[0]["state"] == "CANCELLED"
    for command in ("release", "hold", "cancel"):
        assert "not possible" in office.refused(command, sent)
        assert "Nothing can be done" in office.refused(command, held)
    assert f"Possible now: `h2h resend {office.ids['F']}`, `h2h cancel" in office.refused("hold", office.ids["F"])


def test_a_duplicate_takes_two_decisions_of_two_persons(office: Office) -> None:
    repeated = office.ids["D"]
    assert office.json("release", repeated, "--reason", "new payments")[0]["state"] == "HELD"
    assert "somebody else has to release it" in office.refused("release", repeated)
    assert office.json("release", repeated, "--reason", "really", SUDO_USER="bob")[0]["state"] == "READY"


def test_release_tells_what_speaks_against_it_and_a_dry_run_does_no_more(office: Office) -> None:
    repeated = office.ids["D"]
    asked = office.run("release", repeated, "--reason", "new payments", "--dry-run")
    assert "DUPLICATE_BYTES" in asked.stderr
    assert office.json("show", repeated)[0]["file"]["state"] == "DUPLICATE"
    [row] = [file for file in office.json("files") if file["id"] == repeated]
    assert row["duplicate_of"] == office.ids["A"]
    assert row["reason"].startswith("DUPLICATE_BYTES")
    assert "DUPLICATE_BYTES" in office.run("release", repeated, "--reason", "new payments").stderr
    held = office.run("release", office.ids["H"], "--reason", "asked", "--dry-run")
    assert "the treasurer is asked" in held.stderr


def test_what_the_bank_has_is_closed_by_one_person(office: Office) -> None:
    done = office.json("resolve", office.ids["U"], "--bank-has-it", "--reason", "telephone, Ms Ek")[0]
    assert (done["state"], bool(done["sent_at"])) == ("SENT", True)
    assert "not possible" in office.refused("resolve", office.ids["U"], "--bank-has-it")


def test_sending_again_what_is_uncertain_takes_two_persons(office: Office) -> None:
    again = ("resolve", office.ids["U"], "--send-again", "--reason", "the bank has nothing")
    first = office.run(*again, "--json", SUDO_USER="ann")
    assert (json.loads(first.stdout)["state"], "second person" in first.stderr) == ("UNCERTAIN", True)
    assert "somebody else" in office.run(*again, status=1, SUDO_USER="ann").stderr
    second = office.run(*again, "--json", SUDO_USER="bob")
    assert json.loads(second.stdout)["state"] == "READY"
    actors = [line["actor"].split()[0] for line in office.json("show", office.ids["U"])[0]["lines"]]
    assert actors[-2:] == ["ann", "bob"]


# Settings.

BROKEN = """\
[gateway]
data = "data"
environment = "staging"
colour = "blue"
"""
BROKEN_BANK = """\
[bank]
name = "Box!"
timezone = "Europe/Nowhere"

[bank.channel]
kind = "sftp"
host = "127.0.0.1"
user = "corp"
key_file = "key"
host_keys = ["md5:00"]

[[bank.outbound]]
watch = "out"
settle = "5 seconds"
messages = ["pain.001.001.09"]
remote = "in"
cut_off = "25:00"

[[bank.inbound]]
remote = "/out"
messages = ["pain.002.001.10"]
"""


def test_every_mistake_of_the_settings_comes_at_once_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "banks").mkdir()
    (tmp_path / "h2h.toml").write_text(BROKEN)
    (tmp_path / "banks" / "box.toml").write_text(BROKEN_BANK)
    done = h2h(tmp_path / "h2h.toml", "check")
    assert (done.returncode, done.stdout) == (2, "")
    no_traceback(done)
    main, bank = f"{tmp_path / 'h2h.toml'}", f"{tmp_path / 'banks' / 'box.toml'}"
    for place in [f"{main}:{n}: " for n in (3, 4)] + [f"{bank}:{n}: " for n in (2, 3, 10, 14, 16, 17, 19)]:
        assert place in done.stderr
    assert not (tmp_path / "data").exists()
    assert h2h(tmp_path / "h2h.toml", "run").returncode == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[gateway\n", "h2h.toml:1: is not TOML"),
        ("\udcff", "is not UTF-8"),
        (None, "cannot be read: no such file"),
    ],
    ids=["no TOML", "no text", "no file"],
)
def test_a_settings_file_that_cannot_be_read_is_told_in_a_sentence(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "h2h.toml").write_text(text, errors="surrogateescape")
    done = h2h(tmp_path / "h2h.toml", "status")
    assert (done.returncode, said in done.stderr) == (2, True)
    no_traceback(done)


@pytest.mark.parametrize("name", ["{msg_id:d}.xml", "{date:%Y}{id!z}", "{bank.name}", "{}", "a{"])
def test_a_name_template_that_could_not_be_filled_in_is_refused_at_once(
    made: Office, tmp_path: Path, name: str
) -> None:
    shutil.copytree(made.config.parent / "banks", tmp_path / "banks")
    shutil.copy(made.config, tmp_path)
    profile = tmp_path / "banks" / "box.toml"
    profile.write_text(profile.read_text().replace('"{msg_id}.xml"', f'"{name}"'))
    done = h2h(tmp_path / "h2h.toml", "status")
    assert (done.returncode, "outbound[1].name" in done.stderr) == (2, True)
    no_traceback(done)


def test_folders_and_keys_that_are_missing_stop_what_moves_files_but_not_what_looks(office: Office) -> None:
    shutil.rmtree(office.config.parent / "erp")
    (office.config.parent / "client_key").chmod(0o644)
    for command in ("run", "send", "pull", "check"):
        said = office.run(command, status=2).stderr
        assert "mode 0644" in said
        assert "there is no folder" in said
    assert "box" in office.run("status").stdout


# What is loaded.

LOADED = """
import sys
sys.argv = ["h2h", *sys.argv[1:]]
from h2h.cli import main
try:
    main()
finally:
    heavy = ("pydantic", "sqlalchemy", "lxml", "paramiko", "asyncssh", "xmlschema", "alembic", "rich")
    print("LOADED", *(name for name in heavy if name in sys.modules))
"""


def loaded(*arguments: str) -> set[str]:
    command = [sys.executable, "-c", LOADED, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=60, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_the_program_runs_by_its_module_name(made: Office) -> None:
    done = process.h2h(made.config, "files", "--state", "held", "--json")
    assert (done.returncode, json.loads(done.stdout)["id"], done.stderr) == (0, made.ids["H"], "")


def test_help_loads_no_heavy_library() -> None:
    assert loaded("--help") == set()
    assert loaded("release", "--help") == set()


def test_status_loads_neither_the_ssh_nor_the_xml_library(made: Office) -> None:
    assert loaded("-c", str(made.config), "status") <= {"pydantic", "sqlalchemy", "rich"}
