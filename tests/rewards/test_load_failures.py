"""A scorer that cannot be loaded, or fails, costs its own numbers alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from rewards.devices import release_residents
from tests.rewards.jobs import Row, done_cells, image_items, make_job, run_job
from tests.rewards.test_own_scorer import EXAMPLE
from wire.errors import EnvironmentFailure

METRICS = ["pick_score", "image_reward", "clip_jina"]


@pytest.fixture(autouse=True)
def _nothing_loaded() -> Iterator[None]:
    """What an earlier job left loaded would not be loaded again."""
    release_residents()
    yield
    release_residents()


def hub(world: Path, repo: str, name: str) -> Path:
    """A file of a repository's only snapshot."""
    (snapshot,) = (world / "hub" / f"models--{repo.replace('/', '--')}" / "snapshots").iterdir()
    return snapshot / name


@contextmanager
def changed(path: Path, change: Callable[[Path], object]) -> Iterator[None]:
    original = path.read_bytes()
    change(path)
    try:
        yield
    finally:
        path.write_bytes(original)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:3000])


FAULTS: dict[str, tuple[str, str, str, Callable[[Path], object], str]] = {
    "weight missing": ("pick_score", "yuvalkirstain/PickScore_v1", "model.safetensors", Path.unlink, "HF_HUB_OFFLINE"),
    "weight cut short": ("image_reward", "THUDM/ImageReward", "ImageReward.pt", cut, "not a readable checkpoint"),
    "configuration unreadable": (
        *("image_reward", "THUDM/ImageReward", "med_config.json"),
        lambda path: path.write_text("{"),
        "not an ImageReward checkpoint",
    ),
    "tokenizer missing": ("image_reward", "bert-base-uncased", "vocab.txt", Path.unlink, "BERT tokenizer: cannot"),
    "tokenizer unreadable": (
        *("clip_jina", "jinaai/jina-clip-v2", "tokenizer.json"),
        lambda path: path.write_text('{"version": "1.0", "model": {"type": "BPE", "merges": [["a", "b"]]}}'),
        "jinaai/jina-clip-v2: cannot be loaded (",
    ),
}


@pytest.mark.parametrize(("fault", "group"), [*((fault, "auto") for fault in FAULTS), ("weight cut short", "one")])
def test_a_metric_that_cannot_be_loaded_is_unscored_with_the_reason_and_the_others_are_scored(
    fault: str, group: str, tmp_path: Path, files: Mapping[str, str], world: Path
) -> None:
    failing, repo, name, change, reason = FAULTS[fault]
    items = image_items(tmp_path / "run", prompts=2)
    job = make_job(tmp_path, items, {"files": files, "metrics": METRICS, "batch_size": 4, "group": group})
    with changed(hub(world, repo, name), change):
        rows, events = run_job(job)
    unscored = [row for row in rows if row["value"] is None]
    assert {row["metric"] for row in unscored} == {failing}
    assert len(unscored) == len(items)
    assert all(reason in row["error"] and "\n" not in row["error"] for row in unscored)
    assert len(rows) == len(items) * len(METRICS)
    assert events[0]["event"] == "started"
    assert events[-1] == {"event": "finished", "rows": len(rows), "unscored": len(items)}
    (warning,) = [event["message"] for event in events if event["event"] == "warning"]
    assert warning.startswith(f"{failing} is not scored: ")

    scored = done_cells([row for row in rows if row["value"] is not None])
    later, events = run_job(dataclasses.replace(job, done=scored))
    assert {row["metric"] for row in later[len(rows) :]} == {failing}
    assert all(row["value"] is not None for row in later[len(rows) :])
    assert [weight["metric"] for weight in events[0]["weights"]][:1] == [failing]


def test_while_it_cannot_be_loaded_a_later_run_says_so_again(
    tmp_path: Path, files: Mapping[str, str], world: Path
) -> None:
    items = image_items(tmp_path / "run", prompts=1)
    job = make_job(tmp_path, items, {"files": files, "metrics": ["aesthetic", "pick_score"], "batch_size": 2})
    with changed(hub(world, "yuvalkirstain/PickScore_v1", "model.safetensors"), Path.unlink):
        rows, _ = run_job(job)
        scored = done_cells([row for row in rows if row["value"] is not None])
        again, events = run_job(dataclasses.replace(job, done=scored))
    assert again[len(rows) :] == [row for row in rows if row["value"] is None]
    assert (events[0]["event"], events[0]["total"]) == ("started", 0), "run.json keeps the weights that it has"
    assert events[-1] == {"event": "finished", "rows": 2, "unscored": 2}


def test_the_next_job_of_a_worker_knows_what_could_not_be_loaded(
    tmp_path: Path, files: Mapping[str, str], world: Path
) -> None:
    items = image_items(tmp_path / "run", prompts=1)
    parameters = {"files": files, "metrics": ["aesthetic", "image_reward"], "batch_size": 2, "group": "all"}
    job = make_job(tmp_path, items, parameters)
    with changed(hub(world, "THUDM/ImageReward", "ImageReward.pt"), cut):
        first, _ = run_job(job)
        Path(job.output).unlink()
        assert run_job(job)[0] == first


def test_where_no_metric_can_be_loaded_the_stage_ends_with_a_line_for_each(
    tmp_path: Path, files: Mapping[str, str], world: Path
) -> None:
    items = image_items(tmp_path / "run", prompts=1)
    job = make_job(tmp_path, items, {"files": {}, "metrics": ["aesthetic", "image_reward"]})
    with (
        changed(hub(world, "THUDM/ImageReward", "ImageReward.pt"), cut),
        pytest.raises(EnvironmentFailure) as caught,
    ):
        run_job(job)
    aesthetic, image_reward = str(caught.value).splitlines()
    assert aesthetic.startswith("aesthetic: weight clip-vit-l-14: the job names no path for it; fetch it with")
    assert image_reward.startswith("image_reward: ")
    assert Path(job.output).read_bytes() == b""


def test_where_another_environment_scores_too_they_are_unscored_with_the_reason(tmp_path: Path) -> None:
    items = image_items(tmp_path / "run", prompts=1)
    rows, events = run_job(make_job(tmp_path, items, {"files": {}, "metrics": ["aesthetic"], "alone": False}))
    assert [row["error"].partition(";")[0] for row in rows] == [
        "weight clip-vit-l-14: the job names no path for it"
    ] * len(items)
    assert events[-1] == {"event": "finished", "rows": len(items), "unscored": len(items)}


OWN_FAULTS = {
    "made": (
        "    def load(",
        "    def __init__(self):\n        1 / 0\n    def load(",
        "cannot be loaded (ZeroDivision",
    ),
    "found": ("        return []", "        return 1 / 0", "cannot be loaded (ZeroDivision"),
    "loaded": ("        self.device = device", "        import no_such_thing", "cannot be loaded (ModuleNotFound"),
    "keyed": ('        return "64x64"', "        return 1 / 0", "the scorer failed (ZeroDivision"),
    "prepared": ("        return functional", "        return nothing", "the scorer failed (NameError"),
    "scored": (
        "        return batch.pixels.mean",
        "        raise KeyError('x')\n        batch.pixels",
        "failed (KeyError",
    ),
    "shaped": (
        "mean(dim=(1, 2, 3))",
        "mean(dim=(1, 2))",
        "the scorer failed (ValueError: it gave values of shape (4, 64)",
    ),
    "single": ("mean(dim=(1, 2, 3))", "mean()", "it gave values of shape () for 4 pairs"),
    "listed": ("mean(dim=(1, 2, 3)).cpu()", "mean(dim=(1, 2, 3)).tolist()", "it gave values of shape ()"),
}


@pytest.mark.parametrize("when", OWN_FAULTS)
def test_a_users_scorer_that_fails_leaves_its_own_column_unscored(
    when: str, tmp_path: Path, files: Mapping[str, str]
) -> None:
    before, after, reason = OWN_FAULTS[when]
    assert before in EXAMPLE
    (tmp_path / f"failing_{when}.py").write_text(EXAMPLE.replace(before, after), encoding="utf-8")
    items = image_items(tmp_path / "run", prompts=2)
    rows, events = run_job(make_job(tmp_path, items, {
        "files": files,
        "scorers": [f"{tmp_path}/failing_{when}.py:Brightness"],
        "metrics": ["aesthetic", "brightness"],
        "batch_size": 4,
    }))  # fmt: skip
    assert all(row["value"] is not None for row in rows if row["metric"] == "aesthetic")
    errors = [row["error"] for row in rows if row["metric"] == "brightness"]
    assert len(errors) == len(items)
    assert all(error is not None and reason in error for error in errors)
    assert events[-1]["unscored"] == len(items)


def test_what_one_of_ours_raises_while_scoring_is_not_hidden(
    tmp_path: Path, files: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("rewards.scorers.clip_pair.PickScore.score", wrong)
    items = image_items(tmp_path / "run", prompts=1)
    with pytest.raises(ZeroDivisionError):
        run_job(make_job(tmp_path, items, {"files": files, "metrics": ["pick_score"]}))


@pytest.mark.parametrize("prompt", ["", " ", " \n\t ", "\u3000\u00a0"])
def test_an_image_without_a_prompt_is_unscored_by_every_metric(
    prompt: str, tmp_path: Path, files: Mapping[str, str]
) -> None:
    items = image_items(tmp_path / "run", prompts=2)
    empty = dataclasses.replace(items[1], metadata={"prompt": prompt})
    job = make_job(tmp_path, items, {"files": files, "metrics": ["aesthetic", "pick_score"], "batch_size": 4})
    whole, _ = run_job(job)
    Path(job.output).unlink()
    rows, _ = run_job(dataclasses.replace(job, items=[items[0], empty, *items[2:]]))
    assert [unscored(row) for row in rows if row["filename"] == empty.filename] == [(None, "the prompt is empty")] * 2
    assert [row for row in rows if row["filename"] != empty.filename] == [
        row for row in whole if row["filename"] != empty.filename
    ]


def unscored(row: Row) -> tuple[object, str]:
    return row["value"], row["error"]
