from __future__ import annotations

import csv
import json

import pytest

from reports.paper.printed import (
    TABLES,
    exact_counts,
    footnotes,
    printed_table,
    published_speedups,
    read_data,
)
from reports.read.suite import PROMPTS_PER_TAG
from reports.statistics.crossing import first_crossing, speedup
from reports.summary.numbers import mean_of_proportions
from tests.shared_data import shared
from wire.errors import UserError
from wire.vocabulary import TAGS

MODELS = (
    *("Image Reward", "HPSv2", "Aesthetic", "SciScore", "CLIP", "VQA", "Pick"),
    *("Baseline", "MIRO", "Synth Baseline", "Synth MIRO"),
)


@pytest.mark.parametrize("model", MODELS)
def test_the_printed_overall_comes_out_of_the_counts(model: str) -> None:
    overall = mean_of_proportions(exact_counts()[model].values())
    assert overall is not None
    assert round(100 * overall) == printed_table("table1").row(model).values["overall"]


@pytest.mark.parametrize("model", MODELS)
def test_the_printed_tags_come_out_of_the_counts_but_one(model: str) -> None:
    """Within half a point; halves may round either way, and Aesthetic's colors is the known exception."""
    row = printed_table("table1").row(model)
    for tag in TAGS:
        exact = 100 * exact_counts()[model][tag].fraction
        if (model, tag) != ("Aesthetic", "colors"):
            assert abs(exact - row.values[tag]) <= 0.5
    assert round(100 * float(exact_counts()["Aesthetic"]["colors"].fraction), 3) == 41.489


def test_counts_are_of_whole_sweeps() -> None:
    assert set(exact_counts()) == set(MODELS)
    for counts in exact_counts().values():
        assert {tag: count.total for tag, count in counts.items()} == {tag: 4 * n for tag, n in PROMPTS_PER_TAG.items()}


def test_speedups_by_interpolation() -> None:
    found = {metric: round(factor, 2) for metric, factor in published_speedups().items()}
    assert found == {"aesthetic": 19.11, "hpsv2.1": 6.30, "pick_score": 3.54, "image_reward": 3.46}


def test_crossings() -> None:
    assert first_crossing([10, 20, 40], [0.0, 1.0, 3.0], 2.0) == 30.0
    assert first_crossing([10, 20], [0.0, 1.0], 2.0) is None
    assert first_crossing([10, 20], [5.0, 6.0], 2.0) == 10.0
    assert speedup([10, 20], [0.0, 1.0], [0.0, 2.0]) == pytest.approx(20 / 15)
    assert speedup([10, 20], [0.0, 9.0], [0.0, 2.0]) is None


@pytest.mark.parametrize("key", TABLES)
def test_the_tables_are_the_published_ones(key: str) -> None:
    names = {"overall": "geneval_overall", "hpsv2.1": "hpsv2"}
    with shared(f"facts/miro_paper_{key}.csv").open() as file:
        published = list(csv.DictReader(file))
    table = printed_table(key)
    assert [row.name for row in table.rows] == [row["model"] for row in published]
    for row, source in zip(table.rows, published, strict=True):
        assert row.values == {column: float(source[names.get(column, column)]) for column in table.decimals}


def test_the_points_are_the_published_ones() -> None:
    figures = json.loads(shared("facts/miro_paper_figures.json").read_text())
    ours = read_data("figures")
    for theirs, metric in (("aesthetic", "aesthetic"), ("imagereward", "image_reward"), ("pick", "pick_score")):
        curve = figures["training_curves"][theirs]["miro"]
        assert ours["training"]["metrics"][metric]["miro"] == pytest.approx([value for _, value in curve], rel=1e-6)
        assert ours["best_of_n"]["metrics"][metric]["miro"] == figures["best_of_n"][theirs]["miro"]
    assert ours["aesthetic_weight"]["geneval"] == figures["aesthetic_weight_sweep"]["dual"]["geneval"]


def test_footnotes_name_rows_and_columns_that_exist() -> None:
    for key in TABLES:
        table = printed_table(key)
        for note in footnotes(key):
            assert set(note.columns) <= set(table.decimals)
            assert set(note.rows) <= {row.name for row in table.rows}
    assert len(footnotes("figures")) == 3


def test_unknown_names() -> None:
    with pytest.raises(UserError, match="known are table1, table3"):
        printed_table("table2")
    with pytest.raises(UserError, match="no row 'nobody'"):
        printed_table("table1").row("nobody")
