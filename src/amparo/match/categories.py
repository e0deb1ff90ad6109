"""What an entry's own category makes of the use its set was added for.

Project VIC sets carry entries that nobody has graded and entries graded as not pertinent; the codes 0
and 5 mean one or the other, depending on the scheme's age and region (Project VIC 2.0 US: 0 not
pertinent, 5 not graded; the older DHS scheme the other way round). Either way such an entry raises no
alert, and an entry graded as abuse or exploitation is never set aside unseen.
"""

from __future__ import annotations

_NOT_GRADED_OR_NOT_PERTINENT = frozenset({"", "0", "5"})
_GRADED_AS_ABUSE = frozenset({"1", "2"})


def use_of(use: str, scheme: str, code: str) -> str:
    """``alert``, ``ignore`` or ``listed`` (it stands in the list, which by itself says nothing).

    ``code`` may be several, ``0|1``, where a list contradicts itself: the graver one counts.
    """
    codes = set(code.split("|"))
    if scheme.startswith("VICS"):
        if use == "alert" and codes <= _NOT_GRADED_OR_NOT_PERTINENT:
            return "listed"
        if use == "ignore" and codes & _GRADED_AS_ABUSE:
            return "listed"
    return use
