"""Intraclass correlation: how alike the images of one prompt are, beyond what their tag explains."""

from __future__ import annotations

from reports.statistics.clusters import Clusters


def intraclass_correlation(clusters: Clusters) -> float | None:
    """ANOVA estimator of the correlation of two images of one prompt, pooled within strata.

    rho = (MSB - MSW) / (MSB + (n0 - 1) MSW), with MSB the mean square between prompts of a stratum, MSW within
    prompts, and n0 the effective number of images a prompt (Donner 1986, Int. Stat. Review 54:67-82). It can be
    slightly negative by chance.

    Returns:
        None where it is not defined: one image a prompt, or no variation at all.
    """
    between_df = float((clusters.sizes - 1).sum())
    within_df = float((clusters.counts - 1).sum())
    if between_df <= 0 or within_df <= 0:
        return None
    sums, counts = clusters.totals()
    prompt_squares = clusters.sums**2 / clusters.counts
    mean_between = (prompt_squares.sum() - (sums**2 / counts).sum()) / between_df
    mean_within = (clusters.squares.sum() - prompt_squares.sum()) / within_df
    unevenness = (clusters.per_stratum(clusters.counts**2) / counts).sum()
    images_a_prompt = (counts.sum() - unevenness) / between_df
    spread = mean_between + (images_a_prompt - 1.0) * mean_within
    return float((mean_between - mean_within) / spread) if spread > 0 else None
