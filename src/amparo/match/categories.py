"""What an entry's own category makes of the use its set was added for.

Project VIC sets carry entries that nobody has graded and entries graded as not pertinent; the codes 0
and 5 mean one or the other, depending on the scheme's age and region (Project VIC 2.0 US: 0 not
pertinent, 5 not graded; the older DHS scheme the other way round). Either way such an entry raises no
alert, and an entry graded as abuse or exploitation is never set aside unseen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

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


def disagreement(said: Iterable[tuple[str, str, str, str]]) -> tuple[str, ...]:
    """In what lists contradict each other, or one itself, about one content; a line each.

    ``said`` has set name, use of the match, scheme and code. Codes are compared under one scheme only,
    and not where they say that nobody graded: different schemes draw their lines elsewhere.
    """
    uses: dict[str, set[str]] = defaultdict(set)
    codes: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for name, use, scheme, code in said:
        uses[use].add(name)
        for one in code.split("|"):
            if not (scheme.startswith("VICS") and one in _NOT_GRADED_OR_NOT_PERTINENT) and one:
                codes[scheme][one].add(name)
    reasons = []
    if uses["alert"] and uses["ignore"]:
        reasons.append(f"alert by {_listed(uses['alert'])}, ignored by {_listed(uses['ignore'])}")
    for scheme, by_code in sorted(codes.items()):
        if len(by_code) > 1:
            each = (f"{code} by {_listed(names)}" for code, names in sorted(by_code.items()))
            reasons.append(f"{scheme or 'category'}: {'; '.join(each)}")
    return tuple(reasons)


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))
