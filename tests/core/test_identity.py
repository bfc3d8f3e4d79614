"""What makes files and payments the same: any way to write a file down keeps its content, any value changes it."""

from __future__ import annotations

import json
import re
import unicodedata
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from h2h.columns import Columns
from h2h.identity import (
    CONTENT,
    NOT_CONTENT,
    Traits,
    account_key,
    amount_key,
    content_hash,
    content_of,
    content_of_one,
    debtor_keys,
    trace,
)
from h2h.messages import Catalog, read
from h2h.model import Batch, Judgement, Payment, PaymentFile
from h2h.outbound.judge import judge
from h2h.resources import root
from tests.changing import replace

CATALOG = Catalog.load(root("schemas"))
NAMES = ["pain.001.001.03", "pain.001.001.09"]


def sample(name: str) -> bytes:
    return (root("samples") / "good" / f"{name}.xml").read_bytes()


def judged(content: bytes) -> Judgement:
    found = judge(read(BytesIO(content), CATALOG, strict=True))
    assert found.good, found.findings
    return found


ORIGINAL = {name: judged(sample(name)) for name in NAMES}


def other_prefix(content: bytes) -> bytes:
    text = re.sub(r"<(/?)(\w)", r"<\1iso:\2", content.decode())
    return text.replace("xmlns=", "xmlns:iso=").replace("<?iso:xml", "<?xml").encode()


def without_blanks(content: bytes) -> bytes:
    return etree.tostring(etree.fromstring(content, etree.XMLParser(remove_blank_text=True)))


def commented(content: bytes) -> bytes:
    return content.replace(b"<PmtInf>", b"<!-- a batch --><PmtInf>\n\n").replace(
        b"</CdtTrfTxInf>", b"</CdtTrfTxInf>\r\n"
    )


def in_references(content: bytes) -> bytes:
    text = re.sub(r"<EndToEndId>(\w)", lambda m: f"<EndToEndId>&#{ord(m[1])};", content.decode())
    return text.encode("ascii", "xmlcharrefreplace")


def broken_over_lines(content: bytes) -> bytes:
    return re.sub(rb"<(Nm|Ustrd)>([^< ]+) ", rb"<\1>\2\n    ", content)


def with_a_mark(content: bytes) -> bytes:
    return b"\xef\xbb\xbf" + content


def escaped(content: bytes) -> bytes:
    return content.replace(b"<MsgId>", b"<MsgId>&#32;").replace(b"</Nm>", b"&#x20;</Nm>")


def exported_anew(content: bytes) -> bytes:
    text = re.sub(rb"<CreDtTm>[^<]*", b"<CreDtTm>2031-01-01T00:00:00Z", content)
    text = re.sub(rb"\s*<CtrlSum>[^<]*</CtrlSum>", b"", text)
    return re.sub(rb'(<InstdAmt Ccy="[A-Z]{3}">)(\d+)\.(\d)0<', rb"\1\2.\3<", text)


REFORMATTINGS = [
    exported_anew, escaped, broken_over_lines, in_references, commented, other_prefix, without_blanks,
    with_a_mark,
]  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(name=st.sampled_from(NAMES), ways=st.sets(st.sampled_from(REFORMATTINGS), max_size=4))
def test_a_file_that_was_only_written_down_in_another_way_has_the_same_content(name: str, ways: set[Any]) -> None:
    content = sample(name)
    for way in sorted(ways, key=REFORMATTINGS.index):
        content = way(content)
    assert content_hash(judged(content)) == content_hash(ORIGINAL[name])


@pytest.mark.parametrize("way", REFORMATTINGS)
@pytest.mark.parametrize("name", NAMES)
def test_each_way_of_writing_a_file_down_changes_its_bytes_alone(name: str, way: Any) -> None:
    content = way(sample(name))
    assert content != sample(name)
    assert content_hash(judged(content)) == content_hash(ORIGINAL[name])


def other(value: Any, data: st.DataObject) -> Any:
    match value:
        case bool():
            return not value
        case Decimal():
            return value + data.draw(st.integers(1, 10**9)) / Decimal(100)
        case str():
            return value + data.draw(st.text("ABC019.-é", min_size=1, max_size=5))
        case None:
            return data.draw(st.sampled_from(["X", "0"]))
        case tuple():
            return (*value, "X")
    raise AssertionError(value)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_file_in_which_any_value_was_changed_has_another_content(data: st.DataObject) -> None:
    original = ORIGINAL[data.draw(st.sampled_from(NAMES))]
    assert original.header is not None
    records = [original.header, *original.batches, *original.payments]
    place = data.draw(st.integers(0, len(records) - 1))
    name = data.draw(st.sampled_from(CONTENT[type(records[place])]))
    value = getattr(records[place], name)
    changed = value + 1 if name == "batch" else other(value, data)
    records[place] = replace(records[place], **{name: changed})
    assert content_hash(from_records(records)) != content_hash(original)


def test_a_letter_with_its_accent_apart_is_the_same_letter() -> None:
    """As some systems write it: one sign or two."""
    batches = [
        Batch(position=1, payment_information_id=None, debtor_name=name) for name in ("M\u00fcller", "Mu\u0308ller")
    ]
    one, two = (Judgement(header=None, batches=[b], payments=[], findings=[]) for b in batches)
    assert content_hash(one) == content_hash(two)


def test_a_payment_more_or_less_or_in_another_place_is_another_content() -> None:
    original = ORIGINAL["pain.001.001.09"]
    hashes = {
        content_hash(replace(original, payments=payments))
        for payments in (
            original.payments,
            original.payments[:-1],
            [*original.payments, original.payments[-1]],
            list(reversed(original.payments)),
        )
    }
    assert len(hashes) == 4


def from_records(records: list[Any]) -> Judgement:
    [header] = [r for r in records if isinstance(r, PaymentFile)]
    batches = [r for r in records if isinstance(r, Batch)]
    payments = [r for r in records if isinstance(r, Payment)]
    return Judgement(header=header, batches=batches, payments=payments, findings=[])


def test_every_value_that_is_read_is_content_or_left_out_for_a_reason() -> None:
    for kind, left_out in NOT_CONTENT.items():
        assert left_out <= set(kind.__struct_fields__)
        assert set(CONTENT[kind]) == set(kind.__struct_fields__) - left_out
    assert set(CONTENT[PaymentFile]) == {"message_id", "initiating_party"}


def test_an_account_is_one_account_however_it_is_written() -> None:
    assert account_key(" de89 3704 0044 0532 0130 00 ") == account_key("DE89370400440532013000")
    batches = [Batch(position=n, payment_information_id=None, debtor_account=a) for n, a in enumerate(["4 7", "47"])]
    assert debtor_keys(batches) == {"47"}


def seen(**changed: Any) -> Any:
    values: dict[str, Any] = {
        "position": 1, "debtor_account": "DE02120300000000202051", "creditor_account": "FR1420041010050500013M02606",
        "creditor_name": "Ravel", "amount": Decimal("10.50"), "currency": "EUR", "end_to_end_id": "A",
        "remittance": "Rechnung 7",
    }  # fmt: skip
    return trace(**values | changed)


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": Decimal("10.5")},
        {"debtor_account": "de02 1203 0000 0000 2020 51"},
        {"creditor_name": "Another Name"},
        {"end_to_end_id": "B"},
        {"remittance": "other"},
    ],
)
def test_a_fingerprint_is_of_debtor_creditor_amount_and_currency_however_they_are_written(
    changed: dict[str, Any],
) -> None:
    assert seen(**changed).traits == seen().traits
    assert seen(**changed).traits.fingerprint() == seen().traits.fingerprint()


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": Decimal("10.51")},
        {"amount": Decimal("100.50")},
        {"currency": "USD"},
        {"debtor_account": "DE89370400440532013000"},
        {"creditor_account": "DE89370400440532013000"},
        {"creditor_account": None},
    ],
)
def test_another_debtor_creditor_amount_or_currency_is_another_fingerprint(changed: dict[str, Any]) -> None:
    assert seen(**changed).traits.fingerprint() != seen().traits.fingerprint()


def test_without_an_account_the_name_is_the_creditor_and_without_both_nothing_is_said() -> None:
    assert seen(creditor_account=None).traits == seen(creditor_account=None, creditor_name=" RAVEL ").traits
    for missing in ("debtor_account", "amount", "currency"):
        assert seen(**{missing: None}) is None
    assert seen(creditor_account=None, creditor_name=None) is None


def test_an_account_and_a_name_of_the_same_letters_are_two_creditors() -> None:
    assert seen(creditor_account="47").traits != seen(creditor_account=None, creditor_name="47").traits


@pytest.mark.parametrize("reference", [None, "", "NOTPROVIDED", "NotProvided", "NONREF"])
def test_a_reference_that_was_not_provided_is_none(reference: str | None) -> None:
    assert seen(end_to_end_id=reference).reference is None


@given(st.text(max_size=10), st.text(max_size=10), st.text(max_size=10))
def test_a_fingerprint_is_a_64_bit_number_with_sign(debtor: str, creditor: str, currency: str) -> None:
    number = Traits(debtor, creditor, "1", currency).fingerprint()
    assert -(2**63) <= number < 2**63


# By many at once, as by one.

WORDS = st.one_of(
    st.none(),
    st.text(st.sampled_from("aZ 09\"\\/<&'"), max_size=6),
    st.text(st.sampled_from("aé e\u0301\u00a0\u2003\t\n\x7f\u2028 ß"), max_size=6),
)
AMOUNTS = st.one_of(st.none(), st.decimals(0, 10**6, places=2), st.sampled_from([Decimal("1E+3"), Decimal("10.500")]))


def written(record: Payment | Batch | PaymentFile) -> str:
    """What is hashed of a record, value by value."""
    values = {name: getattr(record, name) for name in CONTENT[type(record)]}
    said = {name: value for name, value in values.items() if value is not None}
    for name, value in said.items():
        if isinstance(value, str):
            said[name] = " ".join(unicodedata.normalize("NFC", value).split())
        elif isinstance(value, Decimal):
            said[name] = amount_key(value)
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")) + "\n"


@pytest.mark.parametrize(
    "word", ["a  b", " a", "a ", "a\tb", "a\u00a0b", "e\u0301", 'a" b', "a\\ b", "", "a b", "\u212b"]
)
def test_one_word_alone_is_hashed_in_its_plain_form(word: str) -> None:
    """Each where nothing else asks for a closer look."""
    payment = Payment(
        position=1, batch=1, payment_information_id="P", instruction_id=None, end_to_end_id="E", uetr=None,
        amount=Decimal("1.50"), currency="EUR", remittance=word,
    )  # fmt: skip
    assert content_of(Columns.of([payment])).decode() == written(payment)


@given(st.lists(st.tuples(WORDS, WORDS, AMOUNTS, st.booleans()), max_size=5))
@settings(max_examples=300)
def test_what_is_hashed_is_every_value_in_its_plain_form(said: list[tuple[Any, ...]]) -> None:
    payments = [
        Payment(
            position=n, batch=1, payment_information_id="P", instruction_id=one, end_to_end_id=two, uetr=None,
            amount=amount, currency="EUR", equivalent=equivalent, creditor_name=one, remittance=two,
        )
        for n, (one, two, amount, equivalent) in enumerate(said, start=1)
    ]  # fmt: skip
    batch = Batch(position=1, payment_information_id=" P  1", batch_booking=False, control_sum=Decimal("1.0"))
    for records in (payments, [batch], [PaymentFile(message="pain.001.001.09", message_id="M\u00a0")]):
        if records:
            assert content_of(Columns.of(records)).decode() == "".join(map(written, records))
        assert [content_of_one(record).decode() for record in records] == [*map(written, records)]
