"""Which form an exhibit was handed over in, by its first bytes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from amparo.kit.mime import HEAD, sniff
from amparo.model import path_text

_ZIPPED_TYPES = ("application/vnd.", "application/java-archive", "application/epub")


def form_of(path: Path) -> str:
    """``folder``, ``zip``, ``tar`` or ``tar.gz``, as :class:`~amparo.model.Exhibit` names it.

    Any gzip file is taken for ``tar.gz``: what is inside shows when a cell unwraps it
    (:func:`amparo.evidence.unwrap.unwrap` refuses what is no tar). Raises ValueError, with one line for
    people, for anything else, and OSError when it cannot be read.
    """
    shown = path_text(os.fsencode(path))
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        return "folder"
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{shown}: neither a folder nor a file")
    with open(path, "rb") as file:
        head = file.read(HEAD)
        file.seek(max(0, status.st_size - 66_000))
        tail = file.read()
    mime = sniff(head, status.st_size)
    if head[:2] == b"PK" and (mime == "application/zip" or mime.startswith(_ZIPPED_TYPES)):
        return "zip"
    if mime == "application/x-tar":
        return "tar"
    if mime == "application/gzip":
        return "tar.gz"
    if b"PK\x05\x06" in tail and b"PK\x01\x02" in tail:
        return "zip"
    if not status.st_size:
        raise ValueError(f"{shown}: is empty")
    raise ValueError(f"{shown}: {mime}, but an exhibit is a folder, zip, tar or tar.gz")
