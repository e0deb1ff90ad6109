"""Files cut out of bytes: recovered bytes equal planted ones, wherever and however they lie."""

from __future__ import annotations

import io
import random

import pytest

import planted
from amparo.recover.files import MEASURES, Carved, Tally, carve

CLUSTER = 4096


def bytes_of(blob: bytes, carved: Carved) -> bytes:
    return b"".join(blob[at : at + length] for at, length in carved.segments)


def found(blob: bytes, **how: object) -> list[tuple[str, bytes, Carved]]:
    every = carve(io.BytesIO(blob), **how)  # type: ignore[arg-type]
    return [(c.form, bytes_of(blob, c), c) for c in every]


def hashes(blob: bytes, **how: object) -> list[str]:
    return sorted(planted.sha256(data) for _, data, c in found(blob, **how) if c.complete)


def noise(seed: int, length: int) -> bytes:
    """Random bytes, without what happens to be the beginning of a file."""
    return random.Random(seed).randbytes(length).replace(b"\xff\xd8\xff", b"\0\0\0")


def padded(data: bytes, cluster: int = CLUSTER) -> bytes:
    return data + bytes(-len(data) % cluster)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return planted.every_form(tmp_path_factory.mktemp("planted"))


@pytest.mark.parametrize("gap", [1, 777, 4096])
def test_each_form_is_cut_out_exactly_from_noise(files: dict[str, bytes], gap: int) -> None:
    blob, want = b"", {}
    for number, (form, data) in enumerate(files.items()):
        blob += noise(number, gap) + data
        want[form] = planted.sha256(data)
    blob += noise(99, gap)
    got = {form: planted.sha256(data) for form, data, c in found(blob) if c.complete}
    assert got == want


@pytest.mark.parametrize("filler", [b"\0", b"\xff", b"\xe5"])
def test_each_form_ends_exactly_before_slack(files: dict[str, bytes], filler: bytes) -> None:
    for form, data in files.items():
        blob = data + filler * 5000
        assert [(f, d == data) for f, d, c in found(blob) if c.complete] == [(form, True)], form


def test_adjacent_files_of_one_form_stay_apart(files: dict[str, bytes]) -> None:
    for form, data in files.items():
        assert hashes(data * 3) == [planted.sha256(data)] * 3, form


@pytest.mark.parametrize(
    "how",
    [
        {"quality": 95},
        {"progressive": True},
        {"progressive": True, "optimize": True, "quality": 30},
        {"restart_marker_blocks": 3},
        {"progressive": True, "restart_marker_rows": 1},
        {"subsampling": 0},
        {"subsampling": 1, "quality": 10},
    ],
    ids=str,
)
@pytest.mark.parametrize("size", [(1, 1), (33, 17), (400, 300)])
def test_jpeg_of_every_making(how: dict[str, object], size: tuple[int, int]) -> None:
    data = planted.picture("JPEG", 7, *size, **how)
    blob = noise(1, 100) + data + noise(2, 9000)
    assert hashes(blob) == [planted.sha256(data)]


def test_jpeg_in_grey_and_in_four_inks() -> None:
    for mode in ("L", "CMYK"):
        out = io.BytesIO()
        planted.pixels(3).convert(mode).save(out, "JPEG")
        assert hashes(out.getvalue() + bytes(700)) == [planted.sha256(out.getvalue())]


def test_films_with_the_index_first_or_last_and_other_brands() -> None:
    for data in (
        planted.film(1, index_first=True),
        planted.film(2, brand=b"qt  "),
        planted.film(3, brand=b"3gp5"),
    ):
        assert hashes(noise(1, 512) + data + bytes(3000)) == [planted.sha256(data)]


def test_a_preview_is_part_of_its_picture_unless_asked_for() -> None:
    small = planted.picture("JPEG", 5, 64, 48)
    data = planted.with_preview(6, small)
    blob = noise(1, 333) + data + noise(2, 500)
    assert hashes(blob) == [planted.sha256(data)]
    inner = [(planted.sha256(d), c.method) for _, d, c in found(blob, nested=True)]
    assert inner == [(planted.sha256(data), "contiguous"), (planted.sha256(small), "nested")]


def test_files_inside_a_stored_zip_are_its_own(files: dict[str, bytes]) -> None:
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for form, data in files.items():
            file.writestr(form, data)
    blob = noise(1, 512) + out.getvalue() + noise(2, 512)
    got = found(blob)
    assert [(f, d == out.getvalue()) for f, d, _ in got] == [("zip", True)]
    inside = {planted.sha256(d) for _, d, c in found(blob, nested=True) if c.complete}
    assert {planted.sha256(d) for d in files.values()} <= inside


@pytest.mark.parametrize("form", ["jpg", "png", "mp4", "sqlite", "pdf", "zip", "ogg", "gif"])
def test_what_breaks_off_is_never_called_whole(files: dict[str, bytes], form: str) -> None:
    # Of a PDF with two versions the first is a whole PDF by itself.
    data = planted.document(8) if form == "pdf" else files[form]
    for part in (0.3, 0.6, 0.95):
        cut = data[: int(len(data) * part)]
        for tail in (b"", noise(5, 9000), bytes(9000)):
            got = [c for f, d, c in found(cut + tail) if f == form and c.complete]
            assert not got, (part, tail[:4], got)


def test_the_picture_that_is_left_of_a_broken_one_is_kept(files: dict[str, bytes]) -> None:
    cut = files["jpg"][: len(files["jpg"]) // 2]
    ((form, data, carved),) = found(cut + noise(5, 9000))
    assert form == "jpg" and not carved.complete and "units" in carved.note
    assert len(cut) <= len(data) <= len(cut) + 1024 and data.startswith(cut)


def two_pieces(data: bytes, at: int, between: bytes) -> tuple[bytes, int]:
    """A file with whole clusters of something else between its first ``at`` clusters and the rest."""
    head = data[: at * CLUSTER]
    assert len(head) == at * CLUSTER < len(data)
    return head + padded(between) + padded(data[at * CLUSTER :]), len(head)


@pytest.mark.parametrize("how", [{}, {"progressive": True}, {"restart_marker_rows": 1}], ids=str)
@pytest.mark.parametrize("between", ["noise", "text", "zeros", "tail", "file"])
def test_jpeg_in_two_pieces(how: dict[str, object], between: str) -> None:
    data = planted.picture("JPEG", 11, 640, 480, **how)
    other = planted.picture("JPEG", 12, 640, 480)
    fill = {
        "noise": noise(3, 20 * CLUSTER),
        "text": b"nothing to see here. " * 3000,
        "zeros": bytes(9 * CLUSTER),
        "tail": other[5 * CLUSTER :],
        "file": planted.picture("JPEG", 12, 300, 200),
    }[between]
    for at in (1, len(data) // CLUSTER // 2, len(data) // CLUSTER):
        blob = two_pieces(data, at, fill)[0] + noise(4, 3 * CLUSTER)
        got = {
            planted.sha256(d): c
            for _, d, c in found(blob, align=512, cluster=CLUSTER)
            if c.complete
        }
        assert planted.sha256(data) in got, at
        assert got[planted.sha256(data)].method in ("joined", "closed_up")
        assert len(got) == 1 + (between == "file")


def test_png_in_two_pieces() -> None:
    data = planted.picture("PNG", 13, 300, 300)
    for at in (1, 9, len(data) // CLUSTER):
        blob = two_pieces(data, at, noise(3, 7 * CLUSTER))[0]
        assert hashes(blob, align=512, cluster=CLUSTER) == [planted.sha256(data)], at


@pytest.mark.parametrize("index_first", [False, True])
def test_film_in_two_pieces(index_first: bool) -> None:
    data = planted.film(14, index_first=index_first)
    for at in (2, 20, 30):
        blob = noise(1, CLUSTER) + two_pieces(data, at, noise(3, 7 * CLUSTER))[0]
        assert planted.sha256(data) in hashes(blob, align=512, cluster=CLUSTER), at


def test_pieces_among_whole_files_close_up(files: dict[str, bytes]) -> None:
    data = planted.picture("WEBP", 20, 640, 480, quality=90)
    between = padded(files["jpg"]) + padded(files["pdf"])
    archive = planted.archive(3, 6)
    blob = two_pieces(data, 2, between)[0] + two_pieces(archive, 3, files["png"])[0]
    want = [data, files["jpg"], files["pdf"], archive, files["png"]]
    got = hashes(blob, align=512, cluster=CLUSTER)
    assert got == sorted(planted.sha256(d) for d in want)


def test_interleaved_pictures_come_apart() -> None:
    one, two = (planted.picture("JPEG", s, 640, 480) for s in (31, 32))
    a, b = 7 * CLUSTER, 9 * CLUSTER
    blob = one[:a] + two[:b] + padded(one[a:]) + padded(two[b:])
    got = hashes(blob, align=512, cluster=CLUSTER)
    assert got == sorted(planted.sha256(d) for d in (one, two))


def test_free_space_is_read_without_what_lies_between() -> None:
    data = planted.film(15)
    half = len(data) // CLUSTER // 2 * CLUSTER
    blob = noise(1, 3 * CLUSTER) + data[:half] + noise(2, 5 * CLUSTER) + padded(data[half:])
    ranges = [(0, 3 * CLUSTER + half), (8 * CLUSTER + half, len(blob) - 8 * CLUSTER - half)]
    (carved,) = carve(io.BytesIO(blob), ranges, align=512)
    assert bytes_of(blob, carved) == data and len(carved.segments) == 2


def test_extent_blocks_of_ext4_are_left_out() -> None:
    import struct

    data = planted.picture("WEBP", 21, 900, 700, quality=95)
    index = struct.pack("<HHHHI", 0xF30A, 5, (CLUSTER - 12) // 12, 0, 0).ljust(CLUSTER, b"\1")
    blob = data[: 4 * CLUSTER] + index + padded(data[4 * CLUSTER :])
    assert hashes(blob, align=512, cluster=CLUSTER) == [planted.sha256(data)]


def test_aligned_beginnings_come_before_others(files: dict[str, bytes]) -> None:
    blob = noise(1, 100) + files["png"] + noise(2, 3000)
    blob = blob + bytes(-len(blob) % 512) + files["jpg"]
    assert [f for f, _, _ in found(blob, align=512)] == ["jpg", "png"]


def test_unreadable_sectors_do_not_end_the_search(files: dict[str, bytes]) -> None:
    blob = bytes(100 * 512) + padded(files["png"]) + files["jpg"]

    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            at, end = self.tell(), self.tell() + (size or 0)
            if at < 50 * 512 < end:
                raise OSError(5, "medium error")
            return super().read(size)

    got = [c.form for c in carve(Failing(blob), [(0, len(blob))]) if c.complete]
    assert got == ["png", "jpg"]


def test_every_form_has_a_measure(files: dict[str, bytes]) -> None:
    assert set(files) == set(MEASURES)


def test_beginnings_without_end_are_told() -> None:
    tally = Tally()
    blob = b"\xff\xd8\xff\xe0\0\x10JFIF\0" * 100_000
    assert list(carve(io.BytesIO(blob), tally=tally)) == []
    assert tally.left_out > 50_000


def test_a_second_piece_far_before_the_first() -> None:
    """Farther away than every cluster is tried, but where a range of free space begins."""
    photo = planted.picture("JPEG", 77, 640, 480)
    half = len(photo) // 2 // CLUSTER * CLUSTER
    far = 12 << 20
    live = noise(5, CLUSTER)
    tail = padded(photo[half:])
    blob = live + tail + live + bytes(far) + live + photo[:half] + live + bytes(CLUSTER)
    ranges, at = [], 0
    for part in (live, tail, live, bytes(far), live, photo[:half], live, bytes(CLUSTER)):
        if part is not live:
            ranges.append((at, len(part)))
        at += len(part)
    (one,) = carve(io.BytesIO(blob), ranges, align=512, cluster=CLUSTER)
    assert one.complete and one.method == "joined" and bytes_of(blob, one) == photo
    assert one.segments[1][0] < one.segments[0][0]
