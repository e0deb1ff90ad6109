"""RAR and 7z archives among the exhibits' files, and files under Zstandard or LZ4: written out once.

Each becomes a further File, ``PATH#unpacked`` (:mod:`amparo.run.derived`): a zip of what the archive holds, opened
like any other archive. The same archive on several exhibits is unpacked once. Further volumes are found by the
names their tools give them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count, islice, takewhile

from amparo.evidence.repack import FORMS, installed
from amparo.kit.plugin import Spec
from amparo.model import Content, File, Id, make_id
from amparo.run.derived import beside, lying, make
from amparo.run.exhibits import Exhibits, with_secrets
from amparo.run.guards import LazyGuard
from amparo.run.plan import Plan
from amparo.run.progress import Progress
from amparo.run.writer import Counts, machine_action, now_ms
from amparo.store import Case

MARK = "unpacked"
_MOST_VOLUMES = 1000
_NUMBERED = re.compile(r"(.*(?:\.part|\.7z\.))(\d+)(\.rar)?\Z", re.IGNORECASE | re.DOTALL)
_OLD = re.compile(r"(.*\.)([r-z])(ar|\d\d)\Z", re.IGNORECASE | re.DOTALL)


def unpack_archives(
    case: Case, plan: Plan, guard: LazyGuard, counts: Counts, show: Progress
) -> None:
    """Write out every archive that is new, or that libarchive was missing for."""
    spec = plan.packed
    if spec is None or plan.settled(spec):
        return
    started = now_ms()
    waiting = [file for file in _packed(case) if _undone(case, spec, file)]
    if waiting:
        show.begin(spec.id, len(waiting))
        exhibits = Exhibits(case)
        for file in waiting:
            _unpack(case, spec, exhibits, file, guard, counts)
            show.step(1, file.size)
        show.end()
    case.store.replace(
        (),
        iter(()),
        machine_action(spec, started, (), len(waiting)),
        plugin=spec.id,
        version=spec.version,
        revision=plan.revision(spec),
    )


def _packed(case: Case) -> list[File]:
    """Archives of these forms but for the later volumes of others."""
    held = [c.id for c in case.store.each(Content, mime=list(FORMS))]
    files = case.store.each(File, content=held, entry="file") if held else iter(())
    return [f for f in files if (first := first_of(f.path)) == f.path or not _at(case, f, first)]


def first_of(path: str) -> str:
    """The name of the first volume of the archive that a file by this name belongs to."""
    if found := _NUMBERED.match(path):
        head, number, tail = found.groups(default="")
        return f"{head}{1:0{len(number)}d}{tail}"
    if (found := _OLD.match(path)) and found[3].lower() != "ar":
        return f"{found[1]}{'RAR' if found[2].isupper() else 'rar'}"
    return path


def later_of(path: str) -> Iterator[str]:
    """The names of the second, third, … volume of an archive whose first has this name."""
    if found := _NUMBERED.match(path):
        head, number, tail = found.groups(default="")
        yield from (f"{head}{n:0{len(number)}d}{tail}" for n in count(2))
    elif found := _OLD.match(path):
        for n in range(900):  # .r00 to .r99, then .s00
            letter = chr(ord("r") + n // 100)
            yield f"{found[1]}{letter.upper() if found[2].isupper() else letter}{n % 100:02d}"


def _at(case: Case, file: File, path: str) -> File | None:
    """The file of this name on the same exhibit."""
    other = case.store.get(File, make_id("file", file.exhibit, path, file.ordinal, file.state))
    return other if other is not None and other.content else None


def _undone(case: Case, spec: Spec, file: File) -> bool:
    done = case.store.is_done(spec.id, file.id)
    if done is None or done[0] < spec.version:
        return True
    made = _at(case, file, f"{file.path}#{MARK}")
    return made is not None and not (case.derived / _name(case, file)).exists()


def _volumes(case: Case, file: File) -> list[File]:
    """All volumes of the archive, in order."""
    further = (_at(case, file, path) for path in later_of(file.path))
    there = takewhile(lambda f: f is not None, islice(further, _MOST_VOLUMES))
    return [file, *(f for f in there if f is not None)]


def _name(case: Case, file: File) -> str:
    contents: list[Id] = [volume.content for volume in _volumes(case, file)]
    return f"{make_id('packed', *contents)}.{MARK}"


def _unpack(
    case: Case, spec: Spec, exhibits: Exhibits, file: File, guard: LazyGuard, counts: Counts
) -> None:
    name = _name(case, file)
    if (content := _elsewhere(case, file, name)) is not None:
        started = now_ms()
        action = machine_action(spec, started, (file.id,), 1)
        done = [(file.id, spec.id, spec.version)]
        case.store.finish(action, [beside(file, content, MARK, name)], done=done, maker=spec.id)
        counts.files += 1
        return
    volumes = [exhibits.reach(volume) for volume in _volumes(case, file)]
    whole = with_secrets(volumes[0], volumes[1:])
    # What did not open will not later, unless what opens it is missing.
    failed = spec.version if installed() else 0
    make(case, spec, file, whole, MARK, name, guard, counts, failed=failed)


def _elsewhere(case: Case, file: File, name: str) -> Content | None:
    """What came out of the same archive on another exhibit or in another place."""
    if not (case.derived / name).exists():
        return None
    for other in case.store.each(File, content=file.content, entry="file"):
        made = _at(case, other, f"{other.path}#{MARK}")
        if made is not None and made.locator == lying(name):
            return case.store.get(Content, made.content)
    return None
