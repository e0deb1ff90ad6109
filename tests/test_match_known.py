"""Known-hash sets: every list in, nothing mistaken for what it is not."""

import hashlib
import io
import json
import random
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amparo.match import known as known_module
from amparo.match.entries import Reading, Stated, algorithm_of, as_text, truth, value_of
from amparo.match.known import known
from amparo.match.sets import KnownFile, Terms, compile_set, remove_set
from amparo.match.sorting import Sorter
from amparo.match.vics import moment, read_vics, scheme_of
from amparo.model import Content, Fingerprint, KnownDispute, KnownMatch, KnownSet, Record

V2 = "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/US/$metadata#Media"
V13 = "http://github.com/ICMEC/ProjectVic/DataModels/1.3.xml#Media"


class Rows:
    """A view over records in memory."""

    def __init__(self, *records: Record) -> None:
        self.records = sorted(records, key=lambda r: r.id)

    def each(self, kind: type, **equal: Any) -> Iterator[Any]:
        for r in self.records:
            if isinstance(r, kind) and all(getattr(r, k) == v for k, v in equal.items()):
                yield r

    def columns(self, kind: type, *names: str, **equal: Any) -> Iterator[tuple[Any, ...]]:
        for r in self.each(kind, **equal):
            yield tuple(getattr(r, n) for n in names)

    def get(self, kind: type, id: str) -> Any:
        return next((r for r in self.each(kind) if r.id == id), None)


def h(name: str, text: str) -> str:
    return hashlib.new(name, text.encode()).hexdigest()


def content(text: str, mime: str = "image/jpeg") -> Content:
    return Content(
        sha256=h("sha256", text),
        sha1=h("sha1", text),
        md5=h("md5", text),
        size=len(text),
        mime=mime,
    )


def make(tmp: Path, data: bytes | str, use: str = "alert") -> tuple[KnownFile, list[str]]:
    file = tmp / "list"
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    record, problems = compile_set(file, tmp / "derived", "Test list", use, Terms("a partner"))
    return KnownFile.open(tmp / "derived", record.id), problems


def vics(*media: Any, context: str | None = V2) -> str:
    head = {} if context is None else {"@odata.context": context}
    return json.dumps(head | {"value": list(media)})


def code(known_file: KnownFile, text: str, algorithm: str = "md5") -> str | None:
    return known_file.lookup(algorithm, [bytes.fromhex(h(algorithm, text))])[0]


# --- plain lists and tables -----------------------------------------------------------------------


def test_plain_list_of_three_algorithms_with_comments_and_both_cases(tmp_path: Path) -> None:
    lines = ["# a comment", "", h("md5", "a").upper(), h("sha1", "b"), "; no", h("sha256", "c")]
    file, problems = make(tmp_path, "\r\n".join(lines))
    assert problems == []
    assert code(file, "a") == code(file, "b", "sha1") == code(file, "c", "sha256") == ""
    assert code(file, "b") is None
    assert (file.record.entries, file.record.hashes, file.record.unmatched) == (3, 3, 0)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_byte_order_marks(tmp_path: Path, encoding: str) -> None:
    file, problems = make(tmp_path, f"{h('md5', 'a')}\n{h('md5', 'b')}\n".encode(encoding))
    assert (code(file, "a"), code(file, "b"), problems) == ("", "", [])


def test_file_names_that_look_like_hashes_are_not_hashes(tmp_path: Path) -> None:
    text = (
        f"{h('md5', 'a')}  {h('md5', 'name')}\n"
        f"{h('md5', 'b')} *two, with comma.jpg\n"
        f"\\{h('md5', 'c')}  back\\\\slash\n"
        f"{h('md5', 'd')},{h('sha1', 'd')},{h('md5', 'name')}.jpg\n"
    )
    file, problems = make(tmp_path, text)
    assert [code(file, x) for x in ("a", "b", "c", "d", "name")] == ["", "", "", "", None]
    assert code(file, "d", "sha1") == "" and problems == []


def test_malformed_lines_are_told_with_their_number_and_the_rest_goes_on(tmp_path: Path) -> None:
    bad = ["zz" * 16, "a" * 31, "x" * 70_000]
    file, problems = make(tmp_path, "\n".join([h("md5", "a"), *bad, h("md5", "b")]))
    assert code(file, "a") == code(file, "b") == ""
    assert file.record.entries == 2
    assert [p.split(":")[0] for p in problems] == ["line 2", "line 3", "line 4"]


def test_many_problems_stay_few_lines(tmp_path: Path) -> None:
    _, problems = make(tmp_path, h("md5", "a") + "\n" + "nothing\n" * 5000)
    assert len(problems) == 21 and problems[-1].startswith("4980 more")


def test_table_with_named_columns_and_icse_flags(tmp_path: Path) -> None:
    header = "MD5;SHA1;PhotoDNA;Image ID;Is distributed;Victim identified;Offender identified;Series name;Number of submissions;File Available;Media Type;Baseline"
    a = f"{h('md5', 'a').upper()};{h('sha1', 'a')};{'ab' * 144};7;Y;yes;f;;1;N;image;Y"
    b = f"{h('md5', 'b')};;;8;N;;;;1;N;image;N"
    file, problems = make(tmp_path, "\n".join([header, a, b]))
    assert problems == []
    assert file.record.scheme == "INTERPOL Baseline"
    assert (code(file, "a"), code(file, "a", "sha1"), code(file, "b")) == ("Y", "Y", "N")
    assert file.record.unmatched == 1
    digests = [bytes.fromhex(h("md5", x)) for x in "ab"]
    assert file.stated("md5", digests) == [
        Stated("Y", True, False, True),
        Stated("N", None, None, False),
    ]


def test_quoted_table_of_the_nsrl_kind_and_a_bad_cell(tmp_path: Path) -> None:
    text = (
        '"SHA-1","MD5","CRC32","FileName"\n'
        f'"{h("sha1", "a").upper()}","{h("md5", "a")}","0","x,y"\n'
        f'"{h("sha1", "b")}","{h("md5", "b")[:30]}","0","z"\n'
        '"","","0","w"\n'
    )
    file, problems = make(tmp_path, text, "ignore")
    assert code(file, "a") == code(file, "b", "sha1") == ""
    assert code(file, "b") is None
    assert problems == [
        "line 3: md5 is not 32 hexadecimal digits",
        "line 4: no MD5, SHA-1 or SHA-256",
    ]


def test_a_bare_category_column_is_not_given_a_scheme_it_does_not_have(tmp_path: Path) -> None:
    file, _ = make(tmp_path, f"md5,category\n{h('md5', 'a')},1\n")
    assert code(file, "a") == "1" and "not stated" in file.record.scheme


def test_empty_file_hashes_never_enter(tmp_path: Path) -> None:
    empty = [hashlib.new(n, b"").hexdigest() for n in ("md5", "sha1", "sha256")]
    file, problems = make(tmp_path, "\n".join([*empty, h("md5", "a")]))
    assert file.record.hashes == 1
    assert [file.lookup(n, [hashlib.new(n, b"").digest()]) for n in ("md5", "sha1")] == [[None]] * 2
    assert any("empty file" in p for p in problems)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8\xff\xe0\x00\x10JFIF" * 100,
        b"",
        b"# only a comment\n",
        b"a letter to the unit\n" * 20_000,
        b'{"a": 1}',
        b'{"value": 7}',
        b'{"value": []}',
        b"{broken",
        b'{"value":' + b"[" * 100_000,
        hashlib.md5(b"").hexdigest().encode(),
    ],
)
def test_what_is_no_list_is_refused_in_one_line_and_leaves_nothing(
    tmp_path: Path, data: bytes
) -> None:
    with pytest.raises(ValueError) as refused:
        make(tmp_path, data)
    assert str(refused.value) and "\n" not in str(refused.value)
    assert list((tmp_path / "derived" / "known").iterdir()) == []


# --- VICS: the traps that others fell into --------------------------------------------------------


def test_trap_1_booleans_as_words_and_trap_2_absent_is_not_false(tmp_path: Path) -> None:
    media = [
        {"MD5": h("md5", "a"), "VictimIdentified": "false", "OffenderIdentified": "true"},
        {"MD5": h("md5", "b"), "VictimIdentified": True, "IsDistributed": None},
        {"MD5": h("md5", "c"), "IsDistributed": "FALSE"},
    ]
    file, _ = make(tmp_path, vics(*media))
    digests = [bytes.fromhex(h("md5", x)) for x in "abc"]
    assert file.stated("md5", digests) == [
        Stated("", False, True, None),
        Stated("", True, None, None),
        Stated("", None, None, False),
    ]
    assert [truth(v) for v in ("false", "true", None, "", "maybe", 0, 1)] == [
        False,
        True,
        None,
        None,
        None,
        False,
        True,
    ]


def test_trap_3_category_null_stays_null_whatever_isprecategorized_says(tmp_path: Path) -> None:
    media = [
        {"MD5": h("md5", "a"), "Category": None, "IsPrecategorized": True},
        {"MD5": h("md5", "b"), "IsPrecategorized": "true"},
        {"MD5": h("md5", "c"), "Category": 0},
    ]
    file, _ = make(tmp_path, vics(*media))
    assert [code(file, x) for x in "abc"] == ["", "", "0"]


@pytest.mark.parametrize(
    ("context", "scheme"),
    [
        (V2, "VICS 2.0/US"),
        (V2.replace("/US/", "/UK/"), "VICS 2.0/UK"),
        (V2.replace("/US/", "/Default/"), "VICS 2.0/Default"),
        (V2.replace("#Media", "#Cases"), "VICS 2.0/US"),
        (V13, "VICS 1.3"),
        (V13.replace("1.3", "1.2"), "VICS 1.2"),
        ("http://example.org/other", "VICS (version not stated)"),
    ],
)
def test_codes_0_and_5_are_kept_raw_under_the_scheme_of_the_context_line(
    tmp_path: Path, context: str, scheme: str
) -> None:
    """0 and 5 change places between the old DHS scheme and VICS 2.0 US: nothing is ever translated."""
    media = [
        {"MD5": h("md5", "zero"), "Category": 0},
        {"MD5": h("md5", "five"), "Category": 5},
        {"MD5": h("md5", "word"), "Category": "A"},
    ]
    file, _ = make(tmp_path, vics(*media, context=context))
    assert file.record.scheme == scheme
    assert [code(file, x) for x in ("zero", "five", "word")] == ["0", "5", "A"]


def test_trap_4_and_5_entries_are_counted_not_believed(tmp_path: Path) -> None:
    same = {"MD5": h("md5", "a"), "Category": 1, "RelativeFilePath": "VIC_Files\\a.jpg"}
    case = {"CaseID": "x", "TotalMediaFiles": 99, "TotalPrecategorized": 99}
    text = json.dumps({"@odata.context": V2, "value": [case | {"Media": [same] * 5}]})
    file, problems = make(tmp_path, text)
    assert (file.record.entries, file.record.hashes, problems) == (5, 1, [])


def test_trap_6_mark_dates_zones_and_backslashes(tmp_path: Path) -> None:
    media = {
        "MD5": h("md5", "a"),
        "DateUpdated": "/Date(1686105109830)/",
        "MediaFiles": [{"FilePath": "SRC\\p\\", "Created": "2019-01-01T00:00:00+1:00Z"}],
    }
    file, problems = make(tmp_path, b"\xef\xbb\xbf" + vics(media).encode())
    assert (code(file, "a"), file.updated, problems) == ("", 1686105109830, [])
    assert moment("2023-06-07T02:31:49.8300Z") == 1686105109830
    assert moment("/Date(-1000+0200)/") == -1000
    assert moment("2023-06-07T02:31:49+1:00Z") is None
    assert moment("2023-06-07T02:31:49") is None, "an unknown zone is no time"
    assert moment(7) is None


def test_trap_7_and_odata_noise_of_1_3_do_not_disturb(tmp_path: Path) -> None:
    media = {
        "odata.id": "x",
        "odata.editLink": "y",
        "Exifs@odata.navigationLinkUrl": "z",
        "MD5": h("md5", "a"),
        "Category": 3,
        "Exifs": [{"MD5": h("md5", "no"), "PropertyName": "GPSLatitudeRef", "PropertyValue": "?"}],
        "MediaFiles": [{"MD5": h("md5", "no"), "ParentMD5": h("md5", "no")}],
    }
    text = json.dumps({"odata.metadata": V13, "value": [media]})
    file, problems = make(tmp_path, text)
    assert (code(file, "a"), code(file, "no"), problems) == ("3", None, [])


def test_trap_8_any_region_is_read_and_the_sets_shape_is_told_by_its_keys(tmp_path: Path) -> None:
    assert scheme_of("x/projectvic/datamodels/2.1.XML/CUSTOM/$metadata#Media") == "VICS 2.1/CUSTOM"
    case = {
        "CaseMetadata": [{"MD5": h("md5", "no")}],
        "Media": [{"MD5": h("md5", "a")}, {"MD5": h("md5", "b")}],
        "After": [{"MD5": h("md5", "no")}],
    }
    text = vics(case, case | {"Media": [{"MD5": h("md5", "c")}]})  # the context says #Media
    file, problems = make(tmp_path, text)
    assert [code(file, x) for x in ("a", "b", "c", "no")] == ["", "", "", None]
    assert (file.record.entries, problems) == (3, [])


def test_trap_9_photodna_is_stored_and_never_matched(tmp_path: Path) -> None:
    import base64

    value = bytes(range(144))
    media = [
        {"MD5": h("md5", "a"), "PhotoDNA": base64.b64encode(value).decode()},
        {
            "MD5": h("md5", "b"),
            "AlternativeHashes": [{"HashName": "PhotoDNA", "HashValue": value.hex()}],
        },
        {"MD5": h("md5", "c"), "PhotoDNA": "00" * 144},
        {"MD5": h("md5", "d"), "PhotoDNA": "short"},
    ]
    file, problems = make(tmp_path, vics(*media))
    assert (file.record.hashes, file.record.unmatched) == (4, 2)
    assert file.lookup("photodna", [value]) == [""]
    assert problems == ["entry 4: photodna is not 288 hexadecimal digits"]


def test_trap_10_the_supplied_file_is_left_as_it_is(tmp_path: Path) -> None:
    text = vics({"MD5": h("md5", "a"), "Unknown": {"deep": [1, 2]}})
    file, _ = make(tmp_path, text)
    assert (tmp_path / "list").read_text() == text
    assert file.record.edition == hashlib.sha256(text.encode()).hexdigest()


def test_trap_11_memory_stays_flat_on_long_lists() -> None:
    def size(n: int) -> int:
        entry = json.dumps({"MD5": h("md5", "a"), "Category": 1, "Tags": "x" * 400}).encode()
        text = b'{"value":[' + b",".join([entry] * n) + b"]}"
        tracemalloc.start()
        count = sum(1 for _ in read_vics(as_text(io.BytesIO(text)), Reading()))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == n
        return peak

    size(10)
    assert size(12_000) < size(3000) + 500_000


def test_alternative_hashes_and_bad_entries(tmp_path: Path) -> None:
    media: list[Any] = [
        {
            "MD5": h("md5", "a"),
            "AlternativeHashes": [{"HashName": "SHA-256", "HashValue": h("sha256", "a")}],
        },
        "text",
        None,
        7,
        [1, {"MD5": h("md5", "no")}],
        {},
        {"MD5": 12, "Category": {"x": 1}},
        {
            "MD5": h("md5", "b"),
            "Category": True,
            "AlternativeHashes": [{"HashName": "ZZ40", "HashValue": "x"}, 3],
        },
        {"MD5": h("md5", "c"), "Category": 2, "AlternativeHashes": "none"},
    ]
    file, problems = make(tmp_path, vics(*media))
    assert code(file, "a", "sha256") == "" and code(file, "c") == "2" and code(file, "no") is None
    assert code(file, "b") == "", "a category that is no category is left out, not read as 1"
    assert file.record.entries == 3
    for number in range(2, 9):
        assert any(p.startswith(f"entry {number}: ") for p in problems), number


def test_damaged_json_keeps_what_came_before_and_says_so(tmp_path: Path) -> None:
    good = vics(*[{"MD5": h("md5", str(i))} for i in range(50)])
    file, problems = make(tmp_path, good[: len(good) - 40])
    assert file.record.entries == 49
    assert code(file, "48") == "" and code(file, "49") is None
    assert any("damaged after the last entry" in p for p in problems)


def test_bytes_that_are_no_text_inside_a_json_cost_nothing_else(tmp_path: Path) -> None:
    text = vics({"MD5": h("md5", "a"), "Comments": "X"}, {"MD5": h("md5", "b")}).encode()
    file, _ = make(tmp_path, text.replace(b'"X"', b'"\xff\xfe"'))
    assert code(file, "a") == code(file, "b") == ""


def test_an_oversized_entry_is_left_out(tmp_path: Path) -> None:
    big = {"MD5": h("md5", "big"), "MediaFiles": [{"FilePath": "x"}] * 120_000}
    file, problems = make(tmp_path, vics(big, {"MD5": h("md5", "a")}))
    assert (code(file, "a"), code(file, "big")) == ("", None)
    assert any(p.startswith("entry 1: ") and "too large" in p for p in problems)


# --- compiling and looking up ---------------------------------------------------------------------


def test_a_hash_under_two_categories_keeps_both_and_says_so(tmp_path: Path) -> None:
    media = [{"MD5": h("md5", "a"), "Category": c} for c in (1, 0, None, 1)]
    media += [{"MD5": h("md5", "b"), "Category": c, "VictimIdentified": True} for c in (2, None)]
    file, problems = make(tmp_path, vics(*media))
    assert (code(file, "a"), code(file, "b")) == ("0|1", "2")
    assert problems == ["a hash listed under the categories 0|1"]


def test_the_same_file_twice_changes_nothing_and_another_use_is_refused(tmp_path: Path) -> None:
    first, _ = make(tmp_path, h("md5", "a") + "\nbad\n")
    stamp = (tmp_path / "derived" / "known" / first.record.id / "set.json").stat().st_mtime_ns
    again, problems = make(tmp_path, h("md5", "a") + "\nbad\n")
    assert again.record == first.record and len(problems) == 1
    place = tmp_path / "derived" / "known" / first.record.id
    assert (place / "set.json").stat().st_mtime_ns == stamp
    with pytest.raises(ValueError, match="already kept as alert"):
        make(tmp_path, h("md5", "a") + "\nbad\n", "ignore")
    remove_set(tmp_path / "derived", first.record.id)
    with pytest.raises(FileNotFoundError):
        KnownFile.open(tmp_path / "derived", first.record.id)
    other, _ = make(tmp_path, h("md5", "a") + "\nbad\n", "ignore")
    assert other.record.use == "ignore" and other.record.id == first.record.id


def test_remove_takes_ids_only(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        remove_set(tmp_path, "../../etc")
    with pytest.raises(FileNotFoundError):
        remove_set(tmp_path, "0" * 8 + "-0000" * 3 + "-" + "0" * 12)


def test_a_damaged_set_is_named_not_trusted(tmp_path: Path) -> None:
    file, _ = make(tmp_path, "\n".join(h("md5", str(i)) for i in range(100)))
    place = tmp_path / "derived" / "known" / file.record.id
    array = (place / "md5.npy").read_bytes()
    (place / "md5.npy").write_bytes(array[:-160])
    with pytest.raises(ValueError, match="damaged"):
        KnownFile.open(tmp_path / "derived", file.record.id)


def test_lookup_is_exact_on_the_whole_digest(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("amparo.match.layer._WINDOW", 7)
    base = bytes(range(15))
    listed = [base + bytes([i]) for i in range(0, 256, 2)] + [bytes(16), b"\xff" * 16]
    file, _ = make(tmp_path, "\n".join(d.hex() for d in listed))
    asked = [base + bytes([i]) for i in range(256)] + [
        bytes(16),
        b"\xff" * 16,
        b"\xff" * 15 + b"\0",
    ]
    random.Random(1).shuffle(asked)
    assert file.lookup("md5", asked) == ["" if d in listed else None for d in asked]
    assert file.lookup("md5", []) == [] and file.lookup("sha1", [bytes(20)]) == [None]
    with pytest.raises(ValueError):
        file.lookup("md5", [bytes(20)])
    with pytest.raises(ValueError):
        file.lookup("crc32", [bytes(4)])


def test_sorting_outside_memory_equals_sorting_in_memory(tmp_path: Path) -> None:
    chance = random.Random(3)
    pairs = [
        (bytes(chance.choice((0, 1, 255)) for _ in range(6)), chance.randrange(3))
        for _ in range(3000)
    ]
    sorter = Sorter(tmp_path, "x", 6, run_bytes=600)
    for digest, says in pairs:
        sorter.add(digest, says)
    want: dict[bytes, set[int]] = {}
    for digest, says in pairs:
        want.setdefault(digest, set()).add(says)
    got: list[tuple[bytes, int]] = []
    for keys, codes in sorter.merged(lambda several: 100 + sum(several), block=64):
        assert keys.dtype.itemsize == 6
        raw = np.ascontiguousarray(keys).tobytes()
        got += [(raw[i * 6 : i * 6 + 6], int(c)) for i, c in enumerate(codes)]
    assert got == [(d, min(s) if len(s) == 1 else 100 + sum(s)) for d, s in sorted(want.items())]
    assert list(tmp_path.iterdir()) == []


def test_values_and_names() -> None:
    names = ("MD5", "md5_hash", "SHA-1", "SHA256", "Hash", "HashValue", "PhotoDNA", "Image ID")
    assert [algorithm_of(n) for n in names] == [
        "md5",
        "md5",
        "sha1",
        "sha256",
        "hash",
        "hash",
        "photodna",
        "",
    ]
    assert value_of("md5", " null ") is None
    with pytest.raises(ValueError):
        value_of("md5", "0x" + "0" * 30)


# --- the deriver ----------------------------------------------------------------------------------


def test_every_content_is_looked_up_in_every_set(tmp_path: Path) -> None:
    derived = tmp_path / "derived"
    alert, _ = make(tmp_path, vics({"MD5": h("md5", "a"), "SHA1": h("sha1", "a"), "Category": 1}))
    ignore, _ = make(tmp_path, h("sha256", "a") + "\n" + h("sha256", "b"), "ignore")
    a, b, c = content("a"), content("b"), content("c")
    nothing = Content(sha256=h("sha256", "b")[::-1], sha1="", md5=h("md5", "a"), size=0, mime="x")
    view = Rows(a, b, c, nothing, alert.record, ignore.record)
    every = list(known(view, derived))
    got = sorted(
        (m.content, m.use, m.algorithm, m.scheme, m.code)
        for m in every
        if isinstance(m, KnownMatch)
    )
    assert got == sorted(
        [
            (a.id, "alert", "md5", "VICS 2.0/US", "1"),
            (a.id, "alert", "sha1", "VICS 2.0/US", "1"),
            (a.id, "ignore", "sha256", "", ""),
            (b.id, "ignore", "sha256", "", ""),
        ]
    )
    (dispute,) = (d for d in every if isinstance(d, KnownDispute))
    assert dispute.content == a.id
    assert dispute.between == tuple(sorted({alert.record.id, ignore.record.id}))
    assert dispute.reasons == ("alert by Test list, ignored by Test list",)


@pytest.mark.parametrize(
    ("use", "codes", "want"),
    [
        ("ignore", (0, 1), "listed"),
        ("ignore", (0, 5), "ignore"),
        ("alert", (0, 1), "alert"),
        ("alert", (0, 5), "listed"),
    ],
)
def test_of_two_categories_the_graver_counts(
    tmp_path: Path, use: str, codes: tuple[int, int], want: str
) -> None:
    media = [{"MD5": h("md5", "a"), "Category": c} for c in codes]
    file, _ = make(tmp_path, vics(*media), use)
    view = Rows(content("a"), file.record)
    every = list(known(view, tmp_path / "derived"))
    assert [m.use for m in every if isinstance(m, KnownMatch)] == [want]
    disputes = [d.reasons for d in every if isinstance(d, KnownDispute)]
    assert disputes == []  # 0 and 5 do not contradict a grade: they say that nobody graded


def test_a_set_that_is_not_compiled_is_an_error_that_names_it(tmp_path: Path) -> None:
    record = KnownSet(name="Partner list", edition="0" * 64, use="alert")
    with pytest.raises(FileNotFoundError, match="Partner list"):
        list(known(Rows(content("a"), record), tmp_path))


# --- alike ----------------------------------------------------------------------------------------


def test_the_nearest_value_counts_however_many_are_near(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = np.random.default_rng(3)
    base = chance.integers(0, 256, 32, dtype=np.uint8)

    def off(bits: int) -> bytes:
        mask = np.zeros(256, np.uint8)
        mask[chance.choice(256, bits, replace=False)] = 1
        return bytes(base ^ np.packbits(mask))

    lines = [f"{off(bits).hex()};{bits}" for bits in range(1, 60)]
    lines += [f"{chance.bytes(32).hex()};far" for _ in range(40)]
    file, problems = make(tmp_path, "\n".join(["PDQ;Category", *lines]))
    assert not problems and file.record.hashes == 99
    pictures = [content(f"picture {n}") for n in range(30)]
    far = [chance.bytes(32) for _ in range(7)]
    prints = [
        Fingerprint(content=c.id, algorithm="pdq8", value=b"".join([*far, bytes(base)]), quality=80)
        for c in pictures[:29]
    ]
    prints.append(
        Fingerprint(content=pictures[29].id, algorithm="pdq8", value=bytes(base) * 8, quality=49)
    )
    want = [(c.id, "1", 1) for c in pictures[:29]]
    for at_once in (1, 50, 1 << 22):
        monkeypatch.setattr(known_module, "_HITS", at_once)
        found = list(
            known_module.known(Rows(*pictures, *prints, file.record), tmp_path / "derived")
        )
        assert sorted((m.content, m.code, m.distance) for m in found) == sorted(want)  # type: ignore[union-attr]
        assert (tmp_path / "derived" / "known" / file.record.id / "near" / "codes.npy").exists()


def test_a_list_kept_before_all_kinds_of_values_were_is_compiled_again(tmp_path: Path) -> None:
    file, _ = make(tmp_path, f"PDQ;MD5\n{'ab' * 32};{h('md5', 'a')}\n")
    about = json.loads((file.place / "set.json").read_text())
    del about["kept"]
    (file.place / "set.json").write_text(json.dumps(about))
    (file.place / "mark").write_text("")
    assert not KnownFile.open(tmp_path / "derived", file.record.id).complete
    again, _ = make(tmp_path, f"PDQ;MD5\n{'ab' * 32};{h('md5', 'a')}\n")
    assert again.complete and not (again.place / "mark").exists()
