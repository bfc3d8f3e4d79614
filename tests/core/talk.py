"""A talk with a sandbox bank: orders as an ERP writes them, and answers that are valid by the schemas."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path

from lxml import etree

from h2h.sandbox.bank import Bank, Paper
from h2h.sandbox.books import dump_state, load_state
from h2h.sandbox.scenario import Scenario, parse_scenario

HERE = Path(__file__).resolve()
OFFICIAL = HERE.parents[3] / "shared" / "iso20022"
OURS = HERE.parents[2] / "schemas"
NOW = datetime(2026, 10, 5, 9, 30, tzinfo=UTC)
UETR = "2b0f3c9e-5d1a-4c6e-9b7a-0123456789ab"
QUIET = Scenario(credits_per_day=0, charge=Decimal(0))
MIXED = """
[[rule]]
when = { creditor_name = "Closed*" }
then = "reject"
reason = "AC04"
text = "Closed."
[[rule]]
when = { amount_above = "1000" }
then = "reject"
reason = "AM02"
[[rule]]
when = { end_to_end_id = "WAIT-*" }
then = "pending"
"""


@dataclass(frozen=True)
class Pay:
    amount: str
    name: str = "Muster AG"
    currency: str = "EUR"
    id: str = "E2E"


def order(
    *batches: list[Pay],
    message_id: str = "MSG-1",
    version: str = "09",
    prefix: str = "",
    booking: str = "false",
    header: str = "",
    currency: str = "EUR",
) -> bytes:
    """A pain.001 with one PmtInf per list. `header` stands in for NbOfTxs and CtrlSum."""
    payments = [pay for batch in batches for pay in batch]
    total = sum((Decimal(pay.amount) for pay in payments), Decimal(0))
    header = header or f"<NbOfTxs>{len(payments)}</NbOfTxs><CtrlSum>{total}</CtrlSum>"
    text = (
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.{version}"><CstmrCdtTrfInitn><GrpHdr>'
        f"<MsgId>{message_id}</MsgId><CreDtTm>2026-10-05T09:00:00</CreDtTm>{header}<InitgPty><Nm>ERP</Nm></InitgPty>"
        f"</GrpHdr>{''.join(_batch(n, batch, booking, currency) for n, batch in enumerate(batches, 1))}"
        "</CstmrCdtTrfInitn></Document>"
    )
    if prefix:
        text = (
            text.replace("<", f"<{prefix}:")
            .replace(f"<{prefix}:/", f"</{prefix}:")
            .replace("xmlns=", f"xmlns:{prefix}=")
        )
    return text.encode()


def _batch(number: int, payments: list[Pay], booking: str, currency: str) -> str:
    return (
        f"<PmtInf><PmtInfId>BATCH-{number}</PmtInfId><PmtMtd>TRF</PmtMtd><BtchBookg>{booking}</BtchBookg>"
        "<Dbtr><Nm>Acme GmbH</Nm></Dbtr><DbtrAcct><Id><IBAN>DE89370400440532013000</IBAN></Id>"
        f"<Ccy>{currency}</Ccy></DbtrAcct>{''.join(map(_payment, payments))}</PmtInf>"
    )


def _payment(pay: Pay) -> str:
    return (
        f"<CdtTrfTxInf><PmtId><InstrId>I-{pay.id}</InstrId><EndToEndId>{pay.id}</EndToEndId><UETR>{UETR}</UETR></PmtId>"
        f'<Amt><InstdAmt Ccy="{pay.currency}">{pay.amount}</InstdAmt></Amt><Cdtr><Nm>{pay.name}</Nm></Cdtr>'
        "<CdtrAcct><Id><IBAN>FR7630006000011234567890189</IBAN></Id></CdtrAcct>"
        "<RmtInf><Ustrd>Invoice 4711</Ustrd></RmtInf></CdtTrfTxInf>"
    )


class Talk:
    """A bank, the files it got, and what it said, all of it checked against the schemas."""

    def __init__(self, scenario: Scenario = QUIET) -> None:
        self.bank = Bank(scenario, lambda: NOW)
        self.files: dict[int, bytes] = {}

    def send(self, data: bytes) -> list[etree._Element]:
        number = len(self.files) + 1
        self.files[number] = data
        return read(self.bank.receive(number, data) + self.bank.answer(number, data))

    def close(self) -> list[etree._Element]:
        return read(self.bank.close_day(self.files.__getitem__))

    def restart(self) -> None:
        self.bank = Bank(self.bank.scenario, lambda: NOW, load_state(dump_state(self.bank.state)))


def read(papers: list[Paper]) -> list[etree._Element]:
    return [valid(paper.data) for paper in papers]


def valid(data: bytes) -> etree._Element:
    """Valid by the official schemas where they are at hand, and by ours where we have that message."""
    root = etree.fromstring(data)
    files = [folder / f"{message(root)}.xsd" for folder in (OFFICIAL, OURS)]
    assert any(file.exists() for file in files), message(root)
    for file in filter(Path.exists, files):
        schema(file).assertValid(root)
    return root


def message(root: etree._Element) -> str:
    return etree.QName(root).namespace.rpartition(":")[2]


def schema_file(name: str) -> Path:
    folder = OFFICIAL if OFFICIAL.is_dir() else OURS
    return folder / f"{name}.xsd"


@cache
def schema(file: Path) -> etree.XMLSchema:
    return etree.XMLSchema(file=str(file))


def texts(root: etree._Element, path: str) -> list[str]:
    steps = "/".join(f"{{*}}{step}" for step in path.split("/"))
    return [element.text or "" for element in root.iterfind(f".//{steps}")]


def decided(scenario: str, *batches: list[Pay], version: str = "09") -> etree._Element:
    return Talk(parse_scenario(scenario)).send(order(*batches, version=version))[-1]


def accounted(statement: etree._Element) -> tuple[Decimal, Decimal, Decimal]:
    """Opening balance, sum of the entries, closing balance."""
    opening, closing = statement.findall(".//{*}Bal")
    entries = statement.findall(".//{*}Ntry")
    return _signed(opening), sum(map(_signed, entries), Decimal(0)), _signed(closing)


def _signed(element: etree._Element) -> Decimal:
    amount = Decimal(element.findtext("{*}Amt") or "")
    return amount if element.findtext("{*}CdtDbtInd") == "CRDT" else -amount
