"""Where the volumes of a disk lie and what each of them is; runs in a cell.

Partition tables (DOS, GPT, Apple, BSD, Sun) are read by The Sleuth Kit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytsk3

from amparo.evidence.blocks import Blocks
from amparo.evidence.opened import Unlocked
from amparo.evidence.signatures import HEAD, kind_of
from amparo.kit.plugin import Warn


@dataclass(frozen=True)
class Volume:
    """A stretch of the disk: ``at`` and ``size`` in bytes. ``name`` is "" for an unpartitioned disk."""

    name: str
    at: int
    size: int
    kind: str
    """As :func:`~amparo.evidence.signatures.kind_of` says."""


def volumes(blocks: Blocks) -> Iterator[Volume | Warn]:
    """The volumes of a disk in their order on it; a disk without partitions is one volume.

    A partition that the image does not hold, or not wholly, is a Warn.
    """
    kind = kind_of(blocks.read(0, HEAD))
    if kind:
        yield _inside(blocks, Volume("", 0, blocks.size, kind))
        return
    try:
        table = pytsk3.Volume_Info(Image(blocks))
        sector = int(table.info.block_size)
        parts = [(int(p.start), int(p.len)) for p in table if int(p.flags) & 1]
    except (OSError, RuntimeError):  # no table of any known kind, or none that can be read
        yield Volume("", 0, blocks.size, "")
        return
    for number, (start, length) in enumerate(parts, 1):
        at, size = start * sector, length * sector
        if at >= blocks.size:
            yield Warn(f"partition {number} begins at byte {at}, beyond the end of the image")
            continue
        if at + size > blocks.size:
            missing = at + size - blocks.size
            yield Warn(f"partition {number}: its last {missing} bytes are not in the image")
        yield _inside(blocks, Volume(f"p{number}", at, size, kind_of(blocks.read(at, HEAD))))


def _inside(blocks: Blocks, volume: Volume) -> Volume:
    """What an opened volume holds, every other volume as it is."""
    inner = blocks.inner(volume.at) if isinstance(blocks, Unlocked) else None
    if inner is None:
        return volume
    at, size = inner
    return Volume(volume.name, at, size, kind_of(blocks.read(at, HEAD)))


class Image(pytsk3.Img_Info):  # type: ignore[misc]
    """Bytes of a disk as The Sleuth Kit wants them, from ``at`` on."""

    def __init__(self, blocks: Blocks, at: int = 0) -> None:
        self._blocks = blocks
        self._from = at
        super().__init__(url="", type=pytsk3.TSK_IMG_TYPE_EXTERNAL)

    def close(self) -> None:
        """The descriptors belong to the cell."""

    def read(self, at: int, size: int) -> bytes:
        """Bytes at a place; what is damaged reads as an error there."""
        try:
            return self._blocks.read(self._from + at, size)
        except ValueError as error:
            raise OSError(str(error)) from error

    def get_size(self) -> int:
        """In bytes."""
        return self._blocks.size - self._from
