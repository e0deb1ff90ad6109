"""What still finds a picture after it was edited, and what finds pictures that are not it, beside the peers.

    python benchmarks/robustness.py                         photographs and places of the public test data
    python benchmarks/robustness.py --pictures 40           fewer
    python benchmarks/robustness.py --more DIR              a folder of pictures besides, such as a replay's
    python benchmarks/robustness.py --peers peers           with imagehash and perception, installed there by
                                                            pip install --target peers imagehash perception

Every original is edited in each way of benchmarks/edits.py, saved as JPEG 80 and looked for among all
originals by what ``amparo find --image`` uses. Recall is the share of edits whose own original was found; a
false match is any other original; of a collage, both pictures in it are right. At the end stand the figures that src/amparo/match/rates.py keeps.
Data: AMPARO_TEST_DATA, or ../shared/data beside the checkout.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in a cell

import argparse
import io
import json
import subprocess
import sys
import tempfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from edits import EDITS, chat, collage, form
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from amparo.fingerprint.crops import crops
from amparo.fingerprint.image import image
from amparo.kit.found import Found
from amparo.kit.plugin import Thumb
from amparo.kit.source import Source
from amparo.kit.thumb import encode
from amparo.match.find import Alike, alike, laid
from amparo.match.register import register
from amparo.model import Fingerprint, Media

ROOT = Path(__file__).resolve().parents[1]
PLAIN = ("recompress q30", "messenger once", "messenger 3 times", "resize to 50 %", "resize to 25 %",
         "brighter 1.4", "darker 0.6", "watermark", "mirror", "rotate 90")  # fmt: skip
FRAMED = ("border 3 %", "border 10 %", "letterbox", "caption", "screenshot")
CUT = ("crop 10 % centred", "crop 20 % centred", "crop 5 % one side", "crop 10 % one side",
       "crop 20 % one side", "crop 7 % one side", "crop 12 % one side", "crop 13 % two sides",
       "collage")  # fmt: skip
SLIGHTLY_CUT = ("crop 5 % centred",)
ANY_CUT = ("any part", "any part, mirrored")
LAID = (*CUT, *SLIGHTLY_CUT, *ANY_CUT)
"""Edits that are laid on every original; that takes half a second each, and the others are found without."""
MEANT = {"pdq": PLAIN, "tier2": SLIGHTLY_CUT, "box": FRAMED, "crop": CUT, "cut": ANY_CUT}

PEERS = """
import json, sys
import imagehash, numpy as np
from PIL import Image
from perception import hashers
p = hashers.PHash()
def bits(path):
    i = Image.open(path).convert("RGB")
    v = np.asarray(p.compute(np.asarray(i), hash_format="vector"), dtype=bool).ravel()
    return imagehash.phash(i).hash.ravel(), imagehash.dhash(i).hash.ravel(), v
jobs = json.load(open(sys.argv[1]))
stored = [bits(f) for f in jobs["originals"]]
tables = [np.stack([s[k] for s in stored]) for k in range(3)]
out = []
for path in jobs["edited"]:
    out.append([np.flatnonzero((t != b).sum(1) <= 10).tolist() for t, b in zip(tables, bits(path))])
json.dump(out, open(sys.argv[2], "w"))
"""
PEER_NAMES = ("imagehash pHash", "imagehash dHash", "perception PHash")


class Looked:
    """What the cells' plugins make of one picture."""

    def __init__(self, name: str, data: bytes) -> None:
        found = Found("", "", "", name)
        out = [*image(Source.of_bytes(data), found), *crops(Source.of_bytes(data), found)]
        self.prints = [r for r in out if isinstance(r, Fingerprint)]
        self.media = next((r for r in out if isinstance(r, Media)), None)
        thumb = next((r for r in out if isinstance(r, Thumb)), None)
        self.thumb = encode(thumb) if thumb is not None else None
        self.pdq = next((r for r in self.prints if r.algorithm == "pdq"), None)


class Originals:
    """A View over the originals."""

    def __init__(self, looked: dict[str, Looked]) -> None:
        self.looked = looked

    def columns(self, kind: type[Any], *names: str, **equal: Any) -> Iterator[tuple[Any, ...]]:
        for one in self.looked.values():
            for record in (*one.prints, one.media):
                if isinstance(record, kind) and all(
                    getattr(record, k) == v for k, v in equal.items()
                ):
                    yield tuple(getattr(record, name) for name in names)

    def each(self, kind: type[Any], **equal: Any) -> Iterator[Any]:
        raise NotImplementedError

    def get(self, kind: type[Any], id: str) -> Any:
        raise NotImplementedError

    def thumbs(self, contents: Sequence[str]) -> list[bytes | None]:
        """Their small pictures."""
        return [self.looked[content].thumb for content in contents]


def data_folder() -> Path:
    given = os.environ.get("AMPARO_TEST_DATA")
    return Path(given) if given else ROOT.parent / "shared" / "data"


def saved(picture: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return out.getvalue()


def edited(paths: list[Path]) -> Iterator[tuple[int, str, bytes]]:
    """(number of the original, edit, the edited file)."""
    pictures = [Image.open(path).convert("RGB") for path in paths]
    for picture in pictures:
        picture.thumbnail((1600, 1600))
    for name in [*EDITS, "collage"]:
        for number, picture in enumerate(pictures):
            chance = Random(zlib.crc32(f"{name} {number}".encode()))
            if name == "collage":
                made = collage(picture, chance, pictures[number - 1])
            else:
                made = EDITS[name](picture, chance)
            yield number, name, saved(made, 80)


def peers(folder: Path, paths: list[Path], work: Path) -> dict[tuple[int, str], list[list[int]]]:
    """Originals that each peer's hash holds each edit to be."""
    files, keys = [], []
    for number, name, data in edited(paths):
        keys.append((number, name))
        files.append(work / f"{len(keys)}.jpg")
        files[-1].write_bytes(data)
    jobs, out = work / "jobs.json", work / "out.json"
    jobs.write_text(
        json.dumps({"originals": list(map(str, paths)), "edited": list(map(str, files))})
    )
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    subprocess.run([sys.executable, "-c", PEERS, jobs, out], check=True, env=environment)
    return dict(zip(keys, json.loads(out.read_text()), strict=True))


def measure(paths: list[Path], beside: dict[tuple[int, str], list[list[int]]]) -> None:
    looked = {str(n): Looked(str(n), path.read_bytes()) for n, path in enumerate(paths)}
    view = Originals(looked)
    laid_on = 0
    usable = {n for n, one in looked.items() if one.pdq is not None and one.pdq.quality >= 50}
    columns = [
        "PDQ alone",
        *(PEER_NAMES if beside else ()),
        "first tier",
        "by hashes",
        "verified",
        "suggested",
    ]
    right: dict[str, Counter[str]] = defaultdict(Counter)
    wrong: Counter[str] = Counter()
    wrong_by: Counter[str] = Counter()
    right_by: dict[str, Counter[str]] = defaultdict(Counter)
    beyond: Counter[bool] = Counter()
    asked: Counter[str] = Counter()
    for number, name, data in edited(paths):
        own = str(number)
        if own not in usable:
            continue
        asked[name] += 1
        it = Looked("", data)
        found = alike(view, it.prints, it.thumb, 1, lambda id: looked[id].thumb)
        by_hashes = {a.content for a in found if a.verified}
        if name in LAID and it.thumb is not None:
            laid_on += len(paths) - 1
            found += laid(view, it.thumb, view.thumbs, by_hashes, lambda done, total: None)[0]
        sets = {
            "PDQ alone": {a.content for a in found if a.method == "pdq" and not a.turned},
            "first tier": {a.content for a in found if a.method == "pdq"},
            "by hashes": by_hashes,
            "verified": {a.content for a in found if a.verified},
            "suggested": {a.content for a in found},
        }
        for peer, hits in zip(PEER_NAMES, beside.get((number, name), []), strict=False):
            sets[peer] = {str(hit) for hit in hits}
        beside_it = {str((number - 1) % len(paths))} if name == "collage" else set[str]()
        for column, hits in sets.items():
            right[column][name] += own in hits
            wrong[column] += len(hits - {own} - beside_it)
        judged = [one for one in found if one.content not in beside_it]
        tally(judged, own, name, right_by, wrong_by, beyond)
    print(f"\n{len(usable)} originals with structure, {sum(asked.values()):,} edits")
    print(f"{'recall':<22}" + "".join(f"{c:>18}" for c in columns))
    for name in asked:
        shares = "".join(f"{right[c][name] / asked[name]:>18.3f}" for c in columns)
        print(f"{name:<22}{shares}")
    pairs = sum(asked.values()) * (len(paths) - 1)
    print(f"{'false matches':<22}" + "".join(f"{wrong[c]:>18}" for c in columns))
    print(f"of {pairs:,} pairs of an edit and another original")
    print("\nFor src/amparo/match/rates.py:")
    for method, names in MEANT.items():
        share = sum(right_by[method][n] for n in names) / sum(asked[n] for n in names)
        of = laid_on if method == "cut" else pairs
        print(f"  {method:<8} recall {share:.3f}, false {wrong_by[method]} of {of}")
    print(f"  detail   recall {beyond[True] / max(1, sum(beyond.values())):.3f}, ", end="")
    print("false {} of {}".format(*different(looked)))


def tally(
    found: list[Alike],
    own: str,
    name: str,
    right_by: dict[str, Counter[str]],
    wrong_by: Counter[str],
    beyond: Counter[bool],
) -> None:
    """Counts by method what was found, and what of the true ones beyond the first tier was verified."""
    for one in found:
        if one.method == "cut" and not one.verified:
            continue  # its rates are those of what is called the same
        if one.content == own:
            right_by[one.method][name] += 1
            if one.method not in ("pdq", "cut"):
                beyond[one.verified] += 1
        else:
            wrong_by[one.method] += 1


def different(looked: dict[str, Looked]) -> tuple[int, int]:
    """How many pairs of different originals, laid over each other, would be called the same."""
    small = [Image.open(io.BytesIO(one.thumb)) for one in looked.values() if one.thumb is not None]
    pairs = [(a, b) for a in range(len(small)) for b in range(a)]
    some = Random(1).sample(pairs, min(len(pairs), 6000))
    return sum(register(small[a], small[b]).same for a, b in some), len(some)


def alike_by_layout(count: int = 40) -> None:
    """Pages of one form and screens of one chat with other words: none is another, however alike."""
    drawn = {f"form {n}": form(Random(n)) for n in range(count)}
    drawn |= {f"chat {n}": chat(Random(n)) for n in range(count)}
    looked = {name: Looked(name, saved(picture, 85)) for name, picture in drawn.items()}
    view = Originals(looked)
    how: Counter[str] = Counter()
    for name, one in looked.items():
        hits = alike(view, one.prints, one.thumb, 1, lambda id: looked[id].thumb)
        if one.thumb is not None:
            found = {hit.content for hit in hits}
            hits += laid(view, one.thumb, view.thumbs, found, lambda done, total: None)[0]
        for hit in hits:
            if hit.content != name:
                way = "PDQ 31" if hit.method == "pdq" else f"{hit.method}, verified {hit.verified}"
                how[way] += 1
    print(
        f"\n{len(drawn)} forms and chats with other words, {count * (count - 1) * 2:,} pairs of one layout:"
    )
    print(
        "  " + ("; ".join(f"{k}: {v}" for k, v in sorted(how.items())) or "none taken for another")
    )


def pdq_set(folder: Path) -> None:
    """The edits and turned forms that come with PDQ's reference: all are to be found from the first."""
    mods = sorted((folder / "bridge-mods").glob("*.jpg"))
    turned = sorted((folder / "reg-test-input" / "dih").glob("*.jpg"))
    looked = {path.name: Looked(path.name, path.read_bytes()) for path in mods + turned}
    it = looked["aaa-orig.jpg"]
    found = alike(Originals(looked), it.prints, it.thumb, 1, lambda id: looked[id].thumb)
    sure = {a.content for a in found if a.verified}
    some = {a.content for a in found}
    print(
        f"\nPDQ's own pictures: {len(sure)} of {len(looked)} found and sure, {len(some)} with suggestions"
    )
    for name in sorted(set(looked) - sure):
        print(f"  {name}: {'suggested' if name in some else 'not found'}")


def main() -> None:
    """Prints recall per edit, false matches, and the rates of each method."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--pictures", type=int, default=1 << 30, help="how many originals")
    options.add_argument("--more", type=Path, help="a folder with further originals")
    options.add_argument("--peers", type=Path, help="where imagehash and perception are installed")
    given = options.parse_args()
    folder = data_folder()
    paths = sorted((folder / "photos").glob("*.JPEG")) + sorted((folder / "places").glob("*.JPG"))
    if given.more:
        paths += sorted(p for p in given.more.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg"))
    if not paths:
        sys.exit(f"no pictures in {folder}: set AMPARO_TEST_DATA")
    paths = paths[: given.pictures]
    with tempfile.TemporaryDirectory() as work:
        measure(paths, peers(given.peers, paths, Path(work)) if given.peers else {})
    alike_by_layout()
    if (folder / "pdq" / "data").is_dir():
        pdq_set(folder / "pdq" / "data")


if __name__ == "__main__":
    main()
