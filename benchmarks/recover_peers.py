"""Other recoverers of SQLite rows, installed apart and run as programs of their own: sqlite-dissect, xsqlite."""

from __future__ import annotations

import csv
import os
import resource
import shutil
import sqlite3
import subprocess
import venv
from collections.abc import Iterator
from pathlib import Path

SECONDS = 240
_PACKAGES = ("sqlite-dissect==1.0.0", "setuptools<80", "bitstring<4", "modgrammar", "xlsxwriter")
_BIGFLOAT = """
import contextlib
def is_nan(value): return value != value
def is_inf(value): return abs(value) == float("inf")
@contextlib.contextmanager
def precision(bits): yield
class BigFloat:
    def __new__(cls, value): return float(value)
    exact = staticmethod(lambda value, precision=64: float(value))
"""
"""Stands in for the package bigfloat, which xsqlite prints reals with and which rarely builds."""


def environment(folder: Path) -> Path:
    """An environment with sqlite-dissect and what xsqlite needs, from PyPI."""
    home = folder / "peer"
    if not (home / "bin" / "sqlite_dissect").exists():
        venv.create(home, with_pip=True)
        subprocess.run([home / "bin" / "pip", "-q", "install", *_PACKAGES], check=True)
        (home / "bigfloat.py").write_text(_BIGFLOAT, "utf-8")
    return home


def _run(command: list[str | Path], **more: str) -> tuple[float, str]:
    """CPU seconds of a program, and how it ended."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=SECONDS, check=False, env={**os.environ, **more}
        )
        ended = "" if done.returncode == 0 else f"exit {done.returncode}"
    except subprocess.TimeoutExpired:
        ended = "timeout"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, ended


def dissect(home: Path, database: Path, folder: Path) -> tuple[list[list[str]], float, str]:
    """Values of records that sqlite-dissect calls deleted or updated, its CPU seconds, how it ended."""
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    command: list[str | Path] = [home / "bin" / "sqlite_dissect", database]
    command += ["-c", "-f", "-k", "-e", "csv", "-d", out]
    wal = database.with_name(database.name + "-wal")
    journal = database.with_name(database.name + "-journal")
    command += ["-w", wal] if wal.exists() else []
    command += ["-j", journal] if journal.exists() and not wal.exists() else []
    spent, ended = _run(command)
    records = []
    for file in out.rglob("*.csv"):
        if file.stem.endswith(("sqlite_master", "master_schema")):
            continue
        names: list[str] = []
        for line in _lines(file, ","):
            if "File Source" in line:
                names = line
            elif "Added" not in line and any(w in line for w in ("Deleted", "Updated", "Carved")):
                records.append(line[names.index("Row ID") + 1 :] if "Row ID" in names else line)
    return records, spent, ended


def xsqlite(
    home: Path, checkout: Path, database: Path, folder: Path
) -> tuple[list[list[str]], float, str]:
    """Values of records that xsqlite recovers for each table, learning from one live row on."""
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    records = []
    spent, ended = 0.0, ""
    with sqlite3.connect(f"file:{database}?mode=ro&immutable=1", uri=True) as db:
        tables = [n for (n,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
    for number, name in enumerate(tables):
        command: list[str | Path] = [home / "bin" / "python", "-W", "ignore", "-m", "xsqlite"]
        command += ["recover", "--tsv", "--refcount", "1", database, name, out / str(number)]
        seconds, how = _run(command, PYTHONPATH=f"{checkout}{os.pathsep}{home}")
        spent, ended = spent + seconds, ended or how
        found = out / f"{number}_recovered.tsv"
        if found.exists():
            head, *lines = [*_lines(found, "\t")] or [[]]
            first = head.index("rowid") + 1 if "rowid" in head else 0
            records += [line[first:] for line in lines]
    return records, spent, ended


def _lines(file: Path, delimiter: str) -> Iterator[list[str]]:
    csv.field_size_limit(1 << 30)
    with file.open(newline="", encoding="utf-8", errors="replace") as stream:
        yield from csv.reader((line.replace("\0", "") for line in stream), delimiter=delimiter)
