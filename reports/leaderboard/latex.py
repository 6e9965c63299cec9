"""The leaderboard as LaTeX: tables for a paper, with booktabs; ``\\input`` the file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from reports.leaderboard.markdown import count_text, interval_text, shown
from reports.leaderboard.sections import BEST, SCORES, SECOND, Section, scored_images, sections
from reports.summary.run_summary import GENEVAL
from reports.summary.scored import scored_text
from wire.cards import LOWER, MetricCard
from wire.vocabulary import GENEVAL2_LABELS, SOFT_TIFA

if TYPE_CHECKING:
    from reports.leaderboard.table import Leaderboard

_COMMANDS = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "…": r"\ldots{}",
    LOWER: r"$\downarrow$",
}
#: What the tables of judged scores show, with the heading in them.
_GENEVAL = "GenEval: {}. Fractions of correct images, higher is better; overall is the mean of the six tags"
_GENEVAL2 = (
    "Soft-TIFA: {}. From 0 to 100, higher is better; am and skills are arithmetic means of answers' probabilities; "
    "geneval2, by atoms too, is the mean over prompts of their geometric mean"
)
_EMPHASIS = {BEST: r"\textbf{%s}", SECOND: r"\underline{%s}", "": "%s"}
#: Letters beyond Latin ones need fonts that a document may lack.
_NOT_TYPESET = re.compile("[^ -~\u00c0-\u017f]")


def escape_latex(text: str) -> str:
    """Foreign text as plain text: no command comes out of it, and pdfLaTeX has every letter of it.

    Letters beyond Latin ones become a question mark.
    """
    return "".join(_COMMANDS.get(letter) or _NOT_TYPESET.sub("?", letter) for letter in " ".join(text.split()))


def leaderboard_latex(board: Leaderboard) -> str:
    """A leaderboard as a file of LaTeX tables, ending with a line end."""
    blocks = ["% Needs \\usepackage{booktabs}, and \\usepackage[T1]{fontenc} for accents and quotes."]
    # For whoever opens the file: what was passed over, and in what runs are unlike.
    notes = [f"% {escape_latex(f'{name}: {note}' if name else note)}" for name, note in board.all_notes()]
    blocks += ["\n".join(notes)] if notes else []
    if names := [escape_latex(name) for name in board.random]:
        blocks.append(f"\\textbf{{Random weights: the scores mean nothing ({', '.join(names)}).}}")
    for number, section in enumerate(sections(board), start=1):
        blocks += _tables(section, board.cards, number)
    return "\n\n".join(blocks) + "\n"


def _tables(section: Section, cards: Mapping[str, MetricCard], number: int) -> Iterator[str]:
    if section.scores:
        what = (_GENEVAL if section.scores == SCORES else _GENEVAL2).format(escape_latex(section.heading))
        caption = (
            rf"{what}, with its 95\,\% interval. Best in bold, second best underlined. Scored images: of those that a "
            "whole sweep has."
        )
        heads = {score: GENEVAL2_LABELS.get(score, score) for score in section.scores}
        yield _table(section, heads, caption, f"tab:geneval-{number}", with_interval=True)
    found = section.found(tuple(cards))
    if found:
        heads = {metric: cards[metric].label for metric in found}
        titles = "; ".join(f"{escape_latex(metric)}: {escape_latex(cards[metric].name)}" for metric in found)
        others = [cards[metric] for metric in found if not cards[metric].higher_is_better]
        unlike = "".join(f", but of {escape_latex(card.metric)}: {card.direction}" for card in others)
        caption = f"Mean rewards: {escape_latex(section.heading)}. Raw values, higher is better{unlike}. {titles}."
        yield _table(section, heads, caption, f"tab:rewards-{number}", with_interval=False)


def _table(section: Section, columns: Mapping[str, str], caption: str, label: str, with_interval: bool) -> str:
    """``columns``: of the leaderboard -> their heads."""
    heads = [escape_latex(head) for head in columns.values()]
    if with_interval:
        heads.insert(1, r"95\,\% interval")
    lines = [
        r"\begin{table}",
        r"  \centering",
        f"  \\caption{{{caption}}}",
        f"  \\label{{{label}}}",
        f"  \\begin{{tabular}}{{rl{'r' * len(heads)}l}}",
        r"    \toprule",
        _line(["rank", "model", *heads, "scored images"]),
        r"    \midrule",
        *_lines(section, tuple(columns), with_interval),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines)


def _lines(section: Section, columns: Sequence[str], with_interval: bool) -> Iterator[str]:
    counted = columns if not with_interval else (GENEVAL,) if section.scores == SCORES else (SOFT_TIFA,)
    for row, marks in zip(section.rows, section.marks, strict=True):
        values = [
            _EMPHASIS[marks.get(column, "")] % text.replace("-", "$-$") if (text := shown(row, column)) else "--"
            for column in columns
        ]
        if with_interval:
            values.insert(1, interval_text(row, columns[0], "--") or "--")
        scored = scored_text(scored_images(row, counted))
        yield _line([count_text(row["rank"]), escape_latex(row["model"]), *values, escape_latex(scored) or "--"])


def _line(cells: Sequence[str]) -> str:
    return f"    {' & '.join(cells)} \\\\"
