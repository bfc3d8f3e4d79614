"""Owners and manifests: who may leave payment files, and what shows who made them."""

from __future__ import annotations

import hashlib
import hmac
import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from h2h import manifest
from h2h.credentials import Credentials
from h2h.errors import FolderError
from h2h.outbound.origin import Origin
from h2h.resources import root
from tests.drops import settings

KEY = "correct horse battery"
BYTES = b"<Document/>"
SHA256 = hashlib.sha256(BYTES).hexdigest()
ME = os.getuid()


def made(lines: bytes, key: str = KEY) -> bytes:
    return lines + b"hmac-sha256 " + hmac.new(key.encode(), lines, "sha256").hexdigest().encode() + b"\n"


GOOD = made(f"{SHA256}  payments.xml\n".encode())


def codes(drop: Path, text: bytes | None = None, owner: int = ME, **asked: object) -> list[str]:
    origin = Origin(settings(drop, **asked), Credentials({"KEY": KEY}))
    return [finding.code for finding in origin.findings(owner, text, SHA256)]


@pytest.mark.parametrize("owners", [[str(ME)], [pwd.getpwuid(ME).pw_name], ["4711", str(ME)]])
def test_a_file_of_a_named_owner_is_good(drop: Path, owners: list[str]) -> None:
    assert codes(drop, owners=owners) == []


def test_a_file_of_anybody_else_is_not(drop: Path) -> None:
    assert codes(drop, owners=[str(ME + 1)]) == ["ORIGIN_OWNER"]
    assert codes(drop, owner=0 if ME else 4711, owners=[str(ME)]) == ["ORIGIN_OWNER"]


def test_where_nothing_is_asked_everything_is_good(drop: Path) -> None:
    assert codes(drop) == []
    assert list(Origin(settings(drop), Credentials({})).unknown()) == []


MANIFESTS = [
    pytest.param(GOOD, [], id="good"),
    pytest.param(GOOD.rstrip(b"\n"), [], id="without a last line break"),
    pytest.param(made(f"{'0' * 64}  a.xml\n{SHA256.upper()} *b.xml\n".encode()), [], id="a list"),
    pytest.param(made(f"{SHA256}  payments.xml\r\n".encode()), [], id="from another system"),
    pytest.param(None, ["ORIGIN_NO_MANIFEST"], id="missing"),
    pytest.param(b"", ["ORIGIN_MANIFEST"], id="empty"),
    pytest.param(made(b""), ["ORIGIN_MANIFEST"], id="lists nothing"),
    pytest.param(made(f"{'0' * 64}  payments.xml\n".encode()), ["ORIGIN_MANIFEST"], id="of another file"),
    pytest.param(made(f"# {SHA256}\n".encode()), ["ORIGIN_MANIFEST"], id="the sum is not on a line of its own"),
    pytest.param(made(f"{SHA256}  payments.xml\n".encode(), "another key"), ["ORIGIN_MANIFEST"], id="another key"),
    pytest.param(GOOD.replace(b"payments", b"paiments"), ["ORIGIN_MANIFEST"], id="changed"),
    pytest.param(b"more\n" + GOOD, ["ORIGIN_MANIFEST"], id="with a line more"),
    pytest.param(GOOD + b"more\n", ["ORIGIN_MANIFEST"], id="with a line after it"),
    pytest.param(GOOD + b" " * manifest.MAX_BYTES, ["ORIGIN_MANIFEST"], id="huge"),
]


@pytest.mark.parametrize(("text", "found"), MANIFESTS)
def test_a_manifest_vouches_for_the_files_that_it_lists(drop: Path, text: bytes | None, found: list[str]) -> None:
    assert codes(drop, text, manifest_key="env:KEY") == found


def test_owner_and_manifest_are_both_asked(drop: Path) -> None:
    asked = {"owners": [str(ME + 1)], "manifest_key": "env:KEY"}
    assert codes(drop, None, **asked) == ["ORIGIN_OWNER", "ORIGIN_NO_MANIFEST"]
    assert [f.code for f in Origin(settings(drop, **asked), Credentials({"KEY": KEY})).unknown()] == ["ORIGIN_UNKNOWN"]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"owners": ["nobody-of-this-name"]}, "no user 'nobody-of-this-name'"),
        ({"manifest_key": "env:NONE"}, "NONE, which the settings refer to, is not set"),
        ({"manifest_key": "env:SHORT"}, "shorter than 16"),
    ],
)
def test_owners_that_are_not_known_and_keys_that_cannot_be_had_stop_the_folder(
    drop: Path, asked: dict[str, object], says: str
) -> None:
    with pytest.raises(FolderError, match=re.escape(says)):
        Origin(settings(drop, **asked), Credentials({"SHORT": "short"}))


def test_the_commands_in_the_readme_make_a_good_manifest(tmp_path: Path) -> None:
    if not shutil.which("openssl") or not shutil.which("sha256sum"):
        pytest.skip("openssl and sha256sum are not at hand")
    readme = (root("samples").parent / "README.md").read_text(encoding="utf-8")
    commands = re.search(r"\n(    sha256sum .*?)\n\n", readme, re.DOTALL)
    assert commands
    (tmp_path / "payments.xml").write_bytes(BYTES)
    (tmp_path / "manifest.key").write_text(KEY + "\n")
    subprocess.run(["sh", "-euc", commands[1]], cwd=tmp_path, check=True, timeout=60)
    assert codes(tmp_path, (tmp_path / "payments.xml.manifest").read_bytes(), manifest_key="env:KEY") == []
