"""Encrypted backups of messengers inside the exhibits: opened where a key is at hand.

Each one that opens becomes a further File, ``PATH#decrypted`` (:mod:`amparo.run.derived`). Keys are key files
on the exhibits of the case and what the examiner gave (:mod:`amparo.run.secrets`).
"""

from __future__ import annotations

import re

from amparo.kit.plugin import Spec
from amparo.model import File
from amparo.run.derived import make, result_of, still_there
from amparo.run.exhibits import Exhibits, secret_reach, with_secrets
from amparo.run.guards import LazyGuard
from amparo.run.plan import Plan
from amparo.run.progress import Progress
from amparo.run.secrets import MOST, secrets
from amparo.run.writer import Counts, now_ms, settle
from amparo.store import Case

NAME = re.compile(r"\.crypt1[245]\Z")
KEY_FILES = ("key", "encrypted_backup.key")
_LONGEST_KEY = 4096
MARK = "#decrypted"


def open_backups(case: Case, plan: Plan, guard: LazyGuard, counts: Counts, show: Progress) -> None:
    """Open every encrypted backup that is new, or that no key fitted before."""
    spec = plan.backups
    if spec is None or plan.settled(spec):
        return
    started = now_ms()
    found, keys = _search(case)
    waiting = [file for file in found if _undone(case, spec, file)]
    if waiting:
        show.begin(spec.id, len(waiting))
        exhibits = Exhibits(case)
        given = [secret_reach(secret) for secret in secrets(case)]
        for file in waiting:
            own = [exhibits.reach(key) for key in _nearest(keys, file)]
            whole = with_secrets(exhibits.reach(file), (given + own)[:MOST])
            make(case, spec, file, whole, MARK, guard, counts)
            show.step(1, file.size)
        show.end()
    settle(case, spec, started, len(waiting), plan.revision(spec))


def _search(case: Case) -> tuple[list[File], list[File]]:
    """Encrypted backups and key files, by name."""
    found, keys = [], []
    for file in case.store.each(File, entry="file"):
        if not file.content:
            continue
        if NAME.search(file.path):
            found.append(file)
        elif file.path.rpartition("/")[2] in KEY_FILES and file.size <= _LONGEST_KEY:
            keys.append(file)
    return found, keys


def _undone(case: Case, spec: Spec, file: File) -> bool:
    done = case.store.is_done(spec.id, file.id)
    if done is None or done[0] < spec.version:
        return True
    return not any(still_there(case, made) for made in result_of(case, file, MARK))


def _nearest(keys: list[File], file: File) -> list[File]:
    """Keys of the same exhibit first: another device's may still be its owner's."""
    return sorted(keys, key=lambda key: (key.exhibit != file.exhibit, key.path))
