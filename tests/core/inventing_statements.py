"""Invented records of a camt.052, .053 or .054, within what its version can say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

from h2h.booked import (
    AmountDetail,
    Availability,
    Balance,
    CreditLine,
    Entry,
    EntryBatch,
    EntryDetail,
    EntryTotals,
    Exchange,
    Reference,
    RelatedDate,
    SequenceRange,
    Statement,
    StatementFile,
    StatementNote,
)
from h2h.messages import MessageType
from h2h.model import Record
from h2h.reported import Party
from tests.changing import replace
from tests.core.chance import Chance
from tests.core.inventing import charge, code_or_text, groups, listed_or_text, money, party, reason, structured

AMOUNTS = ("InstdAmt", "TxAmt", "CntrValAmt", "AnncdPstngAmt")
BALANCES = ("OPBD", "CLBD", "PRCD", "OPAV", "CLAV", "FWAV", "ITBD", "ITAV", "INFO", "XPCD")
STATUSES = ("BOOK", "PDNG", "INFO")
DAYS = ("AccptncDtTm", "TradActvtyCtrctlSttlmDt", "TradDt", "IntrBkSttlmDt", "StartDt", "EndDt", "TxDtTm")
SINCE_2013 = ("AcctOwnrTxId", "AcctSvcrTxId", "MktInfrstrctrTxId", "PrcgId")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One statement with all that stands in it."""

    statement: Statement
    entries: tuple[Entry, ...]
    note: StatementNote | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldFile:
    head: StatementFile
    statements: tuple[Told, ...]

    def records(self) -> list[Record]:
        told: list[Record] = [self.head]
        for each in self.statements:
            told += [each.statement, *each.entries, *([each.note] if each.note else [])]
        return told


def statement_file(c: Chance, row: MessageType, before: Sequence[Record] = ()) -> ToldFile:
    """`before`: what stands before it in the file."""
    paged = c.yes()
    head = StatementFile(
        message=row.name,
        message_id=c.text(),
        created_at=c.moment(),
        page_number=c.digits()[:5] if paged else None,
        last_page=c.yes() if paged else None,
        recipient=c.maybe(lambda: c.known_by(row.generation)),
        additional_information=c.maybe(c.long_text),
    )
    first = groups(before) + 1
    count = 1 + c.below(2)
    return ToldFile(head=head, statements=tuple(_told(c, row, head, at) for at in range(first, first + count)))


def _told(c: Chance, row: MessageType, head: StatementFile, position: int) -> Told:
    entries = tuple(_entry(c, row.generation, position, at) for at in range(1, c.below(4) + 1))
    note = StatementNote(statement=position, text=c.long_text()) if c.yes() else None
    return Told(statement=_statement(c, row, head, position), entries=entries, note=note)


def _statement(c: Chance, row: MessageType, head: StatementFile, position: int) -> Statement:
    year = row.generation
    own = year >= 2013 and c.yes()
    period, account = c.yes(), c.below(3 if year >= 2021 else 2)
    balances = {"camt.052": 0, "camt.053": 1}.get(row.family)
    return Statement(
        position=position,
        statement_id=c.text(),
        message=row.name,
        electronic_sequence_number=c.maybe(c.digits),
        legal_sequence_number=c.maybe(c.digits),
        reporting_sequence=_sequence(c) if year >= 2019 and c.yes() else (),
        created_at=c.moment() if year < 2019 or c.yes() else None,
        period_from=c.moment() if period else None,
        period_to=c.moment() if period else None,
        copy_duplicate=c.maybe(lambda: c.of(("CODU", "COPY", "DUPL"))),
        reporting_source=c.maybe(lambda: code_or_text(c)),
        page_number=c.digits()[:5] if own else head.page_number,
        last_page=c.yes() if own else head.last_page,
        iban=c.iban() if account == 0 else None,
        account=c.text(34) if account == 1 else None,
        currency=c.maybe(c.currency),
        account_name=c.maybe(lambda: c.text(70)),
        related_account=c.maybe(c.account),
        owner=c.maybe(lambda: c.text(140)),
        servicer=c.maybe(lambda: c.known_by(year)),
        balances=() if balances is None else c.some(lambda: _balance(c, year), most=3, least=balances),
        totals=c.maybe(lambda: _totals(c, year)),
    )


def _sequence(c: Chance) -> tuple[SequenceRange, ...]:
    kind = c.of(("FrSeq", "ToSeq", "FrToSeq", "EQSeq", "NEQSeq"))
    if kind == "FrSeq":
        return (SequenceRange(kind=kind, first=c.text()),)
    if kind == "ToSeq":
        return (SequenceRange(kind=kind, last=c.text()),)
    if kind == "FrToSeq":
        return c.some(lambda: SequenceRange(kind=kind, first=c.text(), last=c.text()), least=1)
    numbers = c.some(c.text, most=3, least=1)
    return tuple(SequenceRange(kind=kind, first=number, last=number) for number in numbers)


def _balance(c: Chance, year: int) -> Balance:
    return Balance(
        type=listed_or_text(c, BALANCES, year, 2016),
        subtype=c.maybe(lambda: code_or_text(c)),
        amount=c.amount(),
        currency=c.currency(),
        direction=c.direction(),
        date=c.date_or_moment(),
        credit_lines=c.some(lambda: _credit_line(c, year), most=2 if year >= 2019 else 1),
        availability=c.some(lambda: _availability(c)),
    )


def _credit_line(c: Chance, year: int) -> CreditLine:
    amount = c.yes()
    return CreditLine(
        included=c.yes(),
        type=c.maybe(lambda: code_or_text(c)) if year >= 2019 else None,
        amount=c.amount() if amount else None,
        currency=c.currency() if amount else None,
        date=c.maybe(c.date_or_moment) if year >= 2019 else None,
    )


def _availability(c: Chance) -> Availability:
    counted = c.yes()
    return Availability(
        amount=c.amount(),
        currency=c.currency(),
        direction=c.direction(),
        date=None if counted else c.date(),
        days=c.of(("", "+")) + c.digits() if counted else None,
    )


def _totals(c: Chance, year: int) -> EntryTotals:
    """Since 2013 the net amount is not negative, and has its direction beside it."""
    net = c.yes()
    new = year >= 2013
    return EntryTotals(
        number=c.maybe(c.digits),
        sum=c.maybe(c.any_sum),
        net=(c.amount(18, 17) if new else c.any_sum()) if net else None,
        net_direction=c.direction() if (net if new else c.yes()) else None,
        credit_number=c.maybe(c.digits),
        credit_sum=c.maybe(c.any_sum),
        debit_number=c.maybe(c.digits),
        debit_sum=c.maybe(c.any_sum),
    )


def _entry(c: Chance, year: int, statement: int, position: int) -> Entry:
    code, proprietary, issuer = _codes(c)
    charged = c.yes()
    batches, details = _behind(c, year)
    first = batches[0] if batches else EntryBatch()
    entry = Entry(
        position=position,
        statement=statement,
        amount=c.amount(),
        currency=c.currency(),
        direction=c.direction(),
        reversal=c.flag(),
        status=c.of(STATUSES) if year < 2019 else code_or_text(c),
        reference=c.maybe(c.text),
        booking_date=c.maybe(c.date_or_moment),
        value_date=c.maybe(c.date_or_moment),
        account_servicer_reference=c.maybe(c.text),
        transaction_code=code,
        proprietary_code=proprietary,
        proprietary_issuer=issuer,
        amounts=_amounts(c, year) if c.yes() else (),
        charges=c.some(lambda: charge(c, year), least=1) if charged else (),
        charges_totals=c.some(lambda: money(c), most=1) if charged else (),
        availability=c.some(lambda: _availability(c)),
        told_in=c.maybe(c.text),
        batches=batches,
        batch_message_id=first.message_id,
        batch_payment_information_id=first.payment_information_id,
        batch_number_of_transactions=first.number_of_transactions,
        additional_information=c.maybe(c.long_text),
    )
    return replace(entry, details=tuple(_with_amount(c, year, each, entry, len(details)) for each in details))


def _codes(c: Chance) -> tuple[str | None, str | None, str | None]:
    proprietary = c.maybe(c.text)
    return (
        c.maybe(lambda: f"{c.code()}/{c.code()}/{c.code()}"),
        proprietary,
        c.maybe(c.text) if proprietary else None,
    )


def _amounts(c: Chance, year: int) -> tuple[AmountDetail, ...]:
    kinds = [kind for kind in AMOUNTS if c.yes()] + ["PrtryAmt"] * c.below(3)
    return tuple(
        AmountDetail(
            kind=kind,
            amount=c.amount(),
            currency=c.currency(),
            type=c.text() if kind == "PrtryAmt" else None,
            exchange=c.maybe(lambda: _exchange(c, year)),
        )
        for kind in kinds
    )


def _exchange(c: Chance, year: int) -> Exchange:
    return Exchange(
        source_currency=c.currency(),
        target_currency=c.maybe(c.currency),
        unit_currency=c.maybe(c.currency),
        rate=c.rate(),
        base=c.maybe(lambda: Decimal(c.digits())) if year >= 2024 else None,
        contract=c.maybe(c.text),
        quoted_at=c.maybe(c.moment),
    )


def _behind(c: Chance, year: int) -> tuple[tuple[EntryBatch, ...], tuple[EntryDetail, ...]]:
    """The batches of an entry, and its details: of one batch after the other, and of none."""
    batches: list[EntryBatch] = []
    details: list[EntryDetail] = []
    for _ in range(c.below(4)):
        if batched := c.yes():
            batches.append(_batch(c))
        for _ in range(c.below(3)):
            details.append(_detail(c, year, len(details) + 1, len(batches) if batched else 0))
    return tuple(batches), tuple(details)


def _batch(c: Chance) -> EntryBatch:
    total = c.yes()
    return EntryBatch(
        message_id=c.maybe(c.text),
        payment_information_id=c.maybe(c.text),
        number_of_transactions=c.maybe(lambda: c.of(("1", "001", c.digits()))),
        total=c.amount() if total else None,
        currency=c.currency() if total else None,
        direction=c.maybe(c.direction),
    )


def _detail(c: Chance, year: int, position: int, batch: int) -> EntryDetail:
    code, proprietary, issuer = _codes(c)
    old, returned = c.yes(), c.yes()
    returned_code, returned_proprietary, _ = _codes(c) if returned else (None, None, None)
    charged = c.yes()
    remittance = c.some(lambda: structured(c, year))
    debtor, creditor = _side(c, year), _side(c, year)
    amounts = _amounts(c, year) if old else ()
    instructed = next((each for each in amounts if each.kind == "InstdAmt"), None)
    return EntryDetail(
        position=position,
        batch=batch,
        message_id=c.maybe(c.text),
        payment_information_id=c.maybe(c.text),
        instruction_id=c.maybe(c.text),
        end_to_end_id=c.maybe(c.text),
        transaction_id=c.maybe(c.text),
        uetr=c.maybe(c.uetr) if year >= 2019 else None,
        mandate_id=c.maybe(c.text),
        account_servicer_reference=c.maybe(c.text),
        references=_references(c, year),
        amounts=amounts,
        instructed_amount=instructed.amount if instructed else None,
        instructed_currency=instructed.currency if instructed else None,
        charges=c.some(lambda: charge(c, year), least=1) if charged else (),
        charges_totals=c.some(lambda: money(c), most=1) if charged else (),
        availability=c.some(lambda: _availability(c)),
        transaction_code=code,
        proprietary_code=proprietary,
        proprietary_issuer=issuer,
        debtor_name=debtor[0],
        debtor_id=debtor[1],
        debtor_account=c.maybe(c.account),
        debtor_agent=c.maybe(lambda: c.known_by(year)),
        creditor_name=creditor[0],
        creditor_id=creditor[1],
        creditor_account=c.maybe(c.account),
        creditor_agent=c.maybe(lambda: c.known_by(year)),
        parties=_parties(c, year),
        agents=_agents(c, year),
        local_instrument=c.maybe(c.text) if year >= 2019 else None,
        purpose=c.maybe(lambda: code_or_text(c)),
        remittance=c.some(lambda: c.text(140), most=3),
        structured=tuple(each.reference for each in remittance if each.reference),
        structured_remittance=remittance,
        dates=_dates(c),
        tax=c.maybe(lambda: money(c)),
        return_reason=reason(c, year) if returned else None,
        returned_transaction_code=returned_code,
        returned_proprietary_code=returned_proprietary,
        additional_information=c.maybe(c.long_text),
    )


def _side(c: Chance, year: int) -> tuple[str | None, str | None]:
    return c.maybe(lambda: c.text(140)), c.maybe(lambda: c.known_by(year))


def _references(c: Chance, year: int) -> tuple[Reference, ...]:
    kinds = ("ChqNb", "ClrSysRef", *(SINCE_2013 if year >= 2013 else ()), *(("RtrId",) if year >= 2026 else ()))
    own = c.some(lambda: Reference(kind="Prtry", value=c.text(), type=c.text()), most=3 if year >= 2013 else 1)
    return (*(Reference(kind=kind, value=c.text()) for kind in kinds if c.yes()), *own)


def _parties(c: Chance, year: int) -> tuple[Party, ...]:
    roles = [role for role in ("InitgPty", "UltmtDbtr", "UltmtCdtr", "TradgPty") if c.yes()]
    return (*(party(c, role, year) for role in roles), *c.some(partial(party, c, "Prtry", year, typed=True)))


def _agents(c: Chance, year: int) -> tuple[Party, ...]:
    named = ("IntrmyAgt1", "IntrmyAgt2", "IntrmyAgt3", "RcvgAgt", "DlvrgAgt", "IssgAgt", "SttlmPlc")
    roles = [role for role in ("InstgAgt", "InstdAgt", *named) if c.yes() and (year >= 2019 or role in named)]
    return (*(party(c, role, year) for role in roles), *c.some(partial(party, c, "Prtry", year, typed=True)))


def _dates(c: Chance) -> tuple[RelatedDate, ...]:
    named = (RelatedDate(kind=k, date=c.moment() if k.endswith("DtTm") else c.date()) for k in DAYS if c.yes())
    own = c.some(lambda: RelatedDate(kind="Prtry", date=c.date_or_moment(), type=c.text()))
    return (*named, *own)


def _with_amount(c: Chance, year: int, detail: EntryDetail, entry: Entry, count: int) -> EntryDetail:
    """Its own amount and direction (a must in 2013 and 2016, not there in 2009), or what else says them."""
    if year in (2013, 2016) or (year >= 2019 and c.yes()):
        detail = replace(detail, amount=c.amount(), currency=c.currency())
    else:
        amount, currency = implied(detail.amounts, entry, only=alone(entry, count))
        detail = replace(detail, amount=amount, currency=currency)
    if year in (2013, 2016) or (year >= 2019 and c.yes()):
        return replace(detail, direction=c.direction())
    return replace(detail, direction=entry.direction if alone(entry, count) else None)


def alone(entry: Entry, count: int) -> bool:
    """There is one transaction, and no batch says anything else."""
    return count == 1 and all(int(each.number_of_transactions or 1) == 1 for each in entry.batches)


def implied(amounts: Sequence[AmountDetail], entry: Entry, *, only: bool) -> tuple[Decimal | None, str | None]:
    """What a transaction comes to that has no Amt of its own."""
    for each in amounts:
        if each.kind == "TxAmt":
            return each.amount, each.currency
    for each in amounts:
        if each.kind == "InstdAmt" and each.currency == entry.currency:
            return each.amount, each.currency
    return (entry.amount, entry.currency) if only else (None, None)
