"""Files that come again, through the whole gateway: what goes out, what lies beside them, what people are told."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from h2h.gateway import Gateway
from h2h.ledger.rows import Transfer
from h2h.lifecycle import State
from tests.flows.world import World, opened, payments, send, settled, transfers, world


def renamed(content: bytes, message_id: str) -> bytes:
    return re.sub(rb"<MsgId>[^<]*", b"<MsgId>" + message_id.encode(), content, count=1)


def found(gateway: Gateway, transfer: Transfer) -> list[str]:
    return [f.code for f in gateway.ledger.views.history(transfer.id).findings]


def said(erp: World, transfer: Transfer) -> tuple[dict[str, object], str]:
    """The report beside the rejected file, as JSON and as text."""
    folder = erp.drop / "rejected"
    [as_json] = folder.glob(f"*{transfer.id}*.report.json")
    [as_text] = folder.glob(f"*{transfer.id}*.report.txt")
    return json.loads(as_json.read_text()), as_text.read_text()


@pytest.mark.parametrize(
    ("again", "code"),
    [
        (lambda content: content.replace(b"  <", b"<!-- again --> <"), "DUPLICATE_CONTENT"),
        (lambda content: renamed(content, "MSG-2"), "DUPLICATE_PAYMENTS"),
        (lambda content: content.replace(b"<Nm>", b"<Nm>New "), "DUPLICATE_MESSAGE_ID"),
    ],
    ids=["reformatted", "a new message id", "the same message id"],
)
def test_a_file_that_comes_again_is_not_sent_and_the_erp_is_told_what_it_repeats(
    tmp_path: Path, again: Callable[[bytes], bytes], code: str
) -> None:
    with world(tmp_path, duplicates_days=5) as (erp, _), opened(erp) as gateway:
        erp.drop_file(payments("MSG-1", 3), "first.xml")
        first = settled(gateway)
        erp.drop_file(again(payments("MSG-1", 3)), "second.xml")
        second = send(gateway)[-1]
        assert (second.state, second.duplicate_of) == (State.DUPLICATE, first.id)
        assert found(gateway, second)[0] == code
        as_json, as_text = said(erp, second)
        assert as_json["findings"][0]["code"] == code  # type: ignore[index]
        assert first.id in as_text
        assert "first.xml" in as_text
        assert (second.attempts, second.remote) == (0, None)


def test_a_file_that_repeats_a_part_waits_and_goes_when_it_is_released(tmp_path: Path) -> None:
    with world(tmp_path, duplicates_days=5) as (erp, _), opened(erp) as gateway:
        erp.drop_file(payments("MSG-1", 3), "first.xml")
        settled(gateway)
        more = payments("MSG-2", 4).replace(b"MSG-2-4</EndToEndId>", b"NEW</EndToEndId>")
        more = re.sub(rb"MSG-2-([123])</EndToEndId>", rb"MSG-1-\1</EndToEndId>", more)
        more = re.sub(rb"<Ustrd>[^<]*", b"<Ustrd>another text", more)
        erp.drop_file(more, "second.xml")
        second = send(gateway)[-1]
        assert (second.state, found(gateway, second)) == (State.HELD, ["REPEATED_PAYMENTS", *["PAYMENT_REPEATED"] * 3])
        assert [p.name for p in (erp.drop / "processed").glob("*second.xml")] != []
        gateway.decisions.release(second.id, who="anna", reason="two deliveries", now=True)
        assert send(gateway)[-1].state is State.SENT


def test_two_banks_that_take_in_the_same_payments_at_the_same_time_send_them_once(tmp_path: Path) -> None:
    with world(tmp_path, duplicates_days=5) as (erp, _):
        other = World(folder=tmp_path / "other", port=erp.port, fingerprint=erp.fingerprint, name="other")
        other.channel = {"kind": '"folder"', "path": f'"{tmp_path / "swift"}"'}
        (tmp_path / "swift" / "in").mkdir(parents=True)
        erp.others.append(other)
        with opened(erp) as gateway:
            erp.drop_file(payments("MSG-1", 2), "one.xml")
            other.drop_file(renamed(payments("MSG-1", 2), "MSG-2"), "two.xml")
            threads = [threading.Thread(target=gateway.desks[name].take_in) for name in ("box", "other")]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
            first, second = sorted(transfers(gateway), key=lambda transfer: transfer.state)
            assert (first.state, first.duplicate_of, second.state) == (State.DUPLICATE, second.id, State.READY)
