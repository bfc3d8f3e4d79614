"""What begins and ends in a file is told alike by libxml2 and by the growing tree, wherever the file is cut."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, count

import pytest
from lxml import etree

from h2h.messages import xml
from h2h.messages.growing import WHOLE, Growing, inside
from h2h.messages.xml import Bounded, Event, Stream, TooMuch, check_well_formed

NAMES = ("Document", "Message", "Group", "Item", "Odd")
ITEMS = ("Item",)
PLAIN = (
    "<Document><Message><Head><Id>1</Id></Head><Group><Name>a</Name><Item><Id>1</Id><Ref/></Item><Item>2</Item><Item/>"
    "</Group><Group><Item>3</Item><Tail/></Group></Message></Document>"
)
ODD = (
    "<Env><Odd/><Head><Odd><Item>x</Item></Odd><Deep><Deeper><Odd>y</Odd></Deeper></Deep></Head><Document><Message>"
    "<Group><Item>1<Odd><Document><Item/></Document></Odd><Item>2<Odd/></Item></Item>text<!--c--><?p i?><Item/>"
    "<!--c--></Group><Odd/><Item><Odd/></Item><Group/></Message></Document><Document/></Env>"
)
FORMS = {
    "compact": PLAIN,
    "indented": re.sub("<(?=[A-Z])", "\n  <", PLAIN),
    "declared": f'<?xml version="1.0" encoding="UTF-8" ?>\n{PLAIN}\n',
    "marked": f"\ufeff<?xml version='1.0'?>{PLAIN}",
    "with comments around": f"<!-- a > b --><?p i?>{PLAIN}<!---->\n<?p i?>",
    "prefixed": re.sub("(</?)", r"\1p:", PLAIN).replace("<p:Document>", "<p:Document xmlns:p='u'>"),
    "odd": ODD,
    "odd and indented": re.sub("><", ">\n<", ODD),
    "an item alone": "<Item><Odd/><Item/></Item>",
    "closed in another order": PLAIN.replace("</Group></Message>", "</Message></Group>"),
    "with an entity that nobody knows": ODD.replace("text", "&text;"),
    "with more behind it": PLAIN + PLAIN,
}


def numbered(text: str) -> str:
    numbers = count()
    return re.sub("<[A-Za-z:]+", lambda begin: f'{begin[0]} n="{next(numbers)}"', text)


def by_libxml2(content: bytes, encoding: str) -> Iterator[Event]:
    with suppress(etree.LxmlError):
        yield from Stream(Bounded(io.BytesIO(content)), encoding, tags=NAMES)


def by_the_tree(content: bytes, encoding: str, lot: int) -> Iterator[Event]:
    growing = Growing(Bounded(io.BytesIO(content)), encoding, names=NAMES, items=ITEMS)
    try:
        for events in growing.lots(lot):
            yield from events
    except etree.LxmlError:
        _, still_open = check_well_formed(io.BytesIO(content), encoding, NAMES, ())
        yield from growing.rest(still_open)


def expanded(events: Iterable[Event]) -> Iterator[Event]:
    for event, element in events:
        if event != WHOLE:
            yield event, element
        else:
            yield "start", element
            yield from inside(element, NAMES)
            yield "end", element


def said(events: Iterable[Event]) -> list[tuple[str, str | None]]:
    return [(event, element.get("n")) for event, element in events]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("piece", [1, 7, 100, 10_000])
def test_the_tree_says_what_libxml2_says(form: str, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of a file that ends anywhere behind the tag with which it begins."""
    monkeypatch.setattr(xml, "PIECE_BYTES", piece)
    content = numbered(FORMS[form]).encode()
    told = 0
    for end in range(content.index(b">") + 1 if piece > 7 else len(content), len(content) + 1):
        expected = said(by_libxml2(content[:end], "utf-8"))
        told += len(expected)
        for lot in (1, 50):
            assert said(expanded(by_the_tree(content[:end], "utf-8", lot))) == expected
    assert told > 5


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(
    ("written", "encoding"), [("utf-16-le", "utf-16"), ("utf-8", "utf-8"), ("iso-8859-1", "iso-8859-1")]
)
@pytest.mark.parametrize("form", ["declared", "odd"])
def test_the_tree_says_it_in_any_encoding(written: str, encoding: str, form: str, mark: str) -> None:
    text = mark + numbered(FORMS[form].replace("UTF-8", encoding))
    content = text.encode(written, errors="ignore")
    expected = said(by_libxml2(content, encoding))
    assert len(expected) > 10
    assert said(expanded(by_the_tree(content, encoding, 1))) == expected


def test_items_are_told_as_they_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """All but the last one, behind which nothing has come yet."""
    monkeypatch.setattr(xml, "PIECE_BYTES", 10)
    source = io.BytesIO(f"<Document><Message>{'<Item/>' * 100}</Message></Document>".encode())
    told = 0
    for events in Growing(Bounded(source), "utf-8", names=NAMES, items=ITEMS).lots(1):
        told += sum(event == WHOLE for event, _ in events)
        assert told >= min(source.tell() - 30, 700) // 7 - 1
    assert told == 100


def test_what_is_certain_ahead_of_a_limit_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml, "PIECE_BYTES", 10)
    monkeypatch.setattr(xml, "MAX_RUN_BYTES", 100)
    content = numbered(f"<Document><Group><Odd/><Item><Id>1</Id></Item><Item><Odd/><Odd>{'x' * 200}").encode()
    growing = Growing(Bounded(io.BytesIO(content)), "utf-8", names=NAMES, items=ITEMS)
    told: list[Event] = []
    with pytest.raises(TooMuch):
        told.extend(chain.from_iterable(growing.lots(1)))
    assert said(told) == [
        *(("start", "0"), ("start", "1"), ("start", "2"), ("end", "2"), (WHOLE, "3")),
        *(("start", "5"), ("start", "6"), ("end", "6"), ("start", "7")),
    ]


def test_lines_are_those_of_the_file() -> None:
    content = b"<?xml version='1.0'?>\n<Document>\n<Item/>\n<Item/></Document>"
    assert [element.sourceline for _, element in expanded(by_the_tree(content, "utf-8", 1))] == [2, 3, 3, 4, 4, 2]
