"""Claims: what is concluded from observations. Each says by which method, how sure, and from what."""

from __future__ import annotations

from dataclasses import dataclass

from amparo.model.base import Id, Record, kind


@kind("link", "form", "source", "target", "method", "version", "basis")
@dataclass(frozen=True, slots=True, kw_only=True)
class Link(Record):
    """A claim that joins two records. Never overwritten: one that no longer follows is withdrawn.

    ``log10_lr`` is the decimal logarithm of the likelihood ratio; ``basis`` the ids of the records it
    rests on, ``reasons`` one line each for people.
    """

    form: str
    source: Id
    target: Id
    method: str
    version: int
    log10_lr: float
    reasons: tuple[str, ...] = ()
    basis: tuple[str, ...] = ()
    withdrawn: bool = False


@kind("known_set", "name", "edition")
@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSet(Record):
    """A list of known hashes. ``use`` is ``alert`` or ``ignore``; origin and terms as supplied."""

    name: str
    edition: str
    """SHA-256 of the list as supplied."""
    use: str
    scheme: str = ""
    """Category scheme with version and region, e.g. ``VICS 2.0/US``."""
    origin: str = ""
    entries: int = 0
    hashes: int = 0
    unmatched: int = 0
    """Values stored but not comparable here (PhotoDNA)."""
    licence: str = ""
    """On what terms it may be used, as supplied."""
    expires: int | None = None
    """UTC milliseconds after which it may not be used any more."""


@kind("known_match", "content", "known_set", "algorithm")
@dataclass(frozen=True, slots=True, kw_only=True)
class KnownMatch(Record):
    """A content whose hash stands in a known set."""

    content: Id
    known_set: Id
    algorithm: str
    """``md5``, ``sha1`` or ``sha256`` of the same bytes; ``pdq`` of a picture that looks the same."""
    distance: int = 0
    """Bits of PDQ in which they differ."""
    use: str
    """``alert``, ``ignore``, or ``listed`` where the entry's own category says neither."""
    scheme: str = ""
    code: str = ""
    """Category code under ``scheme``; "" where the list gives none."""
    victim_identified: bool | None = None
    """What the list says besides; None is "not said", never "no"."""
    offender_identified: bool | None = None
    distributed: bool | None = None


@kind("known_dispute", "content")
@dataclass(frozen=True, slots=True, kw_only=True)
class KnownDispute(Record):
    """Lists contradict each other (or one itself) about a content: a person decides, it is not hidden."""

    content: Id
    between: tuple[str, ...]
    """Ids of the sets."""
    reasons: tuple[str, ...]


@kind("stack_member", "content")
@dataclass(frozen=True, slots=True, kw_only=True)
class StackMember(Record):
    """A content's place in its visual stack: looked at once, judged once.

    ``stack`` is the id of the centre content. Every member lies within the radius of the centre, or was
    laid over it and its details agree, as ``method`` then says; a stack is never a chain. ``distance``
    is the PDQ Hamming distance to the centre (least over the eight dihedral forms when ``turned``), of
    the parts that were compared where ``method`` names parts.
    """

    content: Id
    stack: Id
    distance: int
    turned: bool = False
    method: str


@kind("resolution", "form", "source")
@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution(Record):
    """Which account (or private thread) a handle stands for once stated aliases are followed.

    Every account and thread has a row, also where ``canonical`` is itself. ``basis`` are ids of Alias
    records. Joins accounts, never persons.
    """

    form: str
    """``account`` or ``thread``."""
    source: Id
    canonical: Id
    basis: tuple[str, ...] = ()


@kind("posting", "content", "thread", "key", "account")
@dataclass(frozen=True, slots=True, kw_only=True)
class Posting(Record):
    """One showing of a content in a conversation, merged over all exhibits that hold the message.

    ``thread`` and ``account`` are canonical. ``place`` counts from 1 in time order over everything
    seized; *first* always means earliest **observed**. First are all postings of the earliest
    instant; where only phones' own clocks date that instant, those of the earliest instant a server
    dates as well, for a clock can be wrong by years: neither is then said alone to be the first.
    """

    content: Id
    thread: Id
    key: str
    account: Id
    time: int | None
    place: int
    first_in_network: bool
    first_in_thread: bool
    dated: str = ""
    """``server`` where a server's stamp gives the time, ``phone`` where only the sender's own clock
    does, "" where nothing does."""
    forward_score: int | None = None
    exhibits: tuple[str, ...] = ()
    basis: tuple[str, ...] = ()
    """Ids of the Attachment records, and of the Link where only its noted path says what one was."""


@kind("tenure", "thread", "account", "since", "until")
@dataclass(frozen=True, slots=True, kw_only=True)
class Tenure(Record):
    """A span of membership, merged over exhibits. Unknown ends are None."""

    thread: Id
    account: Id
    role: str
    since: int | None
    until: int | None
    present: bool
    exhibits: tuple[str, ...] = ()
    basis: tuple[str, ...] = ()
    """Ids of Membership and MembershipEvent records."""


@kind("activity", "account", "thread")
@dataclass(frozen=True, slots=True, kw_only=True)
class Activity(Record):
    """What an account posted in one thread, or in all of them (``thread`` is "")."""

    account: Id
    thread: Id = ""
    messages: int
    postings: int
    contents: int
    """Distinct contents posted."""
    originated: int
    """Contents whose earliest observed posting in the whole network is this account's, here. More
    than one account may originate a content: see Posting."""
    first_in_thread: int
    carried: int
    """Contents it brought here that were seen earlier in another thread."""
    threads: int
    first: int | None = None
    last: int | None = None
