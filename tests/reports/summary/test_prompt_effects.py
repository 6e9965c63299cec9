from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from reports.compare.comparison import compare
from reports.leaderboard.table import make_leaderboard
from reports.read.runs import read_run
from reports.read.verdicts import read_verdicts
from reports.statistics.paired import PairedDifference
from reports.summary.prompt_effects import PromptEffects, ranks
from reports.summary.run_summary import summarise_run
from tests.reports.builders import SMALL, sweep, verdict, write_rows
from wire.vocabulary import TAGS

PROMPTS = tuple(f"{tag}\t{place}" for tag in TAGS for place in range(20))


def effects(values: np.ndarray) -> PromptEffects:
    return PromptEffects(PROMPTS, values, len(PROMPTS) - len(TAGS))


def test_errors_are_those_of_the_paired_comparison(tmp_path: Path) -> None:
    first = write_rows(tmp_path / "a.jsonl", sweep(SMALL))
    second = write_rows(tmp_path / "b.jsonl", sweep(SMALL | {"colors": (3, 8), "counting": (8, 8)}))
    left, right = (PromptEffects.of_verdicts(read_verdicts(path)) for path in (first, second))
    assert left is not None
    assert right is not None
    paired: PairedDifference = compare(read_run(first), read_run(second)).metrics[0].paired
    assert paired.interval is not None
    assert np.sqrt(((left.effects - right.effects) ** 2).sum()) == pytest.approx(paired.interval.standard_error)


def test_ties_are_pairwise() -> None:
    """The middle run cannot be told from either neighbour; the outer two can be told apart."""
    noise = np.random.default_rng(0).normal(0.0, 0.002, size=(3, len(PROMPTS)))
    runs = [effects(row) for row in noise]
    error = float(np.sqrt(((noise[0] - noise[1]) ** 2).sum()))
    assert ranks([0.5 + 1.5 * error, 0.5, 0.5 - 1.5 * error], runs) == [1, 1, 2]
    assert ranks([0.5, 0.5 + 5 * error, 0.5 - 5 * error], runs) == [2, 1, 3]


def test_shared_difficulty_cancels() -> None:
    shared = np.random.default_rng(0).normal(0.0, 0.01, size=len(PROMPTS))
    apart = np.random.default_rng(1).normal(0.0, 0.01, size=len(PROMPTS))
    assert ranks([0.52, 0.50], [effects(shared), effects(shared * 0.99)]) == [1, 2]
    assert ranks([0.52, 0.50], [effects(shared), effects(apart)]) == [1, 1]


def test_too_few_prompts(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.jsonl", sweep(SMALL | {"colors": (2, 4)}))
    assert PromptEffects.of_verdicts(read_verdicts(path)) is None


def test_ranks_of_many_runs_are_those_of_all_pairs() -> None:
    random = np.random.default_rng(3)
    runs = [effects(random.normal(0.0, 0.002, size=len(PROMPTS))) for _ in range(1203)]
    scores = random.normal(0.5, 0.02, size=1203)
    error = np.array([[np.sqrt(((a.effects - b.effects) ** 2).sum()) for b in runs[:40]] for a in runs])
    factor = stats.t.ppf(0.975, runs[0].degrees_of_freedom)
    better = (scores[:, None] - scores[None, :40]) > factor * error
    assert ranks(list(scores), runs)[:40] == [int(count) + 1 for count in better.sum(axis=0)]


def test_ranks_differ_where_the_pair_s_own_uncorrected_p_value_says_so(tmp_path: Path) -> None:
    """A leaderboard of two and ``compare`` ask one question; p values on both sides of 0.05 are looked at."""
    chance, found = random.Random(5), []
    for place in range(20):
        shift = 0.08 * (place % 5)
        sides = []
        for name, share in (("a", 0.5), ("b", 0.5 + shift)):
            rows = [
                verdict(10 * number + prompt, sample, tag, chance.random() < share)
                for number, tag in enumerate(TAGS)
                for prompt in range(8)
                for sample in range(2)
            ]
            sides.append(read_run(write_rows(tmp_path / str(place) / f"{name}.jsonl", rows)))
        summaries = [summarise_run(run) for run in sides]
        board = make_leaderboard(summaries, notes=())
        line = compare(*sides).metrics[0]
        assert (set(board.frame["rank"]) == {1, 2}) == (line.paired.p_value < 0.05)
        found.append(line.paired.p_value < 0.05)
    assert 4 <= sum(found) <= 16
