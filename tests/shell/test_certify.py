"""`h2h certify`: the onboarding test pack as a person runs it, against banks in a box that behave and that do not."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from h2h.certify.inputs import load_inputs
from h2h.drill.banks import fault
from h2h.openpgp import create
from h2h.resources import root
from h2h.sandbox import onboarding, server
from h2h.sandbox.keys import create_client_key
from h2h.sandbox.scenario import Rule, Scenario, Then
from h2h.sandbox.server import BankServer
from tests.flows.process import command, environment
from tests.flows.world import World, opened, payments, put, send, world

from .command import run

MESSAGES = '["pain.002.001.03", "pain.002.001.10", "camt.052.001.08", "camt.053.001.08"]'
ONE_MESSAGE = {"messages": '["pain.001.001.09"]', "cut_off": '"15:30"'}
NOT_NAMED = ("encryption", "next-login-key", "next-pgp-key")
NOBODY = f"SHA256:{'B' * 43}"
DEBTOR = '[debtor]\naccount = "DE89370400440532013000"\n'


@dataclass(frozen=True)
class Certified:
    """A run that is over."""

    status: int
    said: str
    folder: Path

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(next(self.folder.glob("*.json")).read_text(encoding="utf-8"))
        return found

    @property
    def page(self) -> str:
        return next(self.folder.glob("*.html")).read_text(encoding="utf-8")

    def outcomes(self) -> dict[str, str]:
        return {case["case"]: case["outcome"] for case in self.report["cases"]}

    def text(self, case: str) -> str:
        return next(str(one["text"]) for one in self.report["cases"] if one["case"] == case)


def certified(erp: World, *arguments: str, inputs: str = DEBTOR) -> Certified:
    """`inputs`: what the bank told of its test side; empty for none."""
    told = erp.folder / "inputs.toml"
    told.write_text(inputs)
    named = ("--inputs", str(told)) if inputs else ()
    folder = erp.folder / "certified"
    done = run(erp.config, "certify", "box", str(folder), *named, *arguments)
    assert "Traceback" not in done.stdout + done.stderr
    return Certified(done.returncode, done.stdout + done.stderr, folder)


@contextmanager
def bank(folder: Path, scenario: Scenario | None = None, **options: Any) -> Iterator[tuple[World, BankServer]]:
    with world(folder, scenario, outbound=ONE_MESSAGE, **options) as (erp, box):
        erp.write_settings()
        yield erp, box


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    """All of it, against a bank in a box of its own; the profile's own server is not there."""
    folder = tmp_path_factory.mktemp("certify")
    said = {"version": '"2026-11"', "owner": '"Treasury & cash"'}
    inbound = {"messages": MESSAGES}
    erp = World(folder=folder, port=1, fingerprint=NOBODY, outbound=ONE_MESSAGE, inbound=inbound, bank=said)
    erp.write_settings()
    create_client_key(folder / "client_key")
    return certified(erp, "--sandbox", "--volume", "20", "--wait", "30s", inputs="")


# A bank that behaves.


def test_every_case_passes_against_the_bank_in_a_box(whole: Certified) -> None:
    outcomes = whole.outcomes()
    assert {outcomes.pop(case) for case in NOT_NAMED} == {"SKIPPED"}  # the profile names neither PGP nor next keys
    assert {*outcomes.values()} == {"PASSED"}, whole.said
    assert whole.status == 0
    assert {"connect", "wrong-host-key", "cut-off", "interrupted", "rejects", "intraday", "statement"} <= {*outcomes}


def test_the_report_names_profile_and_server_and_counts(whole: Certified) -> None:
    report = whole.report
    profile = whole.folder.parent / "banks" / "box.toml"
    assert (report["form"], report["good"], report["ended_early"]) == ("h2h certify 1", True, False)
    assert report["profile"]["sha256"] == sha256(profile.read_bytes()).hexdigest()
    assert (report["profile"]["version"], report["profile"]["owner"]) == ("2026-11", "Treasury & cash")
    assert report["server"]["pinned"][0] in report["server"]["facts"]["Host keys shown"]
    assert report["totals"] == {"passed": len(report["cases"]) - 3, "failed": 0, "skipped": 3, "needs_person": 0}


def test_the_evidence_has_the_hash_of_each_file_that_the_bank_took(whole: Certified) -> None:
    taken = {sha256(path.read_bytes()).hexdigest() for path in (whole.folder / "bank" / "taken").iterdir()}
    sent = {e["sha256"] for case in whole.report["cases"] for e in case["evidence"] if e["sort"] == "sent"}
    spoilt = next(case for case in whole.report["cases"] if case["case"] == "bad-file-at-bank")
    (other,) = [e["sha256"] for e in spoilt["evidence"] if e["sort"] == "sent"]  # it was spoilt on its way
    assert len(taken - sent) == 1
    assert other not in taken


def test_the_page_is_whole_in_itself_and_runs_nothing(whole: Certified) -> None:
    found = Page()
    found.feed(whole.page)
    assert found.outside == []
    assert {"sheet"} <= found.classes
    assert [case for case in whole.outcomes() if f'id="{case}"' not in whole.page] == []
    assert "default-src &#x27;none&#x27;" in whole.page or "default-src 'none'" in whole.page


class Page(HTMLParser):
    """What a page brings from outside or runs, and the classes in it."""

    def __init__(self) -> None:
        super().__init__()
        self.outside: list[str] = []
        self.classes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "link", "img", "iframe", "object", "base", "form"):
            self.outside.append(tag)
        for name, value in attrs:
            self.classes |= {value or ""} if name == "class" else set()
            if name.startswith("on") or (name in ("src", "href", "action") and not (value or "").startswith("#")):
                self.outside.append(f"{tag} {name}={value}")


def test_nothing_of_the_users_own_gateway_is_touched(whole: Certified) -> None:
    home = whole.folder.parent
    assert [*(home / "data").iterdir()] == []
    assert {*(home / "erp").rglob("*")} == {home / "erp" / "in", home / "erp" / "out"}
    assert {path.stat().st_mode & 0o077 for path in (whole.folder, *whole.folder.glob("certify-*"))} == {0}


def test_a_profile_with_pgp_is_certified_there_and_back(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    ours, coming, theirs = (create(name, passphrase="geheim", now=now) for name in ("Corp Ltd", "Corp Ltd", "A Bank"))
    told = {"ours.asc": ours.secret, "next.asc": coming.secret, "theirs.asc": theirs.public, "word": b"geheim"}
    for name, data in told.items():
        (tmp_path / name).write_bytes(data)
        (tmp_path / name).chmod(0o600)
    word = f'passphrase = "file:{tmp_path}/word"'
    keys = (
        f'{{ our_keys = [{{ file = "{tmp_path}/ours.asc", {word} }}, '
        f'{{ file = "{tmp_path}/next.asc", {word}, from = 2099-01-01T06:00:00 }}], '
        f'their_keys = [{{ file = "{tmp_path}/theirs.asc", fingerprint = "{theirs.facts.fingerprint}" }}] }}'
    )
    sealed = {"pgp": '"sign+encrypt"'}
    erp = World(
        folder=tmp_path,
        port=1,
        fingerprint=NOBODY,
        bank={"pgp": keys},
        outbound={**ONE_MESSAGE, **sealed, "name": '"{msg_id}.xml.pgp"', "compress": '"gzip"'},
        inbound={**sealed, "match": '"*.pgp"'},
    )
    erp.write_settings()
    create_client_key(tmp_path / "client_key")
    wants = tmp_path / "wants.toml"
    wants.write_text(f"bad_files = true\n{DEBTOR}")
    some = ("encryption", "next-pgp-key", "duplicate-at-bank")
    done = certified(erp, "--sandbox", *(f"--only={case}" for case in some), inputs="")
    assert {*done.outcomes().values()} == {"PASSED"}, done.said
    assert f"signed by {ours.facts.fingerprint}" in done.text("encryption")
    assert f"signed by {coming.facts.fingerprint}" in done.text("next-pgp-key")
    taken = (tmp_path / "certified" / "bank" / "taken").iterdir()
    assert all(b"pain.001" not in path.read_bytes() for path in taken)
    assert "cannot be spoilt" in run(erp.config, "certify", "box", "--list", "--inputs", str(wants)).stdout


# Banks that do not behave, and profiles that lack something.


def test_what_lay_at_the_bank_before_is_neither_fetched_nor_removed(tmp_path: Path) -> None:
    with bank(tmp_path) as (erp, box):
        put(box.folders.outbox, "for_others.xml", b"<not-for-us/>")
        done = certified(erp, "--only", "good-*", "--wait", "20s")
        assert done.outcomes()["good-pain.001.001.09-SEPA-EUR"] == "PASSED", done.said
        assert [path.name for path in box.folders.outbox.iterdir()] == ["for_others.xml"]
    answers = [e["name"] for case in done.report["cases"] for e in case["evidence"] if e["sort"] == "answer"]
    assert answers
    assert "for_others.xml" not in answers


def test_a_bank_that_answers_nothing_fails_the_file_and_the_command(tmp_path: Path) -> None:
    with bank(tmp_path, Scenario(received_seconds="never", answer_seconds="never")) as (erp, _):
        done = certified(erp, "--only", "good-*", "--wait", "500ms")
    assert done.status == 1
    assert "answered nothing within 0.5 s" in done.text("good-pain.001.001.09-SEPA-EUR")


def test_a_bank_that_refuses_a_good_file_fails_with_its_words(tmp_path: Path) -> None:
    text = "<script>alert('no')</script>"
    with bank(tmp_path, Scenario(rule=(Rule(then=Then.REJECT, reason="AC06", text=text),))) as (erp, _):
        done = certified(erp, "--only", "good-*", "--wait", "20s")
    assert done.status == 1
    assert "REJECTED" in done.text("good-pain.001.001.09-SEPA-EUR")
    assert "AC06" in done.text("good-pain.001.001.09-SEPA-EUR")
    assert "<script" not in done.page
    assert "&lt;script&gt;alert(" in done.page


def test_another_reason_than_the_bank_told_fails_the_refusals(tmp_path: Path) -> None:
    account, _ = onboarding.REASONS["AC04"]
    inputs = f'{DEBTOR}[[rejects]]\nreason = "AC06"\naccount = "{account}"\n'
    with bank(tmp_path, onboarding.onboarding()) as (erp, _):
        done = certified(erp, "--only", "rejects", "--wait", "20s", inputs=inputs)
    assert (done.status, done.outcomes()["rejects"]) == (1, "FAILED")
    assert f"{account} should bring AC06 and brought AC04" in done.text("rejects")


def test_a_statement_that_does_not_come_needs_a_person_and_fails_nothing(tmp_path: Path) -> None:
    with bank(tmp_path) as (erp, _):
        done = certified(erp, "--only", "statement", "--wait", "2s")
    assert (done.status, done.outcomes()["statement"]) == (0, "NEEDS PERSON")
    assert "Ask the bank" in done.text("statement")


def test_a_server_that_says_done_and_renames_nothing_fails(tmp_path: Path) -> None:
    broken = fault("posix_rename", lambda _: None, done=False, times=9)()
    with bank(tmp_path, server_class=broken) as (erp, _):
        done = certified(erp, "--only", "temporary-name")
    assert (done.status, done.outcomes()["temporary-name"]) == (1, "FAILED")
    assert "should be gone and is there" in done.text("temporary-name")


def test_a_server_that_lets_anybody_in_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server._Connection, "begin_auth", lambda _self, _user: False)
    with bank(tmp_path) as (erp, _):
        done = certified(erp, "--only", "wrong-login-key")
    assert (done.status, done.outcomes()) == (1, {"connect": "PASSED", "wrong-login-key": "FAILED"})


def test_where_the_bank_is_not_there_everything_else_is_left_out(tmp_path: Path) -> None:
    erp = World(folder=tmp_path, port=1, fingerprint=NOBODY, outbound=ONE_MESSAGE)
    erp.write_settings()
    create_client_key(tmp_path / "client_key")
    done = certified(erp, "--wait", "1s")
    first, *others = done.outcomes().values()
    assert (done.status, first, {*others}) == (1, "FAILED", {"SKIPPED"})
    assert "connection refused" in done.text("connect")


def test_without_an_account_to_debit_payment_cases_are_left_out_and_say_so(tmp_path: Path) -> None:
    with bank(tmp_path) as (erp, box):
        done = certified(erp, inputs="")
        assert not box.taken
    assert done.status == 0
    assert "state debtor in --inputs" in done.text("volume")


def test_numbers_in_names_go_on_from_case_to_case_and_after_those_of_the_ledger(tmp_path: Path) -> None:
    with bank(tmp_path) as (erp, box):
        erp.outbound = {"messages": '["pain.001.001.09"]', "name": '"P{sequence:04}.xml"', "series": '"pay"'}
        with opened(erp) as gateway:
            erp.drop_file(payments("BEFORE"))
            send(gateway)
        done = certified(erp, "--only", "duplicate", "--only", "volume", "--volume", "1", "--wait", "20s")
        assert {*done.outcomes().values()} == {"PASSED"}, done.said
        assert [taken.name for taken in box.taken] == ["P0001.xml", "P0002.xml", "P0003.xml"]
    (order,) = re.findall(r"^ +h2h (sequences .*)$", done.said, re.MULTILINE)
    assert run(erp.config, *shlex.split(order)).stdout.split() == ["box", "pay", "last", "3,", "next", "4"]


def test_ids_of_test_files_look_as_the_folder_wants_them(tmp_path: Path) -> None:
    with bank(tmp_path, bank={"environment": '"test"'}) as (erp, box):
        erp.outbound = {**ONE_MESSAGE, "test_files": '"TEST*"'}
        erp.write_settings()
        done = certified(erp, "--only", "good-*", "--wait", "20s")
        assert {*done.outcomes().values()} == {"PASSED"}, done.said
        assert [taken.name[:4] for taken in box.taken] == ["TEST"]


def test_the_next_login_key_is_tried_before_its_hour(tmp_path: Path) -> None:
    public = create_client_key(tmp_path / "next_key")
    with bank(tmp_path) as (erp, box):
        erp.facts = {**erp.facts, "next_key": f'{{ file = "{tmp_path}/next_key", from = 2099-01-01T06:00:00 }}'}
        erp.write_settings()
        early = certified(erp, "--only", "next-login-key")
        assert (early.status, early.outcomes()["next-login-key"]) == (1, "FAILED")
        assert "refused the login" in early.text("next-login-key")
        shutil.rmtree(early.folder)
        (box.folders.root / "keys" / "next.pub").write_text(public)
        box._authorized_keys = (*box._authorized_keys, box.folders.root / "keys")
        assert certified(erp, "--only", "next-login-key").outcomes()["next-login-key"] == "PASSED"


def test_the_bank_in_a_box_knows_the_next_login_key_too(tmp_path: Path) -> None:
    for name in ("client_key", "next_key"):
        create_client_key(tmp_path / name)
    erp = World(folder=tmp_path, port=1, fingerprint=NOBODY, outbound=ONE_MESSAGE)
    erp.facts["next_key"] = f'{{ file = "{tmp_path}/next_key", from = 2099-01-01T06:00:00 }}'
    erp.write_settings()
    done = certified(erp, "--sandbox", "--only", "*-login-key", inputs="")
    assert {*done.outcomes().values()} == {"PASSED"}, done.said


# Where it may not run.


def test_a_production_gateway_is_refused(tmp_path: Path) -> None:
    with bank(tmp_path, gateway_settings={"environment": '"production"'}) as (erp, box):
        done = run(erp.config, "certify", "box", str(tmp_path / "certified"), "--sandbox")
        assert (done.returncode, box.taken) == (2, [])
    assert "production" in done.stderr
    assert not (tmp_path / "certified").exists()


def test_with_a_key_of_the_other_environment_nothing_is_sent(tmp_path: Path) -> None:
    with bank(tmp_path) as (erp, box):
        public = erp.folder / "client_key.pub"
        public.write_text(f"{public.read_text().strip()} h2h production box-ssh\n")
        done = run(erp.config, "certify", "box", str(tmp_path / "certified"))
        assert (done.returncode, box.taken) == (2, [])
    assert "client_key is marked as a key for production, and this is test" in done.stderr
    assert not (tmp_path / "certified").exists()


def test_beside_a_gateway_that_runs_it_is_refused(tmp_path: Path) -> None:
    with bank(tmp_path) as (erp, box), opened(erp):
        done = run(erp.config, "certify", "box", str(tmp_path / "certified"))
        assert (done.returncode, box.taken) == (2, [])
    assert "would fetch the answers" in done.stderr


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    with bank(tmp_path) as (erp, _):
        done = run(erp.config, "certify", "box", str(erp.drop.parent))
    assert (done.returncode, "is not empty" in done.stderr) == (2, True)


def test_an_unknown_case_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    with bank(tmp_path) as (erp, _):
        done = run(erp.config, "certify", "box", "--list", "--only", "wrong-*", "--skip", "penny")
    assert done.returncode == 2
    assert "'penny'" in done.stderr
    assert "wrong-host-key" in done.stderr


def test_the_list_says_what_each_case_proves_and_lacks_and_leaves_nothing(tmp_path: Path) -> None:
    with bank(tmp_path) as (erp, box):
        before = {*tmp_path.iterdir()}
        done = run(erp.config, "certify", "box", "--list")
        assert (done.returncode, box.taken) == (0, [])
    assert "\nrejects\n    Each refusal of the bank" in done.stdout
    assert "lacks: no account to debit is known" in done.stdout
    assert {*tmp_path.iterdir()} - before <= {tmp_path / "data"}


def test_mistakes_in_the_inputs_are_told_with_their_lines(tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text('[debtor]\naccount = "DE00"\n[[rejects]]\nreason = "closed"\n')
    with bank(tmp_path) as (erp, _):
        done = run(erp.config, "certify", "box", "--inputs", str(tmp_path / "wrong.toml"))
    assert done.returncode == 2
    assert "wrong.toml:2" in done.stderr
    assert "wrong.toml:4" in done.stderr


def test_the_annotated_inputs_can_be_read() -> None:
    told = load_inputs(root("config") / "certify.toml")
    assert told.debtor
    assert [one.reason for one in told.rejects] == ["AC04"]


def test_interrupted_it_writes_down_what_it_found_until_then(tmp_path: Path) -> None:
    silent = Scenario(received_seconds="never", answer_seconds="never")
    with bank(tmp_path, silent) as (erp, _):
        (tmp_path / "inputs.toml").write_text(DEBTOR)
        line = command(erp.config, "certify", "box", str(tmp_path / "certified"), "--inputs", "inputs.toml", "--json")
        options: dict[str, Any] = {"stdout": subprocess.PIPE, "cwd": tmp_path, "env": environment(), "text": True}
        process = subprocess.Popen(line, preexec_fn=_interruptible, **options)
        assert process.stdout
        with process:
            over = [json.loads(process.stdout.readline()) for _ in range(4)]  # the next one waits for the bank
            assert _interrupted(process) == 130
    done = Certified(130, "", tmp_path / "certified")
    assert done.report["ended_early"]
    assert not done.report["good"]
    assert done.outcomes() == {one["case"]: one["outcome"] for one in over}


def _interrupted(process: subprocess.Popen[str]) -> int | None:
    """As a person would do it who sees that nothing happens: Python loses an interrupt that meets it forgetting a weak
    reference."""
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            return process.wait(20)
    return None


def _interruptible() -> None:
    """Also where the tests run behind a shell's `&`, which has them ignore the signal."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


# The penny test.


def test_the_result_of_the_penny_test_stands_in_the_journal(tmp_path: Path) -> None:
    with world(tmp_path, gateway_settings={"environment": '"production"'}) as (erp, _):
        with opened(erp) as gateway:
            erp.drop_file(payments("PENNY"))
            (sent,) = send(gateway)
        penny = ("certify", "box", "--penny-result", "passed", "--transfer", sent.id[-8:])
        assert run(erp.config, *penny).returncode == 2
        done = run(erp.config, *penny, "--reason", "on the statement of Monday")
        assert done.returncode == 0, done.stderr
        with opened(erp) as gateway:
            event = gateway.ledger.journal.of(sent.id)[-1]
            assert gateway.ledger.journal.verify().fault is None
    assert (event.kind, event.data["result"], event.data["sha256"]) == ("penny test", "passed", sent.sha256)
    assert event.data["reason"] == "on the statement of Monday"
    assert event.actor


def test_a_penny_test_does_not_pass_with_a_file_that_was_not_sent(tmp_path: Path) -> None:
    with bank(tmp_path) as (erp, _):
        with opened(erp) as gateway:
            erp.drop_file(b"<no-payments/>")
            (refused,) = send(gateway)
        done = run(
            erp.config, "certify", "box", "--penny-result", "passed", "--transfer", refused.id, "--reason", "it went"
        )
    assert (done.returncode, "is INVALID" in done.stderr) == (2, True)


def test_a_penny_test_is_of_the_bank_that_the_file_went_to(tmp_path: Path) -> None:
    with bank(tmp_path) as (erp, _):
        erp.others = [World(folder=tmp_path / "other", port=1, fingerprint=NOBODY, name="other")]
        with opened(erp) as gateway:
            erp.drop_file(payments("PENNY"))
            (sent,) = send(gateway)
        done = run(
            erp.config, "certify", "other", "--penny-result", "passed", "--transfer", sent.id, "--reason", "it went"
        )
    assert (done.returncode, f"{sent.id} went to box, not to other" in done.stderr) == (2, True)
