"""Account numbers made unreadable in text that leaves the house: IBANs, and what the settings name as an account."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from h2h.ibans import STRUCTURES

ENDS = 4  # characters that are shown of either end
LONG = 12  # of so many or more; of others only the end is, and no more than a third of it
SHORTEST = 4  # what has fewer characters is no account that could be told from other numbers
DISTINCT = 8  # from so many on an account is found inside of a word, too
_BETWEEN = "[ \u00a0\u202f.-]?"  # may stand between the characters of an account that is written in groups
_KINDS = {"n": "[0-9]", "a": "[A-Z]", "c": "[0-9A-Z]"}
_OPENS, _CLOSES = r"(?<![^\W_])", r"(?![^\W_])"


def _form(structure: str) -> str:
    country, runs = structure[:2], re.findall(r"([0-9]+)([nac])", structure[2:])
    rest = [("2", "n"), *runs]
    return _BETWEEN.join(country) + "".join(f"(?:{_BETWEEN}{_KINDS[kind]}){{{count}}}" for count, kind in rest)


_IBAN = re.compile("|".join(map(_form, STRUCTURES.split())), re.IGNORECASE | re.ASCII)


def masker(accounts: Iterable[str]) -> Callable[[str], str]:
    """What masks each IBAN, and these accounts, however they are grouped: DE89…3000."""
    own = _expression(accounts)

    def mask(text: str) -> str:
        seen = "".join(_without_ibans(text))
        return own.sub(_shown, seen) if own else seen

    return mask


def _expression(accounts: Iterable[str]) -> re.Pattern[str] | None:
    """Of the accounts as they are, and of what stands in an IBAN behind its check digits; the longest first."""
    plain = {_plain(account) for account in accounts}
    plain |= {account[4:] for account in plain if re.match("[A-Z]{2}[0-9]{2}", account)}
    wanted = sorted((account for account in plain if len(account) >= SHORTEST), key=len, reverse=True)
    return re.compile("|".join(map(_written, wanted)), re.IGNORECASE) if wanted else None


def _written(account: str) -> str:
    grouped = _BETWEEN.join(map(re.escape, account))
    return grouped if len(account) >= DISTINCT else f"{_OPENS}0*{grouped}{_CLOSES}"


def _without_ibans(text: str) -> Iterator[str]:
    """Every place is tried, since what only looks like an IBAN may run into one that is."""
    at = 0
    while found := _IBAN.search(text, at):
        start, end = found.span()
        yield text[at:start]
        if _is_one(found):
            yield _shown(found)
            at = end
        else:
            yield text[start]
            at = start + 1
    yield text[at:]


def _is_one(found: re.Match[str]) -> bool:
    """By its check digits wherever it stands; one that is wrong in them, where it stands alone and in capitals."""
    iban = _plain(found[0])
    if int("".join(str(int(c, 36)) for c in iban[4:] + iban[:4])) % 97 == 1:
        return True
    start, end = found.span()
    beside = found.string[max(0, start - 1) : start] + found.string[end : end + 1]
    return found[0][:2].isupper() and not any(map(str.isalnum, beside))


def _plain(account: str) -> str:
    return re.sub(r"[\W_]", "", account).upper()


def _shown(found: re.Match[str]) -> str:
    account = re.sub(r"[\W_]", "", found[0])
    if len(account) >= LONG:
        return f"{account[:ENDS]}…{account[-ENDS:]}"
    return f"…{account[-min(ENDS, len(account) // 3) :]}"
