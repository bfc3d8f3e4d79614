"""One bad file from the bank never blocks the next, and nothing half is applied; over a folder, without a server."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from h2h.clock import Clock
from h2h.config import load
from h2h.gateway import Gateway
from h2h.inbound import reading_of
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
    assert (half.records, half.message) == ([], whole.message)
    assert half.findings


def test_of_a_file_with_more_than_can_be_held_nothing_is_applied_and_the_rest_is_not_even_read() -> None:
    """Details count: one entry may have a million of them."""
    items = [*read(io.BytesIO(STATEMENT), Catalog.load(root("schemas")), strict=False)]
    held = sum(1 + len(item.details) if isinstance(item, Entry) else 1 for item in items)
    assert reading_of(iter(items), held).records == items
    rest = iter(items)
    cut = reading_of(rest, held - 1)
    assert (cut.records, [f.code for f in cut.findings]) == ([], ["TOO_MANY_RECORDS"])
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


def test_a_fault_of_our_own_while_applying_refuses_that_file_alone(
    gateway: Gateway, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("h2h.ledger.messages.apply_statements", broken)
    put(out, "a.xml", STATEMENT)
    put(out, "b.xml", answer("MSG-1"))
    assert pull(gateway) == {"a.xml": "UNREADABLE", "b.xml": "APPLIED"}
    [message] = [f for f in gateway.ledger.views.files() if f.name == "a.xml"]
    assert [f.code for f in gateway.ledger.views.history(message.id).findings] == ["INTERNAL"]


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
