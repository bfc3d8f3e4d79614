"""Deciding as a person does it: what is shown before, what is refused, what is recorded; and looking it up after."""

from __future__ import annotations

import json
import os
import pty
import re
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.flows.world import world
from tests.shell.test_cli import Office

BY_HAND = ("--how", "portal, order 4711", "--reason", "the line is down")
BY_PHONE = ("--how", "telephone, Ms Ek", "--reason", "no pain.002 came")


def act(office: Office, *arguments: str, who: str = "ann", status: int = 0) -> dict[str, object]:
    done = office.run(*arguments, "--json", status=status, SUDO_USER=who)
    found: dict[str, object] = json.loads(done.stdout)
    return found


# Reasons and ids.


@pytest.mark.parametrize("command", ["resend", "release", "hold", "cancel"])
@pytest.mark.parametrize("reason", ["", "  ", "\x1b[2J", "x" * 501])
def test_a_decision_says_why(made: Office, command: str, reason: str) -> None:
    done = made.run(command, made.ids["F" if command in ("resend", "cancel") else "H"], "--reason", reason, status=2)
    assert "The reason" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(("name", "why"), [("", "too short"), ("X", "too short"), ("00", "too short")])
def test_an_id_is_not_guessed_from_a_letter(made: Office, name: str, why: str) -> None:
    assert why in made.run("show", name, status=2).stderr
    assert why in made.run("hold", name, "--reason", "so", status=2).stderr


def test_the_end_of_an_id_is_taken_in_small_letters_too(made: Office) -> None:
    assert made.json("show", made.ids["A"][-6:].lower())[0]["file"]["id"] == made.ids["A"]


def test_nothing_is_decided_about_a_file_that_came_in(made: Office) -> None:
    message = next(f["id"] for f in made.json("files") if f["direction"] == "in")
    assert "came in from box" in made.run("cancel", message, "--reason", "so", status=2).stderr


# What is shown before.


def test_a_resend_shows_what_the_bank_said_and_to_whom_it_was_handed(office: Office) -> None:
    done = office.run("resend", office.ids["R"], "--reason", "mended", "--dry-run")
    assert "Attempt 1 handed it to the bank as /in/MSG-R.xml" in done.stderr
    assert "The bank said RJCT on the whole file" in done.stderr
    assert "AM04" in done.stderr
    assert "would become READY. Nothing was changed." in done.stdout


def test_a_release_shows_why_it_is_held_and_that_a_failed_file_has_nothing_against_it(office: Office) -> None:
    shown = office.run("release", office.ids["H"], "--reason", "so", "--dry-run").stderr
    assert "It is held: the treasurer is asked." in shown
    assert "Nothing that is known speaks against it" in office.run("resend", office.ids["F"], "--reason", "so").stderr


@pytest.mark.parametrize("command", ["show", "status", "resolve"])
def test_what_is_uncertain_comes_with_its_evidence_and_safe_steps(made: Office, command: str) -> None:
    arguments = {
        "show": ("show", made.ids["U"]),
        "status": ("status",),
        "resolve": ("resolve", made.ids["U"], "--bank-has-it", "--reason", "telephone", "--dry-run"),
    }[command]
    done = made.run(*arguments)
    said = done.stdout + done.stderr
    assert "the temporary name /in/.U.part was: not looked at; the final name /in/MSG-U.xml was: gone" in said
    if command != "resolve":
        assert "Ask the bank whether it has message id MSG-U" in said
        assert f"`h2h resolve {made.ids['U']} --bank-has-it --reason" in said
        assert "h2h resend" not in said


DRY = {
    "resend": ("F", ()),
    "release": ("H", ("--now",)),
    "cancel": ("H", ()),
    "resolve": ("U", ("--send-again",)),
    "sent-by-hand": ("F", BY_HAND[:2]),
}


@pytest.mark.parametrize("command", DRY)
def test_a_dry_run_says_what_would_happen_and_changes_nothing(made: Office, command: str) -> None:
    name, more = DRY[command]
    before = made.json("show", made.ids[name])
    done = made.run(command, made.ids[name], "--reason", "so", "--dry-run", *more)
    assert "Nothing was changed." in done.stdout
    assert made.json("show", made.ids[name]) == before


def test_a_dry_run_refuses_what_would_be_refused(made: Office) -> None:
    assert "the bank has it since" in made.refused("resend", made.ids["A"], "--dry-run")


def settled_here(office: Office) -> Office:
    """The copy as if its files had always been taken from its own folder."""
    folder = office.config.parent
    with closing(sqlite3.connect(folder / "data" / "h2h.db")) as ledger, ledger:
        ledger.execute("UPDATE transfer SET watch = ?", (str(folder / "erp" / "out"),))
    return office


def test_a_repair_says_what_is_inside_and_a_dry_run_stores_nothing(made: Office) -> None:
    office, old, files = made, made.ids["R"], made.json("files")
    done = office.run("repair", old, "--reason", "mended", "--dry-run")
    assert "The new file has the message id MSG-R-R1 and holds 1 of the 1 payments" in done.stderr
    assert "10.01 EUR to " in done.stderr
    assert re.search(r'was refused: AM04 .*"no cover', done.stderr)
    assert f"A new transfer would be HELD, a repair of {old}. Nothing was changed." in done.stdout
    assert office.json("files") == files
    [would] = office.json("repair", old, "--reason", "mended", "--dry-run")
    assert (would["transfer"], would["of"], would["payments"], would["state"]) == (None, old, [1], "HELD")


def test_a_repair_is_made_once_and_both_files_show_it(office: Office) -> None:
    old = settled_here(office).ids["R"]
    [made] = office.json("repair", old, "--reason", "mended", "--execution-date", "2026-11-24")
    assert (made["state"], made["message_id"], made["not_inside"]) == ("HELD", "MSG-R-R1", {})
    assert "sent again in" in office.refused("repair", old)
    assert re.search(rf"1 +{old} +{made['transfer']} +HELD +1", office.run("show", old).stdout)
    told = office.run("payments", "MSG-R-1").stdout
    assert f"again   sent again in {made['transfer']} as payment 1, which is HELD" in told
    assert f"again   it was payment 1 of {old}, and refused there" in told
    assert "may be paid, or was, in" in office.refused("resend", old)


def test_what_was_refused_names_the_repair_and_what_was_accepted_does_not(made: Office) -> None:
    assert f"`h2h repair {made.ids['R']} --reason …` puts what" in made.run("show", made.ids["R"]).stdout
    assert "h2h repair" not in made.run("show", made.ids["A"]).stdout
    assert "the bank's word on it is ACCEPTED" in made.refused("repair", made.ids["A"])
    assert (
        "Invalid value for '--execution-date'"
        in made.run("repair", made.ids["R"], "--reason", "so", "--execution-date", "24.11.", status=2).stderr
    )


@pytest.mark.parametrize(("typed", "state"), [(b"y\n", "READY"), (b"n\n", "FAILED")])
def test_on_a_terminal_it_is_asked_once_more(office: Office, typed: bytes, state: str) -> None:
    shown = on_a_terminal(lambda: h2h_here(office.config, "resend", office.ids["F"], "--reason", "mended"), typed)
    assert f"Go on with {office.ids['F']}?" in shown
    assert ("Nothing was changed." in shown) is (state == "FAILED")
    assert office.json("show", office.ids["F"])[0]["file"]["state"] == state


def h2h_here(config: Path, *arguments: str) -> None:
    os.execv(sys.executable, [sys.executable, "-m", "h2h", "-c", str(config), *arguments])


def on_a_terminal(run: Callable[[], None], typed: bytes) -> str:
    """What a program shows on a terminal of its own, when this is typed."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(Path(__file__).parents[2])
        run()
    os.write(terminal, typed)
    shown = b""
    try:
        while piece := os.read(terminal, 4096):
            shown += piece
    except OSError:
        pass  # the program has ended
    os.waitpid(child, 0)
    os.close(terminal)
    return shown.decode()


# Sent and confirmed by hand.


@pytest.mark.parametrize("name", ["H", "F"])
def test_a_file_that_a_person_brought_to_the_bank_is_sent_and_says_so(office: Office, name: str) -> None:
    said = office.run("sent-by-hand", office.ids[name], *BY_HAND, "--dry-run").stderr
    assert "1 payments, sum 10.01 EUR" in said
    assert "The gateway will never send it" in said
    done = act(office, "sent-by-hand", office.ids[name], *BY_HAND)
    assert (done["state"], bool(done["sent_at"])) == ("SENT", True)
    shown = office.run("show", office.ids[name]).stdout
    assert "sent by hand (portal, order 4711), says ann: the line is down" in shown
    assert "no answer yet 1" in office.run("status").stdout


@pytest.mark.parametrize("name", ["A", "U", "I", "D"])
def test_what_the_bank_has_or_may_have_is_not_sent_by_hand(made: Office, name: str) -> None:
    assert "is not possible" in made.refused("sent-by-hand", made.ids[name], *BY_HAND[:2])


def test_a_refusal_by_telephone_takes_somebody_else_to_resend(office: Office) -> None:
    file = office.ids["F"]
    act(office, "sent-by-hand", file, *BY_HAND)
    warned = office.run("confirm", file, "--rejected", *BY_PHONE, "--dry-run")
    assert "a false note pays it twice" in warned.stderr
    assert "the bank's word REJECTED" in warned.stdout
    noted = act(office, "confirm", file, "--rejected", *BY_PHONE)
    assert (noted["state"], noted["verdict"], noted["verdict_by"]) == ("SENT", "REJECTED", "ann")
    alone = office.run("resend", file, "--reason", "mended", status=1, SUDO_USER="ann").stderr
    assert "Somebody else has to send it again" in alone
    assert "That the bank refused it is ann's word" in alone
    assert act(office, "resend", file, "--reason", "asked again", who="bob")["state"] == "READY"


def test_a_confirmation_says_which_and_of_what(made: Office) -> None:
    assert "--accepted or --rejected" in made.run("confirm", made.ids["A"], *BY_PHONE, status=2).stderr
    own = made.run("confirm", made.ids["A"], "--rejected", *BY_PHONE, status=1).stderr
    assert "the bank's own report says ACCEPTED" in own


def test_a_ready_file_is_released_to_go_at_once(office: Office) -> None:
    act(office, "resend", office.ids["F"], "--reason", "mended")
    assert "goes by itself" in office.refused("release", office.ids["F"])
    done = act(office, "release", office.ids["F"], "--reason", "the bank waits", "--now")
    assert (done["state"], done["late_allowed"]) == ("READY", "now")
    assert office.json("show", office.ids["F"])[0]["lines"][-1]["data"]["reason"] == "the bank waits"


# Looking it up.


def test_words_that_nobody_knows_are_wrong_use_and_name_those_there_are(made: Office) -> None:
    assert "UNREADABLE" in made.run("files", "--state", "FOO", status=2).stderr
    for command in (("files",), ("statements",), ("export", "files"), ("export", "entries")):
        assert "there is box" in made.run(*command, "--bank", "nope", status=2).stderr
    assert made.run("files", "--bank", "box", "--state", "KEPT").stdout == "No files.\n"


def test_export_has_json_as_every_command_that_reads(made: Office) -> None:
    assert made.run("export", "files", "--json").stdout == made.run("export", "files", "--format", "jsonl").stdout


def test_show_tells_a_statement_and_an_answer_in_words(made: Office) -> None:
    by_kind = {f["message"]: f["id"] for f in made.json("files") if f["direction"] == "in"}
    statement = made.run("show", by_kind["camt.053.001.08"]).stdout
    assert "adds up" in statement
    assert "yes" in statement
    assert made.json("show", by_kind["camt.053.001.08"])[0]["statements"][0]["reconciles"] is True
    answer = made.run("show", made.ids["R"]).stdout
    assert "RJCT" in answer
    assert "AM04" in answer
    for said in (statement, answer, made.run("show", made.ids["A"]).stdout):
        assert "['" not in said
        assert "+00:00" not in said


def test_every_time_on_the_screen_is_of_one_named_zone(made: Office) -> None:
    there = {"TZ": "Asia/Tokyo"}
    for command in (("files",), ("status",), ("show", made.ids["A"]), ("show", made.ids["D"]), ("show", made.ids["U"])):
        said = made.run(*command, **there).stdout
        assert "JST" in said
        assert " UTC" not in said
    assert "JST" in made.run("resend", made.ids["A"], "--reason", "so", status=1, **there).stderr
    at = made.json("files", **there)[0]["at"]
    assert at.endswith("Z")


def test_status_has_a_word_in_the_table_and_what_is_wrong_below_it(tmp_path: Path) -> None:
    with world(tmp_path) as (erp, _):
        pass
    erp.write_settings()
    nobody = Office(erp.config, {})
    nobody.run("pull", status=1)
    said = nobody.run("status").stdout
    row = next(line for line in said.splitlines() if line.startswith("box "))
    assert "DOWN" in row
    assert len(row) < 100
    assert "box: DOWN; never reached yet" in said
    assert "connection refused" in said
    assert "Errno" not in said
