"""A case beside the truth of its replay: what both call the same account, conversation or exhibit.

Everything is compared under the ids that names give (:func:`amparo.model.make_id`), so nothing is told
to the case that its exhibits do not tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, lru_cache
from sqlite3 import Connection
from typing import Any

from amparo.kit.view import View
from amparo.model import Account, Exhibit, Id, Resolution, Thread, content_id, make_id
from amparo.replay.measure import Tally

SERVICE = "whatsapp"
NEAR_MS = 120_000
"""Two stamps this near agree: one phone of the operation runs 97 s fast."""

content_of = lru_cache(1 << 16)(content_id)


@lru_cache(1 << 16)
def account_id(handle: str) -> Id:
    """The id of the account with this handle."""
    return make_id("account", SERVICE, handle)


def pair(one: Id, other: Id) -> str:
    """A private conversation by its two accounts, whichever side tells of it."""
    return f"private:{min(one, other)}|{max(one, other)}"


@lru_cache(1 << 12)
def thread_of(grp: str) -> str:
    """What the truth's ``grp`` is in a comparison: a group's id, or a private :func:`pair`."""
    if not grp.startswith("private:"):
        return make_id("thread", SERVICE, grp)
    one, _, other = grp.removeprefix("private:").partition("|")
    return pair(account_id(one), account_id(other))


def near(one: int | None, other: int | None) -> bool:
    """Whether two stamps agree."""
    return one is not None and other is not None and abs(one - other) <= NEAR_MS


class Comparison:
    """A case beside its truth. ``thread`` and ``account`` say what the case resolves a handle to."""

    def __init__(self, view: View, truth: Connection) -> None:
        self.view, self.truth = view, truth
        names = ("form", "source", "canonical")
        rows = list(view.columns(Resolution, *names))
        self._to: dict[tuple[str, Id], Id] = {
            (form, source): to for form, source, to in rows if source != to
        }
        self._exhibits: dict[Id, str] = {
            id: number for id, number in view.columns(Exhibit, "id", "number")
        }

    def account(self, id: Id) -> Id:
        return self._to.get(("account", id), id)

    def thread(self, id: Id) -> str:
        """A conversation as both sides name it: a private one by its two accounts."""
        id = self._to.get(("thread", id), id)
        return self._pairs.get(id, id)

    def exhibit(self, id: Id) -> str:
        return self._exhibits.get(id, id)

    @cached_property
    def _pairs(self) -> dict[Id, str]:
        found = {}
        for id, handle in self.view.columns(Thread, "id", "handle", form="private"):
            one, _, other = handle.partition("|")
            found[id] = pair(self.account(account_id(one)), self.account(account_id(other)))
        return found

    def rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        """Rows of the truth."""
        yield from self.truth.execute(query)

    @cached_property
    def forms(self) -> dict[Id, str]:
        return dict(self.view.columns(Account, "id", "form"))

    @cached_property
    def groups(self) -> set[Id]:
        return {self.thread(id) for (id,) in self.view.columns(Thread, "id", form="group")}

    @cached_property
    def _words(self) -> dict[str, str]:
        words = {id: handle for id, handle in self.view.columns(Thread, "id", "handle")}
        words |= {id: handle for id, handle in self.view.columns(Account, "id", "handle")}
        words |= {account_id(h): h for (h,) in self.rows("SELECT handle_jid FROM account")}
        words |= {thread_of(g): g for (g,) in self.rows("SELECT grp FROM message")}
        shas = self.rows("SELECT sha256 FROM content UNION SELECT sha256 FROM file")
        return words | {content_of(s): s[:12] for (s,) in shas}

    def show(self, item: object) -> str:
        """An item in words: handles instead of ids."""
        if isinstance(item, tuple | list):
            return " ".join(self.show(part) for part in item)
        if isinstance(item, frozenset):
            return " + ".join(sorted(self.show(part) for part in item))
        return self._words.get(item, item)[:120] if isinstance(item, str) else str(item)

    def tally(self, name: str) -> Tally:
        return Tally(name, self.show)
