"""Tells programs of events over HTTP: signed, at least once, in order for each file.

body       an event as it is told, and its signature (pure)
addresses  which addresses of a name may be connected to (pure)
post       one request: to a checked address, within a time as a whole, no redirect followed
deliverer  what one program is told next, and when again
"""
