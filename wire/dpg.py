"""How DPG-Bench (Hu et al. 2024, arXiv 2403.05135) counts answers about one image: for judge and reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def image_score(yes: Mapping[int, bool], depends: Mapping[int, Sequence[int]]) -> float:
    """Share of questions answered yes, from 0 to 1, where all that they rest on count as well.

    ``yes`` and ``depends`` are by a question's number, in the file's order: one that fails by another fails those
    behind it that rest on it. One that is not there is passed over. As ``compute_dpg_one_sample`` in the authors'
    ``compute_dpg_bench.py``.
    """
    counts = dict(yes)
    for number in counts:
        counts[number] = counts[number] and all(counts.get(parent, True) for parent in depends[number])
    return sum(counts.values()) / len(counts)
