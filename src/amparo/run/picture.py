"""A larger view of one picture for the desk: decoded in a cell, encoded here, kept nowhere."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path

from amparo.kit.found import Found
from amparo.kit.plugin import Spec
from amparo.kit.thumb import encode
from amparo.model import At, Content, File, Preview
from amparo.run.exhibits import READERS, Exhibits, Reach, kinds_of, open_read_only
from amparo.run.guards import LazyGuard
from amparo.run.learnt import preload
from amparo.sandbox.guard import Job, Outcome
from amparo.store import Case

VIEW = Spec("fingerprint", "view", 1, "One picture, larger.", "amparo.fingerprint.view:view")
SHEET = Spec(
    "fingerprint", "sheet", 1, "Frames of one film.", "amparo.fingerprint.video_sheet:sheet"
)


class Pictures:
    """Context manager; one cell at a time, shared by all requests of the desk."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._exhibits = Exhibits(case)
        self._guard = LazyGuard(case, cells=1)
        self._lock = threading.Lock()

    def __enter__(self) -> Pictures:
        return self

    def __exit__(self, *error: object) -> None:
        self._guard.__exit__()

    def larger(self, content_id: str, longest: int) -> bytes | None:
        """The picture, or frames of the film, as JPEG, its longer side at most ``longest`` (of 1024); None if unreadable."""
        store = self._case.store
        content = store.get(Content, content_id)
        if content is None:
            return None
        spec = SHEET if content.mime.startswith("video/") else VIEW
        file = next(iter(store.find(File, {"content": content_id}, limit=1)), None)
        preview = next(iter(store.find(Preview, {"content": content_id}, limit=1)), None)
        if file is not None:
            job = self._exhibits.content_job(spec, content, file)
        elif preview is not None:
            job = self._exhibits.preview_job(spec, content, preview)
        else:
            return None
        thumbs = self._one(job).thumbs
        return encode(thumbs[0], longest) if thumbs else None

    def piece(self, at: At, most: int) -> bytes:
        """The first ``most`` of the bytes that a record rests on, as they lie in the evidence now.

        ValueError in words where there are none, or they cannot be read any more.
        """
        file = self._case.store.get(File, at.file)
        if file is None or at.offset is None or not at.length:
            raise ValueError("no bytes are named")
        reach = self._exhibits.reach(file)
        place = {
            "reader": reach.reader,
            "locator": reach.locator,
            "companion": at.companion,
            "offset": at.offset,
            "length": min(at.length, most),
        }
        taken = bytearray()

        def start() -> list[int]:
            taken.clear()
            return reach.open()

        job = Job(
            token="piece",
            function="amparo.recover.piece:as_they_are",
            opens="bytes",
            reader="amparo.recover.piece:piece",
            locator=json.dumps(place),
            open=start,
            found=Found("", "", file.path, ""),
            seconds=60,
            sink=taken.extend,
        )
        outcome = self._one(job)
        if outcome.error:
            raise ValueError(outcome.error)
        return bytes(taken)

    def _one(self, job: Job) -> Outcome:
        with self._lock:
            return next(iter(self._guard.get().run([[job]])))


def looks(case: Case, path: Path, specs: Sequence[Spec]) -> list[Outcome]:
    """Fingerprint a file that is not evidence of this case (a query), also in cells: one outcome for each ``spec``.

    Registered models among them have to run here.
    """
    exhibits = Exhibits(case)
    reach = Reach(lambda: [open_read_only(path)], f"{READERS}:whole", '{"companions": []}')
    jobs = []
    for number, spec in enumerate(specs):
        whole = exhibits.model_beside(spec, reach)
        job = Job(
            token=str(number),
            function=spec.function,
            opens=spec.opens,
            reader=whole.reader,
            locator=whole.locator,
            open=whole.open,
            found=Found("", "", path.name, ""),
            seconds=spec.seconds,
            kinds=kinds_of(spec) if spec.model else None,
        )
        jobs.append(job)
    also = preload(case) if any(spec.model for spec in specs) else ()
    with LazyGuard(case, cells=1, also=also) as guard:
        outcomes = guard.get().run([job] for job in jobs)
        return sorted(outcomes, key=lambda outcome: int(outcome.job.token))
