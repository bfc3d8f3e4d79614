"""What the server of forked processes has loaded, for all commands at once. Nobody else imports it."""

from __future__ import annotations

import gc
import os
from importlib import import_module
from pkgutil import iter_modules

import argon2

import h2h.certify
import h2h.cli
import h2h.messages
import h2h.outbound
from h2h.accounts import Accounts
from h2h.alerting import post
from tests.hashing import Cheap
from tests.postmen import program

USED_LATER = ("click.core", "h2h.daemon", "h2h.drill.child", "pycountry", "rich.console", "rich.table", "sqlite3")

argon2.PasswordHasher = Cheap  # type: ignore[misc]
Accounts.__init__.__defaults__ = (0.05,)  # seconds that a refusal takes
post.PROGRAM = program(os.environ["POSTMEN"]) if "POSTMEN" in os.environ else post.PROGRAM
for package in (h2h.cli, h2h.outbound, h2h.messages, h2h.certify):
    for module in iter_modules(package.__path__, f"{package.__name__}."):
        import_module(module.name)
for name in USED_LATER:
    import_module(name)
gc.collect()
gc.freeze()  # what a child looks through for garbage is copied for it
