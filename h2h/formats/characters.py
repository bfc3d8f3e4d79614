"""Text in the character sets of the old forms. What they do not have is written with what comes nearest, else a dot."""

from __future__ import annotations

import functools
import re
import unicodedata

SWIFT = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/-?:().,'+ ")  # the X set
PRINTABLE = frozenset(map(chr, range(0x20, 0x7F)))
UNKNOWN = "."

_LATIN = {
    "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ẞ": "SS", "Æ": "AE", "æ": "ae",
    "Œ": "OE", "œ": "oe", "Ø": "O", "ø": "o", "Ł": "L", "ł": "l", "Đ": "D", "đ": "d", "Ð": "D", "ð": "d", "Þ": "Th",
    "þ": "th", "ı": "i", "Ħ": "H", "ħ": "h", "Ŧ": "T", "ŧ": "t", "Ŋ": "N", "ŋ": "n",
}  # fmt: skip
_SIGNS = {
    "€": "EUR", "£": "GBP", "¥": "JPY", "–": "-", "—": "-", "‐": "-", "‑": "-", "−": "-", "‘": "'", "’": "'",
    "‚": "'", "“": "'", "”": "'", "„": "'", "«": "'", "»": "'", "´": "'", "·": ".", "•": ".", "×": "x", "⁄": "/",
}  # fmt: skip
_OTHER_LETTERS = """
Α A Β V Γ G Δ D Ε E Ζ Z Η I Θ Th Ι I Κ K Λ L Μ M Ν N Ξ X Ο O Π P Ρ R Σ S Τ T Υ Y Φ F Χ Ch Ψ Ps Ω O
А A Б B В V Г G Д D Е E Ж Zh З Z И I Й Y К K Л L М M Н N О O П P Р R С S Т T У U Ф F Х H Ц Ts Ч Ch Ш Sh Щ Sht
Ъ A Ы Y Ь Y Э E Ю Yu Я Ya Є Ie І I Ї Yi Ґ G Ё E Ђ Dj Ј J Љ Lj Њ Nj Ћ C Џ Dz
"""
_LETTERS = dict(zip(_OTHER_LETTERS.split()[::2], _OTHER_LETTERS.split()[1::2], strict=True))
_NEAREST = {**_LATIN, **_SIGNS, **_LETTERS, **{c.lower(): near.lower() for c, near in _LETTERS.items()}, "ς": "s"}
# What ASCII has and the X set has not.
_ASCII = {
    "&": "+", "_": "-", "@": "(at)", ";": ",", '"': "'", "`": "'", "[": "(", "{": "(", "<": "(", "]": ")", "}": ")",
    ">": ")", "\\": "/",
}  # fmt: skip
_BLANKS = re.compile(r"\s+")


def swift(text: str) -> str:
    """In SWIFT's X set, on one line, without blanks at its ends or several of them together."""
    return _on_one_line("".join(map(_swift, unicodedata.normalize("NFC", text))))


def ascii_text(text: str) -> str:
    """In printable ASCII, with blanks as above."""
    return _on_one_line("".join(map(_ascii, unicodedata.normalize("NFC", text))))


def _on_one_line(text: str) -> str:
    return _BLANKS.sub(" ", text).strip(" ")


@functools.lru_cache(maxsize=4_096)
def _swift(char: str) -> str:
    return "".join(c if c in SWIFT else _ASCII.get(c, UNKNOWN) for c in _ascii(char))


@functools.lru_cache(maxsize=4_096)
def _ascii(char: str) -> str:
    if char in PRINTABLE:
        return char
    if char.isspace():
        return " "
    if char in _NEAREST:
        return _NEAREST[char]
    parts = (c for c in unicodedata.normalize("NFKD", char) if not unicodedata.combining(c))
    return "".join(c if c in PRINTABLE else _NEAREST.get(c, UNKNOWN) for c in parts) or UNKNOWN
