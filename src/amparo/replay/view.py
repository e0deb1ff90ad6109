"""What one phone sees: its chats, from the moment its owner joined until they left or were seized."""

from collections.abc import Iterator
from dataclasses import dataclass

from amparo.replay.chance import share
from amparo.replay.chatter import Chatter, Message
from amparo.replay.habits import habits
from amparo.replay.world import Account, Event, Group, Stay, World


@dataclass(frozen=True, slots=True)
class ChatView:
    """One chat on one phone. `as_of`: the last moment it knows about, ms."""

    jid: str  # as the phone names the chat
    truth: str  # as the truth names it: group JID, or "private:<jid>|<jid>" sorted
    group: Group | None
    peer: Account | None
    since: int
    as_of: int
    left: bool

    @property
    def created_ms(self) -> int:
        """Creation of the group, or first moment of a private chat."""
        return self.group.created_ms if self.group else self.since

    @property
    def subject(self) -> str | None:
        """The group's title on this phone."""
        return self.group.subject_at(self.as_of) if self.group else None

    @property
    def first_subject(self) -> str | None:
        """The group's title when the phone came to know it."""
        return self.group.subject_at(self.since) if self.group else None

    def shows_revoked(self, message: Message) -> bool:
        """Whether a message arrives as already deleted for everyone; words are seen until then."""
        return message.kind != "text" and message.revoked_at(self.as_of)

    def stays(self) -> list[Stay]:
        """Members as the phone lists them now."""
        return self.group.present(self.as_of) if self.group else []

    def past(self) -> list[Stay]:
        """Those the phone saw go."""
        stays = self.group.stays.values() if self.group else ()
        return [s for s in stays if s.until is not None and self.since < s.until <= self.as_of]

    def saw(self, at_ms: int) -> bool:
        """Whether the phone was in the chat then (the owner's own going included)."""
        return self.since <= at_ms <= self.as_of


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a chat to be written: a message or a system event."""

    at_ms: int
    chat: ChatView
    message: Message | None = None
    event: Event | None = None


class PhoneView:
    """Everything a phone's databases hold."""

    def __init__(self, world: World, chatter: Chatter, holder: int) -> None:
        self.world, self.chatter, self.holder = world, chatter, holder
        self.owner = world.accounts[holder]
        self.seized_ms = world.seized_ms(holder)
        self.habits = habits(holder)
        self.skew_ms = 97_000 if holder == 2 else 0
        self.chats = [*self._groups(), *self._private()]
        groups = [chat for chat in self.chats if chat.group]
        self.erased_chat = groups[0] if holder == 2 and groups else None
        self.hidden_chat = groups[0] if self.habits.hides and groups else None

    def _groups(self) -> Iterator[ChatView]:
        for group in self.world.groups:
            stay = group.stays.get(self.holder)
            if stay is None or stay.since >= self.seized_ms:
                continue
            left = stay.until is not None and stay.until < self.seized_ms
            as_of = stay.until if left and stay.until else self.seized_ms - 1000
            yield ChatView(group.jid, group.jid, group, None, stay.since, as_of, left)

    def _private(self) -> Iterator[ChatView]:
        for pair, talk in self.chatter.private.items():
            if self.holder not in pair or not talk:
                continue
            peer = self.world.accounts[pair[0] if pair[1] == self.holder else pair[1]]
            first, second = sorted((self.owner.jid, peer.jid))
            yield ChatView(peer.jid, f"private:{first}|{second}", None, peer,
                           talk[0].server_ms, self.seized_ms - 1000, False)  # fmt: skip

    def lines(self) -> list[Line]:
        """All rows in the order the phone wrote them."""
        found = []
        for chat in self.chats:
            if chat.group is not None:
                messages = self.chatter.groups[chat.group.index]
                found += [Line(event.at_ms, chat, event=event) for event in chat.group.events()
                          if self._shown(chat, event)]  # fmt: skip
            else:
                messages = self.chatter.private[self._pair(chat)]
            found += [Line(m.server_ms, chat, message=m) for m in messages
                      if chat.saw(m.server_ms) and not (chat.left and m.server_ms == chat.as_of)]  # fmt: skip
        return sorted(found, key=lambda line: (line.at_ms, line.chat.jid, line.message is not None))

    def _pair(self, chat: ChatView) -> tuple[int, int]:
        """The two holders of a private chat, smaller index first."""
        peer = chat.peer.index if chat.peer else self.holder
        return min(self.holder, peer), max(self.holder, peer)

    def _shown(self, chat: ChatView, event: Event) -> bool:
        """Every member is told of creation, coming, going and renaming; of promotion only oneself."""
        if event.kind == "create":
            return True
        if event.kind == "promote" and self.holder not in event.subjects:
            return False
        return chat.saw(event.at_ms)

    def erases(self, message: Message) -> bool:
        """Whether the owner deleted this message on their own phone; most gladly what was answered."""
        if self.holder % 3 and not self.habits.leaves:
            return False
        limit = 0.25 if message.number in self.chatter.answered else 0.04
        return (message.kind in ("text", "image")
                and share(self.world.seed, "erase", self.holder, message.number) < limit)  # fmt: skip

    def erased_ms(self, message: Message) -> int:
        """When the owner did so: some time after, or with everything else just before the search."""
        if self.habits.journal:
            return self.seized_ms - 3_600_000
        span = self.seized_ms - message.server_ms - 2 * 3_600_000
        after = share(self.world.seed, "erased at", self.holder, message.number)
        return message.server_ms + 3_600_000 + int(after * max(span, 0))

    @property
    def hidden_ms(self) -> int:
        """When a chat was emptied: two days before the search."""
        return self.seized_ms - 2 * 86_400_000

    @property
    def backup_ms(self) -> list[int]:
        """When dated backups were made: at two in the night, three and one weeks before the search."""
        if not self.habits.backups:
            return []
        night = self.seized_ms // 86_400_000 * 86_400_000 + 2 * 3_600_000
        return [night - days * 86_400_000 for days in (21, 7)]

    def unlinks(self, content_id: str, chat: ChatView) -> bool:
        """Whether the owner removed the picture's file while the row stayed."""
        limit = 0.5 if chat is self.erased_chat else 0.08
        return share(self.world.seed, "unlink", self.holder, content_id) < limit

    def handle(self, account: int, chat: ChatView) -> str:
        """How this chat names an account."""
        one = self.world.accounts[account]
        return one.handle if chat.group else one.jid
