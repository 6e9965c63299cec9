"""What a metric is, as data: docs, tables and the manifest are made from these cards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rewards.flops import Cost
from rewards.memory import Network
from wire.cards import MetricCard

#: Revision of a hub repository whose commit has not been pinned: the repository's main branch is used.
UNPINNED = "unpinned"
#: Of a file published by address: its digest stands there, for it may serve other stages too.
LISTED = "as envs/weights.toml pins it"


@dataclass(frozen=True)
class Weight:
    """One published file, or one set of files, that a metric computes with."""

    source: str  #: hub repository id, or the key of the job's ``files`` for a file published by address
    file: str  #: file name; several formats of one model are separated by ``|``
    revision: str = UNPINNED  #: full commit hash, :data:`UNPINNED`, or :data:`LISTED`
    sha256: str | None = None  #: digest of the file, or None where its publisher's file has not been seen
    #: About how many bytes of the machine's memory, not the GPU's, it takes while it is loaded; 0 for little.
    loading: int = 0

    def __str__(self) -> str:
        digest = f", sha256 {self.sha256}" if self.sha256 else ""
        pinned = "" if self.sha256 and self.revision == UNPINNED else f", revision {self.revision}"
        return f"{self.source} ({self.file}{pinned}{digest})"


@dataclass(frozen=True)
class Tolerance:
    """How far a score may lie from one computed elsewhere with the same weights, by precision.

    ``reference`` allows for another processor's order of sums: ten times what implementations on one machine differ
    by (cosines 1e-6, aesthetic 1e-5, ImageReward 1e-4). ``fast`` is the error of half precision against float32.
    """

    reference: float = 1e-5  #: for the authors' number format
    fast: float = 5e-3  #: for bf16
    relative: bool = False  #: both are fractions of the score, not absolute

    def of(self, precision: str, score: float) -> float:
        """The largest difference allowed from ``score``."""
        allowed = self.fast if precision == "fast" else self.reference
        return allowed * abs(score) if self.relative else allowed

    def __str__(self) -> str:
        unit = " of the score" if self.relative else ""
        return f"{self.reference:g} (reference), {self.fast:g} (fast){unit}"


@dataclass(frozen=True, kw_only=True)
class SpecCard(MetricCard):
    """Specification of one metric: every fact about it, those that tell how to read its numbers first."""

    higher_is_better: bool
    preprocessing: str  #: how image and prompt become model input
    reference_dtype: str  #: number format of ``reference`` precision, the authors' own
    weights: tuple[Weight, ...]  #: everything that is loaded
    licence: str  #: of the weights
    tolerance: Tolerance = Tolerance()  #: how far machines and precisions may differ
    network: Network | None = None  #: what needs most memory of it; None where that is not known
    #: Its arithmetic, from the length of a prompt in tokens; None where that is not known.
    cost: Callable[[int], Cost] | None = None
    #: The environment that its code runs in, a folder under ``envs/``; for a user's own scorer also a folder of the
    #: user's: absolute, or from the scorer's file on.
    env: str = "rewards"
    #: What else decides its numbers, in JSON's types; outside ``rewards`` it is part of their fingerprint.
    decides: Mapping[str, Any] = field(default_factory=dict)

    def describe(self, fast_measured: str | None = None) -> str:
        """The card as text: the id, then a line for each property.
        ``fast_measured``: by how much ``fast`` was seen to differ from ``reference``, and where.
        """
        lines = {"title": self.title} if self.title else {}
        lines |= {
            "definition": self.definition,
            "scale": self.scale,
            **({"taken over": "all samples of a prompt"} if self.over_samples else {}),
            "range": self.bounds,
            "direction": self.direction,
            "in MIRO's data": self.miro_normalised,
            "preprocessing": self.preprocessing,
            "environment": self.env,
            "reference precision": f"{self.reference_dtype}, the default: the authors' own format, or a finer one",
            "differs by at most": str(self.tolerance),
        }
        lines |= {"fast, measured": fast_measured} if fast_measured else {}
        lines |= {f"weights {number}": str(weight) for number, weight in enumerate(self.weights, start=1)}
        lines |= {"licence": self.licence, "source": self.source}
        return "\n".join([self.metric, *(f"  {name + ':':21}{text}" for name, text in lines.items())])
