"""Cases on what the bank says: refusals with their reasons, a refused file sent again, reports and statements."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from h2h.certify.bench import Bench
from h2h.certify.blinkers import Spoiling
from h2h.certify.files import FINAL, accepted
from h2h.certify.office import Office, Unmet
from h2h.certify.results import Outcome, Sort
from h2h.certify.trial import Case, Trial
from h2h.config import OurKeyRow
from h2h.config.pgp import signs
from h2h.ledger.rows import Transfer
from h2h.life import Stage
from h2h.model import TransferId
from h2h.verdicts import Verdict

ENDED = {"from_": None, "until": datetime(2000, 1, 1)}  # noqa: DTZ001 (a time of the bank's zone)
ON_ACCOUNT = (Stage.BOOKED, Stage.RETURNED)


def _rejects(trial: Trial) -> str:
    bench, rejects = trial.bench, trial.bench.inputs.rejects
    creditor = bench.inputs.paid(bench.bank)
    assert creditor
    message_id, data = bench.order(bench.bank.outbound[0], now=bench.clock.now(), creditors=[*rejects, creditor])
    with trial.office() as office:
        sent = office.sent(data, f"{message_id}.xml")
        office.until(lambda: office.verdict(sent.id) in FINAL, f"the bank's final word on {sent.name}")
        *refused, last = office.gateway.ledger.views.payments_of(sent.id)
        wrong = [
            f"{one.creditor_account} should bring {wanted.reason} and brought {_codes(one.reasons) or one.stage}"
            for wanted, one in zip(rejects, refused, strict=True)
            if one.stage is not Stage.REJECTED or wanted.reason not in _codes(one.reasons)
        ]
        if last.stage is Stage.REJECTED:
            wrong.append(f"the good payment to {last.creditor_account} was refused, too: {_codes(last.reasons)}")
        if wrong:
            raise Unmet("; ".join(wrong) + ".")
        told = ", ".join(dict.fromkeys(one.reason for one in rejects))
        return f"Each payment was refused for its own reason ({told}), and the one beside them was not."


def _codes(reasons: list[dict[str, str]]) -> str:
    return " ".join(reason.get("code") or reason.get("proprietary") or "" for reason in reasons)


def _resend(trial: Trial) -> str:
    bench = trial.bench
    message_id, data = bench.order(bench.bank.outbound[0], now=bench.clock.now(), creditors=bench.inputs.rejects[:1])
    with trial.office() as office:
        sent = office.sent(data, f"{message_id}.xml")
        office.until(lambda: office.verdict(sent.id) is Verdict.REJECTED, f"the bank's refusal of {sent.name}")
        answered = len(office.answers(sent.id))
        office.gateway.decisions.resend(sent.id, who=bench.by, reason="onboarding test: a refused file, sent again")
        office.until(lambda: _gone_again(office, sent.id, sent.attempts), "the second hand-over", pulling=False)
        office.until(lambda: len(office.answers(sent.id)) > answered, "the bank's answer to the file sent again")
        again = office.gateway.ledger.transfers.get(sent.id)
        said = f"the bank says {again.verdict}: {office.said(sent.id)}"
        return f"The refused file went again as {again.remote}; {said}."


def _bad_at_bank(trial: Trial) -> str:
    bench = trial.bench
    message_id, data = bench.order(bench.bank.outbound[0], now=bench.clock.now())
    trial.note(Sort.FACT, "the file is spoilt on its way: a comma in its first amount; hashes are of what was judged")
    with trial.office(wrap=Spoiling) as office:
        return _refused_by_bank(office, office.sent(data, f"{message_id}.xml"))


def _duplicate_at_bank(trial: Trial) -> str:
    bench = trial.bench
    message_id, data = bench.order(bench.bank.outbound[0], now=bench.clock.now())
    with trial.office() as office:
        first = office.sent(data, f"{message_id}.xml")
        accepted(office, first.id, first.name)
    trial.note(Sort.FACT, "a second gateway, which knows nothing of the first one, sends the same file")
    with trial.office() as office:
        return _refused_by_bank(office, office.sent(data, f"{message_id}.xml"))


def _refused_by_bank(office: Office, sent: Transfer) -> str:
    office.until(lambda: office.verdict(sent.id) is Verdict.REJECTED, f"the bank's refusal of {sent.remote}")
    return f"{sent.remote} was refused by the bank: {office.said(sent.id)}."


def _gone_again(office: Office, transfer_id: TransferId, attempts: int) -> bool:
    found = office.gateway.ledger.transfers.get(transfer_id)
    return found.attempts > attempts and found.state.value == "SENT"


def _statement(trial: Trial) -> str:
    bench = trial.bench
    message_id, data = bench.order(bench.bank.outbound[0], now=bench.clock.now())
    with trial.office() as office:
        sent = office.sent(data, f"{message_id}.xml")
        if bench.takes("pain.002"):
            accepted(office, sent.id, sent.name)
        if not office.within(lambda: _all_on(office, sent.id, ON_ACCOUNT)):
            raise Unmet(_BY_HAND.format(what="statement (camt.053)", id=message_id), Outcome.NEEDS_PERSON)
        statements = office.gateway.ledger.views.statements()
        if wrong := [row for row in statements if row.reconciles is False]:
            raise Unmet(f"Statement {wrong[0].statement_id} of {wrong[0].account} does not add up.")
        matched = next(row for row in statements if row.matched)
        return f"Statement {matched.statement_id} of {matched.account} adds up and shows the debit of {message_id}."


def _intraday(trial: Trial) -> str:
    bench = trial.bench
    message_id, data = bench.order(bench.bank.outbound[0], now=bench.clock.now())
    with trial.office() as office:
        sent = office.sent(data, f"{message_id}.xml")
        if not office.within(lambda: _announced(office)):
            raise Unmet(_BY_HAND.format(what="report (camt.052 or camt.054)", id=message_id), Outcome.NEEDS_PERSON)
        said = ", ".join(f"{row.account} by {row.message}" for row in office.gateway.ledger.views.statements())
        return f"The debit of {message_id} is announced within the day: {said}. ({sent.remote})"


_BY_HAND = (
    "No {what} came in time that shows the debit of message id {id}. Ask the bank for one of today, or run this case "
    "again with a longer --wait."
)


def _announced(office: Office) -> bool:
    return any(row.kind != "053" and row.matched for row in office.gateway.ledger.views.statements())


def _all_on(office: Office, transfer_id: TransferId, stages: tuple[Stage, ...]) -> bool:
    return all(one.stage in stages for one in office.gateway.ledger.views.payments_of(transfer_id))


def _no_rejects(bench: Bench) -> str | None:
    if why := bench.why_no_payments():
        return why
    if not bench.takes("pain.002"):
        return "the profile takes no pain.002"
    if not bench.inputs.rejects:
        return "it is not known which accounts bring a refusal: state rejects in --inputs FILE"
    return None


def _not_asked(key: str) -> Callable[[Bench], str | None]:
    def lacks(bench: Bench) -> str | None:
        if why := bench.why_no_payments() or (None if bench.takes("pain.002") else "the profile takes no pain.002"):
            return why
        asked = getattr(bench.inputs, key)
        return None if asked else f"the bank was not said to want one: state {key} = true in --inputs FILE"

    return lacks


def _sealed(bench: Bench) -> str | None:
    return "what goes to the bank is sealed, and cannot be spoilt" if bench.bank.outbound[0].seals else None


def _no_statement(bench: Bench) -> str | None:
    return bench.why_no_payments() or (None if bench.takes("camt.053") else "the profile takes no camt.053")


def _no_intraday(bench: Bench) -> str | None:
    why = "the profile takes neither camt.052 nor camt.054"
    return bench.why_no_payments() or (None if bench.takes("camt.052", "camt.054") else why)


def _encryption(trial: Trial) -> str:
    bench = trial.bench
    number = next(n for n, folder in enumerate(bench.bank.outbound) if folder.pgp)
    message_id, data = bench.order(bench.bank.outbound[number], now=bench.clock.now())
    with trial.office() as office:
        sent = office.sent(data, f"{message_id}.xml", number)
        if sent.sealed_sha256 in (None, sent.sha256):
            raise Unmet(f"{sent.remote} went as it was, and not sealed.")
        word = accepted(office, sent.id, sent.name)
        said = [f"{one.name}, signed by {one.signed_by}" for one in office.answers(sent.id) if one.opened_sha256]
        if not said and any(folder.pgp for folder in bench.bank.inbound):
            raise Unmet(f"{sent.remote} went sealed: {word}; but the bank's answer to it came open.")
        opened_here = f"; opened here: {'; '.join(said)}" if said else ""
        return f"{sent.remote} went sealed ({sent.sealed_by}): {word}{opened_here}."


def _next_pgp_key(trial: Trial) -> str:
    bench = trial.bench
    bank, row = bench.bank, _coming(bench)
    assert row
    at_once = [each.model_copy(update=ENDED) for each in bank.pgp.our_keys if each is not row]
    at_once.append(row.model_copy(update={"from_": None}))
    number = next(n for n, folder in enumerate(bank.outbound) if signs(folder.pgp))
    message_id, data = bench.order(bank.outbound[number], now=bench.clock.now())
    with trial.office(
        bank=bank.model_copy(update={"pgp": bank.pgp.model_copy(update={"our_keys": at_once})})
    ) as office:
        sent = office.sent(data, f"{message_id}.xml", number)
        return f"{sent.remote}, {sent.sealed_by}: {accepted(office, sent.id, sent.name)}."


def _coming(bench: Bench) -> OurKeyRow | None:
    """The next key of ours that is to sign; None where none is stated."""
    now, zone = bench.clock.now(), bench.bank.timezone
    return next((row for row in bench.bank.pgp.our_keys if row.begins(zone) > now), None)


def _no_next_pgp_key(bench: Bench) -> str | None:
    signed = any(signs(folder.pgp) for folder in bench.bank.outbound)
    why = None if signed and _coming(bench) else "the profile names no key of ours that is to sign later"
    return bench.why_no_payments() or why


def _no_pgp(bench: Bench) -> str | None:
    pgp = any(folder.pgp for folder in bench.bank.outbound)
    return bench.why_no_payments() or (None if pgp else "the profile names no pgp for payment files")


ANSWERS = (
    Case(
        id="encryption",
        title="Encryption, there and back",
        proves="The bank opens what is sealed for it, and what it seals for us is opened here, by the keys pinned.",
        play=_encryption,
        lacks=_no_pgp,
        by_hand="Ask the bank whether it has our public key.",
    ),
    Case(
        id="next-pgp-key",
        title="Next PGP key",
        proves="What the next of our keys signs is taken by the bank before the hour of the change.",
        play=_next_pgp_key,
        lacks=_no_next_pgp_key,
        by_hand="Ask the bank whether it has the public part of the next key.",
    ),
    Case(
        id="bad-file-at-bank",
        title="Bad file at the bank",
        proves="The bank refuses a file that breaks its schema, and its refusal is understood.",
        play=_bad_at_bank,
        lacks=lambda bench: _not_asked("bad_files")(bench) or _sealed(bench),
    ),
    Case(
        id="duplicate-at-bank",
        title="The same file twice at the bank",
        proves="The bank refuses a file that it had before, and its refusal is understood.",
        play=_duplicate_at_bank,
        lacks=_not_asked("duplicates"),
    ),
    Case(
        id="rejects",
        title="Refusals and their reasons",
        proves="Each refusal of the bank is understood, on its own payment, with its reason.",
        play=_rejects,
        lacks=_no_rejects,
        by_hand="Ask the bank which accounts of its test side bring which reason.",
    ),
    Case(
        id="resend",
        title="A refused file sent again",
        proves="A file that the bank refused as a whole can be sent again, and the answer to it is understood.",
        play=_resend,
        lacks=_no_rejects,
    ),
    Case(
        id="intraday",
        title="Intraday report",
        proves="What is booked within the day is announced, and found to be our payment.",
        play=_intraday,
        lacks=_no_intraday,
        by_hand="Ask the bank for an intraday report.",
    ),
    Case(
        id="statement",
        title="Statement",
        proves="A statement comes, adds up, and shows the debit of a payment that was sent.",
        play=_statement,
        lacks=_no_statement,
        by_hand="Ask the bank for a statement of today.",
    ),
)
