"""Rows that were erased from SQLite databases, brought back with how and how sure; any application's."""

from amparo.recover.engine import everything, recovered
from amparo.recover.row import METHODS, Row, Where
from amparo.recover.rows import Recovery, slack

__all__ = ["METHODS", "Recovery", "Row", "Where", "everything", "recovered", "slack"]
