"""Attachments meet their files: by the messenger's hash on any exhibit, else by path on their own."""

from __future__ import annotations

from hashlib import sha256

import pytest

from amparo.link.attachments import attachments, noted
from amparo.model import At, Attachment, Exhibit, File, Link, Record, content_id
from memory_view import MemoryView

EXHIBITS = [Exhibit(number=f"0{n}", country="ES", form="folder", source=str(n)) for n in range(4)]
PHOTO = content_id(sha256(b"photo").hexdigest())
OTHER = content_id(sha256(b"other").hexdigest())


def file(n: int, path: str, content: str = PHOTO, size: int = 5, state: str = "live") -> File:
    return File(exhibit=EXHIBITS[n].id, path=path, size=size, content=content, state=state)


def attachment(
    n: int,
    row: int = 1,
    content: str = "",
    path: str = "",
    size: int | None = None,
    name: str = "",
) -> Attachment:
    at = At(exhibit=EXHIBITS[n].id, file=EXHIBITS[n].id, table="message_media", row=row)
    return Attachment(
        at=at, message=f"message-{n}-{row}", content=content, path=path, size=size, name=name
    )


def links(*records: Record) -> list[Link]:
    return list(attachments(MemoryView([*EXHIBITS, *records])))


def test_erased_here_present_on_others() -> None:
    a = attachment(0, content=PHOTO, path="Media/a.jpg")
    (link,) = links(a, file(1, "x/a.jpg"), file(2, "y/b.jpg"), file(2, "y/c.jpg"))
    assert (link.form, link.source, link.target, link.method) == (
        "attachment_content",
        a.id,
        PHOTO,
        "hash",
    )
    assert "erased on this exhibit, present on 2 others" in link.reasons
    assert "the file lies on 01 (ES), 02 (ES)" in link.reasons
    assert link.basis == (a.id,)


@pytest.mark.parametrize(
    ("files", "path", "words"),
    [
        ([file(0, "a.jpg")], "a.jpg", "present on this exhibit, present on 0 others"),
        ([file(0, "a.jpg", state="deleted")], "a.jpg", "recovered from it"),
        ([file(1, "a.jpg")], "", "no file noted on this exhibit"),
    ],
)
def test_where_the_file_lies_is_said(files: list[File], path: str, words: str) -> None:
    (link,) = links(attachment(0, content=PHOTO, path=path), *files)
    assert any(words in reason for reason in link.reasons)


def test_a_hash_nobody_holds_makes_no_link() -> None:
    assert links(attachment(0, content=PHOTO, path="a.jpg"), file(1, "a.jpg", OTHER)) == []


def test_path_of_its_own_exhibit() -> None:
    a = attachment(0, path="Media/WhatsApp Images/IMG-1.jpg", size=5)
    (link,) = links(
        a,
        file(0, "data/com.whatsapp/WhatsApp/Media/WhatsApp Images/IMG-1.jpg"),
        file(0, "data/com.whatsapp/WhatsApp/Media/Other Images/IMG-1.jpg", OTHER),
        file(1, "Media/WhatsApp Images/IMG-1.jpg", OTHER),
    )
    assert (link.target, link.method) == (PHOTO, "path")
    hashed = links(attachment(0, content=PHOTO), file(0, "a"))[0]
    unsized = links(attachment(0, path="a/b.jpg"), file(0, "a/b.jpg"))[0]
    assert unsized.log10_lr < link.log10_lr < hashed.log10_lr


@pytest.mark.parametrize(
    "files",
    [
        [file(0, "one/Media/a.jpg"), file(0, "two/Media/a.jpg", OTHER)],
        [file(0, "one/XMedia/a.jpg")],
        [file(1, "one/Media/a.jpg")],
        [file(0, "one/Media/a.jpg", size=6)],
        [file(0, "one/Media/a.jpg", content="")],
    ],
    ids=["two files", "part of a name", "another exhibit", "another size", "unread"],
)
def test_no_link_without_exactly_one_file(files: list[File]) -> None:
    assert links(attachment(0, path="Media/a.jpg", size=5), *files) == []


def test_copies_of_the_same_bytes_are_not_ambiguous() -> None:
    (link,) = links(
        attachment(0, path="Media/a.jpg"), file(0, "1/Media/a.jpg"), file(0, "2/Media/a.jpg")
    )
    assert link.target == PHOTO


@pytest.mark.parametrize(
    ("stated", "compared"),
    [
        ("/storage/emulated/0/WhatsApp/Media/a.jpg", "WhatsApp/Media/a.jpg"),
        ("file:///sdcard/WhatsApp//Media/./a.jpg", "WhatsApp/Media/a.jpg"),
        ("Media/cafe\u0301.jpg", "Media/caf\u00e9.jpg"),
        ("Media/../../secret", ""),
        ("a\nb", "a\\x0ab"),
        ("", ""),
    ],
)
def test_paths_are_compared_in_one_spelling(stated: str, compared: str) -> None:
    assert noted(stated) == compared


def test_a_bare_name_serves_only_beside_a_size() -> None:
    there = file(0, "Media/a.jpg")
    (link,) = links(attachment(0, name="a.jpg", size=5), there)
    assert link.method == "path"
    assert links(attachment(0, name="a.jpg"), there) == []
    (hashed,) = links(attachment(0, content=PHOTO, name="a.jpg"), file(1, "b.jpg"))
    assert "erased, or never fetched" in hashed.reasons[1]
