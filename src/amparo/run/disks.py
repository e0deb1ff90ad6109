"""Encrypted volumes on disks: opened where a key is at hand, before the disk is listed.

The keys of the volumes themselves lie in the case's derived folder, readable by its owner only, and go to
cells with every file of that disk; the database never holds them.
"""

from __future__ import annotations

import json
import os

from amparo.evidence.detect import IMAGES
from amparo.kit.found import Found
from amparo.model import Exhibit
from amparo.run.exhibits import container, object_of, secret_reach, volume_keys, with_secrets
from amparo.run.guards import LazyGuard
from amparo.run.plan import BESIDE
from amparo.run.secrets import secrets
from amparo.sandbox.guard import Job
from amparo.store import Case

FREE_SPACE = "recover/free"
"""The carver that is to look again once there is more to see."""
_MOST = 1 << 20
"""Bytes a cell may say about keys."""


def open_volumes(case: Case, exhibit: Exhibit, guard: LazyGuard) -> tuple[list[str], bool]:
    """Open what the keys of the case open.

    What kept keys from being tried, for people, and whether some volume stays closed that a key would open.
    """
    target = volume_keys(case, exhibit)
    before = target.read_bytes() if target.exists() else b""
    target.unlink(missing_ok=True)  # it is the disk as acquired whose volumes are looked at
    reach = with_secrets(container(case, exhibit), [secret_reach(s) for s in secrets(case)])
    out: list[bytes] = []

    def start() -> list[int]:
        out.clear()
        return reach.open()

    def take(data: bytes) -> None:
        if sum(map(len, out)) < _MOST:  # the rest makes it no JSON, and that is what it is
            out.append(data)

    job = Job(
        token=exhibit.id,
        function="amparo.evidence.unlock:unlock",
        opens="bytes",
        reader=reach.reader,
        locator=reach.locator,
        open=start,
        found=Found(exhibit.id, "", exhibit.number, "", "", exhibit.form),
        seconds=24 * 3600.0,
        sink=take,
    )
    outcome = next(iter(guard.get().run([[job]])))
    said = {} if outcome.error else object_of(b"".join(out))
    listed = said.get("opened")
    opened = json.dumps(listed if isinstance(listed, list) else []).encode()
    part = target.with_suffix(".part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(opened)
    part.replace(target)
    if before not in (b"", opened):
        for carver in (FREE_SPACE, BESIDE):
            case.store.retract(carver, exhibit.id)
    return outcome.warnings, bool(said.get("locked"))


def open_again(case: Case, guard: LazyGuard) -> None:
    """Make the volumes' keys again where somebody has deleted them."""
    for exhibit in case.store.each(Exhibit, form=list(IMAGES)):
        if not volume_keys(case, exhibit).exists():
            try:
                open_volumes(case, exhibit, guard)
            except (OSError, ValueError):
                continue  # the disk is not there: whatever needs it says so
