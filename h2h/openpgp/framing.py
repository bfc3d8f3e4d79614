"""The outside of a file: one OpenPGP message from its first byte to its last, and nothing around it.

GnuPG skips text around an armoured message and says nothing of it in its status lines; it opens what is encrypted with
a password besides our key, and takes texts with a signature below. So a file is looked at on its way to it: armour is
taken off here, by the book, and the outermost packets are counted. GnuPG is given packets alone. What is inside of them
is GnuPG's to judge. Everything streams; the source may be of any size.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from typing import BinaryIO

from h2h.openpgp.judgement import unopened

BLOCK = 1 << 20  # bytes asked of the source at a time
MOST_LINE = 1024  # bytes of a line around the text of an armour
MOST_HEADERS = 32  # lines between its first and its text
MOST_PACKETS = 256  # outermost; one for every key that it is encrypted to
WHITE = b" \t\r\n"
BEGINS = re.compile(rb"-----BEGIN PGP ([A-Z ]+)-----[ \t]*\r?\n")
OTHERS = {
    b"PUBLIC KEY BLOCK": "PGP_KEYS",
    b"PRIVATE KEY BLOCK": "PGP_KEYS",
    b"SIGNED MESSAGE": "PGP_CLEARTEXT",
    b"SIGNATURE": "PGP_DETACHED",
}

# Packets by their numbers (RFC 9580, 5)
TO_A_KEY, SIGNATURE, TO_A_PASSWORD, UNPROTECTED, PROTECTED, AEAD = 1, 2, 3, 9, 18, 20
OF_MESSAGES = frozenset({1, 2, 3, 4, 8, 9, 10, 11, 18, 20})  # 4 announces a signature, 10 marks, 11 is content
OF_KEYS = frozenset({5, 6, 7, 13, 14, 17})
ENCRYPTED = re.compile(r"(10 )*(1 )+(18|20) ")
SIGNED = re.compile(r"(10 )*(2 |4 )")
ANNOUNCED_CONTENT = re.compile(r"(10 )*(4 )+11 ")
NOT_ENCRYPTED = re.compile(r"(10 )*(8 |(4 )*11 (2 )*|(2 )+11 )")


class Framed:
    """Reads as the packets of the one message in a source. `read` raises Unopened where that is not all there is."""

    def __init__(self, source: BinaryIO) -> None:
        self._pieces = _followed(_packets(source))

    def read(self, _: int = -1) -> bytes:
        """The next piece, of whatever size; b"" at the end."""
        return next(self._pieces, b"")

    def drain(self) -> None:
        """Look at what nobody has read."""
        for _ in self._pieces:
            pass


def _followed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    outline = Outline()
    for piece in pieces:
        outline.follow(piece)
        if piece:
            yield piece
    outline.end()


def _packets(source: BinaryIO) -> Iterator[bytes]:
    """Binary as it is, armour taken off."""
    first = source.read(BLOCK)
    if not first:
        raise unopened("PGP_NOT_PGP", "it is empty")
    if first[0] & 0x80:
        yield first
        while piece := source.read(BLOCK):
            yield piece
    else:
        yield from _unarmoured(_Text(source, first))


# Armour


class _Text:
    """A source of text with some of it in hand."""

    def __init__(self, source: BinaryIO, first: bytes) -> None:
        self._source, self.held = source, first

    def more(self) -> bool:
        piece = self._source.read(BLOCK)
        self.held += piece
        return bool(piece)

    def skip_white(self) -> None:
        self.held = self.held.lstrip(WHITE)
        while not self.held and self.more():
            self.held = self.held.lstrip(WHITE)

    def has_line(self) -> None:
        """See that the next one is in hand, if it has an end."""
        while b"\n" not in self.held and len(self.held) <= MOST_LINE and self.more():
            pass

    def line(self) -> bytes:
        """The next one, without its end; PGP_DAMAGED where there is none."""
        self.has_line()
        line, end, rest = self.held.partition(b"\n")
        if not end or len(line) > MOST_LINE:
            raise unopened("PGP_DAMAGED", "its armour has no end")
        self.held = rest
        return line.rstrip(WHITE)


def _unarmoured(text: _Text) -> Iterator[bytes]:
    _begin(text)
    yield from _decoded(text)
    line = text.line() if text.held.startswith(b"=") else b""
    if line and not re.fullmatch(rb"=[A-Za-z0-9+/]{4}", line):
        raise unopened("PGP_DAMAGED", "its armour has no end")
    _end(text)


def _begin(text: _Text) -> None:
    text.skip_white()
    text.has_line()
    begins = BEGINS.match(text.held)
    if begins is None:
        raise unopened("PGP_NOT_PGP", "its first line is not that of an OpenPGP message")
    if begins[1] != b"MESSAGE":
        raise unopened(OTHERS.get(begins[1], "PGP_NOT_PGP"))
    text.line()
    for _ in range(MOST_HEADERS):
        line = text.line()
        if not line:
            return
        if not re.match(rb"[A-Za-z][A-Za-z0-9-]*: ", line):
            break
    raise unopened("PGP_DAMAGED", "its armour has no empty line before its text")


def _decoded(text: _Text) -> Iterator[bytes]:
    """Up to the line that begins with = or -, which stays in hand."""
    digits = b""
    while True:
        ends = _end_of_digits(text.held)
        whole = text.held[: text.held.rfind(b"\n") + 1 if ends is None else ends]
        text.held = text.held[len(whole) :]
        digits += whole.translate(None, WHITE)
        used = len(digits) // 4 * 4 if ends is None else len(digits)
        yield _octets(digits[:used])
        digits = digits[used:]
        if ends is not None:
            return
        if len(text.held) > MOST_LINE or not text.more():
            raise unopened("PGP_DAMAGED", "its armour has no end")


def _end_of_digits(held: bytes) -> int | None:
    """Where a line begins that has none: the checksum or the last. A regular expression takes five times as long."""
    if held.startswith((b"-", b"=")):
        return 0
    return min((at + 1 for at in (held.find(b"\n-"), held.find(b"\n=")) if at >= 0), default=None)


def _octets(digits: bytes) -> bytes:
    try:
        return binascii.a2b_base64(digits, strict_mode=True) if digits else b""
    except binascii.Error:
        raise unopened("PGP_DAMAGED", "its armour is no base64") from None


def _end(text: _Text) -> None:
    """The last line, and nothing but white space behind it."""
    while len(text.held) <= MOST_LINE and text.more():
        pass
    last = b"-----END PGP MESSAGE-----"
    if not text.held.startswith(last):
        raise unopened("PGP_DAMAGED", "its armour has no end")
    text.held = text.held[len(last) :]
    text.skip_white()
    text.has_line()
    if text.held:
        raise unopened("PGP_SEVERAL" if text.held.startswith(b"-----BEGIN PGP") else "PGP_TRAILING")


# Packets


class Outline:
    """Follows the outermost packets by their lengths, without keeping them."""

    def __init__(self) -> None:
        self._skip: int | None = 0  # bytes up to the next header; None: to the end of the file
        self._header = b""  # the part of a header that has come
        self._goes_on = False  # what comes next is the length of another part of the same packet
        self._order = ""
        self._count = 0

    def follow(self, piece: bytes) -> None:
        """Raises Unopened as soon as a packet begins that has no place there."""
        at = 0
        while at < len(piece):
            if self._skip is None:
                return
            if self._skip:
                step = min(self._skip, len(piece) - at)
                self._skip -= step
                at += step
            else:
                self._header += piece[at : at + 1]
                at += 1
                self._read_header()

    def end(self) -> None:
        """Raises Unopened where the last packet is not whole, or the message has no end."""
        if self._skip or self._header or self._goes_on:
            raise unopened("PGP_DAMAGED", "it is cut off")
        if ENCRYPTED.fullmatch(self._order) or NOT_ENCRYPTED.fullmatch(self._order):
            return
        raise unopened("PGP_DETACHED" if re.fullmatch("(2 )+", self._order) else "PGP_DAMAGED")

    def _read_header(self) -> None:
        header = self._header
        if not self._goes_on and len(header) == 1:
            self._begin(header[0])
        length = header if self._goes_on else header[1:]
        if not self._goes_on and not header[0] & 0x40:
            self._old_length(header[0] & 3, length)
        elif length:
            self._new_length(length)

    def _old_length(self, kind: int, octets: bytes) -> None:
        if kind == 3:
            self._body(None, goes_on=False)
        elif len(octets) == 1 << kind:
            self._body(int.from_bytes(octets, "big"), goes_on=False)

    def _new_length(self, octets: bytes) -> None:
        first = octets[0]
        if first < 192:
            self._body(first, goes_on=False)
        elif 224 <= first < 255:
            self._body(1 << (first & 31), goes_on=True)
        elif first == 255 and len(octets) == 5:
            self._body(int.from_bytes(octets[1:], "big"), goes_on=False)
        elif first < 224 and len(octets) == 2:
            self._body(((first - 192) << 8) + octets[1] + 192, goes_on=False)

    def _body(self, length: int | None, *, goes_on: bool) -> None:
        self._skip, self._goes_on, self._header = length, goes_on, b""

    def _begin(self, octet: int) -> None:
        """Another packet, which has to have a place after those before it."""
        self._count += 1
        number = (octet & 0x3F if octet & 0x40 else (octet >> 2) & 15) if octet & 0x80 else -1
        complete = ENCRYPTED.fullmatch(self._order) or NOT_ENCRYPTED.fullmatch(self._order)
        if number in OF_KEYS and self._count == 1:
            raise unopened("PGP_KEYS")
        if number not in OF_MESSAGES or self._count > MOST_PACKETS:
            raise unopened("PGP_NOT_PGP" if self._count == 1 else "PGP_TRAILING")
        if complete and not (number == SIGNATURE and ANNOUNCED_CONTENT.match(self._order)):
            raise unopened("PGP_SEVERAL")
        self._check(number)
        self._order += f"{number} "

    def _check(self, number: int) -> None:
        """What is never taken, wherever it stands."""
        if number == TO_A_PASSWORD:
            raise unopened("PGP_PASSWORD")
        if number == UNPROTECTED:
            raise unopened("PGP_UNPROTECTED")
        if number in (TO_A_KEY, PROTECTED, AEAD) and SIGNED.match(self._order):
            raise unopened("PGP_SIGNED_OUTSIDE")
