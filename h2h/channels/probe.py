"""What a bank's server can do, found out without leaving a trace.

    host keys -> login -> folders: there? listable? -> what it says to requests about a file that is not there
    -> a small file of ours, made, looked at and removed -> with `watch`, also left to be taken, and renamed

Nothing is tried at a server whose host key is not pinned. A file is made only where the profile states that the bank
leaves our temporary files alone, or where `watch` asks for it; never where the server refuses removal. What could not
be removed again is told by its name, also where the line broke: then the server is asked once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from h2h.channels import Channel
from h2h.channels.facts import FolderFacts, Greeting, Outcome, Probe, Server, Step, Trial, Weight, Word
from h2h.channels.folder import FolderChannel
from h2h.channels.folder_hands import FolderHands
from h2h.channels.greeting import greet
from h2h.channels.hands import Broken, Hands, SftpHands
from h2h.channels.names import joined
from h2h.channels.proposal import Found, changes, questions
from h2h.channels.sftp import SftpChannel
from h2h.channels.trial import RIGHTS, Trying, Watch
from h2h.config import Bank, FolderSettings, SftpSettings
from h2h.errors import ChannelError, Refused
from h2h.model import Way

Connect = Callable[[SftpSettings | FolderSettings], Channel]
GUIDE = "Compare the folder names of this bank with its guide."


def probe(bank: Bank, *, connect: Connect, tag: str, now: Callable[[], datetime], watch: Watch | None = None) -> Probe:
    """Ask everything. `tag`: letters and digits that stand in no name at the bank. `watch`: rename, too.

    Raises nothing of the bank's: what goes wrong is a step.
    """
    at, probing = now(), _Probing(bank=bank, connect=connect, tag=tag, now=now, watch=watch)
    probing.run()
    found = Found(bank=bank, replaces=probing.replaces, folders=probing.folders, trials=probing.trials)
    proposed = changes(found) if probing.logged_in else []
    return Probe(
        bank=bank.name,
        at=at,
        thorough=watch is not None,
        steps=probing.steps,
        greeting=probing.greeting,
        server=probing.server,
        folders=probing.folders,
        trials=probing.trials,
        left=[*probing.ours],
        changes=proposed,
        ask=questions(found, proposed) if probing.logged_in else [],
    )


@dataclass(kw_only=True)
class _Probing:
    """What is known so far. `ours`: the names of files that we made and that may be there still."""

    bank: Bank
    connect: Connect
    tag: str
    now: Callable[[], datetime]
    watch: Watch | None
    steps: list[Step] = field(default_factory=list)
    greeting: Greeting | None = None
    server: Server | None = None
    logged_in: bool = False
    replaces: bool = False
    folders: list[FolderFacts] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    ours: dict[str, None] = field(default_factory=dict)
    doing: str = ""

    def run(self) -> None:
        settings = self.bank.channel
        try:
            if isinstance(settings, SftpSettings) and not self._trusted(settings):
                return
            with self._session() as (channel, hands):
                self._logged_in(hands)
                self._look_around(channel, hands)
                for path, folder in self._places().items():
                    self._try(hands, path, folder)
        except ChannelError as error:
            offered = ", ".join(self.greeting.methods) if self.greeting else ""
            todo = f"To this user the server offers {offered}." if offered and isinstance(error, Refused) else ""
            self._note(Weight.BAD, "login" if self.greeting else "connect", str(error), todo)
        except Broken as error:
            self._note(
                Weight.BAD, "line", f"The connection was lost while asked for {self.doing} ({error}).", "Try again."
            )
        self._tidy()

    def _note(self, weight: Weight, name: str, said: str, todo: str = "", place: str = "") -> None:
        self.steps.append(Step(name=name, place=place, weight=weight, said=said, todo=todo))

    # Before the login.

    def _trusted(self, settings: SftpSettings) -> bool:
        self.greeting = greeting = greet(settings)
        for address in greeting.addresses:
            if address not in greeting.allowed:
                said = (
                    f"{settings.host} stands for {address}, too, which `addresses` does not allow: it is never asked."
                )
                self._note(Weight.NOTE, "address", said)
        for text in greeting.silent:
            self._note(Weight.NOTE, "address", text)
        for key in greeting.host_keys:
            at = f" at {key.address}" if len(greeting.allowed) > 1 else ""
            weight = Weight.GOOD if key.pinned else Weight.NOTE
            said = f"host key {key.fingerprint} ({key.kind}){at} is {'' if key.pinned else 'not '}pinned."
            self._note(weight, "host key", said)
        strangers = greeting.strangers
        if strangers:
            said = f"{', '.join(strangers)} shows no host key that is pinned. Pinned: {', '.join(settings.host_keys)}. "
            todo = (
                "Somebody may stand between us and the bank: do not go on until the bank has confirmed the new key by "
                "another way; then add its fingerprint to host_keys."
            )
            self._note(Weight.BAD, "host key", said + "Nothing was sent.", todo)
        return not strangers

    # The session.

    @contextmanager
    def _session(self) -> Iterator[tuple[Channel, Hands]]:
        with self.connect(self.bank.channel) as channel:
            if isinstance(channel, SftpChannel):
                yield channel, SftpHands(channel)
            else:
                assert isinstance(channel, FolderChannel)
                yield channel, FolderHands(channel)

    def _logged_in(self, hands: Hands) -> None:
        self.logged_in, self.replaces = True, hands.posix
        self.doing = "what the server can do"
        settings = self.bank.channel
        if isinstance(settings, SftpSettings):
            methods = (
                f" (it offers {', '.join(self.greeting.methods)})" if self.greeting and self.greeting.methods else ""
            )
            self._note(Weight.GOOD, "login", f"logged in as {settings.user}{methods}.")
        self.server = hands.server()

    def _look_around(self, channel: Channel, hands: Hands) -> None:
        for path, uses in self._uses().items():
            facts = self._folder(channel, hands, path, uses)
            self.folders.append(facts if facts.there is False else self._asked_of(hands, facts))
        for folder in self.bank.outbound:
            self._one_disk(folder.staging_folder, folder.remote)

    def _uses(self) -> dict[str, list[str]]:
        """The folders of the profile, each with the settings that name it."""
        named = [
            (f"{kind}[{number}].{key}", getattr(folder, key))
            for kind, folders, keys in (
                ("outbound", self.bank.outbound, ("remote", "staging")),
                ("inbound", self.bank.inbound, ("remote", "claim", "move_to")),
            )
            for number, folder in enumerate(folders, start=1)
            for key in keys
        ]
        uses: dict[str, list[str]] = {}
        for use, path in named:
            if path is not None:
                uses.setdefault(path, []).append(use)
        return uses

    def _folder(self, channel: Channel, hands: Hands, path: str, uses: Sequence[str]) -> FolderFacts:
        self.doing = f"the folder {path}"
        word = hands.folder(path)
        if word.outcome is Outcome.ABSENT:
            self._note(Weight.BAD, "folder", f"{path} is not there ({word.text}).", GUIDE, path)
            return FolderFacts(path=path, uses=uses, there=False)
        files, why = self._count(channel, path)
        fetched = any(use.startswith("inbound") and use.endswith("remote") for use in uses)
        if files is not None:
            self._note(Weight.GOOD, "list", f"{path} holds {files} file(s).", place=path)
        elif fetched:
            self._note(Weight.BAD, "list", f"{why} So nothing is fetched from it.", place=path)
        else:
            self._note(Weight.NOTE, "list", f"{why} Sending does not need it.", place=path)
        there = True if word.done or files is not None else None
        disk, writable = hands.disk(path), hands.writable(path)
        return FolderFacts(path=path, uses=uses, there=there, files=files, disk=disk, writable=writable)

    def _count(self, channel: Channel, path: str) -> tuple[int | None, str]:
        try:
            return len(channel.list(path)), ""
        except ChannelError as error:
            if not channel.alive():
                raise Broken(str(error)) from error
            return None, str(error)

    def _asked_of(self, hands: Hands, facts: FolderFacts) -> FolderFacts:
        """What the server says to the requests that the gateway will make there, on a file that is not there."""
        self.doing = f"a file that is not in {facts.path}"
        none, other = (joined(facts.path, f".h2h-probe-{self.tag}-none-{n}.part") for n in (1, 2))
        asks = self._asks(facts.path)

        def hears(request: str, ask: Callable[[], Word], what: str) -> bool | None:
            return self._hears(ask(), facts.path, what, asks[request]) if request in asks else None

        over = "renaming over another file"
        return replace(
            facts,
            shows=hears("look", lambda: hands.look(none), "looking at files"),
            opens=hears("write", lambda: self._opened(hands, none), "writing"),
            removes=hears("remove", lambda: hands.remove(none), "removal"),
            renames=hears("rename", lambda: hands.rename(none, other, posix=False), "renaming"),
            posix_renames=hears("posix", lambda: hands.rename(none, other, posix=True), over),
        )

    def _opened(self, hands: Hands, path: str) -> Word:
        """Some server might make a file that is only to be opened."""
        self.ours[path] = None
        word = hands.open(path)
        if word.outcome in (Outcome.ABSENT, Outcome.REFUSED):
            del self.ours[path]
        return word

    def _asks(self, path: str) -> dict[str, Weight]:
        """What the gateway will ask for in a folder, and no more, with what it means where that is refused."""
        asks: dict[str, Weight] = {}
        renames = {"posix": Weight.BAD, "rename": Weight.NOTE} if self.replaces else {"rename": Weight.BAD}
        for folder in self.bank.outbound:
            if path in (folder.staging_folder, folder.remote):
                asks["look"] = Weight.NOTE
            if path == folder.staging_folder:
                asks |= {"write": Weight.BAD, "remove": Weight.NOTE}
                asks |= renames if self.bank.channel.way is Way.RENAME else {}
        for source in self.bank.inbound:
            if path == source.remote and (source.claim or source.after == "move"):
                asks["rename"] = Weight.BAD
            if path == (source.claim or source.remote) and source.after == "delete":
                asks["remove"] = Weight.BAD
        return asks

    def _hears(self, word: Word, path: str, what: str, refused: Weight) -> bool | None:
        """False where it is refused whatever the file; None where the answer does not tell."""
        if word.outcome is Outcome.ABSENT:
            return True
        if word.outcome is Outcome.REFUSED:
            todo = f"{RIGHTS}" if refused is Weight.BAD else ""
            self._note(refused, "asked", f"{path}: {what} is refused ({word.text}).", todo, path)
            return False
        said = f"{path}: {what} of a file that is not there is answered with {word.text or 'done'}."
        self._note(Weight.NOTE, "asked", said, place=path)
        return None

    def _one_disk(self, staging: str, remote: str) -> None:
        known = {one.path: one for one in self.folders}
        if known[staging].apart_from(known[remote]):
            said = f"{staging} and {remote} are on two file systems: nothing can be renamed from one to the other."
            self._note(Weight.BAD, "file system", said, "Ask the bank for a staging folder beside its own.", staging)

    # A file of ours.

    def _places(self) -> dict[str, FolderFacts]:
        facts = {one.path: one for one in self.folders if one.there is not False}
        staging = [one.staging_folder for one in self.bank.outbound if one.staging_folder in facts]
        return {path: facts[path] for path in staging}

    def _try(self, hands: Hands, path: str, folder: FolderFacts) -> None:
        self.doing = f"a small file in {path}"
        if False in (folder.opens, folder.writable):
            self._note(
                Weight.BAD, "stage", f"nothing can be written to {path}, so no payment can be sent.", RIGHTS, path
            )
        elif folder.removes is False:
            said = f"nothing was written to {path}: it could not be removed again, as removal is refused there."
            self._note(Weight.NOTE, "stage", said, "What is not known of it has to be asked of the bank.", path)
        elif self.watch is None and not (self.bank.channel.staging_is_ours and self.bank.channel.way is not Way.DIRECT):
            said = f"nothing was written to {path}: the profile does not state that the bank leaves our files alone."
            self._note(
                Weight.NOTE, "stage", said, "`h2h check --online --probe` tries it, with files of no payment.", path
            )
        else:
            told = self.steps.append
            trying = Trying(hands, path, tag=self.tag, ours=self.ours, tell=told, now=self.now)
            self.trials.append(trying.run(self.watch, renames=self.bank.channel.way is Way.RENAME))

    def _tidy(self) -> None:
        """Remove what may be there still, once more and over a new line where the first one broke."""
        if not self.ours:
            return
        try:
            with self._session() as (_, hands):
                for path in [*self.ours]:
                    if hands.remove(path).outcome in (Outcome.DONE, Outcome.ABSENT):
                        del self.ours[path]
        except (ChannelError, Broken) as error:
            self._note(Weight.NOTE, "tidy", f"The server could not be asked again: {error}")
        if self.ours:
            said = f"these files of ours may be left at the bank: {', '.join(self.ours)}."
            self._note(Weight.BAD, "left", said, "They hold no payment. Ask the bank to remove them.")
