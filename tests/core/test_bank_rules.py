"""A bank's own rules as rows: each kind on good and bad values, against a second implementation that keeps all of a
file, and through the judge."""

from __future__ import annotations

import io
import random
import re
import string
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from xml.etree import ElementTree as Tree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from h2h.bank_rules import CHARSETS, Asking, BankRule, When, broken, fault, place_of
from h2h.confined import ConfinedReader
from h2h.confined.limits import Limits
from h2h.messages import Catalog
from h2h.messages.asking import _seen_good, asked
from h2h.model import Finding, Severity
from h2h.outbound.trial import tried
from h2h.resources import root
from h2h.rules import Terms
from tests.changing import replace

NS = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
GOOD = (root("samples") / "good" / "pain.001.001.09.xml").read_bytes()
CATALOG = Catalog.load(root("schemas"))
FILE = "/Document/CstmrCdtTrfInitn"


def payment(
    number: int, level: str = "SEPA", text: str = "invoice", amount: str = "10.00", currency: str = "EUR"
) -> str:
    remittance = f"<RmtInf><Ustrd>{text}</Ustrd></RmtInf>" if text else ""
    return (
        f"<CdtTrfTxInf><PmtId><EndToEndId>E{number}</EndToEndId></PmtId>"
        f"<PmtTpInf><SvcLvl><Cd>{level}</Cd></SvcLvl></PmtTpInf>"
        f'<Amt><InstdAmt Ccy="{currency}">{amount}</InstdAmt></Amt>{remittance}</CdtTrfTxInf>'
    )


def document(*batches: Iterable[str], level: str = "SEPA") -> bytes:
    groups = "\n".join(
        f"<PmtInf><PmtInfId>B{n}</PmtInfId><PmtTpInf><SvcLvl><Cd>{level}</Cd></SvcLvl></PmtTpInf>\n"
        + "\n".join(batch)
        + "\n</PmtInf>"
        for n, batch in enumerate(batches, 1)
    )
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    header = "<GrpHdr><MsgId>M-1</MsgId></GrpHdr>"
    return f'{head}<Document xmlns="{NS}"><CstmrCdtTrfInitn>{header}\n{groups}\n</CstmrCdtTrfInitn></Document>'.encode()


def found(content: bytes, *rules: BankRule, characters: str | None = None) -> list[Finding]:
    return list(asked(io.BytesIO(content), Asking(rules=rules, characters=characters)))


def places(content: bytes, *rules: BankRule) -> list[tuple[str, int | None]]:
    return [(finding.path.removeprefix(FILE), finding.line) for finding in found(content, *rules)]


USTRD = "CdtTrfTxInf/RmtInf/Ustrd"
AMOUNT = "CdtTrfTxInf/Amt/InstdAmt"
TWO = document([payment(1), payment(2, "URGP", "", "50000.01", "USD")], [payment(3, text="x" * 20)])


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (BankRule(at=USTRD, rule="required"), [("/PmtInf[1]/CdtTrfTxInf[2]", 5)]),
        (BankRule(at=USTRD, rule="forbidden"), [
            ("/PmtInf[1]/CdtTrfTxInf[1]/RmtInf/Ustrd", 4), ("/PmtInf[2]/CdtTrfTxInf[1]/RmtInf/Ustrd", 8),
        ]),
        (BankRule(at=USTRD, rule="max_length", most="19"), [("/PmtInf[2]/CdtTrfTxInf[1]/RmtInf/Ustrd", 8)]),
        (BankRule(at=USTRD, rule="pattern", values=("[a-w]+",)), [("/PmtInf[2]/CdtTrfTxInf[1]/RmtInf/Ustrd", 8)]),
        (BankRule(at=f"{AMOUNT}/@Ccy", rule="one_of", values=("EUR",)), [
            ("/PmtInf[1]/CdtTrfTxInf[2]/Amt/InstdAmt/@Ccy", 5),
        ]),
        (BankRule(at=AMOUNT, rule="max_amount", most="50000.00"), [("/PmtInf[1]/CdtTrfTxInf[2]/Amt/InstdAmt", 5)]),
        (BankRule(at="PmtInf/CdtTrfTxInf", rule="max_count", most="1"), [("/PmtInf[1]", 3)]),
        (BankRule(at="PmtInf", rule="max_count", most="1"), [("/Document", 2)]),
        (BankRule(at="CdtTrfTxInf/PmtId/EndToEndId", rule="charset", values=("digits",)), [
            ("/PmtInf[1]/CdtTrfTxInf[1]/PmtId/EndToEndId", 4),
            ("/PmtInf[1]/CdtTrfTxInf[2]/PmtId/EndToEndId", 5),
            ("/PmtInf[2]/CdtTrfTxInf[1]/PmtId/EndToEndId", 8),
        ]),
        (BankRule(at="PmtInf/PmtTpInf/CtgyPurp/Cd", rule="required"), [("/PmtInf[1]", 3), ("/PmtInf[2]", 7)]),
        (BankRule(at="UETR", rule="required"), [("/Document", 2)]),
    ],
    ids=lambda value: value.rule if isinstance(value, BankRule) else "",
)  # fmt: skip
def test_a_rule_names_each_place_that_breaks_it(rule: BankRule, expected: list[tuple[str, int]]) -> None:
    assert fault(rule) is None
    assert places(TWO, rule) == expected


@pytest.mark.parametrize(
    "rule",
    [
        BankRule(at="CdtTrfTxInf/PmtId/EndToEndId", rule="required"),
        BankRule(at="CdtTrfTxInf/Purp/Cd", rule="forbidden"),
        BankRule(at=USTRD, rule="max_length", most="20"),
        BankRule(at=USTRD, rule="pattern", values=("[a-z]+",)),
        BankRule(at=f"{AMOUNT}/@Ccy", rule="one_of", values=("EUR", "USD")),
        BankRule(at=AMOUNT, rule="max_amount", most="50000.01"),
        BankRule(at="PmtInf/CdtTrfTxInf", rule="max_count", most="2"),
        BankRule(at=AMOUNT, rule="charset", values=("sepa",)),
    ],
    ids=lambda rule: rule.rule,
)
def test_a_rule_that_is_kept_finds_nothing(rule: BankRule) -> None:
    assert found(TWO, rule) == []


def test_a_rule_with_a_condition_is_asked_of_those_alone_in_which_it_holds() -> None:
    urgent = When(at="CdtTrfTxInf/PmtTpInf/SvcLvl/Cd", values=("URGP", "SDVA"))
    assert places(TWO, BankRule(at=USTRD, rule="required", when=urgent)) == [("/PmtInf[1]/CdtTrfTxInf[2]", 5)]
    assert places(TWO, BankRule(at=AMOUNT, rule="max_amount", most="1", when=urgent)) == [
        ("/PmtInf[1]/CdtTrfTxInf[2]/Amt/InstdAmt", 5)
    ]
    batch = When(at="PmtInf/PmtTpInf/SvcLvl/Cd", values=("SEPA",))
    assert len(places(TWO, BankRule(at=AMOUNT, rule="max_amount", most="1", when=batch))) == 3
    assert (
        places(document([payment(1)], level="URGP"), BankRule(at=AMOUNT, rule="max_amount", most="1", when=batch)) == []
    )


def test_a_finding_has_the_banks_words_and_its_severity() -> None:
    rule = BankRule(at=AMOUNT, rule="max_amount", most="50000", text="Above 50,000 by portal.", severity=Severity.HOLD)
    [one] = found(TWO, rule)
    assert one == Finding(
        code="BANK_RULE", severity=Severity.HOLD, line=5, path=f"{FILE}/PmtInf[1]/CdtTrfTxInf[2]/Amt/InstdAmt",
        text="Above 50,000 by portal: CdtTrfTxInf/Amt/InstdAmt is '50000.01', which is more than 50000.",
    )  # fmt: skip


def test_of_many_breaches_of_one_rule_some_are_told_and_that_there_are_more() -> None:
    content = document([payment(n) for n in range(50)])
    told = found(content, BankRule(at=USTRD, rule="forbidden"), BankRule(at=AMOUNT, rule="max_amount", most="1"))
    assert [sum(f.text.startswith(word) for f in told) for word in ("The bank's rule on CdtTrfTxInf/Rmt", USTRD)] == [
        20,
        1,
    ]
    assert len(told) == 42
    when = When(at="CdtTrfTxInf/PmtId/EndToEndId", values=("E49",))
    assert len(found(content, BankRule(at=USTRD, rule="forbidden", when=when))) == 1


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (BankRule(at="CdtTrfTxInf//Ustrd", rule="required"), "is no place"),
        (BankRule(at="@Ccy", rule="required"), "is no place"),
        (BankRule(at="ustrd", rule="required"), "is no place"),
        (BankRule(at=USTRD, rule="pattern", values=("[a-",)), "is no pattern"),
        (BankRule(at=USTRD, rule="pattern", values=("a" * 301,)), "more than 300"),
        (BankRule(at=USTRD, rule="charset", values=("utf",)), "is no character set"),
        (BankRule(at=USTRD, rule="required", when=When(at="GrpHdr/MsgId", values=("x",))), "is not known where"),
    ],
)
def test_a_row_that_could_not_be_asked_is_a_mistake(rule: BankRule, says: str) -> None:
    assert says in (fault(rule) or "")


# Against another implementation, which keeps all.


def naive(content: bytes, rule: BankRule) -> int:
    """How many breaches there are, one rule at a time, on the whole tree."""
    tree = Tree.fromstring(content)
    parents = {child: parent for parent in tree.iter() for child in parent}
    place = place_of(rule.at)
    owners = [e for e in tree.iter() if name(e) == place.owner] if place.owner else [tree]
    count = 0
    for owner in owners:
        if rule.when and not any(
            set(values(around, place_of(rule.when.at).below, None)) & set(rule.when.values)
            for around in chain(owner, parents)
            if name(around) == place_of(rule.when.at).owner
        ):
            continue
        held = values(owner, place.below, place.attribute, anywhere=place.owner is None)
        if rule.rule == "required":
            count += not held
        elif rule.rule == "max_count":
            count += len(held) > int(rule.most or 0)
        else:
            count += sum(wrong(rule, value) for value in held)
    return count


def name(element: Tree.Element) -> str:
    return element.tag.rpartition("}")[2]


def chain(element: Tree.Element, parents: dict[Tree.Element, Tree.Element]) -> list[Tree.Element]:
    return [element, *(chain(parents[element], parents) if element in parents else [])]


def values(owner: Tree.Element, below: tuple[str, ...], attribute: str | None, anywhere: bool = False) -> list[str]:
    found = [owner]
    for step in below:
        found = [e for each in found for e in (each.iter() if anywhere else each) if name(e) == step]
    got = [e.get(attribute, "") if attribute else (e.text or "").strip() or ("x" if len(e) else "") for e in found]
    return [value for value in got if value]


def wrong(rule: BankRule, value: str) -> bool:
    match rule.rule:
        case "forbidden":
            return True
        case "max_length":
            return len(value) > int(rule.most or 0)
        case "pattern":
            return re.fullmatch(rule.values[0], value) is None
        case "one_of":
            return value not in rule.values
        case "max_amount":
            return Decimal(value) > Decimal(rule.most or 0)
    return any(re.match(f"[^{CHARSETS[rule.values[0]]}]", c) for c in value)


def some_rule(chance: random.Random) -> BankRule:
    conditions = ["CdtTrfTxInf/PmtTpInf/SvcLvl/Cd", "PmtInf/PmtTpInf/SvcLvl/Cd", "CdtTrfTxInf/Amt/InstdAmt"]
    condition = When(at=chance.choice(conditions), values=(chance.choice(["SEPA", "URGP", "10.00"]),))
    at = chance.choice([USTRD, "CdtTrfTxInf/PmtId/EndToEndId", "CdtTrfTxInf/PmtTpInf/SvcLvl/Cd"])
    when = condition if chance.random() < 0.4 else None
    match chance.choice(
        ["required", "forbidden", "max_length", "pattern", "one_of", "max_amount", "max_count", "charset"]
    ):
        case "max_amount":
            return BankRule(at=AMOUNT, rule="max_amount", most=chance.choice(["5", "10.00", "99"]), when=when)
        case "max_count":
            single = chance.choice(["PmtInf/CdtTrfTxInf", "Ustrd", "CdtTrfTxInf/RmtInf/Ustrd"])
            keeps = when if single.startswith("Cdt") else None
            return BankRule(at=single, rule="max_count", most=str(chance.randint(0, 3)), when=keeps)
        case "max_length":
            return BankRule(at=at, rule="max_length", most=str(chance.randint(0, 5)), when=when)
        case "pattern":
            return BankRule(at=at, rule="pattern", values=(chance.choice(["[A-Z]+", "E[0-4]", ".*"]),), when=when)
        case "one_of":
            return BankRule(at=at, rule="one_of", values=("SEPA", "E1", "a"), when=when)
        case "charset":
            return BankRule(at=at, rule="charset", values=(chance.choice(["digits", "sepa"]),), when=when)
        case other:
            return BankRule(at=at, rule=other, when=when)


@pytest.mark.parametrize("seed", range(60))
def test_whatever_is_stated_the_same_is_found_as_on_the_whole_tree(seed: int) -> None:
    chance = random.Random(seed)
    batches = [
        [
            payment(
                chance.randint(0, 6),
                chance.choice(["SEPA", "URGP"]),
                chance.choice(["", "a", "a&amp;b", "  ", "long enough"]),
                chance.choice(["1.00", "10.00", "100.00"]),
            )
            for _ in range(chance.randint(1, 4))
        ]
        for _ in range(chance.randint(1, 3))
    ]
    content = document(*batches, level=chance.choice(["SEPA", "URGP"]))
    rules = [some_rule(chance) for _ in range(4)]
    assert [fault(rule) for rule in rules] == [None] * 4
    assert [len(found(content, rule)) for rule in rules] == [naive(content, rule) for rule in rules]
    assert len(found(content, *rules)) == sum(naive(content, rule) for rule in rules)


# Characters.


@pytest.mark.parametrize(
    ("text", "charset", "takes"),
    [
        ("Invoice 4711/2026 (part), 'A'+B?:.", "sepa", True),
        ("Müller", "sepa", False),
        ("a &amp; b", "sepa", False),
        ("a_b", "sepa", False),
        ("a=b", "sepa", False),
        ("a\nb", "sepa", False),
        ("a\nb", "ascii", False),
        ("\n  a  \n", "sepa", True),
        ("a // b", "sepa", True),
        ("Müller &amp; Söhne", "latin1", True),
        ("Łódź", "latin1", False),
        ("&#x141;", "latin1", False),
        ("&#x41;", "ascii", True),
        ("Müller", "ascii", False),
        ("a &lt; b > c", "ascii", True),
        ("\u0085", "latin1", False),
    ],
)
def test_values_are_of_the_character_set(text: str, charset: str, takes: bool) -> None:
    told = found(document([payment(1, text=text)]), characters=charset)
    assert [finding.code for finding in told] == [] if takes else ["CHARACTER_NOT_TAKEN"]
    assert all(finding.path == f"{FILE}/PmtInf[1]/CdtTrfTxInf[1]/RmtInf/Ustrd" for finding in told)


@pytest.mark.parametrize(("identification", "good"), [("A/1", True), ("/A", False), ("A/", False), ("A//B", False)])
def test_ids_of_sepa_have_slashes_inside_and_one_at_a_time(identification: str, good: bool) -> None:
    content = document([payment(1)]).replace(b"M-1", identification.encode())
    assert bool(found(content, characters="sepa")) is not good
    assert found(content, characters="ascii") == []


@settings(max_examples=150, deadline=None)
@given(
    text=st.text(alphabet=st.sampled_from(string.printable + "äßŁ€\x85\u00a0"), max_size=12),
    charset=st.sampled_from(["sepa", "ascii", "latin1"]),
    cut=st.integers(1, 700),
)
def test_a_glance_never_takes_what_a_look_at_each_value_refuses(text: str, charset: str, cut: int) -> None:
    text = "".join(c for c in text if c.isprintable() or c in "\t\n\x85")
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    content = document([payment(1, text=escaped)]).replace(b"M-1", b"M/1")
    refused = broken(BankRule(at="Ustrd", rule="charset", values=(charset,)), text.strip(" \t\r\n")) is not None

    class Piecewise(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(cut, size) if size and size > 0 else cut)

    taken = _seen_good(Piecewise(content), charset)
    assert not (taken and refused)
    assert bool(found(content, characters=charset)) is refused


# Through the judge.


def judged(terms: Terms, content: bytes = GOOD) -> list[tuple[str, str]]:
    reader = ConfinedReader(CATALOG)
    try:
        judgement = tried(lambda: io.BytesIO(content), "x", reader, terms)
    finally:
        reader.close()
    return [(finding.code, finding.path) for finding in judgement.findings if finding.severity is not Severity.WARNING]


def test_the_judge_asks_the_rules_and_limits_of_a_folder_in_the_confined_reader() -> None:
    today = datetime(2026, 11, 17, tzinfo=UTC).date()
    usual = Terms(today=today, addresses=None)
    assert judged(usual) == []
    rules = (BankRule(at="CdtTrfTxInf/PmtId/EndToEndId", rule="forbidden"),)
    bound = replace(usual, max_payments=3, max_batches=2, asking=Asking(rules=rules, characters="sepa"))
    codes = [code for code, _ in judged(bound)]
    assert {"TOO_MANY_PAYMENTS", "TOO_MANY_BATCHES", "BANK_RULE"} == set(codes)
    asking = Asking(rules=(BankRule(at="GrpHdr/MsgId", rule="required"),))
    none = replace(usual, max_payments=8, max_batches=3, asking=asking)
    assert judged(none) == []


def test_a_pattern_that_never_ends_ends_with_the_reader_process_and_refuses_the_file() -> None:
    rule = BankRule(at="CdtTrfTxInf/RmtInf/Ustrd", rule="pattern", values=("(a+)+b",))
    reader = ConfinedReader(CATALOG, replace(Limits(), cpu_seconds=1))
    content = re.sub(rb"<Ustrd>[^<]*", b"<Ustrd>" + b"a" * 60, GOOD, count=1)
    try:
        terms = Terms(addresses=None, asking=Asking(rules=(rule,)))
        judgement = tried(lambda: io.BytesIO(content), "x", reader, terms)
    finally:
        reader.close()
    assert not judgement.good
    assert judgement.findings[-1].code == "READER_LIMIT"
