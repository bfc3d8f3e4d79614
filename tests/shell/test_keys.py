"""`h2h keys` as a person meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from h2h.sandbox.keys import create_client_key
from tests.flows.world import World

from .command import run as h2h

PIN = f"SHA256:{'Q' * 43}"


@pytest.fixture
def erp(tmp_path: Path) -> World:
    create_client_key(tmp_path / "client_key")
    made = World(folder=tmp_path, port=22, fingerprint=PIN)
    made.write_settings()
    return made


def test_keys_lists_every_key_with_fingerprint_age_and_end(erp: World) -> None:
    done = h2h(erp.config, "keys")
    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout
    for words in ("box\n  ours: login as corp at 127.0.0.1:22, Ed25519 256, in force", "does not end by itself", PIN):
        assert words in said
    ours, theirs = (json.loads(line) for line in h2h(erp.config, "keys", "--json").stdout.splitlines())
    assert ours["fingerprint"] in said
    assert (ours["kind"], ours["stands"], theirs["fingerprint"]) == ("ssh", "in force", PIN)


def test_keys_of_one_bank_alone(erp: World) -> None:
    assert PIN in h2h(erp.config, "keys", "--bank", "box").stdout
    done = h2h(erp.config, "keys", "--bank", "nobody")
    assert (done.returncode, "There is no bank 'nobody'" in done.stderr) == (2, True)


def test_a_key_that_cannot_be_read_is_listed_with_the_reason(erp: World) -> None:
    (erp.folder / "client_key").chmod(0o644)
    said = h2h(erp.config, "keys").stdout
    assert "login as corp at 127.0.0.1:22, unreadable" in said
    assert "chmod 600" in said


def test_two_persons_accept_a_host_key_and_one_withdraws_it(erp: World) -> None:
    new = f"SHA256:{'N' * 43}"
    accept = ("keys", "accept", "box", new, "--reason", "their letter of Monday")
    unseen = h2h(erp.config, *accept)
    assert (unseen.returncode, "has never shown" in unseen.stderr, "--in-advance" in unseen.stderr) == (2, True, True)
    assert "Nothing was changed" in h2h(erp.config, *accept, "--in-advance", "--dry-run", SUDO_USER="ann").stdout
    first = h2h(erp.config, *accept, "--in-advance", SUDO_USER="ann")
    assert (first.returncode, "a second person has to accept it" in first.stdout) == (0, True)
    assert f"is known by {PIN} (settings)" in first.stderr
    again = h2h(erp.config, *accept, "--in-advance", SUDO_USER="ann")
    assert (again.returncode, "somebody else has to accept it" in again.stderr) == (1, True)
    assert "proposed, not accepted" in h2h(erp.config, "keys").stdout
    second = h2h(erp.config, *accept, SUDO_USER="bob")
    assert f"{new} of box at 127.0.0.1:22 is accepted, by ann and bob." in second.stdout
    assert "accepted by ann and bob" in h2h(erp.config, "keys").stdout
    gone = h2h(erp.config, "keys", "withdraw", "box", new, "--reason", "they kept the old one", SUDO_USER="ann")
    assert (gone.returncode, "is withdrawn" in gone.stdout) == (0, True)
    assert "withdrawn by ann" in h2h(erp.config, "keys").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("accept", "box", PIN), "stands in host_keys of box already"),
        (("accept", "box", "SHA256:abc"), "Give the whole fingerprint"),
        (("withdraw", "box", PIN), "take it out there"),
        (("withdraw", "box", f"SHA256:{'N' * 43}"), "Nobody accepted or proposed"),
        (("accept", "nobody", PIN), "There is no bank 'nobody'"),
    ],
)
def test_what_cannot_be_accepted_or_withdrawn_is_refused_with_the_reason(
    erp: World, arguments: tuple[str, ...], said: str
) -> None:
    done = h2h(erp.config, "keys", *arguments, "--reason", "so")
    assert done.returncode in (1, 2)
    assert said in " ".join(done.stderr.split())


def test_check_opens_the_next_key_too_and_tells_one_that_is_the_same(erp: World) -> None:
    erp.facts |= {"next_key": f'{{ file = "{erp.folder}/client_key", from = 2026-12-01T06:00:00 }}'}
    erp.write_settings()
    assert "bank.channel.next_key.file: is key_file: name the new key" in h2h(erp.config, "check").stderr
    erp.facts |= {"next_key": f'{{ file = "{erp.folder}/none", from = "2026-12-01" }}'}
    erp.write_settings()
    said = h2h(erp.config, "check").stderr
    assert "bank.channel.next_key.from: write a day and a time of the bank's zone" in said
    assert f"bank.channel.next_key.file: {erp.folder}/none cannot be read" in said
