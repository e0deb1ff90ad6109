"""Folders as exhibits: what is listed, what is refused, and that two readings must agree."""

import errno
import hashlib
import os
import resource
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from amparo.evidence import folder
from amparo.evidence.detect import form_of
from amparo.evidence.folder import hash_container, intake, open_file, walk
from amparo.model import Content, File, Problem, content_id, path_bytes

EXHIBIT = "exhibit"


def silent(files: int, size: int) -> None:
    """A progress nobody looks at."""


def taken(root: Path) -> tuple[dict[str, File], dict[str, Content], list[Problem]]:
    records = list(intake(root, EXHIBIT, silent))
    return (
        {r.path: r for r in records if isinstance(r, File)},
        {r.id: r for r in records if isinstance(r, Content)},
        [r for r in records if isinstance(r, Problem)],
    )


def test_every_byte_is_hashed_and_typed(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    big = os.urandom(3 << 20)
    (tmp_path / "a" / "b" / "big.jpg").write_bytes(big)
    (tmp_path / "a" / "note").write_text("hello")
    (tmp_path / "empty").touch()
    files, contents, problems = taken(tmp_path)
    assert not problems
    assert set(files) == {"empty", "a/note", "a/b/big.jpg"}
    content = contents[files["a/b/big.jpg"].content]
    assert content.sha256 == hashlib.sha256(big).hexdigest()
    assert content.sha1 == hashlib.sha1(big).hexdigest()
    assert content.md5 == hashlib.md5(big).hexdigest()
    assert content.size == files["a/b/big.jpg"].size == 3 << 20
    assert contents[files["a/note"].content].mime == "text/plain"
    assert contents[files["empty"].content].mime == "inode/x-empty"
    assert files["empty"].content == content_id(hashlib.sha256().hexdigest())


def test_listing_is_repeatable_and_in_order(tmp_path: Path) -> None:
    for name in ("z", "m", "a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "2").write_text(name)
        (tmp_path / name / "1").write_text(name)
    (tmp_path / "k").write_text("k")
    paths = [r.path for r in walk(tmp_path, EXHIBIT)]
    assert paths == ["k", "a/1", "a/2", "m/1", "m/2", "z/1", "z/2"]
    assert list(intake(tmp_path, EXHIBIT, silent)) == list(intake(tmp_path, EXHIBIT, silent))


def test_names_of_any_bytes_come_back(tmp_path: Path) -> None:
    names = [b"caf\xe9.jpg", b"new\nline", b"back\\slash", "niño".encode(), b"\xe2\x80\xaegpj.exe"]
    for name in names:
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
            file.write(name)
    files, contents, problems = taken(tmp_path)
    assert not problems
    assert {path_bytes(p) for p in files} == set(names)
    for path, file in files.items():
        assert contents[file.content].sha256 == hashlib.sha256(path_bytes(path)).hexdigest()


def test_symlinks_are_noted_and_never_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    root = tmp_path / "root"
    root.mkdir()
    (root / "file").symlink_to(outside / "secret")
    (root / "folder").symlink_to(outside)
    (root / "loop").symlink_to(".")
    files, contents, problems = taken(root)
    assert not contents and not problems
    assert {f.entry for f in files.values()} == {"symlink"}
    assert str(outside / "secret") in files["file"].locator
    for path in ("file", "folder/secret", "../outside/secret", "/etc/passwd", "", ".", "loop/file"):
        with pytest.raises(OSError):
            os.close(open_file(root, path))


def test_pipes_sockets_and_unreadable_files_become_problems(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    listener = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(tmp_path)  # a socket's path is short
    try:
        listener.bind("sock")
    finally:
        os.chdir(here)
        listener.close()
    (tmp_path / "plain").write_text("x")
    files, contents, problems = taken(tmp_path)
    assert set(files) == {"plain"} and len(contents) == 1
    assert {(p.path, p.reason) for p in problems} == {
        ("pipe", "a named pipe: not read"),
        ("sock", "a socket: not read"),
    }
    assert len({p.id for p in problems}) == 2
    with pytest.raises(OSError, match="not a regular file"):
        open_file(tmp_path, "pipe")


def test_a_file_that_cannot_be_read_is_kept_without_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad").write_bytes(b"x" * 100)
    real = os.preadv

    def failing(fd: int, buffers: list[memoryview], offset: int) -> int:
        if os.fstat(fd).st_size == 100:
            raise OSError(errno.EIO, "Input/output error")
        return real(fd, buffers, offset)

    monkeypatch.setattr(folder.os, "preadv", failing)
    files, contents, problems = taken(tmp_path)
    assert files["bad"].content == "" and not contents
    assert problems[0].reason == "not read: Input/output error"
    assert problems[0].subject == files["bad"].id


def changing(monkeypatch: pytest.MonkeyPatch, path: Path, times: int) -> list[int]:
    """Rewrites the file after each of its first ``times`` whole readings."""
    done = [0]

    def rewriting(real: Callable[..., int]) -> Callable[..., int]:
        def read(*arguments: object) -> int:
            size = real(*arguments)
            done[0] += 1
            if done[0] <= times:
                path.write_bytes(b"%d" % done[0] * 10)
            return size

        return read

    for name in ("_read", "_fill"):
        monkeypatch.setattr(folder, name, rewriting(getattr(folder, name)))
    return done


@pytest.mark.parametrize("held", [folder.HELD, 5])
@pytest.mark.parametrize("changes", [0, 1, 2, 3])
def test_a_changing_file_is_read_until_two_readings_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: int, held: int
) -> None:
    monkeypatch.setattr(folder, "HELD", held)
    path = tmp_path / "log"
    path.write_bytes(b"0" * 10)
    done = changing(monkeypatch, path, changes)
    files, contents, problems = taken(tmp_path)
    last = b"%d" % changes * 10
    assert not problems and done[0] == changes + 2
    content = contents[files["log"].content]
    assert content.sha256 == hashlib.sha256(last).hexdigest()
    assert content.md5 == hashlib.md5(last).hexdigest()


def test_a_file_that_outgrows_what_is_held_is_hashed_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "HELD", 15)
    path = tmp_path / "log"
    path.write_bytes(b"0" * 10)
    real = folder._fill

    def growing(*arguments: object) -> int:
        size = real(*arguments)  # type: ignore[arg-type]
        path.write_bytes(b"1" * 40)
        return size

    monkeypatch.setattr(folder, "_fill", growing)
    _, contents, problems = taken(tmp_path)
    assert not problems
    (content,) = contents.values()
    assert (content.size, content.sha256) == (40, hashlib.sha256(b"1" * 40).hexdigest())


@pytest.mark.parametrize("held", [folder.HELD, 0])
def test_a_file_that_never_stops_changing_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    monkeypatch.setattr(folder, "HELD", held)
    path = tmp_path / "log"
    path.write_bytes(b"0")
    changing(monkeypatch, path, 9)
    files, contents, problems = taken(tmp_path)
    assert files["log"].content == "" and not contents
    assert "never agreed" in problems[0].reason
    with pytest.raises(ValueError, match="never agreed"):
        changing(monkeypatch, path, 9)
        hash_container(path, silent)


def test_times_of_the_evidence_stay(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 5000)
    old = time.time_ns() - 10**15
    os.utime(path, ns=(old, old))
    before = os.stat(path)
    files, _, _ = taken(tmp_path)
    hash_container(path, silent)
    after = os.stat(path)
    assert (after.st_atime_ns, after.st_mtime_ns) == (before.st_atime_ns, before.st_mtime_ns)
    assert after.st_ctime_ns == before.st_ctime_ns
    assert files["a"].modified == old // 1_000_000


def test_container_hash_and_progress(tmp_path: Path) -> None:
    path = tmp_path / "c.zip"
    data = os.urandom(2_500_000)
    path.write_bytes(data)
    steps: list[tuple[int, int]] = []
    assert hash_container(path, lambda n, size: steps.append((n, size))) == (
        hashlib.sha256(data).hexdigest(),
        2_500_000,
        2,
    )
    assert sum(size for _, size in steps) == 2 * 2_500_000
    with pytest.raises(OSError):
        hash_container(tmp_path, silent)


def test_progress_counts_files_and_both_readings(tmp_path: Path) -> None:
    for i in range(40):
        (tmp_path / str(i)).write_bytes(b"x" * 100)
    total = [0, 0]

    def count(files: int, size: int) -> None:
        total[0] += files
        total[1] += size

    assert len(list(intake(tmp_path, EXHIBIT, count))) == 80
    assert total == [40, 8000]


def test_deep_folders_are_listed_without_running_out_of_descriptors(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d", dir_fd=fd)
        inner = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    with os.fdopen(os.open("end", os.O_CREAT | os.O_WRONLY, dir_fd=fd), "w") as file:
        file.write("here")
    os.close(fd)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        files, contents, problems = taken(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert not problems and len(contents) == 1
    assert next(iter(files)).count("/") == 300


def test_form_is_told_by_content(tmp_path: Path) -> None:
    assert form_of(tmp_path) == "folder"
    picture = tmp_path / "picture.zip"
    picture.write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    with pytest.raises(ValueError, match="image/jpeg, but an exhibit is"):
        form_of(picture)
    gz = tmp_path / "x"
    gz.write_bytes(b"\x1f\x8b\x08" + bytes(20))
    assert form_of(gz) == "tar.gz"
    empty = tmp_path / "empty"
    empty.touch()
    with pytest.raises(ValueError, match="empty"):
        form_of(empty)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="neither"):
        form_of(tmp_path / "pipe")
