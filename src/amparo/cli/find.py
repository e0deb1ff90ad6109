"""Find content, text or an account in a case. What is found is a lead, never an identity."""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from amparo.cli.case import Unopened, opened
from amparo.cli.find_films import Kept, find_film, looked_at, still_lines, stills
from amparo.cli.say import DONE, PROBLEMS, Refused, answer, safe

if TYPE_CHECKING:
    from amparo.match.find import Alike
    from amparo.model import ModelCard
    from amparo.sandbox.guard import Outcome
    from amparo.store import Case

SAID = {
    "exact": "the same file",
    "pdq": "looks the same",
    "tier2": "the same, verified",
    "box": "within a frame or screen, verified",
    "crop": "a part, verified",
    "cut": "a part, verified",
    "model": "the same by a registered model, verified",
}


DEEPEST = 3
"""Folders between the one that is named and a case in it, at the most."""


def find(args: argparse.Namespace) -> int:
    """Find content by picture, film, sound or hash, text, or an account, in one case or several."""
    paths = [case for path in args.case for case in _cases(path)]
    answers: list[tuple[Path, dict[str, object], list[str]]] = []
    kept: Kept = {}
    unread = 0
    for path in dict.fromkeys(paths):
        try:
            with opened(path) as case:
                answers.append((path, *_in_case(case, args, kept)))
        except Unopened as error:
            if len(paths) == 1:
                raise
            unread += 1
            answers.append((path, {"error": str(error)}, [f"Not searched: {safe(str(error))}"]))
    if len(answers) == 1:
        _, data, lines = answers[0]
        answer(args.json, data, lines or ["Nothing found."])
        return DONE
    said = []
    for path, _, lines in answers:
        said += [f"In {safe(str(path))}:", *(lines or ["Nothing found."])]
    answer(args.json, {"cases": [{"case": str(path), **data} for path, data, _ in answers]}, said)
    return PROBLEMS if unread else DONE


def _cases(path: Path) -> list[Path]:
    """The case at a path; of a folder that is none, every case in it, without following links."""
    if (path / "case.toml").exists() or not path.is_dir():
        return [path]
    found = []
    for folder, inner, files in os.walk(path):
        inner.sort()
        if "case.toml" in files:
            found.append(Path(folder))
            inner.clear()
        elif len(Path(folder).relative_to(path).parts) >= DEEPEST:
            inner.clear()
    if not found:
        raise Refused(f"{path}: neither a case nor a folder with cases in it")
    return sorted(found)


def _in_case(
    case: Case, args: argparse.Namespace, kept: Kept
) -> tuple[dict[str, object], list[str]]:
    """What one case holds, as data and as lines."""
    if args.text is not None or args.account is not None:
        from amparo.cli.find_text import find_account, find_text

        return find_text(case, args) if args.text is not None else find_account(case, args)
    if args.video is not None or args.audio is not None:
        return find_film(case, args, kept)
    hits, films, missing = (
        (_by_hash(case, args.hash), [], 0) if args.hash is not None else _by_image(case, args, kept)
    )
    rows = [_where(case, hit) for hit in hits[: args.limit]]
    lines = [line for row in rows for line in _lines(row)]
    lines += [line for row in films[: args.limit] for line in still_lines(row)]
    found: dict[str, object] = {"found": rows, "total": len(hits)}
    if args.image is not None:
        found["films"] = films[: args.limit]
        found["parts_looked_for"], found["not_laid_on"] = missing is not None, missing or 0
        if missing is None:
            lines = lines or ["Nothing found."]
            why = "--quick" if args.quick else "there is no small picture of it that can be read"
            lines.append(f"Not looked for: whether it is any part of another picture ({why})")
        elif missing:
            lines = lines or ["Nothing found."]
            lines.append(
                f"Not looked for: whether it is any part of {missing:,} pictures of which the case "
                "holds no small one that can be read"
            )
    return found, lines


def _by_hash(case: Case, digest: str) -> list[Alike]:
    from amparo.match.find import by_hash, by_pdq

    try:
        exact = by_hash(case.store, digest)
    except ValueError as error:
        raise Refused(str(error)) from error
    return [_exact(content) for content in exact] + by_pdq(case.store, digest)


def _exact(content: str) -> Alike:
    from amparo.match.find import Alike

    return Alike(content, "exact", 0, False, True, 6.0, ("the same bytes",))


def _by_image(
    case: Case, args: argparse.Namespace, kept: Kept
) -> tuple[list[Alike], list[dict[str, object]], int | None]:
    """Contents like the picture, films that show it, and on how many pictures it could not be laid: None for all."""
    import hashlib

    from amparo.kit.plugin import discover
    from amparo.kit.thumb import encode
    from amparo.match.find import alike, by_hash
    from amparo.match.stacks import FLOOR
    from amparo.model import Fingerprint, Media
    from amparo.run.learnt import spec_of
    from amparo.run.local import thumb_of
    from amparo.run.picture import looks
    from amparo.run.plan import CROPS, LOOKING

    if args.image.exists() and not args.image.is_file():
        raise Refused(f"{args.image}: not a file")
    try:
        with args.image.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise Refused(f"{args.image}: {error.strerror}") from error
    specs = {s.id: s for s in discover()}
    models = _models(case)
    # its parts too, whatever the case holds: what is looked for may be the larger picture
    own = [specs[LOOKING], specs[CROPS]]
    outcome, parts = looked_at(case, args.image, own, kept)
    of_models = looks(case, args.image, list(map(spec_of, models))) if models else []
    if outcome.error:
        raise Refused(f"{args.image}: {outcome.error}")
    records = [*outcome.records(), *parts.records()]
    prints = [r for r in records if isinstance(r, Fingerprint)]
    orientation = next((r.orientation for r in records if isinstance(r, Media)), 1)
    seen = encode(outcome.thumbs[0]) if outcome.thumbs else None
    exact = by_hash(case.store, sha256)
    near = alike(case.store, prints, seen, orientation, partial(thumb_of, case))
    missing: int | None = None
    if seen is not None and not args.quick:
        near, missing = _with_parts(case, seen, near, quiet=args.json)
    films = [
        film
        for r in prints
        if r.algorithm == "pdq8" and r.quality >= FLOOR
        for film in stills(case, r.value)
    ]
    for record, said in zip(models, of_models, strict=True):
        near += _by_model(case, record, said, seen, {hit.content for hit in near})
    hits = [_exact(c) for c in exact] + [hit for hit in near if hit.content not in exact]
    return hits, films, missing


def _with_parts(
    case: Case, seen: bytes, near: list[Alike], quiet: bool
) -> tuple[list[Alike], int | None]:
    """What was found by hashes, and what the picture is a part of or shows a part of; as :func:`amparo.match.find.laid`."""
    from amparo.match.find import laid
    from amparo.run.local import thumbs_of
    from amparo.run.progress import Progress

    show = Progress(quiet=quiet)

    def step(done: int, total: int) -> None:
        if not done:
            show.begin("laid on every picture", total)
        show.step(done)

    sure = {hit.content for hit in near if hit.verified}
    parts, missing = laid(case.store, seen, partial(thumbs_of, case), sure, step)
    show.end()
    found = {hit.content for hit in parts}
    both = [hit for hit in near if hit.content not in found] + parts
    return sorted(both, key=lambda hit: not hit.verified), missing


def _models(case: Case) -> list[ModelCard]:
    """The case's registered descriptors, where this machine can run them."""
    from amparo.run.learnt import MISSING, available, descriptors

    found = [record for record, _ in descriptors(case)]
    if found and not available():
        print(f"amparo: {MISSING}", file=sys.stderr)
        return []
    return found


def _by_model(
    case: Case, record: ModelCard, outcome: Outcome, seen: bytes | None, had: set[str]
) -> list[Alike]:
    """What a registered descriptor holds to be near beyond what was found before."""
    from amparo.match.described import alike_by
    from amparo.model import ModelVector
    from amparo.run.local import thumb_of

    if outcome.error:
        print(f"amparo: model {record.name}: {safe(outcome.error)}", file=sys.stderr)
    return [
        hit
        for said in outcome.records()
        if isinstance(said, ModelVector)
        for hit in alike_by(case.store, record, said.value, seen, partial(thumb_of, case))
        if hit.content not in had
    ]


def _where(case: Case, hit: Alike) -> dict[str, object]:
    from amparo.model import Content, Exhibit, File, Posting

    content = case.store.get(Content, hit.content)
    assert content is not None
    files = []
    for file in case.store.each(File, content=hit.content):
        exhibit = case.store.get(Exhibit, file.exhibit)
        files.append(
            {
                "exhibit": exhibit.number if exhibit else "",
                "path": file.path,
                "state": file.state,
                "method": file.method,
                "confidence": file.confidence,
            }
        )
    return {
        "content": hit.content,
        "sha256": content.sha256,
        "mime": content.mime,
        "method": hit.method,
        "distance": hit.distance,
        "turned": hit.turned,
        "verified": hit.verified,
        "log10_lr": round(hit.log10_lr, 2),
        "reasons": list(hit.reasons),
        "files": files,
        "postings": sum(1 for _ in case.store.each(Posting, content=hit.content)),
    }


def _lines(row: dict[str, object]) -> list[str]:
    from amparo.match.same import apart

    files = row["files"]
    assert isinstance(files, list)
    reasons = row["reasons"]
    assert isinstance(reasons, list)
    how = SAID[str(row["method"])] if row["verified"] else "likely the same, check"
    if row["method"] != "exact":
        how += ", " + apart(str(row["method"]), int(str(row["distance"])))
    how += ", turned" if row["turned"] else ""
    head = f"{row['sha256']}  {row['mime']}  {how}  {row['postings']} postings"
    why = [] if row["method"] == "exact" else [f"    why: {reason}" for reason in reasons]
    files = [f"    {safe(f['exhibit'])}: {safe(f['path'])} ({_state(f)})" for f in files]
    return [head, *files, *why]


def _state(file: dict[str, object]) -> str:
    return f"{file['state']}, {safe(str(file['method']))}" if file["method"] else str(file["state"])
