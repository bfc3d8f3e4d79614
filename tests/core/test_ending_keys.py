"""Keys that end are told of in time, and not where another one takes their place."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from h2h.config import GatewaySettings, Settings
from h2h.inventory import Key, Kind
from h2h.lookout.keys import ending

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SETTINGS = Settings(
    file=Path("h2h.toml"), gateway=GatewaySettings.model_validate({"data": "data", "environment": "test"})
)
KEY = Key(bank="box", kind=Kind.SSH, ours=True, use="login", setting="bank.channel.key_file", fingerprint="SHA256:A")


def told(*keys: Key) -> list[tuple[str, str, str]]:
    return [(alarm.word, alarm.urgency, alarm.subject) for alarm in ending(SETTINGS, keys, NOW)]


def ends(after: timedelta | None, **more: object) -> Key:
    expires = NOW + after if after is not None else None
    return replace(KEY, expires=expires, ends_by="key-cert.pub", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("after", "word", "urgency"),
    [
        (60 * DAY, "key_expires", "notice"),
        (30 * DAY + timedelta(seconds=1), "key_expires", "notice"),
        (30 * DAY, "key_expires", "warning"),
        (7 * DAY, "key_expires", "urgent"),
        (timedelta(seconds=1), "key_expires", "urgent"),
        (timedelta(0), "key_expired", "urgent"),
        (-400 * DAY, "key_expired", "urgent"),
    ],
)
def test_each_key_is_told_of_60_30_and_7_days_before_its_end_and_after_it(
    after: timedelta, word: str, urgency: str
) -> None:
    assert told(ends(after)) == [(word, urgency, "login SHA256:A")]


@pytest.mark.parametrize("after", [None, 60 * DAY + timedelta(seconds=1)])
def test_a_key_that_does_not_end_soon_is_not_told_of(after: timedelta | None) -> None:
    assert told(ends(after)) == []


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("in force, and without an end", ends(None, fingerprint="SHA256:B")),
        ("in force, and ends later", ends(300 * DAY, fingerprint="SHA256:B")),
        ("scheduled before the end", ends(None, fingerprint="SHA256:B", starts=NOW + 9 * DAY)),
        ("scheduled for the very end", ends(None, fingerprint="SHA256:B", starts=NOW + 10 * DAY)),
    ],
)
def test_a_key_that_another_one_replaces_in_time_is_not_told_of(name: str, other: Key) -> None:
    assert told(ends(10 * DAY), other) == [], name


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("comes too late", ends(None, fingerprint="SHA256:B", starts=NOW + 11 * DAY)),
        ("is over before", ends(None, fingerprint="SHA256:B", until=NOW - DAY, starts=NOW - 9 * DAY)),
        ("cannot be read", ends(None, fingerprint=None, fault="no")),
        ("is revoked", ends(None, fingerprint="SHA256:B", fault="theirs.asc: the key is revoked.")),
        ("is for something else", ends(None, fingerprint="SHA256:B", use="signs")),
        ("is of another bank", ends(None, fingerprint="SHA256:B", bank="other")),
        ("is theirs", ends(None, fingerprint="SHA256:B", ours=False)),
    ],
)
def test_what_does_not_take_its_place_leaves_the_alarm(name: str, other: Key) -> None:
    assert ("key_expires", "warning", "login SHA256:A") in told(ends(10 * DAY), other), name


def test_of_two_keys_that_end_at_one_time_both_are_told_of() -> None:
    assert len(told(ends(5 * DAY), ends(5 * DAY, fingerprint="SHA256:B"))) == 2


def test_a_key_that_is_given_up_with_nothing_after_it_is_told_of() -> None:
    assert told(replace(KEY, until=NOW + 3 * DAY)) == [("key_expires", "urgent", "login SHA256:A")]
