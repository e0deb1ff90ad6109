"""Rows that were erased from SQLite databases, brought back with how and how sure; any application's."""

from amparo.recover.row import METHODS, Row, Where
from amparo.recover.rows import Recovery, recovered, slack

__all__ = ["METHODS", "Recovery", "Row", "Where", "recovered", "slack"]
