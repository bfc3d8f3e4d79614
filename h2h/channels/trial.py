"""A few files of our own in one folder of the bank: made, looked at, renamed, removed; every answer is read.

Their names are temporary ones, as those of files under way: with a dot before and ``.part`` behind. What stands in them
is no payment. Each name is noted in `ours` before the file is asked for, and stays there until it is known to be gone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from h2h.channels.facts import Outcome, Step, Trial, Weight, Word
from h2h.channels.hands import Hands
from h2h.channels.names import joined
from h2h.model import Presence

CONTENT = b"A probe of h2h, host to host. This is no payment, and is removed at once.\n"
PRESENCE = {Outcome.DONE: Presence.THERE, Outcome.ABSENT: Presence.GONE}
SKEW_SECONDS = 30  # more between their clock and ours is told
RIGHTS = "Ask the bank for the rights of this user."


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
        self._tag = tag
        self._ours = ours
        self._tell = tell
        self._now = now
        self._found = Trial(folder=folder, written=False)

    def run(self, watch: Watch | None) -> Trial:
        """With `watch` all of it; without, a file is made, looked at and removed."""
        first = self._name(1)
        if self._write(first, CONTENT):
            self._look(first, watch)
            if watch and not self._found.swept:
                self._rename_all(first)
        self._remove_all()
        return self._found

    def _name(self, number: int) -> str:
        return joined(self._folder, f".h2h-probe-{self._tag}-{number}.part")

    def _note(self, weight: Weight, name: str, said: str, todo: str = "") -> None:
        self._tell(Step(name=name, place=self._folder, weight=weight, said=said, todo=todo))

    def _write(self, path: str, data: bytes) -> bool:
        self._ours[path] = None
        written = self._hands.write(path, data)
        if not written.made and written.word.outcome in (Outcome.REFUSED, Outcome.ABSENT):
            del self._ours[path]
        if not written.word.done:
            said = f"a small file in {self._folder}: could not {written.step} ({written.word.text})."
            self._note(Weight.BAD, "stage", said, RIGHTS)
            return False
        told = written.seen.size if written.seen else None
        self._found = replace(self._found, written=True, size_told=told is not None)
        if told not in (None, len(data)):
            self._note(Weight.BAD, "size", f"{path} has {told} bytes after {len(data)} were written.", RIGHTS)
            return False
        if written.seen and written.seen.modified is not None:
            self._clock(written.seen.modified)
        return True

    def _clock(self, modified: int) -> None:
        if self._found.clock_ahead_seconds is None:
            ahead = modified - int(self._now().timestamp())
            self._found = replace(self._found, clock_ahead_seconds=ahead)
            if abs(ahead) > SKEW_SECONDS:
                said = f"the server's clock is {abs(ahead)} s {'ahead of' if ahead > 0 else 'behind'} ours."
                self._note(Weight.NOTE, "clock", said, "Look which one is right: cut-offs go by ours.")

    def _look(self, path: str, watch: Watch | None) -> None:
        """Whether the file is there, and stays."""
        at_once = later = self._hands.look(path)
        seconds = 0.0
        if watch and watch.seconds > 0:
            watch.pause(watch.seconds)
            later, seconds = self._hands.look(path), watch.seconds
        here = PRESENCE.get(at_once.outcome, Presence.HIDDEN)
        there = PRESENCE.get(later.outcome, Presence.HIDDEN)
        shown = at_once.size == len(CONTENT)
        self._found = replace(self._found, at_once=here, later=there, watched_seconds=seconds, size_shown=shown)
        size = "its size is told" if self._found.size_told else "the size of an open file is not told"
        self._note(Weight.GOOD, "stage", f"a small file was made in {self._folder}; {size}.")
        if there is Presence.HIDDEN:
            self._note(Weight.NOTE, "look", f"it is not shown to us ({later.text}).")
        elif there is Presence.GONE:
            self._gone(path)
        elif at_once.size != len(CONTENT):
            self._note(Weight.NOTE, "look", f"it is shown with {at_once.size} of {len(CONTENT)} bytes.")

    def _gone(self, path: str) -> None:
        """Not shown any more: is it hidden, or was it taken?"""
        removed = self._removed(path)
        self._found = replace(self._found, swept=removed.outcome is Outcome.ABSENT)
        if self._found.swept:
            when = f"within {self._found.watched_seconds:g} s" if self._found.at_once is Presence.THERE else "at once"
            todo = "Our temporary files are not left alone there. Ask for a folder, or for names, that are: `staging`."
            self._note(Weight.NOTE, "sweep", f"it vanished {when}: somebody takes or removes it.", todo)
        else:
            self._note(Weight.NOTE, "look", "it is hidden once it was written: the server says that it is not there.")

    def _rename_all(self, first: str) -> None:
        second, third, last = (self._name(number) for number in (2, 3, 4))
        if not self._rename(first, second) or not self._write(third, CONTENT * 2):
            return
        over = self._renamed(third, second, posix=False)
        self._found = replace(self._found, replaced=over.done)
        if over.done:
            said = f"a plain rename in {self._folder} replaces a file that is there, which it must not."
            self._note(
                Weight.NOTE, "rename over", said, "Use names that no other file can have: write {id} into `name`."
            )
        else:
            self._note(Weight.GOOD, "rename over", f"a plain rename replaces no file ({over.text}).")
        if self._hands.posix and not over.done:
            self._replace(third, second)
        if self._hands.posix and self._renamed(second, last, posix=False).outcome is Outcome.REFUSED:
            self._note(Weight.NOTE, "rename", "the plain rename is refused: no file can be given a name exclusively.")

    def _rename(self, path: str, target: str) -> bool:
        """As publishing does it."""
        how = "posix-rename" if self._hands.posix else "rename"
        word = self._renamed(path, target, posix=self._hands.posix)
        still, there = self._hands.look(path), self._hands.look(target)
        done = word.done and not still.done and there.outcome is not Outcome.ABSENT
        self._found = replace(self._found, renamed=done)
        if done:
            self._note(Weight.GOOD, "rename", f"it was renamed in {self._folder} ({how}).")
            return True
        if word.done:
            said = f"{how} in {self._folder}: the server says done, and it is not so."
        else:
            said = f"{how} in {self._folder} is not done ({word.text})."
        if word.outcome is Outcome.ABSENT:
            self._found = replace(self._found, renamed=None, swept=True)
            self._note(Weight.NOTE, "sweep", f"{said} Somebody took the file or removed it.")
        else:
            self._note(Weight.BAD, "rename", said, "Ask the bank for the right to rename, or by which way files come.")
        return False

    def _replace(self, path: str, target: str) -> None:
        word, there = self._renamed(path, target, posix=True), self._hands.look(target)
        shown = there.size in (None, len(CONTENT) * 2)
        self._found = replace(self._found, posix_replaced=word.done and shown)
        if word.done and shown:
            self._note(Weight.GOOD, "posix-rename over", "posix-rename put one file over the other in one step.")
        else:
            self._note(
                Weight.NOTE, "posix-rename over", f"posix-rename did not replace a file ({word.text or 'done'})."
            )

    def _renamed(self, path: str, target: str, *, posix: bool) -> Word:
        self._ours[target] = None
        return self._hands.rename(path, target, posix=posix)

    def _remove_all(self) -> None:
        if not self._found.written:
            return
        words = [self._removed(path) for path in [*self._ours] if path.startswith(self._name(0).removesuffix("0.part"))]
        left = [word.text for word in words if word.outcome not in (Outcome.DONE, Outcome.ABSENT)]
        hidden = self._found.later is Presence.HIDDEN and self._found.swept is None
        if hidden and words and all(word.outcome is Outcome.ABSENT for word in words):
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
