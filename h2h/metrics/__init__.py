"""Metrics for Prometheus, off unless the settings name an address. Imported only then.

families.py  what is measured, and how it is asked of the ledger when somebody scrapes
server.py    the HTTP server that answers
"""
