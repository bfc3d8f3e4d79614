"""EndToEndIds that repeat: found among any number, exactly, with nothing held but hashes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from h2h import references
from h2h.references import References, Referred
from h2h.spool import Frames


def referred(names: list[str | None]) -> Iterator[Referred]:
    return (Referred(name, at, f"/p[{at}]", 10 * at) for at, name in enumerate(names, start=1))


def found(names: list[str | None], **more: object) -> list[tuple[str, str, int | None]]:
    """Of each finding: how it begins, its path and line."""
    watched = References(**more)  # type: ignore[arg-type]
    watched.extend(names)
    return [(f.text.partition(" of this")[0], f.path, f.line) for f in watched.repeated(referred(names))]


def expected(names: list[str | None]) -> list[tuple[str, str, int | None]]:
    """By a dictionary of all."""
    first: dict[str, int] = {}
    told = []
    for name, at, path, line in referred(names):
        if name is not None and name != "NOTPROVIDED":
            if name in first:
                told.append((f"EndToEndId {name!r} was used by payment {first[name]}", path, line))
            first.setdefault(name, at)
    return told


MANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAMES = st.lists(st.one_of(st.none(), st.sampled_from(["NOTPROVIDED", "A", "B", "C", "D", "E"]), st.text(max_size=2)))


@MANY
@given(NAMES)
def test_what_repeats_is_told_with_its_first_payment_as_a_dictionary_of_all_would(names: list[str | None]) -> None:
    assert found(names) == expected(names)


@MANY
@given(NAMES)
def test_it_is_exact_even_where_hashes_are_equal(names: list[str | None]) -> None:
    assert found(names, hashed=lambda name: len(name or "")) == expected(names)


def test_one_repetition_among_many_is_found() -> None:
    names: list[str | None] = [f"R-{n}" for n in range(50_000)]
    names.insert(random.Random(1).randrange(50_000), "R-777")
    assert found(names) == expected(names) != []


@pytest.mark.parametrize("aside", [False, True])
def test_of_hashes_of_others_it_is_told_whether_some_repeat_and_not_which(
    aside: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("FEW", 20), ("PARTS", 4), ("FRAME", 3)):
        monkeypatch.setattr(references, name, value)
    for many, repeat in ((100, False), (99, True)):
        watched = References(Frames(tmp_path) if aside else None)
        for at in range(0, 100, 10):
            watched.extend_hashed(references.hashed([f"R-{n % many}" for n in range(at, at + 10)]))
        assert watched.unexplained is repeat


@pytest.mark.parametrize("twice", [0, 777, 49_999])
def test_of_many_little_stays_in_memory_and_those_that_repeat_are_found(
    twice: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "FRAME", 32)
    names: list[str | None] = [f"R-{n}" for n in range(50_000)]
    names[50_000 - twice - 1] = "R-5"
    frames = Frames(tmp_path)
    watched = References(frames)
    for at in range(0, 50_000, 500):
        watched.extend(names[at : at + 500])
    held = sum(map(len, watched._parts)) + len(watched._few)
    assert held + sum(len(frames.read(number)) // 8 for number in range(len(frames))) == 50_000
    assert held < references.FEW + references.PARTS * references.FRAME
    assert len(frames) > 10
    told = [(f.path, f.line) for f in watched.repeated(referred(names))]
    assert told == [(path, line) for _, path, line in expected(names)]
    assert len(told) == 1


def test_nothing_is_gone_through_again_where_nothing_repeats() -> None:
    def never() -> Iterator[Referred]:
        pytest.fail("gone through")
        yield

    watched = References()
    watched.extend(["A", "B", None, None, "NOTPROVIDED", "NOTPROVIDED"])
    assert [*watched.repeated(never())] == []


def test_of_very_many_that_repeat_the_first_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "MAX_WATCHED", 3)
    names: list[str | None] = [*"ABCDEFG", *"GFEDCBA", "A"]
    assert found(names) == [row for row in expected(names) if row[0][12] in "ABC"]


@pytest.mark.parametrize("aside", [False, True])
@pytest.mark.parametrize("few", [1, 10, 29, 30, 31, 1_000])
def test_it_makes_no_difference_when_they_are_spread(
    few: int, aside: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "FEW", few)
    monkeypatch.setattr(references, "PARTS", 4)
    monkeypatch.setattr(references, "FRAME", 3)
    names: list[str | None] = [f"R-{n % 23}" for n in range(30)]
    watched = References(Frames(tmp_path) if aside else None)
    for at in range(0, 30, 7):
        watched.extend(names[at : at + 7])
    assert [f.path for f in watched.repeated(referred(names))] == [path for _, path, _ in expected(names)]
