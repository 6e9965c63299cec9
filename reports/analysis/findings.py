"""The numbers of an analysis, and how they are written: one line a number, or tables of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reports.files import csv_text
from reports.leaderboard.markdown import escape, markdown_table
from reports.read.cards import guessed
from reports.read.runs import RunSource
from reports.summary.notes import RANDOM_WEIGHTS
from wire.cards import LOWER, NO_CARDS, Cards, card_of

OVER_PROMPTS = "reward_correlation_over_prompts"
#: Analysis -> what its table says, in the order of the page. ``best_of_N`` stands for any N.
EXPLANATIONS = {
    "best_of": "Exact expected values of the image that one reward ranks best among {n} of a prompt.",
    "pass_at_k": "Probability that one of k images is correct; overall is the mean over tags. pass@1 is GenEval's.",
    "reward_against_verdict": (
        "How often a correct image has a higher reward than a wrong one (AUC: 1 always, 0.5 by chance), among all "
        "images and among those of one prompt; and mean rewards of correct and wrong images. A reward near 0.5 does "
        "not predict the verdict: training for it alone need not raise GenEval."
    ),
    "reward_correlation": "Spearman's rank correlation of rewards, over images; 95 % intervals over prompts.",
    OVER_PROMPTS: (
        "The same for prompts' mean rewards: whether two rewards find the same prompts hard. If it is high and that "
        "over images is low, they agree on prompts, but not on which image of a prompt is better."
    ),
    "histogram": (
        "Share of images in each tenth of the way from the lowest to the highest value. A few images far from all "
        "others are often not scores, but what a scorer writes when it fails."
    ),
    "class": "Correct images among those whose prompt asks for the class. Mind the intervals: most have few prompts.",
    "relation": "Correct images among those whose prompt asks for the relation.",
    "color": "Correct images among those whose prompt asks for the color.",
    "count": "Correct images of counting prompts, by the number asked for.",
}

#: Analyses whose numbers depend on which way a reward is better.
BY_DIRECTION = ("best_of", "reward_against_verdict")


@dataclass(frozen=True)
class Finding:
    """One number."""

    analysis: str  #: a key of :data:`EXPLANATIONS`, or ``best_of_4`` and the like
    subject: str
    quantity: str
    value: float
    size: int  #: over how many; ``unit`` says of what
    unit: str = "images"  #: ``images``, ``prompts`` or ``pairs``
    #: low, high: 95 % bounds; None where there are none.
    low: float | None = None
    high: float | None = None


#: Each run with its numbers, and notes on its rewards.
Found = Sequence[tuple[RunSource, Sequence[Finding], Sequence[str]]]


def findings_csv(found: Found) -> str:
    """One line a number, in full precision."""
    header = ("model", "analysis", "subject", "quantity", "value", "low", "high", "size", "unit")
    lines = (
        (source.name, one.analysis, one.subject, one.quantity, one.value, one.low, one.high, one.size, one.unit)
        for source, findings, _ in found
        for one in findings
    )
    return csv_text((header, *lines))


def findings_markdown(found: Found) -> str:
    """A section a run, a table an analysis."""
    blocks = ["# Analysis"]
    for source, findings, notes in found:
        blocks.append(f"## {escape(source.name)}")
        if source.manifest.random_weights:
            blocks.append(f"> **{RANDOM_WEIGHTS.capitalize()}.**")
        cards = source.manifest.cards
        ordered = (one.subject for one in findings if one.analysis.startswith(BY_DIRECTION))
        blocks += [f"{escape(note)}." for note in (*notes, *guessed(ordered, cards))]
        # The best of one image is that image, whichever reward chooses.
        for analysis in dict.fromkeys(one.analysis for one in findings if one.analysis != "best_of_1"):
            blocks += _table(analysis, [one for one in findings if one.analysis == analysis], cards)
    return "\n\n".join(blocks) + "\n"


def _table(analysis: str, findings: Sequence[Finding], cards: Cards) -> Iterator[str]:
    if not analysis.startswith((*BY_DIRECTION, "reward_correlation")):
        cards = NO_CARDS
    quantities = list(dict.fromkeys(one.quantity for one in findings))
    cells = {(one.subject, one.quantity): one for one in findings}
    name, _, size = analysis.rpartition("_")
    sized = name == "best_of"
    yield f"### {f'Best of {size}' if sized else analysis.replace('_', ' ').capitalize()}"
    turned = any(card_of(one.subject, cards).lower for one in findings)
    yield EXPLANATIONS[name if sized else analysis].format(n=size) + (
        f" Of rewards marked {LOWER} lower is better." if turned else ""
    )
    heads = ["", *(escape(card_of(quantity, cards).label) for quantity in quantities), "of"]
    rows = [heads, [":--", *["--:"] * (len(quantities) + 1)]]
    for subject in dict.fromkeys(one.subject for one in findings):
        own = [cells.get((subject, quantity)) for quantity in quantities]
        largest = max((one for one in own if one), key=lambda one: one.size)
        unit = largest.unit if largest.size != 1 else largest.unit[:-1]
        rows.append([escape(card_of(subject, cards).label), *map(_cell, own), f"{largest.size:,} {unit}"])
    yield markdown_table(rows)


def _cell(one: Finding | None) -> str:
    if one is None:
        return ""
    bounds = "" if one.low is None or one.high is None else f" ({one.low:.2f} to {one.high:.2f})"
    return f"{one.value:.4f}{bounds}"
