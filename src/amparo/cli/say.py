"""How verbs answer: lines for people, or one JSON document with ``--json``."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

DONE, PROBLEMS, REFUSED, NO_ROOM, STOPPED = 0, 1, 2, 3, 130

_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def me() -> str:
    """How this program is called again: ``amparo``, or with its path where the shell would not find it."""
    called = Path(sys.argv[0])
    if called.name != "amparo":
        return "amparo" if shutil.which("amparo") else f"{sys.executable} -m amparo"
    found = shutil.which("amparo")
    return "amparo" if found and Path(found).samefile(called) else str(called)


class Refused(Exception):
    """What was asked for cannot be done; the message is one clear line."""


def safe(text: str) -> str:
    """Text from evidence for a terminal: control and direction marks shown, never obeyed."""
    return _shown(text).replace("\n", "\\n")


def _shown(text: str) -> str:
    return _CONTROL.sub(lambda m: f"\\u{ord(m[0]):04x}", text)


def json_text(data: Any, indent: int | None = None) -> str:
    """JSON that a terminal may show: what would steer it, or turn text around, stands as an escape."""
    return _shown(json.dumps(data, indent=indent, ensure_ascii=False))


def say(text: str = "") -> None:
    """One line for people."""
    print(_shown(text))


def answer(as_json: bool, data: dict[str, Any], lines: list[str]) -> None:
    """The verb's answer in the form asked for."""
    if as_json:
        print(json_text(data, indent=2))
    else:
        say("\n".join(lines))


def table(rows: list[tuple[object, ...]], head: tuple[str, ...]) -> list[str]:
    """Rows as aligned lines under a head; numbers to the right."""
    cells = [tuple(safe(str(c)) for c in row) for row in [head, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    numeric = [all(isinstance(row[i], int | float) for row in rows) for i in range(len(head))]
    return [
        "  ".join(
            c.rjust(w) if right else c.ljust(w)
            for c, w, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in cells
    ]
