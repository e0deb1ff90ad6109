"""Which form an exhibit was handed over in, by its first and last bytes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from amparo.evidence import signatures
from amparo.kit.mime import HEAD, sniff
from amparo.model import path_text

IMAGES = ("raw", "ewf", "vmdk", "vhd", "qcow", "dmg")
"""Forms of block images."""
UNWRAPPED = ("tar.gz", "ab")
"""Forms that hold a tar under one layer, taken off once."""
_ZIPPED_TYPES = ("application/vnd.", "application/java-archive", "application/epub")
_IMAGES_BY_HEAD: tuple[tuple[bytes, str], ...] = (
    (b"EVF\x09\x0d\x0a\xff\x00", "ewf"),
    (b"EVF2\x0d\x0a\x81\x00", "ewf"),
    (b"QFI\xfb", "qcow"),
    (b"KDMV", "vmdk"),
    (b"COWD", "vmdk"),
    (b"# Disk DescriptorFile", "vmdk"),
    (b"conectix", "vhd"),
    (b"vhdxfile", "vhd"),
)
_REFUSED: tuple[tuple[bytes, str], ...] = (
    (b"LVF\x09\x0d\x0a\xff\x00", "EnCase logical evidence (L01), which is not read"),
    (b"LEF2\x0d\x0a\x81\x00", "EnCase logical evidence (Lx01), which is not read"),
    (b"encrcdsa", "an encrypted DMG: hand it in unlocked"),
    (b"ADSEGMENTEDFILE", "an AD1 image, which is not read"),
    (b"Rar!\x1a\x07", "a RAR archive: hand in the folder it lies in, and it is opened there"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: hand in the folder it lies in, and it is opened there"),
)
_RAW_NAMES = (".dd", ".raw", ".img", ".000", ".001", ".aa")
"""A disk without any signature (wiped, wholly encrypted) is believed its name."""


def form_of(path: Path) -> str:
    """``folder``, ``zip``, ``tar`` and so on, as :class:`~amparo.model.Exhibit` names it.

    Any gzip file is taken for ``tar.gz``: what is inside shows when a cell unwraps it
    (:func:`amparo.evidence.unwrap.unwrap` refuses what is no tar). Raises ValueError, with one line for
    people, for anything else, and OSError when it cannot be read.
    """
    shown = path_text(os.fsencode(path))
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        return "itunes" if _is_backup(path) else "folder"
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{shown}: neither a folder nor a file")
    with open(path, "rb") as file:
        head = file.read(signatures.HEAD)
        file.seek(max(0, status.st_size - 66_000))
        tail = file.read()
    mime = sniff(head[:HEAD], status.st_size)
    for lead, reason in _REFUSED:
        if head.startswith(lead):
            raise ValueError(f"{shown}: {reason}")
    for lead, form in _IMAGES_BY_HEAD:
        if head.startswith(lead):
            return form
    if head[:2] == b"PK" and (mime == "application/zip" or mime.startswith(_ZIPPED_TYPES)):
        return "zip"
    if mime == "application/x-tar":
        return "tar"
    if mime == "application/gzip":
        return "tar.gz"
    if mime == "application/x-android-backup":
        return "ab"
    if tail[-512:-508] == b"koly":
        return "dmg"
    if tail[-512:-504] == b"conectix" or tail[-511:-503] == b"conectix":
        return "vhd"
    if signatures.looks_like_disk(head):
        return "raw"
    if b"PK\x05\x06" in tail and b"PK\x01\x02" in tail:
        return "zip"
    if not status.st_size:
        raise ValueError(f"{shown}: is empty")
    if path.suffix.lower() in _RAW_NAMES:
        return "raw"
    raise ValueError(
        f"{shown}: {mime}, but an exhibit is a folder, zip, tar, disk image, or backup of a phone"
    )


def _is_backup(folder: Path) -> bool:
    """Whether a folder is what iTunes or Finder writes for one device."""
    return all((folder / name).is_file() for name in ("Manifest.db", "Manifest.plist"))
