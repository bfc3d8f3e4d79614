"""alert-test: whether those can be told who have to be."""

from __future__ import annotations

import click

from h2h.cli.output import as_json, console, emit, open_gateway, text


@click.command("alert-test")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@as_json
@click.pass_context
def alert_test(ctx: click.Context, names: tuple[str, ...], as_json: bool) -> int:
    """Send a letter to those who are told of alarms; it says that nothing has happened.

    Without NAME to all of them, the fall-backs too. Exit status 1 if one was not taken.
    """
    from h2h.errors import UsageError

    gateway = open_gateway(ctx)
    known = [recipient.name for recipient in gateway.settings.alerts]
    if unknown := [name for name in names if name not in known]:
        there = ", ".join(known) or "none"
        raise UsageError(f"There is no {unknown[0]!r} among the alerts in the settings; there is {there}.")
    teller = gateway.teller()
    if teller is None:
        raise UsageError("The settings name nobody who is told of alarms; [[alerts]] does that.")
    found = teller.try_out(names or known)
    if as_json:
        emit([{"recipient": name, "fault": fault} for name, fault in found.items()])
        return int(any(found.values()))
    for name, fault in found.items():
        console().print(text(f"{name}: {fault}", "red") if fault else text(f"{name}: told", "green"))
    return int(any(found.values()))
