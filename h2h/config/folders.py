"""The folders of a bank: what goes out from where, what comes in from where."""

from __future__ import annotations

import itertools
import posixpath
from collections.abc import Iterator
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from h2h.bank_rules import Asking
from h2h.config.approvals import Approval
from h2h.config.bank_rules import BankRuleRow
from h2h.config.cut_offs import CutOff, Times
from h2h.config.pgp import PgpForm
from h2h.config.section import Contradiction, Section
from h2h.config.some_payments import never_counting
from h2h.config.toml_file import KeyPath
from h2h.config.values import (
    Account,
    Cron,
    Duration,
    IncomingMessage,
    LocalPath,
    NameTemplate,
    OutgoingMessage,
    Reference,
    RemotePath,
    Span,
)
from h2h.kinds import Kind
from h2h.model import Compression
from h2h.naming import counters, of_its_own

UPGRADED = "pain.001.001.03"  # the one message that can be brought to a newer version
SHORTEST = timedelta(milliseconds=100)  # between two looks at a bank's folder


class Outbound(Times):
    watch: LocalPath
    settle: Duration = timedelta(seconds=5)
    marker: str | None = Field(default=None, pattern=r"^\.[A-Za-z0-9._-]+$")
    match: str = "*"
    patience: Duration = timedelta(minutes=10)
    owners: list[Annotated[str, Field(min_length=1)]] = Field(default=[])
    manifest_key: Reference | None = None
    test_files: str | None = Field(default=None, min_length=1)
    messages: Annotated[list[OutgoingMessage], Field(min_length=1)]
    processed: str = Field(default="processed", pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")
    rejected: str = Field(default="rejected", pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")
    remote: RemotePath
    staging: RemotePath | None = None
    name: NameTemplate = "{msg_id}.xml"
    unique: Literal["suffix", "refuse"] = "suffix"
    series: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,40}$")
    warn: Duration = timedelta(minutes=30)
    cut_offs: list[CutOff] = Field(default=[])
    approvals: list[Approval] = Field(default=[])
    after_cut_off: Literal["hold", "next-window", "send"] = "hold"
    compress: Compression | None = None
    pgp: PgpForm | None = None
    armour: bool = False
    max_size: Annotated[int, Field(ge=1)] = 2_000_000_000
    max_payments: Annotated[int, Field(ge=1)] | None = None
    max_batches: Annotated[int, Field(ge=1)] | None = None
    characters: Literal["sepa", "ascii", "latin1"] | None = None
    rules: Annotated[list[BankRuleRow], Field(max_length=100)] = Field(default=[])
    accounts: Annotated[list[Account], Field(min_length=1)] | None = None
    execution_days: Span = (-10, 90)
    creation_days: Span = (-30, 1)
    unusual_dates: Literal["warn", "hold"] = "warn"
    addresses: Literal["off", "warn", "refuse"] = "warn"
    supplementary_data: list[str] = Field(default=[])
    upgrade: Literal["pain.001.001.09"] | None = None
    upgrade_uetr: bool = False
    status: LocalPath | None = None
    status_format: Literal["json", "pain.002.001.03", "pain.002.001.10"] = "json"

    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        if "warn" in self.model_fields_set and all(each.cut_off is None for each in (self, *self.cut_offs)):
            text = "goes with a cut_off; without one nothing closes that could be warned of"
            yield Contradiction(text=text, keys=(("warn",), ("cut_off",)))
        for number in never_counting(self.cut_offs):
            text = "never counts: those before it take every payment that it takes; put it before them or leave it out"
            keys = [("cut_offs", each) for each in (number, *range(number))]
            yield Contradiction(text=text, keys=tuple(keys))
        if self.armour and self.pgp is None:
            text = "is how a file that is signed or encrypted is written; add pgp, or leave it out"
            yield Contradiction(text=text, keys=(("armour",), ("pgp",)))
        if self.upgrade and UPGRADED not in self.messages:
            text = f"brings {UPGRADED} to {self.upgrade}, and messages does not take {UPGRADED}"
            yield Contradiction(text=text, keys=(("upgrade",), ("messages",)))
        if self.upgrade_uetr and not self.upgrade:
            text = "gives a UETR to payments that are brought to a newer version; add upgrade, or leave it out"
            yield Contradiction(text=text, keys=(("upgrade_uetr",), ("upgrade",)))
        yield from self._names()
        if self.processed == self.rejected:
            text = "is the folder for processed files, too; a refused one would be taken for sent"
            yield Contradiction(text=text, keys=(("rejected",), ("processed",)))

        if self.status is None and "status_format" in self.model_fields_set:
            text = "status_format goes with status, the folder that statuses are handed back to"
            yield Contradiction(text=text, keys=(("status_format",), ("status",)))

    def _names(self) -> Iterator[Contradiction]:
        if self.unique == "refuse" and not of_its_own(self.name):
            text = (
                'two files could get the same name, and unique = "refuse" lets no other be given: '
                "add {sequence}, {sequence_day}, {msg_id} or {id}"
            )
            yield Contradiction(text=text, keys=(("name",), ("unique",)))
        if self.series and not counters(self.name):
            text = "names what {sequence} or {sequence_day} counts, and neither stands in name"
            yield Contradiction(text=text, keys=(("series",), ("name",)))

    @property
    def asking(self) -> Asking:
        """What is asked of the values of each file, beside schema and business rules."""
        return Asking(rules=tuple(row.row for row in self.rules), characters=self.characters)

    @property
    def counters(self) -> list[str]:
        """Which numbers stand in names."""
        return counters(self.name)

    @property
    def counted_as(self) -> str:
        """The series that its numbers are of: its own, or that of whatever goes to the same folder."""
        return self.series or self.remote

    def cut_off_for(self, kind: Kind) -> CutOff | None:
        """The first of the other times that a payment of this kind fits."""
        return next((row for row in self.cut_offs if row.fits(kind)), None)

    @property
    def status_place(self) -> str:
        """The folder for statuses, in words."""
        return f"statuses in {self.status}"

    @property
    def seals(self) -> bool:
        """Whether the bank gets other bytes than those that were judged."""
        return self.compress is not None or self.pgp is not None

    @property
    def staging_folder(self) -> str:
        return self.staging or self.remote


class Inbound(Section):
    remote: RemotePath
    match: str = "*"
    messages: Annotated[list[IncomingMessage], Field(min_length=1)]
    every: Duration | None = None
    cron: Cron | None = None
    settle: Duration = timedelta(seconds=5)
    claim: RemotePath | None = None
    names_are_unique: bool = False
    one_shot: bool = False
    after: Literal["delete", "move", "leave"] = "leave"
    move_to: RemotePath | None = None
    deliver: LocalPath | None = None
    unreadable: Literal["keep", "deliver"] = "keep"
    pgp: PgpForm | None = None
    max_size: Annotated[int, Field(ge=1)] = 2_000_000_000

    def contradictions(self) -> Iterator[Contradiction]:
        timing: tuple[KeyPath, ...] = (("cron",), ("every",))
        if self.every is None and self.cron is None:
            yield Contradiction(text='say when to look: add every = "10m", or a cron', keys=timing)
        if self.every is not None and self.cron is not None:
            yield Contradiction(text="both every and cron say when to look; keep one of them", keys=timing)
        if self.every is not None and self.every < SHORTEST:
            text = f"every has to be {SHORTEST.total_seconds():g}s or more"
            yield Contradiction(text=text, keys=(("every",),))
        if (self.after == "move") != (self.move_to is not None):
            text = 'move_to goes with after = "move", and is needed there'
            yield Contradiction(text=text, keys=(("after",), ("move_to",)))
        if self.one_shot and self.after != "leave":
            text = 'a one_shot file is gone once it was opened; after must be "leave"'
            yield Contradiction(text=text, keys=(("one_shot",), ("after",)))
        if self.after != "leave" and self.claim is None and not self.names_are_unique:
            text = (
                f'after = "{self.after}" could remove a file that the bank wrote in place of the one we fetched: '
                "name a folder in claim, or state names_are_unique = true if the bank never uses a name again"
            )
            yield Contradiction(text=text, keys=(("after",),))
        if self.unreadable == "deliver" and self.deliver is None:
            text = 'unreadable = "deliver" goes with deliver, the folder that such a file is handed over to'
            yield Contradiction(text=text, keys=(("unreadable",), ("deliver",)))
        yield from self._one_folder_twice()

    def _one_folder_twice(self) -> Iterator[Contradiction]:
        folders = [(key, getattr(self, key)) for key in ("remote", "claim", "move_to")]
        for (first, here), (second, there) in itertools.combinations(folders, 2):
            if here is not None and there is not None and posixpath.normpath(here) == posixpath.normpath(there):
                text = f"is the same folder as {first}; a file that was moved there would be looked at again"
                yield Contradiction(text=text, keys=((second,), (first,)))

    @property
    def place(self) -> str:
        """This block among those of its bank, in words."""
        return f"{self.remote} {self.match}"

    def handed_to(self, *, read: bool) -> Path | None:
        """Where the ERP gets a file that could be read, or not."""
        return self.deliver if read or self.unreadable == "deliver" else None

    def takes(self, folder: str, name: str) -> bool:
        """Whether a file that was fetched from this folder of the bank, under this name, came by this block."""
        return folder in (self.remote, self.claim) and self.matches(name)

    def matches(self, name: str) -> bool:
        return fnmatchcase(name, self.match)
