"""Talk that is planted for what it leaves behind on some phones, beside the chatter of every day.

One function for each thing; every line says in which group, by whom, when and with what words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from amparo.replay.chance import rng
from amparo.replay.habits import habits
from amparo.replay.world import DAY, Group, World


@dataclass(frozen=True, slots=True)
class Said:
    """One text message. Times in ms."""

    group: int
    sender: int
    at_ms: int
    seed: tuple[object, ...]
    """Names the words."""
    edited_ms: int | None = None
    revoked_ms: int | None = None


def planted(world: World) -> Iterator[Said]:
    """All of it."""
    yield from long_nights(world)
    yield from late_changes(world)


def long_nights(world: World) -> Iterator[Said]:
    """Sixty messages in a row in the group that the third phone erases: whole pages come free."""
    if world.scale.holders <= 2:
        return
    joined = [g for g in world.groups if 2 in g.stays and g.stays[2].since < world.seized_ms(2)]
    for group in joined[:1]:
        pick = rng(world.seed, "long night", group.index)
        begin = _while_there(world, group, 2, 9 * DAY)
        for number in range(60):
            at_ms = world.clock.take(begin + number * 30_000)
            speakers = [stay.account for stay in group.present(at_ms)]
            yield Said(group.index, pick.choice(speakers), at_ms, ("night", group.index, number))


def late_changes(world: World) -> Iterator[Said]:
    """Messages changed or taken back in the last days, while their phone kept its log."""
    for holder in range(min(world.scale.holders, 5)):
        if not habits(holder).log:
            continue
        groups = [g for g in world.groups if holder in g.stays]
        for group in groups[:2]:
            pick = rng(world.seed, "late", holder, group.index)
            begin = _while_there(world, group, holder, DAY)
            for number in range(4):
                at_ms = world.clock.take(begin + number * 600_000)
                speakers = [stay.account for stay in group.present(at_ms)]
                change = at_ms + 180_000 + 1000 * number
                taken_back = number % 2 == 1
                yield Said(
                    group.index, pick.choice(speakers), at_ms, ("late", group.index, number),
                    edited_ms=None if taken_back else change,
                    revoked_ms=change if taken_back else None,
                )  # fmt: skip


def _while_there(world: World, group: Group, account: int, before: int) -> int:
    """A moment that long before the account's things were taken, or before it left."""
    stay = group.stays[account]
    last = min(world.seized_ms(account), stay.until or world.seized_ms(account))
    return max(last - before, stay.since + (last - stay.since) // 2)
