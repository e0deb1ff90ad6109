"""Which files make up one image handed over in several pieces, by the naming its tools keep to.

The host does this: it looks at names, never into the files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase

_FARTHEST = 15_000
"""So many names are looked for behind a gap: all there can be of an E01."""
_NUMBERED = re.compile(r"\.(\d{3,5})\Z")
_EWF = re.compile(r"\.(([EeSs])(x?))(01)\Z")
_LATER_EWF = re.compile(r"(\.[EeSs]x?)(0[2-9]|[1-9]\d|[A-Za-z]{2})\Z")


def segments(path: Path, form: str) -> list[Path]:
    """All files of the image that begins with ``path``, in order; just ``path`` for most.

    Raises ValueError when ``path`` is a later piece, or when a piece between others is missing.
    """
    if form == "raw":
        return _raw(path)
    if form == "ewf":
        return _ewf(path)
    if form == "vmdk":
        return _vmdk(path)
    return [path]


def _raw(path: Path) -> list[Path]:
    found = _NUMBERED.search(path.name)
    if found:
        width, stem = len(found[1]), path.name[: found.start()]
        number = int(found[1])
        if any(
            path.with_name(f"{stem}.{n:0{width}d}").exists()
            for n in (0, 1, number - 1)
            if n < number
        ):
            raise ValueError(f"{path.name} is a later piece of an image: hand in its first")
        if number > 1:  # a date, say, and no count
            return [path]
        names = (f"{stem}.{n:0{width}d}" for n in count(number + 1))
        return [path, *_existing(path, names)]
    if path.suffix in (".aa", ".aaa"):
        letters = len(path.suffix) - 1
        endings = ("".join(_letters(n, letters)) for n in range(1, 26**letters))
        return [path, *_existing(path, (f"{path.stem}.{end}" for end in endings))]
    return [path]


def _letters(number: int, width: int) -> Iterator[str]:
    for place in reversed(range(width)):
        yield ascii_lowercase[number // 26**place % 26]


def _ewf(path: Path) -> list[Path]:
    later = _LATER_EWF.search(path.name)
    if later and (
        later[2].isdigit() or path.with_name(f"{path.name[: later.start()]}{later[1]}01").exists()
    ):
        raise ValueError(f"{path.name} is a later piece of an image: hand in its first")
    found = _EWF.search(path.name)
    if not found:
        return [path]
    stem, lead, wide = path.name[: found.start()], found[2], found[3]
    return [path, *_existing(path, (f"{stem}.{end}" for end in _ewf_endings(lead, wide)))]


def _ewf_endings(lead: str, wide: str) -> Iterator[str]:
    """E02 … E99, EAA … EZZ, FAA … ZZZ (EWF specification, segment file extensions)."""
    for number in range(2, 100):
        yield f"{lead}{wide}{number:02d}"
    alphabet = ascii_lowercase if lead.islower() else ascii_uppercase
    for first in alphabet[alphabet.index(lead) :]:
        for second in alphabet:
            for third in alphabet:
                yield f"{first}{wide}{second}{third}"


def _vmdk(path: Path) -> list[Path]:
    """A descriptor alone is text and names extents; beside it they are called after it."""
    with path.open("rb") as file:
        if not file.read(32).lstrip(b"\xef\xbb\xbf").startswith(b"# Disk Desc"):
            return [path]
    for pattern in ("-flat", "-delta"):
        extent = path.with_name(f"{path.stem}{pattern}{path.suffix}")
        if extent.exists():
            return [path, extent]
    for letter in "sf":
        names = (f"{path.stem}-{letter}{n:03d}{path.suffix}" for n in count(1))
        if extents := list(_existing(path, names)):
            return [path, *extents]
    return [path]


def _existing(path: Path, names: Iterator[str]) -> Iterator[Path]:
    """As many as are there; ValueError, with the name of the missing one, where they go on behind a gap."""
    there = {p.name for p in path.parent.iterdir()}
    for name in names:
        if name not in there:
            break
        yield path.with_name(name)
    else:
        return
    further = set(islice(names, _FARTHEST)) & there
    if further:
        raise ValueError(f"{name} is missing: of the same image {min(further)} is there")
