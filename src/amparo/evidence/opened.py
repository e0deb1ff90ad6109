"""A disk some of whose encrypted volumes have been opened: it reads decrypted where they lie.

Places stay those of the disk as acquired, so that a run of a file, free space and what is carved there
mean the same with and without the key.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from amparo.evidence import bitlocker, ewf, luks
from amparo.evidence.blocks import BLOCK, Blocks, Media, open_blocks

BITLOCKER, LUKS = "BitLocker", "LUKS"


@dataclass(frozen=True)
class Opened:
    """An encrypted volume with its volume key; ``at`` and ``size`` on the disk, in bytes."""

    at: int
    size: int
    kind: str
    key: bytes


def to_place(volumes: Iterable[Opened]) -> list[tuple[int, int, str, str]]:
    """As ``opened`` in a locator."""
    return [(v.at, v.size, v.kind, v.key.hex()) for v in volumes]


def from_place(place: dict[str, Any]) -> list[Opened]:
    """What ``opened`` in a locator says."""
    return [
        Opened(int(at), int(size), str(kind), bytes.fromhex(key))
        for at, size, kind, key in place.get("opened", [])
    ]


def open_disk(place: dict[str, Any], fds: Sequence[int]) -> Blocks:
    """The disk of a locator ``{"image": form, "opened": [[at, size, kind, key], …]}``.

    Raises ValueError when the image, or a volume said to be opened, cannot be read.
    """
    blocks, volumes = open_blocks(str(place["image"]), fds), from_place(place)
    if isinstance(blocks, Media) and place["image"] == "ewf":
        ewf.cut_off(blocks, fds)
    return Unlocked(blocks, volumes) if volumes else blocks


class _Plain:
    """The decrypted bytes of one volume: ``[start, end)`` of the disk."""

    read: Callable[[int, int], bytes]

    def __init__(self, blocks: Blocks, volume: Opened) -> None:
        size = min(volume.size, blocks.size - volume.at)

        def raw(at: int, want: int) -> bytes:
            return blocks.read(volume.at + at, min(want, size - at)) if at < size else b""

        if volume.kind == LUKS:
            found = luks.header(raw)
            decrypt, sector = found.decrypt(volume.key), found.sector
            self.start = volume.at + found.at
            room = (size - found.at) // sector * sector
            self.end = self.start + max(0, room if found.size is None else min(room, found.size))

            def inside(at: int, want: int) -> bytes:
                begin = at // sector * sector
                stop = min(-(-(at + want) // sector) * sector, self.end - self.start)
                data = raw(found.at + begin, stop - begin)
                whole = data[: len(data) // sector * sector]
                return decrypt(whole, begin)[at - begin :][:want]

            self.read = inside
        else:
            self.start = volume.at
            said = bitlocker.metadata(raw)
            size = size // said.sector * said.sector
            self.end = volume.at + size
            self.read = bitlocker.opened(raw, said, volume.key, size)


class Unlocked:
    """A disk with opened volumes laid over it."""

    def __init__(self, blocks: Blocks, volumes: Sequence[Opened]) -> None:
        self.below = blocks
        self.size = blocks.size
        self._parts: list[_Plain] = []
        self._inner: dict[int, tuple[int, int]] = {}
        for volume in sorted(volumes, key=lambda v: v.at):
            part = _Plain(blocks, volume)
            self._parts.append(part)
            self._inner[volume.at] = (part.start, part.end - part.start)
        self._starts = [part.start for part in self._parts]

    def inner(self, at: int) -> tuple[int, int] | None:
        """Place and size of what is inside the opened volume at ``at``; None where none was opened."""
        return self._inner.get(at)

    def read(self, at: int, size: int) -> bytes:
        """Bytes at a place, decrypted inside an opened volume."""
        out = bytearray()
        size = min(size, self.size - at)
        while size > 0:
            index = bisect_right(self._starts, at) - 1
            if index >= 0 and at < self._parts[index].end:
                part = self._parts[index]
                data = part.read(at - part.start, min(size, part.end - at, BLOCK))
            else:
                stop = self._starts[index + 1] if index + 1 < len(self._starts) else self.size
                data = self.below.read(at, min(size, stop - at))
            if not data:
                break
            out += data
            at, size = at + len(data), size - len(data)
        return bytes(out)
