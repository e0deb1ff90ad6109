"""The system calls a cell may make: an allow-list as a classic BPF program.

A cell reads descriptors it was given, takes memory and answers on its channel; that needs few calls.
What is not listed fails with EPERM. What no honest plugin tries ends the cell at once (SIGSYS), so an
attempt is seen. Numbers: Linux ``unistd_64.h`` (x86_64) and ``asm-generic/unistd.h`` (aarch64).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

# name: (x86_64, aarch64); None where the architecture lacks it.
ALLOW: dict[str, tuple[int | None, int | None]] = {
    "read": (0, 63),
    "pread64": (17, 67),
    "lseek": (8, 62),
    "write": (1, 64),
    "sendto": (44, 206),
    "recvfrom": (45, 207),
    "recvmsg": (47, 212),
    "munmap": (11, 215),
    "brk": (12, 214),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "futex": (202, 98),
    "fstat": (5, 80),
    "close": (3, 57),
    "dup": (32, 23),
    "readv": (19, 65),
    "preadv": (295, 69),
    "preadv2": (327, 286),
    "writev": (20, 66),
    "poll": (7, None),
    "ppoll": (271, 73),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101),
    "gettimeofday": (96, 169),
    "time": (201, None),
    "times": (100, 153),
    "getrusage": (98, 165),
    "getrandom": (318, 278),
    "getpid": (39, 172),
    "getppid": (110, 173),
    "gettid": (186, 178),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "uname": (63, 160),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "membarrier": (324, 283),
    "rseq": (334, 293),
    "set_robust_list": (273, 99),
    "restart_syscall": (219, 128),
    "sigaltstack": (131, 132),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "exit": (60, 93),
    "exit_group": (231, 94),
}
KILL: dict[str, tuple[int | None, int | None]] = {
    "execve": (59, 221),
    "execveat": (322, 281),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "io_uring_setup": (425, 425),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "kexec_load": (246, 104),
    "open_by_handle_at": (304, 265),
    "setuid": (105, 146),
    "setgid": (106, 144),
    "capset": (126, 91),
}
# Allowed only with these arguments.
MMAP, MPROTECT, FCNTL = (9, 222), (10, 226), (72, 25)
NEWFSTATAT, TGKILL, PRLIMIT64, CLONE3 = (262, 79), (234, 131), (302, 261), (435, 435)

_ARCH = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_LOAD, _JEQ, _JGE, _JSET, _RET = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOWED, _KILLED, _DENIED = 0x7FFF0000, 0x80000000, 0x00050000
_NR, _ARCH_AT = 0, 4
_PROT_EXEC, _AT_EMPTY_PATH = 4, 0x1000
_FCNTL_COMMANDS = (1, 2, 3, 1030)
"""F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC: no locks, leases or owners on evidence."""

Step = tuple[int, int, int, int]


def _argument(n: int) -> int:
    """Offset of the low half of argument ``n`` in struct seccomp_data (little-endian machines)."""
    return 16 + 8 * n


def program(machine: str, pid: int) -> bytes | None:
    """The filter for a process of this id as ``struct sock_filter[]``; None for a foreign machine."""
    if machine not in _ARCH:
        return None
    arch, column = _ARCH[machine]
    denied = _DENIED | errno.EPERM
    steps: list[Step] = [
        (_LOAD, 0, 0, _ARCH_AT),
        (_JEQ, 1, 0, arch),
        (_RET, 0, 0, _KILLED),
        (_LOAD, 0, 0, _NR),
    ]
    if machine == "x86_64":  # the x32 calls share the architecture's number
        steps += [(_JGE, 0, 1, 0x40000000), (_RET, 0, 0, _KILLED)]
    for table, answer in ((ALLOW, _ALLOWED), (KILL, _KILLED)):
        for numbers in table.values():
            if (number := numbers[column]) is not None:
                steps += [(_JEQ, 0, 1, number), (_RET, 0, 0, answer)]

    def when(number: int, tests: list[Step]) -> None:
        """Allowed when ``tests`` run to their end; a failing test jumps behind it."""
        nonlocal steps
        steps += [(_JEQ, 0, len(tests) + 2, number), *tests]
        steps += [(_RET, 0, 0, _ALLOWED), (_RET, 0, 0, denied)]

    for call in (MMAP, MPROTECT):
        when(call[column], [(_LOAD, 0, 0, _argument(2)), (_JSET, 1, 0, _PROT_EXEC)])
    when(NEWFSTATAT[column], [(_LOAD, 0, 0, _argument(3)), (_JEQ, 0, 1, _AT_EMPTY_PATH)])
    when(TGKILL[column], [(_LOAD, 0, 0, _argument(0)), (_JEQ, 0, 1, pid)])
    # Asking for limits is harmless, setting them (a third argument) is not.
    halves = [_argument(2), _argument(2) + 4]
    tests = [(_LOAD, 0, 0, halves[0]), (_JEQ, 0, 3, 0), (_LOAD, 0, 0, halves[1]), (_JEQ, 0, 1, 0)]
    when(PRLIMIT64[column], tests)
    commands = _FCNTL_COMMANDS
    asks = [(_JEQ, len(commands) - 1 - i, 0, c) for i, c in enumerate(commands[:-1])]
    when(
        FCNTL[column],
        [(_LOAD, 0, 0, _argument(1)), *asks, (_JEQ, 0, 1, commands[-1])],
    )
    # Without clone3 the C library tries clone, which is denied.
    steps += [(_JEQ, 0, 1, CLONE3[column]), (_RET, 0, 0, _DENIED | errno.ENOSYS)]
    steps.append((_RET, 0, 0, denied))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def install(libc: ctypes.CDLL) -> bool:
    """Put the filter on this process for good; False where the kernel or machine has none."""
    code = program(platform.machine(), os.getpid())
    if code is None:
        return False
    held = ctypes.create_string_buffer(code, len(code))
    whole = _Program(len(code) // 8, ctypes.addressof(held))
    pr_set_seccomp, mode_filter = 22, 2
    return bool(libc.prctl(pr_set_seccomp, mode_filter, ctypes.byref(whole), 0, 0) == 0)
