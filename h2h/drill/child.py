"""A gateway in a process forked from one that has imported everything already; it kills itself at a point of choice.

It does what `h2h send` or `h2h pull` does, in rounds, until nothing is left to do or the rounds are used up.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from multiprocessing.context import ForkServerContext
from pathlib import Path

import h2h.channels.sftp
import h2h.desk
import h2h.messages.camt05x
import h2h.messages.pain001
import h2h.messages.pain002  # noqa: F401 - imported once, for all
from h2h.clock import Clock
from h2h.config import load
from h2h.drill.effects import Effects
from h2h.errors import ChannelError
from h2h.gateway import Gateway
from h2h.lifecycle import State
from h2h.logs import start_logging

ROUNDS = 40
WAIT_SECONDS = 0.03
MOVING = (State.RECEIVED, State.READY, State.STAGING, State.PUBLISHING)


def context() -> ForkServerContext:
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload([__name__])
    return found


def run(config: Path, phase: str, kill_at: str | None, points_file: Path, bank_out: Path) -> None:
    """`phase`: "out" hands over, "in" fetches. The points that were reached are written down as they come."""
    log = os.open(config.parent / "gateway.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    points = os.open(points_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

    def reached(point: str) -> None:
        os.write(points, f"{point}\n".encode())
        if point == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    start_logging()
    Effects(reached, requests=True).install()
    gateway = Gateway(load(config), Clock())
    try:
        with gateway.running():
            (_hand_over if phase == "out" else _pull)(gateway, bank_out)
    finally:
        gateway.close()


def _hand_over(gateway: Gateway, _: Path) -> None:
    (desk,) = gateway.desks.values()
    for _round in range(ROUNDS):
        desk.take_in()
        desk.hand_over()
        if not any(gateway.ledger.transfers.in_state(state) for state in MOVING):
            return
        time.sleep(WAIT_SECONDS)


def _pull(gateway: Gateway, bank_out: Path) -> None:
    (desk,) = gateway.desks.values()
    papers = set(os.listdir(bank_out))
    for _round in range(ROUNDS):
        try:
            for folder in desk.bank.inbound:
                desk.pull(folder)
            desk.finish_started()
            if desk.bank.inbound[0].after == "leave" or not papers.intersection(os.listdir(bank_out)):
                return
        except ChannelError:
            pass  # the line comes back by itself
        time.sleep(WAIT_SECONDS)
