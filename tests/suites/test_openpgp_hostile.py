"""What comes from outside: every bad file, made with the real program, is refused for its own reason, and good ones are
taken."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given, settings, strategies

from h2h.errors import Unopened, Unusable
from h2h.openpgp import CODES, Form, OurKey, Smith, TheirKey
from h2h.openpgp.case import COUNT, Case
from h2h.openpgp.framing import MOST_PACKETS, Framed
from h2h.openpgp.gpg import Ended, Status
from h2h.openpgp.judgement import RULES, judged
from tests.forging import NEWER, NOW, Forge, forge, needs

CONTENT = b"<Document>" + b"one statement\n" * 3_000 + b"</Document>"
AT_MOST = 1 << 20
MONTH = timedelta(days=30)


@dataclass(frozen=True)
class Stage:
    """Everybody's keys in one forge: ours, the bank's, some of theirs that should no longer be used, a stranger's."""

    forge: Forge
    us: str
    bank: str
    lapsed: str  # ended, as far as we know: the copy that we pinned is old
    revoked: str
    stranger: str
    branch: str  # pinned as well
    pinned: dict[str, bytes] = field(default_factory=dict)

    def sealed(
        self, content: bytes = CONTENT, *order: str, by: str | None = None, to: str | None = None, at: datetime = NOW
    ) -> bytes:
        """Signed by the bank and encrypted to us, where nothing else is said."""
        form = ["-se", "-u", by or self.bank, "-r", to or self.us]
        return self.forge.run(*form, *order, data=content, at=at)

    def signed(self, content: bytes = CONTENT, *order: str, by: str | None = None) -> bytes:
        return self.forge.run("-u", by or self.bank, "--compress-algo=none", *(order or ["-s"]), data=content)

    def around(self, packets: bytes, *order: str) -> bytes:
        """Packets as they are, encrypted to us: what no honest program does."""
        return self.forge.run("--no-literal", "--compress-algo=none", "-e", "-r", self.us, *order, data=packets)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Pinned: of the lapsed key the old copy, of the revoked one that with the revocation, which its owner ignores."""
    with forge() as f:
        made = Stage(
            forge=f, us=f.key("Us"), bank=f.key("Bank", "rsa2048"), lapsed=f.key("Lapsed", days=20),
            revoked=f.key("Revoked"), stranger=f.key("Stranger"), branch=f.key("Branch"),
        )  # fmt: skip
        f.run("--quick-add-key", made.stranger, "ed25519", "sign", "seconds=8640000", at=NOW - MONTH)
        made.pinned.update({number: f.public(number) for number in (made.bank, made.branch, made.lapsed)})
        f.run("--quick-set-expire", made.lapsed, "seconds=86400000", at=NOW - timedelta(days=15))
        revocation = (f.home / "openpgp-revocs.d" / f"{made.revoked}.rev").read_bytes().replace(b":-----", b"-----")
        with forge() as other:
            other.run("--import", data=f.public(made.revoked))
            other.run("--trust-model=pgp", "--import", data=revocation)
            made.pinned[made.revoked] = other.public(made.revoked)
        yield made


@pytest.fixture(scope="module", params=["gpg", NEWER], ids=["this GnuPG", "2.4"])
def smith(stage: Stage, request: pytest.FixtureRequest) -> Iterator[Smith]:
    ours = OurKey(data=stage.forge.secret(stage.us), passphrase=None)
    theirs = [TheirKey(data=data, fingerprint=fingerprint) for fingerprint, data in stage.pinned.items()]
    with Smith([ours], theirs, now=lambda: NOW, program=needs(request.param)) as made:
        yield made


def packets(data: bytes) -> list[bytes]:
    """Old and new packets of lengths that are known at once."""
    found = []
    while data:
        if data[0] & 0x40:
            size = 2 + data[1] if data[1] < 192 else 3 + ((data[1] - 192) << 8) + data[2] + 192
        else:
            octets = 1 << (data[0] & 3)
            size = 1 + octets + int.from_bytes(data[1 : 1 + octets], "big")
        found.append(data[:size])
        data = data[size:]
    return found


def content_packet(content: bytes, name: bytes = b"") -> bytes:
    body = b"b" + bytes([len(name)]) + name + bytes(4) + content
    return b"\xcb\xff" + len(body).to_bytes(4, "big") + body


def exchanged(stage: Stage, content: bytes, name: bytes = b"") -> bytes:
    """A signature of the bank's, around content of somebody else's."""
    announced, _, signature = packets(stage.signed(b"short"))
    return stage.around(announced + content_packet(content, name) + signature)


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def armoured(stage: Stage) -> bytes:
    return stage.sealed(CONTENT, "-a")


def deep(stage: Stage) -> bytes:
    """Zeros, twice compressed: 8 GB would come out of it."""
    once = stage.forge.run("-z9", "--compress-algo=bzip2", "-s", "-u", stage.bank, data=bytes(64 << 20))
    return stage.around(once)


Maker = Callable[[Stage], bytes]
BAD: dict[str, tuple[str, Maker]] = {
    "cut off in its first line": ("PGP_NOT_PGP", lambda s: armoured(s)[:20]),
    "empty": ("PGP_NOT_PGP", lambda s: b""),
    "a text": ("PGP_NOT_PGP", lambda s: b"Dear all,\n" * 500),
    "the statement itself": ("PGP_NOT_PGP", lambda s: CONTENT),
    "bytes of any kind": ("PGP_NOT_PGP", lambda s: bytes(range(255, 0, -1)) * 20),
    "text before an armoured message": ("PGP_NOT_PGP", lambda s: b"Dear all,\n\n" + armoured(s)),
    "a public key": ("PGP_KEYS", lambda s: s.forge.public(s.bank)),
    "a public key, armoured": ("PGP_KEYS", lambda s: s.forge.run("-a", "--export", s.bank)),
    "a secret key": ("PGP_KEYS", lambda s: s.forge.secret(s.stranger)),
    "a secret key, armoured": ("PGP_KEYS", lambda s: s.forge.run("-a", "--export-secret-keys", s.stranger)),
    "a text with its signature below": ("PGP_CLEARTEXT", lambda s: s.signed(CONTENT, "--clear-sign")),
    "a signature alone": ("PGP_DETACHED", lambda s: s.forge.run("-b", "-u", s.bank, data=CONTENT)),
    "a signature alone, armoured": ("PGP_DETACHED", lambda s: s.forge.run("-ba", "-u", s.bank, data=CONTENT)),
    "not signed": ("PGP_NOT_SIGNED", lambda s: s.forge.run("-e", "-r", s.us, data=CONTENT)),
    "not encrypted": ("PGP_NOT_ENCRYPTED", lambda s: s.signed()),
    "not encrypted, compressed": ("PGP_NOT_ENCRYPTED", lambda s: s.signed(CONTENT, "-s", "--compress-algo=zip")),
    "neither signed nor encrypted": ("PGP_NOT_ENCRYPTED", lambda s: content_packet(CONTENT)),
    "one of our own came back": ("PGP_OUR_SIGNATURE", lambda s: s.sealed(by=s.us)),
    "one of our own came back as we sent it": ("PGP_NOT_FOR_US", lambda s: s.sealed(by=s.us, to=s.bank)),
    "encrypted to somebody else": ("PGP_NOT_FOR_US", lambda s: s.sealed(to=s.stranger)),
    "encrypted to somebody unnamed": ("PGP_NOT_FOR_US", lambda s: s.forge.run("-e", "-R", s.stranger, data=CONTENT)),
    "encrypted with a password": ("PGP_PASSWORD", lambda s: s.forge.run("-c", data=CONTENT, passphrase="x")),
    "encrypted to us and with a password": (
        "PGP_PASSWORD",
        lambda s: s.forge.run("-cse", "-u", s.bank, "-r", s.us, data=CONTENT, passphrase="x"),
    ),
    "an unknown signer": ("PGP_WRONG_SIGNER", lambda s: s.sealed(by=s.stranger)),
    "the subkey of an unknown signer": ("PGP_WRONG_SIGNER", lambda s: s.sealed(by=s.stranger, at=NOW)),
    "an unknown signer who calls himself the bank": ("PGP_WRONG_SIGNER", lambda s: impostor(s)),
    "signed by two whom we know": ("PGP_SIGNED_TWICE", lambda s: s.sealed(CONTENT, "-u", s.branch)),
    "signed by the bank and by a stranger": ("PGP_SIGNED_TWICE", lambda s: s.sealed(CONTENT, "-u", s.stranger)),
    "signed very often": ("PGP_SIGNED_TWICE", lambda s: s.around(repeated(s, 500, 500))),
    "signed more often than announced": ("PGP_NOT_SIGNED", lambda s: s.around(repeated(s, 1, 2))),
    "an ended key": ("PGP_KEY_EXPIRED", lambda s: s.sealed(by=s.lapsed)),
    "a revoked key": ("PGP_KEY_REVOKED", lambda s: s.sealed(by=s.revoked)),
    "an ended signature": (
        "PGP_SIGNATURE_EXPIRED",
        lambda s: s.sealed(CONTENT, "--default-sig-expire=1d", at=NOW - timedelta(days=5)),
    ),
    "a signature of other content": ("PGP_BAD_SIGNATURE", lambda s: exchanged(s, b"other")),
    "a signature around what is encrypted": ("PGP_SIGNED_OUTSIDE", lambda s: outside(s)),
    "two messages": ("PGP_SEVERAL", lambda s: s.sealed() + s.sealed()),
    "two messages, armoured": ("PGP_SEVERAL", lambda s: armoured(s) + armoured(s)),
    "a signed message behind an encrypted one": ("PGP_SEVERAL", lambda s: s.sealed() + s.signed()),
    "two contents in one message": ("PGP_SEVERAL", lambda s: s.around(content_packet(b"first") + s.signed())),
    "the second content not signed": ("PGP_SEVERAL", lambda s: s.around(s.signed() + content_packet(b"more"))),
    "bytes behind the message": ("PGP_TRAILING", lambda s: s.sealed() + b"\n"),
    "zeros behind the message": ("PGP_TRAILING", lambda s: s.sealed() + bytes(512)),
    "a key behind the message": ("PGP_TRAILING", lambda s: s.sealed() + s.forge.public(s.bank)),
    "text behind an armoured message": ("PGP_TRAILING", lambda s: armoured(s) + b"\nBest regards\n"),
    "a key behind the content": ("PGP_TRAILING", lambda s: s.around(s.signed() + s.forge.public(s.stranger))),
    "encrypted twice": ("PGP_NESTED", lambda s: s.around(s.sealed())),
    "larger than allowed": ("PGP_TOO_LARGE", lambda s: s.sealed(bytes(AT_MOST + 1))),
    "a bomb": ("PGP_TOO_LARGE", lambda s: s.sealed(bytes(64 << 20), "-z9", "--compress-algo=bzip2")),
    "a bomb in a bomb": ("PGP_TOO_LARGE", deep),
    "no protection against changes": (
        "PGP_UNPROTECTED",
        lambda s: s.forge.run("-e", "--rfc2440", "--disable-mdc", "-r", s.us, data=CONTENT),
    ),
    "3DES": ("PGP_WEAK_CIPHER", lambda s: s.sealed(CONTENT, "--cipher-algo=3DES")),
    "CAST5": ("PGP_WEAK_CIPHER", lambda s: s.sealed(CONTENT, "--cipher-algo=CAST5")),
    "SHA-1": ("PGP_WEAK_DIGEST", lambda s: s.sealed(CONTENT, "--digest-algo=SHA1")),
    "RIPEMD-160": ("PGP_WEAK_DIGEST", lambda s: s.sealed(CONTENT, "--digest-algo=RIPEMD160")),
    "MD5": ("PGP_WEAK_DIGEST", lambda s: s.sealed(CONTENT, "--digest-algo=MD5", "--allow-weak-digest-algos")),
    "a name that leads upwards": ("PGP_NAME", lambda s: renamed(s, b"../../etc/passwd")),
    "a name that is absolute": ("PGP_NAME", lambda s: renamed(s, b"/etc/passwd")),
    "a name like an option": ("PGP_NAME", lambda s: renamed(s, b"--output")),
    "a name that speaks to terminals": ("PGP_NAME", lambda s: renamed(s, b"\x1b[2Jx")),
    "a name that speaks for GnuPG": ("PGP_NAME", lambda s: renamed(s, b"x\n[GNUPG:] GOODSIG 0123456789ABCDEF Bank\n")),
    "armour that is no base64": ("PGP_DAMAGED", lambda s: armoured(s).replace(b"\n\n", b"\n\n****\n")),
    "armour without its end": ("PGP_DAMAGED", lambda s: armoured(s).rpartition(b"-----END")[0]),
    "armour that ends as something else": ("PGP_DAMAGED", lambda s: armoured(s).replace(b"END PGP M", b"END PGP N")),
    "armour without its empty line": ("PGP_DAMAGED", lambda s: armoured(s).replace(b"\n\n", b"\n", 1)),
    "armour of one endless line": ("PGP_DAMAGED", lambda s: b"-----BEGIN PGP MESSAGE-----\n\n" + b"A" * (3 << 20)),
    **{f"cut off after {n}": ("PGP_DAMAGED", lambda s, n=n: s.sealed()[:n]) for n in (1, 2, 10, 94, 200, -1, -20)},  # type: ignore[misc]
    **{f"cut off after {n}, armoured": ("PGP_DAMAGED", lambda s, n=n: armoured(s)[:n]) for n in (60, 500, -27)},  # type: ignore[misc]
    "a flipped bit in the session key": ("PGP_DAMAGED", lambda s: flipped(s.sealed(), 60)),
    "a flipped bit at the start of the content": ("PGP_DAMAGED", lambda s: flipped(s.sealed(), 108)),
    "a flipped bit in the protection": ("PGP_DAMAGED", lambda s: flipped(s.sealed(), -3)),
}  # fmt: skip


def impostor(stage: Stage) -> bytes:
    with forge() as other:
        fake = other.key("Bank")
        other.run("--import", data=stage.forge.public(stage.us))
        return other.run("-se", "-u", fake, "-r", stage.us, data=CONTENT)


def outside(stage: Stage) -> bytes:
    announced, _, signature = packets(stage.signed(b"short"))
    return announced + stage.sealed() + signature


def repeated(stage: Stage, announced: int, made: int) -> bytes:
    announcement, content, signature = packets(stage.signed(b"short"))
    more = announcement[:-1] + b"\0"  # not the last one
    return more * (announced - 1) + announcement + content + signature * made


def renamed(stage: Stage, name: bytes) -> bytes:
    """The name stands outside of what is signed: anybody can change it in a signed file."""
    announced, _, signature = packets(stage.signed(b"short"))
    return stage.around(announced + content_packet(b"short", name) + signature)


def open_with(smith: Smith, data: bytes, wanted: Form = Form.BOTH) -> bytes:
    content = bytearray()
    smith.open(io.BytesIO(data), content.extend, wanted=wanted, at_most=AT_MOST)
    return bytes(content)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_for_its_own_reason(stage: Stage, smith: Smith, name: str) -> None:
    code, make = BAD[name]
    with pytest.raises(Unopened) as refused:
        open_with(smith, make(stage))
    assert refused.value.code == code
    text = str(refused.value)
    assert text.startswith(CODES[code][0].upper() + CODES[code][1:])
    assert text.isprintable()
    assert text.endswith(".")


def test_every_reason_has_a_file_that_shows_it() -> None:
    """The two that are left: tests of their own below and beside."""
    assert set(CODES) - {code for code, _ in BAD.values()} == {"PGP_ODD", "PGP_HANGS"}
    assert len({rule.code for rule in RULES}) == len(RULES)


GOOD: dict[str, Maker] = {
    "as gpg makes it": lambda s: s.sealed(),
    "armoured": armoured,
    "not compressed": lambda s: s.sealed(CONTENT, "--compress-algo=none"),
    "by zlib": lambda s: s.sealed(CONTENT, "--compress-algo=zlib"),
    "by bzip2": lambda s: s.sealed(CONTENT, "--compress-algo=bzip2"),
    "AES-128": lambda s: s.sealed(CONTENT, "--cipher-algo=AES"),
    "SHA-384": lambda s: s.sealed(CONTENT, "--digest-algo=SHA384"),
    "by another key that is pinned": lambda s: s.sealed(by=s.branch),
    "by a key that has ended since": lambda s: s.sealed(by=s.lapsed, at=NOW - timedelta(days=12)),
    "to somebody else as well": lambda s: s.sealed(CONTENT, "-r", s.stranger),
    "to us without naming us": lambda s: s.forge.run("-se", "-u", s.bank, "-R", s.us, data=CONTENT),
    "with a signature that ends later": lambda s: s.sealed(CONTENT, "--default-sig-expire=10d"),
    "with a plain name inside": lambda s: s.sealed(CONTENT, "--set-filename=statement 1.xml"),
    "with lines of its own in the armour": lambda s: s.sealed(CONTENT, "-a", "--comment=Ours", "--emit-version"),
    "armoured for Windows": lambda s: armoured(s).replace(b"\n", b"\r\n"),
    "blank lines around the armour": lambda s: b"\n\r\n" + armoured(s) + b"\n\n  \n",
    "armoured without a checksum": lambda s: without_checksum(armoured(s)),
    "with a marker before it": lambda s: b"\xca\x03PGP" + s.sealed(),
    "signed as PGP 2 did": lambda s: old_style(s),
}  # fmt: skip


def without_checksum(data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(b"="))


def old_style(stage: Stage) -> bytes:
    """The signature before the content, and nothing that announces it."""
    _, content, signature = packets(stage.signed(CONTENT[:180]))
    return stage.around(signature + content)


@pytest.mark.parametrize("name", GOOD)
def test_a_good_file_is_taken(stage: Stage, smith: Smith, name: str) -> None:
    assert open_with(smith, GOOD[name](stage)) in (CONTENT, CONTENT[:180])


@pytest.mark.parametrize(
    ("wanted", "is_signed", "is_encrypted", "code"),
    [
        (Form.SIGNED, True, False, None),
        (Form.SIGNED, True, True, None),
        (Form.SIGNED, False, True, "PGP_NOT_SIGNED"),
        (Form.ENCRYPTED, False, True, None),
        (Form.ENCRYPTED, True, True, None),
        (Form.ENCRYPTED, True, False, "PGP_NOT_ENCRYPTED"),
    ],
)
def test_a_file_has_to_be_what_is_wanted_at_least(
    stage: Stage, smith: Smith, wanted: Form, is_signed: bool, is_encrypted: bool, code: str | None
) -> None:
    order = ["-s", "-u", stage.bank] if is_signed else []
    order += ["-e", "-r", stage.us] if is_encrypted else []
    data = stage.forge.run(*order, data=CONTENT)
    if code is None:
        assert open_with(smith, data, wanted) == CONTENT
        return
    with pytest.raises(Unopened) as refused:
        open_with(smith, data, wanted)
    assert refused.value.code == code


@pytest.mark.parametrize("wanted", [Form.SIGNED, Form.ENCRYPTED])
def test_what_a_file_is_beyond_that_has_to_be_good_as_well(stage: Stage, smith: Smith, wanted: Form) -> None:
    with pytest.raises(Unopened) as refused:
        open_with(smith, stage.sealed(by=stage.stranger), wanted)
    assert refused.value.code == "PGP_WRONG_SIGNER"


def test_a_refusal_names_the_key_that_signed(stage: Stage, smith: Smith) -> None:
    with pytest.raises(Unopened, match=stage.stranger[-16:]):
        open_with(smith, stage.signed(by=f"{stage.stranger}!"), Form.SIGNED)


def test_nothing_is_sealed_to_a_revoked_key(stage: Stage, smith: Smith) -> None:
    with pytest.raises(Unusable, match=f"the key {stage.revoked} .* is revoked"):
        smith.seal(io.BytesIO(CONTENT), len, sign_with=stage.us, encrypt_to=[stage.revoked], armour=False)


def test_no_key_is_learnt_from_a_file(stage: Stage, smith: Smith) -> None:
    """Neither from a message that carries one beside its content, nor from a signature that carries its own."""
    with pytest.raises(Unopened):
        open_with(smith, stage.around(stage.signed() + stage.forge.public(stage.stranger)))
    with pytest.raises(Unopened) as refused:
        open_with(smith, stage.sealed(by=stage.stranger))
    assert refused.value.code == "PGP_WRONG_SIGNER"
    known = smith._listing("--list-keys")
    assert {key.fingerprint for key in known} == {*smith.ours, *smith.theirs}


# Beyond the table.

ALLOWED_TWICE = {"ENC_TO"}  # a file may be for several keys


def ended_well(smith: Smith, data: bytes) -> Ended:
    return smith._gpg.run("--decrypt", source=io.BytesIO(data), sink=len, apart=True)


@pytest.mark.parametrize("change", ["left out", "twice", "at the end once more"])
def test_no_status_line_of_a_good_file_may_be_missing_or_there_twice(stage: Stage, smith: Smith, change: str) -> None:
    """Whatever a GnuPG of the future says otherwise of a file, it is not taken for a good one."""
    ended = ended_well(smith, stage.sealed())
    count = [n for n, status in enumerate(ended.said) if status.word in COUNT]
    assert len(count) > 8
    for n in count:
        line = ended.said[n]
        if change == "left out":
            said = ended.said[:n] + ended.said[n + 1 :]
        elif change == "twice":
            said = (*ended.said[:n], line, *ended.said[n:])
        else:
            said = (*ended.said, line)
        case = Case(ended=replace(ended, said=said), wanted=Form.BOTH, ours=smith.ours, theirs=smith.theirs)
        if change == "twice" and line.word in ALLOWED_TWICE:
            assert judged(case, size=0).signer == stage.bank
            continue
        with pytest.raises(Unopened):
            judged(case, size=0)


@pytest.mark.parametrize("word", sorted(COUNT - {"ENC_TO"}))
def test_a_word_that_does_not_belong_there_is_odd_at_least(stage: Stage, smith: Smith, word: str) -> None:
    ended = ended_well(smith, stage.sealed())
    said = (*ended.said[:-1], Status(word, ("0",) * 10), ended.said[-1])
    with pytest.raises(Unopened):
        judged(Case(ended=replace(ended, said=said), wanted=Form.BOTH, ours=smith.ours, theirs=smith.theirs), size=0)


def test_a_status_that_is_not_0_is_odd_whatever_is_said(stage: Stage, smith: Smith) -> None:
    ended = replace(ended_well(smith, stage.sealed()), code=2)
    with pytest.raises(Unopened) as refused:
        judged(Case(ended=ended, wanted=Form.BOTH, ours=smith.ours, theirs=smith.theirs), size=0)
    assert refused.value.code == "PGP_ODD"


@pytest.fixture
def slow_gpg(tmp_path: Path) -> str:
    """GnuPG as it is, but that it never ends once it is to decrypt."""
    program = tmp_path / "gpg"
    program.write_text('#!/bin/sh\ncase "$*" in *--decrypt*) exec sleep 600;; esac\nexec gpg "$@"\n')
    program.chmod(0o755)
    return str(program)


def test_a_gpg_that_hangs_is_ended(stage: Stage, slow_gpg: str) -> None:
    bank = TheirKey(data=stage.forge.public(stage.bank), fingerprint=stage.bank)
    slow = Smith([], [bank], now=lambda: NOW, program=slow_gpg, stall_seconds=0.3)
    with slow as one, pytest.raises(Unopened) as refused:
        open_with(one, stage.signed(), Form.SIGNED)
    assert refused.value.code == "PGP_HANGS"


class Dribbling(io.BytesIO):
    """Gives what it holds in pieces of odd sizes, as a line does."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        super().__init__(data)
        self._sizes = itertools.cycle(sizes)

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(next(self._sizes))


def framed(source: BinaryIO) -> bytes | str:
    packets = Framed(source)
    try:
        return b"".join(iter(packets.read, b""))
    except Unopened as refused:
        return refused.code


MARKER = b"\xca\x03PGP"  # a packet that means nothing (RFC 9580, 5.8)


@pytest.mark.parametrize(("many", "code"), [(MOST_PACKETS, "PGP_DAMAGED"), (MOST_PACKETS + 1, "PGP_TRAILING")])
def test_packets_without_end_are_not_followed(many: int, code: str) -> None:
    assert framed(io.BytesIO(MARKER * many)) == code


@pytest.fixture(scope="module")
def outside_of(stage: Stage) -> Callable[[int], bytes]:
    """Files good and bad, by their numbers: hypothesis shows what a test is given, and they are long."""
    large = stage.sealed(bytes(range(256)) * 200, "--compress-algo=none")
    made = [stage.sealed(), armoured(stage), large, stage.signed(), stage.signed(CONTENT, "-s", "-a")]
    made += [made[0] + b"\n", made[1] + b"x", made[0] + made[3], made[2][:-9], made[1][:-40], b"-----BEGIN PGP"]
    return made.__getitem__


@given(which=strategies.integers(0, 10), sizes=strategies.lists(strategies.integers(1, 700), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_the_outside_is_the_same_however_it_comes_in_pieces(
    outside_of: Callable[[int], bytes], which: int, sizes: list[int]
) -> None:
    assert framed(Dribbling(outside_of(which), sizes)) == framed(io.BytesIO(outside_of(which)))


class Endless(io.BytesIO):
    """A line without an end; asked for too much of it, it complains."""

    asked = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.asked += 1
        assert self.asked < 5, "kept in memory"
        return super().read() or b"A" * (1 << 20)


@pytest.mark.parametrize("start", [b"-----BEGIN PGP MESSAGE-----\n\n", b"-----BEGIN PGP MESSAGE-----\nHash: ", b"Dear"])
def test_a_line_without_an_end_is_not_kept_in_memory(start: bytes) -> None:
    assert framed(Endless(start)) in ("PGP_DAMAGED", "PGP_NOT_PGP")


STARTS = [b"", b"\xc1", b"\x84", b"-----BEGIN PGP MESSAGE-----\n\n"]


def test_armour_comes_off_as_gpg_takes_it_off(stage: Stage, outside_of: Callable[[int], bytes]) -> None:
    assert framed(io.BytesIO(outside_of(1))) == stage.forge.run("--dearmor", data=outside_of(1))


@given(noise=strategies.binary(max_size=200), start=strategies.sampled_from(STARTS))
@settings(max_examples=200, deadline=None)
def test_noise_is_refused_with_a_code_and_never_breaks_us(noise: bytes, start: bytes) -> None:
    found = framed(io.BytesIO(start + noise))
    assert found in CODES if isinstance(found, str) else found
