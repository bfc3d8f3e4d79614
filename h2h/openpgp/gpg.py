"""Runs GnuPG: six pipes, one loop, nothing kept in memory but the pieces on their way.

    source -> stdin    stdout or a pipe of its own -> sink    status lines and passphrases: pipes of their own

What GnuPG decides is read from the status pipe alone. Its stderr is for people: user ids and file names stand in it,
so that a sender can write there whatever he likes. No secret stands in an argument or in the environment.
"""

from __future__ import annotations

import fcntl
import io
import os
import selectors
import subprocess
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Protocol

from h2h.errors import GpgError
from h2h.text import escaped

BLOCK = 1 << 20  # bytes in one piece, and in a pipe
STALL_SECONDS = 120.0  # without a byte moving in any pipe, and GnuPG counts as hung
MOST_STATUS_BYTES = 1 << 20
KEPT_OF_STDERR = 4096
PREFIX = b"[GNUPG:] "
OLDEST = (2, 2, 8)  # the first that no file name leads, and that wants protection against changes
ALWAYS = (
    "--no-options",
    "--batch",
    "--no-tty",
    "--quiet",
    "--display-charset=utf-8",
    "--pinentry-mode=loopback",
    "--no-auto-check-trustdb",
    "--no-auto-key-locate",
    "--no-auto-key-retrieve",
    "--disable-dirmngr",
    "--no-default-keyring",
    "--keyring=pubring.kbx",
)

Sink = Callable[[bytes], Any]
Passphrase = Callable[[str], str | None]


class Source(Protocol):
    def read(self, size: int, /) -> bytes: ...


class TooMuch(Exception):
    """More content came out than was allowed; GnuPG was ended."""


class Hangs(GpgError):
    """Nothing came or went for long, or status lines without end; GnuPG was ended."""


@dataclass(frozen=True, slots=True)
class Status:
    """One status line: `VALIDSIG`, and its words."""

    word: str
    rest: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a run ended: its exit status, all status lines, the end of what it told people (on one line, safe to show),
    and how many bytes it wrote besides a content that came apart."""

    code: int
    said: tuple[Status, ...]
    told: str
    besides: int = 0

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
        source: Source | None = None,
        sink: Sink | None = None,
        apart: bool = False,
        passphrase: Passphrase | None = None,
        at_most: int | None = None,
    ) -> Ended:
        """`sink` gets what GnuPG writes to stdout; `apart`: the content alone, by a pipe of its own, because GnuPG
        lists keys that stand behind the content on stdout, too. `passphrase` is asked with the id of the key's primary
        (16 hex digits). Raises GpgError, TooMuch, and what source and sink raise; GnuPG has ended then, too."""
        with ExitStack() as stack:
            status, answers, content = (_Pipe(stack) for _ in range(3))
            given = [status.write, answers.read, content.write]
            own = [f"--status-fd={given[0].fileno()}", f"--command-fd={given[1].fileno()}"]
            own += ["--enable-special-filenames", f"--output=-&{given[2].fileno()}"] if apart else []
            process = self._start([*own, *arguments], keep=[end.fileno() for end in given])
            stack.callback(_end, process)
            for end in given:
                end.close()
            talk = _Talk(process, source, sink, passphrase, at_most, answers.write)
            try:
                talk.go(status.read, content.read if apart else None, self.stall_seconds)
                return talk.ended(process.wait(self.stall_seconds))
            except (subprocess.TimeoutExpired, TimeoutError) as error:
                raise Hangs(
                    f"{self.program} hung: for {self.stall_seconds:g} s no byte came or went. It is ended."
                ) from error

    def _start(self, arguments: Sequence[str], *, keep: Collection[int]) -> subprocess.Popen[bytes]:
        when = [] if self.now is None else [f"--faked-system-time={self.now().astimezone(UTC):%Y%m%dT%H%M%S}!"]
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


class _Pipe:
    """Both ends, closed with the stack at the latest."""

    def __init__(self, stack: ExitStack) -> None:
        read, write = os.pipe()
        self.read = stack.enter_context(io.FileIO(read, "r"))
        self.write = stack.enter_context(io.FileIO(write, "w"))


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            stream.close()


def missing(program: str, error: OSError) -> GpgError:
    return GpgError(
        f"GnuPG cannot be started: {program}: {error.strerror}. Install it (Debian: apt install gpg gpg-agent), "
        "version 2.2.8 or newer."
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
        raise GpgError(f"{program} is GnuPG {words[-1]}; 2.2.8 or newer is needed.")
    return found


@dataclass(slots=True)
class _Talk:
    """One run under way."""

    process: subprocess.Popen[bytes]
    source: Source | None
    sink: Sink | None
    passphrase: Passphrase | None
    at_most: int | None
    answers: io.FileIO
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _piece: memoryview = field(default_factory=lambda: memoryview(b""))
    _status: bytearray = field(default_factory=bytearray)
    _heard: int = 0  # bytes of the status lines that were gone through
    _key: str = ""
    _told: bytes = b""
    _came: int = 0  # bytes to the sink
    _besides: int = 0  # bytes on stdout, where the content comes apart

    def go(self, status: io.FileIO, content: io.FileIO | None, stall_seconds: float) -> None:
        """Until GnuPG has closed all that it writes to."""
        assert self.process.stdin
        assert self.process.stdout
        assert self.process.stderr
        with self._selector:
            self._watch(self.process.stdin, selectors.EVENT_WRITE, self._feed)
            self._watch(self.process.stdout, selectors.EVENT_READ, self._skip if content else self._take)
            self._watch(self.process.stderr, selectors.EVENT_READ, self._tell)
            self._watch(status, selectors.EVENT_READ, self._hear)
            if content:
                self._watch(content, selectors.EVENT_READ, self._take)
            while any(key.events == selectors.EVENT_READ for key in self._selector.get_map().values()):
                ready = self._selector.select(stall_seconds)
                if not ready:
                    raise TimeoutError
                for key, _ in ready:
                    key.data(key.fd)

    def ended(self, code: int) -> Ended:
        lines = [line[len(PREFIX) :] for line in bytes(self._status).split(b"\n") if line.startswith(PREFIX)]
        words = [line.decode("utf-8", "replace").split(" ") for line in lines]
        said = tuple(Status(first, tuple(rest)) for first, *rest in words)
        told = escaped(" ".join(self._told.decode("utf-8", "replace").split()))
        return Ended(code=code, said=said, told=told, besides=self._besides)

    def _watch(self, pipe: IO[bytes] | io.FileIO, event: int, then: Callable[[int], None]) -> None:
        os.set_blocking(pipe.fileno(), False)
        with suppress(OSError):
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, BLOCK)
        self._selector.register(pipe.fileno(), event, then)

    def _read(self, fd: int) -> bytes:
        piece = os.read(fd, BLOCK)
        if not piece:
            self._selector.unregister(fd)
        return piece

    def _feed(self, fd: int) -> None:
        """Hand the next piece over, and close when there is no more, or nobody who takes it."""
        assert self.process.stdin
        if not self._piece and self.source is not None:
            self._piece = memoryview(self.source.read(BLOCK))
        with suppress(BrokenPipeError):
            if self._piece:
                self._piece = self._piece[os.write(fd, self._piece) :]
                return
        self._selector.unregister(fd)
        self.process.stdin.close()

    def _take(self, fd: int) -> None:
        piece = self._read(fd)
        self._came += len(piece)
        if self.at_most is not None and self._came > self.at_most:
            raise TooMuch
        if piece and self.sink:
            self.sink(piece)

    def _skip(self, fd: int) -> None:
        self._besides += len(self._read(fd))

    def _tell(self, fd: int) -> None:
        self._told = (self._told + self._read(fd))[-KEPT_OF_STDERR:]

    def _hear(self, fd: int) -> None:
        self._status += self._read(fd)
        if len(self._status) > MOST_STATUS_BYTES:
            raise Hangs("GnuPG says more of a file than belongs to any. It is ended.")
        while (end := self._status.find(b"\n", self._heard)) >= 0:
            self._answer(bytes(self._status[self._heard : end]).removeprefix(PREFIX).split(b" "))
            self._heard = end + 1

    def _answer(self, words: list[bytes]) -> None:
        """A passphrase where it is asked for; nothing else is ever agreed to."""
        if words[0] == b"NEED_PASSPHRASE" and len(words) > 2:
            self._key = words[2].decode("ascii", "replace")
        elif words[0].startswith(b"NEED_PASSPHRASE"):
            self._key = ""
        elif words[0].startswith(b"GET_"):
            secret = self.passphrase(self._key) if self.passphrase and words[0] == b"GET_HIDDEN" else None
            with suppress(BrokenPipeError):
                self.answers.write((secret or "").encode() + b"\n")
