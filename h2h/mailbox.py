"""A bank's folder as a mailbox: which files in it are whole and ours to take, and what is wrong with the others.

    list -> settle (nothing changed between two looks) -> claim (rename to where nobody else writes) -> oldest first

No file is opened here. What cannot be taken stays at the bank and is told as a trouble; names are data.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection, Sequence

from h2h.channels import Channel
from h2h.channels.names import bytes_of, is_name, joined
from h2h.clock import Clock
from h2h.config import Inbound
from h2h.errors import ChannelError
from h2h.ledger.troubles import Kind, Trouble
from h2h.model import Presence, RemoteFile
from h2h.sightings import TEMPORARY
from h2h.text import printable

LOOKS = 3  # at a folder in which files go on changing
CLAIM_NAMES = 99  # tried for a file whose name is taken among the claimed ones
GLANCE_SECONDS = 0.2
_NUMBER = re.compile(r"~\d+(?=(?:\.[^.]*)?$)")


class Mailbox:
    """One look into one folder. `known` are those of some files that were fetched before, unchanged."""

    def __init__(
        self,
        session: Channel,
        folder: Inbound,
        *,
        clock: Clock,
        known: Callable[[Sequence[RemoteFile]], Collection[RemoteFile]],
        stop: Callable[[], bool],
    ) -> None:
        self.session = session
        self.folder = folder
        self.troubles: list[Trouble] = []
        self._clock = clock
        self._known = known
        self._stop = stop

    def files(self) -> list[RemoteFile]:
        """The whole files, oldest first; where the bank allows it those that were claimed, now or earlier."""
        files = self._settled()
        if self.folder.claim is not None:
            for file in files:
                self._claim(file, self.folder.claim)
            claimed = self.session.list(self.folder.claim)
            files = [f for f in claimed if self._wanted(f.name) or self._wanted(unnumbered(f.name))]
        return sorted(files, key=lambda f: (f.modified or 0, f.name))

    def discard(self, file: RemoteFile) -> bool:
        """Delete or move a file whose records are safe. False for another one in its place: it is fetched first."""
        path = joined(file.folder, file.name)
        found = self.session.look(path)
        if found.presence is Presence.THERE and (found.size, found.modified) != (file.size, file.modified):
            return False
        if self.folder.after == "delete":
            self.session.discard(path)
        else:
            self.session.move(path, f"{self.folder.move_to}/{file.name}")
        return True

    def tell(self, kind: Kind, file: RemoteFile, text: str) -> None:
        self.troubles.append(Trouble(kind=kind, name=printable(file.name), text=text))

    def not_fetched(self, file: RemoteFile, error: ChannelError) -> None:
        """That it went between listing and opening is no trouble."""
        if self.session.look(joined(file.folder, file.name)).presence is not Presence.GONE:
            self.tell(Kind.NOT_FETCHED, file, str(error))

    def _settled(self) -> list[RemoteFile]:
        """Those that did not change for `settle`; what was fetched before need not be waited for."""
        looked = self._listed()
        if not self.folder.settle:
            return self._fitting(looked)
        settled = set(self._known(looked))
        for _ in range(LOOKS):
            if settled.issuperset(looked) or not self._waited():
                break
            again = self._listed()
            settled |= set(looked) & set(again)
            looked = again
        for file in looked:
            if file not in settled:
                self.tell(Kind.CHANGING, file, "It is still being written; it is fetched once it stays as it is.")
        return self._fitting([file for file in looked if file in settled])

    def _waited(self) -> bool:
        """Wait for `settle`; False if something more urgent came up."""
        end = self._clock.monotonic() + self.folder.settle.total_seconds()
        while (rest := end - self._clock.monotonic()) > 0 and not self._stop():
            self._clock.wait(threading.Event(), min(rest, GLANCE_SECONDS))
        return not self._stop()

    def _listed(self) -> list[RemoteFile]:
        """What the folder is asked for; a name that is none is told."""
        files = self.session.list(self.folder.remote)
        odd = [f for f in files if not is_name(bytes_of(f.name))]
        self.troubles = []
        for file in odd:
            self.tell(Kind.NOT_A_NAME, file, "The bank lists a name that no file can have; it is left alone.")
        return [f for f in files if self._wanted(f.name)]

    def _wanted(self, name: str) -> bool:
        hidden = name.startswith(".") or name.lower().endswith(TEMPORARY)
        return is_name(bytes_of(name)) and not hidden and self.folder.matches(name)

    def _fitting(self, files: list[RemoteFile]) -> list[RemoteFile]:
        for file in files:
            if file.size > self.folder.max_size:
                text = (
                    f"It has {file.size} bytes, more than max_size allows ({self.folder.max_size}); it is left there."
                )
                self.tell(Kind.TOO_LARGE, file, text)
        return [file for file in files if file.size <= self.folder.max_size]

    def _claim(self, file: RemoteFile, claim: str) -> None:
        """Rename it to where nobody else writes; one that cannot be renamed waits, and the others go on."""
        try:
            self.session.move(joined(file.folder, file.name), joined(claim, self._free_name(file.name, claim)))
        except ChannelError as error:
            if not self.session.alive():
                raise
            self.tell(Kind.NOT_CLAIMED, file, str(error))

    def _free_name(self, name: str, claim: str) -> str:
        """The name, numbered where an earlier file that could not be read holds it."""
        names = [name, *(numbered(name, n) for n in range(2, CLAIM_NAMES + 1))]
        there = (n for n in names if self.session.look(joined(claim, n)).presence is not Presence.THERE)
        return next(there, name)


def numbered(name: str, number: int) -> str:
    """`statement.xml` as `statement~2.xml`."""
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}~{number}.{suffix}" if dot and stem else f"{name}~{number}"


def unnumbered(name: str) -> str:
    return _NUMBER.sub("", name, count=1)
