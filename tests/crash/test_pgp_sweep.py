"""The plug pulled while files are sealed and opened with GnuPG: out and back once each, whatever was begun.

As test_sweep.py, with a bank that decrypts what it takes, and signs and encrypts its answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from h2h.lifecycle import State
from h2h.verdicts import Verdict
from tests.flows.world import answer, put
from tests.forging import Forge, forge

from .test_sweep import FILE, LONG, Bank, Kind, Sweep

SETTINGS = {"pgp": '"sign+encrypt"', "name": '"{msg_id}.xml.pgp"'}
WHAT_COUNTS = ("Sealings.", "Messages.opened", "Incoming.keep", "after Transfers.publishing", "after Messages.kept")


@pytest.fixture(scope="module")
def workshop() -> Iterator[Forge]:
    with forge() as made:
        yield made


class Signing(Bank):
    """Of the class, as each play has a bank of its own."""

    forge: Forge
    keys: tuple[str, str]
    now: datetime

    def answer(self) -> None:
        ours, bank = self.keys
        for content in self.copies():
            opened = self.forge.run("--decrypt", data=content, at=self.now)
            found = re.search(rb"<MsgId>([^<]*)", opened)
            assert found
            message_id = found[1].decode()
            if message_id not in self.answered:
                self.answered.add(message_id)
                order = ["--sign", f"--local-user={bank}", "--encrypt", f"--recipient={ours}"]
                put(self.root / "out", "a.xml", self.forge.run(*order, data=answer(message_id), at=self.now))


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workshop: Forge) -> Sweep:
    now = datetime.now(UTC)
    made = now - timedelta(days=1)
    corp, bank = workshop.key(f"Corp {tmp_path.name}", at=made), workshop.key(f"Bank {tmp_path.name}", at=made)
    (tmp_path / "corp.asc").write_bytes(workshop.run("--export-secret-keys", corp, at=now))
    (tmp_path / "corp.asc").chmod(0o600)
    (tmp_path / "bank.asc").write_bytes(workshop.run("--export", bank, at=now))
    theirs = f'{{ file = "{tmp_path}/bank.asc", fingerprint = "{bank}" }}'
    pgp = f'{{ our_keys = [{{ file = "{tmp_path}/corp.asc" }}], their_keys = [{theirs}] }}'
    options: dict[str, Any] = {"bank": {"pgp": pgp}, "inbound": {"pgp": '"sign+encrypt"'}}
    known = type("Known", (Signing,), {"forge": workshop, "keys": (corp, bank), "now": now})
    folder = tmp_path / "plays"
    folder.mkdir()
    return Sweep(folder, monkeypatch, Kind(), FILE, outbound=SETTINGS, bank_class=known, **options)


def test_wherever_the_plug_is_pulled_a_file_goes_and_its_answer_comes_once(sweep: Sweep, workshop: Forge) -> None:
    transfer, copies = sweep.play()
    singles = list(dict.fromkeys(sweep.points))
    assert {"in Messages.opened 1", "after Messages.opened 1", "in Sealings.sealed 1"} <= set(singles)
    counting = [point for point in singles if any(word in point for word in WHAT_COUNTS)]
    wrong = []
    for kill in singles if LONG else counting[::2]:
        transfer, copies = sweep.play(kill)
        opened = [workshop.run("--decrypt", data=copy, at=datetime.now(UTC)) for copy in copies]
        if (opened, transfer.state, transfer.verdict) != ([FILE], State.SENT, Verdict.ACCEPTED):
            wrong.append(kill)
    assert wrong == []
