"""Two gateways on one data folder, one watched folder or one ledger: the second refuses, or nothing goes twice."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from h2h.errors import AlreadyRunning, Stale
from h2h.gateway import Gateway
from h2h.lifecycle import State
from tests.suites.postgres import Postgres, postgres

from .world import World, opened, payments, transfers


def made(folder: Path, **options: dict[str, str]) -> World:
    """A world whose bank is a folder."""
    for name in ("in", "out"):
        (folder / "bank" / name).mkdir(parents=True, exist_ok=True)
    channel = {"kind": '"folder"', "path": f'"{folder}/bank"'}
    return World(folder=folder, port=0, fingerprint="", channel=channel, **options)  # type: ignore[arg-type]


def beside(first: World, folder: Path, **options: dict[str, str]) -> World:
    """Another gateway of the same bank."""
    channel = {"kind": '"folder"', "path": f'"{first.folder}/bank"'}
    return World(folder=folder, port=0, fingerprint="", channel=channel, **options)  # type: ignore[arg-type]


def refuses(second: World, why: str) -> None:
    gateway = second.gateway()
    with pytest.raises(AlreadyRunning, match=why), gateway.running():
        pytest.fail("two gateways run")
    gateway.close()


def test_a_data_folder_that_is_reached_by_a_link_is_the_same_one(tmp_path: Path) -> None:
    first = made(tmp_path / "a")
    second = beside(first, tmp_path / "b", gateway_settings={"data": f'"{tmp_path}/link"'})
    with opened(first):
        os.symlink(first.folder / "data", tmp_path / "link")
        refuses(second, "process")


def test_a_watched_folder_has_one_gateway_by_whatever_path(tmp_path: Path) -> None:
    first = made(tmp_path / "a")
    with opened(first):
        os.symlink(first.drop, tmp_path / "link")
        for watch in (first.drop, tmp_path / "link"):
            second = beside(first, tmp_path / "b", outbound={"watch": f'"{watch}"'})
            refuses(second, f"watched by another gateway already .process {os.getpid()}")
    with opened(second):
        pass


def test_one_sqlite_ledger_in_two_data_folders_has_one_gateway(tmp_path: Path) -> None:
    first, second = made(tmp_path / "a"), beside(made(tmp_path / "a"), tmp_path / "b")
    for erp in (first, second):
        erp.write_settings()
        erp.config.write_text(f'{erp.config.read_text()}\n[ledger]\nurl = "sqlite:///{tmp_path}/shared.db"\n')
    with running(first):
        gateway = loaded(second)
        with pytest.raises(AlreadyRunning, match=r"shared\.db"), gateway.running():
            pytest.fail("two gateways run")
        gateway.close()


def loaded(erp: World) -> Gateway:
    from h2h.clock import Clock
    from h2h.config import load

    return Gateway(load(erp.config), Clock())


class running:  # noqa: N801
    """The gateway of settings that are written already."""

    def __init__(self, erp: World) -> None:
        self._gateway = loaded(erp)
        self._running = self._gateway.running()

    def __enter__(self) -> Gateway:
        self._running.__enter__()
        return self._gateway

    def __exit__(self, *_: object) -> None:
        self._running.__exit__(None, None, None)
        self._gateway.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as found:
        if found is None:
            pytest.skip("no PostgreSQL here: apt-get install postgresql, or set H2H_TEST_POSTGRES")
        yield found


@pytest.fixture
def shared(server: Postgres, tmp_path: Path) -> tuple[World, World]:
    """Two data folders with one ledger on PostgreSQL, one archive and one bank."""
    server.empty()
    first = made(tmp_path / "a")
    second = beside(first, tmp_path / "b")
    for erp in (first, second):
        erp.write_settings()
        erp.config.write_text(f'{erp.config.read_text()}\n[ledger]\nurl = "{server.url}"\n')
    return first, second


def test_one_ledger_on_postgresql_has_one_gateway_on_each_host(shared: tuple[World, World]) -> None:
    first, second = shared
    with running(first):
        gateway = loaded(second)
        with pytest.raises(AlreadyRunning, match="works on this ledger already"), gateway.running():
            pytest.fail("two gateways run")
        gateway.close()
    with running(second) as gateway:
        assert gateway.ledger.restored.safe_mode() is None


def test_a_ledger_on_postgresql_that_was_put_back_is_noticed(shared: tuple[World, World], server: Postgres) -> None:
    first, _ = shared
    with running(first) as gateway:
        first.drop_file(payments("MSG-1"))
        gateway.desks["box"].take_in()
    server.empty()
    with running(first) as gateway:
        assert gateway.ledger.restored.safe_mode()
        assert [t.state for t in transfers(gateway)] == [State.UNCERTAIN]


@pytest.mark.parametrize("group", [1, 3])
def test_two_nodes_that_send_from_one_ledger_at_the_same_moment_send_each_file_once(
    shared: tuple[World, World], monkeypatch: pytest.MonkeyPatch, group: int
) -> None:
    monkeypatch.setattr("h2h.outbound.handover.GROUP", group)
    first, second = shared
    second.outbound = {"watch": f'"{first.drop}"'}
    second.profile_file.write_text(second.profile())
    files = sorted(payments(f"MSG-{n}") for n in range(8 * group))
    for number, content in enumerate(files):
        first.drop_file(content, f"{number}.xml")
    nodes = [loaded(first), loaded(second)]
    with nodes[0].running():
        nodes[0].desks["box"].take_in()
    (second.folder / "data" / "archive").symlink_to(first.folder / "data" / "archive")
    start = threading.Barrier(2)

    def work(node: Gateway) -> None:
        start.wait()
        while State.READY in {t.state for t in transfers(node)}:  # whoever came second tries again
            with suppress(Stale):
                node.desks["box"].hand_over()

    threads = [threading.Thread(target=work, args=(node,)) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {t.state for t in transfers(nodes[0])} == {State.SENT}
    arrived = [p.read_bytes() for p in (first.folder / "bank" / "in").glob("*.xml")]
    assert sorted(arrived) == files
    owners = {
        event.data["owner"] for t in transfers(nodes[0]) for event in nodes[0].ledger.journal.of(t.id)
        if event.kind == "STAGING"
    }  # fmt: skip
    assert len(owners) == 2
    for node in nodes:
        node.close()
