"""Words in everything that was read: one index over all kinds that hold text."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from amparo.model import Id
from amparo.store.backend import Backend
from amparo.store.rows import shape_of
from amparo.store.schema import SEARCHED
from amparo.store.text import query_words, snippet


@dataclass(frozen=True, slots=True)
class Hit:
    """A record that holds the words; ``text`` is a line around the first of them.

    ``place`` is where to go on: hand it to the next search as ``after``.
    """

    kind: str
    id: Id
    text: str
    place: int


def search(backend: Backend, text: str, limit: int, after: int) -> list[Hit]:
    """Records that hold every word of ``text``, the last one as a beginning.

    Case, accents and punctuation do not count. Ordered by kind (exhibits, accounts, names, groups,
    leads, messages, attachments, files), then as they were stored.
    """
    wanted = query_words(text)
    if not wanted:
        return []
    places = list(backend.find_words(wanted, after, limit))
    kinds = list(SEARCHED)
    hits: list[Hit] = []
    for number in sorted({place >> 40 for place in places}):
        form = shape_of(kinds[number])
        docs = [place & (1 << 40) - 1 for place in places if place >> 40 == number]
        columns = [*(form.table.c[n] for n in form.names), form.table.c.doc]
        statement = select(*columns).where(backend.among(form.table.c.doc, docs))
        with backend.reading() as connection:
            rows = connection.execute(statement.order_by(form.table.c.doc)).all()
        for row in rows:
            line = snippet(form.text(row), wanted)
            hits.append(Hit(form.kind, row[0], line, form.doc(row[-1])))
    return hits
