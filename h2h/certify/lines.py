"""Cases on the line to the bank: that it is the right server, that it knows us, and how it lets files be named."""

from __future__ import annotations

import io
from collections.abc import Iterator

from h2h.certify.bench import Bench
from h2h.certify.office import Unmet
from h2h.certify.results import Sort
from h2h.certify.trial import Case, Trial
from h2h.channels import Channel, Renaming, Upload, only
from h2h.channels.facts import Probe, Weight
from h2h.channels.probe import probe
from h2h.config import SftpSettings
from h2h.errors import Refused
from h2h.model import Presence, Way
from h2h.sandbox.keys import create_client_key

WRONG_PIN = f"SHA256:{'A' * 43}"
PROBE = b"h2h certify: a temporary file, to be renamed and removed.\n"


def _connect(trial: Trial) -> str:
    bench = trial.bench
    found = bench.probed = probe(bench.bank, connect=bench.connect, tag=bench.mark, now=bench.clock.now)
    for step in found.steps:
        trial.note(Sort.SERVER, f"{step.said} {step.todo}".rstrip())
    for change in found.changes:
        told = f"{change.section} could say {change.key} = {change.value}" if change.value else f"without {change.key}"
        trial.note(Sort.FACT, f"{told}, and says {change.was}: {change.evidence}")
    if not found.good:
        raise Unmet(" ".join(_faults(found)))
    with bench.connect() as session:
        for folder in bench.bank.inbound:
            bench.hidden.update(*(session.list(place) for place in (folder.remote, folder.claim) if place))
    bench.reached = True
    if bench.hidden:
        trial.note(Sort.FACT, f"{len(bench.hidden)} file(s) lay at the bank before; they are left alone")
    return "The server shows a pinned host key, takes our login, and has the folders of the profile."


def _faults(found: Probe) -> Iterator[str]:
    yield from (f"{step.said} {step.todo}".rstrip() for step in found.steps if step.weight is Weight.BAD)
    if found.left:
        yield f"It could not be removed again: {', '.join(found.left)}."


def _wrong_host_key(trial: Trial) -> str:
    channel = _sftp(trial.bench)
    return _refused(trial, channel.model_copy(update={"host_keys": [WRONG_PIN]}), "with another host key pinned")


def _wrong_login_key(trial: Trial) -> str:
    channel, stranger = _sftp(trial.bench), trial.folder / "stranger"
    create_client_key(stranger, comment="h2h certify: a key that the bank was never told")
    return _refused(trial, channel.model_copy(update={"key_file": stranger, "key_passphrase": None}), "with a new key")


def _refused(trial: Trial, channel: SftpSettings, how: str) -> str:
    try:
        with trial.bench.connect(channel):
            pass
    except Refused as error:
        trial.note(Sort.SERVER, str(error))
        return f"A connection {how} was refused."
    raise Unmet(f"A connection {how} was let in. Tell the bank; do not go on before it is mended.")


def _temporary_names(trial: Trial) -> str:
    folder = trial.bench.bank.outbound[0].staging_folder.rstrip("/")
    first, second = (f"{folder}/.{trial.bench.mark}-{n}.part" for n in (1, 2))
    with trial.bench.connect() as session:
        staged = only(session.stage_many([Upload(path=first, opened=lambda: io.BytesIO(PROBE))]))
        _expect(trial, session, first, Presence.THERE)
        receipt = only(session.publish_many([Renaming(staged=staged, path=second)]))
        trial.note(Sort.SERVER, f"{first} renamed to {second} by {receipt.how}: {receipt.answer}")
        _expect(trial, session, first, Presence.GONE)
        _expect(trial, session, second, Presence.THERE)
        session.discard(second)
        _expect(trial, session, second, Presence.GONE)
    return f"In {folder or '/'} a temporary file was written, seen, renamed and removed; nothing is left of it."


def _expect(trial: Trial, session: Channel, path: str, wanted: Presence) -> None:
    """A server that lets nobody look shows neither; then its answers to the requests are all there is."""
    seen = session.look(path).presence
    trial.note(Sort.SERVER, f"{path}: {seen}")
    if seen not in (wanted, Presence.HIDDEN):
        raise Unmet(f"{path} should be {wanted} and is {seen}: what the server answered was not so.")


def _sftp(bench: Bench) -> SftpSettings:
    channel = bench.bank.channel
    assert isinstance(channel, SftpSettings)
    return channel


def _no_sftp(bench: Bench) -> str | None:
    return None if isinstance(bench.bank.channel, SftpSettings) else "the bank is reached through a folder"


def _no_renaming(bench: Bench) -> str | None:
    if not bench.bank.outbound:
        return "the profile has no outbound folder"
    if bench.bank.channel.way is not Way.RENAME:
        return f'the profile says publish = "{bench.bank.channel.publish}": nothing is renamed'
    return None


def _next_key(trial: Trial) -> str:
    then = trial.bench.bank.by_next_key()
    assert then
    with trial.bench.connect(then.channel) as session:
        for folder in trial.bench.bank.inbound:
            trial.note(Sort.SERVER, f"{folder.remote} holds {len(session.list(folder.remote))} file(s)")
    return "The bank's server lets us in with the next key, beside the present one."


def _no_next_key(bench: Bench) -> str | None:
    return None if bench.bank.by_next_key() else "the profile names no next_key to log in with"


CONNECT = Case(
    id="connect",
    title="Connection",
    proves="The server is the bank's by its pinned host key, takes our login, and shows the folders of the profile.",
    play=_connect,
)
LINES = (
    Case(
        id="wrong-host-key",
        title="Wrong host key",
        proves="A server with any other host key than the pinned one is refused before anything is sent.",
        play=_wrong_host_key,
        lacks=_no_sftp,
    ),
    Case(
        id="wrong-login-key",
        title="Wrong login key",
        proves="The bank's server lets nobody in with a key that it was not told.",
        play=_wrong_login_key,
        lacks=_no_sftp,
    ),
    Case(
        id="next-login-key",
        title="Next login key",
        proves="The key that we are going to log in with is known to the bank before the hour of the change.",
        play=_next_key,
        lacks=_no_next_key,
        by_hand="Ask the bank whether it has the public part of the next key.",
    ),
    Case(
        id="temporary-name",
        title="Temporary name and renaming",
        proves="Files can be written under a temporary name, renamed and removed, as the profile says.",
        play=_temporary_names,
        lacks=_no_renaming,
    ),
)
