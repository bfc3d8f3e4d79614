"""Version upgrade: a pain.001.001.03 that was judged good goes to the bank as pain.001.001.09, where its folder asks.

What was dropped stays as it is, in the archive. The new file is written in a reader process, read again by the strict
reader, and compared record by record: everything is equal but for the version, and the UETRs that are new. Whatever
cannot be carried over, and any other difference, refuses the file.

It comes out the same whenever it is done again: a crash leaves nothing that the next try would contradict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from msgspec import structs

from h2h.confined import ConfinedReader
from h2h.identity import new_uetr
from h2h.messages.orders import Upgrade
from h2h.model import Batch, Finding, Judgement, Payment, PaymentFile, Record, Severity
from h2h.outbound.proof import unplaced
from h2h.rules import Terms
from h2h.spool import Spool, few_as_list

FROM = "pain.001.001.03"
Parts = PaymentFile | Batch | Payment


def applies(judgement: Judgement, terms: Terms) -> bool:
    header = judgement.header
    return bool(terms.upgrade) and judgement.good and header is not None and header.message == FROM


def order(terms: Terms, seed: str) -> Upgrade:
    """`seed`: what no other file has, and this one always."""
    return Upgrade(uetr_seed=seed if terms.upgrade_uetr else None)


def write(reader: ConfinedReader, source: BinaryIO, wanted: Upgrade, sink: Callable[[bytes], Any]) -> list[Finding]:
    """What speaks against the new file; where nothing does, `sink` has all of it."""
    found: list[Finding] = []
    for item in reader.upgraded(source, wanted):
        if isinstance(item, Finding):
            found.append(item)
        else:
            sink(item)
    return found


def as_sent(judgement: Judgement, wanted: Upgrade, terms: Terms, scratch: Path | None = None) -> Judgement:
    """What the new file has to hold, if the old one was judged so. `scratch`: a folder, as for `judge`."""
    assert judgement.header
    payments = judgement.payments
    if wanted.uetr_seed is not None:
        new = Spool(Payment, scratch)
        new.extend(structs.replace(p, uetr=new_uetr(wanted.uetr_seed, p.position)) for p in payments)
        payments = few_as_list(new)
    header = structs.replace(judgement.header, message=terms.upgrade or FROM)
    return replace(judgement, header=header, payments=payments)


def with_findings(judgement: Judgement, found: Sequence[Finding], terms: Terms) -> Judgement:
    """The judgement on the old file with what the upgrade came to."""
    made = Finding(
        code="UPGRADE_MADE",
        severity=Severity.INFO,
        text=f"The file goes to the bank as {terms.upgrade}; it was dropped as {FROM}.",
    )
    return replace(judgement, findings=[*judgement.findings, *(found or [made])])


def differences(reader: ConfinedReader, new: BinaryIO, expected: Judgement, terms: Terms) -> list[Finding]:
    """What the strict reader has against the new file, and the first place where it is not what it has to be."""
    refused: list[Finding] = []
    wanted = _in_order(expected)
    items = reader.read(new, strict=True, expected=[terms.upgrade or FROM], supplementary=terms.supplementary_data)
    different: str | None = None
    for item in items:
        if isinstance(item, Finding):
            refused += [item] if item.severity is Severity.ERROR else []
        elif different is None and not _same(item, next(wanted, None)):
            different = f"{type(item).__name__} {getattr(item, 'position', '')}".strip()
    if different is None and next(wanted, None) is not None:
        different = "its end"
    if refused:
        return [replace(f, text=f"As {terms.upgrade}: {f.text}", line=None) for f in refused]
    if different:
        text = f"As {terms.upgrade} the file would not say the same any more, from {different} on. Please report it."
        return [Finding(code="UPGRADE_IMPOSSIBLE", severity=Severity.ERROR, text=text)]
    return []


def _same(new: Record, wanted: Parts | None) -> bool:
    return wanted is not None and isinstance(new, Parts) and unplaced(new) == unplaced(wanted)


def _in_order(judgement: Judgement) -> Iterator[Parts]:
    """The records as they stand in a file."""
    payments = iter(judgement.payments)
    waiting = next(payments, None)
    if judgement.header is not None:
        yield judgement.header
    for batch in judgement.batches:
        yield batch
        while waiting is not None and waiting.batch == batch.position:
            yield waiting
            waiting = next(payments, None)
