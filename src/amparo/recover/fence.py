"""Starts a separate program that reads hostile bytes, with as little within its reach as can be had.

Run as a script of its own, before anything of the program's is: ``fence.py OUT SECONDS SIZE READ… -- WORDS…``.
It may then read the system's programs and what is named READ, write only beneath OUT, and reach no
network. One line on standard output says what was seen to hold; what the program prints goes nowhere. It
imports nothing but the standard library, so that it starts at once and owes nothing to the folder it is in.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import socket
import struct
import sys
from contextlib import suppress

MEMORY = 4 << 30
"""Bytes of address space."""
_FILES = 256
_SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/opt", "/nix/store", "/gnu/store")
_SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/localtime", "/dev/null")
_NEWUSER, _NEWNET, _NEWIPC = 0x10000000, 0x40000000, 0x08000000
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_EXECUTE, _WRITE, _READ, _LIST = 1, 2, 4, 8
_DENIED: tuple[tuple[int, int], ...] = (
    (41, 198), (42, 203), (53, 199),  # socket, connect, socketpair
    (101, 117), (310, 270), (311, 271), (438, 438),  # ptrace, process_vm_*, pidfd_getfd
    (321, 280), (298, 241), (323, 282), (425, 425),  # bpf, perf_event_open, userfaultfd, io_uring
    (250, 219), (248, 217), (249, 218),  # keyctl, add_key, request_key
    (165, 40), (166, 39), (155, 41), (161, 51), (272, 97), (308, 268),  # mount … unshare, setns
    (175, 105), (313, 273), (246, 104), (304, 265),  # modules, kexec_load, open_by_handle_at
)  # fmt: skip
"""System calls that are refused, by their numbers on x86_64 and aarch64."""
_ARCH = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}


def main(words: list[str]) -> int:
    """Lock this process in and become the program; 125 where too little of it holds."""
    out, seconds, size, *rest = words
    split = rest.index("--")
    level = confine(out, rest[:split], rest[split + 1], int(seconds), int(size))
    sys.stdout.write("+".join(level) + "\n")
    sys.stdout.flush()
    if not {"rlimit", "nnp"} <= set(level) or not {"netns", "nosockets"} & set(level):
        return 125
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    program = rest[split + 1 :]
    os.execv(program[0], program)
    return 126


def confine(out: str, read: list[str], program: str, seconds: int, size: int) -> list[str]:
    """What was tried and seen to hold. There is no way back."""
    level = []
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEWUSER | _NEWNET | _NEWIPC) == 0:
        level.append("netns")
    libc.prctl(1, signal.SIGKILL, 0, 0, 0)  # dies with the process that started it
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, size),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _FILES),
    ):
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))
    level.append("rlimit")
    libc.prctl(38, 1, 0, 0, 0)
    if libc.prctl(39, 0, 0, 0, 0) == 1:
        level.append("nnp")
    if version := _landlock(libc, out, read, program):
        level.append(f"landlock{version}")
    if _refuse(libc) and not _connects():
        level.append("nosockets")
    return level


def _landlock(libc: ctypes.CDLL, out: str, read: list[str], program: str) -> int:
    """Programs of the system and ``read`` for reading, ``out`` for all; 0 without Landlock."""
    version = int(libc.syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint(1)))
    if version < 1:
        return 0
    every = (1 << 13) - 1
    every |= (version >= 2) << 13 | (version >= 3) << 14 | (version >= 5) << 15
    tcp, scopes = (3 if version >= 4 else 0), (3 if version >= 6 else 0)
    rules = struct.pack("=QQQ", every, tcp, scopes)
    length = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = libc.syscall(_CREATE, rules[:length], ctypes.c_size_t(length), ctypes.c_uint(0))
    if ruleset < 0:
        return 0
    allowed = [(place, _EXECUTE | _READ | _LIST) for place in _SYSTEM]
    allowed += [(place, _READ | _WRITE) for place in _SYSTEM_FILES]
    allowed += [(place, _READ) for place in read]
    allowed += [(program, _EXECUTE | _READ), (out, every & ~_EXECUTE)]
    for place, access in allowed:
        with suppress(OSError):
            fd = os.open(place, os.O_PATH | os.O_CLOEXEC)
            rule = struct.pack("=Qi", access, fd)
            libc.syscall(_ADD, ruleset, ctypes.c_uint(1), rule, ctypes.c_uint(0))
            os.close(fd)
    refused = libc.syscall(_RESTRICT, ruleset, ctypes.c_uint(0))
    os.close(ruleset)
    return 0 if refused or _opens("/") else version


def _refuse(libc: ctypes.CDLL) -> bool:
    """Put a filter on the process that refuses the calls above."""
    if platform.machine() not in _ARCH:
        return False
    arch, column = _ARCH[platform.machine()]
    steps = [(0x20, 0, 0, 4), (0x15, 1, 0, arch), (0x06, 0, 0, 0x80000000), (0x20, 0, 0, 0)]
    if column == 0:
        steps += [(0x35, 0, 1, 0x40000000), (0x06, 0, 0, 0x80000000)]
    for numbers in _DENIED:
        steps += [(0x15, 0, 1, numbers[column]), (0x06, 0, 0, 0x00050001)]
    steps.append((0x06, 0, 0, 0x7FFF0000))
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    held = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(steps), ctypes.addressof(held))
    return bool(libc.prctl(22, 2, program, 0, 0) == 0)


def _opens(place: str) -> bool:
    """Whether a folder can still be listed."""
    try:
        os.listdir(place)
    except OSError:
        return False
    return True


def _connects() -> bool:
    """Whether a socket can still be made."""
    try:
        socket.socket(socket.AF_INET).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
