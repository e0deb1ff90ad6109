"""Custody: are the exhibits still what they were at intake?"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from amparo.evidence.folder import hash_pieces, open_file
from amparo.model import Content, Exhibit, File, Seal, path_bytes
from amparo.run.exhibits import derived_of, pieces
from amparo.run.progress import Progress
from amparo.store import Case

BLOCK = 1 << 20


@dataclass(frozen=True)
class Checked:
    """One exhibit against its seal; ``reason`` is "" when it is unchanged."""

    number: str
    files: int
    reason: str

    def line(self) -> str:
        """For people."""
        return f"Exhibit {self.number}: " + (self.reason or f"unchanged ({self.files:,} files)")

    def as_dict(self) -> dict[str, object]:
        """For ``--json``."""
        return {"number": self.number, "files": self.files, "reason": self.reason}


def check_seals(case: Case, show: Progress) -> list[Checked]:
    """Hash every exhibit again and compare with its seal."""
    out = []
    for exhibit in sorted(case.store.each(Exhibit), key=lambda e: (e.country, e.number)):
        show.begin(f"verify {exhibit.number}", None)
        seal = next(case.store.each(Seal, exhibit=exhibit.id), None)
        root = Path(os.fsdecode(path_bytes(exhibit.source)))
        if seal is None:
            out.append(Checked(exhibit.number, 0, "intake not finished"))
            continue
        try:
            if seal.method == "container":
                sha256, _, _ = hash_pieces(pieces(exhibit), show.step)
                reason = "" if sha256 == seal.sha256 else "CHANGED since intake"
            else:
                reason = _changed_files(case, exhibit, root, show)
        except (OSError, ValueError) as error:
            reason = f"could not be read: {getattr(error, 'strerror', None) or error}"
        out.append(Checked(exhibit.number, seal.files, reason))
        show.end()
    return out


def _changed_files(case: Case, exhibit: Exhibit, root: Path, show: Progress) -> str:
    changed = []
    for file in case.store.each(File, exhibit=exhibit.id, entry="file"):
        content = case.store.get(Content, file.content) if file.content else None
        if content is None or derived_of(case, file) is not None:
            continue
        try:
            if _sha256(root, file.path) != content.sha256:
                changed.append(file.path)
        except OSError as error:
            changed.append(f"{file.path} ({error.strerror})")
        show.step(1, file.size)
    if not changed:
        return ""
    return f"CHANGED since intake: {len(changed)} files, first {changed[0]}"


def _sha256(root: Path, path: str) -> str:
    fd = open_file(root, path)
    with open(fd, "rb") as stream:
        digest = hashlib.sha256()
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
