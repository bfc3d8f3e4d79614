"""Cases on payment files: a good one of every kind that the profile names, and bad, repeated, late, large, cut ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from h2h.certify.bench import Bench
from h2h.certify.blinkers import Blinkers, Cut
from h2h.certify.office import Office, Unmet
from h2h.certify.orders import PaymentType, spoilt
from h2h.certify.results import Outcome, Sort
from h2h.certify.trial import Case, Trial
from h2h.channels import Channel
from h2h.clock import Clock
from h2h.config import Outbound
from h2h.lifecycle import State
from h2h.model import Presence, RemoteFile, TransferId, Way
from h2h.schedule import closings
from h2h.verdicts import Verdict

FINAL = (Verdict.ACCEPTED, Verdict.PARTIAL, Verdict.REJECTED)
AHEAD = timedelta(days=40)  # within which a bank has an open day
INTERRUPTED_PAYMENTS = 200


def accepted(office: Office, transfer_id: TransferId, name: str) -> str:
    """Waits for the bank's word on a file that was sent; what it came to. Unmet where that is no or nothing."""
    if not office.bench.takes("pain.002"):
        text = f"The bank has {name}; the profile takes no pain.002. Ask the bank whether it accepted the file."
        raise Unmet(text, Outcome.NEEDS_PERSON)
    office.within(lambda: office.verdict(transfer_id) in FINAL)
    match office.verdict(transfer_id):
        case Verdict.ACCEPTED:
            return "accepted by the bank"
        case Verdict.PENDING:
            return "acknowledged by the bank; its final word was not waited for"
        case Verdict.NONE:
            seconds = office.bench.wait_seconds
            raise Unmet(f"The bank has {name}, and answered nothing within {seconds:g} s; --wait waits longer.")
        case verdict:
            raise Unmet(f"The bank says {verdict} on {name}: {office.said(transfer_id)}.")


def good_cases(bench: Bench) -> Iterator[Case]:
    """One for each message and kind of payment that an outbound folder names."""
    for number, folder in enumerate(bench.bank.outbound):
        for message, of in itertools.product(folder.messages, _types(bench, folder)):
            place = f"-{number + 1}" if number else ""
            yield Case(
                id=f"good-{message}-{of}{place}",
                title=f"Good file, {message}, {of}",
                proves=f"A good {message} from {folder.remote} reaches the bank under its name, and is acknowledged.",
                play=_good(number, folder, message, of),
                lacks=Bench.why_no_payments,
                by_hand="Ask the bank whether it has the file and can read it.",
            )


def _types(bench: Bench, folder: Outbound) -> list[PaymentType]:
    """The usual one, and one for each row of other times: the payments that the bank treats in their own way."""
    found = [bench.usual]
    for row in folder.cut_offs:
        currency = _first(row.currencies) or bench.usual.currency
        usual = bench.usual.service_level if currency == bench.usual.currency else None
        level, instrument = _first(row.service_levels) or usual, _first(row.local_instruments)
        found.append(PaymentType(currency=currency, service_level=level, local_instrument=instrument))
    return list(dict.fromkeys(found))


def _first(values: Sequence[str] | None) -> str | None:
    return values[0] if values else None


def _good(number: int, folder: Outbound, message: str, of: PaymentType) -> Callable[[Trial], str]:
    def play(trial: Trial) -> str:
        message_id, data = trial.bench.order(folder, now=trial.bench.clock.now(), message=message, of=of)
        with trial.office() as office:
            sent = office.sent(data, f"{message_id}.xml", number)
            return f"{sent.remote}: {accepted(office, sent.id, sent.name)}."

    return play


def _bad(trial: Trial) -> str:
    bench = trial.bench
    message_id, data = bench.order(bench.bank.outbound[0], now=bench.clock.now())
    with trial.office() as office:
        office.drop(spoilt(data), f"{message_id}.xml")
        office.until(lambda: _ended(office, State.INVALID), "the refusal of the file", pulling=False)
        report = next(office.bank.outbound[0].watch.rglob("*.report.txt"), None)
        trial.note(Sort.FACT, f"the ERP gets {report.name}" if report else "no report was written")
        return "The file was refused here, with its reason; nothing was sent."


def _ended(office: Office, state: State) -> bool:
    found = office.transfers()
    return bool(found) and found[-1].state is state


def _duplicate(trial: Trial) -> str:
    bench = trial.bench
    message_id, data = bench.order(bench.bank.outbound[0], now=bench.clock.now())
    with trial.office() as office:
        first = office.sent(data, f"{message_id}.xml")
        office.drop(data, f"{message_id}-again.xml")
        office.until(lambda: len(office.transfers()) == 2 and _judged(office), "the second file", pulling=False)
        second = office.transfers()[-1]
        if second.state is not State.DUPLICATE:
            raise Unmet(f"The same file dropped again is {second.state}, not DUPLICATE.")
        return f"The same file dropped again is a DUPLICATE of {first.id}; nothing was sent twice."


def _judged(office: Office) -> bool:
    return all(one.state is not State.RECEIVED for one in office.transfers())


def _cut_off(trial: Trial) -> str:
    bench = trial.bench
    folder = bench.bank.outbound[0]
    closed = _closed(bench, folder)
    message_id, data = bench.order(folder, now=closed)
    trial.note(Sort.FACT, f"the clock of this case is set to {closed:%Y-%m-%d %H:%M:%S} UTC, right after a cut-off")
    with trial.office(clock=Clock(closed), by_its_times=True) as office:
        office.drop(data, f"{message_id}.xml")
        wanted = {"hold": State.HELD, "next-window": State.READY, "send": State.SENT}[folder.after_cut_off]
        office.until(lambda: _ended(office, wanted), f"the state {wanted} of a late file", pulling=False)
        late = office.transfers()[-1]
        if late.attempts and wanted is not State.SENT:
            raise Unmet(f"The late file is {late.state}, but an upload was begun.")
        return f"A file after the cut-off is {late.state}, as after_cut_off says: {late.reason or 'it was sent'}."


def _closed(bench: Bench, folder: Outbound) -> datetime:
    """Right after the next cut-off."""
    now = bench.clock.now()
    _, end = closings(bench.bank.window(folder), now, now + AHEAD)[0]
    return end + timedelta(seconds=1)


def _volume(trial: Trial) -> str:
    bench = trial.bench
    folder, creditor = bench.bank.outbound[0], bench.inputs.paid(bench.bank)
    assert creditor
    count = min(bench.volume, folder.max_payments or bench.volume)
    many = [creditor] * count
    message_id, data = bench.order(folder, now=bench.clock.now(), creditors=many)
    with trial.office() as office:
        sent = office.sent(data, f"{message_id}.xml")
        word = accepted(office, sent.id, sent.name)
        return f"{count} payments, {len(data):,} bytes, as {sent.remote}: {word}."


def _interrupted(trial: Trial) -> str:
    bench = trial.bench
    folder, creditor = bench.bank.outbound[0], bench.inputs.paid(bench.bank)
    assert creditor
    many = [creditor] * min(INTERRUPTED_PAYMENTS, folder.max_payments or INTERRUPTED_PAYMENTS)
    message_id, data = bench.order(folder, now=bench.clock.now(), creditors=many)
    kinds = itertools.chain([Cut], itertools.repeat(Blinkers))

    def wrap(channel: Channel, hidden: set[RemoteFile], fetched: set[RemoteFile]) -> Channel:
        return next(kinds)(channel, hidden, fetched)

    with trial.office(wrap=wrap) as office:
        sent = office.sent(data, f"{message_id}.xml")
        attempts = office.gateway.ledger.views.history(sent.id).attempts
    if len(attempts) < 2:
        raise Unmet("The line was not cut: the file was too small for this server.")
    with bench.connect() as session:
        seen = [(path, session.look(path).presence) for path in (each["temporary"] for each in attempts)]
    for path, presence in seen:
        trial.note(Sort.SERVER, f"{path}: {presence}")
    if left := [path for path, presence in seen if presence is Presence.THERE]:
        raise Unmet(f"Parts of the interrupted upload are left at the bank: {', '.join(left)}.")
    return f"The line was cut in the upload; attempt {sent.attempts} delivered the file, and no part of it is left."


def _for_a_person(bench: Bench) -> str | None:
    if bench.bank.channel.way is Way.DIRECT:
        return 'with publish = "direct" an interrupted upload always waits for a person'
    return bench.why_no_payments()


def _no_cut_off(bench: Bench) -> str | None:
    if why := bench.why_no_payments():
        return why
    return None if bench.bank.outbound[0].cut_off else "the profile names no cut-off"


FILES = (
    Case(
        id="bad-file",
        title="Bad file",
        proves="A file that breaks its schema is refused with its place and reason, and never reaches the bank.",
        play=_bad,
        lacks=Bench.why_no_payments,
    ),
    Case(
        id="duplicate",
        title="The same file twice",
        proves="The same file dropped a second time is not sent.",
        play=_duplicate,
        lacks=Bench.why_no_payments,
    ),
    Case(
        id="cut-off",
        title="Missed cut-off",
        proves="A file that comes after the cut-off is treated as the profile says.",
        play=_cut_off,
        lacks=_no_cut_off,
    ),
    Case(
        id="volume",
        title="Large file",
        proves="A file of many payments is taken and acknowledged.",
        play=_volume,
        lacks=Bench.why_no_payments,
        by_hand="Ask the bank whether it has the file and can read it.",
    ),
    Case(
        id="interrupted",
        title="Interrupted upload",
        proves="A line that breaks in an upload leaves no part of a file at the bank, and the file is delivered once.",
        play=_interrupted,
        lacks=_for_a_person,
    ),
)
