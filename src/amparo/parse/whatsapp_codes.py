"""WhatsApp's numeric codes on Android, as data. Codes that are not here are kept raw (``code:<n>``).

Gathered from public parsers and from databases at hand; the same numbers hold in the schema before 2021
(``media_wa_type``, and ``media_size`` of system rows) and after (``message_type``, ``action_type``).
"""

from __future__ import annotations

from amparo.kit.sqlite import text, whole

FORMS = {
    0: "text",
    1: "image",
    2: "audio",
    3: "video",
    4: "contact",
    5: "location",
    7: "system",
    9: "document",
    10: "missed_call",
    13: "gif",
    14: "contact",
    15: "revoked",
    16: "live_location",
    20: "sticker",
    24: "invite",
    42: "view_once_image",
    43: "view_once_video",
    64: "revoked",
    66: "poll",
    81: "video_note",
    82: "view_once_voice",
    90: "call",
    92: "event",
    99: "album",
    112: "privacy",
}
"""What a message is."""

REVOKED = frozenset({15, 64})
"""Deleted for everyone: by its sender, by an admin of the group."""

SYSTEM = 7
SYSTEM_STATUS = 6
"""``status`` of system rows in the schema before 2021."""

EVENTS = {
    1: "subject",
    2: "created",
    4: "added",
    5: "left",
    7: "removed",
    10: "number_changed",
    11: "created",
    12: "added",
    13: "left",
    14: "removed",
    15: "promoted",
    16: "demoted",
    20: "joined_by_link",
    21: "link_reset",
    28: "number_changed",
    52: "joined",
}
"""What happened in a group."""

ABOUT_THE_SENDER = frozenset({4, 5, 7, 13, 20, 52})
"""Where no participant is listed, the account in the sender's place is the one it happened to."""
ABOUT_THE_OWNER = frozenset({15, 16})
"""Told only to the one it happened to."""
BY_THE_OWNER = frozenset({1, 12, 14, 21})
"""Somebody did this; on a row of the owner's own that names nobody it was the owner."""

ROLES = {0: "member", 1: "admin", 2: "creator"}
"""``group_participant_user.rank`` and ``group_participants.admin``."""

HISTORY = {1: "joined", 2: "left", 3: "number_changed"}
"""``group_participants_history.action``, as the app itself rolls it back: 1 takes the listed accounts out
of the older membership, 2 puts them in, 3 exchanges the second for the first. Who did it is not kept."""


def form_of(code: object) -> str:
    """What a message is by its code; ``unknown`` where what is left of it does not say."""
    if code is None:
        return "unknown"
    kind = whole(code)
    return f"code:{text(code)[:40]}" if kind is None else FORMS.get(kind, f"code:{kind}")
