"""Accounts of people: passwords, made into Argon2id and compared with it. What is kept of them is the ledger's.

A wrong name takes as long as a wrong password, and is told in the same words.
"""

from __future__ import annotations

import re
from functools import cached_property
from threading import Event
from typing import TYPE_CHECKING

from h2h.clock import Clock
from h2h.errors import NotAllowed, UsageError
from h2h.ledger.accounts import Account, AccountRows

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST, LONGEST = 12, 1000  # characters of a password
NAME = re.compile(r"[a-z][a-z0-9._-]{0,31}")
TAKEN = ("gateway", "bank")  # who else stands in the journal


class Accounts:
    def __init__(self, rows: AccountRows, clock: Clock, refusal_seconds: float = 1.0) -> None:
        """A refusal comes after so long, whatever was wrong."""
        self._rows = rows
        self._clock = clock
        self._refusal_seconds = refusal_seconds

    def all(self) -> list[Account]:
        return self._rows.all()

    def enter(self, name: str, password: str) -> str:
        """The name, if the password is that person's; else NotAllowed."""
        began = self._clock.monotonic()
        account = self._rows.begin_try(name, now=self._clock.now())
        nobodys = self._nobodys  # made in any case: it takes its time
        kept = account.hash if account and account.hash else nobodys
        right = self._is(kept, password)
        if account and right:
            again = self._hasher.hash(password) if self._hasher.check_needs_rehash(kept) else None
            if self._rows.accepted(account, again):
                return name
        elif account:
            self._rows.refused(name, now=self._clock.now())
        self._clock.wait(Event(), began + self._refusal_seconds - self._clock.monotonic())
        raise NotAllowed("There is no such person, or the password is wrong, or the person is locked.")

    def add(self, name: str, password: str, *, who: str) -> Account:
        if not NAME.fullmatch(name) or name in TAKEN:
            raise UsageError(
                f"{name!r} cannot be a person's name: write small letters, digits, dots, - and _, at most 32, "
                f"beginning with a letter, and not {' or '.join(TAKEN)}."
            )
        return self._rows.add(name, self._hashed(name, password), who=who, now=self._clock.now())

    def unlock(self, name: str, *, who: str) -> Account:
        return self._rows.unlock(name, who=who, now=self._clock.now())

    def proposed(self, name: str) -> Account:
        """The person, of whom something is proposed, to be looked at before it is confirmed."""
        found = next((account for account in self._rows.all() if account.name == name), None)
        if found is None or found.proposal is None:
            raise NotAllowed(f"Nothing is proposed of {name}.")
        return found

    def confirm(self, seen: Account, *, who: str) -> Account:
        """What was seen to be proposed, and nothing else."""
        return self._rows.confirm(seen, who=who, now=self._clock.now())

    def withdraw(self, name: str, *, who: str) -> Account:
        return self._rows.withdraw(name, who=who, now=self._clock.now())

    def lock(self, name: str, *, who: str) -> Account:
        return self._rows.lock(name, who=who, now=self._clock.now())

    def change_password(self, name: str, new: str) -> Account:
        """Of whoever has entered."""
        old = next(account.hash for account in self._rows.all() if account.name == name)
        return self._rows.change_password(name, old or "", self._hashed(name, new), now=self._clock.now())

    def _hashed(self, name: str, password: str) -> str:
        if not SHORTEST <= len(password) <= LONGEST:
            raise UsageError(
                f"A password has {SHORTEST} characters or more, and {LONGEST} at most: take several words that have "
                "nothing to do with each other."
            )
        if password.casefold() in (name * SHORTEST)[: len(password)] or len(set(password)) < SHORTEST // 2:
            raise UsageError("This password is easy to guess: the same few characters again and again, or the name.")
        return self._hasher.hash(password)

    def _is(self, kept: str, password: str) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            return self._hasher.verify(kept, password[: LONGEST + 1])
        except (VerificationError, InvalidHashError):
            return False

    @cached_property
    def _hasher(self) -> PasswordHasher:
        """With the library's parameters, which are those of RFC 9106 for little memory."""
        from argon2 import PasswordHasher

        return PasswordHasher()

    @cached_property
    def _nobodys(self) -> str:
        """What a name is compared with that nobody has."""
        return self._hasher.hash("nobody has this password")
