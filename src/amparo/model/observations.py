"""Observations: what was read in evidence. Never edited; each says where it stands.

*Identity* records (Account, Thread, Content) hold only what their natural key determines, so every
sighting anywhere yields the same row. What an exhibit *says about* them (names, subjects, members)
is an observation of its own with its ``at``. Times are milliseconds since 1970 UTC.
"""

from __future__ import annotations

from dataclasses import dataclass

from amparo.model.base import At, Id, Record, kind


@kind("exhibit", "country", "number")
@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit(Record):
    """One seized or received thing, as on its label (CASE ProvenanceRecord, Authorization)."""

    number: str
    country: str = ""
    site: str = ""
    holder: str = ""
    legal_basis: str = ""
    form: str
    """``folder``, ``zip``, ``tar`` or ``tar.gz``."""
    source: str
    """Where it lies now, as :func:`path_text`."""


@kind("seal", "exhibit")
@dataclass(frozen=True, slots=True, kw_only=True)
class Seal(Record):
    """Hashes at intake, taken when two readings agreed.

    ``method`` is ``container`` (SHA-256 of the file as received) or ``manifest`` (SHA-256 over the
    sorted lines ``sha256 size path`` of a folder).
    """

    exhibit: Id
    method: str
    sha256: str
    files: int
    bytes: int
    readings: int


@kind("file", "exhibit", "path", "ordinal", "state")
@dataclass(frozen=True, slots=True, kw_only=True)
class File(Record):
    """One entry of an exhibit (UCO File); ``content`` is "" when its bytes could not be read."""

    exhibit: Id
    path: str
    """Path inside the exhibit, ``/`` between parts, as :func:`path_text`."""
    ordinal: int = 0
    """Counts entries of the same path inside one archive."""
    state: str = "live"
    """``live``, ``deleted``, ``slack`` (behind the end of another file, in its blocks), ``embedded`` (inside
    another file, by its own account) or ``carved``."""
    entry: str = "file"
    """``file`` or ``symlink`` (noted, never followed)."""
    size: int
    modified: int | None = None
    content: Id = ""
    locator: str = ""
    """How the opener finds the bytes again (JSON); private to the opener."""
    method: str = ""
    """How one that was deleted is found: ``record`` says where its bytes lie, ``contiguous`` is a guess from
    the first cluster and the size, of ``name`` nothing but the name is left. How one that was brought up
    was found: ``contiguous``, ``closed_up``, ``joined``, ``photorec``, ``live row`` …"""
    confidence: float | None = None
    """Of one deleted or carved, 0 to 1: that these are its own bytes and all of them. Assigned, not
    calibrated; None where nobody doubts or nothing can be said."""


@kind("content", "sha256")
@dataclass(frozen=True, slots=True, kw_only=True)
class Content(Record):
    """Distinct bytes, wherever and however often they occur (UCO ContentDataFacet)."""

    sha256: str
    sha1: str
    md5: str
    size: int
    mime: str
    """True type by content, never by name."""


@kind("structure", "content")
@dataclass(frozen=True, slots=True, kw_only=True)
class Structure(Record):
    """What a container file holds, so that the parsers that fit it are found by content."""

    content: Id
    format: str
    names: tuple[str, ...]
    """For SQLite: ``table.column`` of every ordinary table, sorted."""


@kind("account", "service", "handle")
@dataclass(frozen=True, slots=True, kw_only=True)
class Account(Record):
    """A handle of a service (UCO ApplicationAccount): a JID, a LID, an owner not yet named.

    ``form`` is ``phone``, ``lid``, ``owner`` (the account a phone was registered with, not yet named)
    or ``other``. ``phone`` is E.164, ``country`` the *numbering* country (ISO 3166 alpha-2).
    """

    service: str
    handle: str
    form: str
    phone: str = ""
    country: str = ""


@kind("account_name", "at", "account", "name", "source")
@dataclass(frozen=True, slots=True, kw_only=True)
class AccountName(Record):
    """A name an exhibit gives an account: from its address book or chosen by the account itself."""

    at: At
    account: Id
    name: str
    source: str
    """``contact``, ``push`` or ``business``."""


@kind("alias", "at", "account", "other", "basis")
@dataclass(frozen=True, slots=True, kw_only=True)
class Alias(Record):
    """The evidence itself states that two handles are one account.

    ``basis`` is ``lid`` (the app's own LID map), ``owner`` (registration of the phone) or
    ``number_change``.
    """

    at: At
    account: Id
    other: Id
    basis: str


@kind("thread", "service", "handle")
@dataclass(frozen=True, slots=True, kw_only=True)
class Thread(Record):
    """A conversation (UCO MessageThread).

    A group's handle is its JID. A private chat's is ``<owner handle>|<other handle>`` as the phone
    sees it; the two phones' sides are joined later by :class:`Resolution`, never guessed here.
    ``form`` is ``group``, ``private``, ``broadcast``, ``status``, ``newsletter`` or ``other``.
    """

    service: str
    handle: str
    form: str


@kind("thread_info", "at", "thread")
@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadInfo(Record):
    """What one exhibit says about a thread: subject, creation, creator."""

    at: At
    thread: Id
    subject: str = ""
    created: int | None = None
    creator: Id = ""


@kind("membership", "at", "thread", "account")
@dataclass(frozen=True, slots=True, kw_only=True)
class Membership(Record):
    """One exhibit's statement that an account is, or was, a member of a group."""

    at: At
    thread: Id
    account: Id
    role: str = "member"
    """``member``, ``admin`` or ``creator``."""
    present: bool = True
    since: int | None = None
    until: int | None = None
    left: bool | None = None
    """For a former member: left by itself (True), was removed (False), not stated (None)."""


@kind("membership_event", "at", "thread", "event", "account")
@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipEvent(Record):
    """A dated change in a group.

    ``event`` is ``created``, ``subject``, ``added``, ``joined_by_link``, ``joined``, ``left``,
    ``removed``, ``promoted``, ``demoted``, ``number_changed``, ``link_reset`` or ``code:<n>`` for
    one whose meaning is not known.
    """

    at: At
    thread: Id
    event: str
    account: Id = ""
    actor: Id = ""
    time: int | None = None
    detail: str = ""


@kind("message", "at")
@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Record):
    """One message as one exhibit holds it (UCO Message).

    ``key`` is the message key the service gives it, equal on every phone. ``sent`` is the stamp this
    phone shows; ``server`` the server's stamp where the phone keeps one (a receiver's ``sent`` is the
    server's).
    """

    at: At
    thread: Id
    key: str
    sender: Id
    from_owner: bool | None
    """Whether the phone's owner wrote it; None where what is left of a message does not say."""
    sent: int | None
    server: int | None = None
    form: str
    """``text``, ``image``, ``video``, ``audio``, ``document`` …, ``code:<n>`` or ``unknown``."""
    text: str = ""
    reply_to: str = ""
    """Message key of the quoted message."""
    forward_score: int | None = None
    revoked: bool = False
    edited: int | None = None


@kind("attachment", "at", "message")
@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment(Record):
    """What a message carried. ``content`` follows from the hash the messenger itself keeps.

    It names the content even where the file was erased; "" where the messenger kept no hash.
    """

    at: At
    message: Id
    content: Id = ""
    path: str = ""
    size: int | None = None
    mime: str = ""
    caption: str = ""
    name: str = ""
    width: int | None = None
    height: int | None = None


@kind("preview", "at", "owner")
@dataclass(frozen=True, slots=True, kw_only=True)
class Preview(Record):
    """A small picture kept inside another record's file, as raw bytes (hostile until decoded)."""

    at: At
    owner: Id
    """Id of the Attachment or Message it belongs to."""
    content: Id
    data: bytes


@kind("lead", "at", "form", "value")
@dataclass(frozen=True, slots=True, kw_only=True)
class Lead(Record):
    """A link or address found in evidence. A lead on paper: never opened, never contacted.

    ``form`` is ``whatsapp_invite`` (value: the invite code) or ``url``.
    """

    at: At
    form: str
    value: str
    message: Id = ""
    thread: Id = ""
    """For an invite: the group it leads to, when the evidence names it."""
    account: Id = ""
    text: str = ""


@kind("media", "content")
@dataclass(frozen=True, slots=True, kw_only=True)
class Media(Record):
    """A content that decodes to pixels. ``width`` and ``height`` as shown (orientation applied)."""

    content: Id
    format: str
    width: int
    height: int
    frames: int = 1
    orientation: int = 1
    """EXIF orientation as stored, 1 to 8."""
    damaged: str = ""
    """"" or why only a part could be decoded."""
    quantization: str = ""
    """First 16 hex digits of SHA-256 over the JPEG quantisation tables: same camera model or app."""
    embeds: bool = False
    """Whether a picture's file holds another small picture or a film."""


@kind("exif", "content")
@dataclass(frozen=True, slots=True, kw_only=True)
class Exif(Record):
    """Metadata a camera or program wrote into a picture (UCO EXIFFacet), as written."""

    content: Id
    make: str = ""
    model: str = ""
    serial: str = ""
    lens: str = ""
    lens_serial: str = ""
    unique_id: str = ""
    software: str = ""
    taken: str = ""
    """DateTimeOriginal as written."""
    zone: str = ""
    """OffsetTimeOriginal as written; "" means local time of an unknown zone."""
    taken_at: int | None = None
    """UTC milliseconds, only where the zone is known."""


@kind("position", "content", "method")
@dataclass(frozen=True, slots=True, kw_only=True)
class Position(Record):
    """Where a picture says it was taken (WGS 84, degrees). A hemisphere is never assumed."""

    content: Id
    method: str
    latitude: float
    longitude: float
    altitude: float | None = None


@kind("fingerprint", "content", "algorithm")
@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint(Record):
    """A perceptual hash of a content; PDQ is 32 bytes with a quality of 0 to 100."""

    content: Id
    algorithm: str
    value: bytes
    quality: int


@kind("problem", "stage", "plugin", "subject", "reason")
@dataclass(frozen=True, slots=True, kw_only=True)
class Problem(Record):
    """Something could not be read, or not wholly: said aloud, never swallowed."""

    stage: str
    plugin: str
    subject: Id
    """The exhibit, file or content concerned."""
    exhibit: Id = ""
    path: str = ""
    reason: str
    """One line for people: what and why."""
