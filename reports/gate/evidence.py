"""What the data say about a drop: two one-sided tests of the paired difference.

The test of :mod:`reports.statistics.paired`, shifted: t = (difference + amount) / standard error, with prompts minus
strata degrees of freedom.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special  # type: ignore[import-untyped]

from harness.vocabulary import TAGS
from reports.comparison import ComparedMetric


@dataclass(frozen=True)
class Evidence:
    """A paired difference, candidate minus baseline, as far as a judgement needs it.

    Attributes:
        difference: in the metric's unit.
        standard_error: cluster-robust; 0 where every prompt differs alike.
        prompts: that have a pair.
        freedom: degrees of freedom of the standard error.
        flips_p_value: two-sided, of flipping signs; it stands in where the standard error is 0.
    """

    difference: float
    standard_error: float
    prompts: int
    freedom: int
    flips_p_value: float = 1.0

    @classmethod
    def of(cls, line: ComparedMetric) -> Evidence:
        """From a line of a comparison; of strata there are six at most, which errs on the side of wide bounds."""
        paired = line.paired
        strata = 1 if line.metric in TAGS else len(TAGS)
        error = paired.interval.standard_error if paired.interval else 0.0
        return cls(paired.difference, error, paired.prompts, max(1, paired.prompts - strata), paired.p_value)

    def shows_drop_beyond(self, amount: float) -> float:
        """P value of "the true drop is at most ``amount``": small where a larger drop is shown."""
        if self.standard_error > 0.0:
            return float(special.stdtr(self.freedom, (self.difference + amount) / self.standard_error))
        return self.flips_p_value / 2.0 if self.difference < -amount else 1.0

    def excludes_drop_beyond(self, amount: float) -> float:
        """P value of "the true drop is ``amount`` or more": small where such a drop can be excluded.

        Runs that agree on every prompt exclude any: nothing was seen to vary that another prompt could vary more.
        """
        if self.standard_error > 0.0:
            return float(special.stdtr(self.freedom, -(self.difference + amount) / self.standard_error))
        return 0.0 if self.difference >= -amount else 1.0

    def drop_bound(self, level: float) -> float:
        """The largest drop that cannot be excluded at the level; negative where there is a sure gain."""
        return float(special.stdtrit(self.freedom, 1.0 - level)) * self.standard_error - self.difference

    def prompts_to_settle(self, margin: float, tolerated: float, level: float) -> int | None:
        """How many prompts of the same kind and samples would settle the question, the difference staying as it is.

        Either a drop beyond the margin can then be excluded, or one beyond what is tolerated is shown: whichever needs
        fewer. None where no number would do.
        """
        gaps = (self.difference + margin, -(self.difference + tolerated))
        gap = max(gaps)
        if gap <= 0.0:
            return None
        quantile = float(special.stdtrit(self.freedom, 1.0 - level))
        return math.ceil(self.prompts * (quantile * self.standard_error / gap) ** 2)
