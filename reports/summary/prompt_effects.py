"""What each prompt adds to a run's headline score: enough to compare every run of a table with every other.

The difference of two runs has the variance of the sum, over prompts, of (effect in one - effect in the other)^2. So one
matrix of effects, runs by prompts, holds the paired standard errors of all pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special  # type: ignore[import-untyped]

from reports.read.prompts import prompt_identities
from reports.statistics.clusters import Floats, Layout
from reports.statistics.intervals import LEVEL, MEAN_OF_STRATA, RATIO_OF_TOTALS, linear_effects
from wire.vocabulary import TAGS

if TYPE_CHECKING:
    import pandas as pd

#: Runs that are compared with all others at once: bounds the memory, 40 MB for each of some arrays of 10,000 runs.
_BLOCK = 500


@dataclass(frozen=True, eq=False)
class PromptEffects:
    """The linearised headline score of one run."""

    prompts: tuple[str, ...]  #: (C,) what each prompt is recognised by in other runs
    effects: Floats  #: (C,) its effect; their squares add up to the squared standard error of the score
    degrees_of_freedom: int  #: of that error: prompts minus strata

    @classmethod
    def of_verdicts(cls, verdicts: pd.DataFrame) -> PromptEffects | None:
        """From a table of :func:`reports.read.verdicts.read_verdicts`; None unless every tag has two scored prompts."""
        known = verdicts["correct"].notna().to_numpy()
        scored = verdicts if known.all() else verdicts[known]
        identities = prompt_identities(scored)
        layout = Layout.of(identities, scored["tag"].tolist(), order=TAGS)
        clusters = layout.clusters(scored["correct"].to_numpy(dtype="float64"))
        if len(clusters.strata) < len(TAGS) or not clusters.estimable():
            return None
        effects = linear_effects(clusters, MEAN_OF_STRATA)
        prompts = tuple(identity for _, identity in layout.prompts)
        return cls(prompts, effects, len(prompts) - len(TAGS))

    @classmethod
    def of_means(cls, prompts: Sequence[str], means: Sequence[float]) -> PromptEffects | None:
        """Of a mean over prompts, (C,) prompts and their means; None below two."""
        layout = Layout.of(prompts, [""] * len(prompts))
        if len(layout.prompts) < 2:
            return None
        effects = linear_effects(layout.clusters(means), RATIO_OF_TOTALS)
        return cls(tuple(identity for _, identity in layout.prompts), effects, len(layout.prompts) - 1)


def ranks(scores: Sequence[float], effects: Sequence[PromptEffects]) -> list[int]:
    """1 + the number of runs that are shown to be better: by a paired t test of the score, two-sided, p < 0.05.

    Runs that cannot be told apart share a rank, or lie closer in rank than in place. Each pair is tested by itself: no
    correction for their number is made.
    ``scores``: (R,) headline scores.
    ``effects``: (R,) of the same runs.
    """
    values = np.asarray(scores, dtype=np.float64)
    # (R, P) over all prompts that any run has; a prompt that a run lacks has no effect on it.
    column = {prompt: place for place, prompt in enumerate(dict.fromkeys(p for one in effects for p in one.prompts))}
    matrix = np.zeros((len(effects), len(column)))
    for row, one in enumerate(effects):
        matrix[row, [column[prompt] for prompt in one.prompts]] = one.effects
    factors = special.stdtrit([one.degrees_of_freedom for one in effects], (1.0 + LEVEL) / 2.0)
    variances = np.einsum("rp,rp->r", matrix, matrix)
    found: list[int] = []
    for start in range(0, len(values), _BLOCK):
        block = slice(start, start + _BLOCK)
        squares = variances[:, None] + variances[None, block] - 2.0 * (matrix @ matrix[block].T)
        errors = np.sqrt(np.maximum(squares, 0.0))
        # A pair has the fewer degrees of freedom of its two runs, and so the larger quantile.
        factor = np.maximum(factors[:, None], factors[None, block])
        # Rounding in the covariance must not part two runs that are alike.
        better = values[:, None] - values[None, block] > factor * errors + 1e-9
        found += (better.sum(axis=0) + 1).tolist()
    return found
