"""Simulated pairs of sweeps whose truth is known: what the gate's error rates and power are measured on.

GenEval's 553 prompts in their tags, four images each. A prompt's chance of a correct image is beta distributed about
its tag's accuracy, so that its images correlate as asked; four fifths of the prompts, if nothing else is said, are as
hard for the candidate as for the baseline, the others anew. A true drop lowers the expected accuracy of every tag, and
so the overall score, by that much.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from reports.gate.decision import Judgement, Measured, judge
from reports.gate.evidence import Evidence
from reports.gate.policy import Policy
from reports.read.suite import PROMPTS_PER_TAG
from reports.statistics.clusters import Clusters, Floats
from reports.statistics.intervals import MEAN_OF_STRATA, RATIO_OF_TOTALS, Estimator
from reports.statistics.paired import moments
from wire.stratified import stratified_order
from wire.vocabulary import TAGS

SIZES = np.array(list(PROMPTS_PER_TAG.values()))
#: Tag accuracies like those of a typical model, one of them near 1.
ACCURACIES = np.array([0.97, 0.7, 0.5, 0.8, 0.15, 0.3])
SAMPLES = 4
SHARED = 0.8


def simulated_differences(
    generator: np.random.Generator, correlation: float, drop: float, alike: float = SHARED
) -> Clusters:
    """Candidate minus baseline of one pair of sweeps.

    Args:
        correlation: of the verdicts of one prompt's images.
        drop: by how much the candidate's expected accuracy is lower in every tag; at most the smallest accuracy.
        alike: share of the prompts that are as hard for both runs.
    """
    shared = _chances(generator, correlation)
    first, second = (_mixed(generator, shared, _chances(generator, correlation), alike) for _ in range(2))
    worse = second * (1.0 - drop / np.repeat(ACCURACIES, SIZES))
    differences = _correct(generator, worse) - _correct(generator, first)
    return Clusters(TAGS, SIZES, np.full(differences.size, SAMPLES), differences, differences**2)


def _chances(generator: np.random.Generator, correlation: float) -> Floats:
    expected = np.repeat(ACCURACIES, SIZES)
    strength = (1.0 - correlation) / correlation
    return generator.beta(expected * strength, (1.0 - expected) * strength)


def _mixed(generator: np.random.Generator, shared: Floats, own: Floats, alike: float) -> Floats:
    return np.where(generator.random(shared.size) < alike, shared, own)


def _correct(generator: np.random.Generator, chances: Floats) -> Floats:
    return generator.binomial(SAMPLES, chances).astype(np.float64)


@cache
def prompts_at_look(prompts: int) -> tuple[int, ...]:
    """How many prompts of each tag are among the first so many."""
    tags = [(tag, str(place)) for tag, size in PROMPTS_PER_TAG.items() for place in range(size)]
    found = Counter(tags[place][0] for place in stratified_order(tags)[:prompts])
    return tuple(found[tag] for tag in TAGS)


def beginning(differences: Clusters, prompts: Sequence[int]) -> Clusters:
    """The first so many prompts of each tag: which they are does not matter, for simulated prompts are all alike."""
    parts = [slice(bound.start, bound.start + size) for bound, size in zip(differences.bounds, prompts, strict=True)]
    counts, sums, squares = (
        np.concatenate([values[part] for part in parts])
        for values in (differences.counts, differences.sums, differences.squares)
    )
    return Clusters(TAGS, np.array(prompts), counts, sums, squares)


def evidence(differences: Clusters) -> dict[str, Evidence]:
    """What there is to judge of one pair of sweeps: overall, then the tags."""
    tags = {tag: tag_evidence(differences.only(tag)) for tag in TAGS}
    return {"overall": _evidence(differences, MEAN_OF_STRATA), **tags}


def tag_evidence(differences: Clusters) -> Evidence:
    """Likewise of the prompts of one tag alone."""
    return _evidence(differences, RATIO_OF_TOTALS)


def _evidence(differences: Clusters, estimator: Estimator) -> Evidence:
    difference = float(estimator.value(*differences.totals()))
    shape = moments(differences, estimator)
    return Evidence.from_moments(difference, int(differences.sizes.sum()), shape, bound=1.0)


def judged(found: Mapping[str, Evidence], policy: Policy, *, interim: bool = False) -> list[Judgement]:
    """The judgements of what there is."""
    lines = [Measured(metric, one.difference, one, coverage=1.0) for metric, one in found.items()]
    return judge(lines, policy, interim=interim)
