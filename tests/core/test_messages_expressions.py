"""Expressions asked by PCRE2 and by `re`: both tell the same, and what one cannot take the other does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pcre2
import pytest

from benchmarks.payments import write
from h2h.messages.expressions import Piece, Refused, Told, Turn, by_pcre2, by_re
from h2h.messages.skeleton import Token

VALUE = Token("([^<>]{1,3}+)", "([^<]{1,3}+)", is_value=True)
A, NO_MORE, B, END = (Token(text, text, is_value=False) for text in ("<a>", "</a>", "<b>", "</b></a>"))
# <a>1</a>, <a>1<b>2</b></a> and <a>1<b></b></a>
RECORDS = [A, VALUE, Turn.BEGINS, NO_MORE, 0, Turn.NEXT, B, Turn.BEGINS, VALUE, END, 1, Turn.NEXT, END, 2, Turn.ENDS]
RECORDS.append(Turn.ENDS)
READ = """
import ctypes, sys
from pathlib import Path
import pcre2
from h2h.messages import Catalog, reading
from h2h.messages.patterns import Stretch
REFUSE_NEW_CODE = 65, 1, 0, 0, 0  # PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN
if sys.argv[2] == "refuse":
    assert ctypes.CDLL(None).prctl(*REFUSE_NEW_CODE) == 0, "this system cannot"
    try:
        pcre2.compile(b"a", jit=True)
    except pcre2.LibraryError:
        print("refused", file=sys.stderr)
together = []
records = Stretch.records
Stretch.records = lambda self, *of: together.append(len(self)) or records(self, *of)
with open(sys.argv[1], "rb") as source:
    print(*reading.read(source, Catalog.load(Path("schemas")), strict=True), sep="\\n")
assert sum(together) > 900
"""


@pytest.mark.parametrize("ask", [by_pcre2, partial(by_re, sure=False), partial(by_re, sure=True)])
def test_of_each_record_its_values_are_told_and_what_it_is(ask: Callable[[Sequence[Piece], int], Told]) -> None:
    told = ask(RECORDS, 2)
    assert told(b"<a>1</a>\n <a>xyz<b>\xc3\xa4</b></a><a>2<b></b></a>") == (b"1<<,0<xyz<\xc3\xa4<\n ,1<2<<,2<", 3)
    assert told(b"<a>1</a><a>1</b><a>3</a>") == (b"1<<,0<<<,<<a>1</b><a>3</a>", 2)
    assert told(b"\n<x><") == (b"<<,<\n<x><", 1)
    assert told(b"") == (b"", 0)


def test_only_what_is_quick_takes_any_text() -> None:
    asked = by_pcre2(RECORDS, 2), by_re(RECORDS, 2, sure=False), by_re(RECORDS, 2, sure=True)
    quick = (b">>><<,0<", 1)
    assert [told(b"<a>>>></a>") for told in asked] == [quick, quick, (b"<<,<<a>>>></a>", 1)]


def test_pcre2_refuses_what_is_too_large_and_re_does_not() -> None:
    pieces: list[Piece] = [A, VALUE, Turn.BEGINS]
    for number in range(5_000):
        text = f"<b>{number:04}</b></a>"
        pieces += [Token(text, text, is_value=False), number, Turn.NEXT]
    all_, some = [*pieces[:-1], Turn.ENDS], [*pieces[:2_999], Turn.ENDS]
    with pytest.raises(Refused) as refused:
        by_pcre2(all_, 1)
    assert refused.value.size > 64_000
    assert by_re(all_, 1, sure=False)(b"<a>1<b>4998</b></a>") == (b"1<,4998<", 1)
    assert by_pcre2(some, 1)(b"<a>1<b>0998</b></a>") == (b"1<,998<", 1)


def test_pcre2_refuses_numbers_above_its_own() -> None:
    """As a bank's own schema may have them."""
    for most, takes in ((65_535, True), (65_536, False)):
        value = Token(f"([^<]{{1,{most}}}+)", f"([^<]{{1,{most}}}+)", is_value=True)
        pieces = [A, value, NO_MORE, Turn.BEGINS, 0, Turn.ENDS]
        assert by_re(pieces, 1, sure=False)(b"<a>1</a>") == (b"1<,0<", 1)
        with nullcontext() if takes else pytest.raises(Refused):
            assert by_pcre2(pieces, 1)(b"<a>1</a>") == (b"1<,0<", 1)


def test_what_takes_more_than_the_stack_of_machine_code_is_asked_of_re() -> None:
    value = Token("((?:a|b(?=[ab<]))*)", "((?:a|b(?=[ab<]))*)", is_value=True)
    pieces, text = [A, value, NO_MORE, Turn.BEGINS, 0, Turn.ENDS], b"ab" * 50_000
    with pytest.raises(pcre2.LibraryError, match="stack"):
        pcre2.compile(value.quick.encode(), jit=True).subn(b"", text)
    assert by_pcre2(pieces, 1)(b"<a>%b</a>" % text) == (text + b"<,0<", 1)


def test_where_no_process_may_make_code_files_are_read_alike(tmp_path: Path) -> None:
    """As with MemoryDenyWriteExecute= of systemd."""
    write(file := tmp_path / "payments.xml", 1_000)
    asked = {
        how: subprocess.run([sys.executable, "-c", READ, str(file), how], capture_output=True, text=True, check=True)
        for how in ("allow", "refuse")
    }
    assert asked["refuse"].stderr == "refused\n"
    assert asked["refuse"].stdout == asked["allow"].stdout
    assert asked["allow"].stdout.count("\n") > 1_000
