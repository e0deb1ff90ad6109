"""How exhibits are called in the reasons people read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from amparo.kit.view import View
from amparo.model import Exhibit, Id


def exhibit_names(view: View) -> dict[Id, str]:
    """Every exhibit's label for people: its number, and the country that seized it if not in it."""
    return {
        id: number if number.startswith(country) else f"{number} ({country})"
        for id, number, country in view.columns(Exhibit, "id", "number", "country")
    }


def listed(exhibits: Iterable[Id], names: Mapping[Id, str], most: int = 5) -> str:
    """``A, B and 3 more``: the labels in order, at most ``most`` of them written out."""
    labels = sorted(names.get(id, id) for id in set(exhibits))
    rest = len(labels) - most
    return ", ".join(labels[:most]) + (f" and {rest} more" if rest > 0 else "")
