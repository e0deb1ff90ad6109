"""The case's records on disk: SQLite or PostgreSQL, one implementation."""
