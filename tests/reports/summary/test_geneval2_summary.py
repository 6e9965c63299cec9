"""GenEval 2's aggregation against an independent one on random probabilities, and what is said of incomplete sweeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import gmean

from reports.leaderboard.files import leaderboard_record, model_index, write_tables
from reports.leaderboard.latex import leaderboard_latex
from reports.leaderboard.table import make_leaderboard
from reports.leaderboard.terminal import terminal_tables
from reports.read.runs import read_run
from reports.read.suite import GENEVAL2_SHA256
from reports.summary.coverage import Suite
from reports.summary.geneval2_summary import Geneval2Summary
from reports.summary.run_summary import RunSummary, summarise_run, write_summaries
from rewards.scorers import CARDS
from tests.reports.builders import Row, read_leaderboard, write_rows
from tests.reports.geneval2 import made_up_lines, published_lines, random_answers, rows_of, write_run
from wire.vocabulary import GENEVAL2_SCORES, SKILLS

SUITE = {"protocol": {"suite": {"id": "geneval2", "sha256": GENEVAL2_SHA256, "prompts": 800}, "samples": 2}}


def summary_of(folder: Path, rows: list[Row], **record: Any) -> RunSummary:
    write_rows(folder / "rewards.jsonl", rows)
    (folder / "run.json").write_text(json.dumps(record))
    return summarise_run(read_run(folder, CARDS))


def geneval2(run: RunSummary) -> Geneval2Summary:
    assert run.geneval2 is not None
    return run.geneval2


@pytest.mark.parametrize("samples", [1, 3])
def test_aggregation_is_that_of_the_authors_scripts(samples: int, tmp_path: Path) -> None:
    """Their definitions written down anew over the published questions, of one image a prompt and of several."""
    lines = published_lines()
    answers = random_answers(lines, samples)
    found = geneval2(summary_of(tmp_path, rows_of(lines, answers)))
    gm = [np.mean([gmean(image) for image in images]) for images in answers]
    assert found.overall.value == pytest.approx(100 * np.mean(gm), rel=1e-12)
    am = [np.mean([np.mean(image) for image in images]) for images in answers]
    assert found.am.value == pytest.approx(100 * np.mean(am), rel=1e-12)
    for skill in SKILLS:
        pooled = [
            image[place]
            for line, images in zip(lines, answers, strict=True)
            for image in images
            for place, own in enumerate(line["skills"])
            if own == skill
        ]
        assert found.skills[skill].value == pytest.approx(100 * np.mean(pooled), rel=1e-12)
        assert found.skills[skill].size * samples == len(pooled)
    for atoms, score in found.atoms.items():
        own = [value for value, line in zip(gm, lines, strict=True) if line["atom_count"] == atoms]
        assert (score.value, score.size) == (pytest.approx(100 * np.mean(own), rel=1e-12), 100)
    assert (found.text, found.suite, found.complete) == ("800 of 800 prompts", Suite.GENEVAL2, True)
    assert found.samples_per_prompt == samples


def test_intervals_are_clustered_by_prompt(tmp_path: Path) -> None:
    """Alike images of a prompt say no more than one: the interval is that of a single image."""
    lines = made_up_lines(64)
    answers = random_answers(lines, 1)
    once = geneval2(summary_of(tmp_path / "one", rows_of(lines, answers)))
    thrice = geneval2(summary_of(tmp_path / "three", rows_of(lines, [images * 3 for images in answers])))
    for name, score in once.scores.items():
        other = thrice.scores[name]
        assert other.value == pytest.approx(score.value)
        assert other.interval is not None
        assert score.interval is not None
        assert (other.interval.low, other.interval.high) == pytest.approx((score.interval.low, score.interval.high))
    assert once.overall.interval is not None
    gm = [100 * gmean(image) for (image,) in answers]
    assert once.overall.interval.standard_error == pytest.approx(np.std(gm, ddof=1) / 8)


def test_unscored_images_are_in_no_mean_and_are_said(tmp_path: Path) -> None:
    lines = made_up_lines(4)
    rows = rows_of(lines, random_answers(lines, 2))
    rows[0] |= {"soft_tifa": None, "details": {}, "unscored": {"soft_tifa": "a broken image"}}
    found = summary_of(tmp_path, rows, **SUITE)
    gm = [row["soft_tifa"] for row in rows]
    expected = np.mean([gm[1], *(np.mean(gm[place : place + 2]) for place in (2, 4, 6))])
    assert geneval2(found).overall.value == pytest.approx(100 * expected)
    assert (geneval2(found).overall.size, geneval2(found).scored.text) == (4, "7 of 1,600")
    assert not geneval2(found).complete
    assert "incomplete sweep of GenEval 2: 4 of 800 prompts" in found.notes
    assert "soft_tifa: 1 image unscored (a broken image)" in found.notes


def test_rows_without_questions_have_the_headline_alone(tmp_path: Path) -> None:
    lines = made_up_lines(4)
    rows = rows_of(lines, random_answers(lines, 1))
    del rows[0]["details"]
    odd: list[Any] = [None, [], "x", [{"question": "a"}], [{"question": "a", "answer": "b", "skill": "c", "p": 2}]]
    for details in odd:
        rows[1]["details"] = {"soft_tifa": details}
        found = summary_of(tmp_path, rows)
        assert (geneval2(found).overall.size, geneval2(found).am.size) == (4, 2)
        assert any("rest on 2 of 4 prompts" in note for note in found.notes)
        malformed = [note for note in found.notes if "questions that cannot be read are ignored, in 1 rows" in note]
        assert len(malformed) == (details is not None)


def test_prompts_of_another_suite_have_no_geneval2_score(tmp_path: Path) -> None:
    lines = made_up_lines(4)
    rows = rows_of(lines, random_answers(lines, 1))
    other = {"protocol": {"suite": {"id": "mine", "sha256": "0" * 64, "prompts": 4}}}
    assert summary_of(tmp_path, rows, **other).geneval2 is None
    many = made_up_lines(800)
    assert summary_of(tmp_path, rows_of(many, random_answers(many, 1))).geneval2 is None


def test_the_summary_file_has_it(tmp_path: Path) -> None:
    lines = made_up_lines(8)
    (path,) = write_summaries(write_run(tmp_path / "run", lines, random_answers(lines, 2), **SUITE))
    record = json.loads(path.read_text())["geneval2"]
    assert {*record} >= {"overall", "am", "skills", "atoms", "prompts", "scored", "samples_per_prompt", "suite"}
    assert record["skills"]["count"]["size"] > 8
    assert record["prompts"] == {"value": 0.01, "correct": 8, "total": 800}


@pytest.fixture(scope="module")
def board_runs(tmp_path_factory: pytest.TempPathFactory) -> list[RunSummary]:
    """Two whole sweeps, of which one is better, and one of few prompts."""
    lines, tmp_path = published_lines(), tmp_path_factory.mktemp("runs")
    folders = [
        write_run(tmp_path / "good", lines, random_answers(lines, 2, seed=1, power=0.5), **SUITE),
        write_run(tmp_path / "bad", lines, random_answers(lines, 2, seed=2), **SUITE),
        write_run(tmp_path / "short", lines[:10], random_answers(lines[:10], 2, power=0.1), **SUITE),
    ]
    return [summarise_run(read_run(folder, CARDS)) for folder in folders]


def test_leaderboard_ranks_whole_sweeps_by_the_headline_in_every_format(
    board_runs: list[RunSummary], tmp_path: Path
) -> None:
    board = make_leaderboard(board_runs)
    listed = board.frame[["model", "rank", "group"]].values.tolist()
    assert listed == [["good", 1, "geneval 2"], ["bad", 2, "geneval 2"], ["short", 1, "geneval 2 incomplete"]]
    files = write_tables(board, tmp_path / "out")
    assert read_leaderboard(files.csv)["geneval2"].tolist() == board.frame["geneval2"].tolist()
    text = files.markdown.read_text()
    good = geneval2(board_runs[0])
    assert f"**{good.overall.value:.2f}**" in text
    assert good.overall.interval is not None
    assert f"{good.overall.interval.low:.2f} to {good.overall.interval.high:.2f}" in text
    assert "## GenEval 2, complete sweeps" in text
    assert "| geneval2 | 95 % interval | am | object | attribute | count | position | verb | 3 atoms |" in text
    assert "10 of 800 prompts" in text
    legend = text[text.index("## How to read it") :]
    assert "of geneval2, from 2,000 resamples of whole prompts (seed" in legend
    assert "the number of runs whose geneval2 is higher" in legend
    assert "tag" not in legend.partition("- **images**")[0], "no GenEval here"
    assert "six tag accuracies" not in files.html.read_text()
    for page in (files.html.read_text(), leaderboard_latex(board)):
        assert f"{good.skills['verb'].value:.2f}" in page
        assert "10 atoms" in page
    first = leaderboard_record(board)["sections"][0]["runs"][0]
    assert tuple(first["scores"]) == GENEVAL2_SCORES
    assert first["scores"]["geneval2"]["mark"] == "best"
    assert "geneval2_atoms_3" in model_index(board)


def test_terminal_shows_headline_skills_and_atoms(board_runs: list[RunSummary]) -> None:
    from rich.console import Console

    printed = Console(width=100, record=True)
    with printed.capture() as captured:
        printed.print(terminal_tables(leaderboard_record(make_leaderboard(board_runs))))
    assert "GenEval 2 (Soft-TIFA, 0 to 100)" in captured.get()
    assert "10 atoms" in captured.get()
    assert f"{geneval2(board_runs[1]).atoms[7].value:.2f}" in captured.get()
