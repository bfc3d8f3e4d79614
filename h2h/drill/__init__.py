"""The fault drill: the gateway is killed at every effect it makes, against banks that misbehave on order, and started
again; then the files at the bank are counted. Each has to be there once, or held for a person; never lost, never twice.

effects.py  every effect of the gateway, with a place to stop before and after it; the doors themselves know nothing
banks.py    the kinds of bank: a bank in a box, its habits, its fault, and what its profile may promise
child.py    one run of a gateway in a process of its own, killed by SIGKILL at a point of choice
play.py     one play: a fresh bank, a file, the kills, the restart, the count
campaign.py many plays: which points, in which order, and what they come to
"""
