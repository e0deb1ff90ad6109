"""The lists the units already hold: pictures to ignore and pictures to alert on.

Every picture of the operation is benign; "alert" only stands for "already known". The alert set is
a VICS 2.0 hash set with the irregularities such files show in practice: Category null and 0,
booleans as strings, upper and lower case hashes, the hash of the empty file, entries for contents
no exhibit holds, IsPrecategorized true throughout.
"""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from amparo.replay.chance import digest, hex_token

_CONTEXT = "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/US/$metadata#Media"
EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e"
EMPTY_SHA1 = "da39a3ee5e6b4b0d3255bfef95601890afd80709"
_CATEGORY = {"alert": 1, "trap-null": None, "trap-zero": 0}


def _entry(
    number: int, category: int | None, md5: str, sha1: str, size: int, mime: str
) -> dict[str, object]:
    texts = number % 3 == 0
    return {
        "MediaID": number, "Category": category, "MD5": md5.upper() if number % 2 else md5,
        "SHA1": sha1.upper() if number % 2 else sha1, "MediaSize": size, "MimeType": mime,
        "VictimIdentified": "false" if texts else False, "OffenderIdentified": "false" if texts else False,
        "IsDistributed": "true" if texts else True, "IsPrecategorized": True,
        "Series": "", "Tags": "invented", "Comments": "benign test picture",
    }  # fmt: skip


def _entries(truth: sqlite3.Connection, seed: int) -> Iterator[dict[str, object]]:
    number = 0
    rows = truth.execute(
        "SELECT DISTINCT known, md5, sha1, size FROM stage.content WHERE known = 'alert' OR known LIKE 'trap-%'"
        " ORDER BY sha256"
    )
    for kind, md5, sha1, size in rows:
        number += 1
        yield _entry(number, _CATEGORY[kind], md5, sha1, size, "image/jpeg")
    for extra in range(40):
        number += 1
        absent = hex_token(64, seed, "absent", extra).lower()
        yield _entry(number, 1 + extra % 4, absent[:32], digest(seed, "absent", extra)[:20].hex(), 50_000 + extra,
                     "image/jpeg")  # fmt: skip
    yield _entry(number + 1, 1, EMPTY_MD5, EMPTY_SHA1, 0, "image/jpeg")


def write_known(folder: Path, truth: sqlite3.Connection, seed: int) -> None:
    """Write `benign-ignore.txt` and `alert-vics.json`; `truth` still has its staging attached."""
    folder.mkdir(exist_ok=True)
    with (folder / "benign-ignore.txt").open("w", encoding="ascii") as out:
        ignored = [row[0] for row in truth.execute(
            "SELECT DISTINCT sha256 FROM stage.content WHERE known = 'ignore'")]  # fmt: skip
        absent = [hex_token(64, seed, "ignored elsewhere", n).lower() for n in range(40)]
        out.writelines(f"{line}\n" for line in sorted([*ignored, *absent]))
    with (folder / "alert-vics.json").open("w", encoding="utf-8") as out:
        out.write(f'{{"@odata.context": {json.dumps(_CONTEXT)},\n"value": [\n')
        for number, entry in enumerate(_entries(truth, seed)):
            out.write((",\n" if number else "") + json.dumps(entry))
        out.write("\n]}\n")
