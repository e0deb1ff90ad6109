"""Erased rows of one SQLite database, without a case."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from typing import Any

from amparo.cli.say import DONE, Refused, json_text, safe, say, table

CELL = 60
"""Characters of a value in the table for people."""


def recover(args: argparse.Namespace) -> int:
    """What was erased from a database, each row with how and how sure."""
    from amparo.run.recovery import recovered_rows
    from amparo.sandbox.guard import FloorError

    def tell(text: str) -> None:
        print(f"{safe(args.file.name)}: {safe(text)}", file=sys.stderr if args.json else sys.stdout)

    try:
        rows = recovered_rows(args.file, args.live, args.sibling, tell)
        wanted = (r for r in rows if not args.table or r["table"] in args.table)
        if args.json:
            for row in wanted:
                say(json_text(row))
            return DONE
        found = list(wanted)
    except BrokenPipeError:
        raise
    except (OSError, ValueError, FloorError) as error:
        raise Refused(str(error)) from error
    for name in sorted({row["table"] for row in found}):
        some = [row for row in found if row["table"] == name]
        say(f"{safe(name)}: {len(some)}")
        lines: list[tuple[object, ...]] = [
            (row["method"], f"{row['confidence']:.2f}", _place(row), _values(row)) for row in some
        ]
        for line in table(lines, ("method", "sure", "where", "values")):
            say(f"  {line}")
    counted = Counter(row["method"] for row in found)
    total = ", ".join(f"{n} {method}" for method, n in counted.most_common())
    say(f"{len(found)} rows" + (f": {total}" if total else ""))
    return DONE


def _place(row: dict[str, Any]) -> str:
    where = row["where"]
    if where.get("frame") is not None:
        return f"{where['file']} frame {where['frame']} byte {where['offset']}"
    return f"{where['file']} page {where['page']} byte {where['offset']}"


def _values(row: dict[str, Any]) -> str:
    pairs = ((name, value) for name, value in row["columns"].items() if value is not None)
    cut = row.get("cut")
    return "  ".join(f"{name}={_short(value)}{'…' * (name == cut)}" for name, value in pairs)


def _short(value: object) -> str:
    if isinstance(value, dict) and "hex" in value:
        return f"<{len(str(value['hex'])) // 2} bytes>"
    text = str(value)
    return text if len(text) <= CELL else text[: CELL - 1] + "…"
