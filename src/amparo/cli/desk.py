"""The web desk."""

from __future__ import annotations

import argparse
import getpass
from functools import partial
from typing import TYPE_CHECKING

from amparo.cli.case import opened
from amparo.cli.say import DONE, Refused, json_text

if TYPE_CHECKING:
    from amparo.model import Id
    from amparo.review.desk import Laid
    from amparo.store import Case


def review(args: argparse.Namespace) -> int:
    """The web desk, on this machine only."""
    from amparo.review.app import announced, serve
    from amparo.run.picture import Pictures

    with opened(args.case, write=True) as case, Pictures(case) as pictures:
        try:
            serve(
                case,
                pictures.larger,
                port=args.port,
                performer=args.performer or getpass.getuser(),
                open_browser=not args.no_open,
                piece=pictures.piece,
                parts=partial(laid_on_all, case),
                announce=_as_json if args.json else announced,
            )
        except (ValueError, OSError) as error:  # an unknown scheme, a port that is taken
            raise Refused(str(error)) from error
    return DONE


def laid_on_all(case: Case, content: Id) -> tuple[list[Laid], int | None]:
    """The contents that a picture of the case is a part of, or that are a part of it; not its copies.

    And on how many it could not be laid: None where it has none itself that can be read.
    """
    from amparo.match.find import laid
    from amparo.match.within import copies
    from amparo.review.desk import Laid
    from amparo.run.local import thumb_of, thumbs_of

    seen = thumb_of(case, content)
    if seen is None:
        return [], None
    hits, missing = laid(
        case.store, seen, partial(thumbs_of, case), copies(case.store, content), lambda *_: None
    )
    return [Laid(hit.content, hit.verified, hit.reasons) for hit in hits], missing


def _as_json(address: str) -> None:
    print(json_text({"address": address}), flush=True)
