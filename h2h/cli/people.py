"""people: who may decide, where people have accounts of the gateway's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from h2h.cli.output import as_json, at, console, emit, listing, open_gateway, text
from h2h.cli.who import NAME, accounts, named, password, person, user

if TYPE_CHECKING:
    from datetime import datetime

    from h2h.gateway import Gateway
    from h2h.ledger.accounts import Account

name_ = click.argument("name")
new_from = click.option(
    "--new-from", metavar="WHERE", help="Where the new password stands, as in file:/path; else it is asked for."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRow:
    """What is shown of a person. `failures`: wrong passwords since the last right one."""

    name: str
    state: str
    created_at: datetime
    created_by: str
    locked_by: str | None
    proposal: str | None
    proposed_by: str | None
    proposed_at: datetime | None
    failures: int
    blocked_until: datetime | None


@click.group(invoke_without_command=True)
@as_json
@click.pass_context
def people(ctx: click.Context, as_json: bool) -> None:
    """Who may decide, where the settings say [people] accounts = "local".

    Without a command they are listed. The first person is added by whoever may write the ledger, the second one by the
    first. From then on a new person, a new password for somebody else, and unlocking somebody take two: one asks for
    it, another one confirms it. Each of them says who he is by --as NAME and a password.
    """
    if ctx.invoked_subcommand:
        return
    gateway = open_gateway(ctx)
    rows = [_row(account) for account in accounts(gateway).all()]
    empty = "Nobody has an account."
    if gateway.settings.people.accounts == "system":
        empty += " Users of the operating system decide, as the settings say."
    columns = ["name", "", "since", "by", "proposed", "wrong passwords"]
    listing(rows, columns, _cells, as_json=as_json, empty=empty, right=["wrong passwords"])


@people.command()
@name_
@new_from
@as_json
@named
@click.pass_context
def add(ctx: click.Context, name: str, new_from: str | None, as_json: bool) -> None:
    """Add a person, or give one a new password.

    NAME types the password, not you: it is to be known to nobody else. Take the name that the person has as a user of
    the operating system: who drops a file by that name does not approve it. A second person confirms it
    (`h2h people confirm NAME`), once there are two.
    """
    gateway = _local(ctx)
    who = person(gateway) if accounts(gateway).all() or ctx.meta.get(NAME) else user(gateway.data)
    new = password(gateway, f"New password of {name}", new_from, twice=True)
    _done(accounts(gateway).add(name, new, who=who), as_json=as_json)


@people.command("password")
@name_
@new_from
@as_json
@named
@click.pass_context
def password_(ctx: click.Context, name: str, new_from: str | None, as_json: bool) -> None:
    """Change your own password."""
    gateway = _local(ctx)
    ctx.meta.setdefault(NAME, name)
    if person(gateway) != name:
        raise click.UsageError(f"Everybody changes his own; for somebody else it is `h2h people add {name}`.")
    new = password(gateway, f"New password of {name}", new_from, twice=True)
    _done(accounts(gateway).change_password(name, new), as_json=as_json)


@people.command()
@name_
@as_json
@named
@click.pass_context
def lock(ctx: click.Context, name: str, as_json: bool) -> None:
    """Let a person decide nothing any more, from now on. One person does it; to unlock takes two others."""
    gateway = _local(ctx)
    _done(accounts(gateway).lock(name, who=person(gateway)), as_json=as_json)


@people.command()
@name_
@as_json
@named
@click.pass_context
def unlock(ctx: click.Context, name: str, as_json: bool) -> None:
    """Propose that a locked person may decide again."""
    gateway = _local(ctx)
    _done(accounts(gateway).unlock(name, who=person(gateway)), as_json=as_json)


@people.command()
@name_
@as_json
@named
@click.pass_context
def confirm(ctx: click.Context, name: str, as_json: bool) -> None:
    """Confirm what somebody else proposed of a person, after asking that person.

    What it is, and who proposed it when, is said before; if something else is proposed then, nothing is confirmed.
    """
    gateway = _local(ctx)
    seen = accounts(gateway).proposed(name)
    click.echo(f"Proposed of {name}: {_proposed(_row(seen))}.", err=True)
    _done(accounts(gateway).confirm(seen, who=person(gateway)), as_json=as_json)


@people.command()
@name_
@as_json
@named
@click.pass_context
def withdraw(ctx: click.Context, name: str, as_json: bool) -> None:
    """Take back what is proposed of a person, so that something else can be proposed. One person does it."""
    gateway = _local(ctx)
    _done(accounts(gateway).withdraw(name, who=person(gateway)), as_json=as_json)


def _local(ctx: click.Context) -> Gateway:
    gateway = open_gateway(ctx)
    if gateway.settings.people.accounts == "system":
        raise click.UsageError('Users of the system decide here; accounts go with [people] accounts = "local".')
    return gateway


def _done(account: Account, *, as_json: bool) -> None:
    row = _row(account)
    if as_json:
        emit([row])
        return
    said = f"{row.name} is {row.state}."
    if row.proposal:
        said += f" {row.proposed_by} proposed it; another person has to confirm it: `h2h people confirm {row.name}`."
    console().print(text(said))


def _row(account: Account) -> PersonRow:
    state = "locked" if account.locked_at else "active" if account.hash else "not confirmed"
    return PersonRow(
        name=account.name,
        state=state,
        created_at=account.created_at,
        created_by=account.created_by,
        locked_by=account.locked_by,
        proposal=account.proposal,
        proposed_by=account.proposed_by,
        proposed_at=account.proposed_at,
        failures=account.failures,
        blocked_until=account.blocked_until,
    )


def _proposed(row: PersonRow) -> str:
    when = f" at {at(row.proposed_at)}" if row.proposed_at else ""
    return f"{row.proposal}, by {row.proposed_by}{when}"


def _cells(row: PersonRow) -> list[object]:
    proposed = _proposed(row) if row.proposal else ""
    return [row.name, row.state, at(row.created_at), row.created_by, proposed, row.failures or ""]
