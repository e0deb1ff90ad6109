"""Small pictures whose file is gone: made again of what was looked at before."""

from __future__ import annotations

from dataclasses import replace

from amparo.model import Content, Media
from amparo.store import WHOLE, Case

MAKERS = ("fingerprint/image", "fingerprint/pdf", "fingerprint/video")
"""The first gives one of every picture it can look at."""
_AT_ONCE = 10_000


def forget_where_lost(case: Case) -> None:
    """Where no small picture is there any more, say that what makes them is not done; records stay until it is again."""
    if not case.thumbs.empty() or not case.store.tally(Media, "maker").get(MAKERS[0]):
        return
    from amparo.kit.plugin import discover
    from amparo.run.plan import chunks
    from amparo.run.writer import machine_action, now_ms

    for spec in discover():
        if spec.id in MAKERS:
            contents = (
                c for mime in spec.mimes for (c,) in case.store.columns(Content, "id", mime=mime)
            )
            for some in chunks(contents, _AT_ONCE):
                again = [(subject, spec.id, 0) for subject in (WHOLE, *some)]
                action = replace(
                    machine_action(spec, now_ms(), ()), purpose="its small pictures are gone"
                )
                case.store.finish(action, (), again, spec.id)
