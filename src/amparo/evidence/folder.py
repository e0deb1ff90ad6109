"""What a folder handed over as an exhibit holds: every entry listed, every file read twice and hashed.

The host does this itself: it lists and reads but never interprets a byte beyond its leading signature.
Nothing is followed out of the folder: every step is an ``openat`` of one name without symlinks.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Lock, local

from amparo.kit.mime import HEAD, sniff
from amparo.model import Content, File, Id, Problem, make_id, path_bytes, path_text

PLUGIN = "evidence/folder"
BLOCK = 1 << 20
HELD = 8 << 20
"""Two readings of a file up to this many bytes are held and compared; of a larger one, their SHA-256."""
READINGS = 5
"""After this many readings of which no two in a row agreed, a file is given up."""
DEEPEST = 2048
"""Folders nested deeper are named as a problem and not entered."""

Progress = Callable[[int, int], None]
"""Called with (files finished, bytes read) since the last call; never twice at once."""

_OWN = local()  # each thread's blocks of memory

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_SPECIAL = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}


def walk(root: Path, exhibit: Id) -> Iterator[File | Problem]:
    """Every entry below ``root`` in a repeatable order (files before subfolders, both by name bytes).

    Files come without content; symlinks are noted with their target and never followed; pipes, sockets,
    devices and what cannot be listed become Problems. Raises OSError when ``root`` itself cannot be opened.
    """
    base = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        waiting: list[tuple[bytes, ...]] = [()]
        while waiting:
            parts = waiting.pop()
            folders: list[tuple[bytes, ...]] = []
            try:
                fd = _enter(base, parts)
            except OSError as error:
                yield _problem(exhibit, b"/".join(parts), f"folder not listed: {_why(error)}")
                continue
            try:
                yield from _list(fd, parts, exhibit, folders)
            finally:
                os.close(fd)
            waiting += reversed(folders)
    finally:
        os.close(base)


def _list(
    fd: int, parts: tuple[bytes, ...], exhibit: Id, folders: list[tuple[bytes, ...]]
) -> Iterator[File | Problem]:
    """The entries of one open folder; its subfolders are added to ``folders``."""
    try:
        with os.scandir(fd) as entries:
            names = sorted(os.fsencode(entry.name) for entry in entries)
    except OSError as error:
        yield _problem(exhibit, b"/".join(parts), f"folder not listed: {_why(error)}")
        return
    for name in names:
        inner = (*parts, name)
        path = b"/".join(inner)
        try:
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            kind = stat.S_IFMT(status.st_mode)
            target = os.readlink(name, dir_fd=fd) if kind == stat.S_IFLNK else b""
        except OSError as error:
            yield _problem(exhibit, path, f"entry not read: {_why(error)}")
            continue
        modified = status.st_mtime_ns // 1_000_000
        if kind == stat.S_IFDIR:
            if len(inner) > DEEPEST:
                yield _problem(exhibit, path, f"folder not listed: nested over {DEEPEST} deep")
            else:
                folders.append(inner)
        elif kind == stat.S_IFLNK:
            yield File(
                exhibit=exhibit,
                path=path_text(path),
                entry="symlink",
                size=status.st_size,
                modified=modified,
                locator=json.dumps({"target": path_text(target)}),
            )
        elif kind == stat.S_IFREG:
            yield File(
                exhibit=exhibit, path=path_text(path), size=status.st_size, modified=modified
            )
        else:
            yield _problem(exhibit, path, f"{_SPECIAL.get(kind, 'a special file')}: not read")


def _enter(base: int, parts: tuple[bytes, ...]) -> int:
    """A descriptor of the folder ``parts`` below ``base``, one name at a time, no symlinks."""
    fd = os.dup(base)
    for part in parts:
        try:
            inner = os.open(part, _DIRECTORY, dir_fd=fd)
        finally:
            os.close(fd)
        fd = inner
    return fd


def open_file(root: Path, path: str) -> int:
    """A read-only descriptor of a regular file of the exhibit (``path`` as in File records).

    Raises PermissionError for a path that would leave the root and OSError for anything that is not a
    regular file reached without symlinks. The access time stays where the system allows it.
    """
    parts = tuple(path_bytes(path).split(b"/"))
    if any(part in (b"", b".", b"..") or b"\0" in part for part in parts):
        raise PermissionError(f"{path}: not a path inside the exhibit")
    base = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        folder = _enter(base, parts[:-1])
    finally:
        os.close(base)
    try:
        # Looked at first, because only opening a device can already do something to it.
        if not stat.S_ISREG(os.stat(parts[-1], dir_fd=folder, follow_symlinks=False).st_mode):
            raise OSError(f"{path}: not a regular file")
        try:
            fd = os.open(parts[-1], _FILE | os.O_NOATIME, dir_fd=folder)
        except PermissionError:
            fd = os.open(parts[-1], _FILE, dir_fd=folder)
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(f"{path}: not a regular file")
    return fd


def intake(root: Path, exhibit: Id, progress: Progress) -> Iterator[File | Content | Problem]:
    """Every entry below ``root`` with the hashes of its bytes, taken when two readings agreed.

    Order is that of :func:`walk`; memory is bounded by a few blocks per core and a short queue.
    """
    workers = min(8, 2 * (os.cpu_count() or 1))  # the medium is waited for while others hash
    turn = Lock()

    def report(files: int, size: int) -> None:
        with turn:
            progress(files, size)

    queue: deque[Future[list[File | Content | Problem]] | File | Problem] = deque()
    with ThreadPoolExecutor(workers, "intake") as pool:
        try:
            for entry in walk(root, exhibit):
                if isinstance(entry, File) and entry.entry == "file":
                    queue.append(pool.submit(_take, root, entry, report))
                else:
                    queue.append(entry)
                if len(queue) > workers * 16:
                    yield from _finished(queue.popleft())
            while queue:
                yield from _finished(queue.popleft())
        finally:
            pool.shutdown(cancel_futures=True)


def _finished(
    entry: Future[list[File | Content | Problem]] | File | Problem,
) -> list[File | Content | Problem]:
    return entry.result() if isinstance(entry, Future) else [entry]


def _take(root: Path, file: File, progress: Progress) -> list[File | Content | Problem]:
    """One file with its content, or with a Problem and no content."""
    path = path_bytes(file.path)
    try:
        fd = open_file(root, file.path)
    except OSError as error:
        progress(1, 0)
        return [file, _problem(file.exhibit, path, f"not opened: {_why(error)}")]
    try:
        content, _ = _agree(fd, progress)
    except OSError as error:
        return [file, _problem(file.exhibit, path, f"not read: {_why(error)}")]
    finally:
        os.close(fd)
        progress(1, 0)
    if content is None:
        reason = (
            f"two readings never agreed in {READINGS}: the file is changing or its medium fails"
        )
        return [file, _problem(file.exhibit, path, reason)]
    return [replace(file, size=content.size, content=content.id), content]


def hash_container(path: Path, progress: Progress) -> tuple[str, int, int]:
    """SHA-256, size in bytes and number of readings of a container file, when two readings agreed.

    Raises ValueError when no two readings in a row agreed and OSError when it cannot be read.
    """
    return hash_pieces([path], progress)


def hash_pieces(paths: Sequence[Path], progress: Progress) -> tuple[str, int, int]:
    """:func:`hash_container` over several files as if they were one, in the order given."""
    before = ""
    for reading in range(1, READINGS + 1):
        sha256, size = hashlib.sha256(), 0
        for path in paths:
            size += _hash_piece(path, sha256, progress)
        if sha256.hexdigest() == before:
            return before, size, reading
        before = sha256.hexdigest()
    raise ValueError(f"{paths[0]}: two readings never agreed in {READINGS}")


def _hash_piece(path: Path, sha256: hashlib._Hash, progress: Progress) -> int:
    """Feed one file to the hash and drop it from the page cache; its size in bytes."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOATIME)
    except PermissionError:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(f"{path}: not a regular file")
        size = _read(fd, [sha256], bytearray(), progress)
        _forget(fd)
    finally:
        os.close(fd)
    return size


def _agree(fd: int, progress: Progress) -> tuple[Content | None, int]:
    """The content of a file when two readings in a row agreed, and how many readings it took."""
    if os.fstat(fd).st_size <= HELD:
        with contextlib.suppress(_TooLarge):
            return _agree_held(fd, progress)
    return _agree_hashed(fd, progress)


class _TooLarge(Exception):
    """A file grew beyond what is held while it was read."""


def _agree_held(fd: int, progress: Progress) -> tuple[Content | None, int]:
    """:func:`_agree` byte by byte: only what agreed is hashed, and that once."""
    if not hasattr(_OWN, "held"):
        _OWN.held = (bytearray(HELD + 1), bytearray(HELD + 1))
    now, before = _OWN.held
    last = -1
    for reading in range(1, READINGS + 1):
        data = memoryview(now)[: _fill(fd, now, progress)]
        if len(data) == last and before.startswith(data):
            hashes = _hashes()
            for one in hashes:
                one.update(data)
            return _content(hashes, bytes(data[:HEAD]), last), reading
        now, before, last = before, now, len(data)
        _forget(fd)
    return None, READINGS


def _fill(fd: int, into: bytearray, progress: Progress) -> int:
    """Read a whole file into memory; its size in bytes. Raises _TooLarge when it is more than HELD."""
    size, view = 0, memoryview(into)
    while count := os.preadv(fd, [view[size:]], size):
        size += count
        progress(0, count)
    if size > HELD:
        raise _TooLarge
    return size


def _agree_hashed(fd: int, progress: Progress) -> tuple[Content | None, int]:
    """:func:`_agree` for a file of any size; of the second reading only the SHA-256 is taken."""
    before: tuple[str, Content | None] = ("", None)
    for reading in range(1, READINGS + 1):
        head = bytearray()
        if reading == 2:
            sha256 = hashlib.sha256()
            _read(fd, [sha256], head, progress)
            if sha256.hexdigest() == before[0]:
                return before[1], reading
            before = (sha256.hexdigest(), None)
        else:
            hashes = _hashes()
            size = _read(fd, hashes, head, progress)
            content = _content(hashes, bytes(head), size)
            if content.sha256 == before[0]:
                return content, reading
            before = (content.sha256, content)
        _forget(fd)
    return None, READINGS


def _hashes() -> list[hashlib._Hash]:
    """SHA-256, SHA-1 and MD5."""
    return [
        hashlib.sha256(),
        hashlib.sha1(usedforsecurity=False),
        hashlib.md5(usedforsecurity=False),
    ]


def _content(hashes: list[hashlib._Hash], head: bytes, size: int) -> Content:
    sha256, sha1, md5 = (one.hexdigest() for one in hashes)
    return Content(sha256=sha256, sha1=sha1, md5=md5, size=size, mime=sniff(head, size))


def _read(fd: int, hashes: list[hashlib._Hash], head: bytearray, progress: Progress) -> int:
    """Feed a whole file to the hashes in blocks and its beginning to ``head``; its size in bytes."""
    size, most = 0, os.fstat(fd).st_size + (64 << 20)
    if not hasattr(_OWN, "buffer"):
        _OWN.buffer = memoryview(bytearray(BLOCK))
    buffer = _OWN.buffer
    while count := os.preadv(fd, [buffer], size):
        for one in hashes:
            one.update(buffer[:count])
        if len(head) < HEAD:
            head += buffer[: min(count, HEAD - len(head))]
        size += count
        if size > most:
            raise OSError("grew without end while it was read")
        progress(0, count)
    return size


def _forget(fd: int) -> None:
    """Drop the file from the page cache, so that the next reading comes from the medium."""
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def _why(error: OSError) -> str:
    return error.strerror or str(error)


def _problem(exhibit: Id, path: bytes, reason: str) -> Problem:
    return Problem(
        stage="evidence",
        plugin=PLUGIN,
        subject=make_id("file", exhibit, path_text(path), 0, "live"),
        exhibit=exhibit,
        path=path_text(path),
        reason=reason,
    )
