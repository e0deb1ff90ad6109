"""PhotoRec, if it is installed, as a second carver beside our own; only where an operator asks for it.

It is a separate program (GPL) on hostile bytes, so it is fenced in (:mod:`amparo.recover.fence`): it sees
nothing but a copy of the bytes it is to search, has no network, and limits on memory, time and output. Only
its report is taken over: which ranges it holds for a file. What it wrote is thrown away, and the bytes are
read from the evidence.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from xml.etree.ElementTree import Element, ParseError, iterparse

from amparo.kit.spans import Range
from amparo.recover import fence
from amparo.recover.files import Carved

FAMILIES = ("jpg", "png", "gif", "riff", "mov", "ogg", "amr", "pdf", "zip", "sqlite")
_FILES = 1_000_000
_CONFIDENCE = 0.7
"""Its structure checks are good, but it does not say which of them a file passed."""
FOLDER = "photorec"
"""Stands in the path of what it found."""
REPORT = "r.1/report.xml"
"""Where in its folder the report lies."""


@dataclass(frozen=True)
class Ran:
    """What came of a run: how far it was fenced in, and what kept it from its end ("" for nothing)."""

    isolation: str
    trouble: str


def installed() -> str:
    """Where the program is; "" where it is not installed."""
    return shutil.which("photorec") or ""


def stamp() -> str:
    """Changes when another program is installed; "" where there is none."""
    if not installed():
        return ""
    about = Path(installed()).stat()
    return f"{installed()} {about.st_size} {about.st_mtime_ns}"


def command(image: Path, out: Path, free_only: bool = True, fragments: bool = False) -> list[str]:
    """What is run: all families above, over free space or the whole image.

    With ``fragments`` it also tries pieces together, which can take it hours on a small disk.
    """
    families = ",".join(f"{name},enable" for name in FAMILIES)
    where = "freespace" if free_only else "wholespace"
    how = "paranoid_bf" if fragments else "paranoid"
    orders = f"partition_none,options,{how},fileopt,everything,disable,{families},{where},search"
    return [installed(), "/d", str(out / "r"), "/cmd", str(image), orders]


def fenced(words: list[str], image: Path, out: Path, seconds: int) -> list[str]:
    """The same inside the fence: it reads ``image``, writes beneath ``out`` and reaches nothing else."""
    size = image.stat().st_size + (64 << 20)
    start = [sys.executable, "-I", fence.__file__, str(out), str(seconds), str(size), str(image)]
    return [*start, "--", *words]


def run(image: Path, out: Path, free_only: bool = True, seconds: int = 24 * 3600) -> Ran:
    """Search a raw image; the report is then :data:`REPORT` in the empty folder ``out``.

    ``out`` needs as much room as what is found. Raises FileNotFoundError when the program is not
    installed, RuntimeError when it cannot be fenced in or leaves no report.
    """
    if not installed():
        raise FileNotFoundError("photorec is not installed (package testdisk)")
    image, out = image.resolve(), out.resolve()
    words = fenced(command(image, out, free_only), image, out, seconds)
    trouble = ""
    with subprocess.Popen(
        words,
        cwd=out,
        env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "TERM": "dumb", "HOME": str(out)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            said, _ = process.communicate(timeout=seconds * 2)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
            trouble = f"stopped after {seconds * 2:,} seconds"
        except BaseException:
            process.kill()
            raise
    level = said.strip()
    if process.returncode == 125:
        raise RuntimeError(f"photorec cannot be fenced in here ({level or 'nothing'} holds)")
    if not (out / REPORT).is_file():
        raise RuntimeError(f"photorec left no report (status {process.returncode})")
    if process.returncode and not trouble:
        trouble = f"ended early (status {process.returncode})"
    return Ran(level, trouble)


def read_report(file: IO[bytes]) -> Iterator[Carved]:
    """The files in a report (DFXML): each with its ranges of what was searched.

    Raises ValueError for a report that is none or breaks off; what has no ranges, or such as cannot be,
    is left out, and so are the small pictures inside photographs (``t…``).
    """
    if b"<!DOCTYPE" in file.read(4096):
        raise ValueError("a report with definitions of its own")
    file.seek(0)
    count = 0
    try:
        for _, element in iterparse(file):
            if _tag(element) != "fileobject":
                continue
            one = _fileobject(element)
            element.clear()
            if one is not None:
                yield one
            count += 1
            if count > _FILES:
                raise ValueError(f"more than {_FILES:,} files: the others are left out")
    except ParseError as error:
        raise ValueError(f"the report breaks off: {error}") from error


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _fileobject(element: Element) -> Carved | None:
    """One file; its last run is told up to the end of a whole buffer, so the stated size cuts it."""
    name, size, ranges = "", -1, list[Range]()
    for inner in element.iter():
        tag = _tag(inner)
        if tag == "filename":
            name = inner.text or ""
        elif tag == "filesize":
            size = _number(inner.text)
        elif tag == "byte_run":
            ranges.append((_number(inner.get("img_offset")), _number(inner.get("len"))))
    if name.startswith("t") or not ranges or any(at < 0 or length <= 0 for at, length in ranges):
        return None
    if size >= 0:
        ranges = _first(ranges, size)
    return _carved(name, ranges) if ranges else None


def _first(ranges: list[Range], size: int) -> list[Range]:
    """As much of some ranges as ``size`` bytes take."""
    out = list[Range]()
    for at, length in ranges:
        if size > 0:
            out.append((at, min(length, size)))
        size -= length
    return out


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 19 else -1


def _carved(name: str, ranges: list[Range]) -> Carved:
    form = "".join(c for c in name.rpartition(".")[2].lower() if c.isalnum())[:8]
    broken = name.rpartition("/")[2].startswith("b")
    sure = _CONFIDENCE if not broken else 0.3
    return Carved(form or "bin", tuple(ranges), not broken, sure, "", "photorec")
