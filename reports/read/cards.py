"""What the metrics' cards say of a run, and what must be said where they say nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from wire.cards import Cards, card_of
from wire.vocabulary import GENEVAL2_SCORES, TAGS

if TYPE_CHECKING:
    from reports.read.runs import Run
    from reports.summary.run_summary import RunSummary

#: Values this far outside their range, as a share of its larger bound, are rounding.
ROUNDING = 1e-4


def higher_is_better(metric: str, cards: Cards) -> bool | None:
    """Of ``overall``, a tag or a metric id; None where nobody has said."""
    return True if metric in ("overall", *TAGS, *GENEVAL2_SCORES) else card_of(metric, cards).higher_is_better


def known_cards(runs: Sequence[Run | RunSummary]) -> Cards:
    """Of all runs' metrics, an earlier run's before a later one's."""
    return {metric: card for run in reversed(runs) for metric, card in run.manifest.cards.items()}


def guessed(metrics: Iterable[str], cards: Cards) -> Iterator[str]:
    """A note on metrics whose direction is taken for granted, where there are any."""
    if unknown := [metric for metric in dict.fromkeys(metrics) if higher_is_better(metric, cards) is None]:
        yield f"no card says whether higher or lower {', '.join(unknown)} is better: higher is assumed"


def outside_range(run: Run, cards: Cards) -> dict[str, str]:
    """Of each metric with values that its card rules out: how many, and of which range; none with random weights."""
    found: dict[str, str] = {}
    if run.manifest.random_weights:
        return found
    for metric, values in run.rewards.frame[[*run.rewards.metrics]].items() if run.rewards else ():
        card = card_of(str(metric), cards)
        low, high = card.range
        slack = ROUNDING * max(abs(low or 0.0), abs(high or 0.0))
        below = 0 if low is None else int((values < low - slack).sum())
        above = 0 if high is None else int((values > high + slack).sum())
        if below or above:
            found[str(metric)] = f"values outside {card.bounds}, the range that its card states: {below + above:,}"
    return found


def notes_on_rewards(run: Run, cards: Cards) -> Iterator[str]:
    """Notes on names that were changed, on what was passed over, and on values that cards rule out."""
    yield from run.rewards.notes if run.rewards else ()
    yield from (f"{metric}: {text}" for metric, text in outside_range(run, cards).items())
