"""A write-ahead log without chance in it.

SQLite starts every log with two random salts that also enter all its checksums. `settle` puts
salts of our choosing there and computes the checksums again, so the same rows give the same bytes.
Layout: header of 32 bytes (magic, version, page size, sequence, salt1, salt2, sum1, sum2), then
frames of 24 bytes (page, database size at commit, salt1, salt2, sum1, sum2) + one page.
"""

import struct

_HEADER, _FRAME = 32, 24


def _checksum(data: bytes, order: str, s1: int, s2: int) -> tuple[int, int]:
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for i in range(0, len(words), 2):
        s1 = (s1 + words[i] + s2) & 0xFFFFFFFF
        s2 = (s2 + words[i + 1] + s1) & 0xFFFFFFFF
    return s1, s2


def settle(log: bytes, salt1: int, salt2: int) -> bytes:
    """The same log with these salts and sound checksums; frames of older logs are cut off."""
    magic, version, page, sequence, old1, old2 = struct.unpack(">6I", log[:24])
    order = ">" if magic & 1 else "<"
    head = struct.pack(">6I", magic, version, page, sequence, salt1, salt2)
    s1, s2 = _checksum(head, order, 0, 0)
    out = [head, struct.pack(">2I", s1, s2)]
    for at in range(_HEADER, len(log) - _FRAME - page + 1, _FRAME + page):
        number, size, f1, f2 = struct.unpack(">4I", log[at : at + 16])
        if (f1, f2) != (old1, old2):
            break
        body = log[at + _FRAME : at + _FRAME + page]
        s1, s2 = _checksum(log[at : at + 8], order, s1, s2)
        s1, s2 = _checksum(body, order, s1, s2)
        out.append(struct.pack(">6I", number, size, salt1, salt2, s1, s2) + body)
    return b"".join(out)
