"""What a metric is, as data: docs, tables and the manifest are made from these cards."""

from __future__ import annotations

from dataclasses import dataclass

#: Revision of a hub repository whose commit has not been pinned: the repository's main branch is used.
UNPINNED = "unpinned"


@dataclass(frozen=True)
class Weight:
    """One published file, or one set of files, that a metric computes with.

    Attributes:
        source: hub repository id, or the key of the job's ``files`` for a file published by address.
        file: file name; several formats of one model are separated by ``|``.
        revision: full commit hash, or :data:`UNPINNED`.
        sha256: digest of the file, or None where its publisher's file has not been seen.
    """

    source: str
    file: str
    revision: str = UNPINNED
    sha256: str | None = None

    def __str__(self) -> str:
        digest = f", sha256 {self.sha256}" if self.sha256 else ""
        pinned = "" if self.sha256 and self.revision == UNPINNED else f", revision {self.revision}"
        return f"{self.source} ({self.file}{pinned}{digest})"


@dataclass(frozen=True)
class Tolerance:
    """How far a score may lie from one computed elsewhere with the same weights, by precision.

    ``reference`` allows for another processor's order of sums: ten times what implementations on one machine differ
    by (cosines 1e-6, aesthetic 1e-5, ImageReward 1e-4). ``fast`` is the error of half precision against float32.

    Attributes:
        reference: for the authors' number format.
        fast: for bf16.
        relative: both are fractions of the score, not absolute.
    """

    reference: float = 1e-5
    fast: float = 5e-3
    relative: bool = False

    def of(self, precision: str, score: float) -> float:
        """The largest difference allowed from ``score``."""
        allowed = self.fast if precision == "fast" else self.reference
        return allowed * abs(score) if self.relative else allowed

    def __str__(self) -> str:
        unit = " of the score" if self.relative else ""
        return f"{self.reference:g} (reference), {self.fast:g} (fast){unit}"


@dataclass(frozen=True)
class SpecCard:
    """Specification of one metric.

    Attributes:
        metric: id; names model and version.
        definition: the formula, in words and symbols.
        scale: what the raw number is, with typical values where its authors or users state them.
        range: hard lower and upper bound of the raw number; None is unbounded.
        higher_is_better: direction.
        miro_normalised: the form in which MIRO's training data carry the reward; ``x`` is the raw number.
        preprocessing: how image and prompt become model input.
        reference_dtype: number format of ``reference`` precision, the authors' own.
        weights: everything that is loaded.
        licence: of the weights.
        source: paper and code.
        tolerance: how far machines and precisions may differ.
    """

    metric: str
    definition: str
    scale: str
    range: tuple[float | None, float | None]
    higher_is_better: bool
    miro_normalised: str
    preprocessing: str
    reference_dtype: str
    weights: tuple[Weight, ...]
    licence: str
    source: str
    tolerance: Tolerance = Tolerance()

    def describe(self, fast_measured: str | None = None) -> str:
        """The card as text: the id, then a line for each property.

        Args:
            fast_measured: by how much ``fast`` was seen to differ from ``reference``, and where.
        """
        low, high = ("unbounded" if bound is None else f"{bound:g}" for bound in self.range)
        lines = {
            "definition": self.definition,
            "scale": self.scale,
            "range": low if low == high else f"{low} to {high}",
            "direction": "higher is better" if self.higher_is_better else "lower is better",
            "in MIRO's data": self.miro_normalised,
            "preprocessing": self.preprocessing,
            "reference precision": f"{self.reference_dtype}, the default: the authors' own format, or a finer one",
            "differs by at most": str(self.tolerance),
        }
        lines |= {"fast, measured": fast_measured} if fast_measured else {}
        lines |= {f"weights {number}": str(weight) for number, weight in enumerate(self.weights, start=1)}
        lines |= {"licence": self.licence, "source": self.source}
        return "\n".join([self.metric, *(f"  {name + ':':21}{text}" for name, text in lines.items())])
