"""Contents: what bytes a picture takes in each of its guises, and a cache of the shared ones.

A *picture* is one exposure (or one drawn stock image); a *content* is one exact byte string made
from it. Truth for visual stacks is: contents of one picture belong together.
"""

import hashlib
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from amparo.replay.camera import Camera, Capture, camera, expose, original_jpeg
from amparo.replay.scale import Scale
from amparo.replay.scene import render

RECOMPRESSED = ("again", "bright", "screenshot")  # made from the WhatsApp copy
_THUMB = 72  # longer side of the preview kept in a chat row, pixels


@dataclass(frozen=True, slots=True)
class Picture:
    """One exposure. `camera_key` None: a stock image drawn without camera."""

    id: str
    scene: str
    shot: int
    kind: str  # scene | room | flat
    camera_key: str | None
    capture: Capture | None
    series: str | None


@dataclass(frozen=True, slots=True)
class Content:
    """A picture in one guise: camera | whatsapp | again | bright | screenshot."""

    picture: Picture
    variant: str

    @property
    def id(self) -> str:
        """Name unique in the operation."""
        return f"{self.picture.id}.{self.variant}"


@dataclass(frozen=True, slots=True)
class Blob:
    """The bytes of a content with what a chat row says about them."""

    data: bytes
    width: int
    height: int
    mime: str
    thumbnail: bytes
    sha256: str
    sha1: str
    md5: str

    @property
    def suffix(self) -> str:
        """File name ending."""
        return "png" if self.mime == "image/png" else "jpg"


def _jpeg(image: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def _scaled(image: Image.Image, factor: float) -> Image.Image:
    size = (round(image.width * factor), round(image.height * factor))
    return image.resize(size, Image.Resampling.BILINEAR)


class Contents:
    """Makes contents; keeps those that several exhibits hold in `cache` until the build ends."""

    def __init__(self, seed: int, scale: Scale, cache: Path) -> None:
        self.seed, self.scale, self.cache = seed, scale, cache

    def body(self, picture: Picture) -> Camera | None:
        """The camera that took it."""
        return camera(self.seed, picture.camera_key, self.scale) if picture.camera_key else None

    def get(self, content: Content, shared: bool) -> Blob:
        """The bytes; `shared` contents are made once and read back afterwards."""
        if not shared:
            return self._make(content)
        name = hashlib.sha256(content.id.encode()).hexdigest()
        path = self.cache / name[:2] / name
        try:
            packed = path.read_bytes()
        except FileNotFoundError:
            blob = self._make(content)
            _keep(path, blob)
            return blob
        head, _, rest = packed.partition(b"\n")
        cut, width, height, mime, sha256, sha1, md5 = json.loads(head)
        return Blob(rest[cut:], width, height, mime, rest[:cut], sha256, sha1, md5)

    def _make(self, content: Content) -> Blob:
        if content.variant in RECOMPRESSED:
            source = self.get(Content(content.picture, "whatsapp"), shared=True)
            with Image.open(io.BytesIO(source.data)) as opened:
                image = opened.convert("RGB")
            if content.variant == "again":
                image = _scaled(image, 0.9)
                data = _jpeg(image, 70)
            elif content.variant == "bright":
                image = image.point([min(255, round(level * 1.07 + 4)) for level in range(256)] * 3)
                data = _jpeg(image, 75)
            else:
                image = _scaled(image, 0.65)
                out = io.BytesIO()
                image.save(out, "PNG", compress_level=1)
                data = out.getvalue()
        else:
            image, data = self._expose(content)
        thumb = image.copy()
        thumb.thumbnail((_THUMB, _THUMB), Image.Resampling.BOX)
        mime = "image/png" if content.variant == "screenshot" else "image/jpeg"
        return Blob(
            data, image.width, image.height, mime, _jpeg(thumb, 40),
            hashlib.sha256(data).hexdigest(),
            hashlib.sha1(data, usedforsecurity=False).hexdigest(),
            hashlib.md5(data, usedforsecurity=False).hexdigest(),
        )  # fmt: skip

    def _expose(self, content: Content) -> tuple[Image.Image, bytes]:
        """The camera file, or the messenger's first copy (shrunk, quality 70, no EXIF).

        The messenger's copy starts from the sensor's pixels: skipping the camera's own mild
        compression saves a third of the time and moves no perceptual hash bit that matters.
        """
        picture, body = content.picture, self.body(content.picture)
        size = body.size if body else self.scale.frames[0]
        scene = render(f"{self.seed}/{picture.scene}", picture.shot, size, picture.kind)
        flat = picture.kind == "flat"
        pixels = scene if flat else expose(self.seed, body, scene, picture.id)
        if content.variant == "camera":
            if body is None or picture.capture is None:
                raise ValueError(f"{picture.id} has no camera original")
            return Image.fromarray(pixels), original_jpeg(body, picture.capture, pixels)
        image = _scaled(Image.fromarray(pixels), 0.6)
        return image, _jpeg(image, 70)


def _keep(path: Path, blob: Blob) -> None:
    """Write a cache entry whole or not at all; two writers write the same bytes."""
    head = json.dumps([len(blob.thumbnail), blob.width, blob.height, blob.mime,
                       blob.sha256, blob.sha1, blob.md5])  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f"{path.name}.{os.getpid()}")
    half.write_bytes(head.encode() + b"\n" + blob.thumbnail + blob.data)
    half.replace(path)
