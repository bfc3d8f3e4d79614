"""What is sealed by one GnuPG is opened by the other: 2.2 and 2.4, both ways, whichever made the keys."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from h2h.errors import Unopened
from h2h.openpgp import Form, KeyFacts, OurKey, Smith, TheirKey, create, facts
from h2h.openpgp.gpg import version
from tests.forging import NEWER, NOW, Forge, forge, needs

CONTENT = b"".join(b"payment %d\r\n" % n for n in range(20_000))
THIS = "gpg"
PROGRAMS = {"this": THIS, "2.4": NEWER}


@dataclass(frozen=True)
class Keys:
    """Two pairs of one version."""

    forge: Forge
    us: str
    bank: str


@pytest.fixture(scope="module")
def keys_of() -> Iterator[dict[str, Keys]]:
    """By kind and version."""
    needs(NEWER)
    made = {}
    with ExitStack() as stack:
        for name, program in PROGRAMS.items():
            one = stack.enter_context(forge(program))
            for kind in ("ed25519", "rsa2048"):
                made[f"{kind} of {name}"] = Keys(one, one.key(f"Us{kind}", kind), one.key(f"Bank{kind}", kind))
        yield made


def sealed(keys: Keys, program: str, *, armour: bool) -> bytes:
    ours = OurKey(data=keys.forge.secret(keys.bank), passphrase=None)
    theirs = TheirKey(data=keys.forge.public(keys.us), fingerprint=keys.us)
    out = bytearray()
    with Smith([ours], [theirs], now=lambda: NOW, program=program) as bank:
        bank.seal(io.BytesIO(CONTENT), out.extend, sign_with=keys.bank, encrypt_to=[keys.us], armour=armour)
    return bytes(out)


def opened(keys: Keys, program: str, data: bytes) -> bytes:
    ours = OurKey(data=keys.forge.secret(keys.us), passphrase=None)
    theirs = TheirKey(data=keys.forge.public(keys.bank), fingerprint=keys.bank)
    content = bytearray()
    with Smith([ours], [theirs], now=lambda: NOW, program=program) as us:
        found = us.open(io.BytesIO(data), content.extend, wanted=Form.BOTH, at_most=len(CONTENT))
    assert (found.signer, found.opened_with) == (keys.bank, keys.us)
    return bytes(content)


def protection(data: bytes, keys: Keys) -> str:
    """The packet that holds what is encrypted: 18 is protected by MDC, 20 by AEAD (OCB)."""
    listing = keys.forge.run("--list-packets", data=data).decode()
    return "AEAD" if ":aead encrypted packet:" in listing else "MDC" if ":encrypted data packet:" in listing else "none"


def test_the_other_version_is_the_other_version() -> None:
    assert version(needs(NEWER))[:2] == (2, 4)


@pytest.mark.parametrize("armour", [False, True], ids=["binary", "armoured"])
@pytest.mark.parametrize("kind", ["ed25519 of this", "rsa2048 of this", "ed25519 of 2.4", "rsa2048 of 2.4"])
@pytest.mark.parametrize(("one", "other"), [("this", "2.4"), ("2.4", "this"), ("2.4", "2.4")])
def test_what_one_version_seals_the_other_opens(
    keys_of: dict[str, Keys], one: str, other: str, kind: str, armour: bool
) -> None:
    data = sealed(keys_of[kind], PROGRAMS[one], armour=armour)
    assert opened(keys_of[kind], PROGRAMS[other], data) == CONTENT


@pytest.mark.parametrize("kind", ["ed25519 of 2.4", "rsa2048 of 2.4"])
@pytest.mark.parametrize("reader", ["this", "2.4"])
def test_what_a_bank_makes_with_plain_gpg_2_4_is_opened(keys_of: dict[str, Keys], reader: str, kind: str) -> None:
    keys = keys_of[kind]
    data = keys.forge.run("-se", "-u", keys.bank, "-r", keys.us, data=CONTENT)
    assert opened(keys, PROGRAMS[reader], data) == CONTENT


@pytest.mark.parametrize("reader", ["this", "2.4"])
def test_aead_is_protection_too(keys_of: dict[str, Keys], reader: str) -> None:
    """GnuPG 2.4 takes it (OCB) where the recipient's key says that it can be read."""
    keys = keys_of["ed25519 of 2.4"]
    data = keys.forge.run("-se", "--force-ocb", "-u", keys.bank, "-r", keys.us, data=CONTENT)
    assert protection(data, keys) == "AEAD"
    assert opened(keys, PROGRAMS[reader], data) == CONTENT
    for damaged in (data[:-1], data[:-2_000], data[:-40] + bytes([data[-40] ^ 1]) + data[-39:]):
        with pytest.raises(Unopened) as refused:
            opened(keys, PROGRAMS[reader], damaged)
        assert refused.value.code == "PGP_DAMAGED"


@pytest.mark.parametrize("program", ["this", "2.4"])
def test_what_is_sealed_to_a_key_of_2_2_is_protected_as_2_2_knows_it(keys_of: dict[str, Keys], program: str) -> None:
    keys = keys_of["ed25519 of this"]
    assert protection(sealed(keys, PROGRAMS[program], armour=False), keys) == "MDC"


@pytest.mark.parametrize("maker", ["this", "2.4"])
@pytest.mark.parametrize("reader", ["this", "2.4"])
def test_new_pairs_of_either_version_are_read_by_both_and_ask_for_what_every_partner_can(
    maker: str, reader: str
) -> None:
    pair = create("Corp <pay@corp.example>", passphrase="x", now=NOW, program=needs(PROGRAMS[maker]))
    found: list[KeyFacts] = facts(pair.secret, program=needs(PROGRAMS[reader]))
    assert found == [pair.facts]
    with forge(needs(NEWER)) as partner:
        partner.run("--import", data=pair.public)
        data = partner.run("-e", "-r", pair.facts.fingerprint, data=b"short")
        assert ":aead encrypted" not in partner.run("--list-packets", data=data, fails=True).decode()
