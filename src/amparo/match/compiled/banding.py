"""Inner loops of the near index, compiled on first use.

Codes are uint64[n, 4] (256 bits). A *band* is ``widths[b]`` bits from bit ``offsets[b]``; bit 0 is the
lowest of word 0; ``words[b]`` has its bits set. Postings are CSR: the rows whose band b has key k are
``posts[b, starts[first[b] + k] : starts[first[b] + k + 1]]``. Two codes within ``radius`` differ in at
least one band b by no more than ``radii[b]`` bits, so trying those keys finds every pair. Loops that
report give the number of hits and write as many as there is room for; the caller makes room and repeats.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.extending import intrinsic

from amparo.kit.compiled import compiled

_ROOM = 1024
"""Candidates of one band collected before they are compared."""


def _popcount(context: Any, word: Any) -> Any:
    """The number of set bits of a uint64, as int64: one instruction."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(types.uint64), code


_ones: Any = intrinsic(_popcount)


def _prefetch(context: Any, array: Any, place: Any) -> Any:
    """Asks for the cache line of ``array.flat[place]`` and goes on without it (llvm.prefetch)."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        fetch = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        line = builder.bitcast(builder.gep(data, [args[1]]), byte)
        builder.call(fetch, [line, number(0), number(3), number(1)])  # to read, keep it, data
        return context.get_dummy_value()

    return types.void(array, types.int64), code


_fetch: Any = intrinsic(_prefetch)


@compiled()
def _band(codes: Any, row: Any, offset: Any, width: Any) -> Any:
    word = offset >> 6
    shift = offset & 63
    key = codes[row, word] >> np.uint64(shift)
    if shift + width > 64:
        key |= codes[row, word + 1] << np.uint64(64 - shift)
    return np.int64(key & ((np.uint64(1) << np.uint64(width)) - np.uint64(1)))


@compiled()
def _seen_before(x0: Any, x1: Any, x2: Any, x3: Any, band: Any, words: Any, radii: Any) -> Any:
    """Whether an earlier band already reports the pair with this xor."""
    for b in range(band):
        bits = _ones(x0 & words[b, 0]) + _ones(x1 & words[b, 1])
        if bits + _ones(x2 & words[b, 2]) + _ones(x3 & words[b, 3]) <= radii[b]:
            return True
    return False


@compiled()
def sort_band(codes: Any, offset: Any, width: Any, starts: Any, posts: Any) -> None:
    """Counting sort: fills ``starts`` (2**width + 1, zeroed) and ``posts`` (n) of one band."""
    for row in range(len(codes)):
        starts[_band(codes, row, offset, width) + 1] += np.uint32(1)
    for key in range(1, len(starts)):
        starts[key] += starts[key - 1]
    at = starts.copy()
    for row in range(len(codes)):
        key = _band(codes, row, offset, width)
        posts[at[key]] = row
        at[key] += np.uint32(1)


@compiled()
def _compared(
    queries: Any,
    q: Any,
    codes: Any,
    rows: Any,
    held: Any,
    band: Any,
    words: Any,
    radii: Any,
    radius: Any,
    out: Any,
    found: Any,
) -> Any:
    """Reports those of ``rows[:held]`` within the radius that no earlier band has shown."""
    q0, q1, q2, q3 = queries[q, 0], queries[q, 1], queries[q, 2], queries[q, 3]
    for i in range(held):
        row = rows[i]
        x0, x1 = q0 ^ codes[row, 0], q1 ^ codes[row, 1]
        x2, x3 = q2 ^ codes[row, 2], q3 ^ codes[row, 3]
        distance = _ones(x0) + _ones(x1) + _ones(x2) + _ones(x3)
        if distance <= radius:
            if not _seen_before(x0, x1, x2, x3, band, words, radii):
                if found < len(out):
                    out[found, 0] = q
                    out[found, 1] = row
                    out[found, 2] = distance
                found += 1
    return found


@compiled()
def probe(
    queries: Any,
    codes: Any,
    starts: Any,
    posts: Any,
    first: Any,
    offsets: Any,
    widths: Any,
    words: Any,
    radii: Any,
    masks: Any,
    ends: Any,
    radius: Any,
    counts: Any,
    out: Any,
) -> Any:
    """Every stored code within ``radius`` of each query, once: ``out`` rows (query, stored, distance).

    Band b tries ``key ^ masks[b, :ends[b]]``. ``counts`` receives the number of hits of each query.
    Nearly all time is waiting for memory, so each step asks for what the next will read.
    """
    found = 0
    size = posts.shape[1]
    begins = np.empty(masks.shape[1], np.int64)
    stops = np.empty(masks.shape[1], np.int64)
    rows = np.empty(_ROOM, np.uint32)
    for q in range(len(queries)):
        before = found
        for b in range(len(offsets)):
            key = _band(queries, q, offsets[b], widths[b]) if ends[b] else 0
            for m in range(ends[b]):
                _fetch(starts, first[b] + (key ^ masks[b, m]))
            for m in range(ends[b]):
                at = first[b] + (key ^ masks[b, m])
                begins[m] = starts[at]
                stops[m] = starts[at + 1]
                _fetch(posts, b * size + begins[m])
            held = 0
            for m in range(ends[b]):
                for p in range(begins[m], stops[m]):
                    rows[held] = posts[b, p]
                    _fetch(codes, 4 * np.int64(rows[held]))
                    held += 1
                    if held == _ROOM:
                        found = _compared(
                            queries, q, codes, rows, held, b, words, radii, radius, out, found
                        )
                        held = 0
            found = _compared(queries, q, codes, rows, held, b, words, radii, radius, out, found)
        counts[q] = found - before
    return found


@compiled()
def join(
    a_codes: Any,
    a_rows: Any,
    a_starts: Any,
    b_codes: Any,
    b_rows: Any,
    b_starts: Any,
    same: Any,
    lowest: Any,
    highest: Any,
    band: Any,
    words: Any,
    radii: Any,
    masks: Any,
    end: Any,
    radius: Any,
    counts: Any,
    out: Any,
) -> Any:
    """Pairs of a and b within ``radius`` that ``band`` is the first to show: rows as in ``probe``.

    Both lie in the order of the band's keys, so reading is sequential; only keys of a in
    [lowest, highest) are taken. ``same`` means that a is b: each pair once, lower row first.
    ``counts[row of a]`` is added to.
    """
    found = 0
    for key in range(lowest, highest):
        begin, stop = np.int64(a_starts[key]), np.int64(a_starts[key + 1])
        if begin == stop:
            continue
        for m in range(end):
            other = key ^ masks[band, m]
            if same and other < key:
                continue
            b_begin, b_stop = np.int64(b_starts[other]), np.int64(b_starts[other + 1])
            for i in range(begin, stop):
                i0, i1, i2, i3 = a_codes[i, 0], a_codes[i, 1], a_codes[i, 2], a_codes[i, 3]
                for j in range(i + 1 if same and other == key else b_begin, b_stop):
                    x0, x1 = i0 ^ b_codes[j, 0], i1 ^ b_codes[j, 1]
                    x2, x3 = i2 ^ b_codes[j, 2], i3 ^ b_codes[j, 3]
                    distance = _ones(x0) + _ones(x1) + _ones(x2) + _ones(x3)
                    if distance <= radius:
                        if not _seen_before(x0, x1, x2, x3, band, words, radii):
                            row, column = np.int64(a_rows[i]), np.int64(b_rows[j])
                            counts[row] += 1
                            if same and column < row:
                                row, column = column, row
                            if found < len(out):
                                out[found, 0] = row
                                out[found, 1] = column
                                out[found, 2] = distance
                            found += 1
    return found


@compiled()
def scan(queries: Any, codes: Any, radius: Any, counts: Any, out: Any) -> Any:
    """The flat search: every query against every code. Slower, plainly right, any radius."""
    found = 0
    for q in range(len(queries)):
        before = found
        q0, q1, q2, q3 = queries[q, 0], queries[q, 1], queries[q, 2], queries[q, 3]
        for row in range(len(codes)):
            distance = (
                _ones(q0 ^ codes[row, 0])
                + _ones(q1 ^ codes[row, 1])
                + _ones(q2 ^ codes[row, 2])
                + _ones(q3 ^ codes[row, 3])
            )
            if distance <= radius:
                if found < len(out):
                    out[found, 0] = q
                    out[found, 1] = row
                    out[found, 2] = distance
                found += 1
        counts[q] = found - before
    return found
