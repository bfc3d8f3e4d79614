"""The business rules, as tables: what stands in a file, and the codes of what is found wrong with it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from h2h.checks import bic_fault, iban_fault
from h2h.model import Balance, Batch, Entry, Finding, Payment, PaymentFile, Severity, Statement
from h2h.pages import booked_of
from h2h.rules import CODES, Terms, balances_add_up
from tests.changing import replace
from tests.ruled import payment_file_findings

IBAN = "DE02120300000000202051"
ANY = Terms()


def payment(amount: str | None = "10.00", currency: str | None = "EUR", **more: object) -> Payment:
    values: dict[str, object] = {
        "position": 1, "batch": 1, "payment_information_id": "B1", "instruction_id": None, "end_to_end_id": None,
        "uetr": None, "amount": Decimal(amount) if amount else None, "currency": currency, "line": 20,
    }  # fmt: skip
    return Payment(**values | more)  # type: ignore[arg-type]


def findings(
    *payments: Payment,
    count: str | None = None,
    total: str | None = None,
    batches: int = 1,
    batch_count: str | None = None,
    batch_total: str | None = None,
    terms: Terms = ANY,
    created: str | None = None,
    message_id: str = "M",
    initiating_party: str | None = None,
    **debtor: str,
) -> list[Finding]:
    """Findings of a file with these payments, numbered in order."""
    header = PaymentFile(
        message="pain.001.001.09", message_id=message_id, number_of_transactions=count, created_at=created,
        control_sum=Decimal(total) if total else None, initiating_party=initiating_party, line=3,
    )  # fmt: skip
    parts = [
        Batch(
            position=n, payment_information_id=f"B{n}", number_of_transactions=batch_count,
            control_sum=Decimal(batch_total) if batch_total else None, line=10 * n, **debtor,
        )
        for n in range(1, batches + 1)
    ]  # fmt: skip
    numbered = [replace(p, position=n) for n, p in enumerate(payments, start=1)]
    return payment_file_findings(header, parts, numbered, terms)


def codes(*args: Payment, **more: object) -> list[str]:
    found = findings(*args, **more)  # type: ignore[arg-type]
    assert all(f.code in CODES and f.text.endswith(".") and f.path.startswith("/Document") for f in found)
    return [f.code for f in found]


TWO = (payment("10.00"), payment("20.50"))


@pytest.mark.parametrize(
    ("count", "found"),
    [
        ("2", []),
        ("02", []),
        (None, []),
        ("3", ["COUNT_MISMATCH"]),
        ("1", ["COUNT_MISMATCH"]),
        ("0", ["COUNT_MISMATCH"]),
        ("000", ["COUNT_MISMATCH"]),
        ("9" * 5_000, ["COUNT_MISMATCH"]),
    ],
)
def test_number_of_transactions(count: str | None, found: list[str]) -> None:
    assert codes(*TWO, count=count) == found
    assert codes(*TWO, batch_count=count) == found


@pytest.mark.parametrize(
    ("total", "found"),
    [
        ("30.50", []), ("30.5", []), ("30.500", []), (None, []),
        ("30.51", ["SUM_MISMATCH"]), ("30.5000001", ["SUM_MISMATCH"]), ("-30.50", ["SUM_MISMATCH"]),
    ],
)  # fmt: skip
def test_control_sum(total: str | None, found: list[str]) -> None:
    assert codes(*TWO, total=total) == found
    assert codes(*TWO, batch_total=total) == found


def test_the_control_sum_is_a_bare_total_over_all_currencies() -> None:
    assert codes(payment("10.00", "EUR"), payment("1000", "JPY"), total="1010") == []


def test_sums_are_exact_where_binary_fractions_are_not() -> None:
    assert codes(*(payment("0.10") for _ in range(3)), total="0.30") == []


def test_counts_and_sums_are_compared_for_each_batch_on_its_own() -> None:
    first, second = payment("10.00"), payment("20.00", batch=2)
    found = findings(first, second, batches=2, batch_count="1", batch_total="10.00")
    assert [(f.code, f.path) for f in found] == [("SUM_MISMATCH", "/Document/CstmrCdtTrfInitn/PmtInf[2]/CtrlSum")]


def test_a_batch_or_a_file_without_a_payment() -> None:
    assert codes(payment(), batches=2) == ["NO_PAYMENTS"]
    assert codes(batches=0) == ["NO_PAYMENTS"]


@pytest.mark.parametrize(("amount", "good"), [("0.01", True), ("0.00", False), ("-1.00", False)])
def test_amounts_are_above_zero(amount: str, good: bool) -> None:
    assert codes(payment(amount)) == ([] if good else ["AMOUNT_NOT_POSITIVE"])


@pytest.mark.parametrize(
    ("amount", "currency", "found"),
    [
        ("1.23", "EUR", []), ("1.230", "EUR", []), ("1.234", "EUR", ["AMOUNT_DECIMALS"]),
        ("100", "JPY", []), ("100.00", "JPY", []), ("100.5", "JPY", ["AMOUNT_DECIMALS"]),
        ("1.234", "KWD", []), ("1.2345", "KWD", ["AMOUNT_DECIMALS"]), ("1.2345", "CLF", []),
        ("1E+3", "JPY", []), ("1", "XAU", ["CURRENCY_UNKNOWN"]), ("1", "EURO", ["CURRENCY_UNKNOWN"]),
        ("1", "eur", ["CURRENCY_UNKNOWN"]), ("1", "DEM", ["CURRENCY_UNKNOWN"]), ("1", None, []),
    ],
)  # fmt: skip
def test_decimals_by_currency(amount: str, currency: str | None, found: list[str]) -> None:
    assert codes(payment(amount, currency)) == found


@pytest.mark.parametrize(
    ("iban", "why"),
    [
        (IBAN, None), ("GB82WEST12345698765432", None), ("FR1420041010050500013M02606", None),
        ("NO9386011117947", None),
        ("DE02120300000000202052", "check digits"), ("DE02120300000000200251", "check digits"),
        ("DE0212030000000020205", "length"), ("DE021203000000002020511", "length"),
        ("QQ02120300000000202051", "not a country"), ("de02120300000000202051", "capital"),
        ("DE02 1203 0000 0000 2020 51", "capital"), ("", "capital"),
    ],
)  # fmt: skip
def test_ibans(iban: str, why: str | None) -> None:
    fault = iban_fault(iban)
    assert (fault is None) if why is None else (fault is not None and why in fault)
    expected = [] if why is None else ["IBAN_INVALID"]
    assert codes(payment(creditor_iban=iban)) == expected
    assert codes(payment(), debtor_iban=iban) == expected


@pytest.mark.parametrize(
    ("bic", "good"),
    [
        ("BEISDEFF", True), ("BEISDEFFXXX", True), ("BEISDEF", False), ("BEISDEFFXX", False), ("BEISQQFF", False),
        ("beisdeff", False), ("BEIS-EFF", False), ("", False),
    ],
)  # fmt: skip
def test_bics(bic: str, good: bool) -> None:
    assert (bic_fault(bic) is None) is good
    assert codes(payment(creditor_agent=bic)) == ([] if good else ["BIC_INVALID"])


@pytest.mark.parametrize(
    ("references", "found"),
    [
        (["A", "B"], 0), (["A", "A"], 1), (["A", "A", "A"], 2), ([None, None], 0), (["NOTPROVIDED", "NOTPROVIDED"], 0),
        (["A", "a"], 0),
    ],
)  # fmt: skip
def test_a_repeated_end_to_end_id_is_a_warning(references: list[str | None], found: int) -> None:
    said = findings(*(payment(end_to_end_id=r) for r in references))
    assert [(f.code, f.severity) for f in said] == [("END_TO_END_ID_REPEATED", Severity.WARNING)] * found


def test_every_fault_comes_with_its_place_not_only_the_first() -> None:
    bad = payment("0.001", "EUR", creditor_iban="DE1", creditor_agent="X", batch=1, line=33)
    found = findings(payment(), bad, count="9", total="9")
    assert [f.code for f in found] == [
        "COUNT_MISMATCH",
        "SUM_MISMATCH",
        "AMOUNT_DECIMALS",
        "IBAN_INVALID",
        "BIC_INVALID",
    ]
    assert {f.path for f in found[2:]} == {
        "/Document/CstmrCdtTrfInitn/PmtInf[1]/CdtTrfTxInf[2]" + end
        for end in ("/Amt", "/CdtrAcct/Id/IBAN", "/CdtrAgt/FinInstnId")
    }
    assert [f.line for f in found] == [3, 3, 33, 33, 33]


# What the folder asks for, and the day.

TODAY = date(2026, 11, 20)
DATED = Terms(today=TODAY)


@pytest.mark.parametrize(
    ("stated", "unusual"),
    [
        ("2026-11-20", False), ("2026-11-10", False), ("2026-11-09", True), ("2027-02-18", False),
        ("2027-02-19", True), ("2024-11-20", True), ("2026-11-10T23:59:59+01:00", False),
        ("2026-11-09T23:59:59Z", True), ("2026-11-09+02:00", True), ("12026-11-20", True), ("-0001-11-20", True),
        (None, False), ("soon", False), ("18.11.2026", False),
    ],
)  # fmt: skip
def test_execution_dates_lie_in_a_span_around_today(stated: str | None, unusual: bool) -> None:
    found = findings(payment(), terms=DATED, requested_execution_date=stated)  # type: ignore[arg-type]
    assert [f.code for f in found] == (["EXECUTION_DATE_UNUSUAL"] if unusual else [])
    assert all(f.severity is Severity.WARNING for f in found)
    held = findings(
        payment(),
        terms=replace(DATED, unusual_dates=Severity.HOLD),
        requested_execution_date=stated,  # type: ignore[arg-type]
    )
    assert all(f.severity is Severity.HOLD for f in held)
    assert len(held) == len(found)


@pytest.mark.parametrize(
    ("created", "unusual"),
    [
        ("2026-11-20T09:00:00", False), ("2026-11-21T23:00:00+14:00", False), ("2026-11-22T00:00:00Z", True),
        ("2026-10-21T00:00:00", False), ("2026-10-20T23:59:59", True), (None, False),
    ],
)  # fmt: skip
def test_creation_dates_lie_in_a_span_around_today(created: str | None, unusual: bool) -> None:
    assert codes(payment(), terms=DATED, created=created) == (["CREATION_DATE_UNUSUAL"] if unusual else [])


def test_the_spans_are_the_folders_and_without_a_day_no_date_is_unusual() -> None:
    narrow = replace(DATED, execution_days=(0, 1), creation_days=(0, 0))
    old = {"created": "2026-11-19T00:00:00", "requested_execution_date": "2026-11-22"}
    assert codes(payment(), terms=narrow, **old) == ["CREATION_DATE_UNUSUAL", "EXECUTION_DATE_UNUSUAL"]
    assert codes(payment(), terms=DATED, **old) == []
    assert codes(payment(), terms=replace(narrow, today=None), **old) == []


@pytest.mark.parametrize(
    ("debtor", "places"),
    [
        ({"debtor_iban": IBAN}, []),
        ({"debtor_account": "4711"}, []),
        ({"debtor_iban": "DE89370400440532013000"}, ["DbtrAcct"]),
        ({"debtor_account": "4712"}, ["DbtrAcct"]),
        ({}, ["DbtrAcct"]),
        ({"debtor_iban": IBAN, "charges_account": "4711"}, []),
        ({"debtor_iban": IBAN, "charges_account": "4712"}, ["ChrgsAcct"]),
    ],
)
def test_only_the_accounts_of_the_folder_are_debited(debtor: dict[str, str], places: list[str]) -> None:
    found = findings(payment(), terms=Terms(accounts=[IBAN, "4711"]), **debtor)  # type: ignore[arg-type]
    assert [(f.code, f.severity, f.path.rpartition("/")[2]) for f in found] == [
        ("ACCOUNT_FOREIGN", Severity.ERROR, place) for place in places
    ]
    assert findings(payment(), **debtor) == []  # type: ignore[arg-type]


def test_the_currency_into_which_an_amount_is_converted_is_looked_at_too() -> None:
    assert codes(payment(equivalent=True, transfer_currency="USD")) == []
    assert codes(payment(equivalent=True, transfer_currency="XXX")) == ["CURRENCY_UNKNOWN"]


def test_sums_are_exact_beyond_the_28_digits_of_the_usual_context() -> None:
    large, small = "999999999999999999999999.9", "0.00009"
    assert codes(payment(large, "CLF"), payment("0.0001", "CLF"), total="999999999999999999999999.9001") == []
    assert codes(payment(large, "CLF"), payment("0.0001", "CLF"), total="999999999999999999999999.9000") != []
    assert "AMOUNT_DECIMALS" in codes(payment(large[:-1] + small[2:], "CLF"))


# Characters that nobody sees.

UNSEEN = {
    "zero-width space": "\u200b", "zero-width joiner": "\u200d", "byte order mark": "\ufeff",
    "soft hyphen": "\u00ad", "right-to-left override": "\u202e", "isolate": "\u2066", "mark": "\u200f",
    "C1 control": "\x9b", "delete": "\x7f", "tab": "\t", "line break": "\n", "line separator": "\u2028",
    "tag": "\U000e0041", "private": "\ue000", "filler": "\u3164", "joiner": "\u034f",
}  # fmt: skip


@pytest.mark.parametrize("char", UNSEEN.values(), ids=UNSEEN)
@pytest.mark.parametrize(
    "place", ["message_id", "payment_information_id", "end_to_end_id", "instruction_id", "account"]
)
def test_a_character_that_nobody_sees_is_refused_in_an_identification(place: str, char: str) -> None:
    value = f"A{char}B"
    match place:
        case "message_id":
            found = findings(payment(), message_id=value)
        case "payment_information_id":
            header = PaymentFile(message="pain.001.001.09", message_id="M", line=3)
            batch = Batch(position=1, payment_information_id=value, line=4)
            found = payment_file_findings(header, [batch], [payment()], ANY)
        case "account":
            found = [*findings(payment(creditor_account=value)), *findings(payment(), debtor_account=value)]
            assert len(found) == 2
        case _:
            found = findings(payment(**{place: value}))
    assert {(f.code, f.severity) for f in found} == {("ID_UNSEEN", Severity.ERROR)}
    assert all(f.text.isprintable() and f"U+{ord(char):04X}" in f.text for f in found)


@pytest.mark.parametrize("char", UNSEEN.values(), ids=UNSEEN)
def test_a_character_that_nobody_sees_in_a_name_is_for_a_person(char: str) -> None:
    name = f"Müller{char}AG"
    found = [
        *findings(payment(creditor_name=name)),
        *findings(payment(), debtor_name=name),
        *findings(payment(), initiating_party=name),
    ]
    assert [(f.code, f.severity) for f in found] == [("NAME_UNSEEN", Severity.HOLD)] * 3
    assert all(f.text.isprintable() for f in found)


@pytest.mark.parametrize("name", ["Müller & Söhne AG", "株式会社 日本", "شركة", "Ωμέγα Α.Ε.", "A\u00a0B"])
def test_names_in_any_script_are_names(name: str) -> None:
    assert codes(payment(creditor_name=name)) == []


def test_another_blank_than_the_usual_one_is_refused_in_an_identification() -> None:
    assert codes(payment(end_to_end_id="A\u00a0B")) == ["ID_UNSEEN"]
    assert codes(payment(end_to_end_id="A B")) == []


def test_identifications_of_blanks_are_found_in_a_file_that_its_schema_takes() -> None:
    header = PaymentFile(message="pain.001.001.09", message_id=None, line=3)
    batch = Batch(position=1, payment_information_id=None, line=4)
    found = payment_file_findings(header, [batch], [payment(end_to_end_id=None)], ANY, valid=True)
    assert [(f.code, f.path.rpartition("/")[2], f.line) for f in found] == [
        ("ID_BLANK", "MsgId", 3), ("ID_BLANK", "PmtInfId", 4), ("ID_BLANK", "EndToEndId", 20),
    ]  # fmt: skip


# Statements.


def balance(kind: str, amount: str | None, direction: str | None = "CRDT") -> Balance:
    return Balance(type=kind, amount=Decimal(amount) if amount else None, currency="EUR", direction=direction)


def entry(amount: str | None, direction: str | None = "CRDT", status: str | None = "BOOK", **more: object) -> Entry:
    value = Decimal(amount) if amount else None
    return Entry(position=1, statement=1, amount=value, currency="EUR", direction=direction, status=status, **more)  # type: ignore[arg-type]


OPEN, CLOSE = balance("OPBD", "100.00"), balance("CLBD", "90.00")


def reckoned(statement: Statement, entries: list[Entry]) -> tuple[bool | None, Finding | None]:
    return balances_add_up(statement, booked_of(statement, entries).total)


@pytest.mark.parametrize(
    ("balances", "entries", "adds_up"),
    [
        ([OPEN, CLOSE], [entry("10.00", "DBIT")], True),
        ([OPEN, CLOSE], [entry("30.00", "DBIT"), entry("20.00")], True),
        ([OPEN, CLOSE], [entry("10.01", "DBIT")], False),
        ([OPEN, CLOSE], [], False),
        ([OPEN, CLOSE], [entry("10.00", "DBIT"), entry("99.00", status="PDNG")], True),
        ([OPEN, CLOSE], [entry("10.00", "DBIT", status=None)], True),
        ([OPEN, CLOSE], [entry("10.00", "DBIT", reversal=True)], True),  # the sign is the direction's alone
        ([balance("OPBD", "5.00"), balance("CLBD", "5.00", "DBIT")], [entry("10.00", "DBIT")], True),
        ([balance("PRCD", "100.00"), CLOSE], [entry("10.00", "DBIT")], True),
        ([balance("ITBD", "100.00"), CLOSE], [entry("10.00", "DBIT")], None),
        ([OPEN], [entry("10.00", "DBIT")], None),
        ([OPEN, CLOSE], [entry(None, "DBIT")], None),
        ([OPEN, CLOSE], [entry("10.00", None)], None),
        ([OPEN, balance("CLBD", "90.00", None)], [entry("10.00", "DBIT")], None),
    ],
)
def test_balances(balances: list[Balance], entries: list[Entry], adds_up: bool | None) -> None:
    said, finding = reckoned(Statement(position=1, statement_id="S", balances=tuple(balances)), entries)
    assert said is adds_up
    assert (finding.code if finding else None) == ("STATEMENT_SUM" if adds_up is False else None)


def test_a_balance_of_many_digits_keeps_them_all_and_adds_up() -> None:
    many = "1" * 40 + ".01"
    assert str(balance("CLBD", many, "DBIT").signed) == f"-{many}"
    statement = Statement(
        position=1, statement_id="S", balances=(balance("OPBD", "0.01"), balance("CLBD", "1" * 40 + ".02"))
    )
    assert reckoned(statement, [entry(many)])[0] is True
    assert reckoned(statement, [entry("1" * 40 + ".02")])[0] is False


def test_a_page_that_is_not_the_last_is_not_added_up() -> None:
    page = Statement(position=1, statement_id="S", balances=(OPEN, CLOSE), last_page=False)
    assert reckoned(page, []) == (None, None)
