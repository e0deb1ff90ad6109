"""Films and sounds: what was read of moving pictures and of what is heard with them.

Times within a film are milliseconds from the first frame shown, on the film's own clock.
"""

from __future__ import annotations

from dataclasses import dataclass

from amparo.model.base import Id, Record, kind


@kind("film", "content")
@dataclass(frozen=True, slots=True, kw_only=True)
class Film(Record):
    """A content that decodes to moving pictures, and what its container states about it.

    Camera, place and a dated taking are Exif and Position records, as for a picture.
    """

    content: Id
    container: str
    """FFmpeg's name of the container's form, such as ``mov`` or ``matroska``."""
    codec: str
    width: int
    height: int
    """As shown: turned by ``rotation`` and stretched to square pixels by a player only."""
    rotation: int = 0
    """Degrees clockwise that a player turns the stored frames by: 0, 90, 180 or 270."""
    rate: float = 0.0
    """Frames per second as stated; 0 where nothing says."""
    duration: int | None = None
    """As stated by the container."""
    reached: int = 0
    """Time of the last frame that could be decoded."""
    frames: int = 0
    """How many frames were decoded and looked at, not how many there are."""
    shots: int = 0
    """Pieces between cuts."""
    created: int | None = None
    """UTC milliseconds as the container says; some cameras write their local time there."""
    encoder: str = ""
    """The program or chip that wrote the container, as written."""
    damaged: str = ""
    """"" or why only a part could be decoded."""


@kind("film_frames", "content", "form", "part")
@dataclass(frozen=True, slots=True, kw_only=True)
class FilmFrames(Record):
    """Visual hashes of a film's frames; long films have several parts.

    ``shown``: frames every 0.2 s that differ from the one kept before, as a player shows them;
    and now and then the middle of one.
    ``vpdq``: one frame a second as stored, the features that vPDQ lists hold. Both are packed rows, laid out
    in :mod:`amparo.kit.frames`.
    """

    content: Id
    form: str
    """``shown`` or ``vpdq``."""
    part: int
    value: bytes


@kind("soundtrack", "content")
@dataclass(frozen=True, slots=True, kw_only=True)
class Soundtrack(Record):
    """What is heard: of a sound file, or of a film's first sound track."""

    content: Id
    codec: str
    hertz: int
    channels: int
    duration: int
    """Milliseconds that could be decoded."""
    value: bytes = b""
    """Chromaprint (algorithm 2 of fpcalc), raw: one uint32, little-endian, for each 123.8 ms."""
    sounding: bytes = b""
    """One bit for each of these, first bit uppermost: whether there was anything to hear in it."""
    damaged: str = ""
