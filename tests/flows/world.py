"""A whole world for one test: a bank in a box, a gateway set up against it, and an ERP's folders."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from h2h.clock import Clock
from h2h.config import Settings, load
from h2h.gateway import Gateway
from h2h.ledger.rows import Transfer
from h2h.lifecycle import State
from h2h.resources import root
from h2h.sandbox.keys import create_client_key
from h2h.sandbox.scenario import Scenario
from h2h.sandbox.server import BankServer

T = TypeVar("T")

SAMPLES = root("samples") / "good"
PATIENCE_SECONDS = 30.0
INTO_THE_DARK = {"atomic_rename": "false", "staging_is_ours": "false"}
CERTAIN = {"atomic_rename": "true", "staging_is_ours": "true"}


@dataclass
class World:
    """One bank as its gateway sees it, and the ERP's folders; `others` are further banks of the same gateway."""

    folder: Path
    port: int
    fingerprint: str
    user: str = "corp"
    name: str = "box"
    facts: dict[str, str] = field(default_factory=lambda: dict(CERTAIN))
    channel: dict[str, str] | None = None
    retry: dict[str, str] = field(default_factory=dict)
    outbound: dict[str, str] = field(default_factory=dict)
    inbound: dict[str, str] = field(default_factory=dict)
    bank: dict[str, str] = field(default_factory=dict)
    gateway_settings: dict[str, str] = field(default_factory=dict)
    vault: dict[str, str] = field(default_factory=dict)
    remote: str = ""
    others: list[World] = field(default_factory=list)
    retention: str | None = None
    ledger: str | None = None
    duplicates_days: int = 0  # off: most stories send the same payments again and again

    @property
    def drop(self) -> Path:
        return self.folder / "erp" / "out"

    @property
    def deliver(self) -> Path:
        return self.folder / "erp" / "in"

    @property
    def config(self) -> Path:
        return self.folder / "h2h.toml"

    @property
    def profile_file(self) -> Path:
        return self.folder / "banks" / f"{self.name}.toml"

    def write_settings(self) -> None:
        self.make_folders()
        gateway = {"data": '"data"', "environment": '"test"', **self.gateway_settings}
        duplicates = {"days": str(self.duplicates_days)}
        kept = _table("[retention]", {"files": self.retention}) if self.retention else ""
        kept += _table("[ledger]", {"url": f'"{self.ledger}"'}) if self.ledger else ""
        kept += _table("[vault]", self.vault) if self.vault else ""
        self.config.write_text(_table("[gateway]", gateway) + _table("[duplicates]", duplicates) + kept)
        for bank in (self, *self.others):
            bank.make_folders()
            (self.folder / "banks" / f"{bank.name}.toml").write_text(bank.profile())

    def make_folders(self) -> None:
        for path in (self.drop, self.deliver, self.folder / "banks"):
            path.mkdir(parents=True, exist_ok=True)

    def profile(self) -> str:
        channel = self.channel or {
            "kind": '"sftp"',
            "host": '"127.0.0.1"',
            "port": str(self.port),
            "user": f'"{self.user}"',
            "key_file": f'"{self.folder}/client_key"',
            "host_keys": f'["{self.fingerprint}"]',
            "connect_timeout": '"10s"',
            "operation_timeout": '"20s"',
        }
        outbound = {
            "watch": f'"{self.drop}"',
            "settle": '"0s"',
            "messages": '["pain.001.001.03", "pain.001.001.09"]',
            "remote": f'"{self.remote}/in"',
            "name": '"{msg_id}.xml"',
            **self.outbound,
        }
        inbound = {
            "remote": f'"{self.remote}/out"',
            "match": '"*.xml"',
            "messages": '["pain.002.001.03", "pain.002.001.10", "camt.053.001.02", "camt.053.001.08"]',
            "every": '"1s"',
            "settle": '"0s"',  # the bank in a box renames whole files into place
            "names_are_unique": "true",
            "after": '"delete"',
            "deliver": f'"{self.deliver}"',
            **self.inbound,
        }
        return "\n".join(
            [
                _table("[bank]", {"name": f'"{self.name}"', "timezone": '"Europe/Berlin"', **self.bank}),
                _table("[bank.retry]", {"first": '"50ms"', "most": '"200ms"', **self.retry}),
                _table("[bank.channel]", {**channel, **self.facts}),
                _table("[[bank.outbound]]", outbound),
                _table("[[bank.inbound]]", inbound),
            ]
        )

    def settings(self) -> Settings:
        self.write_settings()
        return load(self.config)

    def gateway(self, clock: Clock | None = None) -> Gateway:
        return Gateway(self.settings(), clock or Clock())

    def drop_file(self, content: bytes, name: str = "payments.xml") -> Path:
        """As an ERP should do it: written under another name, then renamed."""
        self.make_folders()
        part = self.drop / f".{name}.part"
        part.write_bytes(content)
        target = self.drop / name
        os.rename(part, target)
        return target


class OneOfMany(World):
    """A bank whose folders at the ERP go by its name."""

    @property
    def drop(self) -> Path:
        return self.folder / self.name / "out"

    @property
    def deliver(self) -> Path:
        return self.folder / self.name / "in"


def _table(header: str, values: dict[str, str]) -> str:
    return "\n".join([header, *(f"{key} = {value}" for key, value in values.items()), ""])


@contextmanager
def world(
    folder: Path,
    scenario: Scenario | None = None,
    *,
    server_class: object = None,
    bank_clock: Clock | None = None,
    **options: object,
) -> Iterator[tuple[World, BankServer]]:
    """A bank in a box and the world of its client. `server_class`: a bank that misbehaves."""
    folder.mkdir(parents=True, exist_ok=True)
    public = create_client_key(folder / "client_key")
    faults: dict[str, object] = {"server_class": server_class} if server_class else {}
    if bank_clock:
        faults["clock"] = bank_clock.now
    with BankServer(folder / "bank", scenario or Scenario(), authorized_keys=[public], **faults) as bank:  # type: ignore[arg-type]
        yield World(folder=folder, port=bank.port, fingerprint=bank.host_key_fingerprint, **options), bank  # type: ignore[arg-type]


@contextmanager
def opened(erp: World, clock: Clock | None = None) -> Iterator[Gateway]:
    """The world's gateway, which holds its data folder; closed at the end as at the end of a process."""
    gateway = erp.gateway(clock)
    try:
        with gateway.running():
            yield gateway
    finally:
        gateway.close()


def send(gateway: Gateway, bank: str = "box") -> list[Transfer]:
    """One look at the folders and one round of handing over; every transfer as it is then, oldest first."""
    gateway.desks[bank].take_in()
    gateway.desks[bank].hand_over()
    return transfers(gateway)


def transfers(gateway: Gateway) -> list[Transfer]:
    out = [file for file in gateway.ledger.views.files() if file.direction == "out"]
    found = [gateway.ledger.transfers.get(file.id) for file in reversed(out)]
    return sorted(found, key=lambda one: (one.received_at, one.name))  # of one moment: in the order of their names


def only(found: list[T]) -> T:
    assert len(found) == 1, found
    return found[0]


def settled(gateway: Gateway, bank: str = "box", *, wanted: State = State.SENT) -> Transfer:
    """Rounds until the only transfer of the gateway is in this state: retries are due within fractions of a second."""
    until(lambda: only(send(gateway, bank)).state is wanted, f"a transfer that is {wanted}")
    return only(transfers(gateway))


def until(reached: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Look again and again; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.02)


def put(folder: Path, name: str, content: bytes) -> None:
    """As a bank should do it: under a temporary name, then renamed."""
    part = folder / f".{name}.part"
    part.write_bytes(content)
    os.rename(part, folder / name)


# Messages.


def sample(name: str = "pain.001.001.09", message_id: str | None = None) -> bytes:
    """A good sample, with a message id of its own where the test wants one."""
    text = (SAMPLES / f"{name}.xml").read_text(encoding="utf-8")
    if message_id is not None:
        text = re.sub(r"<MsgId>[^<]*</MsgId>", f"<MsgId>{message_id}</MsgId>", text, count=1)
    return text.encode()


def payments(message_id: str, count: int = 1) -> bytes:
    """A good pain.001.001.09 with `count` payments of 10.01 EUR, of 730 bytes each."""
    text = sample(message_id=message_id).decode()
    batch = re.search(r"<PmtInf>.*?</PmtInf>", text, re.DOTALL)
    assert batch
    payment = re.search(r"\s*<CdtTrfTxInf>.*?</CdtTrfTxInf>", batch[0], re.DOTALL)
    assert payment
    many = "".join(_payment(payment[0], f"{message_id}-{n}", n) for n in range(1, count + 1))
    one = re.sub(r"\s*<CdtTrfTxInf>.*</CdtTrfTxInf>", lambda _: many, batch[0], flags=re.DOTALL)
    text = re.sub(r"<PmtInf>.*</PmtInf>", lambda _: one, text, flags=re.DOTALL)
    text = re.sub(r"<NbOfTxs>[^<]*</NbOfTxs>", f"<NbOfTxs>{count}</NbOfTxs>", text)
    return re.sub(r"<CtrlSum>[^<]*</CtrlSum>", f"<CtrlSum>{Decimal('10.01') * count}</CtrlSum>", text).encode()


def _payment(model: str, reference: str, number: int) -> str:
    text = re.sub(r"<InstrId>[^<]*</InstrId>", f"<InstrId>{reference}</InstrId>", model)
    text = re.sub(r"<EndToEndId>[^<]*</EndToEndId>", f"<EndToEndId>{reference}</EndToEndId>", text)
    text = re.sub(r"<UETR>[^<]*</UETR>", f"<UETR>00000000-0000-4000-8000-{number:012d}</UETR>", text)
    return re.sub(r'<InstdAmt Ccy="EUR">[^<]*</InstdAmt>', '<InstdAmt Ccy="EUR">10.01</InstdAmt>', text)


def answer(
    message_id: str, status: str = "ACCP", *, paper_id: str = "STS-1", reason: str = "", text: str = "", at: str = ""
) -> bytes:
    """A pain.002.001.10 that says `status` of the whole file."""
    why = f"<Rsn><Cd>{reason}</Cd></Rsn>" if reason else ""
    words = f"<AddtlInf>{text}</AddtlInf>" if text else ""
    said = f"<StsRsnInf>{why}{words}</StsRsnInf>" if why or words else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt>'
        f"<GrpHdr><MsgId>{paper_id}</MsgId><CreDtTm>{at or '2026-11-20T10:00:00Z'}</CreDtTm></GrpHdr>"
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{message_id}</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId>"
        f"<GrpSts>{status}</GrpSts>{said}</OrgnlGrpInfAndSts>"
        "</CstmrPmtStsRpt></Document>\n"
    ).encode()


class MovableClock(Clock):
    """Runs on from an ISO time with zone (or from now), and jumps when it is told to."""

    def __init__(self, start: str | None = None) -> None:
        super().__init__(datetime.fromisoformat(start) if start else None)
        self._jumped = timedelta()

    def now(self) -> datetime:
        return super().now() + self._jumped

    def advance(self, **by: float) -> None:
        self._jumped += timedelta(**by)
