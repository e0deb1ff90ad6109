"""The entropy-coded part of a JPEG, walked without making pixels: where it stops making sense.

ITU-T T.81 annexes F and G. ``look[t]`` maps the next 16 bits to ``length << 8 | symbol`` (0: no such
code) for the tables t = 0..3 (DC) and 4..7 (AC). ``state`` is int64[10]: position, bit buffer, bits in it,
units done, four DC predictions, run of empty blocks, 1 where a restart has just been read. Walking can go on
from a state with more bytes. What comes back is one of the numbers of
:mod:`amparo.recover.formats.entropy`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from amparo.kit.compiled import compiled
from amparo.recover.formats.entropy import BAD, DONE, MORE

_I8 = (
    "uint8[::1], int64, int64[::1], int64[::1], int64[::1], uint16[:,::1], int64, int64, int64[::1]"
)


@compiled("void(uint8[::1], int64, int64[::1])")
def _fill(data: Any, end: Any, state: Any) -> None:
    """Take whole bytes into the bit buffer, up to a marker or the end."""
    pos, buffer, bits = state[0], state[1], state[2]
    while bits <= 48 and pos < end:
        byte = np.int64(data[pos])
        if byte == 0xFF:
            if pos + 1 >= end or data[pos + 1] != 0:
                break
            pos += 1
        pos += 1
        buffer = (buffer << 8) | byte
        bits += 8
    state[0], state[1], state[2] = pos, buffer, bits


@compiled("int64(uint8[::1], int64, int64[::1])")
def _short(data: Any, end: Any, state: Any) -> Any:
    """Why there are too few bits: the bytes ended, or a marker stands in the way."""
    return MORE if state[0] + 1 >= end else BAD


@compiled("int64(uint8[::1], int64, int64[::1], uint16[:,::1], int64)")
def _symbol(data: Any, end: Any, state: Any, look: Any, table: Any) -> Any:
    """The next symbol, or -1 - MORE or -1 - BAD."""
    if state[2] < 32:
        _fill(data, end, state)
    bits = state[2]
    if bits >= 16:
        code = (state[1] >> (bits - 16)) & 0xFFFF
    else:
        code = (state[1] << (16 - bits)) & 0xFFFF
    entry = np.int64(look[table, code])
    length = entry >> 8
    if entry == 0 or length > bits:
        if bits < 16:
            return -1 - _short(data, end, state)
        return -1 - BAD
    state[2] = bits - length
    state[1] &= (np.int64(1) << state[2]) - 1
    return entry & 0xFF


@compiled("int64(uint8[::1], int64, int64[::1], int64)")
def _take(data: Any, end: Any, state: Any, count: Any) -> Any:
    """The next ``count`` bits (up to 16), or -1 - MORE or -1 - BAD."""
    if state[2] < count:
        _fill(data, end, state)
        if state[2] < count:
            return -1 - _short(data, end, state)
    state[2] -= count
    value = state[1] >> state[2]
    state[1] &= (np.int64(1) << state[2]) - 1
    return value


@compiled("int64(uint8[::1], int64, int64[::1], int64)")
def _restart(data: Any, end: Any, state: Any, number: Any) -> Any:
    """Read restart marker ``number`` (or, for -1, see that any marker follows)."""
    _fill(data, end, state)
    if state[0] + 1 >= end:
        return MORE
    pos = state[0]
    if state[2] >= 8 or data[pos] != 0xFF or data[pos + 1] == 0:
        return BAD
    if number < 0:
        return DONE
    if data[pos + 1] != 0xD0 + (number & 7):
        return BAD
    state[0], state[1], state[2] = pos + 2, 0, 0
    state[4:9] = 0
    return DONE


@compiled("int64(uint8[::1], int64, int64[::1], uint16[:,::1], int64, int64, int64, int64)")
def _dc(
    data: Any, end: Any, state: Any, look: Any, table: Any, part: Any, low: Any, most: Any
) -> Any:
    """One DC difference; BAD where the sum leaves what 8-bit samples can give."""
    size = _symbol(data, end, state, look, table)
    if size < 0:
        return -1 - size
    if size > 11:
        return BAD
    if size:
        value = _take(data, end, state, size)
        if value < 0:
            return -1 - value
        if value < (np.int64(1) << (size - 1)):
            value += 1 - (np.int64(1) << size)
        state[4 + part] += value
        total = state[4 + part] << low
        if total > most or total < -most:
            return BAD
    return DONE


@compiled(f"int64({_I8}, int64[:,::1], int64)")
def sequential(
    data: Any, end: Any, parts: Any, tables: Any, most: Any, look: Any, total: Any, restart: Any,
    state: Any, marks: Any, every: Any,
) -> Any:  # fmt: skip
    """Walk a scan of a sequential JPEG.

    ``parts``: the scan's component of each block of a unit; ``tables``: DC table, then AC table, of each
    component; ``most``: greatest DC value of each; ``total`` units; ``restart`` units between markers, or 0.
    Every ``every`` units the state is kept in ``marks`` (int64[n, 10]), the last row of which counts.
    """
    begun = np.empty(10, np.int64)
    while state[3] < total:
        unit = state[3]
        begun[:] = state
        if restart and unit and unit % restart == 0 and not state[9]:
            got = _restart(data, end, state, unit // restart - 1)
            if got != DONE:
                return got
            state[9] = 1
            begun[:] = state
        if unit % every == 0:
            row = unit // every
            if row < marks.shape[0]:
                marks[row] = state
        state[9] = 0
        for block in range(parts.shape[0]):
            part = parts[block]
            got = _dc(data, end, state, look, tables[2 * part], part, 0, most[part])
            k = np.int64(1)
            table = 4 + tables[2 * part + 1]
            while got == DONE and k < 64:
                symbol = _symbol(data, end, state, look, table)
                if symbol < 0:
                    got = -1 - symbol
                    break
                size = symbol & 15
                if size == 0:
                    if symbol == 0xF0:
                        k += 16
                        if k > 63:
                            got = np.int64(BAD)
                        continue
                    if symbol:
                        got = np.int64(BAD)
                    break
                k += symbol >> 4
                if k > 63:
                    got = np.int64(BAD)
                    break
                value = _take(data, end, state, size)
                if value < 0:
                    got = -1 - value
                k += 1
            if got == MORE:
                state[:] = begun
                return got
            if got != DONE:
                return got
        state[3] += 1
    return _restart(data, end, state, -1)


@compiled("int64(uint8[::1], int64, int64[::1], uint16[:,::1], int64, uint8[::1], int64[::1])")
def _first(data: Any, end: Any, state: Any, look: Any, table: Any, seen: Any, band: Any) -> Any:
    """One block of a first AC scan."""
    if state[8]:
        state[8] -= 1
        return DONE
    k = band[0]
    while k <= band[1]:
        symbol = _symbol(data, end, state, look, table)
        if symbol < 0:
            return -1 - symbol
        run, size = symbol >> 4, symbol & 15
        if size == 0:
            if run == 15:
                k += 16
                continue
            more = _take(data, end, state, run)
            if more < 0:
                return -1 - more
            state[8] = (np.int64(1) << run) - 1 + more
            return DONE
        k += run
        if k > band[1]:
            return BAD
        value = _take(data, end, state, size)
        if value < 0:
            return -1 - value
        seen[k] = 1
        k += 1
    return DONE if k <= band[1] + 1 else BAD


@compiled("int64(uint8[::1], int64, int64[::1], uint16[:,::1], int64, uint8[::1], int64[::1])")
def _refined(data: Any, end: Any, state: Any, look: Any, table: Any, seen: Any, band: Any) -> Any:
    """One block of a later AC scan: a bit for each value seen before, and new ones between."""
    k = band[0]
    while not state[8] and k <= band[1]:
        symbol = _symbol(data, end, state, look, table)
        if symbol < 0:
            return -1 - symbol
        run, size = symbol >> 4, symbol & 15
        if size > 1:
            return BAD
        if size == 0 and run < 15:
            more = _take(data, end, state, run)
            if more < 0:
                return -1 - more
            state[8] = (np.int64(1) << run) + more
            break
        if size and _take(data, end, state, 1) < 0:
            return _short(data, end, state)
        while k <= band[1]:
            if seen[k]:
                if _take(data, end, state, 1) < 0:
                    return _short(data, end, state)
            elif run == 0:
                break
            else:
                run -= 1
            k += 1
        if size:
            if k > band[1]:
                return BAD
            seen[k] = 1
        k += 1
    if state[8]:
        while k <= band[1]:
            if seen[k] and _take(data, end, state, 1) < 0:
                return _short(data, end, state)
            k += 1
        state[8] -= 1
    return DONE


@compiled(f"int64({_I8}, uint8[:,::1], int64[::1])")
def progressive(
    data: Any, end: Any, parts: Any, tables: Any, most: Any, look: Any, total: Any, restart: Any,
    state: Any, seen: Any, band: Any,
) -> Any:  # fmt: skip
    """Walk a scan of a progressive JPEG; arguments as for :func:`sequential`.

    ``band``: first and last coefficient, bit position before (0: first scan) and after; ``seen``
    (uint8[blocks, 64]) tells which coefficients of the one component are not zero, and is kept between
    scans. A scan that needs more bytes is walked again from its start.
    """
    while state[3] < total:
        unit = state[3]
        if restart and unit and unit % restart == 0 and not state[9]:
            got = _restart(data, end, state, unit // restart - 1)
            if got != DONE:
                return got
            state[8] = 0
        state[9] = 0
        got = np.int64(DONE)
        if band[0] == 0:
            for block in range(parts.shape[0]):
                part = parts[block]
                if band[2]:
                    bit = _take(data, end, state, 1)
                    got = np.int64(DONE) if bit >= 0 else -1 - bit
                else:
                    got = _dc(data, end, state, look, tables[2 * part], part, band[3], most[part])
                if got != DONE:
                    return got
        elif band[2]:
            got = _refined(data, end, state, look, 4 + tables[1], seen[unit], band)
        else:
            got = _first(data, end, state, look, 4 + tables[1], seen[unit], band)
        if got != DONE:
            return got
        state[3] += 1
    return _restart(data, end, state, -1)


@compiled("int64(uint8[::1], uint8[:,::1], int64, int64[::1])")
def starts(data: Any, heads: Any, most: Any, out: Any) -> Any:
    """Places where one of ``heads`` (uint8[n, 4]; fe in the last stands for any byte) begins.

    How many were written to ``out``, at most ``most``.
    """
    first = np.zeros(65536, np.uint8)
    for h in range(heads.shape[0]):
        first[np.int64(heads[h, 0]) << 8 | np.int64(heads[h, 1])] = 1
    count = np.int64(0)
    word = np.int64(data[0]) if data.shape[0] else np.int64(0)
    for at in range(data.shape[0] - 3):
        word = (word & 0xFF) << 8 | np.int64(data[at + 1])
        if first[word]:
            for h in range(heads.shape[0]):
                if (
                    data[at] == heads[h, 0]
                    and data[at + 1] == heads[h, 1]
                    and data[at + 2] == heads[h, 2]
                    and (data[at + 3] == heads[h, 3] or heads[h, 3] == 0xFE)
                ):
                    if count >= most:
                        return count
                    out[count] = at
                    count += 1
                    break
    return count
