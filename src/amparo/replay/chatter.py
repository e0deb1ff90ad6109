"""What was said and posted: every message of every group and private chat, in server order."""

import random
from dataclasses import dataclass, field

from amparo.replay import talk
from amparo.replay.camera import Capture, camera
from amparo.replay.chance import hex_token, rng, share
from amparo.replay.content import Content, Picture
from amparo.replay.series import is_planted, planted
from amparo.replay.world import DAY, HOUR, SEIZED_MS, Group, World

END_MS = SEIZED_MS + 5 * DAY

_WORDS = {
    "es": "mesa ventana lluvia camino piedra hoja azul verde mañana taller madera puente nube sal",
    "en": "table window rain road stone leaf blue green morning workshop wood bridge cloud salt",
    "pt": "mesa janela chuva caminho pedra folha azul verde manhã oficina madeira ponte nuvem sal",
}
_CENTRES = {
    "ES": (40.0, -4.0), "CO": (4.5, -74.0), "GB": (52.5, -1.5), "US": (39.0, -98.0),
    "IT": (42.8, 12.5), "BO": (-17.0, -65.0), "DE": (51.0, 10.0), "CR": (9.9, -84.0),
    "PY": (-23.4, -58.0), "CL": (-33.0, -70.8), "SV": (13.7, -88.9), "PT": (39.6, -8.0),
    "CA": (50.0, -100.0), "AU": (-30.0, 145.0), "MX": (21.0, -101.0), "BR": (-15.0, -48.0),
    "AR": (-34.0, -64.0), "KZ": (48.0, 67.0),
}  # fmt: skip


@dataclass(slots=True)
class Message:
    """One message as the server knows it. Group chat: `group` set; private: `peer` set."""

    number: int
    key_id: str
    sender: int
    server_ms: int
    kind: str  # text | image | link | invite
    group: int | None = None
    peer: int | None = None
    text: str | None = None  # words, caption or link
    content: Content | None = None
    score: int = 0  # times forwarded
    quoted: "Message | None" = None
    edited_ms: int | None = None
    edited: str | None = None
    revoked_ms: int | None = None
    invited: int | None = None  # group invited to

    def text_at(self, at_ms: int) -> str | None:
        """The words shown at that moment."""
        return self.edited if self.edited_ms is not None and self.edited_ms <= at_ms else self.text

    def revoked_at(self, at_ms: int) -> bool:
        """Whether it had been deleted for everyone by then."""
        return self.revoked_ms is not None and self.revoked_ms <= at_ms


def words(pick: random.Random, low: int = 3, high: int = 9) -> str:
    """A few neutral words of one language."""
    return " ".join(
        pick.choices(_WORDS[pick.choice(("es", "en", "pt"))].split(), k=pick.randint(low, high))
    )


def link_to(group: Group) -> str:
    """The group's invite link."""
    return f"https://chat.whatsapp.com/{group.code}"


@dataclass(slots=True)
class _Said:
    """What one group has seen so far."""

    posts: list[Message] = field(default_factory=list)
    all: list[Message] = field(default_factory=list)


class Chatter:
    """All messages of a world, by group and by pair of holders; all pictures, by camera."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.groups: list[list[Message]] = []
        self.private: dict[tuple[int, int], list[Message]] = {}
        self.taken: dict[str, list[Picture]] = {}  # pictures posted, by camera key
        self.cards = {holder_of_card(world, card): card for card in range(world.scale.cards)}
        self._number = 0
        said = [_Said() for _ in world.groups]
        for at_ms, index, is_post in self._agenda():
            self._speak(said, index, at_ms, is_post)
        self.groups = [one.all for one in said]
        self.answered = {m.quoted.number for one in said for m in one.all if m.quoted}
        for group, messages in zip(world.groups, self.groups, strict=True):
            self._invite_links(group, messages)
        self._new_series()
        for messages in self.groups:
            messages.sort(key=lambda message: message.server_ms)
        self._private_chats()
        self._planted_talk()

    def _planted_talk(self) -> None:
        """What is said for the traces it leaves."""
        for said in talk.planted(self.world):
            text = words(rng(self.world.seed, "planted", *said.seed), 5, 9)
            message = self._new(said.sender, said.at_ms, "text", group=said.group, text=text)
            message.edited_ms, message.revoked_ms = said.edited_ms, said.revoked_ms
            if said.edited_ms is not None:
                message.edited = f"{text} {words(rng('edited', *said.seed), 1, 2)}"
            self.groups[said.group].append(message)
        for messages in self.groups:
            messages.sort(key=lambda message: message.server_ms)

    def _agenda(self) -> list[tuple[int, int, bool]]:
        """(time, group, is a picture post) for all groups, in time order."""
        agenda, scale = [], self.world.scale
        for group in self.world.groups:
            pick = rng(self.world.seed, "agenda", group.index)
            for n in range(scale.posts_per_group + scale.texts_per_group):
                start = group.created_ms + 2 * HOUR
                at = self.world.clock.take(start + pick.random() * (END_MS - start - HOUR))
                agenda.append((at, group.index, n < scale.posts_per_group))
        return sorted(agenda)

    def _new(self, sender: int, at_ms: int, kind: str, **more: object) -> Message:
        self._number += 1
        key = hex_token(32, self.world.seed, "message", self._number)
        message = Message(self._number, key, sender, at_ms, kind)
        for name, value in more.items():
            setattr(message, name, value)
        return message

    def _speak(self, said: list[_Said], index: int, at_ms: int, is_post: bool) -> None:
        world, group, here = self.world, self.world.groups[index], said[index]
        pick = rng(world.seed, "speak", index, at_ms)
        present = [stay.account for stay in group.present(at_ms)]
        posters = [a for a in present if world.accounts[a].poster]
        if is_post:
            # a few loud posters, as in every such group
            sender = posters[int(pick.random() ** 1.7 * len(posters))]
            message = self._post(said, group, sender, at_ms, pick)
            here.posts.append(message)
        else:
            text = words(pick)
            message = self._new(pick.choice(present), at_ms, "text", group=index, text=text)
            if pick.random() < 0.06:
                message.edited_ms = at_ms + pick.randint(60, 800) * 1000
                message.edited = f"{text} {words(pick, 1, 2)}"
        if here.all and pick.random() < 0.12:
            message.quoted = pick.choice(here.all[-40:])
        if pick.random() < 0.03 and not message.edited_ms:
            message.revoked_ms = at_ms + pick.randint(60, 40 * 86400) * 1000
        here.all.append(message)

    def _post(self, said: list[_Said], group: Group, sender: int, at_ms: int,
              pick: random.Random) -> Message:  # fmt: skip
        world, roll = self.world, pick.random()
        caption = words(pick, 2, 5) if pick.random() < 0.25 else None
        if roll < 0.30:
            known = self._something_seen(said, sender, at_ms, pick)
            if known is not None and known.content is not None:
                content, score = known.content, known.score + 1
                if roll < 0.07 and content.picture.kind != "flat":
                    content = Content(
                        content.picture, pick.choice(("again", "again", "bright", "screenshot"))
                    )
                    score = 0
                return self._new(sender, at_ms, "image", group=group.index, text=caption,
                                 content=content, score=score)  # fmt: skip
        if roll < 0.36:
            stock = pick.randrange(5 + world.scale.groups * 2)
            picture = Picture(f"stock{stock:04d}", f"stock{stock}", 0, "scene", None, None, None)
        else:
            picture = self._taken_by(sender, at_ms, pick)
        return self._new(sender, at_ms, "image", group=group.index, text=caption,
                         content=Content(picture, "whatsapp"))  # fmt: skip

    def _something_seen(self, said: list[_Said], sender: int, at_ms: int,
                        pick: random.Random) -> Message | None:  # fmt: skip
        """An earlier post that the sender had seen in any of their groups."""
        groups = [g for g in self.world.groups if sender in g.stays and said[g.index].posts]
        for _ in range(6):
            if not groups:
                return None
            group = pick.choice(groups)
            stay, earlier = group.stays[sender], pick.choice(said[group.index].posts)
            if stay.covers(earlier.server_ms) and not earlier.revoked_at(at_ms):
                return earlier
        return None

    def _taken_by(self, sender: int, at_ms: int, pick: random.Random) -> Picture:
        account = self.world.accounts[sender]
        key = f"member:{sender:04d}"
        if account.holder:
            card = self.cards.get(sender)
            key = (
                f"card:{card:03d}"
                if card is not None and pick.random() < 0.3
                else f"phone:{sender:03d}"
            )
        taken_s = at_ms // 1000 - pick.randint(60, 3 * 86400)
        kind = "flat" if pick.random() < 0.03 else "scene"
        picture = self.expose(
            key, account.number.country, f"w{self._number + 1:06d}", taken_s, pick, kind
        )
        self.taken.setdefault(key, []).append(picture)
        return picture

    def expose(self, key: str, country: str, name: str, taken_s: int, pick: random.Random,
               kind: str = "scene") -> Picture:  # fmt: skip
        """A picture by this camera; a fifth are further shots of a room already photographed."""
        body = camera(self.world.seed, key, self.world.scale)
        capture = Capture(taken_s)
        if body.writes_gps and pick.random() < 0.5:
            lat, lon = _CENTRES[country]
            capture = Capture(taken_s, round(lat + pick.uniform(-2, 2), 5),
                              round(lon + pick.uniform(-2, 2), 5), pick.random() > 0.1)  # fmt: skip
        if kind == "flat" or pick.random() > 0.2:
            return Picture(name, name, 0, kind, key, capture, None)
        # the shot number comes from the name: no counter, so any exhibit can be built alone
        series = f"{key}/room{pick.randrange(12)}"
        return Picture(name, series, pick.getrandbits(40), "room", key, capture, series)

    def _invite_links(self, group: Group, messages: list[Message]) -> None:
        """Every group advertises another one by link, and by a native invitation."""
        others = [g for g in self.world.groups if g.index != group.index]
        pick = rng(self.world.seed, "advert", group.index)
        for kind in ("link", "link", "invite"):
            other = pick.choice(others)
            start = max(group.created_ms, other.created_ms) + 3 * HOUR
            at_ms = self.world.clock.take(start + pick.random() * (END_MS - start - HOUR))
            speakers = [s.account for s in group.present(at_ms) if s.account in other.stays
                        and other.stays[s.account].covers(at_ms)]  # fmt: skip
            sender = pick.choice(speakers) if speakers else group.creator
            text = f"{words(pick, 2, 3)} {link_to(other)}" if kind == "link" else None
            messages.append(self._new(sender, at_ms, kind, group=group.index, text=text,
                                      invited=other.index))  # fmt: skip

    def _new_series(self) -> None:
        """What nobody but its maker has seen so far."""
        for series in planted(self.world):
            self.taken.setdefault(series.camera_key, []).extend(series.pictures)
            for at_ms, picture in series.posts:
                content = Content(picture, "whatsapp")
                self.groups[series.group].append(
                    self._new(series.sender, at_ms, "image", group=series.group, content=content)
                )

    def _private_chats(self) -> None:
        """Neighbouring holders known to each other by number write privately and pass pictures."""
        world = self.world
        for a in range(0, world.scale.holders - 1, 2):
            pair = (a, a + 1)
            if any(world.accounts[one].hidden for one in pair):
                continue
            pick, talk = rng(world.seed, "private", a), []
            for n in range(world.scale.private_pictures * 2):
                at_ms = world.clock.take(SEIZED_MS - pick.random() * 150 * DAY)
                sender, peer = pair if pick.random() < 0.5 else pair[::-1]
                if n % 2 or not world.accounts[sender].poster:
                    talk.append(self._new(sender, at_ms, "text", peer=peer, text=words(pick)))
                    continue
                content, score = self._for_private(sender, at_ms, pick)
                talk.append(
                    self._new(sender, at_ms, "image", peer=peer, content=content, score=score)
                )
            self.private[pair] = sorted(talk, key=lambda message: message.server_ms)

    def _for_private(self, sender: int, at_ms: int, pick: random.Random) -> tuple[Content, int]:
        """Half the time something from a group, otherwise a new picture."""
        groups = [g.index for g in self.world.groups if sender in g.stays]
        if groups and pick.random() < 0.5:
            index = pick.choice(groups)
            stay = self.world.groups[index].stays[sender]
            seen = [m for m in self.groups[index] if m.content is not None and m.server_ms < at_ms
                    and stay.covers(m.server_ms) and not m.revoked_at(at_ms)]  # fmt: skip
            if seen:
                source = pick.choice(seen)
                if source.content is not None:
                    return source.content, source.score + 1
        return Content(self._taken_by(sender, at_ms, pick), "whatsapp"), 0


def holder_of_card(world: World, card: int) -> int:
    """Whose memory card it is."""
    return card * 3 % world.scale.holders


def holder_of_laptop(world: World, laptop: int) -> int:
    """Whose laptop it is."""
    return (laptop * 2 + 1) % world.scale.holders


def known_kind(seed: int, content: Content) -> str | None:
    """What the units already know: "alert", "ignore", a trap, or nothing.

    Only messenger copies are known; the traps are list entries that must not count as a hit.
    """
    if content.variant != "whatsapp" or is_planted(content.picture):
        return None
    draw = share(seed, "known", content.picture.id)
    if content.picture.camera_key is None:
        return "ignore" if draw < 0.6 else None
    if draw < 0.1:
        return "alert"
    if draw < 0.125:
        return "trap-null"
    return "trap-zero" if draw < 0.15 else None
