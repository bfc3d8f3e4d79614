"""A bank that changes its host key, with a real OpenSSH server: nothing goes until two persons accept the new one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from h2h.errors import NotAllowed, UsageError
from h2h.gateway import Gateway
from h2h.inventory import Kind, Stands
from h2h.ledger.keys import HostKey
from h2h.lifecycle import State
from h2h.lookout import Lookout
from tests.flows.world import World, opened, payments, send, settled, transfers
from tests.shell.command import run as h2h
from tests.suites.servers import SSHD, OpenSshServer, make_key

pytestmark = pytest.mark.skipif(SSHD is None, reason="no sshd here: apt-get install openssh-server")

UNSEEN = f"SHA256:{'Q' * 43}"


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[OpenSshServer]:
    with OpenSshServer(tmp_path / "bank") as server:
        yield server


@pytest.fixture
def erp(tmp_path: Path, bank: OpenSshServer) -> World:
    made = World(folder=tmp_path, port=bank.port, fingerprint=bank.fingerprint, user=bank.user, remote=bank.home)
    (tmp_path / "client_key").write_bytes(bank.user_key.read_bytes())
    (tmp_path / "client_key").chmod(0o600)
    made.inbound = {"every": '"1h"'}
    return made


def change_host_key(bank: OpenSshServer, kind: str = "ssh-ed25519") -> str:
    bank.host_key = make_key(bank.work / "host_key", kind)
    bank.cut()
    return bank.fingerprint


def accept(gateway: Gateway, fingerprint: str, who: str, **options: bool) -> HostKey:
    server = f"127.0.0.1:{gateway.settings.banks[0].channel.port}"  # type: ignore[union-attr]
    said = {"who": who, "reason": "told by telephone", "now": gateway.clock.now(), "in_advance": False} | options
    return gateway.ledger.acceptance.accept("box", server, fingerprint, **said)  # type: ignore[arg-type]


def alarm_words(gateway: Gateway) -> dict[str, str]:
    return {alarm.word: alarm.text for alarm in Lookout(gateway).look(gateway.clock.now())}


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
def test_a_changed_host_key_stops_the_channel_until_two_persons_accept_it(
    erp: World, bank: OpenSshServer, kind: str
) -> None:
    with opened(erp) as gateway:
        erp.drop_file(payments("MSG-1"))
        assert settled(gateway).state is State.SENT
        old, new = bank.fingerprint, change_host_key(bank, kind)
        gateway.desks["box"].close()

        erp.drop_file(payments("MSG-2"), "second.xml")
        assert [each.state for each in send(gateway)] == [State.SENT, State.READY]
        said = alarm_words(gateway)["host_key_changed"]
        assert old in said
        assert new in said
        assert "bank_refuses" not in alarm_words(gateway)
        [shown] = [key for key in gateway.inventory.listed() if key.fingerprint == new]
        assert (shown.kind, shown.stands) == (Kind.HOST, Stands.SHOWN)

        with pytest.raises(UsageError, match="never shown"):
            accept(gateway, UNSEEN, "anna")
        assert not accept(gateway, new, "anna").counts
        with pytest.raises(NotAllowed, match="somebody else"):
            accept(gateway, new, "anna")
        assert [each.state for each in send(gateway)] == [State.SENT, State.READY]

        assert accept(gateway, new, "berta").counts
        gateway.hurry()
        settled_all(gateway)
        assert "host_key_changed" not in alarm_words(gateway)
        assert stands(gateway, new) is Stands.IN_FORCE
        assert h2h(erp.config, "check", "--online").returncode == 0
        kinds = [event.kind for event in gateway.ledger.journal.of("bank box") if "host key" in event.kind]
        assert kinds == ["host key shown", "host key proposed", "host key accepted"]


def settled_all(gateway: Gateway) -> None:
    assert [each.state for each in send(gateway)] == [State.SENT, State.SENT]


def stands(gateway: Gateway, fingerprint: str) -> Stands:
    [found] = [key for key in gateway.inventory.listed() if key.fingerprint == fingerprint]
    return found.stands


def test_a_key_may_be_accepted_in_advance_and_then_the_change_stops_nothing(erp: World, bank: OpenSshServer) -> None:
    make_key(bank.work / "tomorrow")
    new = str(make_key(bank.work / "tomorrow").get_fingerprint())
    with opened(erp) as gateway:
        accept(gateway, new, "anna", in_advance=True)
        assert accept(gateway, new, "berta", in_advance=True).counts
        for name in ("tomorrow", "tomorrow.pub"):
            (bank.work / name).rename(bank.work / name.replace("tomorrow", "host_key"))
        erp.drop_file(payments("MSG-1"))
        assert settled(gateway).state is State.SENT
        [attempt] = [gateway.ledger.transfers.last_attempt(each).route for each in transfers(gateway)]
        assert attempt is not None
        assert set(attempt.host_keys) == {bank.fingerprint, new}


def test_a_withdrawn_key_ends_the_open_session_and_stops_the_channel(erp: World, bank: OpenSshServer) -> None:
    old = bank.fingerprint
    with opened(erp) as gateway:
        new = change_host_key(bank)
        for who in ("anna", "berta"):
            accept(gateway, new, who, in_advance=True)
        erp.drop_file(payments("MSG-1"))
        assert settled(gateway).state is State.SENT
        server = f"127.0.0.1:{bank.port}"
        now = gateway.clock.now()
        gateway.ledger.acceptance.withdraw("box", server, new, who="anna", reason="it was not the bank", now=now)
        erp.drop_file(payments("MSG-2"), "second.xml")
        assert [each.state for each in send(gateway)] == [State.SENT, State.READY]
        assert stands(gateway, new) is Stands.OVER
        said = alarm_words(gateway)["host_key_changed"]
        assert f"{new} (ssh-ed25519, first seen at" in said
        assert "withdrawn by anna" in said
        assert old in said


def test_an_accepted_key_counts_for_the_bank_host_and_port_that_it_was_accepted_for(
    erp: World, bank: OpenSshServer, tmp_path: Path
) -> None:
    with opened(erp) as gateway:
        new = change_host_key(bank)
        for who in ("anna", "berta"):
            accept(gateway, new, who, in_advance=True)
    with OpenSshServer(tmp_path / "elsewhere") as other:
        for name in ("host_key", "host_key.pub"):
            (other.work / name).write_bytes((bank.work / name).read_bytes())
        erp.port = other.port
        with opened(erp) as gateway:
            erp.drop_file(payments("MSG-1"))
            assert [each.state for each in send(gateway)] == [State.READY]
            assert new in alarm_words(gateway)["host_key_changed"]


# What was being published when the key changed.


def interrupted(gateway: Gateway, erp: World, bank: OpenSshServer) -> None:
    """A transfer whose rename was announced, and of which nothing is known since."""
    erp.drop_file(payments("MSG-1"))
    desk = gateway.desks["box"]
    desk.take_in()
    publisher = desk._handover._publisher
    publisher.publish = stop  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        desk.hand_over()
    assert [each.state for each in transfers(gateway)] == [State.PUBLISHING]


class Stopped(Exception):
    pass


def stop(*_: object, **__: object) -> None:
    raise Stopped


@pytest.mark.parametrize(
    ("before", "after", "withdrawn", "ends"),
    [
        ("old", "old accepted", "", State.SENT),  # the key changed; two persons took the new one beside the old
        ("old accepted", "old accepted", "", State.SENT),  # both were known when it was begun
        ("old accepted", "other accepted", "", State.SENT),  # the settings moved on, one that was known is left
        ("old", "other accepted", "", State.UNCERTAIN),  # none of those that were known then
        ("old accepted", "old", "accepted", State.UNCERTAIN),  # one that it was known by was no key of the bank
    ],
)
def test_a_server_is_the_same_where_one_of_its_keys_is_shared_and_none_was_withdrawn(
    erp: World, bank: OpenSshServer, before: str, after: str, withdrawn: str, ends: State
) -> None:
    old = bank.fingerprint
    make_key(bank.work / "new")
    new = str(make_key(bank.work / "new").get_fingerprint())
    with opened(erp) as gateway:
        if "accepted" in before:
            for who in ("anna", "berta"):
                accept(gateway, new, who, in_advance=True)
        interrupted(gateway, erp, bank)
    if "old" not in after:
        erp.fingerprint = UNSEEN
    if "accepted" in after:
        for name in ("new", "new.pub"):
            (bank.work / name).rename(bank.work / name.replace("new", "host_key"))
    with opened(erp) as gateway:
        if "accepted" in after and "accepted" not in before:
            for who in ("anna", "berta"):
                accept(gateway, new, who, in_advance=True)
        if withdrawn:
            said = {"who": "anna", "reason": "it was not the bank", "now": gateway.clock.now()}
            gateway.ledger.acceptance.withdraw("box", f"127.0.0.1:{bank.port}", new, **said)  # type: ignore[arg-type]
        gateway.hurry()
        [now] = send(gateway)
        assert now.state is ends
        assert old != new
