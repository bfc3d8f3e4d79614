"""The office of test_cli.py for all tests of the shell."""

from __future__ import annotations

from tests.shell.test_cli import made, office

__all__ = ["made", "office"]
