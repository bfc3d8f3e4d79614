"""The plug pulled while a file is sealed, before and after: the bank gets it once, or a person is asked; and what was
sealed once is what every attempt stages.

As test_sweep.py, with a folder whose files go to the bank in a zip archive.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from h2h.ledger.rows import Transfer
from h2h.lifecycle import State
from h2h.model import Way
from h2h.verdicts import Verdict
from tests.flows.world import payments

from .test_sweep import LONG, Bank, Kind, Sweep, near_what_counts

ZIP = {"compress": '"zip"', "name": '"{msg_id}.xml.zip"'}
FILES = tuple(payments(f"MSG-{n}") for n in (1, 2))
SEALING = ("Sealings.", "Incoming.", "Archive.secure", "lease_many")
KINDS = (
    Kind(),
    Kind(habit="keeps", answers="lost"),
    Kind(way=Way.DIRECT, habit="keeps", answers="lost"),
    Kind(ours=False, repeatable=False),
    Kind(way=Way.MARKER, habit="keeps"),
)


class Unzipping(Bank):
    def answer(self) -> None:
        """Answers are for what is in the archives."""
        copies = super().copies
        self.copies = lambda: [opened(copy) for copy in copies()]  # type: ignore[method-assign]
        super().answer()
        self.copies = copies  # type: ignore[method-assign]


def opened(content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        [name] = archive.namelist()
        return archive.read(name)


def right(kind: Kind, found: Sequence[Transfer], copies: Sequence[bytes]) -> bool:
    known = {transfer.sealed_sha256 for transfer in found}
    if not all(transfer.sealed_sha256 and transfer.sealed_by for transfer in found) or len(known) != len(found):
        return False
    at_bank = [opened(copy) for copy in copies]
    doubtful = [transfer for transfer in found if transfer.state is State.UNCERTAIN]
    sent = [t for t in found if t.state is State.SENT and t.verdict is Verdict.ACCEPTED]
    return (
        len(at_bank) == len(set(at_bank)) == len(sent) == len(found) - len(doubtful)
        and set(at_bank) <= set(FILES)
        and not (doubtful and kind.certain)
    )


@pytest.mark.parametrize("kind", KINDS if LONG else KINDS[:3], ids=str)
def test_wherever_the_plug_is_pulled_a_sealed_file_comes_once_or_a_person_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    sweep = Sweep(tmp_path, monkeypatch, kind, *FILES, outbound=ZIP, bank_class=Unzipping)
    assert right(kind, *sweep.plays())
    singles = list(dict.fromkeys(sweep.points))
    sealing = [point for point in singles if any(name in point for name in SEALING)]
    assert {"after Incoming.place 3", "in Sealings.sealed 1", "after Sealings.sealed 1"} <= set(sealing)
    usual = [*sealing, *near_what_counts(singles)]
    kills = singles if LONG else usual[::2] if kind is KINDS[0] else usual[::5]
    assert [kill for kill in kills if not right(kind, *sweep.plays(kill))] == []


def test_what_was_sealed_before_the_plug_was_pulled_is_what_is_staged_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From its commit on; a sealing that was not committed is done anew."""
    sweep = Sweep(tmp_path, monkeypatch, Kind(), FILES[0], outbound=ZIP, bank_class=Unzipping)
    sweep.plays()
    singles = list(dict.fromkeys(sweep.points))
    after = singles[singles.index("after Sealings.sealed 1") :]
    for kill in after if LONG else after[::3]:
        sweep.plays(kill)
        again = [point for point in sweep.points if "Sealings.sealed" in point]
        assert again == [], kill
