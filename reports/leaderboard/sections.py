"""The parts of a leaderboard that are ranked by themselves, as every format shows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reports.summary.run_summary import GENEVAL
from reports.summary.scored import WHOLE, Scored
from wire.vocabulary import GENEVAL2_SCORES, SOFT_TIFA, TAGS

if TYPE_CHECKING:
    import pandas as pd

    from reports.leaderboard.table import Leaderboard

HEADINGS = {
    "complete": "Complete sweeps",
    "incomplete": "Incomplete sweeps, ranked separately",
    "other prompts": "Prompts that are not GenEval's own, ranked separately",
    "geneval 2": "GenEval 2, complete sweeps",
    "geneval 2 incomplete": "GenEval 2, incomplete sweeps, ranked separately",
    "no geneval": "Without GenEval verdicts, not ranked",
}
SCORES = ("overall", *TAGS)
BEST, SECOND = "best", "second"


@dataclass(frozen=True)
class Section:
    """Runs that are ranked together."""

    heading: str
    #: group, protocol: as in the leaderboard's columns.
    group: str
    protocol: str
    rows: tuple[dict[str, Any], ...]  #: their rows of the leaderboard, in rank order
    marks: tuple[dict[str, str], ...]  #: for each row, column -> ``best`` or ``second``

    @property
    def scores(self) -> tuple[str, ...]:
        """The judged columns, the headline first; none where no run was judged."""
        return scores_of(self.group)

    def found(self, metrics: Sequence[str]) -> list[str]:
        """The metrics that any run of the section has."""
        return [metric for metric in metrics if any(row[metric] == row[metric] for row in self.rows)]


def scores_of(group: str) -> tuple[str, ...]:
    """The judged columns of a group, the headline first: fractions of GenEval, GenEval 2's from 0 to 100."""
    return () if group == "no geneval" else GENEVAL2_SCORES if group.startswith("geneval 2") else SCORES


def sections(board: Leaderboard) -> Iterator[Section]:
    """Every group under every protocol, in the leaderboard's order."""
    several = len(board.protocols) > 1
    for key, frame in board.frame.groupby(["group", "protocol"], sort=False):
        group, protocol = map(str, key)
        heading = HEADINGS[group]
        if several:
            heading += f"; protocol {protocol}: {board.protocols[protocol]}"
        rows = tuple({str(column): value for column, value in row.items()} for row in frame.to_dict("records"))
        marks = _marks(frame, board, group)
        yield Section(heading, group, protocol, rows, marks)


def headlines(board: Leaderboard) -> list[str]:
    """What the board's runs are ranked by: ``overall``, ``geneval2``, both, or nothing."""
    found = {section.scores[0] for section in sections(board) if section.scores}
    return [name for name in ("overall", GENEVAL2_SCORES[0]) if name in found]


def scored_images(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Scored]:
    """``geneval`` or metric -> its counts, as far as the run has rows of it."""
    import pandas as pd

    counts = {name: (row[f"{name}_scored"], row[f"{name}_expected"]) for name in names}
    return {name: Scored(*map(int, pair)) for name, pair in counts.items() if not pd.isna(pair[1])}


def _marks(frame: pd.DataFrame, board: Leaderboard, group: str) -> tuple[dict[str, str], ...]:
    """The best and the second best of each column; none where nobody has said which way is better.

    Nor of incomplete sweeps, nor of values that stand for a part of the expected images, or that cards rule out.
    """
    cards = board.cards
    marks: tuple[dict[str, str], ...] = tuple({} for _ in range(len(frame)))
    if group.endswith("incomplete"):
        return marks
    lower = {metric: card.lower for metric, card in cards.items() if card.higher_is_better is not None}
    for column, ascending in {**dict.fromkeys(scores_of(group), False), **lower}.items():
        ruled_out = frame["model"].map(lambda model, name=column: name in board.outside.get(model, ()))
        counted = column if column in cards else SOFT_TIFA if column in GENEVAL2_SCORES else GENEVAL
        scored, expected = (frame[f"{counted}_{kind}"].astype("Float64").fillna(0) for kind in ("scored", "expected"))
        values = frame[column].where(scored >= WHOLE * expected).mask(ruled_out)
        places = values.rank(method="min", ascending=ascending).tolist()
        if values.nunique() < 2:
            continue
        second = min(place for place in places if place > 1)
        for mark, place in zip(marks, places, strict=True):
            if place in (1, second):
                mark[column] = BEST if place == 1 else SECOND
    return marks
