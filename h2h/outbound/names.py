"""Names at the bank: a temporary one, new for every attempt, and a final one that is never used twice.

Where numbers stand in names, a name is used up with its number: by publishing alone. Until then it goes to the next
file, as its number does; and a file that keeps its number keeps its name.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime
from itertools import count
from typing import Literal, assert_never
from zoneinfo import ZoneInfo

from h2h.config import Bank, Outbound
from h2h.folders import NAME_BYTES
from h2h.ledger.leases import Book, Nameless, Planned
from h2h.ledger.rows import Transfer
from h2h.ledger.sequences import Counter
from h2h.model import Way
from h2h.naming import EXAMPLE, NUMBERS, SEQUENCE_DAY, Facts, filled
from h2h.text import harmless

Environment = Literal["test", "production"]


def names(
    bank: Bank,
    folder: Outbound,
    transfer: Transfer,
    number: int,
    now: datetime,
    book: Book,
    *,
    environment: Environment,
) -> Planned | Nameless:
    """The temporary and the final path of the n-th attempt.

    Where a marker is the way, they are those of the file, and of its marker; where the file goes straight to its final
    name, both are that.
    """
    numbers = {name: book.number(counter) for name, counter in counters(bank, folder, now).items()}
    try:
        name = final_name(bank, folder, transfer, now, numbers, environment=environment)
    except ValueError as error:
        return Nameless(reason=f"It can get no name at the bank: {error}.")
    taken = book.taken_for_good if numbers else book.taken
    found = _paths(bank, folder, f"{folder.remote.rstrip('/')}/{name}", transfer, number, taken)
    if isinstance(found, Nameless):
        return found
    used = {counter: numbers[name] for name, counter in counters(bank, folder, now).items()}
    return Planned(temporary=found[0], remote=found[1], numbers=used, profile=bank.profile)


def counters(bank: Bank, folder: Outbound, now: datetime) -> dict[str, Counter]:
    """What the numbers in names are counted in, by the field that they stand in."""
    day = bank.today(now).isoformat()
    return {name: Counter(folder.counted_as, day if name == SEQUENCE_DAY else "") for name in folder.counters}


def final_name(
    bank: Bank,
    folder: Outbound,
    transfer: Transfer,
    now: datetime,
    numbers: Mapping[str, int],
    *,
    environment: Environment,
) -> str:
    """The folder's template filled in; values keep only what every server takes in a name. ValueError, with a
    sentence, where that is not possible."""
    facts = Facts(
        bank=bank.name,
        customer=bank.customer,
        environment=environment,
        message=transfer.message or "",
        msg_id=harmless(transfer.message_id or transfer.id),
        id=transfer.id,
        name=harmless(transfer.name)[-NAME_BYTES:],
        now=now.astimezone(ZoneInfo(bank.timezone)),
        execution_date=date.fromisoformat(transfer.execution_date[:10]) if transfer.execution_date else None,
    )
    return filled(folder.name, facts, dict.fromkeys(NUMBERS, 1) | dict(numbers))


def example(bank: Bank, folder: Outbound, now: datetime, *, environment: Environment) -> str:
    """Where a file with the message id MSG-1 would go as the first one."""
    facts = replace(EXAMPLE, bank=bank.name, customer=bank.customer, environment=environment)
    facts = replace(facts, now=now.astimezone(ZoneInfo(bank.timezone)), execution_date=bank.today(now))
    return f"{folder.remote.rstrip('/')}/{filled(folder.name, facts, dict.fromkeys(NUMBERS, 1))}"


def _paths(
    bank: Bank, folder: Outbound, path: str, transfer: Transfer, number: int, taken: Callable[[str], bool]
) -> tuple[str, str] | Nameless:
    once = folder.unique == "refuse" or bool(folder.counters)
    match bank.channel.way:
        case Way.RENAME:
            free = _free(path, taken, folder)
            return free if isinstance(free, Nameless) else (_temporary(folder, transfer, number), free)
        case Way.MARKER:
            marker = bank.channel.publish_marker
            data = _free(path, lambda candidate: taken(candidate + marker), folder, start=1 if once else number)
            return data if isinstance(data, Nameless) else (data, data + marker)
        case Way.DIRECT:
            free = _free(path, taken, folder)
            return free if isinstance(free, Nameless) else (free, free)
        case _:
            assert_never(bank.channel.way)


def _temporary(folder: Outbound, transfer: Transfer, number: int) -> str:
    return f"{folder.staging_folder.rstrip('/')}/.{transfer.id}-{number}.part"


def _free(path: str, taken: Callable[[str], bool], folder: Outbound, *, start: int = 1) -> str | Nameless:
    """The path, or with -2, -3, … before its ending where it was used before, and the bank takes that."""
    stem, ending = posixpath.splitext(path)
    if folder.unique == "refuse":
        return Nameless(reason=_used(path)) if taken(path) else path
    candidates = (path if n == 1 else f"{stem}-{n}{ending}" for n in count(start))
    return next(candidate for candidate in candidates if not taken(candidate))


def _used(path: str) -> str:
    return f'{path} was used at the bank before, and unique = "refuse" lets no other name be given; change name'
