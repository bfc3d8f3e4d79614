"""Somebody edits the way or the server while a file is under way: what stands at the bank is read by its own way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from h2h.channels.folder import FolderChannel
from h2h.errors import NotDelivered, Unknown
from h2h.lifecycle import State

from .world import World, answer, only, opened, payments, put, send, settled, transfers

FILE = payments("MSG-1")
RENAME = {"publish": '"rename"', "atomic_rename": "true", "staging_is_ours": "true"}
MARKER = {"publish": '"marker"', "takes_file_before_marker": "true", "staging_is_ours": "true"}
DIRECT = {"publish": '"direct"'}

PUBLISH, PLACE, STAGE = FolderChannel.publish, FolderChannel.place, FolderChannel.stage_many


def behind_a_folder(folder: Path, facts: dict[str, str]) -> World:
    """A bank behind a folder, a second one beside it, and a file that was dropped."""
    for name in ("bank/in", "bank/out", "bank2/in", "bank2/out"):
        (folder / name).mkdir(parents=True)
    channel = {"kind": '"folder"', "path": f'"{folder}/bank"'}
    erp = World(folder=folder, port=0, fingerprint="", channel=channel, facts=facts)
    erp.write_settings()
    erp.drop_file(FILE)
    return erp


def breaking(original: Callable[..., Any], error: type[Exception], *, done: bool) -> Callable[..., None]:
    """The line breaks in an operation, when it was done or before."""

    def broken(channel: FolderChannel, *arguments: Any, **named: Any) -> None:
        if done:
            original(channel, *arguments, **named)
        channel.__exit__()
        raise error("the line broke")

    return broken


def staged_in_vain(channel: FolderChannel, *arguments: Any) -> list[Exception]:
    """The line breaks when the files are there."""
    outcomes = STAGE(channel, *arguments)
    channel.__exit__()
    return [NotDelivered("the line broke") for _ in outcomes]


def interrupted(erp: World, patch: pytest.MonkeyPatch, *, done: bool) -> None:
    """The file is PUBLISHING, and nobody knows how that went."""
    with patch.context() as broken, opened(erp) as gateway:
        broken.setattr(FolderChannel, "publish", breaking(PUBLISH, Unknown, done=done))
        broken.setattr(FolderChannel, "place", breaking(PLACE, Unknown, done=done))
        assert only(send(gateway)).state is State.PUBLISHING


def at_the_bank(erp: World, bank: str = "bank") -> dict[str, int]:
    """The size of each file there, by what follows MSG-1. or the number of the attempt."""
    found = [path for path in (erp.folder / bank / "in").iterdir() if path.is_file()]
    return {path.name.rpartition("-1.")[2]: path.stat().st_size for path in found}


@pytest.mark.parametrize(
    ("before", "now", "done", "left"),
    [
        (RENAME, MARKER, False, {"part": len(FILE)}),  # else its final name would be made, as an empty marker
        (RENAME, DIRECT, False, {"part": len(FILE)}),
        (RENAME, MARKER, True, {"xml": len(FILE)}),
        (MARKER, RENAME, False, {"xml": len(FILE)}),  # else the file would be renamed to its marker
        (MARKER, RENAME, True, {"xml": len(FILE), "xml.done": 0}),
        (DIRECT, RENAME, True, {"xml": len(FILE)}),  # else "both names are there", and the file would be removed
        (DIRECT, MARKER, True, {"xml": len(FILE)}),
    ],
)
def test_a_file_that_was_published_another_way_than_todays_is_for_a_person_and_nothing_of_it_is_touched(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: dict[str, str],
    now: dict[str, str],
    done: bool,
    left: dict[str, int],
) -> None:
    erp = behind_a_folder(tmp_path, before)
    interrupted(erp, monkeypatch, done=done)
    erp.facts = now
    with opened(erp) as gateway:
        doubtful = only(send(gateway))
        assert doubtful.state is State.UNCERTAIN
        assert f"publish was {before['publish']} and is {now['publish']}" in (doubtful.reason or "")
    assert at_the_bank(erp) == left


def test_a_file_that_went_to_another_server_is_not_called_taken_unseen_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    erp = behind_a_folder(tmp_path, RENAME)
    interrupted(erp, monkeypatch, done=False)
    assert erp.channel
    erp.channel["path"] = f'"{tmp_path}/bank2"'
    with opened(erp) as gateway:
        doubtful = only(send(gateway))
        assert doubtful.state is State.UNCERTAIN
        assert f"the server was folder://{tmp_path}/bank and is folder://{tmp_path}/bank2" in (doubtful.reason or "")
    assert (at_the_bank(erp), at_the_bank(erp, "bank2")) == ({"part": len(FILE)}, {})


def test_the_same_way_and_server_after_other_edits_are_still_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    erp = behind_a_folder(tmp_path, {"publish": '"rename"'})
    interrupted(erp, monkeypatch, done=False)
    erp.facts = RENAME  # somebody asked the bank
    erp.outbound["name"] = '"{id}.xml"'
    with opened(erp) as gateway:
        assert settled(gateway).remote == "/in/MSG-1.xml"
    assert at_the_bank(erp) == {"xml": len(FILE)}


def test_a_file_that_an_earlier_version_was_publishing_is_for_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    erp = behind_a_folder(tmp_path, RENAME)
    interrupted(erp, monkeypatch, done=False)
    forget(erp)
    with opened(erp) as gateway:
        doubtful = only(send(gateway))
        assert (doubtful.state, "earlier version" in (doubtful.reason or "")) == (State.UNCERTAIN, True)
    assert at_the_bank(erp) == {"part": len(FILE)}


def forget(erp: World) -> None:
    """As the ledger is after its migration."""
    engine = create_engine(f"sqlite:///{erp.folder}/data/h2h.db")
    with engine.begin() as connection:
        connection.execute(text("UPDATE attempt SET way = NULL, server = NULL, host_keys = NULL"))
    engine.dispose()


def test_a_file_that_is_sent_again_by_another_way_leaves_the_one_that_the_bank_had(tmp_path: Path) -> None:
    erp = behind_a_folder(tmp_path, DIRECT)
    with opened(erp) as gateway:
        sent = settled(gateway)
        put(tmp_path / "bank" / "out", "r.xml", answer("MSG-1", "RJCT"))
        desk = gateway.desks["box"]
        desk.pull(desk.bank.inbound[0])
    erp.facts = RENAME
    with opened(erp) as gateway:
        gateway.decisions.resend(sent.id, who="ann", reason="the bank asks for it")
        assert settled(gateway).remote == "/in/MSG-1-2.xml"
    assert {path.name for path in (tmp_path / "bank" / "in").glob("*.xml")} == {"MSG-1.xml", "MSG-1-2.xml"}


@pytest.mark.parametrize("facts", [MARKER, RENAME], ids=["marker", "rename"])
@pytest.mark.parametrize("bank", ["bank", "bank2"])
def test_the_file_of_a_broken_upload_is_cleared_away_where_it_was_made_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bank: str, facts: dict[str, str]
) -> None:
    erp = behind_a_folder(tmp_path, MARKER)
    with monkeypatch.context() as broken, opened(erp) as gateway:
        broken.setattr(FolderChannel, "stage_many", staged_in_vain)
        assert only(send(gateway)).temporary == "/in/MSG-1.xml"
    theirs = tmp_path / "bank2" / "in" / "MSG-1.xml"
    theirs.write_bytes(b"another company's")
    assert erp.channel
    erp.channel["path"] = f'"{tmp_path}/{bank}"'
    erp.facts = facts
    erp.outbound["name"] = '"{name}"'
    with opened(erp) as gateway:
        settled(gateway)
        assert len(transfers(gateway)) == 1
    assert theirs.read_bytes() == b"another company's"
    assert ("xml" in at_the_bank(erp)) is (bank == "bank2")
