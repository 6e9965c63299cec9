"""The leaderboard as LaTeX: tables for a paper, with booktabs; ``\\input`` the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reports.leaderboard.markdown import count_text, fixed
from reports.leaderboard.sections import BEST, SCORES, SECOND, Section, scored_images, sections
from reports.summary.run_summary import GENEVAL
from reports.summary.scored import scored_text
from wire.cards import LOWER, MetricCard

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
_EMPHASIS = {BEST: r"\textbf{%s}", SECOND: r"\underline{%s}", "": "%s"}
#: Letters beyond these need fonts that a document may lack.
_LAST_LETTER = "\u017f"


def escape_latex(text: str) -> str:
    """Foreign text as plain text: no command comes out of it, and pdfLaTeX has every letter of it.

    Letters beyond Latin ones become a question mark.
    """
    single_line = " ".join(text.split())
    return "".join(_COMMANDS.get(letter) or (letter if _typeset(letter) else "?") for letter in single_line)


def _typeset(letter: str) -> bool:
    return " " <= letter <= "~" or ("\u00c0" <= letter <= _LAST_LETTER)


def leaderboard_latex(board: Leaderboard) -> str:
    """A leaderboard as a file of LaTeX tables, ending with a line end."""
    blocks = [
        "% Needs \\usepackage{booktabs}, and \\usepackage[T1]{fontenc} for accents and quotes.",
        *_comments(board),
        *_warnings(board),
    ]
    for number, section in enumerate(sections(board), start=1):
        blocks += _tables(section, board.cards, number)
    return "\n\n".join(blocks) + "\n"


def _comments(board: Leaderboard) -> Iterator[str]:
    """All notes, for whoever opens the file: what was passed over, and in what runs are unlike."""
    named = zip(board.frame["model"], board.frame["notes"], strict=True)
    notes = [*board.notes, *(f"{name}: {note}" for name, note in named if note)]
    if notes:
        yield "\n".join(f"% {escape_latex(note)}" for note in notes)


def _warnings(board: Leaderboard) -> Iterator[str]:
    names = [escape_latex(name) for name in board.frame["model"][board.frame["random_weights"]]]
    if names:
        yield f"\\textbf{{Random weights: the scores mean nothing ({', '.join(names)}).}}"


def _tables(section: Section, cards: Mapping[str, MetricCard], number: int) -> Iterator[str]:
    if section.group != "no geneval":
        caption = (
            f"GenEval: {escape_latex(section.heading)}. Fractions of correct images, higher is better; overall is the "
            r"mean of the six tags, with its 95\,\% interval. Best in bold, second best underlined. Scored "
            "images are of those that the whole sweep has."
        )
        yield _table(section, {score: score for score in SCORES}, caption, f"tab:geneval-{number}", with_interval=True)
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
    counted = (GENEVAL,) if with_interval else tuple(columns)
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
        *(_line(cells) for cells in _cells(section, tuple(columns), counted, with_interval)),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines)


def _cells(
    section: Section, columns: Sequence[str], counted: Sequence[str], with_interval: bool
) -> Iterator[list[str]]:
    for row, marks in zip(section.rows, section.marks, strict=True):
        values = [_value(row, column, marks) for column in columns]
        if with_interval:
            values.insert(1, _interval(row))
        scored = scored_text(scored_images(row, counted), alone=with_interval)
        yield [count_text(row["rank"]), escape_latex(row["model"]), *values, escape_latex(scored) or "--"]


def _value(row: dict[str, Any], column: str, marks: dict[str, str]) -> str:
    text = fixed(row[column]).replace("-", "$-$")
    return _EMPHASIS[marks.get(column, "")] % text if text else "--"


def _interval(row: dict[str, Any]) -> str:
    low, high = fixed(row["overall_low"]), fixed(row["overall_high"])
    return f"{low}--{high}" if low else "--"


def _line(cells: Sequence[str]) -> str:
    return f"    {' & '.join(cells)} \\\\"
