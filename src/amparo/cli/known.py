"""Known-hash sets of a case: add, list, remove."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path

from amparo.cli.case import opened
from amparo.cli.say import DONE, PROBLEMS, Refused, answer, safe, table


def known(args: argparse.Namespace) -> int:
    """Known-hash sets: alert or ignore."""
    from amparo.match.known import compile_set, drop_unlisted, remove_set
    from amparo.model import KnownSet
    from amparo.run.writer import person_action

    with opened(args.case, write=args.do != "list") as case:
        if args.do == "add":
            if not args.use or not args.what:
                raise Refused("known add needs a FILE and --use alert or --use ignore")
            path = Path(args.what)
            if path.exists() and not path.is_file():
                raise Refused(f"{path}: not a file")
            drop_unlisted(case.derived, {s.id for s in case.store.each(KnownSet)})
            try:
                made, problems = compile_set(
                    path, case.derived, args.name or path.stem, args.use, args.origin
                )
            except (ValueError, OSError) as error:
                raise Refused(f"{path}: {error}") from error
            action = person_action("known/add", (made.id,), purpose=args.origin)
            case.store.finish(action, [made], done=(), maker="")
            lines = [
                f"{safe(made.name)}: {made.hashes:,} hashes of {made.entries:,} entries, {made.use}"
                + (f"; {made.unmatched:,} stored, not matched" if made.unmatched else ""),
                *(f"  {safe(p)}" for p in problems),
            ]
            answer(args.json, {"set": describe_set(made), "problems": problems}, lines)
            return PROBLEMS if problems else DONE
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
            (s.name, s.use, s.scheme, s.entries, s.hashes, s.unmatched) for s in sets
        ]
        head = ("name", "use", "scheme", "entries", "hashes", "not matched")
        answer(
            args.json,
            {"sets": [describe_set(s) for s in sets]},
            table(rows, head) if rows else ["No known sets."],
        )
        return DONE


def describe_set(one: object) -> dict[str, object]:
    """A known set's fields for JSON."""
    from amparo.model import KnownSet, describe

    assert isinstance(one, KnownSet)
    return {"id": one.id, **{f.name: getattr(one, f.name) for f in describe(KnownSet)}}
