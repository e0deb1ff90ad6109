"""The system's libarchive, read through a stream; imported by the warm parent, because a cell cannot load it.

So are the two functions it calls back made here, which would need executable memory in a cell. It may be
absent. It reads one archive at a time.
"""

from __future__ import annotations

import ctypes
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

try:
    import libarchive
    from libarchive import ffi
except (ImportError, OSError, TypeError, AttributeError):  # whatever a missing library comes to
    libarchive = None

AVAILABLE = libarchive is not None
PIECE = 1 << 18
_FAILED = -30  # ARCHIVE_FATAL (libarchive, archive.h)

_stream: BinaryIO = io.BytesIO()
_buffer = ctypes.create_string_buffer(PIECE)


def _read(_archive: object, _context: object, place: Any) -> int:
    """What libarchive calls for more."""
    try:
        count = _stream.readinto(_buffer)  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001  C is waiting for an answer
        return -1
    ctypes.cast(place, ctypes.POINTER(ctypes.c_void_p))[0] = ctypes.addressof(_buffer)
    return int(count)


def _seek(_archive: object, _context: object, offset: int, whence: int) -> int:
    """What libarchive calls to go elsewhere."""
    try:
        return _stream.seek(offset, whence)
    except Exception:  # noqa: BLE001  C is waiting for an answer
        return _FAILED


if AVAILABLE:
    _READ, _SEEK = ffi.READ_CALLBACK(_read), ffi.SEEK_CALLBACK(_seek)
    _read_block = ffi.ffi(
        "read_data_block",
        [ffi.c_archive_p, *map(ctypes.POINTER, (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64))],
        ctypes.c_int,
        ffi.check_int,
    )
    _is_encrypted = ffi.ffi("entry_is_encrypted", [ffi.c_archive_entry_p], ctypes.c_int)


@contextmanager
def opened(stream: BinaryIO, *formats: str, filter: str = "none") -> Iterator[Any]:
    """libarchive over a stream, for these forms alone. ValueError in words."""
    global _stream
    _stream = stream
    with libarchive.read.new_archive_read(formats[0], filter) as archive:
        try:
            for name in formats[1:]:
                ffi.get_read_format_function(name)(archive)
            ffi.read_set_seek_callback(archive, _SEEK)
            ffi.read_open(
                archive, None, libarchive.read.NO_OPEN_CB, _READ, libarchive.read.NO_CLOSE_CB
            )
        except libarchive.ArchiveError as error:
            raise ValueError(_words(error)) from error
        yield archive


def next_entry(archive: Any) -> Any:
    """The next entry, None behind the last. ValueError in words."""
    entry = libarchive.entry.ArchiveEntry(archive)
    try:
        ended = ffi.read_next_header2(archive, entry._entry_p) == ffi.ARCHIVE_EOF
    except libarchive.ArchiveError as error:
        raise ValueError(_words(error)) from error
    return None if ended else entry


def data_of(archive: Any) -> Iterator[bytes]:
    """The bytes of the entry at hand, its holes as zeros. ValueError in words where they break off."""
    block, size, at = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_int64()
    came = 0
    while True:
        try:
            status = _read_block(archive, block, size, at)
        except libarchive.ArchiveError as error:
            raise ValueError(_words(error)) from error
        if status == ffi.ARCHIVE_EOF:
            return
        while came < at.value:
            hole = bytes(min(at.value - came, PIECE))
            yield hole
            came += len(hole)
        for begin in range(0, size.value, PIECE):
            yield ctypes.string_at((block.value or 0) + begin, min(PIECE, size.value - begin))
        came += size.value
        if status < 0:  # a warning, such as of a CRC
            raise ValueError(_words(ffi.archive_error(archive, status)))


def _words(error: Any) -> str:
    text = error.msg
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    said = " ".join(str(text or "damaged").split())
    return "encrypted, and not opened" if "crypt" in said.lower() else said


def encrypted(entry: Any) -> bool:
    """Whether the entry's bytes are: what would be read of them is garbage."""
    return bool(_is_encrypted(entry._entry_p))
