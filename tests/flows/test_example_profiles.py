"""Every profile in config/banks against the bank in a box that plays it: a file goes, is answered, and is booked."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from h2h.config import load
from h2h.gateway import Gateway
from h2h.lifecycle import State
from h2h.resources import root
from h2h.sandbox.keys import create_client_key
from h2h.sandbox.scenario import load_scenario
from h2h.sandbox.server import BankServer
from h2h.verdicts import Verdict
from tests.forging import forge

from .world import MovableClock, only, sample, transfers

CONFIG = root("config")
START = "2026-11-17T10:00:00+01:00"
NAMES = sorted(path.stem for path in (CONFIG / "banks").glob("*.toml") if path.stem != "mybank")
MAIN = '[gateway]\ndata = "data"\nenvironment = "test"\nbanks = "banks/{name}.toml"\n'


@contextmanager
def shape(folder: Path, name: str) -> Iterator[tuple[Gateway, BankServer]]:
    """The profile as it stands, but for what only the bank can tell: its address, and its keys."""
    for part in ("banks", "sandbox", "keys"):
        (folder / part).mkdir()
    clock = MovableClock(START)
    with ExitStack() as stack:
        text = (CONFIG / "banks" / f"{name}.toml").read_text()
        scenario = folder / "sandbox" / f"{name}.toml"
        shutil.copy(CONFIG / "sandbox" / f"{name}.toml", scenario)
        if "[[bank.pgp.our_keys]]" in text:
            workshop = stack.enter_context(forge())
            ours = workshop.key("Corp")
            (folder / "sandbox" / "corp-pgp.asc").write_bytes(workshop.public(ours))
            (folder / "keys" / f"{name}-ours.asc").write_bytes(workshop.secret(ours))
            (folder / "keys" / f"{name}-ours.asc").chmod(0o600)
        public = create_client_key(folder / "keys" / f"{name}_ed25519")
        bank = BankServer(folder / "bank", load_scenario(scenario), authorized_keys=[public], clock=clock.now)
        stack.enter_context(bank)
        text = re.sub(r'host = ".*"', f'host = "127.0.0.1"\nport = {bank.port}', text)
        text = re.sub(r"host_keys = .*", f'host_keys = ["{bank.host_key_fingerprint}"]', text)
        if block := bank.pgp_block():
            their = re.search(r'file = "(.*)"\nfingerprint = "(.*)"', block)
            assert their
            shutil.copy(their[1], folder / "keys" / f"{name}-theirs.asc")
            text = re.sub(r'fingerprint = ".*"', f'fingerprint = "{their[2]}"', text)
        (folder / "banks" / f"{name}.toml").write_text(
            text.replace("[[bank.outbound]]\n", '[[bank.outbound]]\nsettle = "0s"\n')
        )
        (folder / "h2h.toml").write_text(MAIN.format(name=name))
        settings = load(folder / "h2h.toml")
        profile = only(list(settings.banks))
        for place in [*(o.watch for o in profile.outbound), *(i.deliver for i in profile.inbound if i.deliver)]:
            place.mkdir(parents=True)
        gateway = Gateway(settings, clock)
        stack.callback(gateway.close)
        stack.enter_context(gateway.running())
        yield gateway, bank


def drop(gateway: Gateway, content: bytes, name: str, file: str = "payments.xml") -> None:
    folder = gateway.bank(name).outbound[0].watch
    (folder / f".{file}.part").write_bytes(content)
    (folder / f".{file}.part").rename(folder / file)
    gateway.desks[name].take_in()
    gateway.desks[name].hand_over()


def test_there_are_at_least_six_shapes_of_bank_and_each_has_its_scenario() -> None:
    assert len(NAMES) >= 6
    assert sorted(path.stem for path in (CONFIG / "sandbox").glob("*.toml")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_file_goes_is_answered_and_is_booked(tmp_path: Path, name: str) -> None:
    with shape(tmp_path, name) as (gateway, bank):
        profile = gateway.bank(name)
        assert (profile.name, profile.version, profile.owner) == (name, "2026-11", "Treasury operations")
        drop(gateway, sample(), name)
        sent = only(transfers(gateway))
        assert (sent.state, sent.reason) == (State.SENT, None)
        for _ in range(100):
            if bank.taken:
                break
            bank.settle()
        bank.settle()
        bank.close_day()
        for folder in profile.inbound:
            gateway.desks[name].pull(folder)
            gateway.desks[name].pull(folder)
        assert only(transfers(gateway)).verdict is Verdict.ACCEPTED
        statements = [one for one in gateway.ledger.views.statements() if one.kind == "053"]
        assert statements
        assert all(statement.reconciles for statement in statements)
        assert sum(statement.matched for statement in statements) > 0
        assert gateway.ledger.journal.verify().fault is None


def test_the_strict_bank_takes_numbers_in_their_order_and_its_rules_hold_files_back(tmp_path: Path) -> None:
    with shape(tmp_path, "strict") as (gateway, bank):
        drop(gateway, sample(message_id="A-1"), "strict", "a.xml")
        drop(gateway, sample(message_id="a_2"), "strict", "b.xml")
        drop(gateway, sample(message_id="A-3").replace(b"8250.00", b"8250.01", 1), "strict", "c.xml")
        states = {one.name: (one.state, one.reason or "") for one in transfers(gateway)}
        assert states["a.xml"][0] is State.SENT
        assert states["b.xml"][0] is State.INVALID
        findings = gateway.ledger.views.history(transfers(gateway)[1].id).findings
        assert any("Message ids are made of capitals" in finding.text for finding in findings)
        assert [taken.name for taken in bank.taken][:1] == ["CORP0815_T_20261117_0001.xml"]


def test_the_journal_says_by_which_profile_a_file_was_judged_and_tried(tmp_path: Path) -> None:
    with shape(tmp_path, "openssh") as (gateway, _):
        drop(gateway, sample(), "openssh")
        events = gateway.ledger.journal.of(only(transfers(gateway)).id)
    profile = f"2026-11 sha256:{sha256((tmp_path / 'banks' / 'openssh.toml').read_bytes()).hexdigest()}"
    assert {event.kind: event.data["profile"] for event in events if "profile" in event.data} == {
        "READY": profile,
        "STAGING": profile,
    }
