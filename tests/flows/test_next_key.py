"""Another login key from an hour of the bank's zone on, with a real OpenSSH server that tells which key it saw."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from h2h.alarms import Urgency
from h2h.channels.ssh_keys import fingerprint
from h2h.config import load
from h2h.gateway import Gateway
from h2h.heartbeat import Beat
from h2h.inventory import Stands
from h2h.lifecycle import State
from h2h.lookout import Lookout
from h2h.metrics.families import OfGateway
from tests.flows.world import MovableClock, World, opened, payments, send, settled
from tests.shell.command import run as h2h
from tests.suites.servers import SSHD, OpenSshServer, make_key

pytestmark = pytest.mark.skipif(SSHD is None, reason="no sshd here: apt-get install openssh-server")

BEFORE = "2026-12-01T05:30:00+01:00"  # the hour is six, in Berlin


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[OpenSshServer]:
    with OpenSshServer(tmp_path / "bank", ["LogLevel VERBOSE"]) as server:
        yield server


@pytest.fixture
def erp(tmp_path: Path, bank: OpenSshServer) -> World:
    made = World(folder=tmp_path, port=bank.port, fingerprint=bank.fingerprint, user=bank.user, remote=bank.home)
    for name in ("user_key", "user_key.pub"):
        (tmp_path / name.replace("user", "client")).write_bytes((bank.work / name).read_bytes())
    (tmp_path / "client_key").chmod(0o600)
    make_key(tmp_path / "next_key")
    made.facts |= {"next_key": f'{{ file = "{tmp_path}/next_key", from = 2026-12-01T06:00:00 }}'}
    return made


def known_at(bank: OpenSshServer, *files: Path) -> None:
    bank.user_key.with_name("user_key.pub").write_bytes(b"".join(file.read_bytes() for file in files))


def tried(bank: OpenSshServer) -> list[str]:
    """What became of each login: Accepted or Failed, and with which key."""
    return re.findall(r"(?:Accepted|Failed) publickey for \S+ from \S+ port \d+ ssh2: \S+ (SHA256:\S+)", bank.log())


def test_the_old_key_is_used_until_its_hour_and_the_new_one_from_then_on(erp: World, bank: OpenSshServer) -> None:
    old, new = (erp.folder / name for name in ("client_key", "next_key"))
    known_at(bank, old.with_name("client_key.pub"), new.with_name("next_key.pub"))
    clock = MovableClock(BEFORE)
    with opened(erp, clock) as gateway:
        ours = {key.file: key for key in gateway.inventory.listed() if key.ours}
        assert [key.stands for key in ours.values()] == [Stands.IN_FORCE, Stands.SCHEDULED]
        assert ours[str(new)].starts == datetime(2026, 12, 1, 5, tzinfo=UTC)
        erp.drop_file(payments("MSG-1"))
        assert settled(gateway).state is State.SENT
        assert set(tried(bank)) == {ours[str(old)].fingerprint}

        clock.advance(minutes=31)
        erp.drop_file(payments("MSG-2"), "second.xml")
        assert [each.state for each in send(gateway)] == [State.SENT, State.SENT]
        assert tried(bank)[-1] == ours[str(new)].fingerprint
        assert [key.stands for key in gateway.inventory.listed() if key.ours] == [Stands.OVER, Stands.IN_FORCE]


def test_a_new_key_that_the_bank_does_not_know_is_told_and_the_old_one_is_not_tried(
    erp: World, bank: OpenSshServer
) -> None:
    known_at(bank, erp.folder / "client_key.pub")
    with opened(erp, MovableClock("2026-12-01T06:00:00+01:00")) as gateway:
        new = next(key.fingerprint for key in gateway.inventory.listed() if key.setting == "bank.channel.next_key")
        erp.drop_file(payments("MSG-1"))
        assert [each.state for each in send(gateway)] == [State.READY]
        [refused] = [each for each in Lookout(gateway).look(gateway.clock.now()) if each.word == "bank_refuses"]
        assert f"/next_key ({new})" in refused.text
        assert "its hour has come: the key before it is not tried in its place" in refused.text
        assert set(tried(bank)) == {new}


def test_the_alarm_on_an_old_key_rises_and_is_over_when_the_next_one_is_named(erp: World) -> None:
    named, clock = erp.facts.pop("next_key"), MovableClock(BEFORE)
    made = (clock.now() - timedelta(days=700)).timestamp()
    os.utime(erp.folder / "client_key", (made, made))
    assert round_with(erp, clock) == ([("key_expires", Urgency.WARNING)], [30])
    clock.advance(days=31)
    assert round_with(erp, clock) == ([("key_expired", Urgency.URGENT)], [-1])
    erp.facts["next_key"] = named
    alarms, left = round_with(erp, clock)
    assert (alarms, len(left)) == ([], 2)


def round_with(erp: World, clock: MovableClock) -> tuple[list[tuple[str, Urgency]], list[int]]:
    """The open alarms on keys after one look, and the days that are left of each key of ours, as metrics tell them."""
    erp.write_settings()
    with erp.config.open("a") as file:
        file.write('[keys]\nmax_age = "730d"\n')
    gateway = Gateway(load(erp.config), clock)
    try:
        Lookout(gateway).round()
        alarms = [(row.word, row.urgency) for row in gateway.ledger.alarms.rows() if row.word.startswith("key_")]
        metrics = OfGateway(gateway, lambda: (Beat(process=1, boot="", at=0.0, workers=()), ())).collect()
        [family] = [each for each in metrics if each.name == "h2h_key_days_left"]
        return alarms, [round(sample.value) for sample in family.samples]
    finally:
        gateway.close()


def test_the_next_key_is_tried_before_its_hour_without_a_trace(erp: World, bank: OpenSshServer) -> None:
    old, new = (erp.folder / name for name in ("client_key.pub", "next_key.pub"))
    erp.write_settings()
    known_at(bank, old)
    refused = h2h(erp.config, "check", "--key", "next", H2H_NOW=BEFORE)
    assert (refused.returncode, "refused the login" in refused.stdout) == (1, True)
    assert "its hour has come" not in refused.stdout
    known_at(bank, old, new)
    there = sorted(bank.root.rglob("*"))
    done = h2h(erp.config, "check", "--online", "--key", "next", "--json", H2H_NOW=BEFORE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(bank.root.rglob("*")) == there
    assert set(tried(bank)) == {fingerprint(new.read_text())}
    assert not (erp.folder / "data").exists()


def test_there_has_to_be_a_next_key_to_try(erp: World) -> None:
    del erp.facts["next_key"]
    erp.write_settings()
    done = h2h(erp.config, "check", "--key", "next", "--bank", "box")
    assert (done.returncode, "has a next_key" in done.stderr) == (2, True)
