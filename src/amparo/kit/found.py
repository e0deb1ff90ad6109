"""Where the bytes a plugin is given were found; builds the ``at`` of what it reads there."""

from __future__ import annotations

from dataclasses import dataclass

from amparo.model import Account, At, Id


@dataclass(frozen=True, slots=True)
class Found:
    """The exhibit, file and content under the plugin's eyes.

    ``exhibit`` and ``file`` are "" for a fingerprint, which speaks of content wherever it occurs.
    """

    exhibit: Id
    file: Id
    path: str
    content: Id
    sha256: str = ""
    form: str = ""
    """For openers: the exhibit's form."""

    def row(self, table: str, rowid: int | None) -> At:
        """The place of one live row."""
        return At(self.exhibit, self.file, table, rowid)

    def bytes(self, offset: int, length: int) -> At:
        """The place of a range of bytes."""
        return At(self.exhibit, self.file, "", None, offset, length)

    def owner(self, service: str) -> Account:
        """The account this device was registered with, before anything names it."""
        return Account(service=service, handle=f"owner@{self.exhibit}", form="owner")
