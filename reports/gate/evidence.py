"""What the data say about a drop: two one-sided tests of a paired difference, made for small and lopsided samples.

t = (difference + amount) / standard error, over prompts. A plain t test is too sure where few prompts differ, or where
those that do lie to one side: it would let pass a drop of just the margin up to twice as often as it says. So

- degrees of freedom are the effective ones, see :class:`reports.statistics.paired.Moments`;
- skewness is taken out by Hall's transformation (1992, J. R. Statist. Soc. B 54:221-228), g(t) = t + s t^2 / 3 +
  s^2 t^3 / 27 + s / 6, where that makes the test more cautious, for skewness is underestimated in small samples;
- what was not seen is allowed for: see :meth:`Evidence.excludes_drop_beyond` and :meth:`Evidence.shows_drop_beyond`;
- a tenth of the level is kept in reserve for what all this leaves (``docs/gate.md`` has the simulations).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from scipy import special  # type: ignore[import-untyped]

from reports.compare.comparison import ComparedMetric
from reports.statistics.paired import Moments
from wire.vocabulary import GENEVAL2_SCORES, TAGS

#: Metrics whose values are from 0 to so much.
BOUNDED: dict[str, float] = dict.fromkeys(("overall", *TAGS), 1.0) | dict.fromkeys(GENEVAL2_SCORES, 100.0)
#: Tests are made at this share of the level: at the whole level they err in up to 5.4 % of simulated cases for 5 %.
RESERVE = 0.9


@dataclass(frozen=True)
class Evidence:
    """A paired difference, candidate minus baseline, as far as a judgement needs it.

    Attributes:
        difference: in the metric's unit; positive where the candidate is better.
        standard_error: cluster-robust; 0 where every prompt differs alike; its degrees of freedom are effective ones.
        prompts: that have a pair; ``discordant_prompts`` are those whose runs differ.
        weight: one prompt moves the difference by 1 / weight at most; None where a prompt's value is not bounded.
        within: share of the squared error that more images per prompt would lessen; None where that is not known.
        share: of the level, which this look at the data may use; 1 where the data are looked at once.
        lower: lower is better: the difference is baseline minus candidate, and what is called a drop here is a rise.
        widest: no drop can be larger: 1 of a share.
    """

    difference: float
    standard_error: float
    prompts: int
    degrees_of_freedom: float
    skewness: float = 0.0
    discordant_prompts: int = 1000
    weight: float | None = None
    samples: float = 1.0
    within: float | None = None
    share: float = 1.0
    earlier: tuple[Evidence, ...] = ()
    lower: bool = False
    widest: float = math.inf

    @classmethod
    def of(cls, line: ComparedMetric, lower: bool = False) -> Evidence:
        """From a line of a comparison; rewards are not bounded, other metrics are. ``lower``: lower is better."""
        paired, bound = line.paired, BOUNDED.get(line.metric, math.inf)
        evidence = cls.from_moments(paired.difference, paired.prompts, paired.moments, bound)
        evidence = replace(evidence, samples=paired.images / paired.prompts, widest=line.widest)
        return evidence.turned() if lower else evidence

    @classmethod
    def from_moments(cls, difference: float, prompts: int, moments: Moments, bound: float) -> Evidence:
        """Evidence of a difference whose error has these moments; a prompt's value is from 0 to ``bound``."""
        return cls(
            difference=difference,
            standard_error=moments.standard_error,
            prompts=prompts,
            degrees_of_freedom=moments.degrees_of_freedom,
            skewness=moments.skewness,
            discordant_prompts=moments.discordant_prompts,
            weight=None if bound == math.inf else moments.weight / bound,
            within=moments.within,
        )

    @property
    def worse(self) -> str:
        """What a change for the worse is called."""
        return "rise" if self.lower else "drop"

    def turned(self) -> Evidence:
        """The same of a metric that is better when lower."""
        return replace(self, difference=-self.difference, skewness=-self.skewness, lower=not self.lower)

    def shows_drop_beyond(self, amount: float) -> float:
        """P value of "the true drop is at most ``amount``": small where a larger drop is shown.

        Never below 2^-m for the m prompts that differ: so often all go down where up and down are equally likely.
        """
        return self._over_looks(lambda look: look._shows(amount))

    def excludes_drop_beyond(self, amount: float) -> float:
        """P value of "the true drop is ``amount`` or more": small where such a drop can be excluded.

        Of a metric whose values are bounded, prompts of a kind that was not met may lose all they have. A kind that is
        a share q of all prompts is not met among K with probability (1 - q)^K < exp(-q K), so the p value is no less
        than that, for the q that would make the drop ``amount``.
        """
        return 0.0 if amount > self.widest else self._over_looks(lambda look: look._excludes(amount))

    def drop_bound(self, level: float) -> float:
        """The largest drop that there can be and that is not excluded at the level; negative where a gain is sure."""
        return min(self.widest, *(look._bound(RESERVE * level * look.share) for look in (*self.earlier, self)))

    def grown(self, prompts: float = 1.0, samples: float = 1.0) -> Evidence:
        """What may be expected of so many times the prompts or images per prompt, if the difference stays the same."""
        within = self.within or 0.0
        error = self.standard_error * math.sqrt((1.0 - within + within / samples) / prompts)
        return replace(
            self,
            standard_error=error,
            prompts=round(self.prompts * prompts),
            degrees_of_freedom=self.degrees_of_freedom * prompts,
            skewness=self.skewness / math.sqrt(prompts),
            discordant_prompts=math.ceil(self.discordant_prompts * prompts),
            weight=None if self.weight is None else self.weight * prompts,
            samples=self.samples * samples,
        )

    def _over_looks(self, p_value: Callable[[Evidence], float]) -> float:
        """Bonferroni over looks: a look with the share w of the level multiplies its p value by 1 / w."""
        return min(1.0, *(p_value(look) / (RESERVE * look.share) for look in (*self.earlier, self)))

    def _shows(self, amount: float) -> float:
        least = 2.0 ** -min(self.discordant_prompts, 1000)
        if self.standard_error <= 0.0:
            return least if self.difference < -amount else 1.0
        t = (self.difference + amount) / self.standard_error
        return max(least, float(special.stdtr(self.degrees_of_freedom, max(t, _unskewed(t, self.skewness)))))

    def _excludes(self, amount: float) -> float:
        gap = self.difference + amount
        unmet = 0.0 if self.weight is None else math.exp(-max(0.0, gap) * self.weight)
        if self.standard_error <= 0.0:
            return unmet if gap >= 0.0 else 1.0
        t = gap / self.standard_error
        return max(unmet, float(special.stdtr(self.degrees_of_freedom, -min(t, _unskewed(t, self.skewness)))))

    def _bound(self, level: float) -> float:
        unmet = 0.0 if self.weight is None else -math.log(level) / self.weight
        quantile = float(special.stdtrit(self.degrees_of_freedom, 1.0 - level))
        t = max(quantile, _skewed(quantile, self.skewness))
        return max(unmet, t * self.standard_error) - self.difference


def bound_text(level: float) -> str:
    """What kind of a bound :meth:`Evidence.drop_bound` is, in words: of one metric by itself."""
    return f"one-sided {100.0 * (1.0 - level):g} % bound, not corrected"


def _unskewed(t: float, skewness: float) -> float:
    """Hall's transformation: what a t of this skewness is worth without it."""
    return t + skewness * t**2 / 3.0 + skewness**2 * t**3 / 27.0 + skewness / 6.0


def _skewed(value: float, skewness: float) -> float:
    """The inverse of :func:`_unskewed`."""
    if abs(skewness) < 1e-6:
        return value
    return 3.0 / skewness * (math.cbrt(1.0 + skewness * (value - skewness / 6.0)) - 1.0)
