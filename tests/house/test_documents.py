"""README, ARCHITECTURE and examples say what the program does."""

from __future__ import annotations

import re
import types
import typing
from datetime import date
from pathlib import Path

import click
import pytest
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from h2h import config
from h2h.cli import COMMANDS, SECTIONS, cli
from h2h.config import load
from h2h.config.closings import LocalClosings
from h2h.config.vault import VaultSettings
from h2h.ledger.exports import COLUMNS
from h2h.lifecycle import MOVES, RECONCILE, Seen, State
from h2h.metrics.families import FAMILIES
from h2h.model import Presence, Way
from h2h.resources import root

HERE = Path(__file__).parents[2]
README = (HERE / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (HERE / "ARCHITECTURE.md").read_text(encoding="utf-8")


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading."""
    section = text.split(f"\n{heading}\n", 1)[1]
    lines = [line for line in re.split(r"\n##+ ", section)[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines[2:]]


def test_the_state_table_is_the_one_in_the_code() -> None:
    drawn = {(row[0], step) for row in rows(ARCHITECTURE, "## States") for step in row[2].split("; ") if step != "–"}
    assert drawn == {(m.state.value, f"{m.trigger.value} → {m.to.value}") for m in MOVES}
    assert [row[0] for row in rows(ARCHITECTURE, "## States")] == [s.value for s in State]


HEADINGS = {Way.RENAME: "### By rename", Way.MARKER: "### By marker", Way.DIRECT: "### Directly"}


@pytest.mark.parametrize("way", Way)
def test_the_reconcile_tables_are_those_in_the_code(way: Way) -> None:
    words = {None: "any", True: "yes", False: "no", **{p: str(p) for p in Presence}, **{s: str(s) for s in Seen}}
    coded = [
        [words[c.temporary], words[c.final], words[c.repeatable], words[c.ours], str(c.decision)]
        for c in RECONCILE[way]
    ]
    assert rows(ARCHITECTURE, HEADINGS[way]) == coded


def test_the_readme_tells_what_to_do_about_every_state() -> None:
    assert [row[0] for row in rows(README, "## What a state means, and what to do")] == [s.value for s in State]


def test_every_command_stands_in_the_readme_and_in_one_section_of_the_help() -> None:
    table = "\n".join(row[0] for row in rows(README, "## The commands"))
    assert [name for name in COMMANDS if name not in table] == []
    assert sorted(name for names in SECTIONS.values() for name in names) == sorted(COMMANDS)


def test_every_command_and_option_that_the_readme_shows_exists() -> None:
    shown = re.findall(r"(?:^\s*\$ |`)h2h ([a-z-]+)([^`\n]*)", README, re.MULTILINE)
    assert len(shown) > 20
    for name, rest in shown:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None, name
        if isinstance(command, click.Group):
            continue
        known = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= known, (name, rest)


def keys(model: type[BaseModel], path: str) -> dict[str, FieldInfo]:
    """Every setting below a section, by its dotted name."""
    found: dict[str, FieldInfo] = {}
    for attribute, field in model.model_fields.items():
        name = field.alias or attribute
        inner = sections(field.annotation)
        if inner:
            for section in inner:
                found |= keys(section, f"{path}.{name}")
        else:
            found[f"{path}.{name}"] = field
    return found


def sections(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if typing.get_origin(annotation) in (list, typing.Union, types.UnionType, typing.Annotated):
        return [s for a in typing.get_args(annotation) for s in sections(a)]
    return []


SETTINGS = {
    **keys(config.GatewaySettings, "gateway"),
    **keys(config.LedgerSettings, "ledger"),
    **keys(config.DuplicateSettings, "duplicates"),
    **keys(config.Recipient, "alerts"),
    **keys(config.Webhook, "webhooks"),
    **keys(config.RetentionSettings, "retention"),
    **keys(config.KeySettings, "keys"),
    **keys(config.PeopleSettings, "people"),
    **keys(VaultSettings, "vault"),
    **keys(config.Bank, "bank"),
}


def test_the_settings_table_has_every_setting_and_no_other() -> None:
    assert {row[0].strip("`") for row in rows(README, "## Settings")} == set(SETTINGS)


@pytest.mark.parametrize("row", rows(README, "## Settings"), ids=lambda row: row[0])
def test_the_settings_table_says_which_are_required_and_plain_defaults(row: list[str]) -> None:
    field, default = SETTINGS[row[0].strip("`")], row[1].strip("`")
    assert (default == "required") == field.is_required()
    if isinstance(field.default, str | int) and not isinstance(field.default, bool):
        assert default == str(field.default)


def test_the_columns_of_exports_are_those_in_the_code() -> None:
    drawn = {row[0]: re.findall(r"`(\w+)`", row[1]) for row in rows(README, "## For programs")}
    assert drawn == {what: [column.name for column in columns] for what, columns in COLUMNS.items()}


def test_the_metrics_are_those_in_the_code() -> None:
    coded = [[f"`{f.name}`", " ".join(f"`{label}`" for label in f.labels), f.tells] for f in FAMILIES]
    assert rows(README, "## Metrics and health") == coded


def test_the_annotated_example_is_good_and_names_every_setting() -> None:
    settings = load(root("config") / "h2h.toml")
    assert "mybank" in [bank.name for bank in settings.banks]
    text = "".join((root("config") / name).read_text() for name in ("h2h.toml", "banks/mybank.toml"))
    left_out = {"path", "processed", "rejected", "max_size"}
    assert {k.rpartition(".")[2] for k in SETTINGS if not re.search(rf"\b{k.rpartition('.')[2]}\b", text)} <= left_out


def test_the_annotated_closings_can_be_read() -> None:
    read = TypeAdapter(LocalClosings).validate_python(str(root("config") / "closings.toml"))
    assert (read.until, len(read.closed), len(read.open), len(read.early)) == (date(2027, 12, 31), 2, 0, 1)


def test_the_house_in_the_architecture_is_the_tree() -> None:
    house = ARCHITECTURE.split("```\nh2h/\n")[1].split("```")[0]
    drawn = {name.rstrip("/") for name in re.findall(r"^  ([a-z_]+(?:/|\.py))", house, re.MULTILINE)}
    there = {p.name for p in (HERE / "h2h").iterdir() if p.name not in ("__init__.py", "__main__.py", "__pycache__")}
    small = {
        "currencies.py",
        "records.py",
        "reasons.toml",
        "resources.py",
        "toml_lines.py",
        "verify_bundle.py",
        "_data",
    }
    assert drawn == there - small
