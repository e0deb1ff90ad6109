"""Opens the encrypted volumes of a disk with the keys at hand; runs in a cell.

What comes out are the volumes' own keys, so that a passphrase is stretched once and not for every file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from amparo.evidence import bitlocker, luks
from amparo.evidence.blocks import Blocks
from amparo.evidence.image import Disk
from amparo.evidence.opened import BITLOCKER, LUKS, Opened, to_place
from amparo.evidence.volumes import Volume, volumes
from amparo.kit.found import Found
from amparo.kit.plugin import Warn
from amparo.kit.source import Source

Read = Callable[[int, int], bytes]
_LONGEST = 8 << 20
"""Bytes of the largest key file (that of cryptsetup)."""


@dataclass(frozen=True)
class Locked:
    """A volume no key at hand opens."""

    volume: Volume
    reason: str
    """"" or why the keys could not all be tried."""


def unlock(source: Source, found: Found) -> Iterator[bytes | Warn]:
    """The keys of those volumes that open: JSON, ``opened`` as in a locator and ``locked``, how many do not."""
    if not isinstance(source, Disk):
        raise TypeError("an image is opened with the reader image:disk")
    secrets = [other.read(_LONGEST) for _, other in sorted(source.companions.items())]
    opened, locked = [], 0
    for thing in unlocked(source.blocks, secrets):
        if isinstance(thing, Opened):
            opened.append(thing)
            continue
        locked += 1
        if thing.reason and secrets:
            yield Warn(f"volume {thing.volume.name or 'without a number'}: {thing.reason}")
    yield json.dumps({"opened": to_place(opened), "locked": locked}).encode()


def unlocked(blocks: Blocks, secrets: Sequence[bytes]) -> Iterator[Opened | Locked]:
    """Each encrypted volume of the disk, opened or not."""
    for volume in volumes(blocks):
        if isinstance(volume, Warn) or volume.kind not in (BITLOCKER, LUKS):
            continue
        try:
            key = _key(volume.kind, reader(blocks, volume), secrets)
        except (ValueError, MemoryError) as error:
            yield Locked(volume, str(error))
            continue
        yield Opened(volume.at, volume.size, volume.kind, key) if key else Locked(volume, "")


def reader(blocks: Blocks, volume: Volume) -> Read:
    """``f(at, size)``: bytes of a volume, none from beyond its end."""
    size = min(volume.size, blocks.size - volume.at)
    return lambda at, want: blocks.read(volume.at + at, min(want, size - at)) if at < size else b""


def _key(kind: str, read: Read, secrets: Sequence[bytes]) -> bytes | None:
    if kind == BITLOCKER:
        said = bitlocker.metadata(read)
        keys = (bitlocker.volume_key(read, said, secret) for secret in (b"", *secrets))
    else:
        header = luks.header(read)
        keys = (luks.volume_key(read, header, secret) for secret in secrets)
    return next((key for key in keys if key), None)
