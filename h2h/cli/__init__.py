"""The command line. Commands parse, call the gateway, and format what comes back; nothing is decided here.

Modules of this package import click at their head and all else inside the commands, so that help is there at once.
Exit status: 0 done, 1 something was refused or failed, 2 wrong use or settings.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import NoReturn

import click

import h2h

COMMANDS = {
    "init": "beginning",
    "check": "setup",
    "sandbox": "setup",
    "demo": "setup",
    "drill": "drilling",
    "certify": "certifying",
    "run": "work",
    "send": "work",
    "pull": "work",
    "validate": "judging",
    "inspect": "judging",
    "status": "board",
    "alarms": "alarming",
    "ack": "alarming",
    "health": "probing",
    "forecast": "forecasting",
    "shadow": "shadowing",
    "alert-test": "alerting",
    "files": "reading",
    "show": "reading",
    "payments": "payments",
    "statements": "statements",
    "closure": "closure",
    "export": "export",
    "convert": "converting",
    "report": "reporting",
    "resend": "deciding",
    "repair": "repairing",
    "release": "deciding",
    "hold": "deciding",
    "cancel": "deciding",
    "resolve": "deciding",
    "reread": "deciding",
    "sent-by-hand": "deciding",
    "confirm": "deciding",
    "sequences": "numbering",
    "people": "people",
    "journal": "audit",
    "purge": "purging",
    "keys": "keys",
}
SECTIONS = {
    "Set up": ("init", "check", "keys", "alert-test", "sandbox", "demo"),
    "Work": ("run", "send", "pull", "reread", "purge"),
    "Look": (
        "status",
        "alarms",
        "forecast",
        "health",
        "files",
        "show",
        "payments",
        "statements",
        "closure",
        "validate",
        "inspect",
        "shadow",
        "export",
        "convert",
        "report",
        "sequences",
    ),
    "Decide": ("ack", "resend", "repair", "release", "hold", "cancel", "resolve", "sent-by-hand", "confirm", "people"),
    "Prove": ("journal", "certify", "drill"),
}
DEFAULT_FILES = (Path("h2h.toml"), Path("/etc/h2h/h2h.toml"))


class _Commands(click.Group):
    """Loads a command's module when it is asked for, and lists them by what they are for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command: click.Command = getattr(importlib.import_module(f"h2h.cli.{module}"), cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section, names in SECTIONS.items():
            rows = [(n, command.get_short_help_str(70)) for n in names if (command := self.get_command(ctx, n))]
            with formatter.section(section):
                formatter.write_dl(rows)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    envvar="H2H_CONFIG",
    show_envvar=True,
    help="Settings file.  [default: ./h2h.toml, /etc/h2h/h2h.toml]",
)
@click.version_option(h2h.__version__, prog_name="h2h")
@click.pass_context
def cli(ctx: click.Context, config: Path | None) -> None:
    """Host-to-host gateway between an ERP and its banks.

    Takes pain.001 files from watched folders, checks them, hands them to the bank over SFTP before its cut-off, and
    brings back pain.002 answers and camt.053 statements, matched to every single payment.

    Every command that reads has --json; every one that decides has --dry-run. Times on the screen are of this
    machine's zone, in JSON of UTC. Exit status: 0 done, 1 something was refused or failed, 2 wrong use or
    settings.
    """
    from h2h.errors import UsageError

    ctx.obj = config or next((f for f in DEFAULT_FILES if os.path.exists(f)), DEFAULT_FILES[0])
    if (ctx.obj.parent / ".h2h").is_dir():
        raise UsageError(f"{ctx.obj} lies in a watched folder: what is dropped there is never read as settings.")


def main() -> NoReturn:
    """Run a command; whatever goes wrong is one sentence and an exit status, never a traceback."""
    from h2h.cli.output import local_times, printed
    from h2h.errors import H2hError, SettingsError, UsageError
    from h2h.secrecy import leave_no_picture

    leave_no_picture()
    try:
        status = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except SettingsError as error:
        click.echo(f"h2h: the settings have {len(error.problems)} problem(s):\n{error}", err=True)
        sys.exit(2)
    except H2hError as error:
        click.echo(f"h2h: {printed(local_times(str(error)))}", err=True)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except Exception as error:
        if os.environ.get("H2H_DEBUG"):
            raise
        said = f"{type(error).__name__}: {error}"
        click.echo(f"h2h: the gateway itself failed ({said}). Please report it, with H2H_DEBUG=1 set.", err=True)
        sys.exit(1)
    sys.exit(status if isinstance(status, int) else 0)
