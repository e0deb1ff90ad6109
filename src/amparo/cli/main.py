"""Arguments and dispatch. The help of a verb is the first line of its function's docstring."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from amparo.cli.say import NO_ROOM, REFUSED, STOPPED, Refused, safe
from amparo.kit.room import no_room
from amparo.kit.schemes import SCHEMES

VERBS = {
    "demo": "demo",
    "new": "case",
    "add": "case",
    "label": "case",
    "run": "case",
    "status": "case",
    "verify": "case",
    "recover": "recover",
    "known": "known",
    "model": "model",
    "find": "find",
    "review": "desk",
    "score": "demo",
}
HELP = {
    "demo": "build the synthetic operation, run everything, open the desk",
    "new": "create a case",
    "add": "take in exhibits: a folder, archive, disk image or phone backup each",
    "label": "correct what stands on an exhibit's label; noted in the chain of actions",
    "run": "do all that is missing, with progress; resumable",
    "status": "what is done, what is not, what could not be read and why",
    "verify": "check custody hashes and the chain of actions",
    "recover": "bring back erased rows of one SQLite database, without a case",
    "known": "known-hash sets: alert or ignore",
    "model": "models an agency registers: classifiers and descriptors, each with its card",
    "find": "find content, text or an account in one case or several",
    "review": "the web desk, on this machine only",
    "score": "compare a replay case with its truth: recall and precision",
}


STAGES = "evidence, fingerprint, parse, recover, match, link, network, rank"
EXAMPLES = {
    "demo": "amparo demo --no-open",
    "new": 'amparo new raid.amparo --name "Raid 12" --scheme "Project VIC US 2.0"',
    "add": "amparo add raid.amparo phone-07.zip --exhibit ES-07 --country ES",
    "label": 'amparo label raid.amparo ES-07 --holder "suspect B"',
    "run": "amparo run raid.amparo",
    "status": "amparo status raid.amparo",
    "verify": "amparo verify raid.amparo",
    "recover": "amparo recover msgstore.db --table message",
    "known": "amparo known raid.amparo add national.json --use alert",
    "model": "amparo model raid.amparo add detector.onnx --card detector.toml",
    "find": "amparo find raid.amparo --account +34200000000",
    "review": 'amparo review raid.amparo --as "A. Ruiz"',
    "score": "amparo score demo-out/small.amparo",
}
FIRST = """a case, from beginning to end:
  amparo new raid.amparo
  amparo add raid.amparo phone-07.zip --exhibit ES-07 --country ES
  amparo known raid.amparo add national.json --use alert
  amparo run raid.amparo
  amparo status raid.amparo
  amparo review raid.amparo

amparo VERB --help says more of each; amparo demo shows it all on an invented operation.
Exit status: 0 done, 1 done with problems listed, 2 refused, 3 no room on the disk."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit status."""
    args = parser().parse_args(argv)
    _spare()
    verb: Callable[[argparse.Namespace], int] = getattr(
        import_module(f"amparo.cli.{VERBS[args.verb]}"), args.verb
    )
    try:
        return verb(args)
    except Refused as refusal:
        if no_room(refusal):
            return _full()
        print(f"amparo: {safe(str(refusal))}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        print("\namparo: stopped; the same command goes on where it was", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:  # whoever read the answer has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return STOPPED
    except Exception as error:
        if no_room(error):
            return _full()
        raise


def _spare() -> None:
    """Leave out what a process of many short-lived records spends on looking for cycles, and its
    BLAS threads on waiting for work while numpy is only imported (2 to the fourth turns, not the 26th)."""
    gc.set_threshold(20_000)
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")


def _full() -> int:
    print(
        "amparo: no room left on the disk; what was written is safe: make room, "
        "and the same command goes on where it was",
        file=sys.stderr,
    )
    return NO_ROOM


def parser() -> argparse.ArgumentParser:
    """All verbs and their options."""
    top = argparse.ArgumentParser(
        prog="amparo",
        description="Amparo: lawfully seized evidence in, a connected case on the desk out.",
        epilog=FIRST,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=_version())
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, case: bool = True) -> argparse.ArgumentParser:
        p = verbs.add_parser(
            name,
            help=HELP[name],
            description=HELP[name],
            epilog=f"example:\n  {EXAMPLES[name]}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        p.add_argument("--json", action="store_true", help="answer as JSON")
        if case:
            p.add_argument("case", type=Path, metavar="CASE", help="the case folder")
        return p

    p = verb("demo", case=False)
    p.add_argument(
        "--scale",
        choices=["small", "tantalio"],
        default="small",
        help="9 exhibits in a minute (default), or 300 exhibits and 360,000 files",
    )
    p.add_argument("--out", type=Path, default=Path("demo-out"), help="folder to build in")
    p.add_argument("--no-open", action="store_true", help="do not open the desk afterwards")

    p = verb("new")
    p.add_argument("--name", default="", help="name of the operation (default: the folder's)")
    p.add_argument(
        "--scheme", default="", help=f"category scheme of the case: {', '.join(SCHEMES)}"
    )
    p.add_argument("--store", default="", help="PostgreSQL URL; default: SQLite in the folder")

    p = verb("add")
    p.add_argument(
        "paths", type=Path, nargs="+", metavar="PATH", help="what came in; read, never changed"
    )
    p.add_argument("--exhibit", default="", help="exhibit number (default: name of the path)")
    p.add_argument("--country", default="", help="ISO 3166 code of the seizing country")
    p.add_argument("--site", default="", help="where it was seized")
    p.add_argument("--holder", default="", help="who held it")
    p.add_argument("--legal-basis", default="", help="warrant or other authority")
    p.add_argument(
        "--sha256", default="", help="hash stated on paper, held against the container's"
    )

    p = verb("label")
    p.add_argument("exhibit", metavar="EXHIBIT", help="the exhibit's number")
    p.add_argument("--country", default="", help="of the exhibit, where its number stands twice")
    p.add_argument("--site", help="where it was seized")
    p.add_argument("--holder", help="who held it")
    p.add_argument("--legal-basis", help="warrant or other authority")

    p = verb("run")
    p.add_argument("--stage", default="", help=f"only this stage: {STAGES}")
    p.add_argument("--only", default="", help="only this plugin, such as parse/whatsapp_android")

    verb("status")
    verb("verify")

    p = verb("recover", case=False)
    p.add_argument(
        "file", type=Path, metavar="FILE", help="the database; log and journal beside it"
    )
    p.add_argument("--live", action="store_true", help="live rows as well")
    p.add_argument("--table", action="append", default=[], help="only this table (repeatable)")
    p.add_argument("--sibling", type=Path, help="a database of the same application to learn from")

    p = verb("known")
    p.add_argument("do", choices=["add", "update", "list", "remove"])
    p.add_argument(
        "what",
        nargs="?",
        default="",
        help="add, update: a file, a folder of pages, or an earlier case; remove: a name",
    )
    p.add_argument("--name", default="", help="name of the set (add: default the file's)")
    p.add_argument("--use", choices=["alert", "ignore"], help="what a match means (add)")
    p.add_argument("--origin", default="", help="who supplied the list")
    p.add_argument("--licence", default="", help="on what terms it may be used")
    p.add_argument("--expires", type=_day, help="last day on which it may be used, 2027-12-31")

    p = verb("model")
    p.add_argument("do", choices=["add", "list", "remove"])
    p.add_argument("what", nargs="?", default="", help="add: an ONNX file; remove: a name")
    p.add_argument("--card", type=Path, help="what it is for and how often it errs, TOML (add)")

    p = verb("find", case=False)
    p.add_argument("case", type=Path, nargs="+", metavar="CASE", help="cases, or folders of them")
    what = p.add_mutually_exclusive_group(required=True)
    what.add_argument("--image", type=Path, help="a picture: copies, near ones, films showing it")
    what.add_argument("--video", type=Path, help="a film: copies, and films that share a stretch")
    what.add_argument("--audio", type=Path, help="a sound: copies, and where it is heard")
    what.add_argument("--hash", help="MD5, SHA-1, SHA-256 or PDQ in hex")
    what.add_argument("--text", help="words in messages, names, subjects, paths")
    what.add_argument("--account", help="a phone number, JID or part of one")
    p.add_argument("--limit", type=_positive, default=50, help="at most so many hits (default 50)")
    p.add_argument(
        "--quick",
        action="store_true",
        help="with --image: do not lay it on every picture, to find what it is a part of",
    )

    p = verb("review")
    p.add_argument("--port", type=_port, default=0, help="port on 127.0.0.1 (default: a free one)")
    p.add_argument("--no-open", action="store_true", help="only print the address")
    p.add_argument("--as", dest="performer", default="", help="who is looking (default: login)")

    p = verb("score")
    p.add_argument(
        "truth",
        type=Path,
        nargs="?",
        metavar="TRUTH",
        help="the replay's truth.db (default: the one beside its exhibits)",
    )
    return top


def _positive(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError("a whole number from 1 to 1,000,000")
    return int(text)


def _day(text: str) -> int:
    from amparo.cli.known import end_of

    try:
        return end_of(text)
    except ValueError:
        raise argparse.ArgumentTypeError("a day such as 2027-12-31") from None


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError("a port from 0 to 65535")
    return int(text)


def _version() -> str:
    from amparo import __version__

    return f"amparo {__version__}"
