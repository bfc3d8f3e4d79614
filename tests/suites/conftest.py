"""Banks at hand for the suites."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tests.suites.servers import SSHD, AsyncSshServer, OpenSshServer

Misbehaving = Callable[..., AsyncSshServer]


@pytest.fixture
def openssh(tmp_path: Path) -> Iterator[OpenSshServer]:
    if SSHD is None:
        pytest.skip("no sshd here: apt-get install openssh-server")
    with OpenSshServer(tmp_path / "openssh") as server:
        yield server


@pytest.fixture
def bank_that(tmp_path: Path) -> Iterator[Misbehaving]:
    """Start a bank with a behaviour of its own: `bank_that(behaviour, **options of asyncssh.listen)`."""
    with ExitStack() as stack:

        def start(behaviour: type[asyncssh.SFTPServer] = asyncssh.SFTPServer, **options: Any) -> AsyncSshServer:
            work = tmp_path / f"bank{len(list(tmp_path.iterdir()))}"
            return stack.enter_context(AsyncSshServer(work, behaviour, **options))

        yield start
