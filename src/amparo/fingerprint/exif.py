"""What a camera or program wrote into a picture: device, times, place; read by hand from hostile bytes.

After CIPA DC-008 (Exif 3.0) and TIFF 6.0. Only two pointers are ever followed (Exif and GPS), each once,
and only known tags are read, so no chain of directories can go round. Nothing is guessed: without a
stated hemisphere there is no position, without a stated zone no instant.
"""

from __future__ import annotations

import math
import re
import struct
from calendar import timegm
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from amparo.model import Exif, Id, Position

LONGEST = 500
"""Characters kept of a text."""

_MAIN = {0x010F: "make", 0x0110: "model", 0x0131: "software", 0xC62F: "serial"}
_EXIF = {
    0xA431: "serial",
    0xA433: "lens_make",
    0xA434: "lens",
    0xA435: "lens_serial",
    0xA420: "unique_id",
    0x9003: "taken",
    0x9011: "zone",
    0x9291: "fraction",
}
_ORIENTATION, _EXIF_POINTER, _GPS_POINTER = 0x0112, 0x8769, 0x8825
_LATITUDE_REF, _LATITUDE, _LONGITUDE_REF, _LONGITUDE = 1, 2, 3, 4
_ALTITUDE_REF, _ALTITUDE, _STATUS, _DATUM = 5, 6, 9, 18
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 13: 4, 129: 1}
_MOST_ENTRIES = 4096

Values = list[int] | list[tuple[int, int]] | bytes
Tags = dict[int, Values]


@dataclass
class Metadata:
    """What was read: ``exif`` and ``position`` where there is any, and doubts for people."""

    orientation: int = 1
    exif: Exif | None = None
    position: Position | None = None
    doubts: list[str] = field(default_factory=list)


def read(block: bytes, content: Id) -> Metadata:
    """The metadata in one TIFF structure (``block`` starts with its byte-order mark)."""
    found = Metadata()
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 8:
        found.doubts.append("EXIF: damaged at its start, not read")
        return found
    if struct.unpack_from(order + "H", block, 2)[0] != 42:
        found.doubts.append("EXIF: not the usual form of TIFF, not read")
        return found
    main = directory(block, order, struct.unpack_from(order + "L", block, 4)[0])
    if main is None:
        found.doubts.append("EXIF: damaged, its directory lies outside it")
        return found
    inner = _pointed(block, order, main, _EXIF_POINTER, "EXIF", found.doubts)
    gps = _pointed(block, order, main, _GPS_POINTER, "GPS", found.doubts)
    turned = whole_number(main.get(_ORIENTATION))
    if turned is not None and 1 <= turned <= 8:
        found.orientation = turned
    elif turned:
        found.doubts.append(f"EXIF: orientation {turned} does not exist")
    texts = {name: _text(main[tag]) for tag, name in _MAIN.items() if tag in main}
    texts |= {
        name: text for tag, name in _EXIF.items() if tag in inner and (text := _text(inner[tag]))
    }
    found.exif = _exif(texts, content, found.doubts)
    found.position = _position(gps, content, found.doubts)
    return found


def directory(block: bytes, order: str, offset: int) -> Tags | None:
    """Tags of one directory with values that lie inside the block; None where there is no directory."""
    if not 8 <= offset <= len(block) - 2:
        return None
    count = min(struct.unpack_from(order + "H", block, offset)[0], _MOST_ENTRIES)
    tags: Tags = {}
    for i in range(count):
        at = offset + 2 + i * 12
        if at + 12 > len(block):
            break
        tag, form, number = struct.unpack_from(order + "HHL", block, at)
        size = _SIZES.get(form, 0) * number
        place = at + 8 if size <= 4 else struct.unpack_from(order + "L", block, at + 8)[0]
        if not size or size > 1 << 16 or place + size > len(block) or tag in tags:
            continue
        tags[tag] = _values(block[place : place + size], order, form, number)
    return tags


def _values(raw: bytes, order: str, form: int, number: int) -> Values:
    if form in (1, 2, 6, 7, 129):
        return raw
    code = {3: "H", 8: "h", 4: "L", 13: "L", 9: "l", 5: "L", 10: "l"}[form]
    if form in (5, 10):
        flat = struct.unpack(f"{order}{number * 2}{code}", raw)
        return list(zip(flat[0::2], flat[1::2], strict=True))
    return list(struct.unpack(f"{order}{number}{code}", raw))


def _pointed(block: bytes, order: str, main: Tags, tag: int, name: str, doubts: list[str]) -> Tags:
    if tag not in main:
        return {}
    offset = whole_number(main[tag])
    tags = None if offset is None else directory(block, order, offset)
    if tags is None:
        doubts.append(f"{name}: its directory is damaged")
        return {}
    return tags


def whole_number(values: Values | None) -> int | None:
    """The first of the whole numbers of a tag; None where it has none."""
    if isinstance(values, list) and values and isinstance(values[0], int):
        return values[0]
    return None


def _text(values: Values) -> str:
    """A text up to its first NUL, UTF-8 or else Latin-1, unprintable characters as spaces."""
    if isinstance(values, list):
        values = " ".join(map(str, values)).encode() if isinstance(values[0], int) else b""
    raw = values.split(b"\0")[0][: LONGEST * 4]
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return "".join(c if c.isprintable() else " " for c in text).strip()[:LONGEST]


def _exif(texts: dict[str, str], content: Id, doubts: list[str]) -> Exif | None:
    fraction = texts.pop("fraction", "")
    lens_make, lens = texts.pop("lens_make", ""), texts.get("lens", "")
    if lens_make and not lens.lower().startswith(lens_make.lower()):
        texts["lens"] = f"{lens_make} {lens}".strip()
    if not any(c.isdigit() for c in texts.get("taken", "")):
        texts.pop("taken", None)
    if not any(c.isdigit() for c in texts.get("zone", "")) and texts.get("zone") != "Z":
        texts.pop("zone", None)
    if not any(texts.values()):
        return None
    taken_at = None
    if "taken" in texts and "zone" in texts:
        taken_at = instant(texts["taken"], texts["zone"], fraction)
        if taken_at is None:
            doubts.append(f"EXIF: {texts['taken']} {texts['zone']} is no time that can be read")
    return Exif(content=content, taken_at=taken_at, **texts)


def instant(taken: str, zone: str, fraction: str) -> int | None:
    """Milliseconds UTC of ``2017:05:04 03:02:01`` in ``+02:00``; None when either cannot be read."""
    offset = re.fullmatch(r"([+-])(\d\d):?(\d\d)|(Z)", zone.strip())
    match = re.fullmatch(r"(\d{4})[:/-](\d\d)[:/-](\d\d)[ T](\d\d):(\d\d):(\d\d)", taken.strip())
    if offset is None or match is None:
        return None
    try:
        year, month, day, hour, minute, second = map(int, match.groups())
        local = datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None
    minutes = 0
    if not offset[4]:
        hours, rest = int(offset[2]), int(offset[3])
        if hours > 14 or rest > 59:
            return None
        minutes = (hours * 60 + rest) * (1 if offset[1] == "+" else -1)
    digits = re.match(r"\d*", fraction.strip())
    milliseconds = int((digits[0] if digits else "").ljust(3, "0")[:3])
    return (timegm(local.timetuple()) - minutes * 60) * 1000 + milliseconds


def _position(gps: Tags, content: Id, doubts: list[str]) -> Position | None:
    """The place the picture states, only where both hemispheres are stated and all adds up."""
    if _LATITUDE not in gps and _LONGITUDE not in gps:
        return None
    places = {}
    for name, tag, sides, most in (
        ("latitude", _LATITUDE, "NS", 90),
        ("longitude", _LONGITUDE, "EW", 180),
    ):
        side = _text(gps.get(tag - 1, b"")).upper()
        degrees = _degrees(gps.get(tag))
        if len(side) != 1 or side not in sides:
            doubts.append(
                f"GPS: {name} without a hemisphere ({side or 'none stated'}): no position taken"
            )
        elif degrees is None:
            doubts.append(f"GPS: {name} is not readable: no position taken")
        elif degrees > most:
            doubts.append(f"GPS: {name} {degrees:g} is out of range: no position taken")
        else:
            places[name] = -degrees if side == sides[1] else degrees
    if len(places) < 2:
        return None
    if not places["latitude"] and not places["longitude"]:
        doubts.append("GPS: 0, 0 is what devices write that know no position: none taken")
        return None
    if _text(gps.get(_STATUS, b"")).upper() == "V":
        doubts.append("GPS: marked as measured without a fix")
    datum = _text(gps.get(_DATUM, b""))
    if datum and re.sub(r"[^A-Z0-9]", "", datum.upper()) not in ("WGS84", "WGS1984"):
        doubts.append(f"GPS: stated in {datum}, not WGS 84: may be off by some hundred metres")
    return Position(
        content=content,
        method="exif",
        latitude=places["latitude"],
        longitude=places["longitude"],
        altitude=_altitude(gps),
    )


def _ratios(values: Values | None) -> Iterator[float | None]:
    """Each rational; None for one with nought below the line."""
    for value in values if isinstance(values, list) else []:
        if isinstance(value, tuple):
            yield value[0] / value[1] if value[1] else None


def _degrees(values: Values | None) -> float | None:
    """Degrees from degrees, minutes and seconds; the latter two may be left out, none may be odd."""
    parts = list(_ratios(values))[:3]
    while len(parts) > 1 and parts[-1] is None:
        parts.pop()  # 0/0 seconds: many cameras put the fraction into the minutes
    if not parts or any(p is None or p < 0 for p in parts):
        return None
    known = [p for p in parts if p is not None]
    if any(p > 60 for p in known[1:]):
        return None
    return math.fsum(p / 60**i for i, p in enumerate(known))


def _altitude(gps: Tags) -> float | None:
    """Metres above the reference; Exif defines a missing reference as sea level and above."""
    height = next(_ratios(gps.get(_ALTITUDE)), None)
    reference = gps.get(_ALTITUDE_REF, b"\0")
    if height is None or not isinstance(reference, bytes) or reference[0] > 3:
        return None
    return -height if reference[0] in (1, 3) else height
