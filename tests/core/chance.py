"""What invents values for messages, from a seed: Hypothesis would draw for minutes what is drawn here at once.

`fullness` says how much of what may be left out is there: 0 nothing, FULL everything. Every value is another one, so
that two fields read for each other never look alike; a value says by its form what it is (BIC, IBAN, LEI).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from random import Random
from typing import TypeVar

T = TypeVar("T")

CURRENCIES = ("EUR", "USD", "CHF", "JPY", "KWD", "XAU", "SEK")
DIRECTIONS = ("CRDT", "DBIT")
ODD_TEXTS = ("{}", "a <{}> & 'b' \"c\" ]]>", "Zürich, Größe {} 10 €", "{} two  blanks", "two\nlines {}", "Łódź 漢 𝔘 {}")
ZONES = ("", "Z", "+02:00", "-11:30")
SECONDS = ("", ".1", ".123456", ".1234567")
FULL = 4
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Chance:
    def __init__(self, seed: int, fullness: int = FULL // 2) -> None:
        self._random = Random(seed)
        self._fullness = fullness
        self._made = 0

    # Choices

    def below(self, end: int) -> int:
        return int(self._random.random() * end) if self._fullness else 0

    def of(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def yes(self) -> bool:
        return self.below(FULL) < self._fullness and self._fullness > 0

    def maybe(self, make: Callable[[], T]) -> T | None:
        return make() if self.yes() else None

    def some(self, make: Callable[[], T], most: int = 2, least: int = 0) -> tuple[T, ...]:
        return tuple(make() for _ in range(least + self.below(most - least + 1)))

    def flag(self) -> bool | None:
        return self.of((None, False, True))

    # Values

    def _next(self) -> int:
        self._made += 1
        return self._made

    def text(self, most: int = 35) -> str:
        """Full, or with what is hard to write in it; never with blanks around it."""
        number = str(self._next())
        if self.below(8) == 7:
            return f"{number}:".ljust(most, "x")
        text = self.of(ODD_TEXTS).format(number)
        return text if len(text) <= most else number

    def long_text(self, most: int = 500) -> str:
        """Perhaps of many words, so that a blank may stand wherever it is cut."""
        if self.yes():
            return self.text(most)
        return f"{self._next()}{'x' * self.below(5)}{' word' * most}"[:most].strip()

    def code(self) -> str:
        """Of at most four characters, as in the external lists."""
        return f"C{self._next():x}".upper()[:4]

    def direction(self) -> str:
        return self.of(DIRECTIONS)

    def currency(self) -> str:
        return self.of(CURRENCIES)

    def amount(self, digits: int = 18, decimals: int = 5) -> Decimal:
        """Of up to so many digits, of which so many stand after the point, trailing zeros among them."""
        kind = self.below(4)
        after = self.below(decimals + 1)
        scattered = self._next() * 0x9E3779B97F4A7C15
        whole = (scattered % 10_000, scattered % 10**digits, 10**digits - self._made, self._made)[kind]
        return Decimal((0, tuple(map(int, str(whole))), -after))

    def any_sum(self) -> Decimal:
        """As xs:decimal of the schemas has it: 17 decimals at most, and it may be negative."""
        found = self.amount(18, 17)
        return -found if self.below(8) == 7 else found

    def rate(self) -> Decimal:
        return self.amount(11, 10)

    def digits(self) -> str:
        return f"{self._next():0{1 + self.below(6)}d}"

    def date(self) -> str:
        return date.fromordinal(738_000 + self._next()).isoformat() + (self.of(ZONES) if self.below(4) == 3 else "")

    def moment(self) -> str:
        return f"{date.fromordinal(738_000 + self._next())}T09:30:00{self.of(SECONDS)}{self.of(ZONES)}"

    def date_or_moment(self) -> str:
        return self.moment() if self.yes() else self.date()

    def bic(self) -> str:
        number, place = self._next(), ""
        for _ in range(4):
            number, rest = divmod(number, 26)
            place = LETTERS[rest] + place
        return f"{place}DEFF{self.of(('XXX', ''))}"

    def iban(self) -> str:
        return f"DE{self._next():020d}"

    def lei(self) -> str:
        return f"{self._next():020d}"

    def uetr(self) -> str:
        return f"{self._next():08x}-5d1a-4c6e-9b7a-0123456789ab"

    def account(self) -> str:
        return self.of((self.iban, lambda: self.text(34)))()

    def known_by(self, year: int, most: int = 35) -> str:
        """What a party or an agent is known by: BIC, LEI (since 2019), another identification or a name."""
        kinds = (self.bic, lambda: self.text(most), *((self.lei,) if year >= 2019 else ()))
        return self.of(kinds)()
