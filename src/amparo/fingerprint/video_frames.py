"""Looking at a film's frames: visual hashes five times a second, cuts, and the frames of a contact sheet."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from av import VideoFrame
from numpy.typing import NDArray

from amparo.fingerprint.pdq import SIDE, Taps, of_samples, pdq, samples, taps
from amparo.kit.frames import CUT, INNER, TRIMMED

STEP = 200
"""Milliseconds between frames looked at; key frames alone find nothing, encoders put them elsewhere."""
SAME = 8
"""PDQ distance up to which a frame adds nothing to the one kept before ..."""
STILL, LONGEST_STILL = 2000, 30_000
"""... unless that is so many milliseconds ago, twice as many each time nothing moves: a fixed camera's film
must be found again too, and need not fill the index."""
QUALITY = 20
"""PDQ quality below which a frame is not kept at all."""
CUT_BITS, CUT_LIGHT, CUT_JUMP = 60, 12.0, 2.5
"""A cut: PDQ distance and mean difference of 16 x 16 grey fields (of 255) to the frame before, at least, and
so many times the difference that was usual among the frames before: a moving camera cuts nothing."""
USUAL = 5
"""Frames that say what is usual."""
SHORTEST_SHOT = 600
BLACK = 24
"""Lines whose brightest pixel (of 255) is darker are taken for a black bar."""
LEAST_BAR, LEAST_LEFT = 0.02, 0.4
"""Shares of a side: narrower bars are no bars, and this much of a picture must be left between them."""
INNERS, INNER_STEP = (0.94, 0.88), 1000
"""Middle parts, by share of the sides, hashed in turn, and the milliseconds between: by one of them a film
whose edges were cut off is found, when its whole frames are like no whole frame any more."""
TILE = 256
"""Longer side of a picture on the contact sheet."""
MOST_SIDE, SCREEN = 1024, 1.4
"""Pixels the host takes, and the form of a sheet: width to height."""
TILES = 32
"""Pictures held for the contact sheet before every second one is let go."""

Pixels = NDArray[np.uint8]
Samples = NDArray[np.float32]
Box = tuple[int, int, int, int]

_LUMA_FIRST = ("yuv4", "yuvj4", "nv12", "nv21", "nv16", "gray")


def grey(frame: VideoFrame) -> Pixels:
    """The frame's brightness as stored, 8 bits, (height, width); a view of the frame where possible."""
    name = frame.format.name
    if not name.startswith(_LUMA_FIRST) or frame.format.components[0].bits != 8:
        frame = frame.reformat(format="gray", threads=1)
    plane = frame.planes[0]
    lines: Pixels = np.frombuffer(memoryview(plane), np.uint8)
    lines = lines[: plane.line_size * frame.height].reshape(frame.height, plane.line_size)
    return lines[:, : frame.width]


@lru_cache(maxsize=64)
def _taps(begin: int, end: int, small: bool) -> Taps:
    """Pixels of a side, from ``begin`` to ``end``, that the 64 samples are made of.

    As if that side had been brought to SIDE pixels first, none of them mixed, as the reference does with
    all but small pictures.
    """
    places, weights = taps(end - begin if small else SIDE)
    if not small:
        places = places * np.uint64(end - begin) // np.uint64(SIDE)
    return places + np.uint64(begin), weights


def sampled(pixels: Pixels, box: Box | None = None) -> Samples:
    """The 64 x 64 samples of PDQ of a part of the frame."""
    top, bottom, left, right = box or (0, pixels.shape[0], 0, pixels.shape[1])
    small = max(bottom - top, right - left) <= SIDE
    return samples(pixels, _taps(top, bottom, small), _taps(left, right, small))


def bars(pixels: Pixels, black: int) -> Box | None:
    """The part (top, bottom, left, right) between black bars; None without bars, or where little is left."""
    height, width = pixels.shape
    # A grid of some 200 lines each way is enough to see a bar, and one that is lit is lit for sure.
    down, across = max(1, height // 200), max(1, width // 200)
    lit = pixels[::down, ::across] >= black
    rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
    if not len(rows):
        return None
    top, bottom = int(rows[0]) * down, min(height, (int(rows[-1]) + 1) * down)
    left, right = int(columns[0]) * across, min(width, (int(columns[-1]) + 1) * across)
    if bottom - top < LEAST_LEFT * height or right - left < LEAST_LEFT * width:
        return None
    if (
        max(top, height - bottom) < LEAST_BAR * height
        and max(left, width - right) < LEAST_BAR * width
    ):
        return None
    return top, bottom, left, right


def inner(box: Box, share: float) -> Box:
    """The middle of a part of a frame."""
    top, bottom, left, right = box
    down, across = round((bottom - top) * (1 - share) / 2), round((right - left) * (1 - share) / 2)
    return top + down, bottom - down, left + across, right - across


def distance(a: bytes, b: bytes) -> int:
    """Bits in which two hashes differ."""
    return (int.from_bytes(a) ^ int.from_bytes(b)).bit_count()


class Frames:
    """Takes the frames of one film in the order in which they are shown."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._each = max(1, int(rate)) if rate else 1
        self._cell = -1
        self._second = -1
        self._kept: dict[bool, tuple[int, bytes, int]] = {}
        self._before: tuple[bytes, Samples] | None = None
        self._cut_at = -SHORTEST_SHOT
        self._moves: list[float] = []
        self._inner_at = -INNER_STEP
        self._inners = 0
        self._every = 1000
        self._tiles: list[tuple[int, bool, Pixels]] = []
        self.shown: list[tuple[int, int, int, bytes, bytes]] = []
        """Rows of kit.frames.SHOWN."""
        self.vpdq: list[tuple[int, int, int, bytes]] = []
        """Rows of kit.frames.VPDQ."""
        self.looked = 0
        self.reached = 0
        self.shots = 0
        self.rotation = 0

    def wants(self, time: float | None) -> bool:
        """Whether the frame shown at this millisecond may be looked at; others need not be decoded."""
        if time is None or not 6 < self._rate < 1000:
            return True
        if time % STEP < 1500 / self._rate:
            return True
        return round(time * self._rate / 1000) % self._each == 0

    def take(self, frame: VideoFrame, time: int) -> None:
        """Look at one decoded frame; ``time`` in milliseconds, never decreasing."""
        self.reached = max(self.reached, time)
        number = round(time * self._rate / 1000)
        second = number // self._each
        fresh = time // STEP > self._cell
        if not fresh and second <= self._second:
            return
        luma = grey(frame)
        if second > self._second:
            self._second = second
            code, quality = pdq(luma)
            self.vpdq.append((time, number, quality, code))
        if fresh:
            self._cell = time // STEP
            self.looked += 1
            self._look(frame, luma, time)

    def _look(self, frame: VideoFrame, luma: Pixels, time: int) -> None:
        turns = round(frame.rotation / 90) % 4
        self.rotation = -90 * turns % 360
        small = np.rot90(sampled(luma), turns)
        code, mirror, quality = of_samples(small)
        flags = CUT if self._cuts(code, small, time) else 0
        self.shots += flags
        kept = self._keep(time, quality, flags, code, mirror)
        # Full range is 2 in AVColorRange; in all other films black is 16.
        black = BLACK if frame.color_range == 2 else 16 + BLACK * 219 // 255
        box = bars(luma, black)
        if box is not None:
            code, mirror, quality = of_samples(np.rot90(sampled(luma, box), turns))
            self._keep(time, quality, flags | TRIMMED, code, mirror)
        if kept and time - self._inner_at >= INNER_STEP:
            share = INNERS[self._inners % len(INNERS)]
            self._inners, self._inner_at = self._inners + 1, time
            part = inner(box or (0, luma.shape[0], 0, luma.shape[1]), share)
            code, mirror, quality = of_samples(np.rot90(sampled(luma, part), turns))
            self.shown.append((time, quality, INNER, code, mirror))
        last = self._tiles[-1][0] if self._tiles else -self._every
        if time - last >= self._every or flags & CUT:
            self._add_tile(frame, time, bool(flags & CUT))

    def _keep(self, time: int, quality: int, flags: int, code: bytes, mirror: bytes) -> bool:
        """Whether the frame is kept."""
        if quality < QUALITY:
            return False
        trimmed = bool(flags & TRIMMED)
        at, before, still = self._kept.get(trimmed, (-STILL, b"", STILL))
        same = bool(before) and not flags & CUT and distance(before, code) <= SAME
        if same and time - at < still:
            return False
        still = min(2 * still, LONGEST_STILL) if same else STILL
        self._kept[trimmed] = time, code, still
        self.shown.append((time, quality, flags, code, mirror))
        return True

    def _cuts(self, code: bytes, small: Samples, time: int) -> bool:
        """Whether this frame begins a shot; the first one does."""
        fields = small.reshape(16, 4, 16, 4).mean(axis=(1, 3))
        before, self._before = self._before, (code, fields)
        if before is None:
            self._cut_at = time
            return True
        moved = float(np.abs(before[1] - fields).mean())
        usual = sorted(self._moves)[len(self._moves) // 2] if self._moves else 0.0
        self._moves = [*self._moves[1 - USUAL :], moved]
        jumps = moved >= max(CUT_LIGHT, CUT_JUMP * usual) and distance(before[0], code) >= CUT_BITS
        if not jumps or time - self._cut_at < SHORTEST_SHOT:
            return False
        self._cut_at = time
        self._moves = []
        return True

    def _add_tile(self, frame: VideoFrame, time: int, cut: bool) -> None:
        self._tiles.append((time, cut, tile(frame, TILE)))
        if len(self._tiles) > TILES:
            self._every *= 2
            self._tiles = self._tiles[::2]

    def sheet(self, most: int = 9) -> Pixels | None:
        """A contact sheet, RGB: first frames of shots, filled up evenly."""
        if not self._tiles:
            return None
        firsts = [n for n, (_, cut, _) in enumerate(self._tiles) if cut]
        chosen = _spread(firsts, most)
        others = [n for n in range(len(self._tiles)) if n not in set(firsts)]
        chosen = sorted([*chosen, *_spread(others, most - len(chosen))])
        return laid_out([self._tiles[n][2] for n in chosen])


def tile(frame: VideoFrame, longest: int) -> Pixels:
    """A small RGB picture of a frame, upright, its longer side at most ``longest`` pixels."""
    scale = min(1.0, longest / max(frame.width, frame.height))
    wide, high = (max(2, round(side * scale)) for side in (frame.width, frame.height))
    small = frame.reformat(wide, high, "rgb24", interpolation="AREA", threads=1)
    picture: Any = small.to_ndarray()
    upright: Pixels = np.rot90(picture, round(frame.rotation / 90) % 4)
    return upright


def laid_out(pictures: list[Pixels]) -> Pixels:
    """Pictures side by side on black, in rows that make the sheet about a screen's form; no side above MOST_SIDE.

    A sheet that would be larger is cut at its end.
    """
    high = max(p.shape[0] for p in pictures)
    wide = max(p.shape[1] for p in pictures)
    fitting = [n for n in range(1, len(pictures) + 1) if n * wide <= MOST_SIDE] or [1]

    def unlike_a_screen(across: int) -> float:
        rows = -(-len(pictures) // across)
        return abs(float(np.log(across * wide / (rows * high) / SCREEN)))

    across = min(fitting, key=unlike_a_screen)
    pictures = pictures[: across * max(1, MOST_SIDE // high)]
    sheet = np.zeros((-(-len(pictures) // across) * high, across * wide, 3), np.uint8)
    for n, picture in enumerate(pictures):
        top, left = n // across * high, n % across * wide
        sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return sheet


def _spread(things: list[int], most: int) -> list[int]:
    """Up to ``most`` of them, evenly spread, the first among them."""
    if len(things) <= most:
        return things
    return [things[i * len(things) // most] for i in range(max(0, most))]
