"""Series nobody has seen: many shots of one room by one phone within the hour, a few posted by its holder.

These are what the never-seen queue has to bring forward among all the other camera originals, so no list
knows them and nobody passes them on.
"""

from __future__ import annotations

from dataclasses import dataclass

from amparo.replay.camera import Capture
from amparo.replay.chance import rng
from amparo.replay.content import Picture
from amparo.replay.world import DAY, Group, World

MARK = "/new"
"""Stands in the name of every planted series."""


@dataclass(frozen=True, slots=True)
class Planted:
    """One series: its pictures, and which of them the holder posts when in which group."""

    camera_key: str
    pictures: tuple[Picture, ...]
    posts: tuple[tuple[int, Picture], ...]
    """Milliseconds and picture."""
    sender: int
    group: int


def is_planted(picture: Picture) -> bool:
    """Whether a picture belongs to a planted series."""
    return picture.series is not None and MARK in picture.series


def planted(world: World) -> list[Planted]:
    """The series of a world, by posters among the holders in turn."""
    makers = [a.index for a in world.accounts[: world.scale.holders] if a.poster and not a.hidden]
    found = []
    for number in range(world.scale.new_series if makers else 0):
        maker = makers[number % len(makers)]
        pick = rng(world.seed, "new series", number)
        groups = [g for g in world.groups if maker in g.stays]
        if not groups:
            continue
        group = pick.choice(groups)
        begin = _while_there(world, group, maker, pick.random())
        if begin is None:
            continue
        key = f"phone:{maker:03d}"
        name = f"{key}{MARK}{number}"
        taken_s, pictures = begin // 1000 - 3 * 3600, []
        for shot in range(pick.randint(10, 18)):
            taken_s += pick.randint(20, 150)
            pictures.append(
                Picture(f"n{number:03d}{shot:02d}", name, pick.getrandbits(40), "room", key,
                        Capture(taken_s), name)
            )  # fmt: skip
        posts = tuple(
            (world.clock.take(begin + n * 40_000), picture)
            for n, picture in enumerate(pick.sample(pictures, 3))
        )
        found.append(Planted(key, tuple(pictures), posts, maker, group.index))
    return found


def _while_there(world: World, group: Group, account: int, share: float) -> int | None:
    """A time in the last two months before the seizure when the account was in the group."""
    last = world.seized_ms(account) - DAY
    for days in range(60):
        at = int(last - (share * 60 + days) % 60 * DAY)
        if at > group.created_ms + DAY and group.stays[account].covers(at):
            return at
    return None
