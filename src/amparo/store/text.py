"""Text on its way into the store: what a database refuses is made storable, words are folded for search.

Folding is done here, once, for both databases: they index the very same words, so a search finds the
same records wherever the case lies.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

WORD_LENGTH = 60
"""Characters of a word that count; the rest of a longer one is not indexed."""
DOCUMENT_BYTES = 900_000
"""Distinct words indexed of one record, in bytes (PostgreSQL holds less than 1 MiB)."""

# Scripts written without spaces between words: kana, Han, Thai, Lao, Myanmar, Khmer.
_DENSE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
)
_WORD = re.compile(f"[{_DENSE}]+|[^\\W_{_DENSE}]+")
_PLAIN = re.compile("[a-z0-9]+")
_IS_DENSE = re.compile(f"[{_DENSE}]")
_LETTERS = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "ı": "i", "þ": "th", "ħ": "h"}
)


def clean(text: str) -> str:
    """Text as both databases can hold it.

    NUL becomes U+2400 (PostgreSQL refuses NUL); a lone surrogate becomes its backslash escape.
    """
    if "\0" in text:
        text = text.replace("\0", "\u2400")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def fold(text: str) -> str:
    """Text without case, accents and look-alike letters, so that *Jose* finds *José*."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(c for c in apart if c.isascii() or unicodedata.category(c)[0] != "M")
    return plain.casefold().translate(_LETTERS)


def words(text: str) -> list[str]:
    """The distinct words to index. Runs of scripts without spaces give each pair of neighbours."""
    folded = fold(text)
    if folded.isascii() and len(folded) < 10_000:
        return list({word[:WORD_LENGTH]: None for word in _PLAIN.findall(folded)})
    found: dict[str, None] = {}
    for word in _WORD.findall(folded):
        if _IS_DENSE.match(word):
            found.update(dict.fromkeys(map("".join, pairwise(word))))
            word = word[-1]
        found[word[:WORD_LENGTH]] = None
    room, kept = DOCUMENT_BYTES, []
    for word in found:
        room -= len(word) if word.isascii() else len(word.encode())
        if room < 0:
            break
        kept.append(word)
    return kept


def query_words(text: str) -> list[str]:
    """The words a record must all hold; the last one is looked for as a beginning."""
    found: dict[str, None] = {}
    for word in _WORD.findall(fold(clean(text))):
        if _IS_DENSE.match(word) and len(word) > 1:
            found.update(dict.fromkeys(map("".join, pairwise(word))))
        else:
            found.pop(word[:WORD_LENGTH], None)
            found[word[:WORD_LENGTH]] = None
    return list(found)[:32]


def snippet(text: str, wanted: list[str], around: int = 80) -> str:
    """A line of the text around the first wanted word."""
    start, end = 0, 0
    for match in re.finditer(r"\w+", text[:200_000]):
        folded = fold(match[0])
        if any(word in folded for word in wanted):
            start, end = match.span()
            break
    left, right = max(0, start - around), min(len(text), end + around)
    line = " ".join(text[left:right].split())
    return ("… " if left else "") + line + (" …" if right < len(text) else "")
