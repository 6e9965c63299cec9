"""Workers side by side end with the bytes of one, whether they go stage by stage or shard by shard."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.end_to_end.test_demo import content
from tests.real_environments import miro_eval, world

SWEEP = ("--tiny-world", "--device", "cpu", "--limit", "10", "--samples", "2", "--steps", "2", "--metric", "aesthetic")
#: Small batches, so that every shard has some.
BATCHES = ("--reward-batch-size", "4")
STAGES = ("generate", "geneval", "rewards")


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("one") / "run"
    answer = miro_eval("all", world().checkpoint, *SWEEP, *BATCHES, "--out", out)
    assert answer.returncode == 0, answer.stderr
    return out


def test_two_gpus_give_the_bytes_of_one(one: Path, tmp_path: Path) -> None:
    two = tmp_path / "two"
    answer = miro_eval("all", world().checkpoint, *SWEEP, *BATCHES, "--out", two, "--gpus", "0,1")
    assert answer.returncode == 0, answer.stderr
    assert content(two) == content(one)
    assert {path.name for path in (two / "logs").iterdir()} == {
        f"{stage}-{shard}of2.log" for stage in STAGES for shard in (0, 1)
    }
    for stage in STAGES:
        shares = [json.loads((two / "work" / f"{stage}-{shard}of2.job.json").read_text()) for shard in (0, 1)]
        assert shares[0]["items"] == shares[1]["items"]
        assert [share["shard"] for share in shares] == [[0, 2], [1, 2]]


def test_shards_judged_while_others_are_made_end_with_the_bytes_of_one(one: Path, tmp_path: Path) -> None:
    out = tmp_path / "overlapping"
    command = ("all", world().checkpoint, *SWEEP, *BATCHES, "--out", out, "--gpus", "0,1", "--shards", "2")
    answer = miro_eval(*command)
    assert answer.returncode == 0, answer.stderr
    assert content(out) == content(one)
    own, theirs = (json.loads((path / "run.json").read_text())["stages"] for path in (out, one))
    assert own.keys() == theirs.keys()
    for stage in STAGES:
        assert own[stage] | {"seconds": 0} == theirs[stage] | {"seconds": 0}
    assert "generate  2 finished; 20 of 20 rows" in miro_eval("status", out).stdout
    assert miro_eval(*command).stderr.count("nothing to do") == len(STAGES)
