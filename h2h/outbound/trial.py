"""What judge would say of a file, with nothing kept of it: for who asks before it is dropped, or long after."""

from __future__ import annotations

import tempfile
from pathlib import Path

from h2h.confined import ConfinedReader
from h2h.model import Judgement
from h2h.outbound.judge import Opened, asked_too, judge_bytes
from h2h.rules import Terms


def tried(opened: Opened, seed: str, reader: ConfinedReader, terms: Terms, scratch: Path | None = None) -> Judgement:
    """All that is wrong with it by these terms, in the newer version of its message, too, where they ask for one.

    `seed`: what no other file has; `scratch`: a folder, as for `judge`.
    """
    with opened() as source:
        judgement = judge_bytes(reader, source, terms, scratch)
    if terms.upgrade:
        judgement = _upgraded(opened, seed, reader, judgement, terms, scratch)
    return asked_too(judgement, opened, reader.asked, terms)


def _upgraded(
    opened: Opened, seed: str, reader: ConfinedReader, judgement: Judgement, terms: Terms, scratch: Path | None
) -> Judgement:
    """With what would be said of the newer version of it."""
    from h2h.outbound import upgrade  # here, as few folders ask for one, and it loads the ledger

    if not upgrade.applies(judgement, terms):
        return judgement
    wanted = upgrade.order(terms, seed)
    with opened() as source, tempfile.TemporaryFile(dir=scratch) as new:
        found = upgrade.write(reader, source, wanted, new.write)
        new.seek(0)
        found = found or upgrade.differences(reader, new, upgrade.as_sent(judgement, wanted, terms, scratch), terms)
    return upgrade.with_findings(judgement, found, terms)
