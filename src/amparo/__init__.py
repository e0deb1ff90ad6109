"""Amparo: from lawfully seized evidence to found children, named networks and proof that holds."""

__version__ = "0.1.0"
