"""Names from outside, made safe to show and to use."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from h2h.text import harmless, printable


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("run.xml", "run.xml"),
        ("Zürich €.xml", "Zürich €.xml"),
        ("a\nb", "a\\nb"),
        ("a\x1b[31mred", "a\\x1b[31mred"),
        ("a\u202eb", "a\\u202eb"),
        (os.fsdecode(b"caf\xe9.xml"), "caf\\xe9.xml"),
    ],
)
def test_what_cannot_be_shown_is_escaped(name: str, shown: str) -> None:
    assert printable(name) == shown


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("run-1_a.xml", "run-1_a.xml"),
        ("../../etc/passwd", "_.._etc_passwd"),
        (".hidden", "hidden"),
        ("...", "_"),
        ("", "_"),
        ("a b;c|d", "a_b_c_d"),
        ("Zürich", "Z_rich"),
        ("١٢", "__"),
    ],
)
def test_a_name_becomes_one_that_every_server_takes(name: str, kept: str) -> None:
    assert harmless(name) == kept


names = st.text(st.characters(exclude_categories=()), max_size=30) | st.binary(max_size=30).map(os.fsdecode)


@given(st.binary(max_size=40).map(os.fsdecode))
def test_a_shown_name_is_printable_and_can_be_stored(name: str) -> None:
    shown = printable(name)
    assert shown.isprintable()
    assert shown.encode("utf-8").decode("utf-8") == shown


@given(names)
def test_a_harmless_name_is_no_path_not_hidden_and_not_empty(name: str) -> None:
    kept = harmless(name)
    assert kept
    assert kept[0] != "."
    assert set(kept) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
