"""Locks a process in, for good, and says how far that went.

The level is text such as ``rlimit+nnp+nocaps+landlock7+seccomp+netns+chroot``: only what was tried
*and seen to hold* is named. It is written on every Action. Linux only; elsewhere the level is ``none``.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import socket
import struct
import sys

from amparo.sandbox import seccomp
from amparo.sandbox.wire import Limits

FLOORS = ("none", "rlimit", "seccomp", "landlock")
"""From open to tight; each demands all before it."""

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS, _PR_GET_NO_NEW_PRIVS = 1, 4, 38, 39
_LANDLOCK_CREATE, _LANDLOCK_RESTRICT = 444, 446
_CLONE_NEWUSER, _CLONE_NEWNET, _CLONE_NEWIPC = 0x10000000, 0x40000000, 0x08000000


class FloorError(RuntimeError):
    """Cells cannot be locked in as far as the case demands."""


def rank(level: str) -> int:
    """The place of a level in :data:`FLOORS`."""
    have = level.split("+")
    if not {"rlimit", "nnp"} <= set(have):
        return 0
    if "seccomp" not in have:
        return 1
    return 3 if any(part.startswith("landlock") for part in have) else 2


def check_floor(level: str, floor: str) -> None:
    """Raises FloorError when the level lies below the floor, ValueError for a floor that is none."""
    if floor not in FLOORS:
        raise ValueError(f"no isolation floor {floor!r}: choose from {', '.join(FLOORS)}")
    if rank(level) < FLOORS.index(floor):
        raise FloorError(f"cells reach {level or 'none'} on this machine, the floor is {floor}")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def leave_network() -> bool:
    """Put this process and its children into user, network and IPC namespaces of their own.

    Refused on some systems and once a process has threads; then it is simply not part of the level.
    """
    if sys.platform != "linux":
        return False
    return bool(_libc().unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC) == 0)


def confine(limits: Limits, parent: int, root: int | None, processor: int, more: str = "") -> str:
    """Lock this process in and say how far; there is no way back.

    ``parent`` is the process that this one dies with, ``root`` an empty folder, ``processor``
    seconds of processor time, ``more`` what the parent already has seen to. Modules, codecs and
    descriptors must be at hand before: nothing can be opened afterwards.
    """
    if sys.platform != "linux":
        return "none"
    libc = _libc()
    level = []
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
    taken = _address_space()
    if _enter(root):
        level.append("chroot")
    if libc.capset(struct.pack("=Ii", 0x20080522, 0), bytes(24)) == 0:
        level.append("nocaps")
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    if _limit(limits, taken, processor):
        level.append("rlimit")
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.prctl(_PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1:
        level.append("nnp")
    if (version := _landlock(libc)) and not _opens():
        level.append(f"landlock{version}")
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    if seccomp.install(libc) and not _opens() and not _connects():
        level.append("seccomp")
    return "+".join([*level, more] if more else level) or "none"


def _address_space() -> int:
    """Bytes of address space taken so far."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 1 << 30


def _enter(root: int | None) -> bool:
    """Make the empty folder the root and stand in it."""
    if root is None:
        return False
    try:
        os.fchdir(root)
        os.chroot(".")
    except OSError:
        return False
    finally:
        os.close(root)
    return True


def _limit(limits: Limits, taken: int, processor: int) -> bool:
    memory = taken + limits.memory
    for what, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, limits.files),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(what, (value, value))
    # One second between the two, so that the first is seen as SIGXCPU.
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    if hard == resource.RLIM_INFINITY or hard > processor:
        resource.setrlimit(resource.RLIMIT_CPU, (processor, processor + 1))
    return True


def _landlock(libc: ctypes.CDLL) -> int:
    """Deny every file access, TCP and reaching other domains; the ABI version, 0 without Landlock."""
    version = libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint(1))
    if version < 1:
        return 0
    files = (1 << 13) - 1  # execute to make_sym
    files |= (version >= 2) << 13 | (version >= 3) << 14 | (version >= 5) << 15
    tcp = 3 if version >= 4 else 0  # bind, connect
    scopes = 3 if version >= 6 else 0  # abstract sockets, signals
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    rules = struct.pack("=QQQ", files, tcp, scopes)[:size]
    ruleset = libc.syscall(_LANDLOCK_CREATE, rules, ctypes.c_size_t(size), ctypes.c_uint(0))
    if ruleset < 0:
        return 0
    refused = libc.syscall(_LANDLOCK_RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint(0))
    os.close(ruleset)
    return 0 if refused else int(version)


def _opens() -> bool:
    """Whether a folder can still be opened."""
    try:
        os.close(os.open("/", os.O_RDONLY | os.O_DIRECTORY))
    except OSError:
        return False
    return True


def _connects() -> bool:
    """Whether a socket can still be made."""
    try:
        socket.socket(socket.AF_UNIX).close()
    except OSError:
        return False
    return True
