"""RAR and 7z archives among the exhibits' files, and files under Zstandard or LZ4: written out once.

Each becomes a further File, ``PATH#unpacked`` (:mod:`amparo.run.derived`): a zip of what the archive holds, opened
like any other archive. The same archive on several exhibits is unpacked once. What may be its further volumes is
found by the names their tools give them; whether they are, their own bytes say, in the cell.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import count

from amparo.evidence.repack import FORMS, MARK, installed, volume_of
from amparo.kit.plugin import Spec
from amparo.kit.room import no_room
from amparo.model import Content, File, Problem, make_id
from amparo.run.derived import beside, make, result_of, still_there
from amparo.run.exhibits import Exhibits, with_secrets
from amparo.run.guards import LazyGuard
from amparo.run.plan import Plan
from amparo.run.progress import Progress
from amparo.run.writer import Counts, machine_action, now_ms, settle
from amparo.store import Case

_MOST_VOLUMES = 1000
_CUT = re.compile(r"(.*\.7z\.)(\d{3,})", re.IGNORECASE | re.DOTALL)
_BEFORE = "recover/archive"
"""What earlier said of such a file that it is not opened."""

Volumes = list[File]


def unpack_archives(
    case: Case, plan: Plan, guard: LazyGuard, counts: Counts, show: Progress
) -> bool:
    """Write out every archive that is new, or that libarchive was missing for; True when there was one."""
    spec = plan.packed
    if spec is None or plan.settled(spec):
        return False
    started = now_ms()
    archives = list(_archives(case))
    waiting = [volumes for volumes in archives if _undone(case, spec, volumes[0])]
    if waiting:
        show.begin(spec.id, len(waiting))
        same: dict[tuple[str, ...], list[Volumes]] = defaultdict(list)
        for volumes in archives:
            same[_contents(volumes)].append(volumes)
        exhibits = Exhibits(case)
        for volumes in waiting:
            others = [other[0] for other in same[_contents(volumes)] if other is not volumes]
            _unpack(case, spec, exhibits, volumes, others, guard, counts)
            show.step(1, sum(volume.size for volume in volumes))
        show.end()
    settle(case, spec, started, len(waiting), plan.revision(spec))
    return bool(waiting)


def _archives(case: Case) -> Iterator[Volumes]:
    """Archives of these forms, each with what may be its further volumes, in order."""
    held = {c.id: c.mime for c in case.store.each(Content, mime=list(FORMS))}
    files = case.store.each(File, content=list(held), entry="file") if held else iter(())
    named: dict[tuple[str, ...], list[tuple[int, str, File]]] = defaultdict(list)
    for file in files:
        name, number = volume_of(file.path)
        of_one = (file.exhibit, str(file.ordinal), file.state, held[file.content], name)
        named[of_one].append((number, file.path, file))
    for files_of_one in named.values():
        volumes: Volumes = []
        last = 0
        for number, _, file in sorted(files_of_one, key=lambda row: row[:2]):
            if volumes and (number != last + 1 or len(volumes) == _MOST_VOLUMES):
                yield _with_the_rest(case, volumes)
                volumes = []
            volumes.append(file)
            last = number
        yield _with_the_rest(case, volumes)


def _with_the_rest(case: Case, volumes: Volumes) -> Volumes:
    """With the further pieces of a 7z, which begin with anything."""
    last = volumes[-1]
    found = _CUT.fullmatch(last.path)
    if found is None:
        return volumes
    further = list(volumes)
    for number in count(int(found[2]) + 1):
        path = f"{found[1]}{number:0{len(found[2])}d}"
        id = make_id("file", last.exhibit, path, last.ordinal, last.state)
        file = case.store.get(File, id)
        if file is None or not file.content or len(further) == _MOST_VOLUMES:
            return further
        further.append(file)
    return further


def _contents(volumes: Volumes) -> tuple[str, ...]:
    return tuple(volume.content for volume in volumes)


def _undone(case: Case, spec: Spec, file: File) -> bool:
    done = case.store.is_done(spec.id, file.id)
    if done is None or done[0] < spec.version:
        return True
    made = result_of(case, file, MARK)
    return bool(made) and not any(still_there(case, one) for one in made)


def _unpack(
    case: Case,
    spec: Spec,
    exhibits: Exhibits,
    volumes: Volumes,
    others: Volumes,
    guard: LazyGuard,
    counts: Counts,
) -> None:
    file = volumes[0]
    if case.store.is_done(_BEFORE, file.id) is not None:
        case.store.retract(_BEFORE, file.id)
    started, done = now_ms(), [(file.id, spec.id, spec.version)]
    if (content := _elsewhere(case, spec, others)) is not None:
        action = machine_action(spec, started, (file.id,), 1)
        case.store.finish(action, [beside(file, content, MARK)], done=done, maker=spec.id)
        counts.files += 1
        return
    reaches = [exhibits.reach(volume) for volume in volumes]
    whole = with_secrets(reaches[0], reaches[1:])
    # What did not open will not later, unless what opens it is missing.
    failed = spec.version if installed() else 0
    try:
        make(case, spec, file, whole, MARK, guard, counts, failed=failed)
    except OSError as error:
        if not no_room(error):
            raise
        reason = "not opened: no room to write it out"
        problem = Problem(
            stage=spec.stage,
            plugin=spec.id,
            subject=file.id,
            exhibit=file.exhibit,
            path=file.path,
            reason=reason,
        )
        action = machine_action(spec, started, (file.id,), error=reason)
        case.store.finish(action, [problem], done=[(file.id, spec.id, 0)], maker=spec.id)
        counts.problems += 1


def _elsewhere(case: Case, spec: Spec, others: Volumes) -> Content | None:
    """What came out of the same archive on another exhibit or in another place."""
    for other in others:
        done = case.store.is_done(spec.id, other.id)
        if done is None or done[0] != spec.version:
            continue
        for made in result_of(case, other, MARK):
            if still_there(case, made):
                return case.store.get(Content, made.content)
    return None
