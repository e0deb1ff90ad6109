"""What a film's or sound's container says of itself: camera, time, place, program. Nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from amparo.kit.plugin import Warn
from amparo.model import Exif, Id, Position, Record

LONGEST = 500
"""Characters kept of a text."""
_MAKE = ("com.apple.quicktime.make", "com.android.manufacturer", "make")
_MODEL = ("com.apple.quicktime.model", "com.android.model", "model")
_SOFTWARE = ("com.apple.quicktime.software", "com.android.version")
_TAKEN = ("com.apple.quicktime.creationdate",)
_PLACE = ("com.apple.quicktime.location.iso6709", "location", "location-eng", "xyz")
_CREATED = ("creation_time",)
_ENCODER = ("encoder", "software", "writing_app", "encoded_by", "com.apple.quicktime.encoder")

_DATE = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:?\d\d)?")
_POINT = re.compile(
    r"(?P<ns>[+-])(?P<lat>\d{2}|\d{4}|\d{6})(?P<latf>\.\d+)?"
    r"(?P<ew>[+-])(?P<lon>\d{3}|\d{5}|\d{7})(?P<lonf>\.\d+)?"
    r"(?P<alt>[+-]\d+(?:\.\d+)?)?(?:CRS(?P<crs>[A-Za-z0-9_:]+))?/?"
)


def said(metadata: Mapping[str, str], content: Id) -> Iterator[Record | Warn]:
    """Camera and place as Exif and Position records, and doubts about what is written there."""
    tags = _tags(metadata)
    taken = _first(tags, _TAKEN)
    exif = Exif(
        content=content,
        make=_first(tags, _MAKE),
        model=_first(tags, _MODEL),
        software=_first(tags, _SOFTWARE),
        taken=taken,
        zone=_zone(taken),
        taken_at=instant(taken) if _zone(taken) else None,
    )
    if exif.make or exif.model or exif.taken or exif.software:
        yield exif
    written = _first(tags, _PLACE)
    if written:
        try:
            yield position(written, content)
        except ValueError as error:
            yield Warn(f"place not taken over: {error}")


def created(metadata: Mapping[str, str]) -> int | None:
    """When the container says it was made; UTC by its standards. Years before 1990 are nobody's clock."""
    at = instant(_first(_tags(metadata), _CREATED))
    return at if at is not None and at >= 631_152_000_000 else None


def encoder(metadata: Mapping[str, str]) -> str:
    """The program or chip that wrote the container, as written."""
    return _first(_tags(metadata), _ENCODER)


def position(written: str, content: Id) -> Position:
    """A point after ISO 6709 (annex H): degrees, degrees and minutes, or these and seconds, told apart by digits.

    Raises ValueError for anything else, for a point that is nowhere on earth, another datum than WGS 84,
    and for exactly 0, 0, which phones write that know no place.
    """
    match = _POINT.fullmatch(written.strip())
    if match is None:
        raise ValueError(f"{written[:60]!r} is not written as ISO 6709 asks")
    if match["crs"] and match["crs"].upper().replace("_", "") not in ("WGS84", "EPSG:4326"):
        raise ValueError(f"its datum is {match['crs'][:20]}")
    latitude = _degrees(match["ns"], match["lat"], match["latf"], 2)
    longitude = _degrees(match["ew"], match["lon"], match["lonf"], 3)
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise ValueError(f"{written[:60]!r} lies nowhere on earth")
    if latitude == 0 and longitude == 0:
        raise ValueError("0, 0 is what is written when no place is known")
    return Position(
        content=content,
        method="ISO 6709",
        latitude=latitude,
        longitude=longitude,
        altitude=float(match["alt"]) if match["alt"] else None,
    )


def _degrees(sign: str, digits: str, fraction: str | None, whole: int) -> float:
    parts = [digits[:whole], *(digits[i : i + 2] for i in range(whole, len(digits), 2))]
    parts[-1] += fraction or ""
    if any(float(part) >= 60 for part in parts[1:]):
        raise ValueError(f"{digits} has 60 minutes or seconds, or more")
    value = sum(float(part) / (1, 60, 3600)[n] for n, part in enumerate(parts))
    return -value if sign == "-" else value


def instant(written: str) -> int | None:
    """UTC milliseconds of a date with a zone, or of one whose standard says UTC; None where it is no date."""
    match = _DATE.fullmatch(written.strip())
    if match is None:
        return None
    try:
        local = datetime.fromisoformat(f"{match[1]}T{match[2]}")
        zone = match[3] or "Z"
        shift = 0
        if zone != "Z":
            hours, minutes = int(zone[1:3]), int(zone[-2:])
            if hours > 14 or minutes > 59:
                return None
            shift = (hours * 60 + minutes) * (60 if zone[0] == "+" else -60)
        return (int(local.replace(tzinfo=UTC).timestamp()) - shift) * 1000
    except ValueError:
        return None


def _zone(taken: str) -> str:
    match = _DATE.fullmatch(taken.strip())
    if match is None or not match[3]:
        return ""
    zone = match[3]
    return "+00:00" if zone == "Z" else f"{zone[:3]}:{zone[-2:]}"


def _tags(metadata: Mapping[str, str]) -> dict[str, str]:
    return {str(k).lower(): str(v).replace("\x00", "").strip() for k, v in metadata.items()}


def _first(tags: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((tags[name][:LONGEST] for name in names if tags.get(name)), "")
