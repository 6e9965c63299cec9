"""The leaderboard: runs ranked by GenEval's overall score, or GenEval 2's, as one table for every format."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from reports.leaderboard.protocols import Labels, descriptions, fingerprint, labelled, table_notes
from reports.read.cards import known_cards
from reports.read.names import told_apart
from reports.summary.coverage import Suite
from reports.summary.prompt_effects import ranks
from reports.summary.run_summary import GENEVAL, RunSummary
from reports.summary.scored import scored_text
from wire.cards import MetricCard, card_of
from wire.errors import UserError
from wire.grouping import grouped
from wire.reserved import SUFFIXES
from wire.vocabulary import GENEVAL2_SCORES, SEVEN_REWARDS, TAGS

if TYPE_CHECKING:
    import pandas as pd

    from reports.read.runs import RunSource
    from reports.statistics.intervals import Interval

#: Columns that every leaderboard begins with; the others follow.
LEADING_COLUMNS = ("model", "overall", *TAGS, *SEVEN_REWARDS, "images", "prompts", "unscored")
#: Columns of GenEval that are beside the score.
FURTHER_SCORES = ("samples_per_prompt", "pooled", "any_of_n", "all_of_n", "intraclass_correlation")


class Group(Enum):
    """Runs are ranked only among their like; groups are listed in this order."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    OTHER_PROMPTS = "other prompts"
    GENEVAL2 = "geneval 2"
    GENEVAL2_INCOMPLETE = "geneval 2 incomplete"
    NO_GENEVAL = "no geneval"


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """Runs in rank order."""

    #: One row a run. First :data:`LEADING_COLUMNS`: fractions for overall and tags, raw means for rewards, NaN where
    #: there is none. Then further metrics, ``rank`` (1 + the number of runs of the same ``group`` and ``protocol`` that
    #: are shown to be better), ``group``, ``protocol``, ``suite``, ``fingerprint``, ``coverage``, ``scored`` (images,
    #: in words), :data:`FURTHER_SCORES`, :data:`wire.vocabulary.GENEVAL2_SCORES` (0 to 100; not where no run is of
    #: GenEval 2), ``geneval_scored``, ``geneval_expected``, ``<metric>_scored``, ``<metric>_expected`` (images),
    #: ``<column>_low`` and ``<column>_high`` (95 % bounds), ``<metric>_normalised`` where defined, ``random_weights``,
    #: ``notes`` (joined by "; ").
    frame: pd.DataFrame
    metrics: tuple[str, ...]  #: metric ids in the table: the seven, then others
    notes: tuple[str, ...]
    #: Label in ``protocol`` -> in what it differs from the others.
    protocols: dict[str, str] = field(default_factory=dict)
    #: Of all metrics in the table; of one that runs have different cards of, the first run's.
    cards: dict[str, MetricCard] = field(default_factory=dict)
    #: Model -> metrics with values that the run's cards rule out, so that its mean bears no mark.
    outside: dict[str, frozenset[str]] = field(default_factory=dict)
    #: Model -> where its run is, as far as the caller knows.
    sources: Mapping[str, RunSource] = field(default_factory=dict)

    @property
    def random(self) -> list[str]:
        """Models with random weights."""
        return list(self.frame["model"][self.frame["random_weights"]])

    def all_notes(self) -> Iterator[tuple[str, str]]:
        """(model, note): on the table as a whole, with an empty name, then on each run that has notes."""
        yield from (("", note) for note in self.notes)
        yield from ((name, note) for name, note in zip(self.frame["model"], self.frame["notes"], strict=True) if note)


def make_leaderboard(runs: Sequence[RunSummary], across: Sequence[str] = (), notes: Sequence[str] = ()) -> Leaderboard:
    """Rank runs: by group and protocol (``across`` fields of which they may differ), then overall, then name.
    Raises UserError: no run at all, a field that none has, or a metric named as another's bounds.
    """
    import pandas as pd

    if not runs:
        raise UserError("no runs to report; name run directories or result files")
    labels = labelled(runs, across)
    named = sorted(told_apart(runs), key=lambda run: _rank_key(run, labels))
    extra = sorted({metric for run in named if run.rewards for metric in run.rewards.metrics} - set(SEVEN_REWARDS))
    metrics = (*SEVEN_REWARDS, *extra)
    # Such names as a foreign file may have: ``rewards.x`` beside ``x_low``, which is shown as ``rewards.x_low``.
    beside = {f"{metric}{suffix}": metric for metric in metrics for suffix in SUFFIXES}
    for metric in metrics:
        if metric in beside:
            raise UserError(f"{metric} and what stands beside {beside[metric]} would be one column; rename one metric")
    known = known_cards(named)
    cards = {metric: card_of(metric, known) for metric in metrics}
    frame = pd.DataFrame.from_records([_row(run, cards, labels) for run in named])
    if not any(run.geneval2 for run in named):
        frame = frame.drop(columns=[f"{name}{end}" for name in GENEVAL2_SCORES for end in ("", "_low", "_high")])
    counts = [f"{name}_{kind}" for name in (GENEVAL, *metrics) for kind in ("scored", "expected")]
    frame = frame.astype(dict.fromkeys(("samples_per_prompt", *counts), "Int64")).copy()  # in one piece again
    ranks_by_run = pd.Series(_ranks(named, labels), dtype="Int64")
    frame.insert(len(LEADING_COLUMNS) + len(extra), "rank", ranks_by_run)
    outside = {run.name: run.outside for run in named}
    return Leaderboard(frame, metrics, (*notes, *table_notes(named)), descriptions(labels), cards, outside)


def _group(run: RunSummary) -> Group:
    if run.geneval is None and run.geneval2 is not None:
        return Group.GENEVAL2 if run.geneval2.complete else Group.GENEVAL2_INCOMPLETE
    if run.geneval is None:
        return Group.NO_GENEVAL
    coverage = run.geneval.coverage
    if coverage.suite is Suite.OTHER:
        return Group.OTHER_PROMPTS if coverage.scored.whole else Group.INCOMPLETE
    complete = coverage.all_prompts and coverage.scored.whole and coverage.suite is Suite.GENEVAL
    return Group.COMPLETE if complete else Group.INCOMPLETE


def _rank_key(run: RunSummary, labels: Labels) -> tuple[int, int, float, str]:
    score = run.headline
    return list(Group).index(_group(run)), labels.place(run), math.inf if score is None else -score, run.name


def _ranks(runs: Sequence[RunSummary], labels: Labels) -> list[int | None]:
    """Rank within group and protocol; none without a score, its interval, or the images of its own prompts."""
    rankable = ((place, run) for place, run in enumerate(runs) if run.effects is not None and not run.gaps)
    parts = grouped(((_group(run), labels.of(run)), place) for place, run in rankable)
    ranked: list[int | None] = [None] * len(runs)
    for places in parts.values():
        effects = [effect for place in places if (effect := runs[place].effects) is not None]
        scores = [_number(runs[place].headline) for place in places]
        for place, rank in zip(places, ranks(scores, effects), strict=True):
            ranked[place] = rank
    return ranked


def _suite_and_coverage(run: RunSummary) -> tuple[str, str]:
    """GenEval's own prompts are recognised by their texts, others by the manifest's word for them."""
    protocol = run.manifest.protocol
    suite = protocol.get("suite.id", "").strip('"') or Suite.UNKNOWN.value
    if run.geneval is not None:
        coverage = run.geneval.coverage
        return Suite.GENEVAL.value if coverage.suite is Suite.GENEVAL else suite, coverage.text
    if run.geneval2 is not None:
        return Suite.GENEVAL2.value if run.geneval2.suite is Suite.GENEVAL2 else suite, run.geneval2.text
    expected = f" of {protocol['suite.prompts']}" if protocol.get("suite.prompts") else ""
    return suite, f"{run.prompts}{expected} prompts"


def _row(run: RunSummary, cards: Mapping[str, MetricCard], labels: Labels) -> dict[str, Any]:
    """A line of :attr:`Leaderboard.frame`, but for its rank."""
    extra = tuple(cards)[len(SEVEN_REWARDS) :]
    found = run.rewards.metrics if run.rewards else {}
    means = {metric: _number(found[metric].mean if metric in found else None) for metric in cards}
    intervals = {metric: found[metric].interval if metric in found else None for metric in cards}
    normal = {metric: card.normalised(means[metric]) for metric, card in cards.items() if card.normal_form is not None}
    counts = [(name, run.scored.get(name)) for name in (GENEVAL, *cards)]
    scores, score_intervals = _geneval(run)
    suite, coverage = _suite_and_coverage(run)
    return {
        "model": run.name,
        **{name: _number(scores.get(name)) for name in ("overall", *TAGS)},
        **{metric: means[metric] for metric in SEVEN_REWARDS},
        "images": run.images,
        "prompts": run.prompts,
        "unscored": run.unscored,
        **{metric: means[metric] for metric in extra},
        "group": _group(run).value,
        "protocol": labels.of(run),
        "suite": suite,
        "fingerprint": fingerprint(run),
        "coverage": coverage,
        "scored": scored_text(run.scored),
        **{name: _number(scores.get(name)) for name in (*FURTHER_SCORES, *GENEVAL2_SCORES)},
        **{f"{name}_{kind}": getattr(one, kind, None) for name, one in counts for kind in ("scored", "expected")},
        **_bounds(score_intervals),
        **_bounds(intervals),
        **{f"{metric}_normalised": value for metric, value in normal.items()},
        "random_weights": run.manifest.random_weights,
        "notes": "; ".join(run.notes),
    }


def _geneval(run: RunSummary) -> tuple[dict[str, float | None], dict[str, Interval | None]]:
    """Scores by column, as far as the run has them; intervals of overall and the tags, and of GenEval 2's."""
    summary = run.geneval
    own = run.geneval2.scores if run.geneval2 else {}
    of_geneval2 = {name: own[name].interval if name in own else None for name in GENEVAL2_SCORES}
    if summary is None:
        return {name: score.value for name, score in own.items()}, dict.fromkeys(("overall", *TAGS)) | of_geneval2
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
    return scores, {"overall": summary.overall_interval, **intervals, **of_geneval2}


def _number(value: float | None) -> float:
    """NaN for None, so that a column without any value is still one of numbers."""
    return math.nan if value is None else float(value)


def _bounds(intervals: Mapping[str, Interval | None]) -> dict[str, float]:
    pairs = ((name, interval, end) for name, interval in intervals.items() for end in ("low", "high"))
    return {f"{name}_{end}": getattr(interval, end, math.nan) for name, interval, end in pairs}
