from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli import session
from harness.cli.app import app
from harness.run.directory import RunDirectory, image_name
from harness.run.manifest import Manifest, StageRecord
from harness.run.settings import RewardSettings, RunSettings
from harness.stages.base import work_file
from harness.stages.rewards import REWARDS, own_scorers
from harness.weights.weight_source import PublishedWeights
from rewards.scorers import SCORERS
from wire.errors import UserError
from wire.files import sha256_of_file, write_rows
from wire.vocabulary import SEVEN_REWARDS

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = (ROOT / "docs" / "own_scorer.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]


def answer(*arguments: str | Path, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The documentation's scorer, in the user's current folder."""
    (tmp_path / "verb_brightness.py").write_text(EXAMPLE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return "verb_brightness:Brightness"


def test_list_prints_every_card() -> None:
    said = answer("rewards", "--list")
    assert re.findall(r"^(\S+)$", said, re.MULTILINE) == list(SCORERS)
    for scorer in SCORERS.values():
        card = scorer.card
        assert all(text in said for text in (card.definition, card.licence, card.source, card.scale))
        assert all(weight.source in said for weight in card.weights)
    assert "range:               -6 to 6\n" in said
    assert "range:               -1 to 1\n" in said


def test_list_takes_metrics_and_own_scorers(own: str) -> None:
    said = answer("rewards", "--list", "--metric", "vqa", "--scorer", own)
    assert re.findall(r"^(\S+)$", said, re.MULTILINE) == ["vqa", "brightness"]
    assert "mean of all pixel values" in said
    with pytest.raises(UserError, match="unknown metric nope"):
        answer("rewards", "--list", "--metric", "nope")


def test_a_directory_is_needed_unless_asked_for_the_list() -> None:
    with pytest.raises(UserError, match="name a directory of images"):
        answer("rewards")


def test_own_scorers_come_last_and_under_a_name_that_a_worker_finds(own: str, tmp_path: Path) -> None:
    scorers, metrics = own_scorers(RewardSettings(("vqa", "aesthetic"), scorers=(own,)))
    assert scorers == [f"{tmp_path}/verb_brightness.py:Brightness"]
    assert metrics == ("vqa", "aesthetic", "brightness")
    assert own_scorers(RewardSettings()) == ([], SEVEN_REWARDS)
    with pytest.raises(UserError, match="cannot be imported"):
        own_scorers(RewardSettings(scorers=("no_such_module:Class",)))


def test_an_own_scorers_column_is_added_to_what_is_there(own: str, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    run.write_prompts({0: {"tag": "colors", "prompt": "a red dog"}})
    path = run.path / image_name(0, 0)
    path.parent.mkdir()
    path.write_bytes(b"an image")
    (run.path / "work").mkdir()
    manifest, source = Manifest("x"), PublishedWeights()

    def plan(**settings: Any) -> Any:
        return REWARDS.plan(run, manifest, RunSettings(run.path, rewards=RewardSettings(**settings)), source)

    first = plan(metrics=("vqa",))
    item = first.items[0]
    image = {
        "filename": item.filename,
        "prompt_index": item.prompt_index,
        "sample_index": item.sample_index,
        "image_sha256": item.image_sha256,
    }
    cells = [{**image, "metric": "vqa", "value": 0.5, "error": None}]
    write_rows(run.work(work_file("rewards", first.settings)), cells)
    both = plan(metrics=(), scorers=(own,))
    assert both.settings == first.settings
    assert both.pending == 1
    assert both.parameters["metrics"] == ["brightness"]
    cells.append({**image, "metric": "brightness", "value": 0.25, "error": None})
    write_rows(run.work(work_file("rewards", first.settings)), cells)
    assert REWARDS.merge(run, plan(metrics=(), scorers=(own,)), run.rows("rewards.jsonl")).unscored == 0
    row = json.loads(run.rows("rewards.jsonl").read_text())
    assert (row["vqa"], row["brightness"]) == (0.5, 0.25)


def test_numbers_of_an_own_scorer_that_was_changed_since_are_told(own: str, tmp_path: Path) -> None:
    """They stay in use until they are asked for anew; a file that is as it was is not mentioned."""
    file = tmp_path / "verb_brightness.py"
    run = RunDirectory(tmp_path / "run")
    run.write_prompts({0: {"prompt": "a red dog"}})
    (run.path / image_name(0, 0)).parent.mkdir()
    (run.path / image_name(0, 0)).write_bytes(b"an image")
    (run.path / "work").mkdir()
    asked = {"metrics": (), "scorers": (own,)}
    plan = plan_of(run, Manifest("x"), **asked)
    write_rows(run.work(work_file("rewards", plan.settings)), [cell(plan, "brightness", 0.25)])
    code = {"metric": "brightness", "file": file.name, "sha256": sha256_of_file(file)}
    record = StageRecord(plan.fingerprint, plan.settings, provenance={"weights": [code]})
    assert plan_of(run, Manifest("x", stages={"rewards": record}), **asked).notes == ()
    file.write_text(f"{EXAMPLE}\n# changed\n", encoding="utf-8")
    plan = plan_of(run, Manifest("x", stages={"rewards": record}), **asked)
    assert (plan.pending, plan.notes) == (
        0,
        ("brightness: verb_brightness.py has changed since its numbers were made; --rescore brightness replaces them",),
    )


@pytest.fixture
def scored_run(tmp_path: Path) -> RunDirectory:
    """A finished run of one image with two metrics."""
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    run.write_prompts({0: {"tag": "colors", "prompt": "a red dog"}})
    path = run.path / image_name(0, 0)
    path.parent.mkdir()
    path.write_bytes(b"an image")
    (run.path / "work").mkdir()
    plan = plan_of(run, Manifest("x"), metrics=("vqa", "aesthetic"))
    write_rows(run.work(work_file("rewards", plan.settings)), [cell(plan, "vqa", 0.5), cell(plan, "aesthetic", 5.0)])
    REWARDS.merge(run, plan_of(run, Manifest("x"), metrics=("vqa", "aesthetic")), run.rows("rewards.jsonl"))
    run.work(work_file("rewards", plan.settings)).unlink()
    return run


def plan_of(run: RunDirectory, manifest: Manifest, **settings: Any) -> Any:
    return REWARDS.plan(run, manifest, RunSettings(run.path, rewards=RewardSettings(**settings)), PublishedWeights())


def cell(plan: Any, metric: str, value: float) -> dict[str, Any]:
    item = plan.items[0]
    about = {key: getattr(item, key) for key in ("filename", "prompt_index", "sample_index", "image_sha256")}
    return {**about, "metric": metric, "value": value, "error": None}


def test_rescoring_touches_its_own_column_only(scored_run: RunDirectory) -> None:
    run, manifest = scored_run, Manifest("x")
    plain = plan_of(run, manifest, metrics=("vqa",))
    manifest.stages["rewards"] = StageRecord(plain.fingerprint, plain.settings, finished=True)
    assert plan_of(run, manifest, metrics=("vqa",)).pending == 0
    plan = plan_of(run, manifest, metrics=("vqa",), rescore=("vqa",))
    assert (plan.pending, plan.settings) == (1, plain.settings)
    assert json.loads(run.rows("rewards.jsonl").read_text())["vqa"] == 0.5, (
        "the old value stays until there is a new one"
    )
    write_rows(run.work(work_file("rewards", plan.settings)), [cell(plan, "vqa", 0.75)])
    resumed = plan_of(run, manifest, metrics=("vqa",), rescore=("vqa",))
    assert resumed.pending == 0, "what was rescored before an interruption counts"
    REWARDS.merge(run, resumed, run.rows("rewards.jsonl"))
    row = json.loads(run.rows("rewards.jsonl").read_text())
    assert (row["vqa"], row["aesthetic"], row["unscored"]) == (0.75, 5.0, {})


def test_cards_tell_what_fast_was_measured_to_differ_by() -> None:
    said = answer("rewards", "--list", "--metric", "pick_score", "--metric", "vqa")
    stored = json.loads((ROOT / "rewards" / "calibration" / "golden" / "tiny.json").read_text())["values"]
    off = [stored["fast"]["pick_score"][name] - value for name, value in stored["reference"]["pick_score"].items()]
    assert (
        f"fast, measured:      at most {max(map(abs, off)):.2g}, in the mean {sum(off) / 8:+.2g}, over 8 fixed" in said
    )
    assert "fast, measured:      at most 0, in the mean +0, over 8 fixed pairs (the tiny world's random weights" in said


def test_only_what_is_scored_can_be_rescored(scored_run: RunDirectory) -> None:
    with pytest.raises(UserError, match=r"--rescore aesthetic: not among the metrics to be scored \(vqa\)"):
        plan_of(scored_run, Manifest("x"), metrics=("vqa",), rescore=("aesthetic",))


@pytest.mark.parametrize(
    ("options", "metrics"),
    [
        ((), SEVEN_REWARDS),
        (("--rescore", "vqa"), ("vqa",)),
        (("--rescore", "vqa", "--metric", "vqa", "--metric", "aesthetic"), ("vqa", "aesthetic")),
        (("--scorer", "verb_brightness:Brightness", "--rescore", "brightness"), ()),
    ],
)
def test_without_metrics_the_rescored_ones_alone_are_scored(
    options: tuple[str, ...], metrics: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[RewardSettings] = []
    monkeypatch.setattr("harness.cli.session.run", lambda _, settings, **__: asked.append(settings.rewards))
    answer("rewards", tmp_path, *options)
    assert asked[0].metrics == metrics
    assert asked[0].rescore == tuple(
        value for key, value in zip(options[::2], options[1::2], strict=True) if key == "--rescore"
    )


def scored_rows(values: dict[str, float]) -> list[dict[str, Any]]:
    return [{"filename": name, "metric": "vqa", "value": value, "error": None} for name, value in values.items()]


STARTED = {"packages": {"torch": "2.5.1"}, "weights": []}


@pytest.fixture
def calibrate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """The verb around a worker that gives the scores it is told; the worker has tests of its own."""

    def run(values: dict[str, float], *arguments: str, code: int = 0) -> str:
        monkeypatch.setattr(session, "run_alone", lambda *_, **__: (scored_rows(values), STARTED))
        return answer("calibrate", "--golden", tmp_path / "golden.json", "--metric", "vqa", *arguments, code=code)

    return run


def test_calibrate_stores_and_then_judges_by_exit_code(calibrate: Any, tmp_path: Path) -> None:
    said = calibrate({"a": 0.5, "b": 0.25}, "--update")
    assert "2 scores at reference precision stored" in said
    assert json.loads((tmp_path / "golden.json").read_text())["values"] == {"reference": {"vqa": {"a": 0.5, "b": 0.25}}}
    assert "verdict: calibrated (1 comparisons" in calibrate({"a": 0.5, "b": 0.251})
    said = calibrate({"a": 0.5, "b": 0.3}, code=1)
    assert "DRIFTED" in said
    assert "verdict: do not trust vqa" in said


def test_calibrate_without_golden_values_says_how_to_make_them(calibrate: Any) -> None:
    with pytest.raises(UserError, match=r"no golden values at reference precision.*--update"):
        calibrate({"a": 0.5})
    calibrate({"a": 0.5}, "--update")
    with pytest.raises(UserError, match="no golden values at fast precision"):
        calibrate({"a": 0.5}, "--reward-precision", "fast")


def test_calibrate_is_not_for_judges_of_other_environments() -> None:
    with pytest.raises(UserError, match="soft_tifa, hpsv3: not a metric of the rewards environment"):
        answer("calibrate", "--metric", "soft_tifa", "--metric", "vqa", "--metric", "hpsv3", "--tiny-world")


def test_the_tiny_world_s_golden_values_are_complete() -> None:
    path = ROOT / "rewards" / "calibration" / "golden" / "tiny.json"
    values = json.loads(path.read_text())["values"]
    here = {
        metric for metric, scorer in SCORERS.items() if scorer.card.env == "rewards" and not scorer.card.over_samples
    }
    assert all(set(values[precision]) == here for precision in ("reference", "fast"))
    refused = CliRunner().invoke(app, ["calibrate", "--metric", "vendi_clip", "--tiny-world"])
    assert "vendi_clip: compares images of one prompt" in str(refused.exception)
