"""Two workers side by side end with the bytes of one."""

from __future__ import annotations

import json
from pathlib import Path

from tests.end_to_end.test_demo import content
from tests.real_environments import miro_eval, world


def test_two_gpus_give_the_bytes_of_one(tmp_path: Path) -> None:
    world()
    options = ("demo", "--limit", "10", "--samples", "2")
    one, two = tmp_path / "one", tmp_path / "two"
    assert miro_eval(*options, "--out", one).returncode == 0
    answer = miro_eval(*options, "--out", two, "--gpus", "0,1")
    assert answer.returncode == 0, answer.stderr
    assert content(two) == content(one)
    assert {path.name for path in (two / "logs").iterdir()} == {
        f"{stage}-{shard}of2.log" for stage in ("generate", "geneval", "rewards") for shard in (0, 1)
    }
    for stage in ("generate", "geneval", "rewards"):
        shares = [json.loads((two / "work" / f"{stage}-{shard}of2.job.json").read_text()) for shard in (0, 1)]
        assert shares[0]["items"] == shares[1]["items"]
        assert [share["shard"] for share in shares] == [[0, 2], [1, 2]]
