"""Who decides: the user of the operating system, or a person with an account and a password of the gateway's own."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from h2h.accounts import Accounts
    from h2h.gateway import Gateway

F = TypeVar("F", bound=Callable[..., Any])
NAME, PASSWORD = "h2h.as", "h2h.password"


def named(command: F) -> F:
    """Adds by what people with accounts of their own say who they are."""
    for option, key, text in (
        ("--password-from", PASSWORD, "Where your password stands, as in file:/path or env:NAME; else you are asked."),
        ("--as", NAME, 'Who you are, with [people] accounts = "local".'),
    ):
        given = click.option(
            option, key.replace(".", "_"), metavar="WHERE" if key == PASSWORD else "NAME", expose_value=False,
            callback=_noted(key), help=text,
        )  # fmt: skip
        command = given(command)
    return command


def person(gateway: Gateway) -> str:
    """Who gave the command. NotAllowed where the password is wrong."""
    meta = click.get_current_context().meta
    name: str | None = meta.get(NAME)
    where: str | None = meta.get(PASSWORD)
    if gateway.settings.people.accounts == "system":
        if name or where:
            raise click.UsageError('--as goes with [people] accounts = "local"; here the user of the system decides.')
        return user(gateway.data)
    if not accounts(gateway).all():
        raise click.UsageError("Nobody has an account yet: `h2h people add NAME` makes the first one.")
    if not name:
        raise click.UsageError("Say who you are: --as NAME (`h2h people` lists them).")
    return accounts(gateway).enter(name, password(gateway, f"Password of {name}", where))


def accounts(gateway: Gateway) -> Accounts:
    """Of people, where the settings want them."""
    from h2h.accounts import Accounts

    return Accounts(gateway.ledger.accounts, gateway.clock)


def user(data: Path) -> str:
    """Who sits at the keyboard: the user of the operating system, and behind sudo the one who called it.

    SUDO_USER counts for root and for the gateway's own user alone: in an account of one's own it is only a claim.
    """
    found = pwd.getpwuid(os.getuid()).pw_name
    behind = os.environ.get("SUDO_USER")
    shared = os.getuid() in (0, data.stat().st_uid)
    return behind if behind and shared else found


def password(gateway: Gateway, what: str, where: str | None, *, twice: bool = False) -> str:
    """From there, or as somebody types it; it is never shown."""
    if where:
        return gateway.credentials.secret(where)
    if not sys.stdin.isatty():
        raise click.UsageError(f"{what}: nobody can be asked here; say where it stands (file:/path, env:NAME, …).")
    said: str = click.prompt(what, hide_input=True, confirmation_prompt=twice, err=True)
    return said


def _noted(key: str) -> Callable[[click.Context, click.Parameter, str | None], None]:
    def note(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
        if value is not None:
            ctx.meta[key] = value

    return note
