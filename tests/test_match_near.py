"""The near index: always the answer of the flat scan, only sooner."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amparo.match import joins, near
from amparo.match.bands import BYTES, Bands, cut, even
from amparo.match.near import NearIndex, codes_of, flat, pairs

Chance = np.random.Generator


def random_codes(chance: Chance, n: int) -> Any:
    return chance.integers(0, 2**64, (n, 4), dtype=np.uint64)


def flipped(chance: Chance, codes: Any, bits: Any) -> Any:
    """Each code with ``bits[i]`` distinct bits changed."""
    order = np.argsort(chance.random((len(codes), 256)), axis=1)
    change = (order < np.asarray(bits)[:, None]).astype(np.uint8)
    return codes ^ np.packbits(change, axis=1).view("<u8")


def clustered(chance: Chance, n: int, centres: int, most: int) -> Any:
    """Half random codes, half copies of a few with up to ``most`` bits changed."""
    base = random_codes(chance, n)
    half = n // 2
    copies = base[half + chance.integers(0, centres, half)]
    base[:half] = flipped(chance, copies, chance.integers(0, most + 1, half))
    return base


def slow(queries: Any, codes: Any, radius: int) -> list[tuple[int, int, int]]:
    """The definition, in whole numbers of any size."""
    as_int = [int.from_bytes(np.ascontiguousarray(c).tobytes(), "little") for c in codes]
    asked = [int.from_bytes(np.ascontiguousarray(q).tobytes(), "little") for q in queries]
    return [
        (i, j, (a ^ b).bit_count())
        for i, a in enumerate(asked)
        for j, b in enumerate(as_int)
        if (a ^ b).bit_count() <= radius
    ]


def same(got: Any, want: Any) -> bool:
    return all(np.array_equal(g, w) for g, w in zip(got, want, strict=True))


def test_the_flat_scan_is_the_definition_also_at_the_far_end() -> None:
    chance = np.random.default_rng(1)
    codes = clustered(chance, 60, 3, 60)
    codes[7] = ~codes[50]
    for radius in (0, 31, 128, 255, 256):
        got = [tuple(int(x) for x in hit) for hit in zip(*flat(codes, codes, radius), strict=True)]
        assert got == slow(codes, codes, radius)
    assert flat(codes[:0], codes)[0].dtype == np.int64 and flat(codes, codes)[2].dtype == np.int16


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    n=st.integers(0, 300),
    most=st.integers(0, 80),
    radius=st.integers(0, 60),
)
def test_few_codes_equal_the_definition(seed: int, n: int, most: int, radius: int) -> None:
    chance = np.random.default_rng(seed)
    codes = clustered(chance, n, 3, most) if n > 8 else random_codes(chance, n)
    index = NearIndex.build(codes)
    asked = codes[: n // 3]
    assert same(index.query(asked, radius), flat(asked, codes, radius))
    i, j, d = flat(codes, codes, radius)
    upper = i < j
    assert same(pairs(codes, radius), (i[upper], j[upper], d[upper]))


@pytest.fixture
def compiled(monkeypatch: Any) -> None:
    """Index and compiled loops also for few codes."""
    monkeypatch.setattr(near, "_FEW", 1)
    monkeypatch.setattr(near, "_QUICK_PAIRS", 0)
    monkeypatch.setattr(near, "_QUICKER_PAIRS", 0)


@pytest.mark.parametrize(
    ("bands", "radius"),
    [(16, 31), (16, 30), (16, 15), (16, 9), (16, 40), (14, 31), (14, 20), (13, 31)],
)
def test_banded_search_equals_the_flat_scan(
    compiled: None, monkeypatch: Any, bands: int, radius: int
) -> None:
    """Query by query and all together; 14 bands have unequal widths that cross words, and radii 2 and 1
    like the 11 that serve ten million codes; 13 of 15 bits leave 61 bits in no band."""
    widths = (15,) * 13 if bands == 13 else tuple(even(bands))
    monkeypatch.setattr("amparo.match.bands.cut", lambda codes: widths)
    monkeypatch.setattr(joins, "join_cut", lambda codes, radius: Bands(widths, radius))
    chance = np.random.default_rng(radius)
    codes = clustered(chance, 1500, 12, 45)
    queries = np.concatenate([codes[:400], random_codes(chance, 50)])
    index = NearIndex.build(codes)
    want = flat(queries, codes, radius)
    assert len(want[0]) > 450
    for at_once in (0, 1 << 30):
        monkeypatch.setattr(near, "_AT_ONCE", at_once)
        assert same(index.query(queries, radius), want)
        assert np.array_equal(index.count(queries, radius), np.bincount(want[0], minlength=450))
    i, j, d = flat(codes, codes, radius)
    upper = i < j
    assert same(pairs(codes, radius), (i[upper], j[upper], d[upper]))


def test_every_planted_distance_is_found(compiled: None, monkeypatch: Any) -> None:
    chance = np.random.default_rng(5)
    codes = random_codes(chance, 3200)
    bits = np.arange(3200) % 32
    queries = flipped(chance, codes, bits)
    for at_once in (0, 1 << 30):
        monkeypatch.setattr(near, "_AT_ONCE", at_once)
        q, row, distance = NearIndex.build(codes).query(queries)
        assert np.array_equal(q, np.arange(3200)) and np.array_equal(row, q)
        assert np.array_equal(distance, bits)


@pytest.mark.parametrize("codes", [1, 5000, 360_000, 1_000_000, 10_000_000, 100_000_000])
def test_the_bands_leave_no_pair_out(codes: int) -> None:
    widths = cut(codes)
    for radius in range(32):
        bands = Bands(widths, radius)
        radii, masks, ends = bands.tried
        assert int((radii + 1).sum()) == radius + 1
        assert np.bitwise_count(bands.words).sum() == sum(widths) <= 256
        assert np.bitwise_count(np.bitwise_or.reduce(bands.words, axis=0)).sum() == sum(widths)
        if radius in (0, 7, 31):
            for b in range(len(bands)):
                tried = masks[b, : ends[b]].tolist()
                assert len(set(tried)) == len(tried)
                assert all(m.bit_count() <= radii[b] and m >> widths[b] == 0 for m in tried)


def test_an_index_keeps_within_its_bytes() -> None:
    for codes in (100_000, 1_000_000, 3_000_000, 10_000_000, 100_000_000):
        widths = cut(codes)
        starts = sum((1 << w) + 1 for w in widths)
        assert 32 + 4 * len(widths) + 4 * starts / codes <= BYTES


def test_on_disk_reopened_and_added_to(compiled: None, tmp_path: Path) -> None:
    chance = np.random.default_rng(7)
    codes = clustered(chance, 2500, 5, 40)
    path = tmp_path / "deep" / "index"
    NearIndex.build(codes[:100], path)
    built = NearIndex.build(codes[:2000], path)
    built.add(codes[2000:2300])
    with (path / "tail.bin").open("ab") as file:
        file.write(b"half a code")
    index = NearIndex.open(path)
    assert len(index) == 2300
    index.add(codes[2300:])
    for opened in (index, NearIndex.open(path)):
        assert len(opened) == 2500
        assert same(opened.query(codes[:300]), flat(codes[:300], codes))
        want = np.bincount(flat(codes, codes)[0], minlength=2500)
        assert np.array_equal(opened.count(codes), want)
    assert sorted(p.name for p in path.parent.iterdir()) == ["index"]


def test_files_that_do_not_fit_together_are_refused(compiled: None, tmp_path: Path) -> None:
    codes = random_codes(np.random.default_rng(1), 50)
    NearIndex.build(codes, tmp_path / "i")
    np.save(tmp_path / "i" / "codes.npy", codes[:40])
    with pytest.raises(ValueError, match="build it again"):
        NearIndex.open(tmp_path / "i")
    np.save(tmp_path / "i" / "codes.npy", codes[:, :3])
    with pytest.raises(ValueError, match="no near index"):
        NearIndex.open(tmp_path / "i")
    with pytest.raises(FileNotFoundError):
        NearIndex.open(tmp_path / "none")
    with pytest.raises(ValueError):
        NearIndex.build(codes[:, :2])
    with pytest.raises(ValueError):
        codes_of([b"short"])


def test_dense_neighbourhoods_are_whole(compiled: None, monkeypatch: Any) -> None:
    """More hits than any first guess at their number."""
    chance = np.random.default_rng(9)
    codes = flipped(chance, np.repeat(random_codes(chance, 1), 900, axis=0), [5] * 900)
    for at_once in (0, 1 << 30):
        monkeypatch.setattr(near, "_AT_ONCE", at_once)
        assert len(NearIndex.build(codes).query(codes)[0]) == 900 * 900
    assert len(pairs(codes)[0]) == 900 * 899 // 2


def test_small_work_never_starts_numba(tmp_path: Path) -> None:
    script = (
        "import sys, numpy as np\n"
        "from amparo.kit.plugin import discover\n"
        "from amparo.match import bands, find, known, near, stacks\n"
        "codes = np.arange(400, dtype='u8').reshape(-1, 4)\n"
        "near.NearIndex.build(codes).query(codes); near.pairs(codes)\n"
        "stacks.stack(codes, np.arange(0), codes[:0].reshape(0, 1, 4))\n"
        "assert 'numba' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@pytest.mark.parametrize("error", [RuntimeError("no locator"), OSError(28, "full"), EOFError()])
def test_a_cache_that_cannot_be_used_costs_time_not_the_search(
    monkeypatch: Any, error: Exception
) -> None:
    import numba

    from amparo.kit import compiled

    asked: list[dict[str, Any]] = []

    def njit(signature: object, **options: Any) -> Any:
        asked.append(options)
        if options.get("cache"):
            raise error
        return lambda function: function

    monkeypatch.setattr(numba, "njit", njit)
    assert compiled.compiled()(len) is len
    assert [bool(o.get("cache")) for o in asked] == [True, False]
