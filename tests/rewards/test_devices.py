from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rewards import devices, memory
from rewards.hub import LocalWeight
from rewards.scorers import SCORERS, Scorer
from tests.rewards.jobs import image_items, make_job, run_job


def test_free_memory_is_part_of_the_machines() -> None:
    total = next(
        int(line.split()[1]) * 1024 for line in Path("/proc/meminfo").read_text().splitlines() if "MemTotal" in line
    )
    assert 0 < memory.free_memory("cpu") <= total


def grouped(files: Mapping[str, str], group: str) -> list[list[str]]:
    """Metric ids by group; each scorer must be loaded while its group is out."""
    scorers: list[Scorer] = [SCORERS[metric]() for metric in ("pick_score", "sciscore", "aesthetic")]
    weights = {scorer.card.metric: scorer.resolve(files) for scorer in scorers}
    groups = []
    for loaded in devices.loaded_groups(scorers, weights, "cpu", "reference", files, group, failures := {}):
        assert all(vars(scorer) for scorer in loaded)
        groups.append([scorer.card.metric for scorer in loaded])
    assert failures == {}
    devices.release_residents()
    assert not any(vars(scorer) for scorer in scorers)
    return groups


def test_models_are_loaded_together_or_one_by_one(files: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    together, alone = [["pick_score", "sciscore", "aesthetic"]], [["pick_score"], ["sciscore"], ["aesthetic"]]
    assert grouped(files, "all") == together
    assert grouped(files, "one") == alone
    monkeypatch.setattr(devices, "free_memory", lambda device: memory.RESERVE)
    assert grouped(files, "auto") == alone
    monkeypatch.setattr(devices, "free_memory", lambda device: memory.RESERVE + (1 << 30))
    assert grouped(files, "auto") == together


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Metric ids in the order of loading."""
    devices.release_residents()
    found: list[str] = []
    real = devices._load

    def noted(scorer: Scorer, *arguments: Any) -> str:
        found.append(scorer.card.metric)
        return real(scorer, *arguments)

    monkeypatch.setattr(devices, "_load", noted)
    return found


def test_models_that_fit_at_once_stay_for_the_next_job(
    tmp_path: Path, files: Mapping[str, str], loads: list[str]
) -> None:
    items = image_items(tmp_path / "run", prompts=1)
    parameters = {"files": files, "metrics": ["aesthetic", "pick_score"], "batch_size": 2, "group": "all"}
    job = make_job(tmp_path, items, parameters)
    first, _ = run_job(job)
    Path(job.output).unlink()
    assert run_job(job)[0] == first
    assert loads == ["aesthetic", "pick_score"]
    run_job(
        make_job(tmp_path / "other", image_items(tmp_path / "other" / "run", 1), parameters | {"precision": "fast"})
    )
    assert loads == ["aesthetic", "pick_score"] * 2


def test_models_are_released_when_a_job_ends_badly(files: Mapping[str, str], loads: list[str]) -> None:
    scorers: list[Scorer] = [SCORERS["pick_score"](), SCORERS["aesthetic"]()]
    groups = devices.loaded_groups(scorers, {}, "cpu", "reference", files, "one", {})
    next(groups)
    assert vars(scorers[0])
    groups.close()
    assert loads == ["pick_score"]
    assert not vars(scorers[0])


def test_the_estimate_allows_for_half_precision_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"x" * 1000)
    assert memory.estimate([LocalWeight("source", None, path)] * 2) == memory.RESERVE + 2 * 2000
