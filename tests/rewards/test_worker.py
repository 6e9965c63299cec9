"""The worker in this process, on the tiny world."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from rewards.scorers import CARDS, Scorer
from tests.rewards.jobs import done_cells, image_items, make_job, run_job
from tests.rewards.pairs import PROMPTS, picture, scores
from wire.cards import read_cards
from wire.errors import UserError
from wire.vocabulary import SEVEN_REWARDS

FEW = ["aesthetic", "pick_score", "sciscore"]


def test_all_seven_metrics_give_a_finite_cell_per_image(tmp_path: Path, files: Mapping[str, str]) -> None:
    items = image_items(tmp_path / "run", prompts=5)
    rows, events = run_job(make_job(tmp_path, items, {"files": files, "batch_size": 4}))
    assert [(row["filename"], row["metric"]) for row in rows] == [(i.filename, m) for i in items for m in SEVEN_REWARDS]
    assert all(isinstance(row["value"], float) and row["error"] is None for row in rows)
    assert [row["image_sha256"] for row in rows[::7]] == [item.image_sha256 for item in items]
    about = {"filename", "prompt", "prompt_index", "sample_index", "image_sha256"}
    assert set(rows[0]) == about | {"metric", "value", "error"}
    started, finished = events[0], events[-1]
    assert started["total"] == 70
    assert {weight["metric"] for weight in started["weights"]} == set(SEVEN_REWARDS)
    assert all(len(weight["sha256"]) == 64 for weight in started["weights"])
    assert (started["precision"], started["batch_size"]) == ("reference", 4)
    assert read_cards(started["cards"]) == {metric: CARDS[metric] for metric in SEVEN_REWARDS}
    assert finished == {"event": "finished", "rows": 70, "unscored": 0}


def test_values_are_the_scorers_own(tmp_path: Path, files: Mapping[str, str], load: Callable[..., Scorer]) -> None:
    items = image_items(tmp_path / "run", prompts=4, samples=1)
    rows, _ = run_job(make_job(tmp_path, items, {"files": files, "metrics": FEW, "batch_size": 4}))
    images = [picture(100 * prompt, (96, 96)) for prompt in range(4)]
    for metric in FEW:
        found = [row["value"] for row in rows if row["metric"] == metric]
        assert found == pytest.approx(scores(load(metric, "reference"), images, PROMPTS[:4]).tolist(), abs=1e-6)


def test_grouping_models_changes_no_value(tmp_path: Path, files: Mapping[str, str]) -> None:
    items = image_items(tmp_path / "run", prompts=3)
    found = []
    for group in ("one", "all"):
        (tmp_path / "cells.jsonl").unlink(missing_ok=True)
        parameters = {"files": files, "metrics": FEW, "batch_size": 4, "group": group}
        rows, _ = run_job(make_job(tmp_path, items, parameters))
        found.append(sorted(rows, key=lambda row: (row["filename"], row["metric"])))
    assert found[0] == found[1]


def test_a_metric_added_later_touches_only_its_own_cells(tmp_path: Path, files: Mapping[str, str]) -> None:
    items = image_items(tmp_path / "run", prompts=3)
    parameters = {"files": files, "metrics": ["pick_score"], "batch_size": 4}
    first, _ = run_job(make_job(tmp_path, items, parameters))
    before = (tmp_path / "cells.jsonl").read_bytes()
    more = {**parameters, "metrics": ["pick_score", "sciscore"]}
    rows, events = run_job(make_job(tmp_path, items, more, done_cells(first)))
    assert (tmp_path / "cells.jsonl").read_bytes().startswith(before)
    assert {row["metric"] for row in rows[len(first) :]} == {"sciscore"}
    assert [weight["metric"] for weight in events[0]["weights"]] == ["sciscore"]
    assert events[0]["total"] == len(items) == len(rows) - len(first)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-40]), "image cannot be decoded"),
        (lambda path: path.write_bytes(b"not an image"), "not an image file of a known format"),
        (lambda path: path.unlink(), "image file cannot be read (No such file or directory)"),
    ],
)
def test_a_broken_image_is_unscored_with_its_reason_and_disturbs_no_other(
    damage: Callable[[Path], object], reason: str, tmp_path: Path, files: Mapping[str, str]
) -> None:
    items = image_items(tmp_path / "run", prompts=3)
    parameters = {"files": files, "metrics": FEW, "batch_size": 4}
    whole, _ = run_job(make_job(tmp_path, items, parameters))
    (tmp_path / "cells.jsonl").unlink()
    damage(tmp_path / "run" / items[1].filename)
    broken = [dataclasses.replace(item, image_sha256=None) for item in items]
    rows, events = run_job(make_job(tmp_path, broken, parameters))
    assert [row for row in rows if row["filename"] != items[1].filename] == [
        row for row in whole if row["filename"] != items[1].filename
    ]
    unscored = [row for row in rows if row["value"] is None]
    assert [row["metric"] for row in unscored] == FEW
    assert all(reason in row["error"] and str(tmp_path) not in row["error"] for row in unscored)
    assert events[-1] == {"event": "finished", "rows": 18, "unscored": 3}


def test_a_batch_without_one_readable_image_is_unscored(tmp_path: Path, files: Mapping[str, str]) -> None:
    items = image_items(tmp_path / "run", prompts=2, samples=1)
    for item in items:
        (tmp_path / "run" / item.filename).write_bytes(b"")
    rows, _ = run_job(make_job(tmp_path, items, {"files": files, "metrics": FEW}))
    assert {row["error"] for row in rows} == {"image file has changed since it was listed"}


def test_an_interrupted_batch_is_completed_to_the_same_bytes(tmp_path: Path, files: Mapping[str, str]) -> None:
    items = image_items(tmp_path / "run", prompts=5)
    parameters = {"files": files, "metrics": FEW, "batch_size": 4}
    whole, _ = run_job(make_job(tmp_path, items, parameters))
    output = tmp_path / "cells.jsonl"
    content = output.read_bytes()
    for kept in (0, 1, 7, 13, len(whole) - 1):
        cut = b"".join(content.splitlines(keepends=True)[:kept])
        output.write_bytes(cut + b'{"filename": "000')
        run_job(make_job(tmp_path, items, parameters, done_cells(whole[:kept])))
        assert output.read_bytes() == content


def test_nothing_to_do_loads_nothing(tmp_path: Path) -> None:
    """In a process of its own, where torch must not have been imported."""
    items = image_items(tmp_path / "run", prompts=2)
    done = frozenset(f"{item.filename}#aesthetic" for item in items)
    job = make_job(tmp_path, items, {"metrics": ["aesthetic"], "device": "cuda:7"}, done)
    job.write(tmp_path / "job.json")
    program = (
        "import sys, io; from pathlib import Path; from wire.protocol import Job, Reporter; "
        "from rewards.worker import work; work(Job.read(Path(sys.argv[1])), Reporter(sys.stdout)); "
        "assert 'torch' not in sys.modules"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "job.json")]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert '"event": "started"' in output
    assert '"rows": 0' in output


def test_an_unknown_metric_or_parameter_is_the_users_error(tmp_path: Path) -> None:
    items = image_items(tmp_path / "run", prompts=1)
    with pytest.raises(UserError, match=r"unknown metric nope; choose from: clip_jina"):
        run_job(make_job(tmp_path, items, {"metrics": ["nope"]}))
    with pytest.raises(UserError, match="unknown rewards parameter 'speed'"):
        run_job(make_job(tmp_path, items, {"speed": 3}))
