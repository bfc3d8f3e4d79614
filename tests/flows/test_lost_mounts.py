"""A bank behind a folder whose disk goes away: the empty mount point is no bank that took files, and none to use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from h2h.channels.folder import FolderChannel, open_folder
from h2h.config import FolderSettings
from h2h.errors import Unknown
from h2h.gateway import Gateway
from h2h.lifecycle import State
from tests.shell.command import run as h2h

from .test_changed_settings import PUBLISH, RENAME, breaking
from .world import World, only, opened, payments, send, settled, transfers

AT_THE_ROOT = {"remote": '"/"'}
BELOW = {"remote": '"/in"'}
BOTH = pytest.mark.parametrize("outbound", [AT_THE_ROOT, BELOW], ids=["mounted at the root", "mounted below it"])


def mounted(folder: Path, outbound: dict[str, str]) -> tuple[World, Path]:
    """A gateway's world, and the folder there that is a disk of its own."""
    for name in ("bank/in", "bank/out"):
        (folder / name).mkdir(parents=True)
    channel = {"kind": '"folder"', "path": f'"{folder}/bank"'}
    erp = World(folder=folder, port=0, fingerprint="", channel=channel, facts=RENAME, outbound=outbound)
    erp.inbound = {"remote": '"/out"', "messages": '["pain.002.001.10"]'}
    erp.write_settings()
    return erp, folder / "bank" / outbound["remote"].strip('"/')


def unmount(disk: Path) -> None:
    os.rename(disk, disk.with_name("away"))
    disk.mkdir()


def mount(disk: Path) -> None:
    disk.rmdir()
    os.rename(disk.with_name("away"), disk)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()}


def round_(gateway: Gateway) -> State:
    gateway.ledger.transfers.hurry(gateway.clock.now())
    gateway.ledger.contacts.hurry()
    return send(gateway)[-1].state


@BOTH
def test_a_file_in_doubt_waits_until_the_disk_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outbound: dict[str, str]
) -> None:
    erp, disk = mounted(tmp_path, outbound)
    erp.drop_file(payments("MSG-1"))
    with opened(erp) as gateway:
        with monkeypatch.context() as broken:
            broken.setattr(FolderChannel, "publish", breaking(PUBLISH, Unknown, done=False))
            assert round_(gateway) is State.PUBLISHING
        unmount(disk)
        for _ in range(3):
            assert round_(gateway) is State.PUBLISHING
        told = only(transfers(gateway)).reason or ""
        assert ".h2h is gone" in told or "Make the folder, or mount it" in told
        mount(disk)
        assert round_(gateway) is State.SENT
    assert files(disk) == {"MSG-1.xml"}


@BOTH
def test_no_file_is_handed_over_in_an_empty_mount_point(tmp_path: Path, outbound: dict[str, str]) -> None:
    erp, disk = mounted(tmp_path, outbound)
    with opened(erp) as gateway:
        erp.drop_file(payments("MSG-1"))
        assert round_(gateway) is State.SENT
        unmount(disk)
        erp.drop_file(payments("MSG-2"))
        assert round_(gateway) is State.READY
        assert files(disk) == set()
        mount(disk)
        assert round_(gateway) is State.SENT
    assert files(disk) == {"MSG-1.xml", "MSG-2.xml"}


def test_a_disk_that_is_mounted_while_the_gateway_runs_is_the_one_that_is_used(tmp_path: Path) -> None:
    erp, disk = mounted(tmp_path, AT_THE_ROOT)
    with opened(erp) as gateway:
        erp.drop_file(payments("MSG-1"))
        assert round_(gateway) is State.SENT
    unmount(disk)
    with opened(erp) as gateway:
        erp.drop_file(payments("MSG-2"))
        assert round_(gateway) is State.READY  # and the session is on the empty mount point
        mount(disk)
        assert round_(gateway) is State.SENT
    assert files(disk) == {"MSG-1.xml", "MSG-2.xml"}


def test_a_new_folder_in_place_of_the_old_one_is_taken_when_a_person_says_so(tmp_path: Path) -> None:
    erp, disk = mounted(tmp_path, BELOW)
    with opened(erp) as gateway:
        erp.drop_file(payments("MSG-1"))
        settled(gateway)
    unmount(disk)
    assert "made" in h2h(erp.config, "init").stdout
    with opened(erp) as gateway:
        erp.drop_file(payments("MSG-2"))
        assert round_(gateway) is State.SENT
    assert files(disk) == {"MSG-2.xml"}


def test_init_makes_no_folder_of_the_banks(tmp_path: Path) -> None:
    erp, disk = mounted(tmp_path, BELOW)
    disk.rmdir()
    h2h(erp.config, "init")
    assert not disk.exists()


def test_a_session_on_a_folder_ends_when_another_one_is_there(tmp_path: Path) -> None:
    (disk := tmp_path / "bank").mkdir()
    with open_folder(FolderSettings(kind="folder", path=str(disk))) as session:  # type: ignore[arg-type]
        assert session.alive()
        unmount(disk)
        assert not session.alive()
        mount(disk)
        assert session.alive()
        os.rename(disk, disk.with_name("away"))
        assert not session.alive()
