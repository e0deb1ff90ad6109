"""Stacks: a centre, never a chain; turned copies in; nothing featureless grouped."""

import random
from typing import Any

import numpy as np
import pytest

from amparo.match import near
from amparo.match.find import alike, by_hash, by_pdq
from amparo.match.stacks import stack, stacks
from amparo.model import Content, Fingerprint, Media, Record, StackMember
from test_match_known import Rows, content

RADIUS = 31


def bits(*changed: int, of: bytes = bytes(32)) -> bytes:
    number = int.from_bytes(of, "big")
    for bit in changed:
        number ^= 1 << bit
    return number.to_bytes(32, "big")


def noise(seed: int) -> bytes:
    return random.Random(seed).randbytes(32)


def picture(
    name: str,
    code: bytes | None,
    forms: list[bytes] | None = None,
    quality: int = 100,
    media: bool = True,
) -> list[Record]:
    c = content(name)
    out: list[Record] = [c]
    if media:
        out.append(Media(content=c.id, format="JPEG", width=8, height=8))
    if code is not None:
        out.append(Fingerprint(content=c.id, algorithm="pdq", value=code, quality=quality))
    if code is not None and forms is not None:
        value = code + b"".join(forms)
        out.append(Fingerprint(content=c.id, algorithm="pdq8", value=value, quality=quality))
    return out


def view(*pictures: list[Record]) -> Rows:
    return Rows(*(record for p in pictures for record in p))


def members(rows: Rows) -> dict[str, StackMember]:
    got = [m for m in stacks(rows, lambda id: None) if isinstance(m, StackMember)]
    assert len({m.content for m in got}) == len(got)
    return {m.content: m for m in got}


def test_a_chain_is_never_one_stack() -> None:
    a, b, c = bits(), bits(*range(25)), bits(*range(50))
    got = members(view(picture("a", a), picture("b", b), picture("c", c)))
    centre = content("b").id
    assert {m.stack for m in got.values()} == {centre}, "B is within 31 of both"
    longer = [bits(*range(25 * i)) for i in range(7)]
    got = members(view(*(picture(f"p{i}", code) for i, code in enumerate(longer))))
    assert len({m.stack for m in got.values()}) > 1
    for i, code in enumerate(longer):
        m = got[content(f"p{i}").id]
        centre_code = next(longer[j] for j in range(7) if content(f"p{j}").id == m.stack)
        apart = int.from_bytes(code, "big") ^ int.from_bytes(centre_code, "big")
        assert apart.bit_count() == m.distance <= RADIUS


def test_31_is_in_and_32_is_out() -> None:
    got = members(view(picture("a", bits()), picture("b", bits(*range(31)))))
    assert len({m.stack for m in got.values()}) == 1
    got = members(view(picture("a", bits()), picture("b", bits(*range(32)))))
    assert {m.method for m in got.values()} == {"alone: nothing within PDQ 31"}


def test_a_turned_copy_joins_and_says_so() -> None:
    base, turned = noise(1), noise(2)
    forms = [noise(10 + i) for i in range(7)]
    forms[4] = bits(3, 4, of=turned)
    others = [noise(50 + i) for i in range(7)]
    got = members(
        view(picture("a", base, forms), picture("b", turned, others), picture("x", noise(3)))
    )
    a, b = got[content("a").id], got[content("b").id]
    assert (a.stack, a.distance, a.turned) == (a.content, 0, False)
    assert (b.stack, b.distance, b.turned) == (a.content, 2, True)
    assert got[content("x").id].stack == content("x").id


def test_upright_comes_before_turned_at_the_same_distance() -> None:
    base = noise(1)
    forms = [bits(1, of=base)] * 7
    got = members(view(picture("a", base, forms), picture("b", bits(0, of=base))))
    assert not any(m.turned for m in got.values())
    assert len({m.stack for m in got.values()}) == 1


def test_a_symmetric_picture_is_not_its_own_neighbour() -> None:
    base = noise(1)
    got = members(view(picture("a", base, [base] * 7)))
    assert got[content("a").id].method == "alone: nothing within PDQ 31"


def test_featureless_and_unread_pictures_stand_alone() -> None:
    code = noise(4)
    got = members(
        view(
            picture("low", code, quality=49),
            picture("low2", code, quality=0),
            picture("good", code, quality=50),
            picture("good2", code),
            picture("none", None),
            picture("odd", b"short"),
            picture("no media", code, media=False),
        )
    )
    method = {n: got[content(n).id].method for n in ("low", "low2", "none", "odd")}
    assert method["low"] == method["low2"] == "alone: quality below 50"
    assert method["none"] == method["odd"] == "alone: no PDQ"
    assert all(got[content(n).id].stack == content(n).id for n in method)
    assert got[content("good").id].stack == got[content("good2").id].stack
    assert content("no media").id not in got


def test_the_same_code_in_other_bytes_is_one_stack() -> None:
    names = [f"copy {i}" for i in range(40)]
    got = members(view(*(picture(n, noise(1)) for n in names), picture("x", noise(2))))
    assert {got[content(n).id].stack for n in names} == {min(content(n).id for n in names)}
    assert all(got[content(n).id].distance == 0 for n in names)


def clustered(n: int, seed: int) -> Any:
    chance = np.random.default_rng(seed)
    codes = chance.integers(0, 2**64, (n, 4), dtype=np.uint64)
    change = np.argsort(chance.random((n // 2, 256)), axis=1) < chance.integers(0, 30, (n // 2, 1))
    copies = codes[n // 2 + chance.integers(0, n // 20, n // 2)]
    codes[: n // 2] = copies ^ np.packbits(change.astype(np.uint8), axis=1).view("<u8")
    forms = chance.integers(0, 2**64, (n, 7, 4), dtype=np.uint64)
    forms[: n // 10, 2] = codes[n // 10 : n // 10 * 2]
    return codes, forms


@pytest.mark.parametrize("indexed", [False, True])
def test_every_member_lies_by_its_nearest_centre(indexed: bool, monkeypatch: Any) -> None:
    if indexed:
        monkeypatch.setattr(near, "_FEW", 1)
        monkeypatch.setattr(near, "_QUICK_PAIRS", 0)
        monkeypatch.setattr(near, "_QUICKER_PAIRS", 0)
        monkeypatch.setattr("amparo.match.stacks._HITS_AT_ONCE", 50)
    codes, forms = clustered(600, 2)
    rows = np.arange(0, 600, 2)
    centre, distance, turned = stack(codes, rows, forms[rows])
    assert turned.any() and len(np.unique(centre)) < 500
    all_forms = {int(r): np.concatenate([codes[r][None], forms[r]]) for r in rows}
    for r in range(600):
        all_forms.setdefault(r, codes[r][None])
    centres = np.unique(centre)
    apart = np.array(
        [
            np.bitwise_count(all_forms[int(c)][:, None] ^ codes[None]).sum(2, np.uint16).min(0)
            for c in centres
        ]
    )
    assert (centre[centres] == centres).all() and (distance[centres] == 0).all()
    place = np.searchsorted(centres, centre)
    assert (apart[place, np.arange(600)] == distance).all() and (distance <= RADIUS).all()
    for r in np.flatnonzero(centre != np.arange(600)):
        assert distance[r] == apart[:, r].min()


def test_the_order_of_arrival_does_not_matter(monkeypatch: Any) -> None:
    codes, forms = clustered(300, 3)
    pictures = [
        picture(f"p{i}", codes[i].tobytes(), [f.tobytes() for f in forms[i]]) for i in range(300)
    ]
    first = members(view(*pictures))
    records = [r for p in pictures for r in p]
    random.Random(1).shuffle(records)
    again = Rows()
    again.records = records
    assert members(again) == first
    monkeypatch.setattr("amparo.match.stacks._BLOCK", 3)
    assert members(view(*pictures)) == first


def test_finding_by_picture_and_by_hash() -> None:
    base = noise(1)
    turned = noise(2)
    forms = [noise(10 + i) for i in range(7)]
    forms[2] = bits(0, of=turned)
    rows = view(
        picture("same", bits(1, 2, 3, of=base)),
        picture("turned", turned),
        picture("far", bits(*range(40), of=base)),
        picture("flat", base, quality=10),
        picture("other", noise(3)),
    )
    pdq8 = base + b"".join(forms)
    ids = {n: content(n).id for n in ("same", "turned", "far")}
    prints = [Fingerprint(content="", algorithm="pdq8", value=pdq8, quality=90)]
    got = alike(rows, prints, None, 1, lambda id: None)
    assert [(a.content, a.method, a.distance, a.turned) for a in got] == [
        (ids["turned"], "pdq", 1, True),
        (ids["same"], "pdq", 3, False),
        (ids["far"], "tier2", 40, False),
    ]
    assert [a.verified for a in got] == [True, True, False]
    assert "check" in " ".join(got[2].reasons) and got[0].log10_lr > got[2].log10_lr
    flat = [Fingerprint(content="", algorithm="pdq8", value=pdq8, quality=49)]
    assert alike(rows, flat, None, 1, lambda id: None) == []
    listed = by_pdq(rows, base.hex().upper())
    assert [(a.content, a.distance) for a in listed] == [(ids["same"], 3), (ids["far"], 40)]
    assert by_pdq(rows, "0" * 32) == []
    c: Content = content("same")
    assert (
        by_hash(rows, c.md5.upper()) == by_hash(rows, c.sha1) == by_hash(rows, c.sha256) == [c.id]
    )
    assert by_hash(rows, "0" * 32) == []
    for bad_hash in ("0" * 31, "g" * 32, ""):
        with pytest.raises(ValueError):
            by_hash(rows, bad_hash)
