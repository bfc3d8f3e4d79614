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
