"""The host's end of the warm parent: starts it, asks it for cells, hears when they end."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgpack

import amparo
from amparo.sandbox import wire
from amparo.sandbox.wire import Limits

START_SECONDS = 300.0
"""For importing all plugins, on a cold disk as well."""
HELLO_SECONDS = 60.0

_BOOT = (
    "import json, sys; a = json.loads(sys.argv[1]); sys.path[:] = a.pop('path'); "
    "from amparo.sandbox.zygote import main; main(**a)"
)
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "MALLOC_TRIM_THRESHOLD_": "67108864",
    "MALLOC_MMAP_THRESHOLD_": "8388608",
    "PATH": "/usr/bin:/bin",
}
"""All the warm parent is started with; emptied again before any cell. A process with threads can
neither leave the network nor be forked safely, so numeric libraries are told to have none, and later
builds of onnxruntime, which would report to their maker from a thread, not to. The C library is to keep for the
next file what the last one used and gave back, but for pieces of more than 8 MiB, which would hold the rest."""


class GuardError(RuntimeError):
    """The guard itself cannot do its work: no warm parent, no cells."""


class Warm:
    """The running warm parent. Raises GuardError when it does not come up."""

    def __init__(self, preload: Sequence[str]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        package = str(Path(amparo.__file__).parent.parent)
        path = [package, *(os.path.abspath(p) for p in sys.path if p)]
        order = {
            "path": list(dict.fromkeys(path)),
            "control": theirs.fileno(),
            "host": os.getpid(),
            "modules": list(preload),
        }
        self.channel = ours
        self._number = 0
        with theirs, tempfile.TemporaryFile() as said:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-X", "utf8", "-c", _BOOT, json.dumps(order)],
                env=_ENVIRONMENT,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
            theirs.close()
            try:
                error = self._ready()
                if error is None:
                    said.seek(0)
                    lines = said.read().decode(errors="replace").strip().splitlines()
                    error = f"it ended: {lines[-1] if lines else 'without a word'}"
                if error:
                    raise GuardError(f"cells cannot start: {error}")
            except BaseException:
                self.close()
                raise

    def _ready(self) -> str | None:
        """ "" when it is up, why not, or None when it is gone."""
        self.channel.settimeout(START_SECONDS)
        try:
            message = self.channel.recv(1 << 16)
        except TimeoutError:
            return f"importing the plugins took longer than {START_SECONDS:.0f} s"
        except OSError:
            return None
        self.channel.setblocking(False)
        return str(msgpack.unpackb(message)[1]) if message else None

    def number(self) -> int:
        """A number no cell had before."""
        self._number += 1
        return self._number

    def cell(self, number: int, limits: Limits, processor: int) -> socket.socket:
        """Ask for a cell; its channel. Raises GuardError when the warm parent is gone."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        order = ["cell", number, limits.memory, limits.files, limits.frame, processor]
        with theirs:
            try:
                socket.send_fds(self.channel, [msgpack.packb(order)], [theirs.fileno()])
            except OSError as e:
                ours.close()
                raise GuardError(f"the cells' warm parent is gone: {e}") from e
        return ours

    def kill(self, number: int) -> None:
        """End a cell at once."""
        with contextlib.suppress(OSError):
            self.channel.send(msgpack.packb(["kill", number]))

    def ended(self) -> list[tuple[int, int]]:
        """Cells gone since last asked: number and exit status, negative for a signal.

        Raises GuardError when the warm parent is gone.
        """
        gone: list[tuple[int, int]] = []
        while True:
            try:
                message = self.channel.recv(4096)
            except BlockingIOError:
                return gone
            except OSError:
                message = b""
            if not message:
                raise GuardError("the cells' warm parent is gone")
            _, number, status = msgpack.unpackb(message)
            gone.append((int(number), int(status)))

    def probe(self) -> str:
        """How far a cell gets locked in on this machine."""
        with self.cell(self.number(), Limits(), 60) as channel:
            channel.settimeout(HELLO_SECONDS)
            frames = wire.FrameReader()
            try:
                while data := channel.recv(4096):
                    for form, body in frames.feed(data):
                        if form == wire.HELLO:
                            return level_of(body)
            except OSError as e:
                raise GuardError(f"a cell did not come up: {e}") from e
        raise GuardError("a cell did not come up")

    def close(self) -> None:
        """End the warm parent, and with it every cell, at once."""
        self._process.kill()
        self._process.wait()
        self.channel.close()


def level_of(body: bytes) -> str:
    """The level in a hello. Raises WireError."""
    level = wire.check_text(body)
    if not re.fullmatch(r"[a-z0-9+]{1,100}", level):
        raise wire.WireError("a level that is none")
    return level
