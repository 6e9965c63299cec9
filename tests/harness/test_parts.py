"""Metrics of several environments are parts of one stage: who does what, what decides a number, who is left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.environments import manager
from harness.environments.manager import Environment
from harness.environments.spec import EnvironmentSpec, Progress
from harness.executors.sharding import Share, share_job, survey
from harness.executors.submission import Submission, submission_file
from harness.plan.evaluations import Evaluation, evaluate
from harness.run.directory import RunDirectory
from harness.run.manifest import Manifest
from harness.run.settings import RewardSettings, RunSettings
from harness.stages.base import Stage, plan_files, with_new_rows, work_file
from harness.stages.context import Pipeline
from harness.stages.rewards import REWARDS
from harness.terminal.display import Display
from harness.weights.weight_source import PublishedWeights
from rewards.scorers import SCORERS
from tests.harness.test_stages import cells, run, settings
from tests.real_environments import ROOT
from wire.errors import EnvironmentFailure, UserError
from wire.files import write_rows

__all__ = ["run"]

SOURCE = PublishedWeights()
BRIGHTNESS, CONTRAST = (
    part.split("```")[0] for part in (ROOT / "docs" / "own_scorer.md").read_text().split("```python\n")[1:]
)


def pipeline(run: RunDirectory, *metrics: str, manifest: Manifest | None = None) -> Pipeline:
    return Pipeline(RunDirectory(run.path), manifest or Manifest("x"), settings(run, *metrics), SOURCE, Display())


def scored(made: Pipeline, metric: str, value: float) -> None:
    """What a worker leaves, and the command that started it makes of it."""
    (part,) = (part for part in made.parts([REWARDS]) if metric in part.weights(made.settings))
    ((name, deciding),) = made.plan(part).parts.items()
    write_rows(made.run.work(work_file(name, deciding)), cells(made.run, metric, value))


def finish(made: Pipeline) -> None:
    plan = made.plan(REWARDS)
    made.finish(REWARDS, made.record(REWARDS, plan), with_new_rows(made.run, REWARDS, plan))


def test_a_part_has_the_metrics_of_its_environment_and_files_of_its_own(run: RunDirectory) -> None:
    made = pipeline(run, "hpsv3", "aesthetic", "vqa_qwen3vl")
    usual, vlm = made.parts([REWARDS])
    assert [(part.name, part.environment, part.files) for part in (usual, vlm)] == [
        ("rewards", "rewards", "rewards"),
        ("rewards.vlm", "vlm", "vlm"),
    ]
    jobs = [share_job(made, part, Share(0, 1)) for part in (usual, vlm)]
    assert [one.job.parameters["metrics"] for one in jobs] == [["aesthetic"], ["hpsv3", "vqa_qwen3vl"]]
    assert [one.pending for one in jobs] == [4, 8]
    assert all(one.job.parameters["alone"] is False for one in jobs)
    assert len({one.job.output for one in jobs}) == len({one.fingerprint for one in jobs}) == 2
    assert [(todo.stage, len(todo.shares)) for todo in survey(made, [usual, vlm])] == [(usual, 1), (vlm, 1)]
    assert made.plan(REWARDS).units == 12


def test_the_usual_environment_alone_is_no_part_and_its_rows_stay_in_use(run: RunDirectory) -> None:
    alone, beside = pipeline(run, "aesthetic"), pipeline(run, "aesthetic", "hpsv3")
    assert REWARDS.parts(alone.settings) == (REWARDS,)
    assert "alone" not in alone.plan(REWARDS).parameters
    assert alone.plan(REWARDS).fingerprint == beside.plan(REWARDS).fingerprint
    files = [share_job(one, one.parts([REWARDS])[0], Share(0, 1)).job.output for one in (alone, beside)]
    assert files[0] == files[1]


def test_a_fact_that_decides_a_judge_s_numbers_has_them_computed_again(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = pipeline(run, "aesthetic", "hpsv3")
    scored(made, "aesthetic", 5.0)
    scored(made, "hpsv3", 1.0)
    made.worked_on(REWARDS)
    finish(made)
    record = made.manifest.stages["rewards"]
    assert (record.finished, [*record.marks]) == (True, ["hpsv3"])
    assert plan_files(made.run, REWARDS, made.plan(REWARDS)) == []
    again = pipeline(run, "aesthetic", "hpsv3", manifest=Manifest.read(run.manifest))
    assert again.plan(REWARDS).pending == 0
    card = replace(SCORERS["hpsv3"].card, decides={"positions": "others"})
    monkeypatch.setattr(SCORERS["hpsv3"], "card", card)
    changed = pipeline(run, "aesthetic", "hpsv3", manifest=Manifest.read(run.manifest))
    assert [changed.plan(part).pending for part in changed.parts([REWARDS])] == [0, 4]
    scored(changed, "hpsv3", 2.0)
    changed.worked_on(REWARDS)
    finish(changed)
    known = changed.plan(REWARDS).known.values()
    assert {(cell["metric"], cell["value"]) for cell in known} == {("aesthetic", 5.0), ("hpsv3", 2.0)}


def test_a_judge_s_new_facts_leave_the_others_of_its_environment_as_they_are(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for metric, value in (("hpsv3", 1.0), ("vqa_qwen3vl", 0.5)):
        made = pipeline(run, metric, manifest=Manifest.read(run.manifest) if run.manifest.exists() else None)
        scored(made, metric, value)
        made.worked_on(REWARDS)
        finish(made)
    monkeypatch.setattr(SCORERS["hpsv3"], "card", replace(SCORERS["hpsv3"].card, decides={"positions": "others"}))
    changed = pipeline(run, "hpsv3", "vqa_qwen3vl", manifest=Manifest.read(run.manifest))
    known = changed.plan(REWARDS).known.values()
    assert {(cell["metric"], cell["value"]) for cell in known} == {("vqa_qwen3vl", 0.5)}


def test_a_part_that_is_left_out_leaves_its_reason(run: RunDirectory) -> None:
    made = pipeline(run, "aesthetic", "hpsv3")
    made.left_out["rewards.vlm"] = "no room for it"
    assert [part.name for part in made.parts([REWARDS])] == ["rewards"]
    scored(made, "aesthetic", 5.0)
    finish(made)
    rows = list(made.run.contents.rows(run.rows("rewards.jsonl")))
    assert [row["unscored"] for row in rows] == [{"hpsv3": "no room for it"}] * 4
    assert made.manifest.stages["rewards"].unscored == 4


@pytest.fixture
def own(run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunSettings:
    """Scorers of the usual environment and of the user's own, on a machine that has neither."""
    (tmp_path / "contrast.py").write_text(CONTRAST)
    (tmp_path / "brightness.py").write_text(BRIGHTNESS)
    (tmp_path / "contrast_env").mkdir()
    for name in ("pyproject.toml", "uv.lock"):
        (tmp_path / "contrast_env" / name).write_text("")
    monkeypatch.setenv("MIRO_EVAL_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    scorers = ("brightness.py:Brightness", "contrast.py:Contrast")
    return RunSettings(run.path, rewards=RewardSettings((), scorers=scorers), device="cpu")


def without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Environments of these names cannot be made."""

    def make(environment: Environment, _progress: Progress) -> None:
        if environment.spec.name in names:
            raise EnvironmentFailure(f"environment {environment.spec.name} could not be installed\n  | details")

    monkeypatch.setattr(manager, "_make", make)
    monkeypatch.setattr("harness.stages.context.run_probe", lambda _line: None)


def test_without_one_environment_all_else_goes_on(
    own: RunSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = (
        "contrast will be unscored, everything else continues: environment own.contrast_env is not there (environment "
    )
    seen = list[dict[str, str]]()

    def work(pipelines: list[Pipeline], _stages: list[Stage]) -> list[int]:
        assert said in capsys.readouterr().err, "it is said before any work begins"
        seen.extend(one.left_out for one in pipelines)
        return [4]

    without(monkeypatch, "own.contrast_env")
    monkeypatch.setattr("harness.executors.local.run", work)
    assert evaluate([Evaluation(own, ("rewards",))], SOURCE, Display()).exit_code == 5
    assert [[*one] for one in seen] == [["rewards.own.contrast_env"]]


def test_without_any_environment_nothing_begins(own: RunSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "rewards", "own.contrast_env")
    with pytest.raises(EnvironmentFailure, match="environment rewards could not be installed"):
        evaluate([Evaluation(own, ("rewards",))], SOURCE, Display())


def test_two_folders_of_one_name_are_refused(own: RunSettings, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "contrast_env").rename(tmp_path / "other" / "contrast_env")
    own_env = tmp_path / "contrast_env"
    own_env.mkdir()
    for name in ("pyproject.toml", "uv.lock"):
        (own_env / name).write_text("")
    second = CONTRAST.replace("./contrast_env", "./other/contrast_env").replace('"contrast"', '"contrast2"')
    (tmp_path / "second.py").write_text(second)
    scorers = (*own.rewards.scorers, "second.py:Contrast")
    with pytest.raises(UserError, match=r"are both called own\.contrast_env: rename a folder"):
        REWARDS.parts(replace(own, rewards=replace(own.rewards, scorers=scorers)))


def test_a_scorer_is_not_run_in_another_stage_s_environment(own: RunSettings, tmp_path: Path) -> None:
    (tmp_path / "contrast.py").write_text(CONTRAST.replace("./contrast_env", "geneval"))
    with pytest.raises(UserError, match=r"^contrast: env = 'geneval' is no environment for scorers: use rewards"):
        REWARDS.parts(own)


@pytest.mark.parametrize(
    ("name", "fine"),
    [
        ("rewards.vlm", True),
        ("rewards.own.my_env", True),
        ("rewards./etc/passwd", False),
        ("nothing.vlm", False),
        ("rewards...", False),
    ],
)
def test_a_record_of_jobs_names_parts(run: RunDirectory, name: str, fine: bool) -> None:
    Submission(2, {name: {0: ""}}).write(run)
    if fine:
        found: Any = Submission.read(run)
        assert found.parts("rewards") == [name]
        return
    with pytest.raises(UserError, match="not a readable record of jobs"):
        Submission.read(run)
    assert submission_file(run).exists()


def test_a_user_s_environment_is_named_by_its_folder(own: RunSettings, tmp_path: Path) -> None:
    assert own.rewards.scorers
    spec = manager.find_spec("./contrast_env")
    assert spec == EnvironmentSpec(
        "own.contrast_env", "rewards", ("uv",), disk_gb=1, on_demand=True, folder=tmp_path / "contrast_env"
    )
    (tmp_path / "contrast_env" / "uv.lock").unlink()
    with pytest.raises(UserError, match=r"there is no .*/contrast_env/uv.lock: run `uv lock` there"):
        manager.find_spec("./contrast_env")
    with pytest.raises(UserError, match=r"choose from miro, geneval, rewards, vlm.* or name a folder, e.g. ./vml"):
        manager.find_spec("vml")
