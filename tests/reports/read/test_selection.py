from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from statistics import fmean

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from reports.read.runs import Run, read_run
from reports.read.selection import Selection, one_selection, select, selections
from reports.summary.run_summary import summarise_run
from rewards.scorers import CARDS
from tests.reports.builders import Row, rewards, verdict, write_rows
from wire.cards import MetricCard
from wire.errors import UserError
from wire.vocabulary import TAGS

PROMPTS, SAMPLES = 12, 6
Edit = Callable[[list[Row], list[Row]], object]


def tag_of(prompt: int) -> str:
    return TAGS[prompt // 2]


def write(folder: Path, edit: Edit = lambda verdicts, scores: None, seed: int = 0, samples: int = SAMPLES) -> Path:
    """Two prompts a tag; rewards have ties, and know something of the verdict."""
    chance = random.Random(seed)
    verdicts: list[Row] = []
    scores: list[Row] = []
    for prompt in range(PROMPTS):
        for sample in range(samples):
            right = chance.random() < 0.4
            text = f"a photo of {tag_of(prompt)} {prompt}"
            verdicts.append(verdict(prompt, sample, tag_of(prompt), right, text))
            values = {"pick_score": round(chance.gauss(0, 1) + right, 1), "aesthetic": round(chance.gauss(5, 1), 3)}
            scores.append(rewards(prompt, sample, values) | {"prompt": text})
    edit(verdicts, scores)
    write_rows(folder / "results.jsonl", verdicts)
    write_rows(folder / "rewards.jsonl", scores)
    return folder


def by_hand(run: Run, size: int, by: str, wanted: str, sign: float = 1.0) -> dict[int, float]:
    """Prompt -> mean over all subsets of the value of the best image; equals share."""
    assert run.verdicts is not None
    assert run.rewards is not None
    correct = dict(zip(run.verdicts["filename"], run.verdicts["correct"], strict=True))
    values: dict[int, list[tuple[float, float]]] = {}
    for row in run.rewards.frame.to_dict("records"):
        value = float(correct[row["filename"]]) if wanted == "correct" else row[wanted]
        values.setdefault(int(row["filename"][:5]), []).append((sign * row[by], value))
    return {prompt: fmean(map(kept, combinations(images, size))) for prompt, images in values.items()}


def kept(subset: tuple[tuple[float, float], ...]) -> float:
    best = max(like for like, _ in subset)
    return fmean(value for like, value in subset if like == best)


@pytest.mark.parametrize("size", [1, 2, 4, SAMPLES])
@pytest.mark.parametrize("by", ["pick_score", "aesthetic"])
def test_every_number_is_the_mean_over_all_subsets(tmp_path: Path, size: int, by: str) -> None:
    run = read_run(write(tmp_path / "run"))
    summary = summarise_run(select(run, Selection(size, by)))
    assert summary.name == f"run, best of {size} by {by}"
    assert summary.rewards is not None
    assert summary.geneval is not None
    for metric in ("pick_score", "aesthetic"):
        expected = fmean(by_hand(run, size, by, metric).values())
        assert summary.rewards.metrics[metric].mean == pytest.approx(expected, rel=1e-12)
    correct = by_hand(run, size, by, "correct")
    of_tags = {tag: fmean(value for prompt, value in correct.items() if tag_of(prompt) == tag) for tag in TAGS}
    assert {tag: one.images.value for tag, one in summary.geneval.tags.items()} == pytest.approx(of_tags, rel=1e-12)
    assert summary.geneval.overall == pytest.approx(fmean(of_tags.values()), rel=1e-12)
    assert summary.geneval.pooled.images.total == PROMPTS  # the prompt is the unit, however many images were made


def test_intervals_are_those_of_one_value_a_prompt(tmp_path: Path) -> None:
    """As if each prompt had one image, of the expected value: the selection is in every prompt that is resampled."""
    run = read_run(write(tmp_path / "run"))
    expected = by_hand(run, 3, "pick_score", "aesthetic")
    texts = {prompt: f"a photo of {tag_of(prompt)} {prompt}" for prompt in expected}
    scores = (
        rewards(prompt, 0, {"aesthetic": value}) | {"prompt": texts[prompt]} for prompt, value in expected.items()
    )
    write_rows(tmp_path / "once" / "rewards.jsonl", scores)
    judged = (verdict(prompt, 0, tag_of(prompt), True, text) for prompt, text in texts.items())
    write_rows(tmp_path / "once" / "results.jsonl", judged)
    ours, theirs = (
        summarise_run(one).rewards for one in (select(run, Selection(3, "pick_score")), read_run(tmp_path / "once"))
    )
    assert ours is not None
    assert theirs is not None
    found, known = (summary.metrics["aesthetic"].interval for summary in (ours, theirs))
    assert found is not None
    assert known is not None
    assert (found.low, found.high, found.standard_error) == pytest.approx((known.low, known.high, known.standard_error))


def test_lower_is_better_keeps_the_lowest(tmp_path: Path) -> None:
    card = MetricCard(metric="aesthetic", title="a", scale="a", higher_is_better=False)
    run = read_run(write(tmp_path / "run"), {"aesthetic": card})
    selected = select(run, Selection(2, "aesthetic"))
    assert selected.rewards is not None
    expected = fmean(by_hand(run, 2, "aesthetic", "aesthetic", sign=-1.0).values())
    assert selected.rewards.frame["aesthetic"].mean() == pytest.approx(expected)


def lacking(verdicts: list[Row], scores: list[Row]) -> None:
    scores[1]["pick_score"], scores[1]["unscored"] = None, {"pick_score": "broken"}  # of prompt 0
    del scores[SAMPLES], verdicts[SAMPLES]  # of prompt 1
    scores[2 * SAMPLES]["aesthetic"] = None  # of prompt 2: only what is not selected by


def test_a_prompt_that_cannot_be_selected_from_is_left_out_and_counted(tmp_path: Path) -> None:
    run = read_run(write(tmp_path / "run", lacking))
    summary = summarise_run(select(run, Selection(SAMPLES, "pick_score")))
    assert summary.rewards is not None
    assert summary.geneval is not None
    pick, aesthetic = (summary.rewards.metrics[metric] for metric in ("pick_score", "aesthetic"))
    left_out = {"1 of 6 images have no pick_score to select by": 1, "needs 6 samples, has 5": 1}
    assert (pick.images, pick.unscored_reasons) == (PROMPTS - 2, left_out)
    assert (aesthetic.images, aesthetic.unscored_reasons) == (PROMPTS - 3, left_out | {"1 of 6 images have none": 1})
    assert (summary.geneval.unscored, summary.geneval.unscored_reasons) == (2, left_out)
    note = next(note for note in summary.notes if note.startswith("one image kept"))
    assert note == (
        "one image kept of 6 made and scored, 10 prompts; 1 prompt left out (1 of 6 images "
        "have no pick_score to select by); 1 prompt left out (needs 6 samples, has 5)"
    )


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (Selection(8, "pick_score"), "needs 8 samples, has 6"),
        (Selection(2, "vqa"), r"have no vqa to select by; score them: miro-eval rewards .* --metric vqa"),
        (Selection(2, "nope"), r"have no nope to select by; they have .*pick_score"),
    ],
)
def test_a_run_that_cannot_be_selected_from_says_what_it_needs(
    tmp_path: Path, selection: Selection, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        select(read_run(write(tmp_path / "run"), CARDS), selection)


def answer(*arguments: str | Path, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(result.exception, UserError):
        assert code == UserError.exit_code
        return str(result.exception)
    assert result.exit_code == code, result.output
    return result.stdout


def rows_of(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "leaderboard.csv").open() as file:
        return {row["model"]: row for row in csv.DictReader(file)}


def test_a_report_has_a_row_for_each_selection(tmp_path: Path) -> None:
    run, short = write(tmp_path / "run"), write(tmp_path / "short", samples=2)
    out = tmp_path / "out"
    command = ["report", run, short, "--out", out, "--best-of", "4", "--by", "pick_score", "--by", "aesthetic"]
    answer(*command)
    models = {model: float(row["aesthetic"]) for model, row in rows_of(out).items()}
    assert set(models) == {"run", "short", "run, best of 4 by pick_score", "run, best of 4 by aesthetic"}
    expected = fmean(by_hand(read_run(run), 4, "aesthetic", "aesthetic").values())
    assert models["run, best of 4 by aesthetic"] == pytest.approx(expected)
    text = (out / "leaderboard.md").read_text()
    assert "ignored: short: best of 4 by pick_score: needs 4 samples, has 2" in text
    assert "selection.best_of 4" in text
    assert (out / "scores.csv").read_text().count("\n") == 1 + PROMPTS * (SAMPLES + 2)
    assert "needs 4 samples" in answer("report", short, "--out", out, "--best-of", "4", "--by", "aesthetic", code=2)


def test_a_run_with_the_name_of_a_selection_is_refused(tmp_path: Path) -> None:
    first, second = write(tmp_path / "first"), write(tmp_path / "second")
    names = ["--name", "x, best of 2 by pick_score", "--name", "x", "--best-of", "2", "--by", "pick_score"]
    told = answer("report", first, second, "--out", tmp_path / "out", *names, code=2)
    assert told == "two rows would be called 'x, best of 2 by pick_score': give the runs other names with --name"


def test_verdicts_alone_cannot_be_selected_from(tmp_path: Path) -> None:
    rows = write(tmp_path / "run") / "results.jsonl"
    told = answer("report", rows, "--out", tmp_path / "out", "--best-of", "2", "--by", "vqa", code=2)
    assert "its images have no vqa to select by" in told


def test_compare_and_check_take_selections(tmp_path: Path) -> None:
    first, second = write(tmp_path / "first"), write(tmp_path / "second", seed=1)
    chosen = ["--best-of", "3", "--by", "pick_score"]
    lines = json.loads(answer("compare", first, second, *chosen, "--format", "json"))["metrics"]
    found = next(line for line in lines if line["metric"] == "aesthetic")
    ours, theirs = (by_hand(read_run(run), 3, "pick_score", "aesthetic") for run in (first, second))
    assert (found["first"], found["second"]) == pytest.approx((fmean(ours.values()), fmean(theirs.values())))
    assert found["prompts"] == found["pairs"] == PROMPTS
    assert "gate: " in answer("check", first, "--baseline", first, *chosen)
    refused = answer("check", first, "--baseline", first, *chosen, "--gallery", tmp_path / "g", code=2)
    assert "omit --gallery" in refused


@pytest.mark.parametrize(
    ("size", "by"), [(4, []), (None, ["aesthetic"]), (0, ["aesthetic"]), (2, ["vqa", "vqa"]), (2, [""])]
)
def test_half_a_selection_is_refused(size: int | None, by: list[str]) -> None:
    with pytest.raises(UserError, match="--best-of"):
        selections(size, by)


def test_one_selection_is_one() -> None:
    assert one_selection(None, []) is None
    assert one_selection(2, ["vqa"]) == Selection(2, "vqa")
    with pytest.raises(UserError, match="one reward"):
        one_selection(2, ["vqa", "aesthetic"])
