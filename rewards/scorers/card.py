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
