"""The filter of system calls, run on paper for both machines, and the ladder of levels."""

import errno
import platform
import struct

import pytest

from amparo.sandbox import seccomp
from amparo.sandbox.confine import FloorError, check_floor, rank

ALLOWED, KILLED, EPERM = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM
ENOSYS = 0x00050000 | errno.ENOSYS
PID = 4711
ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
COLUMN = {"x86_64": 0, "aarch64": 1}


def verdict(machine: str, number: int, *arguments: int, arch: int | None = None) -> int:
    """What the filter says: classic BPF over ``struct seccomp_data``, as the kernel runs it."""
    code = seccomp.program(machine, PID)
    assert code is not None
    steps = list(struct.iter_unpack("=HBBI", code))
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    arch = ARCH[machine] if arch is None else arch
    data = struct.pack("<iIQ6Q", number, arch, 0, *padded)
    at = value = 0
    while True:
        operation, true, false, k = steps[at]
        at += 1
        if operation == 0x20:
            (value,) = struct.unpack_from("<I", data, k)
        elif operation == 0x06:
            return int(k)
        else:
            holds = {0x15: value == k, 0x35: value >= k, 0x45: bool(value & k)}[operation]
            at += true if holds else false


@pytest.mark.parametrize("machine", ARCH)
def test_only_listed_calls_pass(machine: str) -> None:
    column = COLUMN[machine]
    allowed = {n[column] for n in seccomp.ALLOW.values()}
    killed = {n[column] for n in seccomp.KILL.values()}
    assert not allowed & killed
    special = {
        n[column]
        for n in (
            seccomp.MMAP,
            seccomp.MPROTECT,
            seccomp.FCNTL,
            seccomp.NEWFSTATAT,
            seccomp.TGKILL,
            seccomp.PRLIMIT64,
            seccomp.CLONE3,
        )
    }
    for number in range(500):
        if number in allowed:
            assert verdict(machine, number) == ALLOWED
        elif number in killed:
            assert verdict(machine, number) == KILLED
        elif number not in special:
            assert verdict(machine, number) == EPERM


@pytest.mark.parametrize("machine", ARCH)
def test_some_calls_pass_only_with_harmless_arguments(machine: str) -> None:
    c = COLUMN[machine]
    for call in (seccomp.MMAP, seccomp.MPROTECT):
        assert verdict(machine, call[c], 0, 4096, 3) == ALLOWED
        assert verdict(machine, call[c], 0, 4096, 4) == EPERM
        assert verdict(machine, call[c], 0, 4096, 7) == EPERM
    assert verdict(machine, seccomp.NEWFSTATAT[c], 3, 1, 1, 0x1000) == ALLOWED
    assert verdict(machine, seccomp.NEWFSTATAT[c], 3, 1, 1, 0) == EPERM
    assert verdict(machine, seccomp.TGKILL[c], PID, 1, 6) == ALLOWED
    assert verdict(machine, seccomp.TGKILL[c], PID + 1, 1, 6) == EPERM
    assert verdict(machine, seccomp.PRLIMIT64[c], 0, 7, 0, 1) == ALLOWED
    assert verdict(machine, seccomp.PRLIMIT64[c], 0, 7, 1, 0) == EPERM
    assert verdict(machine, seccomp.PRLIMIT64[c], 0, 7, 1 << 32, 0) == EPERM
    for command in range(1100):
        want = ALLOWED if command in (1, 2, 3, 1030) else EPERM
        assert verdict(machine, seccomp.FCNTL[c], 3, command) == want
    assert verdict(machine, seccomp.CLONE3[c]) == ENOSYS


def test_calls_of_another_machine_end_the_cell() -> None:
    assert verdict("x86_64", 0, arch=0x40000003) == KILLED  # the 32-bit gate
    assert verdict("x86_64", 0x40000000) == KILLED  # x32
    assert seccomp.program("riscv64", PID) is None


def test_the_numbers_are_this_machines() -> None:
    """The process numbers itself by the table, where the C library can be asked."""
    import ctypes
    import os

    machine = platform.machine()
    if machine not in COLUMN:
        pytest.skip(f"no table for {machine}")
    libc, c = ctypes.CDLL(None), COLUMN[machine]
    assert libc.syscall(seccomp.ALLOW["getpid"][c]) == os.getpid()
    assert libc.syscall(seccomp.ALLOW["geteuid"][c]) == os.geteuid()


def test_floors() -> None:
    full = "chroot+nocaps+rlimit+nnp+landlock7+seccomp+netns"
    assert [rank(x) for x in ("none", "rlimit", "rlimit+nnp", "rlimit+nnp+seccomp", full)] == [
        0,
        0,
        1,
        2,
        3,
    ]
    assert rank("rlimit+nnp+landlock7") == 1, "each step demands the one before"
    check_floor(full, "landlock")
    check_floor("none", "none")
    with pytest.raises(FloorError, match="the floor is landlock"):
        check_floor("rlimit+nnp+seccomp", "landlock")
    with pytest.raises(ValueError, match="no isolation floor"):
        check_floor(full, "bubble")
