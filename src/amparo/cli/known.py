"""Known-hash sets of a case: add, update, list, remove."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from amparo.cli.case import opened
from amparo.cli.say import DONE, PROBLEMS, Refused, answer, safe, table

if TYPE_CHECKING:
    from amparo.store import Case


_JUDGED = "judged-"


def known(args: argparse.Namespace) -> int:
    """Known-hash sets: alert or ignore."""
    from amparo.match.sets import drop_unlisted, remove_set
    from amparo.match.terms import expired
    from amparo.model import KnownSet
    from amparo.run.writer import person_action

    with opened(args.case, write=args.do != "list") as case:
        if args.do != "list":
            drop_unlisted(case.derived, {s.id for s in case.store.each(KnownSet)})
        if args.do in ("add", "update"):
            return _take(case, args)
        sets = sorted(case.store.each(KnownSet), key=lambda s: s.name)
        if args.do == "remove":
            gone = [s for s in sets if args.what in (s.name, s.id)]
            if not gone:
                raise Refused(f"no known set {args.what!r} in this case")
            for one in gone:
                case.store.remove(KnownSet, [one.id], person_action("known/remove", (one.id,)))
                with suppress(FileNotFoundError):  # what is derived may have been deleted before
                    remove_set(case.derived, one.id)
            answer(args.json, {"removed": [s.name for s in gone]}, [f"Removed {args.what}"])
            return DONE
        rows: list[tuple[object, ...]] = [
            (
                s.name,
                s.use + (", expired: not used" if expired(s) else ""),
                s.scheme,
                s.entries,
                s.hashes,
                s.unmatched,
                s.origin,
                s.licence,
                day(s.expires) if s.expires is not None else "",
            )
            for s in sets
        ]
        head = (
            "name", "use", "scheme", "entries", "hashes", "not matched", "origin", "licence", "expires",
        )  # fmt: skip
        answer(
            args.json,
            {"sets": [describe_set(s) for s in sets]},
            table(rows, head) if rows else ["No known sets."],
        )
        return DONE


def _take(case: Case, args: argparse.Namespace) -> int:
    """Add a list, or put a change on top of one that is there."""
    from amparo.match.sets import Terms, compile_set, latest_of, remove_set, update_set
    from amparo.model import KnownSet
    from amparo.run.writer import person_action

    path = Path(args.what)
    if (
        not args.what
        or (args.do == "add" and not args.use)
        or (args.do == "update" and not args.name)
    ):
        raise Refused(
            "known add needs a FILE and --use alert or --use ignore; known update a FILE and --name"
        )
    there = {s.id: s for s in case.store.each(KnownSet)}
    old = [s for s in there.values() if args.name in (s.name, s.id)] if args.do == "update" else []
    if args.do == "update" and not old:
        raise Refused(f"no known set {args.name!r} in this case")
    try:
        with _supplied(case, path, old[0].use if old else args.use) as (source, origin, left_out):
            terms = Terms(args.origin or origin, args.licence, args.expires)
            if old:
                latest = latest_of(case.derived, old)
                if latest is None:
                    raise Refused(
                        f"several known sets are called {args.name!r}: name one by its id"
                    )
                made, problems = update_set(source, case.derived, latest)
            else:
                name = args.name or path.stem
                made, problems = compile_set(source, case.derived, name, args.use, terms)
            problems += left_out
    except (ValueError, OSError) as error:
        raise Refused(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    replaced = [s for s in old if s.id != made.id]
    action = person_action(
        f"known/{args.do}", (made.id, *(s.id for s in replaced)), purpose=args.origin
    )
    case.store.finish(action, [made], done=(), maker="")
    for one in replaced:
        case.store.remove(KnownSet, [one.id], person_action("known/remove", (one.id,)))
        with suppress(FileNotFoundError):
            remove_set(case.derived, one.id)
    lines = [
        f"{safe(made.name)}: {made.hashes:,} hashes of {made.entries:,} entries, {made.use}"
        + (f"; {made.unmatched:,} stored, not matched" if made.unmatched else ""),
        *(f"  {safe(p)}" for p in problems),
    ]
    answer(args.json, {"set": describe_set(made), "problems": problems}, lines)
    return PROBLEMS if problems else DONE


@contextmanager
def _supplied(case: Case, path: Path, use: str) -> Iterator[tuple[Path, str, list[str]]]:
    """The list, who it is from and what it leaves out; of an earlier case, what was judged there."""
    from amparo.match.earlier import judged_list

    if not (path / "case.toml").is_file():
        yield path, "", []
        return
    with opened(path) as earlier:
        if path.resolve() == case.path.resolve() or earlier.config.store == case.config.store != "":
            raise Refused(f"{path} is this case itself, or kept in its database")
        text, left_out = judged_list(earlier.store, use)
        origin = f"case {earlier.config.name}"
    if not text:
        raise Refused(f"nothing in {path} is judged so that it could be a list to {use}")
    for cut_short in case.derived.glob(f"{_JUDGED}*"):
        rmtree(cut_short)
    with TemporaryDirectory(dir=case.derived, prefix=_JUDGED) as made:
        source = Path(made, "judged.csv")
        source.write_text(text, "utf-8")
        yield source, origin, left_out


def day(moment: int) -> str:
    """A date of UTC milliseconds."""
    return datetime.fromtimestamp(moment / 1000, UTC).date().isoformat()


def end_of(text: str) -> int:
    """The last millisecond of a day written 2027-12-31; ValueError for anything else."""
    return int(datetime.fromisoformat(f"{text}T23:59:59.999+00:00").timestamp() * 1000)


def describe_set(one: object) -> dict[str, object]:
    """A known set's fields for JSON."""
    from amparo.model import KnownSet, describe

    assert isinstance(one, KnownSet)
    return {"id": one.id, **{f.name: getattr(one, f.name) for f in describe(KnownSet)}}
