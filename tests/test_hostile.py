"""A corpus that means harm, among honest files of one exhibit: each piece becomes one Problem."""

from __future__ import annotations

import copy
import io
import json
import random
import shutil
import socket
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import amparo.run.guards
import amparo.run.plan
from amparo.cli import main
from amparo.kit.plugin import discover
from amparo.model import KINDS, Exhibit, File, Lead, Problem
from amparo.store import Case
from conftest import Operation
from hostile_case import SPEC

HARMLESS = {
    "exhibit",
    "seal",
    "file",
    "content",
    "problem",
    "structure",
    "database_state",
    "unseen",
}
"""Kinds in which the exhibit with hostile files has rows that the clean one has not."""


def chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def bomb_png(side: int) -> bytes:
    """A PNG of a few kilobytes that states ``side`` x ``side`` pixels."""
    head = side.to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    rows = zlib.compress(bytes(1 << 20), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def picture() -> bytes:
    out = io.BytesIO()
    Image.effect_noise((320, 240), 60).convert("RGB").save(out, "JPEG", quality=80)
    return out.getvalue()


def planted(folder: Path, phone: Path, port: int, store: Path, other: Path) -> dict[str, str]:
    """The hostile files by name, with what their problem must speak of."""
    folder.mkdir()
    database = next(phone.rglob("msgstore.db")).read_bytes()
    photo = picture()
    files: dict[str, tuple[bytes, str]] = {
        "cut.db": (database[:8192], "malformed"),
        "no-schema.db": (database[:100] + bytes(4096), ""),
        "cut-in-header.jpg": (photo[:100], ""),
        "garbage.jpg": (photo[:20] + random.Random(1).randbytes(5000), ""),
        "bomb.png": (bomb_png(60_000), "pixels"),
        "loop.order": (b"loop", "took longer"),
        "eat.order": (b"eat", "memory"),
        "abort.order": (b"abort", "SIGABRT"),
        "socket.order": (f"socket {port}".encode(), "PermissionError"),
        "store.order": (f"store {store}".encode(), "Error"),
        "file.order": (f"file {other}".encode(), "Error"),
    }
    for name, (data, _) in files.items():
        (folder / name).write_bytes(data)
    return {name: reason for name, (_, reason) in files.items()}


def ids(path: Path) -> dict[str, set[str]]:
    case = Case.open(path)
    try:
        return {name: {r.id for r in case.store.each(kind)} for name, kind in KINDS.items()}
    finally:
        case.close()


@pytest.fixture
def with_the_order_taker(monkeypatch: pytest.MonkeyPatch) -> None:
    specs = (*discover(), SPEC)
    for module in (amparo.run.plan, amparo.run.guards):
        monkeypatch.setattr(module, "discover", lambda: specs)


def test_each_becomes_one_problem_and_nothing_else_changes(
    operation: Operation, tmp_path: Path, with_the_order_taker: None
) -> None:
    phone = next(
        operation.root / e["path"]
        for e in operation.entries()
        if (operation.root / e["path"]).is_dir() and e["kind"] == "phone"
    )
    server = socket.create_server(("127.0.0.1", 0))
    outside = tmp_path / "outside.txt"
    outside.write_text("untouched")
    cases: list[Path] = []
    expected: dict[str, str] = {}
    for name in ("clean", "hostile"):
        tree = tmp_path / name / "phone"
        shutil.copytree(phone, tree, symlinks=True)
        (tree / "honest.order").write_text("greet")
        case = tmp_path / f"{name}.amparo"
        main(["new", str(case)])
        if name == "hostile":
            port = server.getsockname()[1]
            expected = planted(tree / "planted", phone, port, case / "case.db", outside)
        main(["add", str(case), str(tree), "--exhibit", "X-1", "--country", "ES", "--json"])
        assert main(["run", str(case), "--json"]) in (0, 1)
        cases.append(case)
    clean, hostile = ids(cases[0]), ids(cases[1])
    for kind in KINDS:
        missing = clean[kind] - hostile[kind]
        assert kind == "seal" or not missing, (kind, len(missing))
        if kind not in HARMLESS:
            assert hostile[kind] == clean[kind], kind
    opened = Case.open(cases[1])
    problems = [p for p in opened.store.each(Problem) if "planted/" in p.path]
    leads = [r.value for r in opened.store.each(Lead) if r.value.startswith("obeyed")]
    assert opened.store.verify() == []
    opened.close()
    counted = Counter(Path(p.path).name for p in problems)
    assert counted == {name: 1 for name in expected}, problems
    for problem in problems:
        assert expected[Path(problem.path).name] in problem.reason, problem
    assert leads == ["obeyed greet"]
    assert outside.read_text() == "untouched"
    server.settimeout(0.1)
    with pytest.raises(TimeoutError):
        server.accept()
    server.close()


def test_an_archive_that_means_harm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("fine.txt", "a chair")
        archive.writestr("../../escape.txt", "out")
        archive.writestr("again.bin", bytes(30 << 20))
        for number in range(3):  # a directory that unpacks the same bytes again and again
            twin = copy.copy(archive.filelist[-1])
            twin.filename = f"twin-{number}.bin"
            archive.filelist.append(twin)
    case = tmp_path / "z.amparo"
    main(["new", str(case)])
    capsys.readouterr()
    assert main(["add", str(case), str(path), "--exhibit", "Z-1", "--json"]) == 1
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    opened = Case.open(case)
    files = {f.path: f for f in opened.store.each(File)}
    problems = list(opened.store.each(Problem))
    assert len(list(opened.store.each(Exhibit))) == 1
    opened.close()
    assert files["fine.txt"].content and files["../../escape.txt"].content
    refused = {name for name, f in files.items() if not f.content}
    assert refused and refused <= {"again.bin", "twin-0.bin", "twin-1.bin", "twin-2.bin"}
    assert {p.path for p in problems} == refused, problems
    assert answer["exhibits"][0]["problems"] == len(problems)
    assert not (tmp_path.parent / "escape.txt").exists()
