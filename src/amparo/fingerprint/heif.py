"""HEIC and HEIF pictures: what phones write instead of JPEG; boxes read by hand, tiles decoded one by one.

After ISO/IEC 14496-12 (boxes) and ISO/IEC 23008-12 (items, grids, properties). A picture is an *item*: coded by
itself or a grid of coded tiles, with properties in a fixed order that turn (``irot``) or mirror (``imir``) it.
The usual library for this starts threads, which a cell has not; FFmpeg's decoder takes single tiles.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import av
import numpy as np
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray
from PIL import Image

from amparo.fingerprint.pixels import Refused, check

_MOST_ITEMS = 20_000
_MOST_BOXES = 100_000
_MOST_TILES = 4096
_HIDDEN = 1
_CODED = {"hvc1": "hevc", "hev1": "hevc", "avc1": "h264"}
_NARROW_ERRORS = (FFmpegError, ValueError, struct.error, IndexError, KeyError, EOFError)
Box = tuple[str, int, int]
"""Name, and where its body begins and ends."""
Pixels = NDArray[np.uint8]


@dataclass
class Item:
    """One item: its form, where its bytes lie, what it is made of and what is done to it."""

    form: str = ""
    hidden: bool = False
    extents: list[tuple[int, int]] = field(default_factory=list)
    in_idat: bool = False
    made_of: list[int] = field(default_factory=list)
    """Its tiles, or what it is another view of, in order."""
    serves: bool = False
    """A thumbnail of another item, or its transparency or depth."""
    properties: list[Box] = field(default_factory=list)


class Heif:
    """The items of one file. Raises ValueError when it has no list of items."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.items: dict[int, Item] = {}
        self.primary = 0
        self._idat = (0, 0)
        meta = next((b for b in boxes(data, 0, len(data)) if b[0] == "meta"), None)
        if meta is None:
            raise ValueError("HEIF: no list of items")
        inside = {name: (at, end) for name, at, end in boxes(data, meta[1] + 4, meta[2])}
        self._idat = inside.get("idat", (0, 0))
        if "pitm" in inside:
            at = inside["pitm"][0]
            self.primary = self._number(at + 4, 4 if data[at] else 2)
        if "iinf" in inside:
            self._info(*inside["iinf"])
        if "iloc" in inside:
            self._places(inside["iloc"][0])
        if "iref" in inside:
            self._references(*inside["iref"])
        if "iprp" in inside:
            self._properties(*inside["iprp"])

    def _number(self, at: int, size: int) -> int:
        if at + size > len(self._data):
            raise ValueError("HEIF: breaks off in its list of items")
        return int.from_bytes(self._data[at : at + size])

    def _info(self, at: int, end: int) -> None:
        wide = self._data[at] != 0
        for name, place, _ in boxes(self._data, at + (8 if wide else 6), end):
            version = self._data[place]
            if name == "infe" and version >= 2 and len(self.items) < _MOST_ITEMS:
                size = 2 if version == 2 else 4
                item = self.items.setdefault(self._number(place + 4, size), Item())
                item.hidden = bool(self._data[place + 3] & _HIDDEN)
                item.form = self._data[place + 6 + size : place + 10 + size].decode("latin-1")

    def _places(self, at: int) -> None:
        version = self._data[at]
        sizes, more = self._data[at + 4], self._data[at + 5]
        offset_size, length_size, base_size = sizes >> 4, sizes & 15, more >> 4
        index_size = more & 15 if version else 0
        wide = 4 if version == 2 else 2
        count, at = self._number(at + 6, wide), at + 6 + wide
        for _ in range(min(count, _MOST_ITEMS)):
            item = self.items.get(self._number(at, wide), Item())
            at += wide
            if version:
                item.in_idat = self._number(at, 2) & 15 == 1
                at += 2
            base, extents = self._number(at + 2, base_size), self._number(at + 2 + base_size, 2)
            at += 4 + base_size
            for _ in range(extents):
                offset = self._number(at + index_size, offset_size)
                length = self._number(at + index_size + offset_size, length_size)
                at += index_size + offset_size + length_size
                if len(item.extents) < _MOST_TILES:
                    item.extents.append((base + offset, length))

    def _references(self, at: int, end: int) -> None:
        wide = 4 if self._data[at] else 2
        for name, place, _ in boxes(self._data, at + 4, end):
            item = self.items.get(self._number(place, wide), Item())
            count, place = self._number(place + wide, 2), place + wide + 2
            if name == "dimg":
                some = range(min(count, _MOST_TILES))
                item.made_of = [self._number(place + i * wide, wide) for i in some]
            elif name in ("thmb", "auxl", "cdsc", "base"):
                item.serves = True

    def _properties(self, at: int, end: int) -> None:
        kept: list[Box] = []
        for name, place, stop in boxes(self._data, at, end):
            if name == "ipco":
                kept = list(boxes(self._data, place, stop))
            elif name == "ipma":
                self._assign(place, kept)

    def _assign(self, at: int, kept: list[Box]) -> None:
        wide, long = (4 if self._data[at] else 2), self._data[at + 3] & 1
        count, at = self._number(at + 4, 4), at + 8
        for _ in range(min(count, _MOST_ITEMS)):
            item = self.items.get(self._number(at, wide), Item())
            number, at = self._number(at + wide, 1), at + wide + 1
            for _ in range(number):
                index = self._number(at, 2) & 0x7FFF if long else self._number(at, 1) & 0x7F
                at += 2 if long else 1
                if 1 <= index <= len(kept):
                    item.properties.append(kept[index - 1])

    def bytes_of(self, item: Item) -> bytes:
        """What is stored of an item. Raises ValueError where it lies outside the file."""
        start, end = self._idat if item.in_idat else (0, len(self._data))
        parts = []
        for offset, length in item.extents:
            length = length or end - start - offset
            if offset < 0 or start + offset + length > end:
                raise ValueError("HEIF: breaks off")
            parts.append(self._data[start + offset : start + offset + length])
        if sum(map(len, parts)) > len(self._data):
            raise ValueError("HEIF: an item larger than the file")
        return b"".join(parts)

    def body(self, box: Box) -> bytes:
        """The bytes of a property."""
        return self._data[box[1] : box[2]]

    def shown(self) -> int:
        """How many pictures it holds, without thumbnails, tiles and what serves another."""
        parts = {n for item in self.items.values() for n in item.made_of if item.form == "grid"}
        forms = (*_CODED, "grid", "iden", "iovl", "av01", "jpeg")
        free = (n for n, i in self.items.items() if i.form in forms and not (i.hidden or i.serves))
        return max(1, sum(n not in parts for n in free))

    def size(self, item: Item) -> tuple[int, int]:
        """Width and height as stated; (0, 0) where nothing is."""
        for box in item.properties:
            if box[0] == "ispe" and box[2] - box[1] >= 12:
                width, height = struct.unpack(">2L", self.body(box)[4:12])
                return int(width), int(height)
        return 0, 0


def boxes(data: bytes, at: int, end: int) -> Iterator[Box]:
    """The boxes side by side in a stretch of bytes; ends where one is malformed."""
    for _ in range(_MOST_BOXES):
        if at + 8 > end:
            return
        length, head = int.from_bytes(data[at : at + 4]), 8
        if length == 1:
            length, head = int.from_bytes(data[at + 8 : at + 16]), 16
        stop = end if length == 0 else at + length
        if stop < at + head or stop > end:
            return
        yield data[at + 4 : at + 8].decode("latin-1"), at + head, stop
        at = stop


def exif_item(data: bytes) -> bytes:
    """The TIFF structure of the EXIF item; b"" where there is none that can be read."""
    try:
        heif = Heif(data)
        for item in heif.items.values():
            if item.form == "Exif":
                kept = heif.bytes_of(item)
                return kept[4 + int.from_bytes(kept[:4]) :].removeprefix(b"Exif\0\0")
    except _NARROW_ERRORS:
        pass
    return b""


def decode(data: bytes, most: int) -> tuple[Image.Image, int, str]:
    """The primary picture as a viewer shows it, how many there are, and "" or what is missing of it.

    Raises Refused above ``most`` pixels, before any is decoded, and ValueError for what cannot be read.
    """
    heif = Heif(data)
    item = heif.items.get(heif.primary)
    if item is None:
        raise ValueError("HEIF: it names no picture of its items")
    image, missing = _picture(heif, item, most)
    return image, heif.shown(), missing


def _picture(heif: Heif, item: Item, most: int) -> tuple[Image.Image, str]:
    missing = ""
    if item.form == "iden" and item.made_of:
        inner = heif.items.get(item.made_of[0], Item())
        if inner.form in ("iden", "iovl"):
            raise ValueError("HEIF: a picture derived from a derived one")
        image, missing = _picture(heif, inner, most)
    elif item.form == "grid":
        pixels, missing = _grid(heif, item, most)
        image = Image.fromarray(pixels)
    elif item.form == "jpeg":
        image = Image.open(io.BytesIO(heif.bytes_of(item)), formats=("JPEG",))
        check(image.size, most)
        image.load()
    elif item.form in _CODED:
        check(heif.size(item), most)
        image = Image.fromarray(Tiles(heif, item, most).decode(item))
    else:
        raise ValueError(f"HEIF: coded as {item.form!r}, for which there is no decoder")
    return _turned(heif, item, image), missing


def _grid(heif: Heif, item: Item, most: int) -> tuple[Pixels, str]:
    plan = heif.bytes_of(item)
    if len(plan) < 8:
        raise ValueError("HEIF: a grid without its plan")
    rows, columns = plan[2] + 1, plan[3] + 1
    width, height = struct.unpack_from(">2L" if plan[1] & 1 else ">2H", plan, 4)
    check((width, height), most)
    tiles = [heif.items.get(n) for n in item.made_of]
    if len(tiles) < rows * columns or tiles[0] is None:
        raise ValueError("HEIF: a grid with too few tiles")
    across, down = heif.size(tiles[0])
    if across * columns < width or down * rows < height or across * down > most:
        raise ValueError("HEIF: tiles that do not cover the grid")
    out = np.full((height, width, 3), 128, np.uint8)
    decoder, lost, reason = Tiles(heif, tiles[0], most), 0, ""
    for number in range(rows * columns):
        top, left = number // columns * down, number % columns * across
        tile = tiles[number]
        if top >= height or left >= width:
            continue
        try:
            pixels = decoder.decode(tile or Item())
        except _NARROW_ERRORS as error:
            lost, reason = lost + 1, str(error)
            continue
        part = out[top : top + down, left : left + across]
        part[: pixels.shape[0], : pixels.shape[1]] = pixels[: part.shape[0], : part.shape[1]]
    if lost == rows * columns:
        raise ValueError(f"HEIF: no tile could be decoded: {reason}")
    return out, f"{lost} of {rows * columns} tiles are missing" if lost else ""


class Tiles:
    """Decodes coded items of one kind, one after another, without threads."""

    def __init__(self, heif: Heif, first: Item, most: int) -> None:
        if first.form not in _CODED:
            raise ValueError(f"HEIF: tiles coded as {first.form!r}, for which there is no decoder")
        self._heif = heif
        self._most = most
        context = av.CodecContext.create(_CODED[first.form], "r")
        assert isinstance(context, VideoCodecContext)
        self._context = context
        self._context.thread_count = 1
        self._context.options = {"max_pixels": str(most)}
        self._context.extradata = self._property(first, ("hvcC", "avcC"))
        self._range = self._stated_range(first)

    def _property(self, item: Item, names: tuple[str, ...]) -> bytes:
        for box in item.properties:
            if box[0] in names:
                return self._heif.body(box)
        raise ValueError("HEIF: without the head its decoder needs")

    def _stated_range(self, item: Item) -> str:
        for box in item.properties:
            body = self._heif.body(box)
            if box[0] == "colr" and body[:4] == b"nclx" and len(body) >= 11:
                return "JPEG" if body[10] & 0x80 else "MPEG"
        return ""

    def decode(self, item: Item) -> Pixels:
        """RGB of one item, rows from the top. Raises FFmpegError or ValueError."""
        kept = self._heif.bytes_of(item)
        if not kept:
            raise ValueError("HEIF: an item without bytes")
        frames = [*self._context.decode(av.Packet(kept)), *self._context.decode(None)]
        self._context.flush_buffers()
        if not frames:
            raise ValueError("HEIF: nothing came out of the decoder")
        frame = frames[0]
        if frame.width * frame.height > self._most:
            raise Refused("HEIF: decodes to more pixels than stated")
        if self._range and not frame.format.name.startswith("yuvj"):
            frame.color_range = 2 if self._range == "JPEG" else 1
        return np.asarray(frame.to_ndarray(format="rgb24", threads=1), np.uint8)


def _turned(heif: Heif, item: Item, image: Image.Image) -> Image.Image:
    """Rotated and mirrored as its properties say, in their order."""
    for box in item.properties:
        body = heif.body(box)
        if box[0] == "irot" and body and body[0] & 3:
            image = image.transpose(
                (
                    Image.Transpose.ROTATE_90,
                    Image.Transpose.ROTATE_180,
                    Image.Transpose.ROTATE_270,
                )[(body[0] & 3) - 1]
            )
        elif box[0] == "imir" and body:
            flips = (Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.FLIP_LEFT_RIGHT)
            image = image.transpose(flips[body[0] & 1])
        elif box[0] == "clap" and len(body) >= 32:
            image = _cut(image, struct.unpack(">8l", body[:32]))
    return image


def _cut(image: Image.Image, clap: tuple[int, ...]) -> Image.Image:
    """The clean aperture (ISO/IEC 14496-12, 12.1.4): a centred window, with offsets; unread where senseless."""
    if any(clap[i] <= 0 for i in (1, 3, 5, 7)):
        return image
    width, height = round(clap[0] / clap[1]), round(clap[2] / clap[3])
    left = round((image.width - width) / 2 + clap[4] / clap[5])
    top = round((image.height - height) / 2 + clap[6] / clap[7])
    if width < 1 or height < 1 or left < 0 or top < 0:
        return image
    if left + width > image.width or top + height > image.height:
        return image
    return image.crop((left, top, left + width, top + height))
