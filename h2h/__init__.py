"""h2h: a host-to-host gateway between a company's ERP and its banks."""

__version__ = "0.1.0"
