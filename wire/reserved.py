"""Names that no metric can have, for they are columns and keys of the files in which metrics stand.

``tests/reports/test_reserved.py`` holds the list against what the writers write. Standard library only: the stages
refuse these names, reports show foreign metrics under others.
"""

from __future__ import annotations

from wire.vocabulary import GENEVAL2_SCORES, TAGS

#: Keys of a row of rewards that are about its image, whatever they hold.
ROW_KEYS = frozenset({"filename", "prompt", "prompt_index", "sample_index", "image_sha256", "unscored", "details"})
#: What else rows say of an image in words; a number under one of them is a metric, under an unfit name.
ROW_WORDS = frozenset({"tag", "metadata", "status", "error", "seed"})
_VERDICTS = ("correct", "reason", "detector", "colors", "masks")
_CELLS = ("metric", "value")
_LEADERBOARD = (
    *("model", "overall", *TAGS, "images", "prompts", "rank", "group", "protocol", "suite", "fingerprint", "coverage"),
    *("samples_per_prompt", "pooled", "scored", "any_of_n", "all_of_n", "intraclass_correlation", "random_weights"),
    *("notes", *GENEVAL2_SCORES),
)
_TABLES = ("prompt_key", "unscored_rewards", "judged", "geneval")
_BASELINES = ("key", "samples", "files")
_POLICY = ("tags", "rewards", "geneval2_skills", "geneval2_atoms")
RESERVED = frozenset((*ROW_KEYS, *ROW_WORDS, *_VERDICTS, *_CELLS, *_LEADERBOARD, *_TABLES, *_BASELINES, *_POLICY))
#: What columns beside a metric's own end with: bounds, normal form, the other side of a join, counts of images.
SUFFIXES = ("_low", "_high", "_normalised", "_of_rewards", "_scored", "_expected")
#: What stands before the name of a metric that has one of ours.
PREFIX = "rewards."


def shown_name(metric: str) -> str:
    """The name under which a metric is shown everywhere: its own, or ``rewards.overall`` for ``overall``.

    Once more for every suffix, so that ``overall_low`` is no bound of ``rewards.overall``.
    """
    base, clashes = metric, 0
    while suffix := next((one for one in SUFFIXES if base.endswith(one)), ""):
        base, clashes = base.removesuffix(suffix), clashes + 1
    clashes += base in RESERVED
    return metric if metric.startswith(PREFIX) else PREFIX * clashes + metric


def is_reserved(metric: str) -> bool:
    """Whether a new metric cannot be called so."""
    return metric.startswith(PREFIX) or shown_name(metric) != metric
