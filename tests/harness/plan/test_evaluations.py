from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.plan.evaluations import Outcome, evaluation, evaluations
from harness.plan.open import Model, describe
from harness.run.settings import GenerationSettings, RewardSettings, RunSettings
from tests.harness.plan.test_selection import hub_layout
from wire.errors import EnvironmentFailure, ExitCode, UserError, WorkerFailure
from wire.vocabulary import SEVEN_REWARDS

COMMON = RunSettings(out=Path())


def looked_at(settings: GenerationSettings) -> Model:
    return Model(settings, describe(settings))


def images(folder: Path, metadata: dict[str, object]) -> Path:
    (folder / "00000" / "samples").mkdir(parents=True)
    (folder / "00000" / "metadata.jsonl").write_text(json.dumps(metadata))
    (folder / "00000" / "samples" / "0000.png").write_bytes(b"")
    return folder


@pytest.mark.parametrize(
    ("failures", "unscored", "code"),
    [
        ([], 0, ExitCode.DONE),
        ([], 3, ExitCode.UNSCORED),
        ([UserError("")], 3, ExitCode.USER_ERROR),
        ([UserError(""), EnvironmentFailure("")], 0, ExitCode.ENVIRONMENT_FAILURE),
        ([EnvironmentFailure(""), WorkerFailure("", ExitCode.BUG)], 0, ExitCode.BUG),
    ],
)
def test_the_exit_code_is_that_of_the_gravest_failure(failures: list[Exception], unscored: int, code: ExitCode) -> None:
    outcome = Outcome(unscored=unscored)
    for number, failure in enumerate(failures):
        assert isinstance(failure, UserError | EnvironmentFailure | WorkerFailure)
        outcome.note(Path(str(number)), failure)
    assert outcome.exit_code == code


def test_results_are_told_apart() -> None:
    outcome = Outcome()
    outcome.note(Path("a"), 2)
    outcome.note(Path("b"), None)
    assert (outcome.finished, outcome.handed_over, outcome.unscored) == ([Path("a")], [Path("b")], 2)


def test_a_checkpoint_goes_through_all_stages(tmp_path: Path) -> None:
    model = GenerationSettings(str(hub_layout(tmp_path / "model")))
    one = evaluation(looked_at(model), tmp_path / "out", COMMON)
    assert one.stages == ("generate", "geneval", "rewards")
    assert (one.settings.out, one.settings.generation, one.settings.name) == (tmp_path / "out", model, None)


def test_images_made_already_are_judged_where_they_are(tmp_path: Path) -> None:
    folder = images(tmp_path / "images", {"prompt": "a bench", "tag": "single_object", "include": []})
    made = GenerationSettings(str(folder))
    one = evaluation(looked_at(made), folder, COMMON)
    assert one.stages == ("geneval", "rewards")
    assert one.settings.generation is None
    assert "not those of suite geneval" in one.notes[0]
    with pytest.raises(UserError, match="omit --out"):
        evaluation(looked_at(made), tmp_path / "elsewhere", COMMON)


@pytest.mark.parametrize("other", [{}, {"include": None}, {"tag": "counting", "include": "bench"}])
def test_one_prompt_without_metadata_costs_the_others_no_verdict(tmp_path: Path, other: dict[str, object]) -> None:
    folder = images(tmp_path / "images", {"prompt": "a bench", "tag": "single_object", "include": []})
    images(tmp_path / "more", {"prompt": "a lighthouse"} | other)
    (tmp_path / "more" / "00000").rename(folder / "00001")
    one = evaluation(looked_at(GenerationSettings(str(folder))), folder, COMMON)
    assert one.stages == ("geneval", "rewards")


def test_prompts_without_geneval_metadata_are_not_judged_and_it_is_said(tmp_path: Path) -> None:
    folder = images(tmp_path / "images", {"prompt": "a lighthouse"})
    one = evaluation(looked_at(GenerationSettings(str(folder))), folder, COMMON)
    assert one.stages == ("rewards",)
    assert "no verdicts" in one.notes[-1]


def test_prompts_that_bring_questions_are_judged_by_soft_tifa(tmp_path: Path) -> None:
    """By what the prompts say: in a suite as in a folder of images, with GenEval's judge where both can."""
    questions = {"prompt": "a pig", "vqa_list": [["Is it a pig?", "Yes"]], "skills": ["object"], "atom_count": 1}
    suite = tmp_path / "mine.jsonl"
    suite.write_text(json.dumps(questions))
    asked = GenerationSettings(str(hub_layout(tmp_path / "model")), suite=str(suite))
    one = evaluation(looked_at(asked), tmp_path / "out", replace(COMMON, rewards=RewardSettings(("clip_jina",))))
    assert one.stages == ("generate", "rewards")
    assert one.settings.rewards.metrics == ("clip_jina", "soft_tifa")
    assert "soft_tifa judges them, GenEval's detector is not used" in one.notes[-1]
    folder = images(tmp_path / "images", questions | {"tag": "single_object", "include": []})
    both = evaluation(looked_at(GenerationSettings(str(folder))), folder, COMMON)
    assert both.stages == ("geneval", "rewards")
    assert both.settings.rewards.metrics == (*SEVEN_REWARDS, "soft_tifa")


def test_several_runs_have_names_that_tell_them_apart(tmp_path: Path) -> None:
    models = [looked_at(GenerationSettings(str(hub_layout(tmp_path / name / "model")))) for name in ("9", "10")]
    places = [tmp_path / name / "geneval_images" / "model" for name in ("9", "10")]
    assert [one.settings.name for one in evaluations(models, places, COMMON)] == ["9", "10"]
    assert [one.settings.name for one in evaluations(models[:1], places[:1], COMMON)] == [None]
