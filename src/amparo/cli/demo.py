"""The demo operation, and the score of a replay case against its truth."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from amparo.cli.case import opened, totals
from amparo.cli.say import DONE, PROBLEMS, Refused, answer, me, safe, say

if TYPE_CHECKING:
    from amparo.replay.score import Report
    from amparo.store import Case


def demo(args: argparse.Namespace) -> int:
    """Build the synthetic operation, run everything, print the findings, open the desk."""
    from amparo.replay import build
    from amparo.run.progress import Progress
    from amparo.store import Case

    started = time.monotonic()
    show = Progress(quiet=args.json)
    operation = args.out / f"operation-{args.scale}"
    show.say(
        f"Building the {args.scale} operation in {operation} (benign pictures, invented people)"
    )
    truth = build(operation, args.scale)
    path = args.out / f"{args.scale}.amparo"
    if not path.exists():
        Case.create(path, f"Demo operation ({args.scale})", scheme="Triage 1").close()
    with opened(path, write=True) as case:
        built = time.monotonic() - started
        _take_in(case, operation, show)
        report, found = _work(case, truth, show)
        found["seconds"] = {
            "build": round(built, 1),
            "all": round(time.monotonic() - started, 1),
        }
        lines = ["", *_findings(found), "", "Against the truth of the replay:", *report.lines()]
        lines += ["", f"The case is {path}; its desk: {me()} review {path}"] if args.no_open else []
        answer(args.json, {**found, "score": report.as_dict()}, lines)
        if args.no_open or args.json:
            return DONE
        say("")
        from amparo.review.app import serve
        from amparo.run.picture import Pictures

        with Pictures(case) as pictures:
            serve(case, pictures.larger, performer="demo", open_browser=True, piece=pictures.piece)
    return DONE


def _take_in(case: Case, operation: Path, show: object) -> None:
    from amparo.match.sets import Terms, compile_set
    from amparo.run.intake import add_exhibit
    from amparo.run.progress import Progress

    assert isinstance(show, Progress)
    keys = case.path / "keys.txt"
    if not keys.exists():
        keys.write_bytes((operation / "keys.txt").read_bytes())
    for entry in json.loads((operation / "exhibits.json").read_text()):
        add_exhibit(
            case,
            operation / entry["path"],
            number=entry["number"],
            country=entry["country"],
            site=entry["site"],
            holder=entry["holder"],
            legal_basis=entry["legal_basis"],
            progress=show,
        )
    for name, use in (("benign-ignore.txt", "ignore"), ("alert-vics.json", "alert")):
        source = operation / "known" / name
        made, _ = compile_set(source, case.derived, source.stem, use, Terms("replay"))
        case.store.put([made])


def _work(case: Case, truth: Path, show: object) -> tuple[Report, dict[str, object]]:
    from amparo.replay.score import score as compare
    from amparo.run.local import run
    from amparo.run.plan import Plan
    from amparo.run.progress import Progress

    assert isinstance(show, Progress)
    run(case, Plan(case), show)
    show.say("  scoring")
    return compare(case.store, truth), findings(case)


def findings(case: Case) -> dict[str, object]:
    """What a case holds, in the numbers that matter first."""
    from amparo.cli.erased import erased
    from amparo.model import (
        Account,
        Exhibit,
        File,
        KnownMatch,
        Media,
        Message,
        Posting,
        Problem,
        StackMember,
        Thread,
    )

    store, n = case.store, totals(case.store)
    known = {c for c, use in store.columns(KnownMatch, "content", "use") if use != "listed"}
    stacks = {stack for (stack,) in store.columns(StackMember, "stack")}
    unknown = {
        stack
        for content, stack in store.columns(StackMember, "content", "stack")
        if content not in known
    }
    pictures = n.get(Media.KIND, 0)
    countries = {c for (c,) in store.columns(Account, "country") if c}
    return {
        "exhibits": n.get(Exhibit.KIND, 0),
        "files": sum(1 for _ in store.columns(File, "id", state="live")),
        "contents": n.get("content", 0),
        "pictures": pictures,
        "stacks": len(stacks),
        "known": len(known),
        "to_look_at": len(unknown),
        "groups": sum(1 for _ in store.columns(Thread, "id", form="group")),
        "accounts": n.get(Account.KIND, 0),
        "countries": len(countries),
        "message_rows": n.get(Message.KIND, 0),
        "postings": n.get(Posting.KIND, 0),
        "erased": {k: v for k, v in erased(store).items() if k != "databases"},
        "problems": n.get(Problem.KIND, 0),
    }


def _findings(found: dict[str, object]) -> list[str]:
    f = found
    gone = f["erased"]
    assert isinstance(gone, dict)
    back = sum(n for state, n in gone["messages"].items() if state != "superseded")
    return [
        "Findings",
        f"  {f['exhibits']} exhibits, {f['files']} files, {f['contents']} distinct contents",
        f"  {f['pictures']} pictures in {f['stacks']} stacks; {f['known']} known;"
        f" {f['to_look_at']} stacks left to look at",
        f"  {f['groups']} groups, {f['accounts']} accounts, numbers of {f['countries']} countries",
        f"  {f['message_rows']} message rows; {f['postings']} postings followed through the groups",
        f"  {gone['missing']} row numbers missing from databases in {gone['gaps']} gaps; {back} message"
        f" rows and {gone['recovered_rows_of_no_parser']} others brought back, and"
        f" {gone['messages'].get('superseded', 0)} earlier versions",
        f"  {gone['gone']['messages']} messages are gone from an exhibit and known all the same (of"
        f" {gone['gone']['dated']} it is known when they went); of {gone['changed']} earlier wordings are known",
        f"  {f['problems']} things could not be read, or not wholly (amparo status)",
    ]


def _truth_of(case: Case) -> Path:
    """The truth beside the exhibits of a replay, where it lies there still."""
    from amparo.model import Exhibit

    for exhibit in case.store.each(Exhibit):
        for folder in Path(exhibit.source).parents:
            if (folder / "truth.db").is_file() and (folder / "exhibits.json").is_file():
                return folder / "truth.db"
    raise Refused("no truth file lies beside the exhibits: name it (the replay writes truth.db)")


def score(args: argparse.Namespace) -> int:
    """Compare a replay case with its truth."""
    from amparo.replay.score import score as compare

    with opened(args.case) as case:
        truth = args.truth or _truth_of(case)
        truth = truth / "truth.db" if truth.is_dir() else truth
        if not truth.is_file():
            raise Refused(f"{safe(str(truth))}: no truth file there")
        with truth.open("rb") as stream:
            if stream.read(16) != b"SQLite format 3\0":
                raise Refused(f"{truth}: no truth file (the replay writes truth.db)")
        report = compare(case.store, truth)
        answer(args.json, report.as_dict(), report.lines())
        return DONE if report.perfect else PROBLEMS
