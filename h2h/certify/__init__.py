"""A bank's onboarding test pack: `h2h certify BANK`, against its test server or the bank in a box, with a report.

Each case runs in a gateway of its own, made from the bank's profile, in a fresh folder; nothing of the user's gateway
is touched, and a production profile is refused. The bank in a box is a server as any other here.

| module | part |
| --- | --- |
| pack | all cases in their order, and the run over them |
| lines, files, answers | the cases: on the line, on payment files, on what the bank says |
| trial, bench | one try of a case; what all cases share |
| office, blinkers | a gateway of its own for a case; a channel that leaves alone what others wait for |
| orders, inputs | test payment files; what the bank told of its test side |
| results, report, page | what it came to; as JSON, and as a page to print and sign |
| rehearsal | a bank in a box for the pack |
"""
