"""The warm parent: has every module at hand, has never seen evidence, and forks cells from itself.

The host and the warm parent speak in small msgpack messages over a packet socket::

    host    ["cell", number, memory, files, frame, processor]  with one descriptor: the cell's channel
    host    ["kill", number]
    parent  ["ready", error]               after the modules are in; error "" when all is well
    parent  ["ended", number, status]      a cell is gone; status as waitpid gives it

It ends with the host, however that ends, and the cells end with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import locale
import os
import pkgutil
import select
import signal
import socket
import sys
import tempfile

import msgpack

from amparo.sandbox import cell, confine, wire
from amparo.sandbox.wire import Limits

CHANNEL, ROOT = 3, 4
"""Descriptors of a cell: its channel, and until it is locked in the folder that becomes its root."""
OFTEN_LATE = (
    "_strptime",
    "amparo.fingerprint.compiled.loops",
    "amparo.kit.sqlite",
    "amparo.kit.unarchive",
    "amparo.recover.formats.entropy_compiled",
    "bz2",
    "calendar",
    "csv",
    "ctypes",
    "decimal",
    "email.parser",
    "email.policy",
    "fractions",
    "gzip",
    "hashlib",
    "json",
    "lzma",
    "plistlib",
    "sqlite3",
    "stringprep",
    "tarfile",
    "unicodedata",
    "xml.etree.ElementTree",
    "xml.parsers.expat",
    "zipfile",
    "zlib",
)
"""What libraries import only when it is needed, which is too late in a cell."""


def main(control: int, host: int, modules: list[str]) -> None:
    """Import, then fork cells on request until the host is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(locale.Error):  # what a name comes to depends on nobody's settings
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    channel = socket.socket(fileno=control)
    watch = os.pidfd_open(host)
    if os.getppid() != host:
        os._exit(0)
    gc.disable()  # nothing of what is imported is ever let go of
    error = _preload(modules)
    root = _empty_folder()
    more = "netns" if confine.leave_network() else ""
    os.environ.clear()
    gc.collect()
    gc.freeze()
    gc.enable()
    channel.send(msgpack.packb(["ready", error]))
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)
    _serve(channel, watch, root, more)


def _preload(modules: list[str]) -> str:
    """Import everything a cell may need; the first failure as one line."""
    for name in [*OFTEN_LATE, *(m.partition(":")[0] for m in modules)]:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as e:
            if name not in OFTEN_LATE:
                return f"{name}: {e}"
        except Exception as e:  # noqa: BLE001  a plugin package may fail in any way; the host refuses
            return f"{name}: {type(e).__name__}: {e}"
    import encodings

    for info in pkgutil.iter_modules(encodings.__path__, "encodings."):
        with contextlib.suppress(ImportError, AttributeError):  # codecs of Windows
            importlib.import_module(info.name)
    if "numpy" in sys.modules:
        for name in ("fft", "linalg", "random"):
            importlib.import_module(f"numpy.{name}")
    if image := sys.modules.get("PIL.Image"):
        image.init()
        if avif := sys.modules.get("PIL.AvifImagePlugin"):
            # A cell has one thread; with more, decoding fails.
            vars(avif)["DEFAULT_MAX_THREADS"] = 1
    if phones := sys.modules.get("phonenumbers"):
        phones.PhoneMetadata.load_all()
    return ""


def _serve(channel: socket.socket, host: int, root: int | None, more: str) -> None:
    cells: dict[int, tuple[int, int]] = {}  # pidfd: (number, pid)
    poll = select.poll()
    for fd in (channel.fileno(), host):
        poll.register(fd, select.POLLIN)
    while True:
        for fd, _ in poll.poll():
            if fd == host:
                os._exit(0)
            if fd in cells:
                poll.unregister(fd)
                os.close(fd)
                _reap(channel, *cells.pop(fd))
            elif fd == channel.fileno():
                message, fds, _, _ = socket.recv_fds(channel, 4096, 1)
                if not message:
                    os._exit(0)
                match msgpack.unpackb(message):
                    case ["cell", number, memory, files, size, processor]:
                        limits = Limits(memory=memory, files=files, frame=size)
                        pid = _fork(fds[0], root, limits, processor, more)
                        os.close(fds[0])
                        pidfd = os.pidfd_open(pid)
                        cells[pidfd] = (number, pid)
                        poll.register(pidfd, select.POLLIN)
                    case ["kill", number]:
                        for n, pid in cells.values():
                            if n == number:
                                _kill(pid)


def _kill(pid: int) -> None:
    """End a cell and, where seccomp did not hinder it from having any, its children."""
    for end in (os.kill, os.killpg):
        with contextlib.suppress(OSError):
            end(pid, signal.SIGKILL)


def _reap(channel: socket.socket, number: int, pid: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    channel.send(msgpack.packb(["ended", number, os.waitstatus_to_exitcode(status)]))


def _empty_folder() -> int | None:
    """A descriptor of a folder that is already removed: nothing is in it or can be put there."""
    try:
        path = tempfile.mkdtemp(prefix="amparo-")
        try:
            return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        finally:
            os.rmdir(path)
    except OSError:
        return None


def _fork(given: int, root: int | None, limits: Limits, processor: int, more: str) -> int:
    """A cell; returns only in the parent."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = 70
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.setsid()
        # Out of the way first: either may have the number the other is to get.
        given = fcntl.fcntl(given, fcntl.F_DUPFD_CLOEXEC, 64)
        if root is not None:
            root = os.dup2(fcntl.fcntl(root, fcntl.F_DUPFD_CLOEXEC, 64), ROOT)
        channel = socket.socket(fileno=os.dup2(given, CHANNEL))
        os.closerange(CHANNEL + 1 if root is None else ROOT + 1, 1 << 20)
        level = confine.confine(limits, parent, root, processor, more)
        channel.sendall(wire.small_frame(wire.HELLO, level))
        cell.work(channel, limits)
        status = 0
    finally:
        # Nothing of the parent's runs here again: no handlers, no buffers, no destructors.
        os._exit(status)
