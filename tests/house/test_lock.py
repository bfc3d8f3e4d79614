"""What is installed by hash is what is tested: requirements.lock, constraints.txt and pyproject.toml agree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2]
LOCK = (HERE / "requirements.lock").read_text(encoding="utf-8")
PINS = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", LOCK, re.MULTILINE)


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def constrained() -> dict[str, str]:
    lines = (HERE / "constraints.txt").read_text(encoding="utf-8").split()
    return {plain(name): version for name, _, version in (line.partition("==") for line in lines)}


def wanted() -> set[str]:
    """Of the gateway and its extras; not what is only built and tested with."""
    project = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    rows = [*project["dependencies"], *(row for extra, rows in extras.items() if extra != "dev" for row in rows)]
    return {plain(re.split(r"[\[<>=]", row)[0]) for row in rows}


def test_every_version_is_the_one_that_is_tested() -> None:
    known = constrained()
    assert {name: version for name, version in PINS if known.get(plain(name)) != version} == {}


def test_everything_that_the_gateway_needs_is_in_it_once() -> None:
    names = [plain(name) for name, _ in PINS]
    assert wanted() <= set(names)
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "entry", re.split(r"^(?=[A-Za-z0-9])", LOCK, flags=re.MULTILINE)[1:], ids=lambda e: e.split()[0]
)
def test_every_version_has_the_hashes_of_its_files_and_nothing_else(entry: str) -> None:
    first, *rest = (line.strip().removesuffix("\\").strip() for line in entry.splitlines() if not line.startswith("#"))
    assert re.fullmatch(r"\S+==\S+", first)
    assert rest
    assert [line for line in rest if not re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", line)] == []


def test_no_file_of_packages_names_where_they_come_from() -> None:
    for name in ("requirements.lock", "constraints.txt"):
        lines = [line for line in (HERE / name).read_text().splitlines() if not line.startswith("#")]
        assert [line for line in lines if "://" in line or line.startswith("-")] == []
