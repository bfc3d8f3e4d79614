"""`h2h check --online` against a real OpenSSH server set up six ways, and whether payments then go as it says.

What it proposes is put into the profile as it was printed; the round trip that follows shows that the facts are right.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from h2h.config import Settings, load
from h2h.ledger.rows import Transfer
from h2h.lifecycle import State
from h2h.verdicts import Verdict
from tests.shell.command import run as h2h
from tests.suites.servers import SSHD, ConfinedSshServer, make_key

from .test_openssh import cutting
from .world import World, answer, only, opened, payments, put, send, transfers, until

pytestmark = [
    pytest.mark.skipif(SSHD is None, reason="no sshd here: apt-get install openssh-server"),
    pytest.mark.skipif(os.geteuid() != 0, reason="ChrootDirectory and other users' logins need root"),
]
FILE = payments("MSG-1")
WRITE_ONLY = "-P lstat,stat,fstat,opendir,readdir,read"
NO_RENAME = "-P rename,posix-rename"


class Profiled(World):
    """Its profile is written once, and then as a person left it."""

    def settings(self) -> Settings:
        return load(self.config)


@contextmanager
def bank_that(sftp: str = "", *lines: str) -> Iterator[tuple[World, ConfinedSshServer]]:
    """A server, and a gateway set up against it whose profile states no fact about it."""
    with ConfinedSshServer.place() as place, ConfinedSshServer(place, lines, sftp=sftp) as bank:
        erp = Profiled(folder=place / "erp", port=bank.port, fingerprint=bank.fingerprint, user=bank.user, facts={})
        erp.write_settings()
        (erp.folder / "data").mkdir(mode=0o700)
        shutil.copyfile(bank.user_key, erp.folder / "client_key")
        (erp.folder / "client_key").chmod(0o600)
        yield erp, bank


def checked(erp: World, *options: str) -> tuple[int, dict[str, Any]]:
    done = h2h(erp.config, "check", *options, "--json")
    assert done.stderr == ""
    [row] = [json.loads(line) for line in done.stdout.splitlines()]
    assert row["good"] == (done.returncode == 0)
    return done.returncode, row["answer"]


def told(erp: World, *options: str) -> tuple[int, list[str], str]:
    """Exit status, what is said, and the lines proposed."""
    done = h2h(erp.config, "check", *options)
    assert done.stderr == ""
    said, _, proposed = done.stdout.partition("proposed for its profile:\n")
    return done.returncode, said.splitlines(), proposed


def take_over(erp: World, proposed: str) -> None:
    """Put the lines proposed into the profile, each into its section."""
    blocks = re.split(r"^(?=\[)", erp.profile_file.read_text(), flags=re.MULTILINE)
    for section in re.split(r"^(?=\[)", proposed, flags=re.MULTILINE)[1:]:
        header, *lines = section.splitlines()
        number = int(header.partition("number ")[2] or 1)
        name = header.partition(" ")[0]
        places = [place for place, block in enumerate(blocks) if block.startswith(name + "\n")]
        place = places[number - 1]
        for line in lines:
            key = line.removeprefix("# ").partition(":" if line.startswith("#") else " =")[0]
            kept = [each for each in blocks[place].splitlines() if each.partition(" =")[0] != key]
            blocks[place] = "\n".join([*kept, line, ""])
    erp.profile_file.write_text("".join(blocks))


def sent(erp: World) -> Transfer:
    """Drop a payment file, send, and see what became of it."""
    erp.drop_file(FILE)
    h2h(erp.config, "send")
    return state(erp)


def state(erp: World) -> Transfer:
    with opened(erp) as gateway:
        return only(transfers(gateway))


def round_trip(erp: World, bank: ConfinedSshServer) -> None:
    assert sent(erp).state is State.SENT
    assert [path.read_bytes() for path in (bank.root / "in").iterdir()] == [FILE]
    answered(erp, bank)


def answered(erp: World, bank: ConfinedSshServer) -> None:
    put(bank.root / "out", "answer.xml", answer("MSG-1"))
    shutil.chown(bank.root / "out" / "answer.xml", bank.user)
    done = h2h(erp.config, "pull")
    assert (done.returncode, done.stderr) == (0, "")
    assert state(erp).verdict is Verdict.ACCEPTED


def left(bank: ConfinedSshServer) -> list[str]:
    return sorted(str(path.relative_to(bank.root)) for path in bank.root.rglob("*") if path.is_file())


def test_confined_to_a_folder_all_is_found_and_payments_go() -> None:
    with bank_that() as (erp, bank):
        status, found = checked(erp, "--online")
        assert (status, found["changes"], found["trials"], found["left"]) == (0, [], [], [])
        [inbox, outbox] = found["folders"]
        assert (inbox["path"], inbox["uses"], inbox["files"]) == ("/in", ["outbound[1].remote"], 0)
        heard = ("shows", "opens", "removes", "renames", "posix_renames")
        assert [inbox[key] for key in heard] == [True] * 5
        assert [outbox[key] for key in heard] == [None, None, True, None, None]  # nothing more is asked there
        assert found["server"]["limits"]["packet"] == 262144
        assert {"posix-rename@openssh.com", "fsync@openssh.com"} <= set(found["server"]["extensions"])
        assert found["greeting"]["version"].startswith("SSH-2.0-OpenSSH_")
        assert (found["greeting"]["algorithms"][1], found["greeting"]["strict_kex"]) == ("aes128-gcm@openssh.com", True)

        status, said, proposed = told(erp, "--probe", "--watch", "0")
        assert (status, left(bank)) == (0, [])
        assert proposed.splitlines()[0] == "[bank.channel]"
        assert proposed.splitlines()[1].startswith("atomic_rename = true  # was false; posix-rename@openssh.com")
        assert any("whether it leaves files whose names begin with a dot alone" in line for line in said)
        take_over(erp, proposed)
        assert told(erp, "--probe", "--watch", "0")[2] == ""
        round_trip(erp, bank)


def test_read_only_nothing_is_ever_sent_and_what_lies_there_is_fetched() -> None:
    with bank_that("-R") as (erp, bank):
        status, said, proposed = told(erp, "--online")
        refused = (
            "box: nothing can be written to /in, so no payment can be sent. Ask the bank for the rights of this user."
        )
        assert (status, refused in said) == (1, True)
        assert proposed == '[[bank.inbound]]  # number 1\nafter = "leave"  # was "delete"; removal is refused in /out\n'
        assert told(erp, "--probe", "--watch", "0")[::2] == (1, proposed)
        take_over(erp, proposed)
        row = sent(erp)
        assert row.state is State.READY
        assert "The server does not permit it. Ask the bank for the rights of this user." in str(row.reason)
        put(bank.root / "out", "other.xml", answer("MSG-0"))
        (bank.root / "out" / "other.xml").chmod(0o644)
        assert h2h(erp.config, "pull").returncode == 0
        assert [path.read_bytes() for path in erp.deliver.glob("*.xml")] == [answer("MSG-0")]
        assert (state(erp).state, left(bank)) == (State.READY, ["out/other.xml"])


def test_write_only_payments_go_under_names_that_no_other_file_can_have() -> None:
    with bank_that(WRITE_ONLY) as (erp, bank):
        status, found = checked(erp, "--online")
        assert status == 1  # the folder of answers cannot be listed
        inbox = found["folders"][0]
        assert (inbox["path"], inbox["shows"], inbox["files"]) == ("/in", False, None)
        _, _, proposed = told(erp, "--probe", "--watch", "0")
        assert [line.partition("  #")[0] for line in proposed.splitlines()] == [
            "[bank.channel]", "atomic_rename = true", "[[bank.outbound]]", 'name = "{msg_id}_{id}.xml"'
        ]  # fmt: skip
        assert left(bank) == []
        take_over(erp, proposed)
        row = sent(erp)
        assert row.state is State.SENT
        [there] = (bank.root / "in").iterdir()
        assert (there.name, there.read_bytes()) == (f"MSG-1_{row.id}.xml", FILE)
        pulled = h2h(erp.config, "pull")
        assert pulled.returncode == 1
        assert "could not list the folder /out" in pulled.stdout + pulled.stderr


def test_write_only_a_rename_without_an_answer_is_asked_for_again_and_found_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The row "cannot look, cannot look": the same rename once more, and "no such file" means that it was done."""
    with bank_that(WRITE_ONLY) as (erp, bank):
        take_over(erp, told(erp, "--probe", "--watch", "0")[2])
        take_over(erp, "[bank.channel]\nstaging_is_ours = true\n")
        erp.drop_file(FILE)
        with opened(erp) as gateway:
            cuts = cutting(bank, monkeypatch, "posix-rename 1")
            until(lambda: [one.state for one in send(gateway)] == [State.SENT], "sent")
            assert cuts == ["posix-rename"]
        assert [path.read_bytes() for path in (bank.root / "in").iterdir()] == [FILE]


def test_without_rename_payments_go_straight_to_their_names() -> None:
    with bank_that(NO_RENAME) as (erp, bank):
        status, said, proposed = told(erp, "--online")
        assert (status, proposed) == (
            1, '[bank.channel]\npublish = "direct"  # was "rename"; renaming is refused in /in\n'
        )  # fmt: skip
        assert "box: ask the bank whether it waits for a marker file beside each payment file" in "\n".join(said)
        tried = told(erp, "--probe", "--watch", "0")
        assert (tried[0], left(bank)) == (1, [])
        assert tried[2].splitlines()[1].startswith('publish = "direct"  # was "rename"; a probe file in /in')
        take_over(erp, proposed)
        assert told(erp, "--online")[::2] == (0, "")
        round_trip(erp, bank)


def test_without_rename_a_profile_that_renames_is_found_wrong_and_a_file_waits_for_a_person() -> None:
    with bank_that(NO_RENAME) as (erp, bank):
        row = sent(erp)
        assert row.state is State.UNCERTAIN
        [there] = left(bank)
        assert there.startswith("in/.")  # under its temporary name, and under no other


def test_write_only_by_the_rights_of_the_folder_payments_go_as_to_any_bank() -> None:
    with bank_that() as (erp, bank):
        (bank.root / "in").chmod(0o300)
        status, found = checked(erp, "--probe", "--watch", "0")
        inbox, trial = found["folders"][0], found["trials"][0]
        assert (status, inbox["there"], inbox["files"], inbox["shows"]) == (0, True, None, True)
        assert (trial["at_once"], trial["renamed"], trial["removed"]) == ("there", True, True)
        status, said, proposed = told(erp, "--probe", "--watch", "0")
        assert any("Sending does not need it." in line for line in said)
        take_over(erp, proposed)
        assert (told(erp, "--probe", "--watch", "0")[2], left(bank)) == ("", [])
        round_trip(erp, bank)


def another_key(erp: World, bank: ConfinedSshServer) -> str:
    """The server starts anew with another ECDSA key; its fingerprint. Each connection has a server of its own."""
    (bank.work / "host_key").unlink()
    bank.host_key = make_key(bank.work / "host_key", "ecdsa-sha2-nistp256")
    return bank.fingerprint


def test_another_ecdsa_host_key_stops_everything_before_anything_is_sent() -> None:
    with bank_that("", "LogLevel VERBOSE") as (erp, bank):
        old, new = bank.fingerprint, another_key(erp, bank)
        erp.profile_file.write_text(erp.profile_file.read_text().replace(old, new))
        assert told(erp, "--online")[0] == 0
        assert "Accepted publickey for nobody" in bank.log()

        old, new = bank.fingerprint, another_key(erp, bank)
        before = len(bank.log())
        status, said, proposed = told(erp, "--probe", "--watch", "0")
        assert (status, proposed) == (1, "")
        shown, untrusted = said[2:]
        assert shown == f"box: host key {new} (ecdsa-sha2-nistp256) is not pinned."
        assert untrusted == (
            f"box: 127.0.0.1 shows no host key that is pinned. Pinned: {old}. Nothing was sent. Somebody may stand "
            "between us and the bank: do not go on until the bank has confirmed the new key by another way; then add "
            "its fingerprint to host_keys."
        )
        row = sent(erp)
        assert (row.state, left(bank)) == (State.READY, [])
        assert all(word in str(row.reason) for word in (old, new, "Nothing was sent"))
        assert "nobody" not in bank.log()[before:]

        erp.profile_file.write_text(erp.profile_file.read_text().replace(f'"{old}"', f'"{old}", "{new}"'))
        assert told(erp, "--online")[0] == 0
        until(lambda: h2h(erp.config, "send") and state(erp).state is State.SENT, "sent, as the next try is due")
        answered(erp, bank)


def test_with_passwords_off_a_key_logs_in_and_another_one_is_refused_in_words_that_help() -> None:
    with bank_that("", "KbdInteractiveAuthentication no") as (erp, bank):
        status, found = checked(erp, "--online")
        assert (status, found["greeting"]["methods"]) == (0, ["publickey"])
        right = (erp.folder / "client_key").read_bytes()
        (erp.folder / "client_key").unlink()
        wrong = make_key(erp.folder / "client_key").get_fingerprint()
        status, said, _ = told(erp, "--online")
        assert status == 1
        assert said[-1] == (
            f"box: 127.0.0.1:{erp.port} refused the login of user nobody with the key {erp.folder}/client_key "
            f"({wrong}). Ask the bank whether it has this public key for this user, and whether the user is locked. To "
            "this user the server offers publickey."
        )
        (erp.folder / "client_key").write_bytes(right)
        round_trip(erp, bank)


def test_with_passwords_off_nothing_is_sent_with_a_key_that_the_bank_does_not_have() -> None:
    with bank_that("", "KbdInteractiveAuthentication no") as (erp, bank):
        (erp.folder / "client_key").unlink()
        make_key(erp.folder / "client_key")
        row = sent(erp)
        assert (row.state, left(bank)) == (State.READY, [])
        assert "refused the login of user nobody" in str(row.reason)
