"""The web desk."""

from __future__ import annotations

import argparse
import getpass

from amparo.cli.case import opened
from amparo.cli.say import DONE


def review(args: argparse.Namespace) -> int:
    """The web desk, on this machine only."""
    from amparo.review.app import serve
    from amparo.run.picture import Pictures

    with opened(args.case, write=True) as case, Pictures(case) as pictures:
        serve(
            case,
            pictures.webp,
            port=args.port,
            performer=args.performer or getpass.getuser(),
            open_browser=not args.no_open,
        )
    return DONE
