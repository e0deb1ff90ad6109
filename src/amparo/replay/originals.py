"""Camera originals on phones and cards: those that were posted and those that never were."""

from amparo.replay.camera import local_time
from amparo.replay.chance import rng
from amparo.replay.chatter import Chatter
from amparo.replay.content import Content, Contents, Picture
from amparo.replay.ledger import Ledger
from amparo.replay.sink import Folder
from amparo.replay.world import START_MS


def unposted(chatter: Chatter, key: str, country: str, number: int, before_ms: int) -> Picture:
    """The `number`-th picture of a camera that was never posted."""
    pick = rng(chatter.world.seed, "unposted", key, number)
    taken_s = (START_MS + int(pick.random() * (before_ms - START_MS - 86_400_000))) // 1000
    kind = "flat" if pick.random() < 0.03 else "scene"
    return chatter.expose(key, country, f"{key.replace(':', '')}-{number:05d}", taken_s, pick, kind)


def write_originals(pictures: list[Picture], folder: str, before_ms: int, contents: Contents,
                    sink: Folder, ledger: Ledger) -> None:  # fmt: skip
    """Camera files IMG_YYYYMMDD_HHMMSS.jpg, local time, in order of taking."""
    used: set[str] = set()
    for picture in sorted(pictures, key=lambda p: (p.capture.taken_s if p.capture else 0, p.id)):
        body, capture = contents.body(picture), picture.capture
        if body is None or capture is None or capture.taken_s * 1000 >= before_ms:
            continue
        stem = local_time(body, capture).strftime("IMG_%Y%m%d_%H%M%S")
        while stem in used:
            stem += "_1"
        used.add(stem)
        content = Content(picture, "camera")
        blob = contents.get(content, shared=False)
        path = f"{folder}/{stem}.jpg"
        sink.put(path, blob.data, capture.taken_s * 1000)
        ledger.picture(path, content, blob)
