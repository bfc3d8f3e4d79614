"""OpenPGP by GnuPG, the program: seals files for banks and opens theirs.

Nothing here knows of folders, banks or the ledger. A `Smith` works in a private home that holds the given keys alone:
no key is looked up, fetched or learnt from a file, nothing of ~/.gnupg is read, and no trust is computed. Keys of
partners count by the fingerprints that were pinned.

    home.py       the private folder, its agent, and what a killed process left
    gpg.py        one run of the program: pipes, passphrases, bounds
    keys.py       what keys are and can; new pairs
    framing.py    the outside of a file: one message, nothing around it
    case.py       what is known of a file that GnuPG has gone through
    judgement.py  whether a file from outside may be taken: a rule a row
    smith.py      Smith
"""

from __future__ import annotations

from h2h.openpgp.case import Form, Opened
from h2h.openpgp.judgement import CODES
from h2h.openpgp.keys import KINDS, MOST_DAYS, KeyFacts, NewPair, OurKey, TheirKey, create, facts, public_part
from h2h.openpgp.smith import Smith

__all__ = [
    "CODES",
    "KINDS",
    "MOST_DAYS",
    "Form",
    "KeyFacts",
    "NewPair",
    "Opened",
    "OurKey",
    "Smith",
    "TheirKey",
    "create",
    "facts",
    "public_part",
]
