"""VICS (Project VIC Video Image Classification Standard) hash sets and case files, 1.2 to 2.0.

There is no open specification; this reads what public implementers write::

    {"@odata.context": "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/US/$metadata#Media",
     "value": [{"MediaID": 1, "Category": 1, "MD5": "<32 hex>", "SHA1": "<40 hex>",
                "PhotoDNA": "<192 base64 | 288 hex>", "VictimIdentified": true,
                "AlternativeHashes": [{"HashName": "SHA256", "HashValue": "<64 hex>"}]}]}

1.x names the key ``odata.metadata`` and has no region. ``#Cases`` files hold the same objects one level
deeper, in ``value[].Media``; told by the key ``Media``, not by the context line. A category is the code
as written under the scheme of the context line and is never translated: 0 and 5 change places between
the old DHS scheme and VICS 2.0 US. ``IsPrecategorized`` and ``TotalMediaFiles`` are not believed.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from amparo.match.entries import Entry, Reading, Stated, algorithm_of, truth, value_of

_CONTEXT = re.compile(
    r"ProjectVic/DataModels/(\d+(?:\.\d+)*)\.xml(?:/([A-Za-z][\w-]{0,30}))?", re.IGNORECASE
)
_DEEPEST = 40
_LARGEST = 200_000
"""Values in one object; an object beyond is told and left out, so memory stays flat."""
_KEYS = (("MD5", "md5"), ("SHA1", "sha1"), ("SHA256", "sha256"), ("PhotoDNA", "photodna"))


def scheme_of(context: str) -> str:
    """``VICS 2.0/US`` or ``VICS 1.3`` from a context line; "" when it names no VICS data model."""
    found = _CONTEXT.search(context)
    if not found:
        return ""
    return f"VICS {found[1]}/{found[2]}" if found[2] else f"VICS {found[1]}"


def read_vics(stream: io.BufferedReader, reading: Reading) -> Iterator[Entry]:
    """Every Media object of a hash set or case file; memory stays flat.

    Raises ValueError where the JSON has no ``value`` array of objects. Damage after the first object ends
    the reading with a problem that says where.
    """
    number = 0
    for number, media in enumerate(_objects(stream, reading), 1):
        where = f"entry {number}"
        if not isinstance(media, dict):
            reading.useless(where, media if isinstance(media, str) else "not an object")
            continue
        entry = _entry(media, where, reading)
        if entry.digests:
            yield entry
        else:
            reading.useless(where, "no MD5, SHA-1, SHA-256 or PhotoDNA")
    if not reading.scheme:
        reading.scheme = "VICS (version not stated)"
        reading.problem("", "no VICS context line: the category scheme is not stated")
    if not number:
        reading.problem("", "the list is empty")


def _entry(media: dict[str, Any], where: str, reading: Reading) -> Entry:
    found: list[tuple[str, bytes]] = []

    def take(algorithm: str, value: object) -> None:
        if value is None:
            return
        try:
            digest = value_of(algorithm, value if isinstance(value, str) else f"<{value!r:.20}>")
        except ValueError as error:
            reading.problem(where, str(error))
            return
        if digest and digest not in found:
            found.append(digest)

    for key, algorithm in _KEYS:
        take(algorithm, media.get(key))
    others = media.get("AlternativeHashes")
    for other in others if isinstance(others, list) else ():
        name = str(other.get("HashName")) if isinstance(other, dict) else ""
        algorithm = algorithm_of(name)
        if algorithm and algorithm != "hash":
            take(algorithm, other.get("HashValue"))
        else:
            reading.problem(where, f"an alternative hash Amparo does not know: {name[:20]!r}")
    when = moment(media.get("DateUpdated"))
    if when is not None and when > (reading.updated or 0):
        reading.updated = when
    stated = Stated(
        _code(media.get("Category"), where, reading),
        truth(media.get("VictimIdentified")),
        truth(media.get("OffenderIdentified")),
        truth(media.get("IsDistributed")),
    )
    return Entry(tuple(found), stated)


def _code(value: object, where: str, reading: Reading) -> str:
    """The category as written; null and absent are "", which is not the code 0."""
    if value is None:
        return ""
    if isinstance(value, Decimal) and abs(value) < 1_000_000:
        return str(int(value)) if value == int(value) else str(value)[:40]
    if type(value) is int and -1_000_000 < value < 1_000_000:
        return str(value)
    if isinstance(value, str) and len(value) <= 40:
        return value.strip()
    reading.problem(where, "a category that is neither a number nor a short word; left out")
    return ""


def moment(value: object) -> int | None:
    """A VICS date as UTC milliseconds: ISO 8601 or ``/Date(ms)/``; None where it cannot be known.

    A zone as some exporters write it (``+1:00Z``) contradicts itself and gives None.
    """
    text = value.strip() if isinstance(value, str) else ""
    if found := re.fullmatch(r"/Date\((-?\d{1,15})(?:[+-]\d{4})?\)/", text):
        return int(found[1])
    text = re.sub(r"\.(\d+)", lambda m: "." + m[1][:6].ljust(6, "0"), text)
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if when.tzinfo is None else int(when.timestamp() * 1000)


def _objects(stream: io.BufferedReader, reading: Reading) -> Iterator[Any]:
    """The Media objects; a str in place of one says why it was left out."""
    import ijson

    started = False
    try:
        for thing in _walk(ijson.basic_parse(stream), reading):
            started = True
            if thing is not _VALUE:
                yield thing
    except ijson.JSONError as error:
        reason = " ".join(str(error).split("\\n")[0].split("\n")[0].split())[:80]
        if not started:
            raise ValueError(f"not a VICS list: damaged JSON ({reason})") from error
        reading.problem("", f"the JSON is damaged after the last entry read ({reason})")
    if not started:
        raise ValueError('not a VICS list: JSON without a "value" array')


_VALUE = object()
"""Says that the ``value`` array has begun."""


def _walk(events: Iterator[tuple[str, Any]], reading: Reading) -> Iterator[Any]:
    """Builds the objects of ``value`` (or of ``Media`` inside it) one at a time from parse events.

    Depths: 1 the outer object, 2 ``value``, 3 its objects, 4 ``Media``, 5 its objects.
    """
    stack: list[Any] = []
    key = top = ""
    depth, values, base, inside = 0, 0, 3, False
    for event, value in events:
        if event == "map_key":
            key = value
            if depth == 1:
                top = key
        elif event in ("start_map", "start_array"):
            depth += 1
            if depth > _DEEPEST:
                raise ValueError(f"not a VICS list: nested deeper than {_DEEPEST} levels")
            if depth == 2 and event == "start_array" and top == "value":
                inside = True
                yield _VALUE
            elif inside and depth == 4 and event == "start_array" and key == "Media" and base == 3:
                stack.clear()
                base, values = 5, 0
            elif inside and depth >= base:
                values += 1
                new: Any = {} if event == "start_map" else []
                if stack:
                    _put(stack[-1], key, new, values)
                stack.append(new)
        elif event in ("end_map", "end_array"):
            depth -= 1
            if depth == 1:
                inside = False
            elif depth == 2 and base != 3:
                base = 3
            elif depth == 3 and base == 5:
                base = _DEEPEST  # what follows Media in a case is not read
            elif stack:
                done = stack.pop()
                if not stack:
                    yield done if values <= _LARGEST else "an object too large to be one picture"
                    values = 0
        elif stack:
            values += 1
            _put(stack[-1], key, value, values)
        elif inside and depth == base - 1:
            yield value if isinstance(value, int) else None
        elif depth == 1 and top in ("odata.metadata", "@odata.context"):
            reading.scheme = reading.scheme or scheme_of(str(value))


def _put(into: Any, key: str, value: Any, values: int) -> None:
    if values > _LARGEST:
        return
    if type(into) is dict:
        into[key] = value
    else:
        into.append(value)
