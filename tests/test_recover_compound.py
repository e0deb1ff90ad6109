"""Pictures in legacy office files: whole though their sectors lie scattered, forged ones bounded."""

import random
import struct

import planted
from amparo.kit.found import Found
from amparo.kit.source import Source
from amparo.kit.spans import Spans
from amparo.model import Content, File
from amparo.recover.compound import in_order
from amparo.recover.inside.buried import files

END, FREE, FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD


def document(name: str, data: bytes, scatter: bool, left: bytes = b"") -> bytes:
    """A compound file ([MS-CFB]) with one stream; ``left`` lies in sectors of no stream."""
    count = -(-len(data) // 512)
    spare = -(-len(left) // 512)
    sectors = list(range(2, 2 + count))
    if scatter:
        random.Random(1).shuffle(sectors)
    fat = [FAT, END] + [FREE] * (126)
    body = bytearray((2 + count + spare) * 512)
    for number, sector in enumerate(sectors):
        piece = data[number * 512 : number * 512 + 512]
        body[sector * 512 : sector * 512 + len(piece)] = piece
        fat[sector] = sectors[number + 1] if number + 1 < count else END
    body[(2 + count) * 512 : (2 + count) * 512 + len(left)] = left

    def entry(name: str, form: int, child: int, start: int, size: int) -> bytes:
        text = name.encode("utf-16-le")
        head = text.ljust(64, b"\0") + struct.pack(
            "<HBB3I", len(text) + 2, form, 1, FREE, FREE, child
        )
        return head.ljust(116, b"\0") + struct.pack("<IQ", start, size)

    folder = entry("Root Entry", 5, 1, END, 0) + entry(name, 2, FREE, sectors[0], len(data))
    body[512:1024] = folder.ljust(512, b"\0")
    body[:512] = struct.pack("<128I", *fat)
    head = (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<5H", 0x3E, 3, 0xFFFE, 9, 6)
    )
    head = head.ljust(44, b"\0") + struct.pack("<IIIIIIIII", 1, 1, 0, 4096, END, 0, END, 0, 0)
    return head + struct.pack("<108I", *[FREE] * 108) + bytes(body)


def carved(data: bytes) -> set[bytes]:
    found = Found("exhibit", "0f" * 18, "old.ppt", "content")
    told = list(files(Source.of_bytes(data), found))
    known = {c.id: c.sha256 for c in told if isinstance(c, Content)}
    return {known[f.content].encode() for f in told if isinstance(f, File)}


def sha(data: bytes) -> bytes:
    import hashlib

    return hashlib.sha256(data).hexdigest().encode()


def test_scattered_pictures_of_a_presentation_are_whole() -> None:
    pictures = [planted.picture("JPEG", n, 160, 120) for n in range(3)]
    stream = b"".join(b"\xa0\x46\x1d\xf0" + bytes(21) + p for p in pictures)
    left = planted.picture("JPEG", 9, 160, 120)
    for scatter in (False, True):
        data = document("Pictures", stream.ljust(5000, b"\0"), scatter, left)
        assert {sha(p) for p in (*pictures, left)} <= carved(data), scatter


def test_no_byte_is_lost_or_taken_twice_however_forged() -> None:
    sound = document("Data", random.Random(2).randbytes(9000), True)
    assert in_order(Spans(Source.of_bytes(b"x" * 900).stream(), [(0, 900)])) is None
    chance = random.Random(3)
    for _ in range(200):
        bad = bytearray(sound)
        for _ in range(4):
            bad[chance.randrange(2048)] = chance.randrange(256)
        ranges = in_order(Spans(Source.of_bytes(bytes(bad)).stream(), [(0, len(bad))]))
        if ranges is not None:
            places = [p for at, length in ranges for p in range(at, at + length)]
            assert sorted(places) == list(range(len(bad)))
