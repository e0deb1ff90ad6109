"""What one exhibit states, line by line, kept beside it until the truth is put together.

Each line is a JSON array whose first item names a table of `assemble.STAGE`.
"""

import json
from pathlib import Path
from typing import Self

from amparo.replay.camera import local_time, offset_text
from amparo.replay.chatter import known_kind
from amparo.replay.content import Blob, Content, Contents


class Ledger:
    """Writer of one exhibit's lines."""

    def __init__(self, path: Path, exhibit: str, contents: Contents) -> None:
        self.exhibit, self.contents = exhibit, contents
        path.parent.mkdir(parents=True, exist_ok=True)
        self._out = path.open("w", encoding="utf-8")
        self._described: set[str] = set()

    def add(self, table: str, *values: object) -> None:
        """One line of this exhibit."""
        self._out.write(json.dumps([table, self.exhibit, *values], ensure_ascii=False) + "\n")

    def file(self, path: str, sha256: str, size: int) -> None:
        """A file that really lies in the exhibit."""
        self.add("file", path, sha256, size)

    def picture(self, path: str, content: Content, blob: Blob) -> None:
        """A picture file that really lies in the exhibit."""
        self.file(path, blob.sha256, len(blob.data))
        self.content(content, blob)

    def content(self, content: Content, blob: Blob) -> None:
        """What a content is made from; said once per exhibit."""
        if content.id in self._described:
            return
        self._described.add(content.id)
        picture, body = content.picture, self.contents.body(content.picture)
        original = content.variant == "camera"
        self.add("content", blob.sha256, blob.sha1, blob.md5, len(blob.data), picture.id,
                 content.variant, picture.kind, picture.series, body.serial if body else None,
                 int(original), known_kind(self.contents.seed, content))  # fmt: skip
        if original and body and picture.capture:
            shot = picture.capture
            self.add("capture", blob.sha256, local_time(body, shot).isoformat(),
                     offset_text(body) if body.writes_offset else None, shot.latitude,
                     shot.longitude, int(shot.with_refs) if shot.latitude is not None else None)  # fmt: skip

    def close(self) -> None:
        """Finish the file."""
        self._out.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
