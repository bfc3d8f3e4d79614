"""A few files of our own in one folder of the bank: made, looked at, renamed, removed; every answer is read.

Their names are temporary ones, as those of files under way: with a dot before and ``.part`` behind. What stands in them
is no payment. Each name is noted in `ours` before it is asked for, and stays there until it is known to be gone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from h2h.channels.facts import Outcome, Step, Trial, Weight, Word
from h2h.channels.hands import Hands, Written
from h2h.channels.names import joined
from h2h.model import Presence

CONTENT = b"A probe of h2h, host to host. This is no payment, and is removed at once.\n"
NUMBERS = (1, 2, 3, 4)
PRESENCE = {Outcome.DONE: Presence.THERE, Outcome.ABSENT: Presence.GONE}
SKEW_SECONDS = 30  # more between their clock and ours is remarkable
RIGHTS = "Ask the bank for the rights of this user."
UNIQUE = "Use names that no other file can have: {id} in `name`."


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """How long a file is left to be taken, and what waits for that."""

    seconds: float
    pause: Callable[[float], object]


class Trying:
    """The trial in one folder. `ours`: the names that may be there; `tell` takes each step."""

    def __init__(
        self,
        hands: Hands,
        folder: str,
        *,
        tag: str,
        ours: dict[str, None],
        tell: Callable[[Step], None],
        now: Callable[[], datetime],
    ) -> None:
        self._hands = hands
        self._folder = folder
        self._names = [joined(folder, f".h2h-probe-{tag}-{number}.part") for number in NUMBERS]
        self._ours = ours
        self._tell = tell
        self._now = now
        self._found = Trial(folder=folder, written=False)

    def run(self, watch: Watch | None, *, renames: bool) -> Trial:
        """A file is made, looked at and removed; with `watch` it is left for a while, and renamed where `renames`."""
        first = self._names[0]
        if written := self._write(first, CONTENT):
            told = written.seen is not None and written.seen.size is not None
            self._found = replace(self._found, written=True, size_told=told)
            self._look(first, written, watch)
            if watch and first in self._ours:
                self._write_again(first)
                if renames:
                    self._rename_all()
        self._remove_all()
        return self._found

    def _note(self, weight: Weight, name: str, said: str, todo: str = "") -> None:
        self._tell(Step(name=name, place=self._folder, weight=weight, said=said, todo=todo))

    def _write(self, path: str, data: bytes) -> Written | None:
        """None where that failed, which is told."""
        self._ours[path] = None
        written = self._hands.write(path, data)
        if not written.made and written.word.outcome in (Outcome.REFUSED, Outcome.ABSENT):
            del self._ours[path]
        size = written.seen.size if written.seen else None
        if written.word.done and size in (None, len(data)):
            return written
        if written.word.done:
            self._note(Weight.BAD, "size", f"{path} has {size} bytes after {len(data)} were written.", RIGHTS)
        else:
            said = f"a small file in {self._folder}: could not {written.step} ({written.word.text})."
            self._note(Weight.BAD, "stage", said, RIGHTS)
        return None

    def _look(self, path: str, written: Written, watch: Watch | None) -> None:
        """Whether the file is there, and stays."""
        size = "its size is told" if self._found.size_told else "the size of an open file is not told"
        self._note(Weight.GOOD, "stage", f"a small file was made in {self._folder}; {size}.")
        at_once = later = self._hands.look(path)
        told = written.seen.modified if written.seen else None
        self._clock(at_once.modified if told is None else told)
        seconds = 0.0
        if watch and watch.seconds > 0:
            watch.pause(watch.seconds)
            later, seconds = self._hands.look(path), watch.seconds
        self._found = replace(
            self._found,
            at_once=_presence(at_once),
            later=_presence(later),
            watched_seconds=seconds,
            size_shown=at_once.size == len(CONTENT),
        )
        self._tell_look(path, at_once, later)

    def _clock(self, modified: int | None) -> None:
        if modified is None:
            return
        ahead = modified - int(self._now().timestamp())
        self._found = replace(self._found, clock_ahead_seconds=ahead)
        said = f"the server's clock is {abs(ahead)} s {'ahead of' if ahead > 0 else 'behind'} ours."
        if abs(ahead) > SKEW_SECONDS:
            self._note(Weight.NOTE, "clock", said, "Look which one is right: cut-offs go by ours.")
        else:
            self._note(Weight.GOOD, "clock", said)

    def _tell_look(self, path: str, at_once: Word, later: Word) -> None:
        if self._found.later is Presence.HIDDEN:
            self._note(Weight.NOTE, "look", f"it is not shown to us ({later.text}).")
        elif self._found.later is Presence.GONE:
            self._gone(path)
        elif at_once.size != len(CONTENT):
            self._note(Weight.NOTE, "look", f"it is shown with {at_once.size} of {len(CONTENT)} bytes.")

    def _gone(self, path: str) -> None:
        """Not shown any more: was it taken, or is it hidden?"""
        swept = self._removed(path).outcome is Outcome.ABSENT
        self._found = replace(self._found, swept=swept)
        if swept:
            when = f"within {self._found.watched_seconds:g} s" if self._found.at_once is Presence.THERE else "at once"
            todo = "Our temporary files are not left alone there. Ask for a folder, or for names, that are: `staging`."
            self._note(Weight.NOTE, "sweep", f"it vanished {when}: somebody takes or removes it.", todo)
        else:
            self._note(Weight.NOTE, "look", "it is hidden once it was written: the server says that it is not there.")

    def _write_again(self, path: str) -> None:
        """Whether a new file may take the place of one that is there."""
        again = self._hands.write(path, CONTENT)
        self._found = replace(self._found, exclusive=not again.made)
        if again.made:
            said = f"a new file in {self._folder} takes the place of one of its name, which it must not."
            self._note(Weight.NOTE, "stage over", said, UNIQUE)
        else:
            self._note(Weight.GOOD, "stage over", f"a new file takes no other's place ({again.word.text}).")

    def _rename_all(self) -> None:
        first, second, third, last = self._names
        if not self._rename(first, second) or not self._write(third, CONTENT * 2):
            return
        kept = self._renamed(third, second, posix=False)
        self._found = replace(self._found, replaced=kept.done)
        if kept.done:
            said = f"{self._hands.plain} replaces a file that is there, which it must not."
            self._note(Weight.NOTE, "rename over", said, UNIQUE)
        else:
            self._note(Weight.GOOD, "rename over", f"{self._hands.plain} replaces no file ({kept.text}).")
            if self._hands.posix:
                self._replace(third, second)
        if self._hands.posix and self._renamed(second, last, posix=False).outcome is Outcome.REFUSED:
            said = f"{self._hands.plain} is refused: where nobody may look, a file there might be replaced."
            self._note(Weight.NOTE, "rename", said, UNIQUE)

    def _rename(self, path: str, target: str) -> bool:
        """As publishing does it."""
        how = self._hands.over if self._hands.posix else self._hands.plain
        word = self._renamed(path, target, posix=self._hands.posix)
        still, there = self._hands.look(path), self._hands.look(target)
        done = word.done and not still.done and there.outcome is not Outcome.ABSENT
        answer = "the server says done, and it is not so" if word.done else f"not done ({word.text})"
        self._found = replace(self._found, renamed=done)
        if done:
            self._note(Weight.GOOD, "rename", f"it was renamed in {self._folder} ({how}).")
        elif word.outcome is Outcome.ABSENT:
            self._found = replace(self._found, renamed=None, swept=True)
            self._note(Weight.NOTE, "sweep", f"{how} in {self._folder}: {answer}. Somebody took or removed the file.")
        else:
            todo = "Ask the bank for the right to rename, or by which way files come."
            self._note(Weight.BAD, "rename", f"{how} in {self._folder}: {answer}.", todo)
        return done

    def _replace(self, path: str, target: str) -> None:
        word, there = self._renamed(path, target, posix=True), self._hands.look(target)
        done = word.done and there.size in (None, len(CONTENT) * 2)
        self._found = replace(self._found, posix_replaced=done)
        if done:
            self._note(Weight.GOOD, "rename over", f"{self._hands.over} put one file over the other in one step.")
        else:
            said = f"{self._hands.over} did not replace a file ({word.text or 'done'})."
            self._note(Weight.NOTE, "rename over", said)

    def _renamed(self, path: str, target: str, *, posix: bool) -> Word:
        self._ours[target] = None
        return self._hands.rename(path, target, posix=posix)

    def _remove_all(self) -> None:
        words = [self._removed(path) for path in self._names if path in self._ours]
        if not words:
            return
        left = [word.text for word in words if word.outcome not in (Outcome.DONE, Outcome.ABSENT)]
        if self._found.later is Presence.HIDDEN and all(word.outcome is Outcome.ABSENT for word in words):
            self._found = replace(self._found, swept=True)
            self._note(Weight.NOTE, "sweep", f"it vanished from {self._folder}: somebody takes or removes it.")
        self._found = replace(self._found, removed=not left, swept=bool(self._found.swept))
        if left:
            self._note(Weight.BAD, "remove", f"it cannot be removed from {self._folder} ({left[0]}).", RIGHTS)
        else:
            self._note(Weight.GOOD, "remove", f"nothing of ours is left in {self._folder}.")

    def _removed(self, path: str) -> Word:
        word = self._hands.remove(path)
        if word.outcome in (Outcome.DONE, Outcome.ABSENT):
            self._ours.pop(path, None)
        return word


def _presence(word: Word) -> Presence:
    return PRESENCE.get(word.outcome, Presence.HIDDEN)
