"""Passwords hashed as cheaply as tests need it: it is the rules around them that are looked at."""

from __future__ import annotations

import argon2


class Cheap(argon2.PasswordHasher):
    """What was hashed with it is hashed anew, at the full cost, by whoever knows nothing of it."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=64, parallelism=1)
