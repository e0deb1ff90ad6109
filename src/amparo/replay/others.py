"""Exhibits that are no phones: memory card, laptop, captured web page, press report."""

import hashlib

from amparo.replay.chance import rng
from amparo.replay.chatter import Chatter, link_to, words
from amparo.replay.content import Content, Contents
from amparo.replay.ledger import Ledger
from amparo.replay.originals import unposted, write_originals
from amparo.replay.sink import Folder
from amparo.replay.view import PhoneView
from amparo.replay.world import SEIZED_MS, START_MS


def _put(sink: Folder, ledger: Ledger, path: str, data: bytes, at_ms: int) -> None:
    sink.put(path, data, at_ms)
    ledger.file(path, hashlib.sha256(data).hexdigest(), len(data))


def build_card(chatter: Chatter, card: int, holder: int, contents: Contents, sink: Folder,
               ledger: Ledger) -> None:  # fmt: skip
    """A camera's memory card: originals only, some of which its holder posted."""
    world, key = chatter.world, f"card:{card:03d}"
    country, before = world.accounts[holder].number.country, world.seized_ms(holder)
    spare = [unposted(chatter, key, country, n, before) for n in range(world.scale.card_pictures)]
    write_originals(
        [*chatter.taken.get(key, ()), *spare], "DCIM/Camera", before, contents, sink, ledger
    )


def build_laptop(chatter: Chatter, laptop: int, holder: int, contents: Contents, sink: Folder,
                 ledger: Ledger) -> None:  # fmt: skip
    """Saved copies of what the holder saw in the chats, a sixth of them changed on the way."""
    world = chatter.world
    view = PhoneView(world, chatter, holder)
    pick = rng(world.seed, "laptop", laptop)
    seen = [line.message.content for line in view.lines()
            if line.message and line.message.content and not line.message.revoked_at(line.chat.as_of)]  # fmt: skip
    for number in range(world.scale.laptop_copies if seen else 0):
        content = pick.choice(seen)
        if pick.random() < 0.16 and content.picture.kind != "flat":
            content = Content(
                content.picture, pick.choice(("again", "again", "bright", "screenshot"))
            )
        blob = contents.get(content, shared=True)
        folder = ("Documents/Saved", "Documents/Saved/old", "Pictures")[number % 3]
        path = f"{folder}/copy_{number:05d}.{blob.suffix}"
        sink.put(
            path, blob.data, START_MS + int(pick.random() * (SEIZED_MS - START_MS)) // 1000 * 1000
        )
        ledger.picture(path, content, blob)
    _put(sink, ledger, "Documents/Saved/empty.jpg", b"", SEIZED_MS)
    _put(sink, ledger, "Documents/notes.txt", f"{words(pick)}\n{words(pick)}\n".encode(), SEIZED_MS)


_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Board {number:02d}</title></head>
<body><h1>Board {number:02d}</h1>
<p>{words}</p>
<ul>
{items}
</ul></body></html>
"""


def build_page(chatter: Chatter, page: int, sink: Folder, ledger: Ledger) -> None:
    """A captured web page whose links lead into groups of the operation, one into none."""
    world, path = chatter.world, "captured/page.html"
    pick = rng(world.seed, "page", page)
    groups = pick.sample(world.groups, min(3, len(world.groups)))
    links = [link_to(group) for group in groups] + [
        f"https://chat.whatsapp.com/invite/{groups[0].code}"
    ]
    dead = "https://chat.whatsapp.com/Dead0Link0Of0No0Group0"
    items = "\n".join(
        f'<li><a href="{link}">{words(pick, 2, 3)}</a></li>' for link in [*links, dead]
    )
    text = _PAGE.format(number=page + 1, words=words(pick), items=items)
    _put(sink, ledger, path, text.encode(), SEIZED_MS)
    for group in groups:
        ledger.add("invite", group.code, group.jid, None, None, None, None, "page", path)


def build_press(chatter: Chatter, report: int, sink: Folder, ledger: Ledger) -> None:
    """An invented press report with figures, of which some differ from the operation's own."""
    scale, path = chatter.world.scale, f"press/report_{report + 1:02d}.txt"
    figures = {
        "groups": scale.groups,
        "persons identified": scale.holders + (report % 2),
        "countries": len(scale.countries),
        "exhibits": scale.exhibits,
        "arrests": max(1, scale.holders * 2 // 7),
    }
    text = (
        f"Invented report {report + 1:02d}\n\n"
        f"An operation in {figures['countries']} countries looked at {figures['groups']} groups of a messenger.\n"
        f"{figures['persons identified']} persons were identified and {figures['arrests']} arrests were made.\n"
        f"{figures['exhibits']} exhibits were taken in. All of this is invented for testing.\n"
    )
    _put(sink, ledger, path, text.encode(), SEIZED_MS)
    for label, value in figures.items():
        ledger.add("figure", path, label, value)
