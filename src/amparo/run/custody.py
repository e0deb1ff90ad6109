"""Custody: are the exhibits still what they were at intake?"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from amparo.evidence.detect import IMAGES, UNWRAPPED
from amparo.evidence.folder import hash_pieces, open_file, walk
from amparo.kit.plugin import Spec
from amparo.model import Content, Exhibit, File, Problem, Seal, path_bytes
from amparo.run.exhibits import (
    carved_from,
    derived_of,
    member_of,
    open_read_only,
    pieces,
    unwrapped,
)
from amparo.run.intake import (
    UNWRAPPED_SPEC,
    derived_words,
    list_folder,
    manifest,
    seal_words,
)
from amparo.run.progress import Progress
from amparo.run.writer import machine_action, now_ms, person_action
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
            elif exhibit.form == "itunes":
                # Its files are listed decrypted and under other names; its seal is over them as they lie.
                now = next(r for r in list_folder(root, exhibit, show) if isinstance(r, Seal))
                reason = "" if now.sha256 == seal.sha256 else "CHANGED since intake"
            else:
                reason = _changed_files(case, exhibit, seal, root, show)
            reason = reason or _in_the_chain(case, seal) or _derived(case, exhibit)
        except (OSError, ValueError) as error:
            reason = f"could not be read: {getattr(error, 'strerror', None) or error}"
        out.append(Checked(exhibit.number, seal.files, reason))
        show.end()
    return out


def _in_the_chain(case: Case, seal: Seal) -> str:
    """ "" when the intake's action states this very seal, else what is wrong."""
    stated = {
        action.purpose
        for _, action, _ in case.store.history(seal.exhibit)
        if action.kind.startswith("evidence/") and action.status == "done"
    }
    return "" if seal_words(seal) in stated else "the SEAL is not the one that intake noted"


def _derived(case: Case, exhibit: Exhibit) -> str:
    """ "" when what Amparo itself took out of the exhibit is still that, else what is wrong.

    What was deleted is made again when it is needed, and is no fault.
    """
    tar = unwrapped(case, exhibit)
    if exhibit.form in UNWRAPPED and tar.exists():
        stated = [
            action.purpose
            for _, action, _ in case.store.history(exhibit.id)
            if action.kind == UNWRAPPED_SPEC.id
        ]
        if stated and stated[-1] != derived_words(_hash(open_read_only(tar))):
            return "what was unpacked from it has CHANGED in the case's folder (delete it there)"
    for file in case.store.each(File, exhibit=exhibit.id, entry="file"):
        path = derived_of(case, file)
        if path is None or not path.exists():
            continue
        content = case.store.get(Content, file.content)
        if content is None or _hash(open_read_only(path)) != content.sha256:
            return (
                f"what was made as {file.path} has CHANGED in the case's folder (delete it there)"
            )
    return ""


def relabel(case: Case, exhibit: Exhibit, **labels: str) -> Exhibit:
    """Correct what stands on an exhibit's label (``site``, ``holder``, ``legal_basis``); noted as an action.

    What was sealed, and the number under which it is known, cannot be changed.
    """
    corrected = replace(exhibit, **labels)
    changed = [
        f"{name}: {getattr(exhibit, name)!r} -> {text!r}"
        for name, text in labels.items()
        if getattr(exhibit, name) != text
    ]
    if changed:
        case.store.correct(
            corrected, person_action("label", (exhibit.id,), "; ".join(sorted(changed)))
        )
    return corrected


def compare_stated(case: Case, exhibit: Exhibit, seal: Seal, stated: str) -> str:
    """Hold the hash stated on paper against the seal; "" when they agree, else what is wrong.

    Either way it is noted as an action, and a difference also as a Problem. Raises ValueError when
    ``stated`` is no SHA-256 or the exhibit is a folder, which has none on paper.
    """
    stated = stated.strip().lower()
    if not re.fullmatch(r"[0-9a-f]{64}", stated):
        raise ValueError("--sha256 takes 64 hexadecimal digits")
    if seal.method != "container":
        raise ValueError("a folder has no hash that could be stated on paper")
    reason = ""
    if stated != seal.sha256:
        reason = f"the SHA-256 stated on paper is {stated}, of the container {seal.sha256}"
        if exhibit.form in IMAGES and exhibit.form != "raw":
            reason += " (the one on paper may be of the disk inside it)"
    started = now_ms()
    spec = Spec("evidence", "stated", 1, "The hash stated on paper.", "")
    problems = [
        Problem(
            stage=spec.stage,
            plugin=spec.id,
            subject=exhibit.id,
            exhibit=exhibit.id,
            path="",
            reason=reason,
        )
    ]
    case.store.retract(spec.id, exhibit.id)  # an earlier, perhaps mistyped, one
    case.store.finish(
        machine_action(spec, started, (exhibit.id,), error=reason),
        problems if reason else [],
        done=[(exhibit.id, spec.id, spec.version)],
        maker=spec.id,
    )
    verdict = "differs from" if reason else "agrees with"
    case.store.act(person_action("add/sha256", (exhibit.id,), f"{stated} {verdict} the seal"))
    return reason


def _changed_files(case: Case, exhibit: Exhibit, seal: Seal, root: Path, show: Progress) -> str:
    changed, known = [], set()
    lines: list[tuple[str, int, str]] = []
    for file in case.store.each(File, exhibit=exhibit.id, entry="file"):
        if derived_of(case, file) or carved_from(file) or member_of(file):
            continue
        known.add(file.path)
        content = case.store.get(Content, file.content) if file.content else None
        lines.append((file.path, file.size, content.sha256 if content else ""))
        if content is None:
            continue
        try:
            if _sha256(root, file.path) != content.sha256:
                changed.append(file.path)
        except OSError as error:
            changed.append(f"{file.path} ({error.strerror})")
        show.step(1, file.size)
    now = (e for e in walk(root, exhibit.id) if isinstance(e, File) and e.entry == "file")
    changed += [f"{e.path} (added)" for e in now if e.path not in known]
    if changed:
        return f"CHANGED since intake: {len(changed)} files, first {changed[0]}"
    if manifest(lines) != seal.sha256:
        return "the case's own list of its files is not the one that was sealed"
    return ""


def _sha256(root: Path, path: str) -> str:
    return _hash(open_file(root, path))


def _hash(fd: int) -> str:
    with open(fd, "rb") as stream:
        digest = hashlib.sha256()
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
