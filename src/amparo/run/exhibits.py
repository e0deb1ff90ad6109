"""Where an exhibit's bytes lie, and how a cell gets at one file of it: descriptors and a locator.

Nothing is read here: descriptors are opened read-only by the host and handed to a cell.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

from amparo.evidence.detect import IMAGES, UNWRAPPED
from amparo.evidence.folder import open_file
from amparo.evidence.segments import segments
from amparo.kit.found import Found
from amparo.kit.plugin import Spec
from amparo.model import (
    KINDS,
    Content,
    Exhibit,
    File,
    ModelCard,
    Preview,
    describe,
    make_id,
    path_bytes,
)
from amparo.run.learnt import timed
from amparo.sandbox.guard import Job
from amparo.sandbox.wire import observation_kinds
from amparo.store import Case

READERS = "amparo.evidence.readers"
COMPANIONS = ("-wal", "-journal")
SQLITE = "application/vnd.sqlite3"
IMAGE_READERS = "amparo.evidence.image"
MEMBER_READER = "amparo.evidence.nested:member"
PLAIN = ("image/", "video/", "audio/")
"""True types beside which SQLite writes nothing."""
CARVED_READER = "amparo.recover.readers:segments"
FREE_SPACE_READER = "amparo.recover.readers:free_space"
LARGE = 400 << 20
"""Bytes of a database and its log above which it is read page by page; below, it is held twice for a moment."""
FREE_RANGES = "amparo.evidence.free:unallocated"
DEEPEST = 8
"""How many files one is read through; each writes its own locator into the next, which doubles it."""
MEMBERS = {"zip": f"{READERS}:zip_member"} | dict.fromkeys(IMAGES, f"{IMAGE_READERS}:image_file")
"""How a cell finds one file, by the exhibit's form; all others end up as a tar."""


@dataclass(frozen=True)
class Reach:
    """How a cell reaches some bytes: open these, then read with this reader at this locator."""

    open: Callable[[], list[int]]
    reader: str
    locator: str
    count: int = 1
    """How many descriptors ``open`` gives."""


class Exhibits:
    """Finds the bytes of files in the exhibits of one case."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._exhibits: dict[str, Exhibit] = {}
        self._models: dict[str, ModelCard] = {}
        # Thousands of pictures lie in one database or archive.
        self._parent = lru_cache(1024)(partial(case.store.get, File))

    def exhibit(self, id: str) -> Exhibit:
        """The exhibit's record, read once."""
        if id not in self._exhibits:
            found = self._case.store.get(Exhibit, id)
            if found is None:
                raise KeyError(f"no exhibit {id} in this case")
            self._exhibits[id] = found
        return self._exhibits[id]

    def reach(self, file: File, companions: bool = True, depth: int = 0) -> Reach:
        """How to read one file, with the ``companions`` SQLite wrote beside it if it may be a database.

        ``depth``: how many others it is already being read through.
        """
        if derived := derived_of(self._case, file):
            return Reach(
                lambda: [open_read_only(derived)], f"{READERS}:whole", '{"companions": []}'
            )
        if segments := carved_from(file):
            return self._inside(file, *segments, depth)
        beside = self._companions(file) if companions else {}
        if held := member_of(file):
            return self._sealed(self._member(file, *held, beside, depth), beside)
        exhibit = self.exhibit(file.exhibit)
        root = Path(os.fsdecode(path_bytes(exhibit.source)))
        if exhibit.form == "itunes":
            return self._sealed(self._in_backup(root, file, beside), beside)
        if exhibit.form == "folder":
            paths = [file.path, *(f.path for f in beside.values())]
            lying = Reach(
                lambda: open_all([partial(open_file, root, p) for p in paths]),
                f"{READERS}:whole",
                json.dumps({"companions": list(beside)}),
                len(paths),
            )
            return self._sealed(lying, beside)
        locator = place_of(file)
        locator["companions"] = {suffix: place_of(f) for suffix, f in beside.items()}
        reader = MEMBERS.get(exhibit.form, f"{READERS}:tar_member")
        whole = container(self._case, exhibit)
        if exhibit.form in IMAGES:
            locator |= json.loads(whole.locator)
        inside = Reach(whole.open, reader, json.dumps(locator), whole.count)
        return self._sealed(inside, beside)

    def _sealed(self, reach: Reach, beside: dict[str, File]) -> Reach:
        """The same, held against what the companions were at intake: the file itself always is."""
        if not beside:
            return reach
        contents = self._case.store.many(Content, [f.content for f in beside.values()])
        hashes = {s: contents[f.content].sha256 for s, f in beside.items() if f.content in contents}
        place = {"reader": reach.reader, "locator": reach.locator, "sha256": hashes}
        return Reach(reach.open, f"{READERS}:sealed", json.dumps(place), reach.count)

    @staticmethod
    def _in_backup(root: Path, file: File, beside: dict[str, File]) -> Reach:
        places = {suffix: place_of(f) for suffix, f in beside.items()}
        paths = [lies_at(f) for f in (file, *beside.values())]
        return Reach(
            lambda: open_all([partial(open_file, root, p) for p in paths]),
            "amparo.evidence.itunes:itunes_file",
            json.dumps(place_of(file) | {"companions": places}),
            len(paths),
        )

    def _inside(self, file: File, parent: str, segments: object, depth: int) -> Reach:
        """A file carved out of another is read through that one, which is larger, and not through its log."""
        whole = self._parent(parent)
        if whole is None or whole.exhibit != file.exhibit or whole.size <= file.size:
            return _lost(file)
        if depth >= DEEPEST:
            return _lost(file)
        reach = self.reach(whole, False, depth + 1)
        place = {"reader": reach.reader, "locator": reach.locator, "segments": segments}
        return Reach(reach.open, CARVED_READER, json.dumps(place), reach.count)

    def _member(
        self, file: File, parent: str, member: object, beside: dict[str, File], depth: int
    ) -> Reach:
        """A member of an archive that is itself a file is read through that one."""
        whole = self._parent(parent)
        if whole is None or whole.exhibit != file.exhibit or len(file.path) <= len(whole.path):
            return _lost(file)
        if depth >= DEEPEST:
            return _lost(file)
        reach = self.reach(whole, False, depth + 1)
        held = {suffix: member_of(f) for suffix, f in beside.items()}
        place = {
            "reader": reach.reader,
            "locator": reach.locator,
            "member": member,
            "companions": {s: m[1] for s, m in held.items() if m and m[0] == parent},
        }
        return Reach(reach.open, MEMBER_READER, json.dumps(place), reach.count)

    def _companions(self, file: File) -> dict[str, File]:
        found = {}
        for suffix in COMPANIONS:
            path = file.path + suffix
            other = self._case.store.get(File, make_id("file", file.exhibit, path, 0, file.state))
            if other is not None and other.content and other.size:
                found[suffix] = other
        for suffix in COMPANIONS:
            if file.path.endswith(suffix):
                found |= self._database(file, suffix)
        return found

    def _database(self, file: File, suffix: str) -> dict[str, File]:
        """What a log or journal belongs to: its database, and to a journal the log."""
        path = file.path[: -len(suffix)]
        id = make_id("file", file.exhibit, path, 0, file.state)
        other = self._case.store.get(File, id)
        return {"-db": other} if other is not None and other.content and other.size else {}

    def file_job(self, spec: Spec, file: File, content: Content) -> Job:
        """A parser's job: one file where it lies."""
        found = Found(file.exhibit, file.id, file.path, content.id, content.sha256)
        reach = self.reach(file, not content.mime.startswith(PLAIN))
        return self._job(self._where_it_lies(spec, file, content), file.id, found, reach)

    def free_job(self, spec: Spec, exhibit: Exhibit) -> Job:
        """A carver's job: what no file has of a disk."""
        reach = container(self._case, exhibit)
        place = {"reader": reach.reader, "ranges": FREE_RANGES, "locator": reach.locator}
        found = Found(exhibit.id, "", exhibit.number, "", "", exhibit.form)
        free = Reach(reach.open, FREE_SPACE_READER, json.dumps(place), reach.count)
        return self._job(spec, exhibit.id, found, free)

    def content_job(self, spec: Spec, content: Content, file: File) -> Job:
        """A fingerprint's job: the content, read from one of the places it occurs.

        Where pieces of its exhibit are not at hand, opening it raises OSError.
        """
        found = Found("", "", file.path, content.id, content.sha256)
        try:
            reach = self.reach(file, not content.mime.startswith(PLAIN))
        except OSError as error:
            reach = _not_at_hand(f"{error.strerror}: {error.filename!r}")
        except ValueError as error:
            reach = _not_at_hand(str(error))
        reach = self.model_beside(spec, reach)
        spec = timed(self._where_it_lies(spec, file, content), content.mime)
        return self._job(spec, content.id, found, reach)

    def model_beside(self, spec: Spec, reach: Reach) -> Reach:
        """The same, with the registered model beside it where the plugin runs one."""
        if not spec.model:
            return reach
        if spec.model not in self._models:
            record = self._case.store.get(ModelCard, spec.model)
            if record is None:
                raise KeyError(f"no model {spec.model} in this case")
            self._models[spec.model] = record
        return with_model(self._case, self._models[spec.model], reach)

    def _where_it_lies(self, spec: Spec, file: File, content: Content) -> Spec:
        """The plugin; for a database too large to be held in a cell, reading it page by page."""
        if content.mime != SQLITE or 2 * content.size < LARGE:
            return spec
        log = self._companions(file).get("-wal")
        if content.size + (log.size if log is not None else 0) <= LARGE:
            return spec
        if spec.id == "fingerprint/sqlite":
            return replace(spec, function="amparo.recover.live:structure")
        if spec.opens == "sqlite":
            function = f"amparo.recover.live:read_with({spec.function})"
            return replace(spec, function=function, opens="bytes")
        return spec

    def preview_job(self, spec: Spec, content: Content, preview: Preview) -> Job:
        """A fingerprint's job on bytes kept inside another file's row."""
        found = Found("", "", "", content.id, content.sha256)
        reach = Reach(
            lambda: [bytes_descriptor(preview.data)], f"{READERS}:whole", '{"companions": []}'
        )
        reach = self.model_beside(spec, reach)
        return self._job(timed(spec, content.mime), content.id, found, reach)

    @staticmethod
    def _job(spec: Spec, token: str, found: Found, reach: Reach) -> Job:
        return Job(
            token=token,
            function=spec.function,
            opens=spec.opens,
            reader=reach.reader,
            locator=reach.locator,
            open=reach.open,
            found=found,
            seconds=spec.seconds,
            kinds=kinds_of(spec),
        )


@cache
def kinds_of(spec: Spec) -> frozenset[str]:
    """What a plugin's cell may say: a fingerprint what its content is, a parser what a file holds.

    Neither names files, and no parser says what the bytes of another file are. A model says what its form
    yields and nothing else.
    """
    if spec.makes and (spec.stage == "recover" or spec.model):
        return frozenset(kind.KIND for kind in spec.makes)
    kinds = observation_kinds() - {"file"}
    of_content = {
        kind
        for kind in kinds
        if (names := {f.name for f in describe(KINDS[kind])}) >= {"content"} and "at" not in names  # type: ignore[arg-type]  # a class is hashable
    }
    return frozenset(of_content if spec.stage == "fingerprint" else kinds - of_content)


def pieces(exhibit: Exhibit) -> list[Path]:
    """The files an exhibit that is no folder consists of, in order. Raises ValueError."""
    return segments(Path(os.fsdecode(path_bytes(exhibit.source))), exhibit.form)


def container(case: Case, exhibit: Exhibit) -> Reach:
    """How a cell reaches an exhibit that is no folder as a whole, its layer of packing taken off."""
    if exhibit.form in IMAGES:
        paths = pieces(exhibit)
        return Reach(
            lambda: open_all([partial(open_read_only, p) for p in paths]),
            f"{IMAGE_READERS}:disk",
            json.dumps({"image": exhibit.form} | _opened_volumes(case, exhibit)),
            len(paths),
        )
    path = pieces(exhibit)[0]
    if exhibit.form in UNWRAPPED:
        path = unwrapped(case, exhibit)
    return Reach(lambda: [open_read_only(path)], f"{READERS}:whole", '{"companions": []}')


def object_of(untrusted: str | bytes) -> dict[str, Any]:
    """What a cell wrote as a JSON object; an empty one where it is none."""
    try:
        said = json.loads(untrusted)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def place_of(file: File) -> dict[str, Any]:
    """A file's locator. It came out of a cell: what is none is an empty one, and costs this file only."""
    return object_of(file.locator or "{}")


def lies_at(file: File) -> str:
    """The path inside the exhibit's folder where a file's bytes lie, which may not be its name."""
    return str(place_of(file).get("at", file.path))


def derived_of(case: Case, file: File) -> Path | None:
    """Where the bytes of a file lie that Amparo itself took out of another; None for all others."""
    if not file.locator.startswith('{"derived":'):
        return None
    name = Path(str(place_of(file).get("derived", ""))).name
    plain = name.isascii() and name.isprintable() and name not in ("", "..")
    return case.derived / (name if plain else "nowhere")


def carved_from(file: File) -> tuple[str, object] | None:
    """The file that one was carved out of and its segments there; None for all others."""
    if not file.locator.startswith('{"carved":'):
        return None
    place = place_of(file)
    return str(place.get("parent", "")), place.get("carved", ())


def member_of(file: File) -> tuple[str, object] | None:
    """The archive among the exhibit's files that one is a member of, and where in it; None for all others."""
    if not file.locator.startswith('{"member":'):
        return None
    place = place_of(file)
    return str(place.get("parent", "")), place.get("member", {})


def _lost(file: File) -> Reach:
    """What a file was found in is not there, or lies in others too deep (a record may lead in a circle)."""
    return _not_at_hand(f"what {file.path} was carved out of is not in this case")


def _not_at_hand(why: str) -> Reach:
    return Reach(partial(_nowhere, why), f"{READERS}:whole", '{"companions": []}')


def _nowhere(why: str) -> list[int]:
    raise FileNotFoundError(2, why)


def with_secrets(reach: Reach, others: list[Reach]) -> Reach:
    """One reach with others beside it, which its Source gets as companions."""
    each = [reach, *others]

    def start() -> list[int]:
        fds: list[int] = []
        try:
            for one in each:
                fds += one.open()
        except OSError:
            for fd in fds:
                os.close(fd)
            raise
        return fds

    parts = [[one.reader, one.locator, one.count] for one in each]
    return Reach(start, f"{READERS}:together", json.dumps(parts), sum(p.count for p in each))


def unwrapped(case: Case, exhibit: Exhibit) -> Path:
    """Where the tar of an exhibit lies once the layer of packing around it has been taken off."""
    return case.derived / f"{exhibit.id}.tar"


def volume_keys(case: Case, exhibit: Exhibit) -> Path:
    """Where the keys of a disk's opened volumes lie, which their keys or passwords led to."""
    return case.derived / f"{exhibit.id}.volumes"


def _opened_volumes(case: Case, exhibit: Exhibit) -> dict[str, object]:
    try:
        text = volume_keys(case, exhibit).read_text()
    except FileNotFoundError:
        return {}
    opened = json.loads(text)
    return {"opened": opened} if opened else {}


def model_file(case: Case, sha256: str) -> Path:
    """Where the case keeps a model's file."""
    return case.path / "models" / f"{sha256}.onnx"


def with_model(case: Case, record: ModelCard, reach: Reach) -> Reach:
    """One reach with a registered model's file and card beside it, as companions ``0`` and ``1``."""
    path = model_file(case, record.sha256)
    file = Reach(lambda: [open_read_only(path)], f"{READERS}:whole", '{"companions": []}')
    said = json.dumps({"sha256": record.sha256, "card": record.card}).encode()
    return with_secrets(reach, [file, secret_reach(said)])


def secret_reach(secret: bytes) -> Reach:
    """How a cell reaches a key or password an examiner gave."""
    return Reach(lambda: [bytes_descriptor(secret)], f"{READERS}:whole", '{"companions": []}')


def open_read_only(path: Path) -> int:
    """A descriptor that cannot write, leaving the access time alone where the system allows."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOATIME)
    except PermissionError:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def open_all(openers: list[Callable[[], int]]) -> list[int]:
    """All descriptors or none."""
    fds: list[int] = []
    try:
        for opener in openers:
            fds.append(opener())
    except OSError:
        for fd in fds:
            os.close(fd)
        raise
    return fds


def bytes_descriptor(data: bytes) -> int:
    """An anonymous, sealed in-memory file holding these bytes, opened again read-only."""
    fd = os.memfd_create("preview", os.MFD_CLOEXEC)
    try:
        os.write(fd, data)
        return os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(fd)
