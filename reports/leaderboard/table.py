"""The leaderboard: runs ranked by GenEval's overall score, as one table for every format."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from reports.leaderboard.protocols import Labels, descriptions, fingerprint, labelled
from reports.leaderboard.table_notes import table_notes
from reports.read.names import told_apart
from reports.summary.coverage import Suite
from reports.summary.prompt_effects import ranks
from reports.summary.run_summary import GENEVAL, RunSummary
from reports.summary.scored import scored_text
from wire.cards import MetricCard, card_of
from wire.errors import UserError
from wire.reserved import SUFFIXES
from wire.vocabulary import SEVEN_REWARDS, TAGS

if TYPE_CHECKING:
    import pandas as pd

    from reports.statistics.intervals import Interval

#: Columns that every leaderboard begins with; the others follow.
LEADING_COLUMNS = ("model", "overall", *TAGS, *SEVEN_REWARDS, "images", "prompts", "unscored")


class Group(Enum):
    """Runs are ranked only among their like; groups are listed in this order."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    OTHER_PROMPTS = "other prompts"
    NO_GENEVAL = "no geneval"


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """Runs in rank order.

    Attributes:
        frame: one row a run. First :data:`LEADING_COLUMNS`: fractions for overall and tags, raw means for rewards,
            NaN where there is none. Then further metrics, ``rank`` (1 + the number of runs of the same ``group`` and
            ``protocol`` that are shown to be better), ``group``, ``protocol``, ``suite``, ``fingerprint``,
            ``coverage``, ``scored`` (images, in words), ``samples_per_prompt``, ``pooled``, ``any_of_n``, ``all_of_n``,
            ``intraclass_correlation``,
            ``geneval_scored``, ``geneval_expected``, ``<metric>_scored``, ``<metric>_expected`` (images),
            ``<column>_low`` and ``<column>_high`` (95 % bounds), ``<metric>_normalised`` where defined,
            ``random_weights``, ``notes`` (joined by "; ").
        metrics: metric ids in the table: the seven, then others.
        protocols: label in ``protocol`` -> in what it differs from the others.
        cards: of all metrics in the table; of one that runs have different cards of, the first run's.
        outside: model -> metrics with values that the run's cards rule out, so that its mean bears no mark.
    """

    frame: pd.DataFrame
    metrics: tuple[str, ...]
    notes: tuple[str, ...]
    protocols: dict[str, str] = field(default_factory=dict)
    cards: dict[str, MetricCard] = field(default_factory=dict)
    outside: dict[str, frozenset[str]] = field(default_factory=dict)

    def labels(self, columns: Sequence[str]) -> list[str]:
        """Heads of columns; those of metrics that are better when lower have an arrow."""
        return [card_of(column, self.cards).label for column in columns]


def make_leaderboard(runs: Sequence[RunSummary], across: Sequence[str] = (), notes: Sequence[str] = ()) -> Leaderboard:
    """Rank runs: by group and protocol, then overall (highest first), then name.

    Args:
        runs: at least one.
        across: protocol fields over which runs are ranked together although they differ in them.
        notes: what else is to be said beside the table.

    Raises:
        UserError: no run at all, a field that none has, or a metric named as another's bounds.
    """
    import pandas as pd

    if not runs:
        raise UserError("no runs to report; name run directories or result files")
    labels = labelled(runs, across)
    named = sorted(told_apart(runs), key=lambda run: _rank_key(run, labels))
    extra = sorted({metric for run in named if run.rewards for metric in run.rewards.metrics} - set(SEVEN_REWARDS))
    metrics = (*SEVEN_REWARDS, *extra)
    _refuse_clashes(metrics)
    known = {metric: card for run in reversed(named) for metric, card in run.manifest.cards.items()}
    cards = {metric: card_of(metric, known) for metric in metrics}
    frame = pd.DataFrame.from_records([_row(run, cards, labels) for run in named])
    counts = [f"{name}_{kind}" for name in (GENEVAL, *metrics) for kind in ("scored", "expected")]
    frame = frame.astype(dict.fromkeys(("samples_per_prompt", *counts), "Int64"))
    ranks_by_run = pd.Series(_ranks(named, labels), dtype="Int64")
    frame.insert(len(LEADING_COLUMNS) + len(extra), "rank", ranks_by_run)
    outside = {run.name: run.outside for run in named}
    return Leaderboard(frame, metrics, (*notes, *table_notes(named)), descriptions(labels), cards, outside)


def _refuse_clashes(metrics: Sequence[str]) -> None:
    """Such names as a foreign file may have: ``rewards.x`` beside ``x_low``, which is shown as ``rewards.x_low``."""
    beside = {f"{metric}{suffix}": metric for metric in metrics for suffix in SUFFIXES}
    for metric in metrics:
        if metric in beside:
            raise UserError(f"{metric} and what stands beside {beside[metric]} would be one column; rename one metric")


def _group(run: RunSummary) -> Group:
    if run.geneval is None:
        return Group.NO_GENEVAL
    coverage = run.geneval.coverage
    if coverage.suite is Suite.OTHER:
        return Group.OTHER_PROMPTS if coverage.scored.whole else Group.INCOMPLETE
    complete = coverage.all_prompts and coverage.scored.whole and coverage.suite is Suite.GENEVAL
    return Group.COMPLETE if complete else Group.INCOMPLETE


def _rank_key(run: RunSummary, labels: Labels) -> tuple[int, int, float, str]:
    overall = run.geneval.overall if run.geneval else None
    return list(Group).index(_group(run)), labels.place(run), math.inf if overall is None else -overall, run.name


def _ranks(runs: Sequence[RunSummary], labels: Labels) -> list[int | None]:
    """Rank within group and protocol; none without a score, its interval, or the images of its own prompts."""
    parts: dict[tuple[Group, str], list[int]] = {}
    for place, run in enumerate(runs):
        if run.effects is not None and not (run.geneval and run.geneval.coverage.gaps):
            parts.setdefault((_group(run), labels.of(run)), []).append(place)
    ranked: list[int | None] = [None] * len(runs)
    for places in parts.values():
        effects = [effect for place in places if (effect := runs[place].effects) is not None]
        scores = [_number(summary.overall) for place in places if (summary := runs[place].geneval) is not None]
        for place, rank in zip(places, ranks(scores, effects), strict=True):
            ranked[place] = rank
    return ranked


def _suite(run: RunSummary) -> str:
    """GenEval's own prompts are recognised by their texts, others by the manifest's word for them."""
    if run.geneval is not None and run.geneval.coverage.suite is Suite.GENEVAL:
        return Suite.GENEVAL.value
    return run.manifest.protocol.get("suite.id", "").strip('"') or Suite.UNKNOWN.value


def _prompts(run: RunSummary) -> str:
    """Coverage of a run without verdicts, of the suite that its manifest names."""
    suite = run.manifest.protocol.get("suite.prompts")
    return f"{run.prompts} of {suite} prompts" if suite else f"{run.prompts} prompts"


def _normalised(means: Mapping[str, float | None], cards: Mapping[str, MetricCard]) -> dict[str, float]:
    known = [card for card in cards.values() if card.normal_form is not None]
    return {f"{card.metric}_normalised": card.normalised(_number(means[card.metric])) for card in known}


def _row(run: RunSummary, cards: Mapping[str, MetricCard], labels: Labels) -> dict[str, Any]:
    metrics = tuple(cards)
    extra = metrics[len(SEVEN_REWARDS) :]
    means, bounds = _rewards(run, metrics)
    scores, score_bounds = _geneval(run)
    return {
        "model": run.name,
        **{name: _number(scores[name]) for name in ("overall", *TAGS)},
        **{metric: _number(means[metric]) for metric in SEVEN_REWARDS},
        "images": run.images,
        "prompts": run.prompts,
        "unscored": run.unscored,
        **{metric: _number(means[metric]) for metric in extra},
        "group": _group(run).value,
        "protocol": labels.of(run),
        "suite": _suite(run),
        "fingerprint": fingerprint(run),
        "coverage": run.geneval.coverage.text if run.geneval else _prompts(run),
        "scored": scored_text(run.scored),
        **{name: _number(scores[name]) for name in _FURTHER_SCORES},
        **_counts(run, metrics),
        **score_bounds,
        **bounds,
        **_normalised(means, cards),
        "random_weights": run.manifest.random_weights,
        "notes": "; ".join(run.notes),
    }


def _counts(run: RunSummary, metrics: Sequence[str]) -> dict[str, int | None]:
    """Images that GenEval's scores and each metric rest on, and those that they should; none where it has no rows."""
    counts: dict[str, int | None] = {}
    for name in (GENEVAL, *metrics):
        found = run.scored.get(name)
        counts[f"{name}_scored"] = found.scored if found else None
        counts[f"{name}_expected"] = found.expected if found else None
    return counts


_FURTHER_SCORES = ("samples_per_prompt", "pooled", "any_of_n", "all_of_n", "intraclass_correlation")


def _geneval(run: RunSummary) -> tuple[dict[str, float | None], dict[str, float]]:
    """Scores by column, and bounds by column; none without GenEval rows."""
    summary = run.geneval
    if summary is None:
        names = ("overall", *TAGS)
        return dict.fromkeys((*names, *_FURTHER_SCORES)), _bounds(dict.fromkeys(names))
    scores: dict[str, float | None] = {
        "overall": summary.overall,
        **{tag: accuracy.images.value for tag, accuracy in summary.tags.items()},
        "samples_per_prompt": summary.coverage.samples_per_prompt,
        "pooled": summary.pooled.images.value,
        "any_of_n": summary.pooled.any_correct.value,
        "all_of_n": summary.pooled.all_correct.value,
        "intraclass_correlation": summary.pooled.intraclass_correlation,
    }
    intervals = {tag: accuracy.images_interval for tag, accuracy in summary.tags.items()}
    return scores, _bounds({"overall": summary.overall_interval, **intervals})


def _rewards(run: RunSummary, metrics: Sequence[str]) -> tuple[dict[str, float | None], dict[str, float]]:
    found = run.rewards.metrics if run.rewards else {}
    means = {metric: found[metric].mean if metric in found else None for metric in metrics}
    return means, _bounds({metric: found[metric].interval if metric in found else None for metric in metrics})


def _number(value: float | None) -> float:
    """NaN for None, so that a column without any value is still one of numbers."""
    return math.nan if value is None else float(value)


def _bounds(intervals: Mapping[str, Interval | None]) -> dict[str, float]:
    bounds: dict[str, float] = {}
    for name, interval in intervals.items():
        bounds[f"{name}_low"] = interval.low if interval else math.nan
        bounds[f"{name}_high"] = interval.high if interval else math.nan
    return bounds
