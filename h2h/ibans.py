"""IBANs that are sound, seen in a microsecond: structure by country, and check digits (ISO 13616, ISO 7064).

What is wrong with the others is said in checks.py. A test holds the table against a well-kept library's.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from itertools import compress, repeat
from operator import itemgetter, mod, not_

# What follows the check digits: so many digits (n), capitals (a), or either (c).
STRUCTURES = """
AD8n12c AE19n AL8n16c AO21n AT16n AX14n AZ4a20c BA16n BE12n BF2c22n BG4a6n8c BH4a14c BI23n BJ2c22n BL10n11c2n
BR8c15n2c BY4c4n16c CF23n CG23n CH5n12c CI2a22n CM23n CR18n CV21n CY8n16c CZ20n DE18n DJ23n DK14n DO4c20n DZ22n
EE16n EG25n ES20n FI14n FK2a12n FO14n FR10n11c2n GA23n GB4a14n GE2a16n GF10n11c2n GG4a14n GI4a15c GL14n GP10n11c2n
GQ23n GR7n16c GT24c GW2c19n HN4a20n HR17n HU24n IE4a14n IL19n IM4a14n IQ4a15n IR22n IS22n IT1a10n12c JE4a14n
JO4a4n18c KM23n KW4a22c KZ3n13c LB4n20c LC4a24c LI5n12c LT16n LU3n13c LV4a13c LY21n MA24n MC10n11c2n MD20c ME18n
MF10n11c2n MG23n MK3n10c2n ML2c22n MN16n MQ10n11c2n MR23n MT4a5n18c MU4a19n3a MZ21n NC10n11c2n NE2a22n NI4a20n
NL4a10n NO11n OM3n16c PF10n11c2n PK4a16c PL24n PM10n11c2n PS4a21c PT21n QA4a21c RE10n11c2n RO4a16c RS18n RU14n15c
SA2n18c SC4a20n3a SD14n SE20n SI15n SK20n SM1a10n12c SN2a22n SO19n ST21n SV4a20n TD23n TF10n11c2n TG2a22n TL19n
TN20n TR6n16c UA6n19c VA18n VG4a16n WF10n11c2n XK16n YE4a4n18c YT10n11c2n
"""
FEW = 50  # of which each is looked at by itself
_KINDS = {"n": "[0-9]", "a": "[A-Z]", "c": "[0-9A-Z]"}
_CHECK = "(?:0[2-9]|[1-8][0-9]|9[0-8])"  # 00, 01 and 99 are never computed
_RUN = re.compile(r"([0-9]+)([nac])")


def is_sound(iban: str) -> bool:
    """Whether it is certain that nothing is wrong with it."""
    return all_sound([iban])


def all_sound(ibans: Sequence[str]) -> bool:
    """Whether that is certain of each: their structure, by country, is looked at together."""
    heads = [*map(_HEAD, ibans)]
    countries = frozenset(map(_COUNTRY, {*heads}))
    if not countries <= _BY_COUNTRY.keys():
        return False
    if not _well_formed(ibans, countries):
        return False
    rests = [*map(_REST, ibans)]
    for at in compress(range(len(rests)), map(not_, map(str.isdigit, rests))):
        rests[at] = _digits(rests[at])
    return [*map(mod, map(int, rests), repeat(97))] == [*map(_LEFT.__getitem__, heads)]


def _well_formed(ibans: Sequence[str], countries: frozenset[str]) -> bool:
    """Of few, each is asked for by itself: countries go together in many ways, each of which is an expression."""
    text = "\n".join((*ibans, ""))
    if text.count("\n") != len(ibans):
        return False
    if len(ibans) < FEW:
        return all(_forms(frozenset((iban[:2],))).fullmatch(f"{iban}\n") for iban in ibans)
    return _forms(countries).fullmatch(text) is not None


@functools.lru_cache(maxsize=200)
def _forms(countries: frozenset[str]) -> re.Pattern[str]:
    """Any number of lines, each an IBAN of one of them."""
    forms = "|".join(country + _CHECK + _bban(country) for country in sorted(countries))
    return re.compile(rf"(?:(?:{forms})\n)*+")


def _bban(country: str) -> str:
    return "".join(f"{_KINDS[kind]}{{{count}}}" for count, kind in _RUN.findall(_BY_COUNTRY[country]))


def _digits(rest: str) -> str:
    """A is 10, Z is 35. Where letters stand, they mostly stand first, and are a bank's code that many IBANs share."""
    bank, account = rest[:4], rest[4:]
    return _of_bank(bank) + (account if account.isdigit() else account.translate(_VALUES))


@functools.lru_cache(maxsize=10_000)
def _of_bank(letters: str) -> str:
    return letters.translate(_VALUES)


class _Left(dict[str, int]):
    """By head, which comes last when check digits are proved, what the number before it must leave when divided by 97.
    Of heads that can be, which are a few thousand."""

    def __missing__(self, head: str) -> int:
        self[head] = (1 - int(head.translate(_VALUES))) * _BACK % 97
        return self[head]


_HEAD, _COUNTRY, _REST = (itemgetter(slice(*bounds)) for bounds in ((4,), (2,), (4, None)))  # DE89, DE, the rest
_LEFT = _Left()
_BACK = pow(10**6, -1, 97)  # a head becomes six digits
_VALUES = {ord("A") + letter: str(10 + letter) for letter in range(26)}
_BY_COUNTRY = {structure[:2]: structure[2:] for structure in STRUCTURES.split()}
