from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.run.directory import RunDirectory, image_name
from harness.run.manifest import Manifest, StageRecord
from harness.run.settings import GenerationSettings, RewardSettings, RunSettings
from harness.stages.base import finished_rows, work_file
from harness.stages.generate import GENERATE
from harness.stages.geneval import GENEVAL
from harness.stages.rewards import REWARDS
from harness.weights.weight_source import PublishedWeights
from reports.read.reward_rows import read_rewards
from rewards.scorers import SCORERS
from wire.errors import UserError
from wire.files import write_rows
from wire.protocol import SAMPLES_DIGEST, digest_of, samples_of

SOURCE = PublishedWeights()


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """Two prompts with two images each."""
    run = RunDirectory(tmp_path)
    run.write_prompts({index: {"tag": "colors", "prompt": f"prompt {index}"} for index in range(2)})
    for prompt in range(2):
        for sample in range(2):
            path = tmp_path / image_name(prompt, sample)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(f"image {prompt} {sample}".encode())
    (tmp_path / "work").mkdir()
    return run


def settings(run: RunDirectory, *metrics: str) -> RunSettings:
    return RunSettings(run.path, rewards=RewardSettings(metrics or ("image_reward", "aesthetic")))


def cells(run: RunDirectory, metric: str, value: float | None = 1.5, error: str | None = None) -> list[dict[str, Any]]:
    keys = ("filename", "prompt_index", "sample_index", "image_sha256")
    images = [{key: getattr(item, key) for key in keys} for item in run.scan()]
    return [image | {"metric": metric, "value": value, "error": error} for image in images]


def test_a_new_directory_has_everything_to_do(run: RunDirectory) -> None:
    assert GENEVAL.plan(run, Manifest("x"), settings(run), SOURCE).pending == 4
    assert REWARDS.plan(run, Manifest("x"), settings(run), SOURCE).pending == 8


def test_cells_of_an_interrupted_worker_count(run: RunDirectory) -> None:
    plan = REWARDS.plan(run, Manifest("x"), settings(run), SOURCE)
    write_rows(run.work(work_file("rewards", plan.settings)), cells(run, "aesthetic")[:3])
    plan = REWARDS.plan(run, Manifest("x"), settings(run), SOURCE)
    assert plan.pending == 5
    assert REWARDS.merge(run, plan, run.rows("rewards.jsonl")).unscored == 1
    rows = [json.loads(line) for line in run.rows("rewards.jsonl").read_text().splitlines()]
    assert [row["aesthetic"] for row in rows] == [1.5, 1.5, 1.5, None]
    assert rows[3]["unscored"] == {"aesthetic": "not scored yet"}


def finished(run: RunDirectory, *metrics: str) -> Manifest:
    """A manifest after a finished rewards stage."""
    manifest = Manifest("x")
    plan = REWARDS.plan(run, manifest, settings(run, *metrics), SOURCE)
    write_rows(run.work(work_file("rewards", plan.settings)), [c for metric in metrics for c in cells(run, metric)])
    REWARDS.merge(run, REWARDS.plan(run, manifest, settings(run, *metrics), SOURCE), run.rows("rewards.jsonl"))
    run.work(work_file("rewards", plan.settings)).unlink()
    manifest.stages["rewards"] = StageRecord(plan.fingerprint, plan.settings, finished=True)
    return manifest


def over_samples(run: RunDirectory) -> Manifest:
    """A manifest after a stage with a value of each image, and one of each prompt's two."""
    manifest, both = Manifest("x"), settings(run, "aesthetic", "vendi_clip")
    plan = REWARDS.plan(run, manifest, both, SOURCE)
    digests = {prompt: digest_of(i.image_sha256 for i in items) for prompt, items in samples_of(run.scan()).items()}
    own = [
        cell | {"details": {"samples": 2, SAMPLES_DIGEST: digests[cell["prompt_index"]]}}
        for cell in cells(run, "vendi_clip")
    ]
    write_rows(run.work(work_file("rewards", plan.settings)), [*own, *cells(run, "aesthetic")])
    REWARDS.merge(run, REWARDS.plan(run, manifest, both, SOURCE), run.rows("rewards.jsonl"))
    run.work(work_file("rewards", plan.settings)).unlink()
    manifest.stages["rewards"] = StageRecord(plan.fingerprint, plan.settings, finished=True)
    return manifest


@pytest.mark.parametrize("change", ["changed", "gone", "more"])
def test_a_value_over_a_prompt_s_images_holds_for_just_these(run: RunDirectory, change: str) -> None:
    """Another image, one less or one more: all of that prompt's are pending, of the other prompt none."""
    manifest, both = over_samples(run), settings(run, "aesthetic", "vendi_clip")
    row = json.loads(run.rows("rewards.jsonl").read_text().splitlines()[0])
    assert list(row["details"]) == ["vendi_clip"]
    assert REWARDS.plan(run, manifest, both, SOURCE).pending == 0
    path = run.path / image_name(0, 2 if change == "more" else 1)
    path.unlink() if change == "gone" else path.write_bytes(b"another")
    again = RunDirectory(run.path)
    plan = REWARDS.plan(again, manifest, both, SOURCE)
    there = {"changed": 2, "gone": 1, "more": 3}[change]
    alone = {"changed": 1, "gone": 0, "more": 1}[change]
    assert plan.pending == there + alone
    assert {key for key in plan.done if key.endswith("vendi_clip")} == {
        f"{image_name(1, sample)}#vendi_clip" for sample in range(2)
    }
    # Merged without being scored anew, the old values are nowhere any more.
    REWARDS.merge(again, plan, again.rows("rewards.jsonl"))
    rows = [json.loads(line) for line in again.rows("rewards.jsonl").read_text().splitlines()]
    assert [row["vendi_clip"] for row in rows] == [None] * there + [1.5] * 2
    assert REWARDS.plan(again, manifest, both, SOURCE).pending == there + alone


def test_shares_of_a_sweep_hold_whole_prompts_where_values_are_over_them() -> None:
    sweep = RunSettings(generation=GenerationSettings(samples=3), rewards=RewardSettings(("aesthetic",)))
    assert REWARDS.batch(sweep) == 16
    assert REWARDS.batch(replace(sweep, rewards=RewardSettings(("vendi_clip",)))) == 48
    assert REWARDS.batch(replace(sweep, generation=None, rewards=RewardSettings(("vendi_clip",)))) == 16


def test_a_metric_added_later_touches_only_its_column(run: RunDirectory) -> None:
    manifest = finished(run, "aesthetic")
    before = [json.loads(line) for line in run.rows("rewards.jsonl").read_text().splitlines()]
    both = settings(run, "aesthetic", "clip_jina")
    plan = REWARDS.plan(run, manifest, both, SOURCE)
    assert plan.pending == 4
    write_rows(run.work(work_file("rewards", plan.settings)), cells(run, "clip_jina", 0.25))
    assert REWARDS.merge(run, REWARDS.plan(run, manifest, both, SOURCE), run.rows("rewards.jsonl")).unscored == 0
    after = [json.loads(line) for line in run.rows("rewards.jsonl").read_text().splitlines()]
    assert list(after[0]) == [*list(before[0])[:5], "clip_jina", "aesthetic", "unscored"]
    assert [row | {"clip_jina": 0.25} for row in before] == after


def test_details_of_a_metric_stay_in_its_rows_and_nowhere_else(run: RunDirectory) -> None:
    manifest = finished(run, "aesthetic")
    both = settings(run, "aesthetic", "image_reward")
    plan = REWARDS.plan(run, manifest, both, SOURCE)
    told = [row | {"details": {"style": 3.5}} for row in cells(run, "image_reward", 3.5)[:2]]
    write_rows(run.work(work_file("rewards", plan.settings)), [*told, *cells(run, "image_reward", None, "no")[2:]])
    path = run.rows("rewards.jsonl")
    REWARDS.merge(run, REWARDS.plan(run, manifest, both, SOURCE), path)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [list(row)[5:] for row in rows[1:3]] == [
        ["aesthetic", "image_reward", "unscored", "details"],
        ["aesthetic", "image_reward", "unscored"],
    ]
    assert rows[0]["details"] == {"image_reward": {"style": 3.5}}
    run.work(work_file("rewards", plan.settings)).unlink()
    before = path.read_bytes()
    REWARDS.merge(run, REWARDS.plan(run, manifest, both, SOURCE), path)
    assert path.read_bytes() == before
    assert read_rewards(path).metrics == ("aesthetic", "image_reward")


def test_a_metric_that_can_score_none_of_the_prompts_is_refused_before_anything_is_made(run: RunDirectory) -> None:
    asked = {"prompt": "a dog", "vqa_list": [["How many dogs are in the image?", "one"]]}
    chosen = settings(run, "soft_tifa")
    assert REWARDS.validate(chosen, {0: {"prompt": "a cat"}, 1: asked}) == []
    with pytest.raises(UserError, match=r"soft_tifa can score none of these prompts: the prompt has no questions"):
        REWARDS.validate(chosen, {0: {"prompt": "a cat"}})
    with pytest.raises(UserError, match="soft_tifa can score none of these prompts"):
        REWARDS.plan(run, Manifest("x"), chosen, SOURCE)


def test_a_user_s_scorer_whose_refusal_fails_is_bad_input(run: RunDirectory, tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "own_scorer.md").read_text()
    source = page.split("```python\n")[1].split("```")[0]
    refusal = "    @classmethod\n    def refusal(cls, line):\n        return line['subject']\n"
    (tmp_path / "bright.py").write_text(source + refusal)
    chosen = RunSettings(run.path, rewards=RewardSettings(scorers=(f"{tmp_path / 'bright.py'}:Brightness",)))
    words = r"brightness can score none of these prompts: its refusal failed \(KeyError: 'subject'\)"
    with pytest.raises(UserError, match=words):
        REWARDS.validate(chosen, {0: {"prompt": "a cat"}})
    assert REWARDS.validate(chosen, {0: {"prompt": "a cat"}, 1: {"prompt": "a cat", "subject": ""}}) == []


def test_a_changed_image_is_scored_again_and_the_others_are_not(run: RunDirectory) -> None:
    manifest = finished(run, "aesthetic")
    (run.path / image_name(1, 0)).write_bytes(b"another image")
    run.changed()
    plan = REWARDS.plan(run, manifest, settings(run, "aesthetic"), SOURCE)
    assert plan.pending == 1
    assert image_name(1, 0) + "#aesthetic" not in plan.done


def test_an_image_whose_prompt_was_corrected_is_scored_and_judged_again(run: RunDirectory) -> None:
    """Of the verdict also where the text stayed and what it asks for has changed; finished rows and a worker's."""
    manifest, both = finished(run, "aesthetic"), settings(run, "aesthetic", "clip_jina")
    plan = REWARDS.plan(run, manifest, both, SOURCE)
    own = [cell | {"prompt": item.prompt} for cell, item in zip(cells(run, "clip_jina"), run.scan(), strict=True)]
    write_rows(run.work(work_file("rewards", plan.settings)), own)
    assert REWARDS.plan(run, manifest, both, SOURCE).pending == 0
    deciding = GENEVAL.plan(run, Manifest("x"), both, SOURCE).settings
    verdicts = [
        {"filename": item.filename, "prompt": item.prompt, "metadata": json.dumps(item.metadata), "status": "scored"}
        | {"sample_index": item.sample_index, "image_sha256": item.image_sha256}
        for item in run.scan()
    ]
    write_rows(run.work(work_file("geneval", deciding)), verdicts)
    assert GENEVAL.plan(run, Manifest("x"), both, SOURCE).pending == 0
    (run.path / "00001" / "metadata.jsonl").write_text('{"tag": "colors", "prompt": "another prompt"}')
    (run.path / "00000" / "metadata.jsonl").write_text('{"tag": "counting", "prompt": "prompt 0"}')
    again = RunDirectory(run.path)
    plan = REWARDS.plan(again, manifest, both, SOURCE)
    assert plan.done == {f"{image_name(0, one)}#{name}" for one in (0, 1) for name in ("aesthetic", "clip_jina")}
    assert GENEVAL.plan(again, Manifest("x"), both, SOURCE).pending == 4
    # Merged without being scored anew, the old values are nowhere any more.
    REWARDS.merge(again, plan, again.rows("rewards.jsonl"))
    rows = [json.loads(line) for line in again.rows("rewards.jsonl").read_text().splitlines()]
    assert [(row["prompt"], row["aesthetic"], row["clip_jina"]) for row in rows[1:3]] == [
        ("prompt 0", 1.5, 1.5), ("another prompt", None, None),
    ]  # fmt: skip


def test_an_unscored_number_is_tried_again(run: RunDirectory) -> None:
    plan = REWARDS.plan(run, Manifest("x"), settings(run, "aesthetic"), SOURCE)
    write_rows(run.work(work_file("rewards", plan.settings)), cells(run, "aesthetic", None, "broken image"))
    plan = REWARDS.plan(run, Manifest("x"), settings(run, "aesthetic"), SOURCE)
    assert plan.pending == 4
    assert REWARDS.merge(run, plan, run.rows("rewards.jsonl")).unscored == 4
    row = json.loads(run.rows("rewards.jsonl").read_text().splitlines()[0])
    assert row["aesthetic"] is None
    assert row["unscored"] == {"aesthetic": "broken image"}


def test_rows_of_other_settings_or_tools_are_not_taken_for_ours(run: RunDirectory) -> None:
    path = run.rows("results.jsonl")
    write_rows(path, [{"filename": "a tool's own"}])
    plan = GENEVAL.plan(run, Manifest("x"), settings(run), SOURCE)
    assert plan.pending == 4
    begun = Manifest("x", stages={"geneval": StageRecord(plan.fingerprint, plan.settings)})
    assert finished_rows(run, begun, "geneval", "results.jsonl", plan.fingerprint) is None
    ours = Manifest("x", stages={"geneval": StageRecord(plan.fingerprint, plan.settings, rows_sha256="1" * 64)})
    assert finished_rows(run, ours, "geneval", "results.jsonl", plan.fingerprint) == path
    assert finished_rows(run, ours, "geneval", "results.jsonl", "another") is None


def test_generation_believes_only_images_with_the_bytes_of_their_row(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    (tmp_path / "work").mkdir()
    asked = RunSettings(tmp_path, GenerationSettings("org/name", samples=2, limit=3))
    plan = GENERATE.plan(run, Manifest("x"), asked, SOURCE)
    assert (plan.units, plan.pending) == (6, 6)
    assert [item.filename for item in plan.items[:3]] == [image_name(175, 0), image_name(175, 1), image_name(443, 0)]
    rows = []
    for item in plan.items[:2]:
        path = tmp_path / item.filename
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"pixels")
        digest = sha256(b"other pixels" if item.sample_index else b"pixels")
        rows.append({"filename": item.filename, "image_sha256": digest})
    write_rows(run.work(work_file("generate", plan.settings)), rows)
    assert GENERATE.plan(run, Manifest("x"), asked, SOURCE).done == {image_name(175, 0)}


def test_upstream_s_noise_ties_images_to_the_whole_sweep(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    asked = RunSettings(tmp_path, GenerationSettings("org/name", samples=2, limit=2, noise="upstream"))
    plan = GENERATE.plan(run, Manifest("x"), asked, SOURCE)
    prompts = [(item.prompt_index, item.prompt) for item in plan.items[::2]]
    assert plan.parameters["sweep"] == {"prompts": prompts, "samples": 2}
    manifest = Manifest("x", stages={"generate": StageRecord(plan.fingerprint, plan.settings)})
    more = RunSettings(tmp_path, GenerationSettings("org/name", samples=4, limit=2, noise="upstream"))
    with pytest.raises(UserError, match="samples: 2 -> 4"):
        GENERATE.plan(run, manifest, more, SOURCE)
    unknown = RunSettings(tmp_path, GenerationSettings("org/name", noise="white"))
    with pytest.raises(UserError, match="--noise 'white': expected image or upstream"):
        GENERATE.plan(run, Manifest("x"), unknown, SOURCE)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_images_of_two_protocols_are_not_mixed(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    asked = RunSettings(tmp_path, GenerationSettings("org/name", limit=1))
    plan = GENERATE.plan(run, Manifest("x"), asked, SOURCE)
    manifest = Manifest("x", stages={"generate": StageRecord(plan.fingerprint, plan.settings)})
    more = RunSettings(tmp_path, GenerationSettings("org/name", limit=2, samples=8))
    assert GENERATE.plan(run, manifest, more, SOURCE).units == 16
    other = RunSettings(tmp_path, GenerationSettings("org/name", limit=1, seed=7, guidance_scale=3.0))
    with pytest.raises(UserError, match=r"guidance_scale: 7\.0 -> 3\.0; seed: 42 -> 7"):
        GENERATE.plan(run, manifest, other, SOURCE)


@pytest.mark.parametrize(
    "change",
    [{"aesthetic": "high"}, {"aesthetic": [1.5]}, {"aesthetic": True}, {"aesthetic": {}}, {"unscored": [1]},
     {"unscored": None}, {"filename": 7}, {"filename": None}, {"sample_index": "0"}, {"prompt_index": [0]},
     {"image_sha256": 1}],
)  # fmt: skip
@pytest.mark.parametrize("gone", [False, True])
def test_finished_rows_with_other_kinds_of_values_are_made_again(
    run: RunDirectory, change: dict[str, Any], gone: bool
) -> None:
    """A value that no worker of ours writes is not a number that is there; what is right in the row stays."""
    plan = REWARDS.plan(run, Manifest("x"), settings(run, "aesthetic"), SOURCE)
    write_rows(run.work(work_file("rewards", plan.settings)), cells(run, "aesthetic"))
    plan = REWARDS.plan(run, Manifest("x"), settings(run, "aesthetic"), SOURCE)
    REWARDS.merge(run, plan, run.rows("rewards.jsonl"))
    run.work(work_file("rewards", plan.settings)).unlink()
    rows = [json.loads(line) for line in run.rows("rewards.jsonl").read_text().splitlines()]
    rows[0] |= change
    for name in change if gone else ():
        del rows[0][name]
    write_rows(run.rows("rewards.jsonl"), rows)
    record = StageRecord(plan.fingerprint, plan.settings, finished=True)
    again = REWARDS.plan(run, Manifest("x", stages={"rewards": record}), settings(run, "aesthetic"), SOURCE)
    assert again.pending in (0, 1)
    if change.keys() & {"aesthetic", "filename", "image_sha256"}:
        assert again.pending == 1
    REWARDS.merge(run, again, run.rows("rewards.jsonl"))
    unscored = [json.loads(line)["unscored"] for line in run.rows("rewards.jsonl").read_text().splitlines()]
    assert len([one for one in unscored if one]) == again.pending


@pytest.mark.parametrize("change", [{"status": []}, {"status": None}, {"filename": 7}, {"image_sha256": []}])
@pytest.mark.parametrize("gone", [False, True])
def test_finished_verdicts_with_other_kinds_of_values_are_made_again(
    run: RunDirectory, change: dict[str, Any], gone: bool
) -> None:
    plan = GENEVAL.plan(run, Manifest("x"), settings(run), SOURCE)
    rows = [{key: cell[key] for key in cell if key != "metric"} | {"status": "scored"} for cell in cells(run, "x")]
    rows[0] |= change
    for name in change if gone else ():
        del rows[0][name]
    write_rows(run.rows("results.jsonl"), rows)
    record = StageRecord(plan.fingerprint, plan.settings, finished=True)
    again = GENEVAL.plan(run, Manifest("x", stages={"geneval": record}), settings(run), SOURCE)
    assert again.pending == 1
    GENEVAL.merge(run, again, run.rows("results.jsonl"))


QUESTIONS: dict[str, Any] = {
    "soft_tifa": {"vqa_list": [["Is there a dog?", "Yes"], ["How many dogs?", "two"]], "skills": ["object", "count"]},
    "dpg": {
        "dpg": [
            {"id": "1", "row": 0, "question": "Is there a dog?", "tuple": "entity - whole (dog)", "depends": "0"},
            {"id": "2", "row": 1, "question": "Is it red?", "tuple": "attribute - color (dog)", "depends": "1"},
        ]
    },
}


@pytest.mark.parametrize("metric", QUESTIONS)
def test_answers_to_questions_that_were_changed_since_are_made_anew(tmp_path: Path, metric: str) -> None:
    run, judged = RunDirectory(tmp_path / "run"), settings(RunDirectory(tmp_path / "run"), metric)
    run.write_prompts({index: {"prompt": "two dogs", **QUESTIONS[metric]} for index in range(2)})
    for index in range(2):
        (run.path / image_name(index, 0)).parent.mkdir(exist_ok=True)
        (run.path / image_name(index, 0)).write_bytes(b"an image")
    (run.path / "work").mkdir()
    plan = REWARDS.plan(run, Manifest("x"), judged, SOURCE)
    ((part, deciding),) = plan.parts.items()
    about = SCORERS[metric].about(plan.items[0].metadata)
    details = {"details": [question | {"p": 0.5} for question in about]}
    write_rows(run.work(work_file(part, deciding)), [cell | details for cell in cells(run, metric)])
    assert REWARDS.plan(run, Manifest("x"), judged, SOURCE).pending == 0
    line = (run.path / image_name(1, 0)).parent.parent / "metadata.jsonl"
    line.write_text(line.read_text().replace("Is there a dog?", "Is there a cat?"))
    plan = REWARDS.plan(RunDirectory(run.path), Manifest("x"), judged, SOURCE)
    assert plan.done == {f"{image_name(0, 0)}#{metric}"}
