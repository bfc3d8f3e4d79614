"""A bank in a box that plays an onboarding test: it books and states what it takes, and refuses by the creditor's
account, as banks do on their test side. `inputs` is what such a bank hands over: which account brings which reason.
"""

from __future__ import annotations

from dataclasses import replace

from h2h.sandbox.scenario import Rule, Scenario, Then, When

DEBTOR = "DE89370400440532013000"
CREDITOR = "DE02120300000000202051"
REASONS = {  # ISO external status reason: the test account that brings it, and the bank's words
    "AC01": ("DE75512108001245126199", "The account number is wrong."),
    "AC04": ("DE02100100100006820101", "The creditor's account is closed."),
    "AC06": ("DE02300209000106531065", "The creditor's account is blocked."),
    "AM05": ("DE02200505501015871393", "The payment was received before."),
    "MS03": ("DE02100500000054540402", "The bank does not say why."),
    "RC01": ("DE02700100800030876808", "The creditor's bank is not known."),
}
STATEMENT_SECONDS = 1.0


def onboarding(scenario: Scenario | None = None) -> Scenario:
    """The scenario, with refusals by the creditor's account before its own rules, and a day that ends by itself."""
    rules = tuple(
        Rule(then=Then.REJECT, when=When(creditor_iban=account), reason=reason, text=text)
        for reason, (account, text) in REASONS.items()
    )
    base = scenario or Scenario()
    return replace(base, statement_seconds=STATEMENT_SECONDS, rule=(*rules, *base.rule))


def inputs() -> str:
    """The file for `h2h certify BANK --inputs`."""
    rejects = "".join(
        f'\n[[rejects]]\nreason = "{reason}"\naccount = "{account}"\n' for reason, (account, _) in REASONS.items()
    )
    return (
        "# What this bank tells of its test side, for `h2h certify BANK --inputs FILE`.\n\n"
        'currency = "EUR"\nbad_files = true\nduplicates = true\n\n'
        f'[debtor]\naccount = "{DEBTOR}"\n\n[creditor]\naccount = "{CREDITOR}"\n{rejects}'
    )
