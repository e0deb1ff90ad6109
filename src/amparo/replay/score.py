"""How much of the truth of a replay a case has found, and how much it claims that is not true.

What only deleted or carved rows state is never counted against a case.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from amparo.kit.view import View
from amparo.replay import score_chats as chats
from amparo.replay import score_media as media
from amparo.replay.compare import Comparison
from amparo.replay.measure import Measure, Report
from amparo.replay.score_recovery import recovery
from amparo.replay.truth import open_truth

__all__ = ["Measure", "Report", "score"]


def score(view: View, truth: Path) -> Report:
    """Compares a case with the truth of its replay (``truth.db`` or the folder that holds it).

    Raises FileNotFoundError where there is no truth.
    """
    with closing(open_truth(truth)) as database:
        case = Comparison(view, database)
        return Report(
            (
                chats.accounts(case),
                chats.countries(case),
                chats.membership(case),
                chats.events(case),
                chats.messages(case),
                *media.propagation(case),
                *media.stacks(case),
                media.known(case),
                media.never_seen(case),
                media.files(case),
                media.erased_files(case),
                media.erased_messages(case),
                *recovery(case),
            )
        )
