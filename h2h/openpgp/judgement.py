"""Whether a file that GnuPG has gone through may be taken: by its status lines alone, every rule in one table.

GnuPG's exit status says little: it is 0 for a file that nobody signed, or that is our own. A file is taken if the words
that count come exactly in the order of `GOOD`, each as often as there, and no rule of `RULES` is broken. Rules say what
is wrong and what to do; the order says that nothing is wrong that no rule thought of.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from h2h.errors import Unopened
from h2h.openpgp.case import Case, Opened
from h2h.text import shown

DIGESTS = frozenset({8, 9, 10, 12, 14})  # SHA-256, -384, -512, SHA3-256, -512; not MD5, SHA-1, RIPEMD-160, SHA-224
CIPHERS = frozenset({7, 8, 9, 10, 11, 12, 13})  # AES, Twofish, Camellia; not IDEA, 3DES, CAST5, Blowfish
NO_PUBLIC_KEY = "9"  # the reason in ERRSIG
# GOODMDC stands for AEAD, too
_CONTENT = r"PLAINTEXT (NEWSIG (GOODSIG|EXPKEYSIG) VALIDSIG )?"
GOOD = re.compile(
    r"(ENC_TO )+DECRYPTION_KEY (ENC_TO )*BEGIN_DECRYPTION DECRYPTION_INFO "
    rf"{_CONTENT}DECRYPTION_OKAY GOODMDC END_DECRYPTION "
    rf"|{_CONTENT}"
)


def judged(case: Case, *, size: int) -> Opened:
    """Raises Unopened for the first rule that it breaks."""
    for rule in RULES:
        detail = rule.broken(case) if rule.broken else None
        if detail is not None:
            raise unopened(rule.code, detail)
    signature, used = case.signature, case.first("DECRYPTION_KEY")
    return Opened(
        signer=signature.primary if signature else None,
        signed_at=signature.made if signature else None,
        opened_with=used[1] if used else None,
        size=size,
    )


def unopened(code: str, detail: str = "") -> Unopened:
    """The refusal with its sentence: what is wrong, where that is known more exactly, and what to do."""
    rule = next(rule for rule in RULES if rule.code == code)
    means = rule.means[0].upper() + rule.means[1:]
    return Unopened(code, f"{means}{f' ({detail})' if detail else ''}. {rule.advice}")


# What speaks against a file. Each function gives None if its rule is kept, else what more there is to say, or "".


def _is_for_others(case: Case) -> str | None:
    named = [words[0] for words in case.ended.words("ENC_TO")]
    mine = [part.fingerprint for key in case.ours.values() for part in (key, *key.subkeys)]
    if not named or case.count("DECRYPTION_KEY") or any(number in one for number in named for one in mine):
        return None
    return f"it is for {', '.join(named[:5])}"


def _holds_several(case: Case) -> str | None:
    again = any("plaintext" in rest[0] for rest in case.ended.words("ERROR") if rest)
    return _if((case.count("PLAINTEXT") > 1 or again) and not case.is_changed)


def _is_nested(case: Case) -> str | None:
    return _if(case.count("BEGIN_DECRYPTION") > 1 and not case.is_changed)


def _has_a_weak_cipher(case: Case) -> str | None:
    words = case.first("DECRYPTION_INFO")
    return f"cipher {words[1]}" if words and int(words[1]) not in CIPHERS else None


def _has_a_weak_digest(case: Case) -> str | None:
    digests = [words[7] for words in case.ended.words("VALIDSIG")] + [words[2] for words in case.ended.words("ERRSIG")]
    weak = [number for number in digests if int(number) not in DIGESTS]
    return f"digest {weak[0]}" if weak else None


def _is_not_encrypted(case: Case) -> str | None:
    return _if(case.wanted.encrypted and not case.count("BEGIN_DECRYPTION"))


def _is_not_signed(case: Case) -> str | None:
    return _if(case.wanted.signed and case.count("PLAINTEXT") > 0 and not case.count("NEWSIG"))


def _is_signed_twice(case: Case) -> str | None:
    return _if(case.count("NEWSIG") > 1)


def _has_a_bad_signature(case: Case) -> str | None:
    return _if(case.count("BADSIG") > 0 or (case.signature is not None and case.signature.kind not in ("00", "01")))


def _is_ours(case: Case) -> str | None:
    return _if(case.signature is not None and case.signature.primary in case.ours)


def _is_by_another(case: Case) -> str | None:
    for words in case.ended.words("ERRSIG"):
        if words[5] == NO_PUBLIC_KEY:
            return f"it is signed with {words[6] if len(words) > 6 else words[0]}"
    signature = case.signature
    return f"it is signed with {signature.primary}" if signature and signature.primary not in case.theirs else None


def _is_by_a_revoked_key(case: Case) -> str | None:
    return _if(case.count("REVKEYSIG") > 0)


def _is_out_of_date(case: Case) -> str | None:
    return _if(case.count("EXPSIG") > 0)


def _is_by_an_expired_key(case: Case) -> str | None:
    """By the time of the signature: the key may have ended since. Who takes an old key from its owner and dates back is
    kept out by no longer pinning it."""
    signature = case.signature
    if signature is None:
        return None
    key = case.theirs[signature.primary]
    ends = [part.expires for part in (key, *key.subkeys) if part.fingerprint in (signature.key, key.fingerprint)]
    over = [end for end in ends if end and end <= signature.made]
    return f"signed on {signature.made:%Y-%m-%d}, the key ended on {min(over):%Y-%m-%d}" if over else None


def _names_a_path(case: Case) -> str | None:
    """The name is used by nobody; an honest program writes none that would lead somewhere."""
    names = [unquote(words[2]) for words in case.ended.words("PLAINTEXT") if len(words) > 2]
    return next((shown(name) for name in names if "/" in name or name.startswith("-") or not name.isprintable()), None)


def _has_more_behind(case: Case) -> str | None:
    """GnuPG lists keys that stand behind the content, inside of what is encrypted, as if they were asked for."""
    return _if(case.ended.besides > 0)


def _is_damaged(case: Case) -> str | None:
    return _if(not case.count("PLAINTEXT") or case.count("BADMDC", "DECRYPTION_FAILED", "NODATA", "TRUNCATED") > 0)


def _is_odd(case: Case) -> str | None:
    good = GOOD.fullmatch(case.order) and not case.ended.code
    return None if good else f"it says {case.order.lower().strip() or 'nothing'}, and ends with {case.ended.code}"


def _if(broken: bool) -> str | None:
    return "" if broken else None


@dataclass(frozen=True, slots=True)
class Rule:
    """`broken` is None where it is seen on the way to GnuPG, or by how GnuPG ends."""

    code: str
    means: str
    advice: str
    broken: Callable[[Case], str | None] | None


_BANK = "Ask the bank to send it again"
RULES = (
    Rule(
        "PGP_NOT_PGP",
        "the file is no OpenPGP message",
        f"{_BANK}, as agreed; if it sends files without OpenPGP now, the settings of the folder have to follow.",
        None,
    ),
    Rule(
        "PGP_KEYS",
        "the file holds a key, and no message",
        "Where it is the bank's new key: have its fingerprint confirmed by another way, then pin it in their_keys.",
        None,
    ),
    Rule(
        "PGP_CLEARTEXT",
        "the file is a text with a signature below it, in which line ends and blanks do not count",
        f"{_BANK}, as an OpenPGP message (gpg --sign), which holds every byte.",
        None,
    ),
    Rule(
        "PGP_DETACHED",
        "the file is a signature alone, without the content",
        f"{_BANK}, as an OpenPGP message (gpg --sign), which holds the content.",
        None,
    ),
    Rule(
        "PGP_TRAILING",
        "something stands before or behind the message, or between its parts",
        f"{_BANK}, the message alone.",
        _has_more_behind,
    ),
    Rule(
        "PGP_HANGS",
        "GnuPG does not come to an end with the file, or says too much of it",
        "Read it again (h2h reread); if that does not help, ask the bank what it sent.",
        None,
    ),
    Rule(
        "PGP_TOO_LARGE",
        "the file holds more than may come from it",
        "If such files are usual with this bank, raise max_size; else ask the bank what it sent.",
        None,
    ),
    Rule(
        "PGP_PASSWORD",
        "the file is encrypted with a password",
        "The bank has to encrypt to our public key.",
        None,
    ),
    Rule(
        "PGP_NOT_FOR_US",
        "the file is not encrypted to any of our keys",
        "Give the bank our current public key; if it has an old one, add that to our_keys for as long.",
        _is_for_others,
    ),
    Rule(
        "PGP_SEVERAL",
        "the file holds more than one message",
        f"{_BANK}, each message in a file of its own.",
        _holds_several,
    ),
    Rule(
        "PGP_NESTED",
        "the file is encrypted inside of what is encrypted",
        f"{_BANK}, encrypted once.",
        _is_nested,
    ),
    Rule(
        "PGP_UNPROTECTED",
        "the file is encrypted without protection against changes (no MDC, no AEAD)",
        "The bank's program is too old, or told to leave it out: it has to be set otherwise.",
        None,
    ),
    Rule(
        "PGP_NOT_ENCRYPTED",
        "the file is not encrypted",
        f"{_BANK}, encrypted to our public key.",
        _is_not_encrypted,
    ),
    Rule(
        "PGP_SIGNED_TWICE",
        "the file is signed more than once",
        f"{_BANK}, signed by the one key that was agreed.",
        _is_signed_twice,
    ),
    Rule(
        "PGP_BAD_SIGNATURE",
        "the signature does not fit the content: one of them was changed, or belongs to something else",
        f"{_BANK}. If that happens again, somebody may be changing files on the way.",
        _has_a_bad_signature,
    ),
    Rule(
        "PGP_DAMAGED",
        "the file is damaged or cut off: it does not open to its end",
        f"{_BANK}. If that happens again, somebody may be changing files on the way.",
        _is_damaged,
    ),
    Rule(
        "PGP_WEAK_CIPHER",
        "the file is encrypted with an algorithm that is no longer safe",
        "The bank has to take AES.",
        _has_a_weak_cipher,
    ),
    Rule(
        "PGP_WEAK_DIGEST",
        "the file is signed with an algorithm that is no longer safe",
        "The bank has to take SHA-256 or SHA-512.",
        _has_a_weak_digest,
    ),
    Rule(
        "PGP_NOT_SIGNED",
        "the file is not signed: anybody may have made it",
        f"{_BANK}, signed with the key that was agreed.",
        _is_not_signed,
    ),
    Rule(
        "PGP_SIGNED_OUTSIDE",
        "the signature is around what is encrypted, and not inside",
        f"{_BANK}, signed first and then encrypted, as every OpenPGP program does by itself.",
        None,
    ),
    Rule(
        "PGP_OUR_SIGNATURE",
        "the file is signed by ourselves: one of our own came back",
        "It is no answer of the bank. Ask how it came into the folder for files from the bank.",
        _is_ours,
    ),
    Rule(
        "PGP_WRONG_SIGNER",
        "the file is signed by a key that is not the bank's",
        "Do not take it. If the bank has a new key, have it confirmed by another way, then pin it in their_keys.",
        _is_by_another,
    ),
    Rule(
        "PGP_KEY_REVOKED",
        "the file is signed by a key that its owner has revoked",
        "Do not take it. Ask the bank, by another way, which key counts.",
        _is_by_a_revoked_key,
    ),
    Rule(
        "PGP_SIGNATURE_EXPIRED",
        "the signature was good for a time that is over",
        f"{_BANK}, signed anew.",
        _is_out_of_date,
    ),
    Rule(
        "PGP_KEY_EXPIRED",
        "the file was signed after the end of the signing key, as we know it",
        "Ask the bank for its key with the new end, compare the fingerprint, and replace the file in their_keys.",
        _is_by_an_expired_key,
    ),
    Rule(
        "PGP_NAME",
        "the file carries a name for its content that would lead somewhere else",
        "The name is not used. Ask the bank what it sent: its programs write no such names, or a plain one.",
        _names_a_path,
    ),
    Rule(
        "PGP_ODD",
        "GnuPG does not say of the file what it says of good ones",
        "Report it, with the file's kind and where it came from; until then it is not taken.",
        _is_odd,
    ),
)
CODES: dict[str, str] = {rule.code: rule.means for rule in RULES}
