"""Which account or thread a handle stands for, as resolved before the network is read."""

from __future__ import annotations

from amparo.kit.view import View
from amparo.model import Account, Id, Resolution

STANDING = {"phone": 0, "other": 0, "lid": 1, "owner": 2}
"""How well a form of handle says who it is; higher gives way to lower. Unknown accounts stand last."""
UNKNOWN = 3


def canonical(view: View, form: str) -> dict[Id, Id]:
    """``source -> canonical`` of the ``account`` or ``thread`` handles that stand for another one.

    What stands for itself is left out: use ``found.get(id, id)``.
    """
    rows = view.columns(Resolution, "source", "canonical", form=form)
    return {source: target for source, target in rows if source != target}


def standing(view: View, accounts: dict[Id, int]) -> list[int]:
    """For numbered accounts, by number: how well each handle says who it is (0 best)."""
    found = [UNKNOWN] * len(accounts)
    for id, form in view.columns(Account, "id", "form"):
        if id in accounts:
            found[accounts[id]] = STANDING.get(form, 0)
    return found
