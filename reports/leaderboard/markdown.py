"""The leaderboard as Markdown: what a README, a pull request or a job summary shows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reports.leaderboard.sections import BEST, SECOND, Section, headlines, sections
from reports.statistics.resampling import RESAMPLES, SEED
from reports.summary.scored import WHOLE
from wire.vocabulary import GENEVAL2_LABELS, GENEVAL2_SCORES

if TYPE_CHECKING:
    from reports.leaderboard.table import Leaderboard

#: What GenEval 2's headline is.
GENEVAL2_TEXT = (
    "GenEval 2's headline, Soft-TIFA GM: 100 x the mean over prompts of the geometric mean of the probabilities with "
    "which an image's questions are answered right; of several images of a prompt, their mean."
)
_EMPHASIS = {BEST: "**{}**", SECOND: "*{}*", "": "{}"}
#: Markdown's signs, HTML's, and what begins a link or a mention; an underscore within a word is plain text anyway.
_SPECIAL = re.compile(r"[\\`*\[\]#|~$&<>@]|(?<!\w)_|_(?!\w)|:(?=//)|(?<=www)\.", re.IGNORECASE)
#: Control characters, and marks that turn text round; white space of all kinds is left to :func:`escape`.
_UNFIT = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;", ":": "&#58;", ".": "&#46;"}


def visible(text: str) -> str:
    """Foreign text with control characters, and marks that turn or hide text, shown as escapes, e.g. ``\\x07``."""
    return _UNFIT.sub(lambda found: ascii(found[0])[1:-1], text)


def escape(text: str) -> str:
    """Foreign text as plain text on one line of Markdown: no markup, HTML, link or mention comes out of it."""
    escaped = _SPECIAL.sub(lambda sign: _ENTITIES.get(sign[0], f"\\{sign[0]}"), visible(text))
    return " ".join(escaped.split())


def markdown_table(rows: Iterable[Sequence[str]]) -> str:
    """Lines of cells, which are escaped already: the header, the rule that aligns the columns, then the others."""
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def leaderboard_markdown(board: Leaderboard) -> str:
    """A leaderboard as a Markdown document, ending with a line end."""
    blocks = ["# Leaderboard"]
    if random := [escape(name) for name in board.random]:
        blocks.append(
            f"> **Random weights: the scores mean nothing.** Small random models were used for: {', '.join(random)}."
        )
    for section in sections(board):
        blocks += [f"## {escape(section.heading)}", _table(section, board)]
    blocks += ["## How to read it", "\n".join(_legend(board))]
    notes = [f"- {f'**{escape(name)}**: ' if name else ''}{escape(note)}" for name, note in board.all_notes()]
    blocks += ["## Notes", "\n".join(notes)] if notes else []
    return "\n\n".join(blocks) + "\n"


def _table(section: Section, board: Leaderboard) -> str:
    scores = [GENEVAL2_LABELS.get(name, name) for name in section.scores]
    scores[1:1] = ["95 % interval"] if scores else []
    numbers = [*scores, *(board.cards[metric].label for metric in section.found(board.metrics))]
    counts = ["images", "prompts", "unscored"]
    header = ["rank", "model", *(escape(name) for name in numbers), *counts, "coverage", "scored images"]
    rule = ["--:", ":--", *["--:"] * (len(numbers) + len(counts)), ":--", ":--"]
    return markdown_table([header, rule, *_cells(section, board.metrics)])


def _cells(section: Section, metrics: Sequence[str]) -> Iterator[list[str]]:
    for row, marks in zip(section.rows, section.marks, strict=True):
        columns = (*section.scores, *section.found(metrics))
        numbers = [_EMPHASIS[marks.get(name, "")].format(shown(row, name)) for name in columns]
        numbers[1:1] = [interval_text(row, section.scores[0])] if section.scores else []
        yield [
            count_text(row["rank"]),
            escape(row["model"]),
            *numbers,
            *(count_text(row[name]) for name in ("images", "prompts", "unscored")),
            escape(row["coverage"]),
            escape(row["scored"]),
        ]


def _legend(board: Leaderboard) -> list[str]:
    """What the tables above show, and nothing else."""
    shown, ranked_by = [*sections(board)], headlines(board)
    lines = [*_scores_legend(ranked_by)]
    if len(board.frame) > 1 and ranked_by:
        lines.append(
            f"- **rank**: 1 + the number of runs whose {' or '.join(ranked_by)} is higher by the paired t test of the "
            "two (p < 0.05, two-sided, each pair by itself, not corrected for their number): column p of `compare`, "
            "not p (Holm), and not the margin of `check`. Runs without a significant difference mostly share a rank."
        )
    if any(mark for section in shown for mark in section.marks):
        lines.append("- **bold** is the best of its column, *italic* the second best.")
    lines += [
        "- **images**, **prompts**: found; **unscored**: images that lack a verdict or a reward. They are in no mean.",
        "- **coverage**: prompts with a scored image, of the suite's.",
        f"- **scored images**: with a verdict (geneval) or a reward, of those that the whole sweep has. Below "
        f"{WHOLE:.0%} a run is not ranked with complete ones, and no value is marked.",
    ]
    found = {metric for section in shown for metric in section.found(board.metrics)}
    for metric, card in ((metric, card) for metric, card in board.cards.items() if metric in found):
        normal = f" MIRO-normalised in the CSV: {card.formula}." if card.formula else ""
        text = f"mean {escape(card.name)}; {escape(card.scale)}; {card.direction}.{normal}"
        lines.append(f"- **{escape(metric)}**: {text}")
    return lines


def _scores_legend(ranked_by: Sequence[str]) -> Iterator[str]:
    """What the judged columns are, by the headlines that there are."""
    if "overall" in ranked_by:
        yield (
            "- **overall**: GenEval score, the unweighted mean of the six tag accuracies; fraction of 1, higher is "
            "better. It is not the share of correct images over all tags (`pooled` in the CSV)."
        )
        yield "- **tags**: correct images of the scored images of the tag; fraction of 1, higher is better."
    if GENEVAL2_SCORES[0] in ranked_by:
        yield (
            f"- **geneval2**: {GENEVAL2_TEXT} **am**: the same with arithmetic means. **object** to **verb**: 100 x "
            "the mean over all questions of the skill. **3 atoms** to **10 atoms**: geneval2 over the prompts with "
            "so many atoms. Higher is better."
        )
    if ranked_by:
        yield f"- **95 % interval**: of {interval_legend(ranked_by)} (seed {SEED}); the CSV has it for every number."


def interval_legend(ranked_by: Sequence[str]) -> str:
    """Of what the interval is, and how it is made."""
    within = " within tags" if ranked_by[0] == "overall" else ""
    within += " (geneval2: of all prompts)" if len(ranked_by) > 1 else ""
    return f"{' and '.join(ranked_by)}, from {RESAMPLES:,} resamples of whole prompts{within}"


def fixed(value: float) -> str:
    """Four decimals, as GenEval scores are usually printed; empty where there is no value."""
    return "" if value != value else f"{value:.4f}"


def shown(row: Mapping[Any, Any], column: str) -> str:
    """A number of a run, or a bound, as tables have it: two decimals of GenEval 2's, else four; empty where none is."""
    value, score = row[column], column.removesuffix("_low").removesuffix("_high")
    return f"{value:.2f}" if score in GENEVAL2_SCORES and value == value else fixed(value)


def interval_text(row: Mapping[Any, Any], column: str, between: str = " to ") -> str:
    """E.g. ``0.5527 to 0.5949``; empty where there is none."""
    return between.join(filter(None, (shown(row, f"{column}_{end}") for end in ("low", "high"))))


def count_text(value: Any) -> str:
    """A whole number; empty where there is none."""
    import pandas as pd

    return "" if pd.isna(value) else str(int(value))
