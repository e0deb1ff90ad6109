"""Chance that depends only on names: the same (seed, labels) always gives the same draw.

Nothing in this room keeps a running generator between exhibits, so any exhibit can be built alone,
in any order and in any process, and comes out the same.
"""

import hashlib
import random


def digest(*labels: object) -> bytes:
    """SHA-256 of the labels joined by an unlikely separator: 32 bytes."""
    return hashlib.sha256("\x1f".join(map(str, labels)).encode()).digest()


def rng(*labels: object) -> random.Random:
    """An independent generator for these labels."""
    return random.Random(int.from_bytes(digest(*labels)[:8], "big"))


def share(*labels: object) -> float:
    """One uniform draw in [0, 1) for these labels."""
    return int.from_bytes(digest(*labels)[:7], "big") / (1 << 56)


def hex_token(length: int, *labels: object) -> str:
    """`length` (at most 64) upper-case hex digits."""
    return digest(*labels).hex().upper()[:length]


_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def invite_code(*labels: object) -> str:
    """The 22 letters and digits that close a WhatsApp group invite link."""
    pick = rng(*labels)
    return "".join(pick.choice(_ALPHABET) for _ in range(22))
