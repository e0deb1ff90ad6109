"""WhatsApp messages whose words stand beside the message: shared places, contacts, cards with buttons.

The tables, as phones of 2021 to 2026 have them::

    message_location(message_row_id, latitude, longitude, place_name, place_address, url)
    message_vcard(message_row_id, vcard)                        a vCard as text (RFC 6350 and before)
    message_ui_elements(message_row_id, element_content)        JSON, with JSON as text inside it
"""

from __future__ import annotations

import json
import re

from amparo.kit.sqlite import Beside, Database, text
from amparo.parse.whatsapp_people import LONGEST_TEXT

LACKING = frozenset({
    "message_location", "message_location.place_name", "message_location.place_address",
    "message_location.url",
    "message_vcard", "message_ui_elements",
})  # fmt: skip
"""What other versions do not have."""
_SHOWN = ("title", "sub_title", "description")
"""Members of a card that are shown as its words; a button's words and address stand further in."""
_SLASH = re.compile(r"\\+/")
"""A slash as JSON writes it, and JSON in JSON."""


class Cards:
    """The side tables with words, read along with the messages."""

    def __init__(self, database: Database) -> None:
        def beside(table: str, *wanted: str) -> Beside:
            return Beside(database, table, "message_row_id", wanted)

        self._places = beside(
            "message_location", "latitude", "longitude", "place_name", "place_address", "url"
        )
        self._contacts = beside("message_vcard", "vcard")
        self._buttons = beside("message_ui_elements", "element_content")
        self.sides = {
            "message_location": self._places,
            "message_vcard": self._contacts,
            "message_ui_elements": self._buttons,
        }
        self.next = self._least()
        """Number of the message whose card comes next; beyond every number at the end."""

    def _least(self) -> int:
        return min(side.next for side in self.sides.values())

    def take(self, number: int) -> tuple[str, str]:
        """The words of a message's cards, and all text in which links may stand."""
        places, buttons = self._places.take(number), self._buttons.take(number)
        said = [place(*row[2:6]) for row in places]
        said += [contact(text(row[2])) for row in self._contacts.take(number)]
        said += [card(text(row[2])) for row in buttons]
        linked = [text(row[6]) for row in places]
        linked += [_SLASH.sub("/", text(row[2])[:LONGEST_TEXT]) for row in buttons]
        self.next = self._least()
        return "\n".join(filter(None, said)), "\n".join(filter(None, linked))


def place(latitude: object, longitude: object, name: object, address: object) -> str:
    """A shared place: its name, its address, and where it is as a geo URI (RFC 5870: WGS 84, degrees)."""
    known = isinstance(latitude, float | int) and isinstance(longitude, float | int)
    where = f"geo:{latitude:.6f},{longitude:.6f}" if known and (latitude or longitude) else ""
    return ", ".join(filter(None, (text(name).strip(), text(address).strip(), where)))


def contact(vcard: str) -> str:
    """A shared contact: its name and its numbers, as the card states them."""
    name, numbers = "", []
    for line in vcard[:LONGEST_TEXT].splitlines():
        head, colon, value = line.partition(":")
        field = head.upper().split(";")[0].rpartition(".")[2]
        if colon and field == "FN":
            name = name or value.strip()
        elif colon and field == "TEL" and value.strip() not in numbers:
            numbers.append(value.strip())
    return ", ".join(filter(None, (name, *numbers[:50])))


def card(content: str) -> str:
    """What a card with buttons says. A card that is no JSON, or far too long for one, says nothing."""
    if len(content) > LONGEST_TEXT:
        return ""
    try:
        held = json.loads(content, strict=False)
    except (ValueError, RecursionError):
        return ""
    shown = [held.get(name) for name in _SHOWN] if isinstance(held, dict) else []
    words = [line.strip() for line in shown if isinstance(line, str) and line.strip()]
    return "\n".join(dict.fromkeys(words))
