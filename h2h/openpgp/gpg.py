"""Runs GnuPG: five pipes, one loop, nothing kept in memory but the pieces on their way.

    source -> stdin    stdout -> sink    status lines <- a pipe of their own    passphrases -> a pipe of their own

What GnuPG decides is read from the status pipe alone. Its stderr is for people: user ids and file names stand in it,
so that a sender can write there whatever he likes. No secret stands in an argument or in the environment.
"""

from __future__ import annotations

import fcntl
import os
import selectors
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from h2h.errors import GpgError
from h2h.text import escaped

BLOCK = 1 << 20  # bytes in one piece, and in a pipe
STALL_SECONDS = 120.0  # without a byte moving in any pipe, and GnuPG counts as hung
MOST_STATUS_BYTES = 1 << 20
KEPT_OF_STDERR = 4096
PREFIX = b"[GNUPG:] "
OLDEST = (2, 2)
ALWAYS = (
    "--no-options",
    "--batch",
    "--no-tty",
    "--quiet",
    "--display-charset=utf-8",
    "--pinentry-mode=loopback",
    "--trust-model=always",  # a home holds pinned keys alone
    "--no-auto-check-trustdb",
    "--no-auto-key-locate",
    "--no-auto-key-retrieve",
    "--disable-dirmngr",
    "--no-default-keyring",
    "--keyring=pubring.kbx",
)

Sink = Callable[[bytes], Any]
Passphrase = Callable[[str], str | None]


class TooMuch(Exception):
    """More came out than was allowed; GnuPG was ended."""


@dataclass(frozen=True, slots=True)
class Status:
    """One status line: `VALIDSIG`, and its words."""

    word: str
    rest: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a run ended: its exit status, all status lines, and the end of what it told people."""

    code: int
    said: tuple[Status, ...]
    told: str

    def words(self, word: str) -> list[tuple[str, ...]]:
        return [status.rest for status in self.said if status.word == word]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpg:
    """The program in one home. `now`: the clock that it is to go by, asked at each run."""

    program: str
    home: Path
    now: Callable[[], datetime] | None = None
    stall_seconds: float = STALL_SECONDS

    def run(
        self,
        *arguments: str,
        source: BinaryIO | None = None,
        sink: Sink | None = None,
        passphrase: Passphrase | None = None,
        at_most: int | None = None,
    ) -> Ended:
        """`passphrase` is asked with the id of the key's primary (16 hex digits). Raises GpgError, TooMuch, and what
        source and sink raise; GnuPG has ended then, too."""
        status, answers = os.pipe(), os.pipe()
        with suppress(OSError):
            fcntl.fcntl(status[0], fcntl.F_SETPIPE_SZ, BLOCK)
        pipes = [f"--status-fd={status[1]}", f"--command-fd={answers[0]}"]
        try:
            process = self._start([*pipes, *arguments], keep=(status[1], answers[0]))
        except BaseException:
            _close(status[0], answers[1])
            raise
        finally:
            _close(status[1], answers[0])
        talk = _Talk(
            process=process, source=source, sink=sink, passphrase=passphrase, at_most=at_most, answers=answers[1]
        )
        try:
            talk.go(status[0], self.stall_seconds)
            return Ended(code=process.wait(self.stall_seconds), said=talk.said(), told=talk.told())
        except (subprocess.TimeoutExpired, TimeoutError) as error:
            raise GpgError(
                f"{self.program} has hung: nothing came from it for {self.stall_seconds:g} s. It was ended."
            ) from error
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            talk.close(status[0])

    def _start(self, arguments: Sequence[str], *, keep: tuple[int, int]) -> subprocess.Popen[bytes]:
        when = [] if self.now is None else [f"--faked-system-time={self.now().astimezone(UTC):%Y%m%dT%H%M%S}"]
        try:
            return subprocess.Popen(  # noqa: S603 - the program that the settings name, arguments of our own
                [self.program, f"--homedir={self.home}", *ALWAYS, *when, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd=self.home,
                env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.home), "LC_ALL": "C"},
                pass_fds=keep,
                start_new_session=True,
            )
        except OSError as error:
            raise missing(self.program, error) from error


def missing(program: str, error: OSError) -> GpgError:
    return GpgError(
        f"GnuPG cannot be started: {program}: {error.strerror}. Install it (Debian: apt install gpg gpg-agent), "
        "version 2.2 or newer."
    )


def version(program: str) -> tuple[int, ...]:
    """Of the program. Raises GpgError where there is none, or one that is too old."""
    try:
        done = subprocess.run(  # noqa: S603 - as above
            [program, "--no-options", "--version"],
            capture_output=True,
            timeout=STALL_SECONDS,
            check=False,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "GNUPGHOME": "/nonexistent"},
        )
    except OSError as error:
        raise missing(program, error) from error
    except subprocess.TimeoutExpired as error:
        raise GpgError(f"{program} --version gives no answer.") from error
    first = done.stdout.decode("utf-8", "replace").splitlines()[:1]
    words = first[0].split() if first else []
    if not words or not words[0].startswith("gpg"):
        raise GpgError(f"{program} is not GnuPG: it says {escaped(' '.join(words))[:80]!r} of itself.")
    found = tuple(int(part) for part in words[-1].split("-")[0].split(".") if part.isdecimal())
    if found < OLDEST:
        raise GpgError(f"{program} is GnuPG {words[-1]}; 2.2 or newer is needed.")
    return found


@dataclass(slots=True, kw_only=True)
class _Talk:
    """One run under way."""

    process: subprocess.Popen[bytes]
    source: BinaryIO | None
    sink: Sink | None
    passphrase: Passphrase | None
    at_most: int | None
    answers: int
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _piece: memoryview = field(default_factory=lambda: memoryview(b""))
    _status: bytearray = field(default_factory=bytearray)
    _heard: int = 0  # bytes of the status lines that were gone through
    _key: str = ""
    _told: bytes = b""
    _came: int = 0

    def go(self, status: int, stall_seconds: float) -> None:
        """Until GnuPG has closed all that it writes to."""
        assert self.process.stdin
        assert self.process.stdout
        assert self.process.stderr
        self._watch(self.process.stdin.fileno(), selectors.EVENT_WRITE, self._feed)
        self._watch(self.process.stdout.fileno(), selectors.EVENT_READ, self._take)
        self._watch(self.process.stderr.fileno(), selectors.EVENT_READ, self._tell)
        self._watch(status, selectors.EVENT_READ, self._hear)
        while any(key.events == selectors.EVENT_READ for key in self._selector.get_map().values()):
            ready = self._selector.select(stall_seconds)
            if not ready:
                raise TimeoutError
            for key, _ in ready:
                if not key.data(key.fd):
                    self._selector.unregister(key.fd)

    def said(self) -> tuple[Status, ...]:
        lines = [line[len(PREFIX) :] for line in bytes(self._status).split(b"\n") if line.startswith(PREFIX)]
        words = [line.decode("utf-8", "replace").split(" ") for line in lines]
        return tuple(Status(first, tuple(rest)) for first, *rest in words)

    def told(self) -> str:
        """The end of its stderr, on one line, safe to show."""
        return escaped(" ".join(self._told.decode("utf-8", "replace").split()))

    def close(self, status: int) -> None:
        self._selector.close()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                stream.close()
        _close(status, self.answers)

    def _watch(self, fd: int, event: int, then: Callable[[int], bool]) -> None:
        os.set_blocking(fd, False)
        with suppress(OSError):
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, BLOCK)
        self._selector.register(fd, event, then)

    def _feed(self, fd: int) -> bool:
        """Hand the next piece over; False when there is no more, or nobody who takes it."""
        if not self._piece and self.source is not None:
            self._piece = memoryview(self.source.read(BLOCK))
        with suppress(BrokenPipeError):
            if self._piece:
                self._piece = self._piece[os.write(fd, self._piece) :]
                return True
        assert self.process.stdin
        self._selector.unregister(fd)
        self.process.stdin.close()
        return True

    def _take(self, fd: int) -> bool:
        piece = os.read(fd, BLOCK)
        self._came += len(piece)
        if self.at_most is not None and self._came > self.at_most:
            raise TooMuch
        if piece and self.sink:
            self.sink(piece)
        return bool(piece)

    def _tell(self, fd: int) -> bool:
        piece = os.read(fd, BLOCK)
        self._told = (self._told + piece)[-KEPT_OF_STDERR:]
        return bool(piece)

    def _hear(self, fd: int) -> bool:
        piece = os.read(fd, BLOCK)
        self._status += piece
        if len(self._status) > MOST_STATUS_BYTES:
            raise TooMuch
        while (end := self._status.find(b"\n", self._heard)) >= 0:
            self._answer(bytes(self._status[self._heard : end]).removeprefix(PREFIX).split(b" "))
            self._heard = end + 1
        return bool(piece)

    def _answer(self, words: list[bytes]) -> None:
        """A passphrase where it is asked for; nothing else is ever agreed to."""
        if words[0] == b"NEED_PASSPHRASE" and len(words) > 2:
            self._key = words[2].decode("ascii", "replace")
        elif words[0].startswith(b"NEED_PASSPHRASE"):
            self._key = ""
        elif words[0].startswith(b"GET_"):
            secret = self.passphrase(self._key) if self.passphrase and words[0] == b"GET_HIDDEN" else None
            with suppress(BrokenPipeError):
                os.write(self.answers, (secret or "").encode() + b"\n")


def _close(*fds: int) -> None:
    for fd in fds:
        with suppress(OSError):
            os.close(fd)
