"""The way out: from the watched folder to the bank, so that a file is handed over at most once and never lost.

intake.py     claim -> keep -> judge -> file away
judge.py      what is wrong with a payment file, as findings
handover.py   lease -> stage -> publish -> reconcile
decisions.py  what people decide: resend, release, hold, cancel, resolve, sent by hand, confirm
advice.py     what they should know before: all that speaks against it, and the safe next steps
"""
