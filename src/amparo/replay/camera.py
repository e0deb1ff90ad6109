"""Cameras that do not exist: maker, body serial, sensor pattern, compression tables, EXIF."""

import datetime as dt
import io
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from amparo.replay.chance import digest, hex_token, rng
from amparo.replay.scale import Scale
from amparo.replay.scene import Pixels

_MAKES = (("Aurel", "A7"), ("Aurel", "A9 Lite"), ("Nimbus", "Cirrus 4"), ("Nimbus", "Strato"),
          ("Velta", "One"), ("Okari", "Mk II"), ("Tessel", "T20"))  # fmt: skip
_SENSOR_SHIFT = 10  # pattern is in 1/1024 of the pixel value
_GRAIN_LENGTH = 5_000_000


@dataclass(frozen=True, slots=True)
class Camera:
    """One body. `key` names it ("phone:007", "card:003", "member:0123")."""

    key: str
    make: str
    model: str
    serial: str
    size: tuple[int, int]
    luma: tuple[int, ...]  # 64 quantisation steps, zigzag order as Pillow takes them
    chroma: tuple[int, ...]
    writes_offset: bool  # OffsetTimeOriginal present
    offset_hours: int
    writes_gps: bool


_BASE_LUMA = (2, 2, 2, 2, 2, 2, 3, 2, 2, 3, 4, 3, 3, 3, 4, 5, 4, 4, 4, 4, 5, 6, 6, 5, 5, 5, 6, 6, 7, 7,
              7, 7, 7, 7, 7, 8, 8, 8, 8, 8, 8, 9, 9, 9, 9, 9, 9, 9, 9, 9, 10, 10, 10, 10, 10, 10, 10, 10,
              10, 10, 10, 10, 10, 10)  # fmt: skip


@lru_cache(maxsize=4096)
def camera(seed: int, key: str, scale: Scale) -> Camera:
    """The camera of that name; a pure function."""
    pick = rng(seed, "camera", key)
    make, model = pick.choice(_MAKES)
    strength = pick.uniform(1.1, 2.0)
    luma = tuple(max(1, round(q * strength) + pick.randint(0, 1)) for q in _BASE_LUMA)
    chroma = tuple(max(1, round(q * strength * 1.6) + pick.randint(0, 1)) for q in _BASE_LUMA)
    return Camera(
        key=key, make=make, model=model, serial=f"{make[:2].upper()}{hex_token(8, seed, 'body', key)}",
        size=scale.frames[pick.randrange(len(scale.frames))], luma=luma, chroma=chroma,
        writes_offset=pick.random() < 0.6, offset_hours=pick.randint(-6, 2),
        writes_gps=pick.random() < 0.5,
    )  # fmt: skip


@lru_cache(maxsize=6)
def _sensor(seed: int, key: str, size: tuple[int, int]) -> NDArray[np.int16]:
    """The body's fixed pattern K, (height, width, 3) int16 in 1/1024, sigma about 1 %."""
    noise = np.random.default_rng(int.from_bytes(digest(seed, "sensor", key)[:8], "big"))
    pattern = noise.standard_normal((size[1], size[0]), np.float32) * (0.01 * (1 << _SENSOR_SHIFT))
    flat = np.rint(pattern).clip(-60, 60).astype(np.int16)
    channels: NDArray[np.int16] = np.repeat(flat[:, :, None], 3, axis=2)
    return channels


@lru_cache(maxsize=1)
def _grain() -> NDArray[np.int16]:
    """Shot noise shared by a process: int16 in 1/1024 of a grey level, sigma 2 levels."""
    noise = np.random.default_rng(7).standard_normal(_GRAIN_LENGTH, np.float32)
    scaled = np.rint(noise * (2.0 * (1 << _SENSOR_SHIFT)))
    grain: NDArray[np.int16] = np.clip(scaled, -12000, 12000).astype(np.int16)
    return grain


def expose(seed: int, body: Camera | None, scene: Pixels, picture: str) -> Pixels:
    """Put the scene on a sensor: pixel * (1 + K) + grain. No body: grain only."""
    grain = _grain()
    start = int.from_bytes(digest("grain", picture)[:4], "big") % (_GRAIN_LENGTH - scene.size)
    noise = grain[start : start + scene.size].reshape(scene.shape)
    if body is None:
        change = noise >> _SENSOR_SHIFT
    else:
        change = scene.astype(np.int16)
        change *= _sensor(seed, body.key, (scene.shape[1], scene.shape[0]))
        change += noise
        change >>= _SENSOR_SHIFT
    change += scene
    return np.clip(change, 0, 255, out=change).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Capture:
    """What the camera wrote about one exposure. Times are seconds since 1970 UTC."""

    taken_s: int
    latitude: float | None = None
    longitude: float | None = None
    with_refs: bool = True  # False: GPS without N/S and E/W, a trap


def local_time(body: Camera, capture: Capture) -> dt.datetime:
    """The clock on the camera's wall, without zone."""
    return dt.datetime(1970, 1, 1) + dt.timedelta(seconds=capture.taken_s, hours=body.offset_hours)


def offset_text(body: Camera) -> str:
    """The zone as EXIF writes it, "+01:00"."""
    return f"{'-' if body.offset_hours < 0 else '+'}{abs(body.offset_hours):02d}:00"


def _degrees(value: float) -> tuple[float, float, float]:
    value = abs(value)
    minutes = (value - int(value)) * 60
    return (float(int(value)), float(int(minutes)), round((minutes - int(minutes)) * 60, 2))


def exif_bytes(body: Camera, capture: Capture) -> bytes:
    """EXIF block of an original: maker, serial, times, place."""
    stamp = local_time(body, capture).strftime("%Y:%m:%d %H:%M:%S")
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0131], exif[0x0132] = (
        body.make,
        body.model,
        f"{body.make}OS 4",
        stamp,
    )
    inner: dict[int, object] = {0x9003: stamp, 0x9004: stamp, 0xA431: body.serial}
    if body.writes_offset:
        inner[0x9011] = offset_text(body)
    exif[0x8769] = inner
    if capture.latitude is not None and capture.longitude is not None:
        place: dict[int, object] = {2: _degrees(capture.latitude), 4: _degrees(capture.longitude)}
        if capture.with_refs:
            place[1] = "N" if capture.latitude >= 0 else "S"
            place[3] = "E" if capture.longitude >= 0 else "W"
        exif[0x8825] = place
    return exif.tobytes()


def original_jpeg(body: Camera, capture: Capture, pixels: Pixels) -> bytes:
    """The file the camera writes, with its own quantisation tables."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", qtables=[list(body.luma), list(body.chroma)],
                                 subsampling="4:2:0", exif=exif_bytes(body, capture))  # fmt: skip
    return out.getvalue()
