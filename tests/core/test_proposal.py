"""From what was found to lines of the profile: TOML that can be taken over, and nothing bolder than was shown."""

from __future__ import annotations

import tomllib
from string import Formatter

import pytest

from h2h.channels.facts import Change, Disk, FolderFacts, Trial
from h2h.channels.proposal import Found, as_toml, changes, questions, with_id
from h2h.config import Bank


@pytest.mark.parametrize(
    ("template", "with_one"),
    [
        ("{msg_id}.xml", "{msg_id}_{id}.xml"),
        ("{msg_id}.xml.pgp", "{msg_id}_{id}.xml.pgp"),
        ("{msg_id}", "{msg_id}_{id}"),
        ("{msg_id}_{date:%Y.%m.%d}", "{msg_id}_{date:%Y.%m.%d}_{id}"),
        ("{msg_id}_{date:%Y.%m.%d}.xml", "{msg_id}_{date:%Y.%m.%d}_{id}.xml"),
        ("A.B{msg_id}", "A_{id}.B{msg_id}"),
    ],
)
def test_an_id_goes_before_the_ending_of_a_name(template: str, with_one: str) -> None:
    assert with_id(template) == with_one
    assert "id" in [field for _, field, _, _ in Formatter().parse(with_one)]


def bank(channel: dict[str, object] | None = None, **outbound: object) -> Bank:
    return Bank.model_validate(
        {
            "name": "box",
            "timezone": "Europe/Berlin",
            "channel": {"kind": "folder", "path": "/nowhere", **(channel or {})},
            "outbound": [{"watch": "/w", "messages": ["pain.001.001.09"], "remote": "/in", **outbound}],
        }
    )


def found(bank: Bank, *, trial: Trial | None = None, replaces: bool = True, **facts: object) -> Found:
    folder = FolderFacts(path="/in", uses=("outbound[1].remote",), **facts)  # type: ignore[arg-type]
    return Found(bank=bank, replaces=replaces, folders=[folder], trials=[trial] if trial else [])


DONE = Trial(folder="/in", written=True, renamed=True, posix_replaced=True, removed=True, swept=False)
SWEPT = Trial(folder="/in", written=True, swept=True)
LOCAL, AWAY = Disk(number=1, free_bytes=1, kind="ext4"), Disk(number=1, free_bytes=1, kind="cifs")


@pytest.mark.parametrize(
    ("said", "keys"),
    [
        (found(bank(), trial=DONE, disk=LOCAL), ["atomic_rename"]),
        (found(bank(), trial=DONE, disk=AWAY), []),
        (found(bank(), disk=LOCAL), []),
        (found(bank({"atomic_rename": True}), trial=DONE, disk=LOCAL), []),
        (found(bank(), posix_renames=False, renames=True), ["publish"]),
        (found(bank(), replaces=False, posix_renames=None, renames=True), []),
        (found(bank(), replaces=False, renames=False), ["publish"]),
        (found(bank(), renames=False), []),  # publishing asks for the other one
        (found(bank(), replaces=False, renames=False, opens=False), []),  # nothing can be written by any way
        (found(bank(staging="/in/tmp"), trial=DONE), []),  # of another folder
        (found(bank({"publish": "direct"}), renames=False, posix_renames=False, shows=False), []),
        (found(bank(), shows=False), ["name"]),
        (found(bank(name="{id}.xml"), shows=False), []),
        (found(bank({"staging_is_ours": True}), trial=SWEPT), ["staging_is_ours"]),
        (found(bank(), trial=SWEPT), []),
    ],
)
def test_what_is_found_leads_to_these_lines_and_no_others(said: Found, keys: list[str]) -> None:
    assert [change.key for change in changes(said)] == keys


def test_a_staging_folder_goes_where_there_is_no_rename() -> None:
    staging = FolderFacts(path="/in/tmp", uses=("outbound[1].staging",), posix_renames=False)
    said = Found(bank=bank(staging="/in/tmp"), replaces=True, folders=[staging], trials=[])
    assert [(change.key, change.value) for change in changes(said)] == [("publish", '"direct"'), ("staging", None)]


def test_that_our_files_are_left_alone_is_asked_and_never_proposed() -> None:
    said = found(bank(), trial=DONE, disk=LOCAL)
    assert [change.key for change in changes(said)] == ["atomic_rename"]
    [question] = questions(said, changes(said))
    assert question.startswith("whether it leaves files whose names begin with a dot alone, for ever")


def test_whether_files_are_left_alone_is_not_asked_where_they_were_seen_not_to_be() -> None:
    said = found(bank(), trial=SWEPT)
    assert [question for question in questions(said, changes(said)) if "staging_is_ours" in question] == []


def change(section: str, number: int | None, key: str, value: str | None) -> Change:
    return Change(section=section, number=number, key=key, value=value, was="other", evidence="seen so")


def test_the_lines_are_toml_each_below_its_section_with_its_evidence() -> None:
    text = as_toml(
        [
            change("bank.inbound", 2, "after", '"leave"'),
            change("bank.outbound", 1, "staging", None),
            change("bank.channel", None, "publish", '"direct"'),
            change("bank.inbound", 2, "claim", None),
        ]
    )
    assert tomllib.loads(text) == {
        "bank": {"channel": {"publish": "direct"}, "outbound": [{}], "inbound": [{"after": "leave"}]}
    }
    assert text.splitlines() == [
        "[bank.channel]",
        'publish = "direct"  # was other; seen so',
        "[[bank.outbound]]  # number 1",
        "# staging: leave it out  # was other; seen so",
        "[[bank.inbound]]  # number 2",
        'after = "leave"  # was other; seen so',
        "# claim: leave it out  # was other; seen so",
    ]
