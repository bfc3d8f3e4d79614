"""Writes a pain.001.001.09 as large as wanted, like those of large groups: many debtors, batches and creditors.

    python -m benchmarks.payments FILE PAYMENTS [--compact] [--seed N]

What is written follows from number and seed alone. It goes out as it is made: memory stays flat.
"""

from __future__ import annotations

import argparse
import functools
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from random import Random

IN_BATCH = 10_000
DEBTORS = 30
AT_ONCE = 1_000  # payments of one write
DAY = date(2026, 11, 20)

HEADER = """\
<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09">
  <CstmrCdtTrfInitn>
    <GrpHdr>
      <MsgId>%s</MsgId>
      <CreDtTm>%sT06:15:00+01:00</CreDtTm>
      <NbOfTxs>%s</NbOfTxs>
      <CtrlSum>%s</CtrlSum>
      <InitgPty>
        <Nm>Nordwerk Holding AG</Nm>
      </InitgPty>
    </GrpHdr>
"""

BATCH = """\
    <PmtInf>
      <PmtInfId>%s</PmtInfId>
      <PmtMtd>TRF</PmtMtd>
      <BtchBookg>true</BtchBookg>
      <NbOfTxs>%s</NbOfTxs>
      <CtrlSum>%s</CtrlSum>
      <PmtTpInf>
        <SvcLvl>
          <Cd>SEPA</Cd>
        </SvcLvl>
      </PmtTpInf>
      <ReqdExctnDt>
        <Dt>%s</Dt>
      </ReqdExctnDt>
      <Dbtr>
        <Nm>%s</Nm>
        <PstlAdr>
          <StrtNm>Werkstrasse</StrtNm>
          <BldgNb>%s</BldgNb>
          <PstCd>%s</PstCd>
          <TwnNm>%s</TwnNm>
          <Ctry>%s</Ctry>
        </PstlAdr>
      </Dbtr>
      <DbtrAcct>
        <Id>
          <IBAN>%s</IBAN>
        </Id>
        <Ccy>EUR</Ccy>
      </DbtrAcct>
      <DbtrAgt>
        <FinInstnId>
          <BICFI>%s</BICFI>
        </FinInstnId>
      </DbtrAgt>
      <ChrgBr>SLEV</ChrgBr>
"""

PAYMENT = """\
      <CdtTrfTxInf>
        <PmtId>
          <InstrId>%s</InstrId>
          <EndToEndId>%s</EndToEndId>
          <UETR>%s</UETR>
        </PmtId>
        <Amt>
          <InstdAmt Ccy="EUR">%s</InstdAmt>
        </Amt>
        <CdtrAgt>
          <FinInstnId>
            <BICFI>%s</BICFI>
          </FinInstnId>
        </CdtrAgt>
        <Cdtr>
          <Nm>%s</Nm>
          <PstlAdr>
            <StrtNm>%s</StrtNm>
            <BldgNb>%s</BldgNb>
            <PstCd>%s</PstCd>
            <TwnNm>%s</TwnNm>
            <Ctry>%s</Ctry>
          </PstlAdr>
        </Cdtr>
        <CdtrAcct>
          <Id>
            <IBAN>%s</IBAN>
          </Id>
        </CdtrAcct>
        <RmtInf>
{remittance}
        </RmtInf>
      </CdtTrfTxInf>
"""

WORDS = """\
          <Ustrd>Invoice %s of %s</Ustrd>"""

REFERENCE = """\
          <Strd>
            <CdtrRefInf>
              <Tp>
                <CdOrPrtry>
                  <Cd>SCOR</Cd>
                </CdOrPrtry>
              </Tp>
              <Ref>%s</Ref>
            </CdtrRefInf>
            <AddtlRmtInf>Order of %s</AddtlRmtInf>
          </Strd>"""

END_OF_BATCH, END = "    </PmtInf>\n", "  </CstmrCdtTrfInitn>\n</Document>\n"

COUNTRIES = (  # the letters that a BBAN begins with, the number of its digits, a BIC, town and post code
    ("DE", "", 18, "COBADEFFXXX", "Köln", "50667"),
    ("AT", "", 16, "BKAUATWWXXX", "Wien", "1010"),
    ("FR", "", 23, "BNPAFRPPXXX", "Lyon", "69007"),
    ("NL", "INGB", 10, "INGBNL2AXXX", "Rotterdam", "3011"),
    ("ES", "", 20, "CAIXESBBXXX", "Sevilla", "41001"),
    ("IT", "X", 22, "UNCRITMMXXX", "Torino", "10121"),
    ("BE", "", 12, "KREDBEBBXXX", "Gent", "9000"),
    ("PL", "", 24, "PKOPPLPWXXX", "Łódź", "90-001"),
    ("FI", "", 14, "NDEAFIHHXXX", "Turku", "20100"),
    ("IE", "AIBK", 14, "AIBKIE2DXXX", "Cork", "T12 X2Y"),
    ("CZ", "", 20, "KOMBCZPPXXX", "Brno", "602 00"),
    ("PT", "", 21, "CGDIPTPLXXX", "Porto", "4050-001"),
)
TRADES = (
    "Lagertechnik", "Metallbau", "Logistik", "Elektro &amp; Energie", "Papier", "Werkzeuge", "Büro + Möbel",
    "Transporte", "Chemie", "Kälte und Klima", "Druckerei", "Softwarehaus", "Gebäudedienste",
)  # fmt: skip
FORMS = ("GmbH", "SARL", "BV", "SL", "Srl", "NV", "Oy", "AG", "Ltd")
STREETS = ("Hafenstraße", "Rue des Forges", "Calle Mayor", "Via Roma", "Stationsplein", "Industrieweg", "Marktgasse")


def write(
    path: Path, payments: int, indent: bool = True, seed: int = 1, *, day: date = DAY, wrong_iban: int | None = None
) -> None:
    """`day`: on which the file was made; `wrong_iban`: the position, from 1, of the one payment with a false IBAN."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for part in parts(payments, indent, seed, day=day, wrong_iban=wrong_iban):
            file.write(part)


def parts(
    payments: int, indent: bool = True, seed: int = 1, *, day: date = DAY, wrong_iban: int | None = None
) -> Iterator[str]:
    """The text of the file, piece by piece."""
    sizes = [min(IN_BATCH, payments - first) for first in range(0, payments, IN_BATCH)]
    sums = [sum(_cents(seed, number, size)) for number, size in enumerate(sizes)]
    form = str if indent else _compact
    yield form(HEADER) % (f"RUN-{seed}-{payments}", day, payments, _amount(sum(sums)))
    forms = (form(PAYMENT.format(remittance=WORDS)), form(PAYMENT.format(remittance=REFERENCE)))
    for number, size in enumerate(sizes):
        yield _batch(form(BATCH), seed, number, size, sums[number], day)
        yield from _payments(forms, seed, number, size, day, wrong_iban)
        yield form(END_OF_BATCH)
    yield form(END)


def _compact(text: str) -> str:
    return re.sub(r">\s+<", "><", text.strip())


def _batch(form: str, seed: int, number: int, size: int, cents: int, day: date) -> str:
    debtor = number % DEBTORS
    country, bank, digits, bic, town, code = COUNTRIES[debtor % len(COUNTRIES)]
    iban = iban_of(country, bank, f"{10**digits // 7 + debtor:0{digits}}")
    what = (f"B-{seed}-{number + 1:05}", size, _amount(cents), day + timedelta(1), f"Nordwerk {town} {debtor + 1}")
    return form % (*what, debtor + 1, code, town, country, iban, bic)


def _payments(
    forms: tuple[str, str], seed: int, batch: int, size: int, day: date, wrong_iban: int | None
) -> Iterator[str]:
    rest, lately = Random(f"{seed} {batch} rest"), [f"{day - timedelta(days)}" for days in range(60)]
    cents, first = _cents(seed, batch, size), batch * IN_BATCH + 1
    for begin in range(first, first + size, AT_ONCE):
        made = [
            _payment(forms, seed, position, cents[position - first], rest, lately, wrong=position == wrong_iban)
            for position in range(begin, min(begin + AT_ONCE, first + size))
        ]
        yield "".join(made)


def _payment(
    forms: tuple[str, str], seed: int, position: int, cents: int, rest: Random, lately: list[str], *, wrong: bool
) -> str:
    bits = rest.getrandbits(64)
    creditor = bits % 400_009  # so many that few come twice among some thousands, and most among a million
    country, bank, digits, bic, town, code = COUNTRIES[creditor % len(COUNTRIES)]
    iban = iban_of(country, bank, f"{creditor * 2_654_435_761 % 10**digits:0{digits}}")
    if wrong:
        iban = iban[:-1] + ("1" if iban[-1] == "0" else "0")
    trade, kind = TRADES[creditor % len(TRADES)], FORMS[creditor % len(FORMS)]
    told = bits >> 20
    structured = told % 10 == 0
    uetr = f"{rest.getrandbits(128):032x}"
    return forms[structured] % (
        f"I-{seed}-{position:08}",
        f"E2E-{lately[0][:4]}-{seed}-{position:09}",
        f"{uetr[:8]}-{uetr[8:12]}-4{uetr[13:16]}-a{uetr[17:20]}-{uetr[20:]}",
        f"{cents // 100}.{cents % 100:02}",
        bic,
        f"{trade} {creditor} {kind}",
        STREETS[creditor % len(STREETS)],
        creditor % 199 + 1,
        code,
        town,
        country,
        iban,
        _creditor_reference(told % 10**12) if structured else f"{told % 10**10:010}",
        lately[told % 60],
    )


def _cents(seed: int, batch: int, size: int) -> list[int]:
    """The amounts of a batch: few large ones, many small ones."""
    random = Random(f"{seed} {batch} amounts").random
    return [int(random() ** 4 * 9_000_000) + 101 for _ in range(size)]


def _amount(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def iban_of(country: str, bank: str, number: str) -> str:
    """With its check digits (ISO 13616)."""
    rest = int(f"{_digits(bank)}{number}{_digits(country)}00") % 97
    return f"{country}{98 - rest:02}{bank}{number}"


@functools.cache
def _digits(letters: str) -> str:
    return "".join(str(int(letter, 36)) for letter in letters)


def _creditor_reference(number: int) -> str:
    """RF with its check digits (ISO 11649)."""
    return f"RF{98 - int(f'{number}271500') % 97:02}{number}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a large pain.001.001.09.")
    parser.add_argument("file", type=Path)
    parser.add_argument("payments", type=int)
    parser.add_argument("--compact", action="store_true", help="without indentation")
    parser.add_argument("--seed", type=int, default=1)
    said = parser.parse_args()
    write(said.file, said.payments, not said.compact, said.seed)


if __name__ == "__main__":
    main()
