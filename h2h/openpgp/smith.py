"""Signs, encrypts, decrypts and checks with one set of keys, in a home of its own."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime
from types import TracebackType
from typing import BinaryIO

from h2h.errors import GpgError, Unusable
from h2h.openpgp.case import Case, Form, Opened
from h2h.openpgp.framing import Framed
from h2h.openpgp.gpg import STALL_SECONDS, Ended, Gpg, Hangs, Sink, TooMuch, version
from h2h.openpgp.home import home
from h2h.openpgp.judgement import judged, unopened
from h2h.openpgp.keys import FINGERPRINT, LISTED, MOST_KEY_BYTES, KeyFacts, OurKey, TheirKey, Use, listed

# Not for taking keys in: with it, GnuPG ends at the sight of a revoked key.
PINNED = "--trust-model=always"  # the home holds pinned keys alone
SEALING = (
    PINNED,
    "--compress-algo=none",
    "--cipher-algo=AES256",  # else a single old key that names nothing better makes it 3DES
    "--digest-algo=SHA512",
    "--no-emit-version",
    "--no-comments",
    "--set-filename",
    "",
)


class Smith:
    """Works with these keys, and with no other: a context manager around a private home for GnuPG.

    `now`: the clock that keys and signatures are judged by. Entering raises Unusable where a file is not the one key
    that it has to be, GpgError where GnuPG cannot be run. May be used by several threads at a time.
    """

    def __init__(
        self,
        ours: Sequence[OurKey],
        theirs: Sequence[TheirKey],
        *,
        now: Callable[[], datetime],
        program: str = "gpg",
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        self._files = (tuple(ours), tuple(theirs))
        self._now, self._program, self._stall_seconds = now, program, stall_seconds
        self._stack = ExitStack()
        self._passphrases: dict[str, str | None] = {}
        self._names: dict[str, str] = {}
        self.ours: dict[str, KeyFacts] = {}
        self.theirs: dict[str, KeyFacts] = {}

    def __enter__(self) -> Smith:
        version(self._program)
        with ExitStack() as stack:
            folder = stack.enter_context(home(self._program))
            self._gpg = Gpg(program=self._program, home=folder, now=self._now, stall_seconds=self._stall_seconds)
            ours, theirs = self._files
            for key in ours:
                self._take_ours(key)
            for pinned in theirs:
                self._take_theirs(pinned)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def seal(
        self, source: BinaryIO, sink: Sink, *, sign_with: str | None, encrypt_to: Sequence[str], armour: bool
    ) -> None:
        """Sign with a key of ours, encrypt to keys, or both (signed inside), as binary or as text; nothing is
        compressed. Keys are named by the fingerprints of their primaries. Raises Unusable, GpgError; what went to
        `sink` by then is worth nothing."""
        assert sign_with or encrypt_to
        order = ["--armor"] if armour else ["--no-armor"]
        if sign_with:
            self._check(sign_with, self.ours, "sign")
            order += ["--sign", f"--local-user={sign_with}"]
        if encrypt_to:
            assert set(encrypt_to) - set(self.ours), "encrypted to nobody but us"
            order += ["--encrypt", *(f"--recipient={fingerprint}" for fingerprint in encrypt_to)]
        for fingerprint in encrypt_to:
            self._check(fingerprint, {**self.ours, **self.theirs}, "encrypt")
        ended = self._gpg.run(*SEALING, *order, source=source, sink=sink, passphrase=self._passphrases.get)
        signed = ended.words("SIG_CREATED") or not sign_with
        if ended.code or not signed or not (ended.words("END_ENCRYPTION") or not encrypt_to):
            self._blame_passphrase(ended)
            raise GpgError(f"GnuPG could not seal the file; it says: {ended.told or 'nothing'}")

    def open(self, source: BinaryIO, sink: Sink, *, wanted: Form, at_most: int) -> Opened:
        """Decrypt and check a file from outside; its content, of `at_most` bytes, goes to `sink`.

        Raises Unopened where the file is not exactly what it has to be (then what went to `sink` by then must be
        thrown away unread), Unusable where it cannot be told because of our key, GpgError.
        """
        sizes: list[int] = []

        def counted(piece: bytes) -> None:
            sizes.append(len(piece))
            sink(piece)

        order, packets = (PINNED, "--decrypt"), Framed(source)
        passphrases = self._passphrases.get
        try:
            ended = self._gpg.run(
                *order, source=packets, sink=counted, apart=True, passphrase=passphrases, at_most=at_most
            )
            packets.drain()
        except TooMuch:
            raise unopened("PGP_TOO_LARGE", f"more than {at_most:,} bytes") from None
        except Hangs as error:
            raise unopened("PGP_HANGS") from error
        self._blame_passphrase(ended)
        case = Case(ended=ended, wanted=Form(wanted), ours=self.ours, theirs=self.theirs)
        return judged(case, size=sum(sizes))

    def try_passphrase(self, fingerprint: str) -> None:
        """Whether the secret key opens with the passphrase that was given. Raises Unusable."""
        out: list[int] = []
        ended = self._gpg.run(
            "--export-secret-keys",
            fingerprint,
            sink=lambda piece: out.append(len(piece)),
            passphrase=self._passphrases.get,
        )
        if ended.code or not out:
            raise Unusable(f"{self._named(fingerprint)} does not open with the passphrase given. Set the right one.")

    def _take_ours(self, key: OurKey) -> None:
        found = self._only(key.data, key.name)
        if not found.secret:
            raise Unusable(
                f"{key.name} holds the public part of {found.fingerprint} alone: the secret one is needed here "
                "(gpg --export-secret-keys)."
            )
        if key.passphrase is not None and not key.passphrase.isprintable():
            raise Unusable(f"{key.name}: the passphrase holds a line break or another control character.")
        self.ours[found.fingerprint] = self._imported(key.data, key.name, found.fingerprint, "--list-secret-keys")
        number = found.fingerprint
        self._passphrases[number[:16] if len(number) == 64 else number[-16:]] = key.passphrase

    def _take_theirs(self, key: TheirKey) -> None:
        pinned = "".join(key.fingerprint.split()).upper()
        if not FINGERPRINT.fullmatch(pinned):
            raise Unusable(f"{key.name}: a fingerprint has 40 or 64 hex digits, not {len(pinned)} characters.")
        found = self._only(key.data, key.name)
        if found.fingerprint != pinned:
            raise Unusable(
                f"{key.name} holds the key {found.fingerprint}, but {pinned} is pinned. Ask its owner, by another way "
                "than the file came, which one is right."
            )
        if found.secret or pinned in self.ours:
            raise Unusable(f"{key.name} holds a key of ours ({pinned}) where a partner's public key belongs.")
        self.theirs[pinned] = self._imported(key.data, key.name, pinned, "--list-keys")

    def _only(self, data: bytes, name: str) -> KeyFacts:
        found = self._listing("--show-keys", data=data) if len(data) <= MOST_KEY_BYTES else []
        if len(found) != 1:
            many = f"holds {len(found)} keys" if found else "holds no OpenPGP key"
            raise Unusable(f"{name} {many}; it has to hold exactly one: export that one alone.")
        return found[0]

    def _imported(self, data: bytes, name: str, fingerprint: str, order: str) -> KeyFacts:
        ended = self._gpg.run("--import", source=io.BytesIO(data))
        known = [key for key in self._listing(order, fingerprint) if key.fingerprint == fingerprint]
        if not known:
            raise Unusable(f"{name}: GnuPG does not take this key; it says: {ended.told or 'nothing'}")
        self._names[fingerprint] = name
        return known[0]

    def _listing(self, *order: str, data: bytes | None = None) -> list[KeyFacts]:
        text = bytearray()
        source = None if data is None else io.BytesIO(data)
        self._gpg.run(*LISTED, *order, source=source, sink=text.extend, at_most=64 * MOST_KEY_BYTES)
        return listed(text.decode("utf-8", "replace"))

    def _check(self, fingerprint: str, among: dict[str, KeyFacts], use: Use) -> None:
        if why_not := among[fingerprint].why_not(use, self._now()):
            raise Unusable(f"{self._named(fingerprint)} {why_not}, so that nothing can be {use}ed with it.")

    def _named(self, fingerprint: str) -> str:
        facts = {**self.ours, **self.theirs}[fingerprint]
        return f"{self._names[fingerprint]}: the key {fingerprint} ({', '.join(facts.user_ids[:1]) or 'no name'})"

    def _blame_passphrase(self, ended: Ended) -> None:
        """GnuPG says the same of a wrong passphrase and of a damaged file: whether one was at fault is tried."""
        asked = {words[1] for words in ended.words("NEED_PASSPHRASE") if len(words) > 1}
        if asked and not ended.words("DECRYPTION_KEY") and not ended.words("SIG_CREATED"):
            for key in self.ours:
                if asked & {key[:16], key[-16:]}:
                    self.try_passphrase(key)
