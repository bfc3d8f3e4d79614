"""An event as it is told: stable, masked, and of the kind by which the settings choose it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from h2h.ledger.journal import Event
from h2h.ledger.webhooks import Happened
from h2h.masking import masker
from h2h.webhooks.body import body, id_of, signature, sort_of

AT = datetime(2026, 11, 23, 8, 0, 0, 123456, tzinfo=UTC)
IBAN = "DE89370400440532013000"


def happened(kind: str, subject: str = "T1", *, of: str = "transfer", **data: Any) -> Happened:
    event = Event(seq=4711, at=AT, subject=subject, kind=kind, actor="anna", data=data)
    return Happened(event=event, hash="9f86d081884c7d65" + 48 * "0", bank="acme", of=of)


def told(one: Happened, *accounts: str) -> bytes:
    return body(one, "production", lambda more: masker([*accounts, *more]))


def test_an_event_as_it_is_told() -> None:
    assert told(happened("SENT", **{"from": "PUBLISHING", "größe": 3, "none": None})).decode() == (
        '{"at":"2026-11-23T08:00:00.123456Z","bank":"acme","data":{"from":"PUBLISHING","größe":3,"none":null},'
        '"environment":"production","id":"4711-9f86d081884c","kind":"SENT","subject":"T1"}'
    )


def test_who_did_it_is_not_told() -> None:
    assert b"anna" not in told(happened("READY"))


def test_no_account_stands_there_in_full() -> None:
    reason = f"debits {IBAN} and DE89 3704 0044 0532 0130 00, not 12345678"
    said = json.loads(told(happened("INVALID", reason=reason, inside=[{"deep": IBAN}]), "12345678"))
    assert said["data"] == {"reason": "debits DE89…3000 and DE89…3000, not …78", "inside": [{"deep": "DE89…3000"}]}


@pytest.mark.parametrize("account", [IBAN, "987654321", "CH-ACC-77"])
def test_an_account_that_an_event_is_about_is_masked_though_nobody_named_it(account: str) -> None:
    text = f"{account} lacks the statement of 2026-11-20"
    one = happened("gap", f"account {account}", of="", account=account, text=text)
    said = told(one).decode()
    assert account not in said
    assert json.loads(said)["subject"].startswith("account ")


def test_hashes_and_ids_are_what_they_are() -> None:
    sha256 = "de89370400440532013000" + 42 * "0"  # an IBAN by chance
    said = json.loads(told(happened("RECEIVED", "T4711", sha256=sha256), "4711"))
    assert (said["data"]["sha256"], said["id"], said["subject"]) == (sha256, "4711-9f86d081884c", "T4711")


def test_the_same_number_after_a_ledger_was_put_back_is_another_id() -> None:
    one = happened("SENT")
    other = Happened(event=one.event, hash="0" * 64, bank=one.bank, of=one.of)
    assert id_of(one) != id_of(other)


@pytest.mark.parametrize(
    ("kind", "subject", "of", "sort"),
    [
        ("SENT", "T1", "transfer", "transfer"), ("repair", "T1", "transfer", "transfer"),
        ("verdict ACCEPTED", "T1", "transfer", "verdict"), ("APPLIED", "M1", "message", "message"),
        ("gap healed", "M1", "message", "gap"), ("gap", "account 1", "", "gap"), ("alarm", "T1", "transfer", "alarm"),
        ("alarm over", "gateway", "", "alarm"), ("alarm taken", "bank acme", "", "alarm"),
        ("cut-off", "bank acme", "", "cut-off"), ("bank reached", "bank acme", "", "bank"),
        ("trouble", "bank acme", "", "bank"), ("safe mode", "ledger", "", "gateway"),
        ("status told", "T1", "transfer", None), ("alarms told", "gateway", "", None),
    ],
)  # fmt: skip
def test_of_which_kind_an_event_is(kind: str, subject: str, of: str, sort: str | None) -> None:
    assert sort_of(happened(kind, subject, of=of)) == sort


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_whatever_an_event_holds_its_form_stays_and_only_text_is_masked(data: Mapping[str, Any]) -> None:
    said = json.loads(body(happened("SENT", **data), "test", lambda more: lambda text: "x"))["data"]

    def form(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: value if key.endswith("sha256") else form(value) for key, value in value.items()}
        if isinstance(value, list):
            return [form(inner) for inner in value]
        return "x" if isinstance(value, str) else value

    assert said == form(dict(data))


def test_a_signature_is_over_time_and_content_and_one_for_each_secret() -> None:
    one = signature(b"{}", 1795420800, ["a" * 32])
    assert re.fullmatch("v1=[0-9a-f]{64}", one)
    assert signature(b"{}", 1795420800, ["b" * 32, "a" * 32]).split(",")[1] == one
    assert len({one, signature(b"{} ", 1795420800, ["a" * 32]), signature(b"{}", 1795420801, ["a" * 32])}) == 3
