"""Writes a camt.053.001.08 of any number of entries, in flat memory: as a bank writes the day of a busy account.

python benchmarks/statements.py day.xml 100000
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from random import Random

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
DAY = "2026-11-20"
OPENING = 100_000_000  # cents
HEAD = f"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="{NAMESPACE}">
  <BkToCstmrStmt>
    <GrpHdr>
      <MsgId>STM-{DAY}-1</MsgId>
      <CreDtTm>{DAY}T20:15:00+01:00</CreDtTm>
    </GrpHdr>
    <Stmt>
      <Id>{DAY}-1</Id>
      <ElctrncSeqNb>223</ElctrncSeqNb>
      <CreDtTm>{DAY}T20:15:00+01:00</CreDtTm>
      <Acct>
        <Id>
          <IBAN>DE89370400440532013000</IBAN>
        </Id>
        <Ccy>EUR</Ccy>
      </Acct>
"""
BALANCE = """      <Bal>
        <Tp>
          <CdOrPrtry>
            <Cd>{code}</Cd>
          </CdOrPrtry>
        </Tp>
        <Amt Ccy="EUR">{amount}</Amt>
        <CdtDbtInd>CRDT</CdtDbtInd>
        <Dt>
          <Dt>{day}</Dt>
        </Dt>
      </Bal>
"""
ENTRY = """      <Ntry>
        <NtryRef>{number}</NtryRef>
        <Amt Ccy="EUR">{amount}</Amt>
        <CdtDbtInd>{direction}</CdtDbtInd>
        <Sts>
          <Cd>BOOK</Cd>
        </Sts>
        <BookgDt>
          <Dt>{day}</Dt>
        </BookgDt>
        <ValDt>
          <Dt>{day}</Dt>
        </ValDt>
        <AcctSvcrRef>{day}-{number:09d}</AcctSvcrRef>
        <BkTxCd>
          <Domn>
            <Cd>PMNT</Cd>
            <Fmly>
              <Cd>{family}</Cd>
              <SubFmlyCd>ESCT</SubFmlyCd>
            </Fmly>
          </Domn>
        </BkTxCd>
        <NtryDtls>
          <TxDtls>
            <Refs>
              <AcctSvcrRef>{day}-{number:09d}-1</AcctSvcrRef>
              <EndToEndId>E2E-{number:012d}</EndToEndId>
            </Refs>
            <Amt Ccy="EUR">{amount}</Amt>
            <CdtDbtInd>{direction}</CdtDbtInd>
            <RltdPties>
              <Dbtr>
                <Pty>
                  <Nm>Payer number {payer}</Nm>
                </Pty>
              </Dbtr>
              <DbtrAcct>
                <Id>
                  <IBAN>FR1420041010050500013M02606</IBAN>
                </Id>
              </DbtrAcct>
              <Cdtr>
                <Pty>
                  <Nm>Payee {amp}number {payee}</Nm>
                </Pty>
              </Cdtr>
              <CdtrAcct>
                <Id>
                  <IBAN>BE68539007547034</IBAN>
                </Id>
              </CdtrAcct>
            </RltdPties>{agents}
            <RmtInf>
              <Ustrd>Invoice {invoice}, customer {payer}</Ustrd>
            </RmtInf>
          </TxDtls>
        </NtryDtls>
      </Ntry>
"""
AGENTS = """
            <RltdAgts>
              <CdtrAgt>
                <FinInstnId>
                  <BICFI>DEUTDEFFXXX</BICFI>
                </FinInstnId>
              </CdtrAgt>
            </RltdAgts>"""
TAIL = "    </Stmt>\n  </BkToCstmrStmt>\n</Document>\n"


def write(path: Path, entries: int, *, seed: int = 1) -> None:
    """Opening plus entries makes closing; the same seed writes the same bytes."""
    cents = amounts(entries, seed)
    with path.open("w", encoding="utf-8") as file:
        file.write(HEAD)
        file.write(BALANCE.format(code="OPBD", amount=_amount(OPENING), day=DAY))
        file.write(BALANCE.format(code="CLBD", amount=_amount(OPENING + sum(cents)), day=DAY))
        file.writelines(_entries(cents, seed))
        file.write(TAIL)


def amounts(entries: int, seed: int = 1) -> list[int]:
    """In cents, debits negative."""
    return [Random(f"{seed} {number}").randrange(-1_000_000, 1_000_001) or 1 for number in range(entries)]


def _entries(cents: list[int], seed: int) -> Iterator[str]:
    random = Random(seed)
    for number, each in enumerate(cents, start=1):
        direction, family = ("CRDT", "RCDT") if each > 0 else ("DBIT", "ICDT")
        yield ENTRY.format(
            number=number, amount=_amount(abs(each)), direction=direction, family=family, day=DAY,
            payer=random.randrange(10_000), payee=random.randrange(10_000), invoice=random.randrange(10**8),
            amp="&amp; " if random.random() < 0.02 else "", agents=AGENTS if random.random() < 0.5 else "",
        )  # fmt: skip


def _amount(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a large camt.053.001.08.")
    parser.add_argument("file", type=Path)
    parser.add_argument("entries", type=int)
    asked = parser.parse_args()
    write(asked.file, asked.entries)


if __name__ == "__main__":
    main()
