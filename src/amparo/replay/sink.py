"""Where an exhibit's files go: a folder, a zip or a tar.gz, each byte-identical on every run."""

import datetime as dt
import gzip
import io
import os
import shutil
import tarfile
import zipfile
from pathlib import Path
from types import TracebackType
from typing import Self

_ZIP_FLOOR = dt.datetime(1980, 1, 1)


class Folder:
    """Plain files, with modification times from the operation's clock (ms)."""

    suffix = ""

    def __init__(self, path: Path, closed_ms: int) -> None:
        self.path, self.closed_ms = path, closed_ms
        self._folders: set[Path] = set()
        path.mkdir(parents=True)

    def put(self, name: str, data: bytes, at_ms: int) -> None:
        """Write one file; `name` is relative with forward slashes."""
        target = self.path / name
        if target.parent not in self._folders:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._folders.add(target.parent)
        target.write_bytes(data)
        os.utime(target, ns=(at_ms * 1_000_000, at_ms * 1_000_000))

    def close(self) -> None:
        """Date the folders: all at the moment of seizure."""
        when = (self.closed_ms * 1_000_000, self.closed_ms * 1_000_000)
        for folder, _, _ in os.walk(self.path, topdown=False):
            os.utime(folder, ns=when)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _e: BaseException | None,
                 _t: TracebackType | None) -> None:  # fmt: skip
        if kind is None:
            self.close()


class Zip(Folder):
    """One stored (uncompressed) zip; times are UTC at two-second resolution, as the format has."""

    suffix = ".zip"

    def __init__(self, path: Path, closed_ms: int) -> None:
        self.path, self.closed_ms = path, closed_ms
        path.parent.mkdir(parents=True, exist_ok=True)
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_STORED)

    def put(self, name: str, data: bytes, at_ms: int) -> None:
        """Add one member."""
        when = max(_ZIP_FLOOR, dt.datetime(1970, 1, 1) + dt.timedelta(milliseconds=at_ms))
        info = zipfile.ZipInfo(name, when.timetuple()[:6])
        info.external_attr, info.create_system = 0o100644 << 16, 3
        self._zip.writestr(info, data)

    def close(self) -> None:
        """Finish the archive and date it."""
        self._zip.close()
        os.utime(self.path, ns=(self.closed_ms * 1_000_000, self.closed_ms * 1_000_000))


class TarGz(Folder):
    """One gzip-compressed tar without names or times of now."""

    suffix = ".tar.gz"

    def __init__(self, path: Path, closed_ms: int) -> None:
        self.path, self.closed_ms = path, closed_ms
        path.parent.mkdir(parents=True, exist_ok=True)
        self._raw = path.open("wb")
        self._gzip = gzip.GzipFile("", "wb", 1, self._raw, mtime=0)
        self._tar = tarfile.TarFile(fileobj=self._gzip, mode="w", format=tarfile.PAX_FORMAT)

    def put(self, name: str, data: bytes, at_ms: int) -> None:
        """Add one member."""
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode = len(data), at_ms // 1000, 0o644
        self._tar.addfile(info, io.BytesIO(data))

    def close(self) -> None:
        """Finish the archive and date it."""
        self._tar.close()
        self._gzip.close()
        self._raw.close()
        os.utime(self.path, ns=(self.closed_ms * 1_000_000, self.closed_ms * 1_000_000))


SINKS: dict[str, type[Folder]] = {"folder": Folder, "zip": Zip, "tar.gz": TarGz}


def discard(path: Path) -> None:
    """Remove a half-written exhibit, whatever it is."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
