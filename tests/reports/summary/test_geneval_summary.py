from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from reports.read.verdicts import read_verdicts
from reports.summary.coverage import Suite
from reports.summary.geneval_summary import GenevalSummary, summarise_geneval
from tests.reports.builders import SMALL, official_prompts, sweep, unscored, verdict, write_rows
from tests.shared_data import shared
from wire.vocabulary import TAGS


def summarise(tmp_path: Path, rows: list[dict[str, Any]]) -> GenevalSummary:
    return summarise_geneval(read_verdicts(write_rows(tmp_path / "results.jsonl", rows)))


def test_a_real_published_file() -> None:
    summary = summarise_geneval(read_verdicts(shared("data/geneval/genediteval_results.jsonl")))
    counts = {tag: (accuracy.images.correct, accuracy.images.total) for tag, accuracy in summary.tags.items()}
    assert counts == {
        "single_object": (316, 320),
        "two_object": (297, 396),
        "counting": (146, 320),
        "colors": (333, 376),
        "position": (49, 400),
        "color_attr": (97, 400),
    }
    assert summary.overall == float(sum(Fraction(*count) for count in counts.values()) / 6)
    assert round(summary.overall, 5) == 0.57406
    assert round(summary.pooled.images.value or 0, 5) == 0.55967
    assert summary.coverage.text == "553 of 553 prompts"
    assert summary.coverage.suite is Suite.GENEVAL
    assert summary.coverage.all_prompts
    assert (summary.coverage.images, summary.coverage.samples_per_prompt, summary.unscored) == (2212, 4, 0)
    assert summary.pooled.any_correct.total == summary.pooled.all_correct.total == 553


def test_overall_is_the_unweighted_mean_of_tags(tmp_path: Path) -> None:
    summary = summarise(tmp_path, sweep(SMALL))
    assert summary.overall == (7 + 5 + 3 + 6 + 1 + 2) / 48
    uneven = summarise(tmp_path, sweep(SMALL | {"position": (0, 40)}))
    assert uneven.overall == float(Fraction(7 + 5 + 3 + 6 + 0 + 2, 48))
    assert uneven.pooled.images.fraction == Fraction(23, 80)


def test_any_and_all_of_n(tmp_path: Path) -> None:
    verdicts = {0: [True, False], 1: [True, True], 2: [False, False]}
    rows = [
        verdict(prompt, sample, "colors", correct)
        for prompt, samples in verdicts.items()
        for sample, correct in enumerate(samples)
    ]
    colors = summarise(tmp_path, [*rows, unscored(1, 2, "colors")]).tags["colors"]
    assert (colors.any_correct.correct, colors.any_correct.total) == (2, 3)
    assert (colors.all_correct.correct, colors.all_correct.total) == (1, 3)


@pytest.mark.parametrize("place", [0, 17, 47])
def test_a_flipped_verdict_changes_its_tag_alone(tmp_path: Path, place: int) -> None:
    rows = sweep(SMALL)
    before = summarise(tmp_path, rows)
    tag = rows[place]["tag"]
    rows[place]["correct"] = not rows[place]["correct"]
    after = summarise(tmp_path, rows)
    assert [name for name in TAGS if before.tags[name] != after.tags[name]] == [tag]
    assert abs(after.tags[tag].images.correct - before.tags[tag].images.correct) == 1
    assert before.overall is not None
    assert after.overall is not None
    assert abs(after.overall - before.overall) == pytest.approx(1 / 48)


def test_unscored_images_are_counted_and_in_no_denominator(tmp_path: Path) -> None:
    rows = sweep(SMALL)
    whole = summarise(tmp_path, rows)
    broken = [
        unscored(0, 4, "single_object", "broken"),
        unscored(90, 0, "two_object", "broken"),
        unscored(91, 0, "two_object", ""),
    ]
    summary = summarise(tmp_path, rows + broken)
    assert summary.overall == whole.overall
    assert summary.tags == whole.tags
    assert summary.unscored == 3
    assert (
        summary.unscored_reasons == {"broken": 2, "no reason given": 1} or sum(summary.unscored_reasons.values()) == 3
    )
    assert summary.coverage.prompts == whole.coverage.prompts
    assert summary.coverage.prompts_found == whole.coverage.prompts_found + 2


def test_no_overall_without_every_tag(tmp_path: Path) -> None:
    rows = sweep({"single_object": (10, 20)})
    summary = summarise(tmp_path, rows)
    assert summary.overall is None
    assert summary.overall_interval is None
    assert summary.tags["single_object"].images.value == 0.5
    assert summary.tags["colors"].images.value is None
    assert summary.tags["colors"].images_interval is None


def test_nothing_scored_at_all(tmp_path: Path) -> None:
    summary = summarise(tmp_path, [unscored(0, sample, "colors") for sample in range(4)])
    assert (summary.overall, summary.pooled.images.value, summary.unscored) == (None, None, 4)
    assert summary.coverage.text == "0 of 553 prompts"


def test_papers_overall_from_its_counts(tmp_path: Path) -> None:
    prompts = official_prompts(shared("data/prompts/geneval_evaluation_metadata.jsonl"))
    for row in json.loads(shared("facts/miro_paper_geneval_counts.json").read_text())["rows"]:
        counts = {tag: (row["correct"][tag], row["total"][tag]) for tag in TAGS}
        summary = summarise(tmp_path, sweep(counts, texts=prompts))
        assert summary.overall is not None
        assert round(100 * summary.overall, 5) == row["overall"], row["model"]
        assert f"{100 * summary.overall:.0f}" == row["table_overall"], row["model"]
        assert round(summary.pooled.images.value or 0, 5) == row["image_acc"]
        assert summary.coverage.all_prompts


def published() -> list[dict[str, Any]]:
    path = shared("data/geneval/published_geneval_summaries.json")
    return [report for report in json.loads(path.read_text()) if len(report["correct"]) == len(TAGS)]


def test_published_summaries(tmp_path: Path) -> None:
    for report in published():
        counts = {tag: tuple(count) for tag, count in report["correct"].items()}
        samples = round(report["images"] / report["prompts"])
        summary = summarise(tmp_path, sweep(counts, samples=samples))
        assert summary.overall == pytest.approx(report["overall_recomputed"], abs=5e-6), report["name"]
        assert round(summary.overall or 0, 3) == round(report.get("overall", report["overall_recomputed"]), 3)
        if "image_acc_recomputed" in report:
            assert summary.pooled.images.value == pytest.approx(report["image_acc_recomputed"], abs=5e-6)
        assert summary.coverage.prompts.correct == report["prompts"]
        assert summary.coverage.all_prompts == (report["prompts"] == 553), report["name"]


def test_incomplete_published_sweeps_say_what_is_missing(tmp_path: Path) -> None:
    short = {}
    for report in published():
        counts = {tag: tuple(count) for tag, count in report["correct"].items()}
        samples = round(report["images"] / report["prompts"])
        coverage = summarise(tmp_path, sweep(counts, samples=samples)).coverage
        short[report["name"]] = (coverage.text, coverage.shortfalls, coverage.images_missing)
    assert short["Meissonic third-party rerun"] == ("544 of 553 prompts", "color_attr 91 of 100", 0)
    assert short["FlyMyAI M1"] == ("552 of 553 prompts", "colors 93 of 94", 2)
