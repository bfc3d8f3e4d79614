"""The pack: all cases in their order, and the run over them, which always ends with a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from h2h.certify.answers import ANSWERS
from h2h.certify.bench import Bench
from h2h.certify.files import FILES, good_cases
from h2h.certify.lines import CONNECT, LINES
from h2h.certify.office import Unmet
from h2h.certify.results import Outcome, Result
from h2h.certify.trial import Case, Trial
from h2h.errors import H2hError, UsageError

NOT_REACHED = "the bank was not reached"


def pack(bench: Bench, only: Sequence[str] = (), without: Sequence[str] = ()) -> list[Case]:
    """The cases for this bank. `only`, `without`: ids, or patterns of them; the connection is always tried."""
    every = [*LINES, *good_cases(bench), *FILES, *ANSWERS]
    for pattern in (*only, *without):
        if not any(_named(case, [pattern]) for case in (CONNECT, *every)):
            known = ", ".join(case.id for case in (CONNECT, *every))
            raise UsageError(f"There is no case {pattern!r} for {bench.bank.name}; there is {known}.")
    chosen = [case for case in every if (not only or _named(case, only)) and not _named(case, without)]
    return [CONNECT, *chosen]


def run(bench: Bench, cases: Sequence[Case], begun: Callable[[Case], None], ended: Callable[[Result], None]) -> None:
    """One after the other; each is told when it begins and when it is over."""
    for case in cases:
        begun(case)
        ended(_tried(bench, case))


def _named(case: Case, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(case.id, pattern) for pattern in patterns)


def _tried(bench: Bench, case: Case) -> Result:
    trial = Trial(bench=bench, folder=bench.folder / case.id)
    started = bench.clock.now()
    outcome, text = _outcome(bench, case, trial)
    return Result(
        case=case.id,
        title=case.title,
        proves=case.proves,
        outcome=outcome,
        text=text,
        started=started,
        ended=bench.clock.now(),
        evidence=trial.evidence,
    )


def _outcome(bench: Bench, case: Case, trial: Trial) -> tuple[Outcome, str]:
    if why := case.lacks(bench) or (None if bench.reached or case is CONNECT else NOT_REACHED):
        return Outcome.SKIPPED, f"{why[:1].upper()}{why[1:]}."
    try:
        return Outcome.PASSED, case.play(trial)
    except Unmet as unmet:
        by_hand = f" {case.by_hand}" if unmet.outcome is Outcome.FAILED and case.by_hand else ""
        return unmet.outcome, f"{unmet}{by_hand}"
    except H2hError as error:
        return Outcome.FAILED, str(error)
