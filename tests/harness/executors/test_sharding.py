"""Shares of a run: disjoint, complete, and such that a share's batches are those of the whole run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.executors.sharding import Share, check_shards, run_items, share_job, share_unit, shares, survey
from harness.run.directory import RunDirectory, image_name
from harness.run.manifest import Manifest
from harness.run.settings import GenerationSettings, GenevalSettings, RewardSettings, RunSettings
from harness.stages.context import Pipeline
from harness.stages.generate import GENERATE
from harness.stages.geneval import GENEVAL
from harness.stages.rewards import REWARDS
from harness.terminal.display import Display
from harness.weights.weight_source import TinyWorld
from wire.errors import UserError
from wire.protocol import pending_batches

SOURCE = TinyWorld(Path("none"))
PROMPTS, SAMPLES = 5, 3


@given(items=st.integers(0, 300), unit=st.integers(1, 20), count=st.integers(1, 70))
def test_shares_follow_one_another_without_gap_and_end_with_whole_units(items: int, unit: int, count: int) -> None:
    cuts = [share.cut(items) for share in shares(count, unit)]
    assert [position for cut in cuts for position in cut] == list(range(items))
    assert all(cut.start % unit == 0 or not cut for cut in cuts)
    lengths = [-(-len(cut) // unit) for cut in cuts]
    assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("count", [0, -1, 1001])
def test_a_number_of_shards_out_of_range_is_refused(count: int) -> None:
    with pytest.raises(UserError, match=f"--shards {count}: expected 1 to 1000"):
        check_shards(count)


def test_no_batch_of_a_detector_or_scorer_straddles_two_shares() -> None:
    settings = RunSettings(Path(), GenerationSettings("x", batch_size=6), rewards=RewardSettings(batch_size=10))
    assert share_unit(settings, [GENERATE, GENEVAL, REWARDS]) == 40  # eight images a pass on a GPU
    assert share_unit(settings, [GENERATE, REWARDS]) == 10
    assert share_unit(settings, [GENERATE]) == 6
    on_cpu = RunSettings(Path(), device="cpu")
    assert share_unit(on_cpu, [GENEVAL]) == 1
    assert share_unit(RunSettings(Path(), geneval=GenevalSettings(batch_size=3)), [GENEVAL]) == 3


def make_run(folder: Path) -> RunDirectory:
    (folder / "work").mkdir(parents=True)
    for prompt in range(PROMPTS):
        metadata = {"prompt": f"a photo of bench {prompt}", "tag": "single_object", "include": []}
        for sample in range(SAMPLES):
            path = folder / image_name(prompt, sample)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(f"{prompt} {sample}".encode())
        (path.parents[1] / "metadata.jsonl").write_text(json.dumps(metadata))
    return RunDirectory(folder)


def pipeline_of(run: RunDirectory, settings: RunSettings) -> Pipeline:
    return Pipeline(run, Manifest("x"), settings, SOURCE, Display())


def digest(run: RunDirectory, name: str) -> str:
    return hashlib.sha256((run.path / name).read_bytes()).hexdigest()


@pytest.mark.parametrize("count", [1, 2, 4, 7])
def test_the_shares_batches_together_are_the_whole_run_s(tmp_path: Path, count: int) -> None:
    run, settings = (
        make_run(tmp_path / "run"),
        RunSettings(tmp_path / "run", rewards=RewardSettings(("aesthetic",), batch_size=2)),
    )
    whole = REWARDS.plan(run, Manifest("x"), settings, SOURCE)
    expected = [[item.filename for item in batch] for batch in pending_batches(whole.items, 2, lambda _: False)]
    found = []
    for share in shares(count, share_unit(settings, [REWARDS])):
        job = share_job(pipeline_of(run, settings), REWARDS, share)
        batches = pending_batches(job.job.items, 2, lambda item: f"{item.filename}#aesthetic" in job.job.done)  # noqa: B023
        own = [[item.filename for item in batch] for batch in batches]
        assert job.pending == job.units == sum(map(len, own))
        found += own
    assert found == expected


def test_a_share_reads_no_image_but_its_own(tmp_path: Path) -> None:
    run, settings = make_run(tmp_path / "run"), RunSettings(tmp_path / "run", device="cpu")
    job = share_job(pipeline_of(run, settings), GENEVAL, Share(1, 3))
    hashes = {item.filename: item.image_sha256 for item in job.job.items}
    own = [name for name, known in hashes.items() if known]
    assert own == [image_name(prompt, sample) for prompt in range(PROMPTS) for sample in range(SAMPLES)][5:10]
    assert all(hashes[name] == digest(run, name) for name in own)


def test_rows_that_are_there_count_only_in_their_own_share(tmp_path: Path) -> None:
    run, settings = make_run(tmp_path / "run"), RunSettings(tmp_path / "run", device="cpu")
    first = share_job(pipeline_of(run, settings), GENEVAL, Share(0, 3))
    names = [image_name(0, sample) for sample in range(SAMPLES)]
    rows = [{"filename": name, "image_sha256": digest(run, name), "status": "scored"} for name in names]
    Path(first.job.output).write_text("".join(json.dumps(row) + "\n" for row in rows))
    again, other = (share_job(pipeline_of(run, settings), GENEVAL, Share(i, 3)) for i in (0, 1))
    assert (again.units, again.pending) == (5, 2)
    assert (other.units, other.pending) == (5, 5)
    (found,) = survey(pipeline_of(run, replace(settings, shards=5)), [GENEVAL])
    assert [share.index for share in found.shares] == [1, 2, 3, 4]


def test_images_to_be_made_are_listed_before_they_are_there(tmp_path: Path) -> None:
    suite = tmp_path / "suite.jsonl"
    lines = [{"prompt": f"a photo of bench {index}", "tag": "single_object", "include": []} for index in range(PROMPTS)]
    suite.write_text("".join(json.dumps(line) + "\n" for line in lines))
    generation = GenerationSettings("x", suite=str(suite), samples=SAMPLES)
    settings = RunSettings(tmp_path / "new", generation, device="cpu")
    (tmp_path / "new").mkdir()
    promised = run_items(RunDirectory(tmp_path / "new"), settings)
    job = share_job(pipeline_of(RunDirectory(tmp_path / "new"), settings), GENEVAL, Share(0, 2))
    assert job.missing == image_name(0, 0)
    assert share_job(pipeline_of(RunDirectory(tmp_path / "new"), settings), GENERATE, Share(0, 2)).missing is None
    assert not list((tmp_path / "new").iterdir()), "planning writes nothing"
    made = make_run(tmp_path / "made")
    assert [item.filename for item in made.scan()] == [item.filename for item in promised]
    assert [item.metadata for item in made.scan()] == [item.metadata for item in promised]


def test_all_stages_have_the_same_shares_whatever_else_lies_in_the_run(tmp_path: Path) -> None:
    """Here a third image of each prompt, of an earlier and larger sweep, and a prompt's metadata that was lost."""
    suite = tmp_path / "suite.jsonl"
    lines = [{"prompt": f"a photo of bench {index}", "tag": "single_object", "include": []} for index in range(PROMPTS)]
    suite.write_text("".join(json.dumps(line) + "\n" for line in lines))
    run, generation = make_run(tmp_path / "run"), GenerationSettings("x", suite=str(suite), samples=SAMPLES - 1)
    settings = RunSettings(run.path, generation, device="cpu", gpus=("0", "1", "2"))
    (run.path / "00003" / "metadata.jsonl").unlink()
    pipeline = pipeline_of(run, settings)
    making, judging = survey(pipeline, [GENERATE, GENEVAL])
    assert json.loads((run.path / "00003" / "metadata.jsonl").read_text()) == lines[3]
    assert [share.index for share in making.shares] == [share.index for share in judging.shares] == [0, 1, 2]
    own = [
        {item.filename for item in job.job.items} - job.job.done
        for job in (share_job(pipeline, stage, share) for share in making.shares for stage in (GENERATE, GENEVAL))
    ]
    for made, judged in zip(own[::2], own[1::2], strict=True):
        assert made == {name for name in judged if not name.endswith("0002.png")}
