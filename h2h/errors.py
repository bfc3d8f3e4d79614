"""The exception tree. A bad world raises; a bad file gives Finding values instead; bad code asserts.

    H2hError
    ├── SettingsError        the settings are wrong: all problems at once (exit status 2)
    ├── UsageError           what was asked for does not exist or makes no sense (exit status 2)
    ├── NotAllowed           the state of a transfer, or the safety of the money, forbids it (exit status 1)
    ├── AlreadyRunning       another gateway holds the data folder
    ├── StoreError           ledger or archive cannot do its duty: disk full, damaged, unreachable
    │   ├── Damaged          what is stored is not what was stored
    │   ├── Unstorable       the database cannot hold a value, now or later
    │   └── Stale            the row was changed by somebody else in between; look again
    ├── ReaderError          the processes that read files from outside cannot be started
    ├── FolderError          a watched or delivery folder cannot be used
    │   └── StillChanging    a claimed file is still being written to; it is looked at again later
    ├── PgpError             OpenPGP, and the program that does it
    │   ├── Unusable         a key cannot be used: expired, revoked, its passphrase is another
    │   ├── Unopened         a file from outside is not what it has to be; has a code
    │   └── GpgError         GnuPG is missing, too old, hangs, or fails for no reason that is known
    └── ChannelError         the bank's side; says what the bank may have:
        ├── NotDelivered     nothing is visible at the bank; trying later may help
        ├── Refused          nothing is visible at the bank; trying again is no use until somebody acts
        │   └── HostKeyChanged  the server shows keys that are not pinned; nothing was said to it about us
        └── Unknown          publishing was asked for and not clearly answered: the bank may have it
            └── TemporaryGone  the server says that there is no such temporary file (any more)

Foreign exceptions are translated where they come in (one place per door) and chained with ``from``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class H2hError(Exception):
    """Anything that this program raises on purpose. Its text is a full sentence for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake in the settings: where it stands and what to do."""

    file: str
    line: int | None
    key: str
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key}: {self.text}" if self.key else f"{place}: {self.text}"


class SettingsError(H2hError):
    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(p) for p in self.problems))


class UsageError(H2hError):
    pass


class NotAllowed(H2hError):
    pass


class AlreadyRunning(H2hError):
    pass


class StoreError(H2hError):
    pass


class Damaged(StoreError):
    pass


class Unstorable(StoreError):
    pass


class Stale(StoreError):
    pass


class ReaderError(H2hError):
    pass


class FolderError(H2hError):
    pass


class StillChanging(FolderError):
    pass


class PgpError(H2hError):
    pass


class Unusable(PgpError):
    pass


class Unopened(PgpError):
    """`code`: a word of openpgp.CODES."""

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        super().__init__(text)


class GpgError(PgpError):
    pass


class ChannelError(H2hError):
    pass


class NotDelivered(ChannelError):
    pass


class Refused(ChannelError):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownKey:
    """A host key that a server showed: its fingerprint (SHA256:…) and its algorithm."""

    fingerprint: str
    algorithm: str


class HostKeyChanged(Refused):
    def __init__(self, text: str, shown: Sequence[ShownKey]) -> None:
        self.shown = tuple(shown)
        super().__init__(text)


class Unknown(ChannelError):
    pass


class TemporaryGone(Unknown):
    pass
