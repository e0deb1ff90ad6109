"""The case's records on disk: SQLite or PostgreSQL, one implementation."""

from amparo.store.backend import NoRoom, StoreRefused
from amparo.store.case import Case, CaseBusy, CaseConfig, read_config, write_config
from amparo.store.equal import dump
from amparo.store.ledger import Entry, Head
from amparo.store.search import Hit
from amparo.store.store import WHOLE, Store
from amparo.store.thumbs import Blobs
from amparo.store.where import Where

__all__ = [
    "WHOLE",
    "Blobs",
    "Case",
    "CaseBusy",
    "CaseConfig",
    "Entry",
    "Head",
    "Hit",
    "NoRoom",
    "Store",
    "StoreRefused",
    "Where",
    "dump",
    "read_config",
    "write_config",
]
