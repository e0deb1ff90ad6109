"""What a cell that was taken over could plant in the case: nothing about files it was not given."""

from __future__ import annotations

import hashlib

from amparo.kit.plugin import discover
from amparo.model import At, Content, Preview, content_id
from amparo.run.exhibits import kinds_of
from amparo.run.writer import believed

AT = At("exhibit", "file", "message_thumbnail", 7)


def test_a_parser_cannot_say_what_the_bytes_of_another_file_are() -> None:
    planted = Content(sha256="ab" * 32, sha1="", md5="00" * 16, size=9, mime="text/plain")
    assert list(believed(iter([planted]))) == []


def test_the_content_of_a_preview_follows_from_its_bytes() -> None:
    data = b"GIF89a small"
    digest = hashlib.sha256(data).hexdigest()
    false = Content(sha256=digest, sha1="", md5="00" * 16, size=9, mime="text/plain")
    preview = Preview(at=AT, owner="message", content="another", data=data)
    content, kept = believed(iter([false, preview]))
    assert isinstance(content, Content) and isinstance(kept, Preview)
    assert (content.sha256, content.md5) == (digest, hashlib.md5(data).hexdigest())
    assert (content.size, content.mime) == (len(data), "image/gif")
    assert (kept.content, kept.id) == (content_id(digest), preview.id)


def test_each_stage_makes_its_own_kinds_only() -> None:
    stages = {spec.stage: kinds_of(spec) for spec in discover() if spec.mimes or spec.tables}
    of_bytes = {"content_kind", "exif", "film", "film_frames", "fingerprint", "media", "position"}
    assert stages["fingerprint"] == of_bytes | {"soundtrack", "structure"}
    assert {"message", "attachment", "preview", "content", "lead"} <= stages["parse"]
    assert not stages["parse"] & (stages["fingerprint"] | {"file", "exhibit", "seal", "posting"})
