"""The verbs of a case's life: new, add, run, status, verify."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from amparo.cli.say import DONE, PROBLEMS, Refused, answer, me, safe, table
from amparo.model import path_text

if TYPE_CHECKING:
    from amparo.store import Case, Store


class Unopened(Refused):
    """A case that is none, cannot be read, or is being written to by somebody else."""


@contextmanager
def opened(path: Path, write: bool = False) -> Iterator[Case]:
    """An existing case, open; Unopened when that is not possible."""
    from amparo.store import Case, StoreRefused

    try:
        case = Case.open(path, write=write)
    except (StoreRefused, OSError, ValueError) as error:
        raise Unopened(str(error)) from error
    try:
        yield case
    finally:
        case.close()


def new(args: argparse.Namespace) -> int:
    """Create a case."""
    from sqlalchemy.exc import SQLAlchemyError

    from amparo.kit.schemes import find_scheme
    from amparo.store import Case

    try:
        find_scheme(args.scheme)
        case = Case.create(
            args.case, args.name or args.case.stem, scheme=args.scheme, store=args.store
        )
    except (ValueError, OSError) as error:
        raise Refused(str(error)) from error
    except SQLAlchemyError as error:
        raise Refused(f"no case can be made there: {getattr(error, 'orig', error)}") from error
    case.close()
    answer(
        args.json,
        {"case": str(args.case)},
        [f"Created {args.case}; next: {me()} add {args.case} PATH"],
    )
    return DONE


def add(args: argparse.Namespace) -> int:
    """Take in exhibits."""
    from amparo.run.custody import compare_stated
    from amparo.run.intake import add_exhibit
    from amparo.run.progress import Progress

    if (args.exhibit or args.sha256) and len(args.paths) > 1:
        raise Refused("--exhibit and --sha256 speak of one exhibit: add the paths one by one")
    if args.sha256 and not re.fullmatch("[0-9a-fA-F]{64}", args.sha256.strip()):
        raise Refused("--sha256 takes 64 hexadecimal digits")
    with opened(args.case, write=True) as case:
        taken = []
        for path in args.paths:
            number = _number(args.exhibit, path)
            here, there = args.case.resolve(), path.resolve()
            if here == there or here in there.parents or there in here.parents:
                raise Refused(f"{path}: the case itself is in there")
            try:
                taken.append(
                    add_exhibit(
                        case,
                        path,
                        number=number,
                        country=args.country.upper(),
                        site=args.site,
                        holder=args.holder,
                        legal_basis=args.legal_basis,
                        progress=Progress(quiet=args.json),
                    )
                )
            except (ValueError, OSError) as error:
                raise Refused(f"{path}: {getattr(error, 'strerror', None) or error}") from error
        problems = sum(t.problems for t in taken)
        lines = [line for t in taken for line in t.lines()]
        if args.sha256 and taken[0].seal is not None:
            try:
                differs = compare_stated(case, taken[0].exhibit, taken[0].seal, args.sha256)
            except ValueError as error:
                raise Refused(str(error)) from error
            problems += bool(differs)
            lines.append(f"  {differs or 'agrees with the SHA-256 stated on paper'}")
        lines.append(f"Next: {me()} run {safe(str(args.case))}")
        answer(args.json, {"exhibits": [t.as_dict() for t in taken]}, lines)
    return PROBLEMS if problems else DONE


def _number(given: str, path: Path) -> str:
    """The exhibit's number: as given, else the path's own name; any bytes, as text that is safe to show."""
    number = path_text(os.fsencode(given or path.resolve().name))
    if not number.strip():
        raise Refused(f"{path} has no name that could be its number: give --exhibit")
    return number


def label(args: argparse.Namespace) -> int:
    """Correct an exhibit's label."""
    from amparo.model import Exhibit
    from amparo.run.custody import relabel

    asked = {n: getattr(args, n) for n in ("site", "holder", "legal_basis")}
    given = {name: text for name, text in asked.items() if text is not None}
    if not given:
        raise Refused("give --site, --holder or --legal-basis")
    with opened(args.case, write=True) as case:
        equal = {"country": args.country.upper()} if args.country else {}
        found = list(case.store.each(Exhibit, number=args.exhibit, **equal))
        if len(found) != 1:
            raise Refused(
                f"no exhibit {args.exhibit} in this case"
                if not found
                else f"{len(found)} exhibits have the number {args.exhibit}: give --country"
            )
        now = relabel(case, found[0], **given)
    labels = {"site": now.site, "holder": now.holder, "legal_basis": now.legal_basis}
    lines = [f"{name.replace('_', ' ')}: {safe(text)}" for name, text in labels.items()]
    answer(args.json, {"number": now.number, **labels}, [f"Exhibit {safe(now.number)}", *lines])
    return DONE


def run(args: argparse.Namespace) -> int:
    """Do all that is missing."""
    from amparo.run.progress import Progress

    with opened(args.case, write=True) as case:
        from amparo.run.idle import nothing_changed

        idle = not args.stage and not args.only and nothing_changed(case)
        if not idle:
            from amparo.run.plan import Plan

            try:
                plan = Plan(case, args.stage, args.only)
            except ValueError as error:
                raise Refused(str(error)) from error
        if idle or plan.finished():
            answer(args.json, {"idle": True}, ["Nothing to do: everything is up to date."])
            return DONE
        from amparo.run.local import run as run_plan
        from amparo.sandbox.guard import FloorError, GuardError
        from amparo.store import StoreRefused

        try:
            summary = run_plan(case, plan, Progress(quiet=args.json))
        except (FloorError, GuardError, StoreRefused, OSError) as error:
            raise Refused(str(error)) from error
        lines = [*summary.lines(), f"The desk: {me()} review {safe(str(args.case))}"]
        answer(args.json, summary.as_dict(), lines)
        return PROBLEMS if summary.counts.problems or summary.small.missed else DONE


def status(args: argparse.Namespace) -> int:
    """What is done, what is not, what could not be read and why."""
    from amparo.cli.erased import erased
    from amparo.cli.erased import lines as erased_lines
    from amparo.model import Exhibit, Problem
    from amparo.run.plan import Plan, unknown_databases
    from amparo.run.small import lost

    with opened(args.case) as case:
        store = case.store
        plan = Plan(case)
        kinds = {kind: n for kind, n in totals(store).items() if n}
        exhibits = sorted(store.each(Exhibit), key=lambda e: (e.country, e.number))
        waiting = [e.number for e in plan.exhibits()]
        unsettled = [s.id for s in plan.all() if not plan.settled(s)]
        gone = erased(store)
        gone_pictures = lost(case)
        by_exhibit = {e.id: e.number for e in exhibits}
        problems = sorted(
            store.each(Problem),
            key=lambda p: (by_exhibit.get(p.exhibit, ""), p.path, p.stage, p.reason, p.id),
        )
        unknown = sorted((by_exhibit.get(f.exhibit, ""), f.path) for f in unknown_databases(store))
        data = {
            "case": case.config.name,
            "exhibits": [
                {"number": e.number, "country": e.country, "site": e.site, "form": e.form}
                for e in exhibits
            ],
            "records": kinds,
            "waiting_for_intake": waiting,
            "pending_plugins": unsettled,
            "small_pictures_gone": gone_pictures,
            "erased": gone,
            "unknown_databases": [{"exhibit": e, "path": p} for e, p in unknown],
            "problems": [
                {
                    "stage": p.stage,
                    "plugin": p.plugin,
                    "exhibit": by_exhibit.get(p.exhibit, ""),
                    "path": p.path,
                    "reason": p.reason,
                }
                for p in problems
            ],
        }
        lines = [f"Case {safe(case.config.name)}: {len(exhibits)} exhibits"]
        lines += [f"  {kind:<18}{n:>12,}" for kind, n in sorted(kinds.items())]
        lines += erased_lines(gone)
        if waiting:
            lines.append(f"Intake not finished: {', '.join(map(safe, waiting))}")
        if unsettled:
            lines.append(f"Not up to date: {', '.join(unsettled)} (amparo run)")
        if gone_pictures:
            lines.append("Small pictures are gone: amparo run makes them again")
        if not unsettled and not gone_pictures:
            lines.append("Everything is up to date.")
        if problems:
            lines += ["", f"Could not be read, or not wholly: {len(problems)}"]
            named = [
                (by_exhibit.get(p.exhibit, ""), p.path or p.plugin, p.reason) for p in problems
            ]
            reasons = by_reason(named)
            lines += table(reasons[:MOST_REASONS], ("times", "why", "exhibit", "what"))
            if len(reasons) < len(problems):
                lines.append("Each by itself: amparo status --json, or Problems on the desk")
        if unknown:
            lines += ["", f"Databases of applications no parser knows: {len(unknown)}"]
            lines += table([*unknown[:20]], ("exhibit", "database"))
            if len(unknown) > 20:
                lines.append(f"… and {len(unknown) - 20} more: amparo status --json")
            lines.append(
                "  Their erased rows were looked for (Erased, on the desk); see docs/add-a-parser.md"
            )
        answer(args.json, data, lines)
        return PROBLEMS if problems else DONE


MOST_REASONS = 200
"""Reasons that ``status`` shows people; ``--json`` has every problem."""


def by_reason(problems: Sequence[tuple[str, str, str]]) -> list[tuple[object, ...]]:
    """(times, reason, exhibit, what) for each reason, the commonest first; the first place stands for all.

    ``problems`` are (exhibit, what, reason).
    """
    places: dict[str, list[tuple[str, str]]] = {}
    for exhibit, what, reason in problems:
        places.setdefault(reason, []).append((exhibit, what))
    rows: list[tuple[object, ...]] = []
    for reason, where in sorted(places.items(), key=lambda item: -len(item[1])):
        others = len({exhibit for exhibit, _ in where}) - 1
        exhibit, what = where[0]
        more = f" and {len(where) - 1} more" if len(where) > 1 else ""
        rows.append((len(where), reason, exhibit + (f" +{others}" if others else ""), what + more))
    return rows


def totals(store: Store) -> dict[str, int]:
    """How many records of each kind."""
    from amparo.model import KINDS

    return {name: sum(store.tally(kind).values()) for name, kind in KINDS.items()}


def verify(args: argparse.Namespace) -> int:
    """Check custody hashes and the chain of actions."""
    from amparo.run.custody import check_seals
    from amparo.run.progress import Progress

    with opened(args.case) as case:
        chain = case.store.verify()
        seals = check_seals(case, Progress(quiet=args.json))
        broken = [*chain, *(s.reason for s in seals if s.reason)]
        lines = [
            "Chain of actions: " + ("holds" if not chain else "BROKEN"),
            *(f"  {line}" for line in chain),
            *(s.line() for s in seals),
        ]
        answer(
            args.json,
            {"chain": chain, "exhibits": [s.as_dict() for s in seals], "ok": not broken},
            lines,
        )
        return PROBLEMS if broken else DONE
