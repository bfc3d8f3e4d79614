"""One bad file from the bank never blocks the next, and nothing half is applied; over a folder, without a server."""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from h2h.arrivals import reading_of
from h2h.clock import Clock
from h2h.config import load
from h2h.errors import Unstorable
from h2h.gateway import Gateway
from h2h.ledger.messages import MessageState
from h2h.messages import Catalog, read
from h2h.model import Entry
from h2h.resources import root

from .world import answer, put

STATEMENT = (root("samples") / "good" / "camt.053.001.08.xml").read_bytes()
REPORT = (root("samples") / "good" / "pain.002.001.10.xml").read_bytes()

BANK = """
[bank]
name = "box"
timezone = "Europe/Berlin"
[bank.channel]
kind = "folder"
path = "../bank"
[[bank.inbound]]
remote = "/out"
claim = "/mine"
messages = ["pain.002.001.10", "camt.053.001.08"]
every = "1m"
settle = "0s"
after = "delete"
deliver = "../erp"
"""


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The folder in which the bank puts files for us."""
    for name in ("bank/out", "bank/mine", "erp", "banks"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "banks" / "box.toml").write_text(BANK)
    (tmp_path / "h2h.toml").write_text('[gateway]\ndata = "data"\nenvironment = "test"\n')
    return tmp_path / "bank" / "out"


@pytest.fixture
def gateway(out: Path) -> Iterator[Gateway]:
    made = Gateway(load(out.parents[1] / "h2h.toml"), Clock())
    with made.running():
        yield made
    made.close()


def pull(gateway: Gateway) -> dict[str, str]:
    """One pull; every inbound file with its state."""
    desk = gateway.desks["box"]
    desk.pull(desk.bank.inbound[0])
    return {file.name: file.state for file in gateway.ledger.views.files()}


@pytest.mark.parametrize("sample", [STATEMENT, REPORT])
@pytest.mark.parametrize("share", [0.5, 0.8, 0.99])
def test_nothing_of_a_file_that_ends_in_the_middle_is_applied(sample: bytes, share: float) -> None:
    whole = reading_of(read(io.BytesIO(sample), Catalog.load(root("schemas")), strict=False))
    assert whole.records
    part = sample[: int(len(sample) * share)]
    half = reading_of(read(io.BytesIO(part), Catalog.load(root("schemas")), strict=False))
    assert ([*half.records], half.message) == ([], whole.message)
    assert half.findings


def test_of_a_file_with_more_than_can_be_held_nothing_is_applied_and_the_rest_is_not_even_read() -> None:
    """Details count: one entry may have a million of them."""
    items = [*read(io.BytesIO(STATEMENT), Catalog.load(root("schemas")), strict=False)]
    held = sum(1 + len(item.details) if isinstance(item, Entry) else 1 for item in items)
    assert [*reading_of(iter(items), held).records] == items
    rest = iter(items)
    cut = reading_of(rest, held - 1)
    assert ([*cut.records], [f.code for f in cut.findings]) == ([], ["TOO_MANY_RECORDS"])
    rest = iter(items)
    assert reading_of(rest, 1).message is not None
    assert len(list(rest)) == len(items) - 2


def test_half_a_statement_does_not_keep_the_whole_one_out(gateway: Gateway, out: Path) -> None:
    put(out, "s.xml", STATEMENT[: len(STATEMENT) * 3 // 4])
    assert pull(gateway) == {"s.xml": "UNREADABLE"}
    assert (out.parent / "mine" / "s.xml").exists()
    put(out, "s2.xml", STATEMENT)
    assert pull(gateway)["s2.xml"] == "APPLIED"
    assert gateway.ledger.views.statements()[0].entries > 0


@pytest.mark.parametrize(("unreadable", "delivered"), [("keep", 0), ("deliver", 1)])
def test_what_cannot_be_read_goes_to_the_erp_only_where_the_profile_says_so(
    out: Path, unreadable: str, delivered: int
) -> None:
    """Once, as it came and without records; kept and told in any case."""
    profile = out.parents[1] / "banks" / "box.toml"
    profile.write_text(f'{BANK}unreadable = "{unreadable}"\n')
    gateway = Gateway(load(out.parents[1] / "h2h.toml"), Clock())
    with gateway.running():
        put(out, "s.xml", STATEMENT[:1000])
        assert pull(gateway) == pull(gateway) == {"s.xml": "UNREADABLE"}
    gateway.close()
    assert [path.read_bytes() for path in (out.parents[1] / "erp").iterdir()] == [STATEMENT[:1000]] * delivered


def test_a_file_whose_name_is_taken_among_the_claimed_ones_is_claimed_under_a_number(
    gateway: Gateway, out: Path
) -> None:
    put(out, "a.xml", b"what is this?")
    pull(gateway)
    put(out, "a.xml", STATEMENT)
    put(out, "b.xml", answer("MSG-1"))
    assert pull(gateway) == {"a.xml": "UNREADABLE", "a~2.xml": "APPLIED", "b.xml": "APPLIED"}
    assert [path.name for path in (out.parent / "mine").iterdir()] == ["a.xml"]


def test_a_file_that_was_damaged_here_does_not_keep_the_others_out(
    gateway: Gateway, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(out, "a.xml", STATEMENT)
    monkeypatch.setattr(gateway.ledger.messages, "applied", _power_cut)
    with pytest.raises(KeyboardInterrupt):
        pull(gateway)
    monkeypatch.undo()
    shutil.rmtree(gateway.data / "archive")
    gateway.archive.prepare()
    put(out, "b.xml", answer("MSG-1"))
    assert pull(gateway) == {"a.xml": "KEPT", "b.xml": "APPLIED"}


def _power_cut(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ZeroDivisionError(), "INTERNAL"),
        (Unstorable("The ledger cannot do its work: index row requires 20016 bytes."), "NOT_STORABLE"),
    ],
)
def test_what_fails_again_whenever_it_is_applied_refuses_that_file_alone(
    error: Exception, code: str, gateway: Gateway, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr("h2h.ledger.messages.apply_statements", failing)
    put(out, "a.xml", STATEMENT)
    put(out, "b.xml", answer("MSG-1"))
    assert pull(gateway) == {"a.xml": "UNREADABLE", "b.xml": "APPLIED"}
    [message] = [f for f in gateway.ledger.views.files() if f.name == "a.xml"]
    assert [f.code for f in gateway.ledger.views.history(message.id).findings] == [code]


def test_a_file_under_the_name_of_a_discarded_one_is_fetched(gateway: Gateway, out: Path) -> None:
    """Same name, same size, and a time that the bank set to the same: it is another file all the same."""
    first, second = answer("MSG-1"), answer("MSG-2")
    assert len(first) == len(second)
    for content in (first, second):
        put(out, "r.xml", content)
        os.utime(out / "r.xml", (1e9, 1e9))
        pull(gateway)
    states = [file.state for file in gateway.ledger.views.files()]
    assert states == [MessageState.APPLIED, MessageState.APPLIED]
    assert list(out.iterdir()) == []


# Several messages in a file, and archives.


def archive(*members: tuple[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        for name, each in members:
            file.writestr(name, each)
    return content.getvalue()


def other(number: int) -> bytes:
    """Another day's statement."""
    name = b"<Id>2026-11-19-DE89370400440532013000</Id>"
    assert name in STATEMENT
    return STATEMENT.replace(name, b"<Id>OTHER-%d</Id>" % number)


def delivered(out: Path, kind: str) -> list[dict[str, Any]]:
    [lines] = (out.parents[1] / "erp").glob("*.jsonl")
    return [row for line in lines.read_text().splitlines() if (row := json.loads(line))["record"] == kind]


def test_an_archive_is_kept_as_it_came_and_each_of_its_members_is_applied(gateway: Gateway, out: Path) -> None:
    content = archive(("a.xml", STATEMENT), ("b.xml", other(2)), ("r.xml", REPORT), ("read.me", b"Dear customer"))
    put(out, "day.zip", content)
    assert pull(gateway) == {"day.zip": "APPLIED"}
    message = gateway.ledger.views.files()[0]
    assert (message.message, message.size) == ("camt.053.001.08", len(content))
    assert len(gateway.ledger.views.statements()) == 2
    codes = [f.code for f in gateway.ledger.views.history(message.id).findings]
    assert "PACK_NOT_XML" in codes
    assert "REPORT_UNKNOWN" in codes  # of the report, on a file that we never sent: it was applied, too
    assert [row["name"] for row in delivered(out, "FileMember")] == ["a.xml", "b.xml", "r.xml"]
    assert len(delivered(out, "Statement")) == 2
    assert [path.read_bytes() for path in (out.parents[1] / "erp").glob("*.zip")] == [content]


def test_of_a_member_that_ends_in_the_middle_nothing_is_applied_and_of_the_others_everything(
    gateway: Gateway, out: Path
) -> None:
    put(out, "day.zip", archive(("a.xml", STATEMENT[:-200]), ("b.xml", other(2)), ("c.xml", other(3)[:-200])))
    assert pull(gateway) == {"day.zip": "APPLIED"}
    assert [s.statement_id for s in gateway.ledger.views.statements()] == ["OTHER-2"]
    reason = gateway.ledger.views.files()[0].reason
    assert reason is not None
    assert reason.startswith("XML_TRUNCATED: In 'a.xml'")
    put(out, "again.zip", archive(("a.xml", STATEMENT), ("b.xml", other(2)), ("c.xml", other(3))))
    assert pull(gateway)["again.zip"] == "APPLIED"
    assert len(gateway.ledger.views.statements()) == 3


@pytest.mark.parametrize("content", [archive(("a.xml", b" " * 60_000_000)), archive(("a.xml", STATEMENT))[:-30]])
def test_a_bomb_and_half_an_archive_are_kept_and_told(gateway: Gateway, out: Path, content: bytes) -> None:
    put(out, "day.zip", content)
    put(out, "s.xml", STATEMENT)
    assert pull(gateway) == {"day.zip": "UNREADABLE", "s.xml": "APPLIED"}
    [bad] = [file for file in gateway.ledger.views.files() if file.name == "day.zip"]
    assert (bad.reason or "").startswith("PACK_")


def test_every_message_of_a_file_is_applied(gateway: Gateway, out: Path) -> None:
    """In document order, statements counted through the file; of a second kind, too."""
    documents = b"".join(each.partition(b"?>")[2] for each in (STATEMENT, other(2), REPORT))
    put(out, "all.xml", b'<Envelope xmlns="urn:swift:xsd:envelope">' + documents + b"</Envelope>")
    assert pull(gateway) == {"all.xml": "APPLIED"}
    message = gateway.ledger.views.files()[0]
    assert sorted(s.statement_id or "" for s in gateway.ledger.views.statements()) == [
        "2026-11-19-DE89370400440532013000",
        "OTHER-2",
    ]
    codes = [f.code for f in gateway.ledger.views.history(message.id).findings]
    assert "MSG_SEVERAL" in codes
    assert "REPORT_UNKNOWN" in codes


def test_payment_orders_in_an_archive_change_nothing_and_keep_nothing_out(gateway: Gateway, out: Path) -> None:
    order = (root("samples") / "good" / "pain.001.001.09.xml").read_bytes()
    put(out, "day.zip", archive(("o.xml", order), ("s.xml", STATEMENT)))
    assert pull(gateway) == {"day.zip": "APPLIED"}
    assert len(gateway.ledger.views.statements()) == 1
    findings = gateway.ledger.views.history(gateway.ledger.views.files()[0].id).findings
    assert "OUTBOUND_MESSAGE_CAME_IN" in [finding.code for finding in findings]
