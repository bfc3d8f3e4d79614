"""The kinds of bank in the drill: how each takes files, how it misbehaves, and what its profile may promise of it.

A fault is a bank in a box that acts up in one operation, so many times; then it behaves.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import asyncssh

from h2h.sandbox.scenario import Scenario, Take
from h2h.sandbox.server import BankSftp

STALL_SECONDS = 30.0  # longer than a drilled gateway waits for an answer

Fault = Callable[[], type[BankSftp]]
"""Makes the server of one play: a fault that was used up in one play is fresh in the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """`certain`: its facts and manners leave nothing for a person, whatever is killed. `file_name`: in its profile.

    `files`: so many are dropped at once, and go together where that is safe.
    """

    name: str
    files: int = 1
    take: Take = Take.AT_ONCE
    marker: str | None = None
    fault: Fault = lambda: BankSftp
    facts: tuple[str, ...] = ("atomic_rename = true", "staging_is_ours = true")
    inbound: tuple[str, ...] = ('after = "delete"',)
    file_name: str = "{msg_id}.xml"
    certain: bool = True
    new_host_key: bool = False

    @property
    def scenario(self) -> Scenario:
        return Scenario(take=self.take, marker=self.marker, credits_per_day=0)


def fault(
    operation: str,
    act: Callable[[BankSftp], Any],
    *,
    done: bool,
    times: int = 1,
    ending: bytes = b"",
    after: int = 0,
) -> Fault:
    """A bank that acts instead of answering, so many times, having done what it was asked or not.

    `ending`: only where the path that is asked for ends so. `after`: so many are answered before.
    """

    def make() -> type[BankSftp]:
        original = getattr(BankSftp, operation)
        asked = 0

        def wrapped(self: BankSftp, target: Any, *arguments: Any) -> Any:
            nonlocal asked
            path = target if isinstance(target, bytes) else os.fsencode(target.name)
            asked += path.endswith(ending)
            if not path.endswith(ending) or not after < asked <= after + times:
                return original(self, target, *arguments)
            if done:
                original(self, target, *arguments)
            return act(self)

        return type("Faulty", (BankSftp,), {operation: wrapped})

    return make


def without(*operations: str, error: Callable[[str], Exception], below: bytes = b"/") -> Fault:
    """A bank that knows, or allows, less; with `below` only for paths that begin so, and not for that folder itself."""

    def lesser(original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(self: BankSftp, target: Any, *arguments: Any) -> Any:
            if not isinstance(target, bytes) or (target.startswith(below) and not target.endswith((b"/.", b"/.."))):
                raise error("not here")
            return original(self, target, *arguments)

        return wrapped

    def make() -> type[BankSftp]:
        return type("Lesser", (BankSftp,), {name: lesser(getattr(BankSftp, name)) for name in operations})

    return make


class _LinkAndUnlink(BankSftp):
    """Renames as some servers do: the new name first, then the old one away; never over a file that is there."""

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> Awaitable[None] | None:
        raise asyncssh.SFTPOpUnsupported("rename is what we have")

    def rename(self, oldpath: bytes, newpath: bytes) -> Awaitable[None] | None:
        old, new = self.map_path(oldpath), self.map_path(newpath)
        os.link(old, new)
        os.unlink(old)
        self.arrived(new)
        return None


def _cut(server: BankSftp) -> None:
    server.connection.abort()
    raise asyncssh.SFTPConnectionLost("cut")


def _fail(_: BankSftp) -> None:
    raise asyncssh.SFTPFailure("no space left on device")


def _deny(_: BankSftp) -> None:
    raise asyncssh.SFTPPermissionDenied("not now")


def _stall(_: BankSftp) -> Awaitable[None]:
    return asyncio.sleep(STALL_SECONDS)


def _say_done(_: BankSftp) -> None:
    return None


_MARKER = ('publish = "marker"', "staging_is_ours = true", "takes_file_before_marker = true")
_DIRECT = ('publish = "direct"',)
_NO_RENAME = without("rename", "posix_rename", error=asyncssh.SFTPOpUnsupported)

_LOOKS = ("lstat", "stat", "fstat")

KINDS = (
    Kind(name="takes files at once"),
    Kind(name="leaves files where they are", take=Take.KEEP, inbound=('after = "move"', 'move_to = "/archive"')),
    Kind(
        name="lets nobody look",
        file_name="{id}.xml",
        fault=without(*_LOOKS, error=asyncssh.SFTPPermissionDenied, below=b"/in/"),
    ),
    Kind(
        name="lets nobody look, keeps files",
        take=Take.KEEP,
        fault=without("lstat", "stat", error=asyncssh.SFTPFailure, below=b"/in/"),
        certain=False,  # an interrupted rename that replaces nothing is not asked for again
    ),
    Kind(
        name="renames by link and unlink",
        fault=lambda: _LinkAndUnlink,
        facts=("staging_is_ours = true",),
        certain=False,
    ),
    Kind(name="clears temporary files", facts=("atomic_rename = true",), certain=False),
    Kind(name="waits for a marker", marker=".done", fault=_NO_RENAME, facts=_MARKER, inbound=('after = "leave"',)),
    Kind(name="knows no rename", take=Take.KEEP, fault=_NO_RENAME, facts=_DIRECT, certain=False),
    Kind(name="knows no rename, takes at once", fault=_NO_RENAME, facts=_DIRECT, certain=False),
    Kind(
        name="lets files be claimed",
        inbound=('after = "delete"', 'claim = "/archive"'),
    ),
    Kind(name="cuts the line in the upload", fault=fault("write", _cut, done=True)),
    Kind(name="cuts the line after the rename", fault=fault("posix_rename", _cut, done=True)),
    Kind(name="cuts the line before the rename", fault=fault("posix_rename", _cut, done=False)),
    Kind(name="cuts the line in the download", fault=fault("read", _cut, done=False)),
    Kind(name="does not answer the rename", fault=fault("posix_rename", _stall, done=True)),
    Kind(name="has a full disk", fault=fault("write", _fail, done=False, times=2)),
    Kind(name="forbids the upload at first", fault=fault("open", _deny, done=False, times=2, ending=b".part")),
    Kind(name="says done, and did not rename", fault=fault("posix_rename", _say_done, done=False)),
    Kind(name="says failure, and did rename", fault=fault("posix_rename", _fail, done=True)),
    Kind(name="shows another host key", new_host_key=True),
    Kind(name="takes files at once, three together", files=3),
    Kind(name="cuts the line at the second of three", files=3, fault=fault("posix_rename", _cut, done=True, after=1)),
    Kind(name="says failure of the second of three", files=3, fault=fault("posix_rename", _fail, done=True, after=1)),
    Kind(
        name="lets nobody look, three together",
        files=3,
        file_name="{id}.xml",
        fault=without(*_LOOKS, error=asyncssh.SFTPPermissionDenied, below=b"/in/"),
    ),
)
