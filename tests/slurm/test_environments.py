"""Metrics of several environments on a real Slurm: an array for each, and the bytes of one machine in the end."""

from __future__ import annotations

import json
from pathlib import Path

from tests.end_to_end.test_environments import one, place, rows, score
from tests.real_environments import miro_eval
from tests.slurm.cluster import Cluster
from tests.slurm.test_slurm import SLURM, states, wait_for_end

__all__ = ["one", "place"]
PARTS = ("rewards", "rewards.vlm", "rewards.own.contrast_env")


def test_each_environment_has_its_array_and_one_that_fails_is_begun_again_alone(
    cluster: Cluster, place: Path, one: Path
) -> None:
    run = place / "slurm"
    answer = score(place, run, *SLURM, "--shards", "2")
    assert answer.returncode == 0, answer.stderr
    assert ", ".join(f"{part}: 2 of 2 shards" for part in PARTS) in answer.stderr
    wait_for_end(cluster)
    assert miro_eval("jobs", "status", run).returncode == 0
    assert (run / "rewards.jsonl").read_bytes() == (one / "rewards.jsonl").read_bytes()
    record = json.loads((run / "run.json").read_text())["stages"]["rewards"]
    assert record["environments"].keys() == {"vlm", "own.contrast_env"}
    # What a killed task leaves: no rows of one part, the other parts' stay as they are.
    (run / "rewards.jsonl").write_text("".join(json.dumps(row | {"contrast": None}) + "\n" for row in rows(run)))
    answer = score(place, run, *SLURM, "--shards", "2")
    assert "submitted to Slurm: rewards.own.contrast_env: 2 of 2 shards, and job" in answer.stderr
    wait_for_end(cluster)
    assert [len(states(run, part)) for part in PARTS] == [2, 2, 2]
    assert (run / "rewards.jsonl").read_bytes() == (one / "rewards.jsonl").read_bytes()
