"""Sealing and opening with the real GnuPG: what comes out is what went in, and every refusal says what to do."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from h2h.errors import GpgError, Unusable
from h2h.openpgp import Form, OurKey, Smith, TheirKey, create, facts
from tests.forging import NOW, Forge, forge

CONTENT = b"<Document>" + b"payment\n" * 5_000 + b"</Document>"
FORMS = [(Form.BOTH, True, True), (Form.SIGNED, True, False), (Form.ENCRYPTED, False, True)]


@dataclass(frozen=True)
class Pair:
    """One side: a forge with its key."""

    forge: Forge
    fingerprint: str
    passphrase: str | None

    @property
    def ours(self) -> OurKey:
        data = self.forge.secret(self.fingerprint, passphrase=self.passphrase or "")
        return OurKey(data=data, passphrase=self.passphrase, name="ours.asc")

    @property
    def theirs(self) -> TheirKey:
        return TheirKey(data=self.forge.public(self.fingerprint), fingerprint=self.fingerprint, name="theirs.asc")


@pytest.fixture(scope="module")
def workshop() -> Iterator[Forge]:
    with forge() as made:
        yield made


@pytest.fixture(scope="module")
def curve(workshop: Forge) -> Pair:
    return Pair(workshop, workshop.key("Curve", passphrase="geheim ü"), "geheim ü")


@pytest.fixture(scope="module")
def rsa(workshop: Forge) -> Pair:
    return Pair(workshop, workshop.key("Rsa", "rsa2048"), None)


def smith(us: Pair, them: Pair) -> Smith:
    return Smith([us.ours], [them.theirs], now=lambda: NOW)


def sealed(
    by: Smith, *, sign: bool = True, encrypt: bool = True, armour: bool = False, content: bytes = CONTENT
) -> bytes:
    out = bytearray()
    sign_with = next(iter(by.ours)) if sign else None
    by.seal(
        io.BytesIO(content),
        out.extend,
        sign_with=sign_with,
        encrypt_to=list(by.theirs) if encrypt else [],
        armour=armour,
    )
    return bytes(out)


@pytest.mark.parametrize("armour", [False, True], ids=["binary", "armoured"])
@pytest.mark.parametrize(("form", "sign", "encrypt"), FORMS, ids=[form for form, *_ in FORMS])
@pytest.mark.parametrize("way", ["curve to rsa", "rsa to curve"])
def test_what_one_seals_the_other_opens(
    curve: Pair, rsa: Pair, way: str, form: Form, sign: bool, encrypt: bool, armour: bool
) -> None:
    here, there = (curve, rsa) if way == "curve to rsa" else (rsa, curve)
    with smith(here, there) as one, smith(there, here) as other:
        data = sealed(one, sign=sign, encrypt=encrypt, armour=armour)
        assert data.startswith(b"-----BEGIN PGP MESSAGE-----") == armour
        assert (b"payment" in data) == (not encrypt and not armour)
        content = bytearray()
        opened = other.open(io.BytesIO(data), content.extend, wanted=form, at_most=len(CONTENT))
    assert bytes(content) == CONTENT
    assert opened.size == len(CONTENT)
    assert opened.signer == (here.fingerprint if sign else None)
    assert opened.signed_at == (NOW if sign else None)
    assert opened.opened_with == (there.fingerprint if encrypt else None)


def test_plain_gpg_reads_what_is_sealed_and_is_read(curve: Pair, rsa: Pair) -> None:
    with smith(curve, rsa) as one:
        assert rsa.forge.run("--decrypt", data=sealed(one)) == CONTENT
        made = rsa.forge.run("-se", "-u", rsa.fingerprint, "-r", curve.fingerprint, data=CONTENT)
        content = bytearray()
        assert one.open(io.BytesIO(made), content.extend, wanted=Form.BOTH, at_most=1 << 20).signer == rsa.fingerprint
    assert content == CONTENT


def test_a_smith_knows_of_its_keys_which_are_secret(curve: Pair, rsa: Pair) -> None:
    with smith(curve, rsa) as one:
        assert [key.secret for key in (*one.ours.values(), *one.theirs.values())] == [True, False]


def test_facts_tell_what_a_file_holds(curve: Pair, rsa: Pair) -> None:
    found = facts(curve.ours.data)[0]
    assert (found.fingerprint, found.algorithm, found.secret) == (curve.fingerprint, "Ed25519", True)
    assert (found.can_sign, found.can_encrypt, found.subkeys[0].can_encrypt) == (True, False, True)
    assert found.created == NOW - timedelta(days=30)
    assert found.expires == NOW + timedelta(days=335)
    assert found.user_ids == ("Curve <curve@test.example>",)
    both = facts(curve.theirs.data + rsa.theirs.data)
    assert [(key.algorithm, key.secret, key.revoked) for key in both] == [
        ("Ed25519", False, False),
        ("RSA 2048", False, False),
    ]


@pytest.mark.parametrize("data", [b"", b"no keys in here", b"\x99\x00", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n"])
def test_a_file_without_keys_says_so(data: bytes) -> None:
    with pytest.raises(Unusable, match="holds no OpenPGP key"):
        facts(data)


def test_a_key_says_until_when_it_is_good_for_what(curve: Pair) -> None:
    found = facts(curve.theirs.data)[0]
    end = NOW + timedelta(days=335)
    assert (found.ends("sign"), found.ends("encrypt")) == (end, end)
    assert found.why_not("encrypt", end - timedelta(seconds=1)) is None
    assert "expired at 2027-01-31 09:00 UTC" in str(found.why_not("encrypt", end))
    assert "is still to come" in str(found.why_not("sign", NOW - timedelta(days=31)))


def test_a_new_pair_is_locked_and_ends_in_time() -> None:
    pair = create("Corp <pay@corp.example>", days=400, passphrase="long enough", now=NOW)
    assert b"BEGIN PGP PRIVATE KEY BLOCK" in pair.secret
    assert b"BEGIN PGP PUBLIC KEY BLOCK" in pair.public
    assert pair.facts == facts(pair.secret)[0]
    assert {key.expires for key in (pair.facts, *pair.facts.subkeys)} == {NOW + timedelta(days=400)}
    key = OurKey(data=pair.secret, passphrase="long enough")
    with Smith([key], [], now=lambda: NOW) as ours:
        assert sealed(ours, encrypt=False)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"days": 800}, "within 1 to 731 days"),
        ({"days": 0}, "within 1 to 731 days"),
        ({"kind": "dsa1024"}, "no kind of key"),
        ({"passphrase": ""}, "needs a passphrase"),
        ({"user_id": "Corp\n%commit"}, "cannot name a key"),
    ],
)
def test_a_pair_that_should_not_be_is_not_made(wrong: dict[str, object], says: str) -> None:
    request = {"user_id": "Corp <pay@corp.example>", "passphrase": "x", "now": NOW, **wrong}
    with pytest.raises(Unusable, match=says):
        create(**request)  # type: ignore[arg-type]


# Keys that do not do.


def seal_with(us: OurKey, them: TheirKey, *, days: int = 0) -> None:
    with Smith([us], [them], now=lambda: NOW + timedelta(days=days)) as one:
        sealed(one)


@pytest.mark.parametrize("passphrase", ["wrong", "", None])
def test_a_wrong_passphrase_is_told_with_key_and_file(curve: Pair, rsa: Pair, passphrase: str | None) -> None:
    key = OurKey(data=curve.ours.data, passphrase=passphrase, name="keys/mybank-pgp.asc")
    with pytest.raises(
        Unusable, match=r"keys/mybank-pgp\.asc: the key \w{40} .*does not open with the passphrase"
    ) as told:
        seal_with(key, rsa.theirs)
    assert "wrong" not in str(told.value)
    made = rsa.forge.run("-se", "-u", rsa.fingerprint, "-r", curve.fingerprint, data=CONTENT)
    with Smith([key], [rsa.theirs], now=lambda: NOW) as one, pytest.raises(Unusable, match="does not open with"):
        one.open(io.BytesIO(made), bytearray().extend, wanted=Form.BOTH, at_most=1 << 20)


def test_an_expired_key_is_told_whosever_it_is(workshop: Forge, curve: Pair, rsa: Pair) -> None:
    short = Pair(workshop, workshop.key("Short", days=60), None)
    with pytest.raises(Unusable, match=r"theirs\.asc: the key .* expired at 2026-04-01 09:00 UTC"):
        seal_with(curve.ours, short.theirs, days=30)
    with pytest.raises(Unusable, match=r"ours\.asc: the key .* expired at 2026-04-01 09:00 UTC"):
        seal_with(short.ours, rsa.theirs, days=30)


def test_a_key_without_a_part_for_it_is_told(workshop: Forge, curve: Pair) -> None:
    signs_only = Pair(workshop, workshop.key("Signer", encrypts=False), None)
    with pytest.raises(Unusable, match="has no part that is for encrypting"):
        seal_with(curve.ours, signs_only.theirs)


def test_a_key_that_is_not_the_pinned_one_is_not_taken(curve: Pair, rsa: Pair) -> None:
    with pytest.raises(Unusable, match=f"holds the key {rsa.fingerprint}, but {curve.fingerprint} is pinned"):
        seal_with(curve.ours, TheirKey(data=rsa.theirs.data, fingerprint=curve.fingerprint))
    with pytest.raises(Unusable, match="40 or 64 hex digits"):
        seal_with(curve.ours, TheirKey(data=rsa.theirs.data, fingerprint=rsa.fingerprint[-16:]))
    with pytest.raises(Unusable, match="holds 2 keys"):
        seal_with(curve.ours, TheirKey(data=rsa.theirs.data + curve.theirs.data, fingerprint=rsa.fingerprint))
    with pytest.raises(Unusable, match="a key of ours"):
        seal_with(curve.ours, curve.theirs)
    with pytest.raises(Unusable, match="public part"):
        seal_with(OurKey(data=curve.theirs.data, passphrase=None), rsa.theirs)


def test_a_pinned_fingerprint_may_be_written_as_people_do(curve: Pair, rsa: Pair) -> None:
    spaced = " ".join(rsa.fingerprint.lower()[n : n + 4] for n in range(0, 40, 4))
    seal_with(curve.ours, TheirKey(data=rsa.theirs.data, fingerprint=spaced))


# The program.


def test_a_missing_program_is_told() -> None:
    with (
        pytest.raises(GpgError, match=r"cannot be started.*apt install gpg"),
        Smith([], [], now=lambda: NOW, program="gpg-none"),
    ):
        pass
    with pytest.raises(GpgError, match="is not GnuPG"):
        facts(b"", program="true")


def test_what_source_and_sink_raise_comes_out_and_nothing_is_left(curve: Pair, rsa: Pair) -> None:
    def full(piece: bytes) -> None:
        raise OSError("disk full")

    with smith(curve, rsa) as one:
        with pytest.raises(OSError, match="disk full"):
            one.seal(io.BytesIO(CONTENT), full, sign_with=curve.fingerprint, encrypt_to=[], armour=False)
        assert sealed(one)
