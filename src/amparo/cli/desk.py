"""The web desk."""

from __future__ import annotations

import argparse
import getpass

from amparo.cli.case import opened
from amparo.cli.say import DONE, Refused, json_text


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
                announce=_as_json if args.json else announced,
            )
        except (ValueError, OSError) as error:  # an unknown scheme, a port that is taken
            raise Refused(str(error)) from error
    return DONE


def _as_json(address: str) -> None:
    print(json_text({"address": address}), flush=True)
