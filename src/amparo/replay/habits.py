"""How each seized phone keeps its messages and what its owner did to them: one place for all that differs.

Only the first five phones do something special, so that the small operation shows everything there is to
find and the large one stays quick to build.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Habits:
    """What one phone does."""

    log: bool = False
    """Its write-ahead log was never folded in: the last twentieth of its life lies there."""
    journal: bool = False
    """Its owner erased everything in one sitting, and the rollback journal of that was kept."""
    wipes: bool = False
    """It overwrites what it frees (secure_delete), as phones do."""
    words: bool = False
    """It keeps a full-text index of its messages."""
    hides: bool = False
    """A chat was emptied and the rows were only marked."""
    leaves: bool = False
    """Pictures erased one by one leave rows of other tables behind."""
    backups: str = ""
    """Form of its dated backups: crypt14, with the key on the phone; crypt15, with the key on paper."""


_SPECIAL = (
    Habits(log=True, wipes=True, words=True, backups="crypt14"),
    Habits(words=True),
    Habits(),
    Habits(journal=True, wipes=True, words=True),
    Habits(hides=True, leaves=True, backups="crypt15"),
)


def habits(holder: int) -> Habits:
    """Those of a holder's phone."""
    if holder < len(_SPECIAL):
        return _SPECIAL[holder]
    return Habits(wipes=holder % 2 == 1, words=holder % 4 == 0)
