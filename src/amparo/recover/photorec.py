"""PhotoRec, if it is installed, as a second carver beside our own; never by default.

It is a separate program (GPL) and reads hostile bytes outside a cell, so it gets no network where the
system allows that, and limits on memory, time and output. Only its report is taken over: which ranges of
the image it holds for a file. What it wrote is thrown away, and the bytes are read from the evidence.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, iterparse

from amparo.recover.files import Carved
from amparo.recover.spans import Range

FAMILIES = ("jpg", "png", "gif", "riff", "mov", "ogg", "amr", "pdf", "zip", "sqlite")
_MEMORY = 4 << 30
_REPORT = 1 << 30
_FILES = 1_000_000
_CONFIDENCE = 0.7
"""Its structure checks are good, but it does not say which of them a file passed."""


def installed() -> str:
    """Where the program is; "" where it is not installed."""
    return shutil.which("photorec") or ""


def command(image: Path, out: Path, free_only: bool = True) -> list[str]:
    """What is run: all families above, over free space or the whole image, fragments included."""
    families = ",".join(f"{name},enable" for name in FAMILIES)
    where = "freespace" if free_only else "wholespace"
    orders = (
        f"partition_none,options,paranoid_bf,fileopt,everything,disable,{families},{where},search"
    )
    return [installed(), "/d", str(out / "r"), "/cmd", str(image), orders]


def fenced(words: list[str], seconds: int, size: int) -> list[str]:
    """The same with limits of memory (bytes), processor time and file size, and no network if possible."""
    limit = shutil.which("prlimit")
    if limit:
        bounds = [f"--as={_MEMORY}", f"--cpu={seconds}", f"--fsize={size}", "--core=0"]
        words = [limit, *bounds, "--", *words]
    apart = shutil.which("unshare")
    tried = apart and subprocess.run(
        [apart, "-rn", "true"], capture_output=True, timeout=30, check=False
    )
    if apart and tried and tried.returncode == 0:
        words = [apart, "-rn", "--", *words]
    return words


def run(
    image: Path, folder: Path, free_only: bool = True, seconds: int = 24 * 3600
) -> list[Carved]:
    """Carve a raw image; ``folder`` needs as much room as what is found, until this returns.

    Raises FileNotFoundError when the program is not installed, RuntimeError when it fails.
    """
    if not installed():
        raise FileNotFoundError("photorec is not installed (package testdisk)")
    image = image.resolve()
    with tempfile.TemporaryDirectory(dir=folder, prefix="photorec-") as made:
        out = Path(made)
        words = fenced(command(image, out, free_only), seconds, image.stat().st_size + (1 << 20))
        done = subprocess.run(
            words,
            cwd=out,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "TERM": "dumb", "HOME": made},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=seconds * 4,
            check=False,
        )
        reports = sorted(out.glob("r.*/report.xml"))
        if not reports:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise RuntimeError(f"photorec left no report: {said[-1] if said else done.returncode}")
        return [one for report in reports for one in read_report(report)]


def read_report(path: Path) -> Iterator[Carved]:
    """The files in a report (DFXML): each with its ranges of the image.

    Raises ValueError for a report that is none; what has no ranges, or such as cannot be, is left out.
    """
    if path.stat().st_size > _REPORT:
        raise ValueError("a report larger than any")
    with path.open("rb") as file:
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
                    raise ValueError("more files than a report may name")
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
    if not ranges or any(at < 0 or length <= 0 for at, length in ranges):
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
    form = name.rpartition(".")[2].lower()
    broken = name.rpartition("/")[2].startswith("b")
    note = "by PhotoRec" + (", which calls it broken" if broken else "")
    sure = _CONFIDENCE if not broken else 0.3
    return Carved(form, tuple(ranges), not broken, sure, note, "photorec")
