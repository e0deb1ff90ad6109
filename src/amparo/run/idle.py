"""Whether anything at all could have changed since a run found nothing left to do.

Knowing that needs no plugin: the code's files and the records' revisions are enough. So a second run
over a finished case answers at once.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import entry_points
from pathlib import Path

import amparo
from amparo.evidence import repack
from amparo.kit.plugin import Spec
from amparo.match.terms import out_of_use
from amparo.model import KINDS, KnownSet
from amparo.recover import photorec
from amparo.run import parts, secrets
from amparo.run.small import lost
from amparo.store import WHOLE, Case

EVERYTHING = Spec("run", "everything", 1, "A run that left nothing to do.", "")


def stamp(case: Case) -> str:
    """Changes with any file of Amparo, any installed plugin, any key given, any list out of date and any row of the case."""
    digest = hashlib.sha256()
    root = Path(amparo.__file__).parent
    for path in sorted(root.rglob("*.py")):
        about = path.stat()
        digest.update(f"{path.relative_to(root)} {about.st_size} {about.st_mtime_ns}\n".encode())
    for point in sorted(entry_points(group="amparo.plugins"), key=lambda p: p.name):
        digest.update(f"{point.name} {point.value} {point.dist and point.dist.version}\n".encode())
    digest.update(secrets.stamp(case).encode())
    digest.update(photorec.stamp().encode() if case.config.photorec else b"")
    digest.update(f"{repack.stamp(case.store)} {parts.stamp(case)}\n".encode())
    digest.update(b"crops" if case.config.crops else b"")
    digest.update(" ".join(out_of_use(case.store.each(KnownSet))).encode())
    digest.update(case.store.revision(list(KINDS.values())).encode())
    return digest.hexdigest()


def nothing_changed(case: Case) -> bool:
    """Whether everything stands as it did when a run last found nothing left to do."""
    done = case.store.is_done(EVERYTHING.id, WHOLE)
    return done is not None and done == (EVERYTHING.version, stamp(case)) and not lost(case)
