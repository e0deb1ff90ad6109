"""What an earlier case has judged, as a list for another: so that it is not looked at again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from amparo.kit.judgements import latest_judgements
from amparo.kit.schemes import scheme_title, tone
from amparo.kit.view import View
from amparo.match.near import FLOOR
from amparo.model import Content, Fingerprint, Id, StackMember

TONES = {"alert": ("grave", "concern"), "ignore": ("clear",)}
"""Which judgements go into a list of each use; ``check`` into neither."""


def judged_list(view: View, use: str) -> tuple[str, list[str]]:
    """A table (CSV with ``;``) of the contents that a case's judgements call grave, or clear; and what is left out.

    The latest judgement of a stack is one of all its contents, as on the desk. With a value of PDQ where the
    content has one that says anything. One scheme: codes of others cannot stand in one column. The same
    judgements give the same text.
    """
    centre = dict(view.columns(StackMember, "content", "stack"))
    latest = {
        place: judgement
        for place, judgement in latest_judgements(view, lambda id: centre.get(id, id)).items()
        if tone(*judgement) in TONES[use]
    }
    schemes = Counter(judgement[:2] for judgement in latest.values())
    if not schemes:
        return "", []
    main = min(schemes, key=lambda scheme: (-schemes[scheme], scheme))
    left_out = [
        f"{count} judgements under {scheme_title(*scheme)} are left out: the others are under {scheme_title(*main)}"
        for scheme, count in sorted(schemes.items())
        if scheme != main
    ]
    codes = {place: code for place, (*scheme, code) in latest.items() if tuple(scheme) == main}
    lines = sorted(_lines(view, centre, codes))
    head = f"SHA256;SHA1;MD5;PDQ;Category ({scheme_title(*main)})"
    return "\n".join([head, *lines, ""]), left_out


def _lines(view: View, centre: dict[Id, Id], codes: dict[Id, str]) -> Iterator[str]:
    prints = {
        content: value.hex()
        for content, value, quality in view.columns(
            Fingerprint, "content", "value", "quality", algorithm="pdq"
        )
        if quality >= FLOOR and centre.get(content, content) in codes
    }
    for id, size, *digests in view.columns(Content, "id", "size", "sha256", "sha1", "md5"):
        code = codes.get(centre.get(id, id))
        if code is not None and size:
            yield ";".join([*digests, prints.get(id, ""), code])
