from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from harness.errors import EnvironmentFailure
from rewards import devices
from rewards.hub import LocalWeight
from rewards.scorers import SCORERS, Scorer


def test_auto_is_a_gpu_if_there_is_one() -> None:
    assert devices.choose_device("auto") == ("cuda:0" if torch.cuda.is_available() else "cpu")
    assert devices.choose_device("cpu") == "cpu"


def test_a_gpu_that_is_not_there_cannot_be_demanded() -> None:
    with pytest.raises(EnvironmentFailure, match="device cuda:99 was asked for"):
        devices.choose_device("cuda:99")


def test_free_memory_is_part_of_the_machines() -> None:
    total = next(
        int(line.split()[1]) * 1024 for line in Path("/proc/meminfo").read_text().splitlines() if "MemTotal" in line
    )
    assert 0 < devices.free_memory("cpu") <= total


def grouped(files: Mapping[str, str], group: str) -> list[list[str]]:
    """Metric ids by group; each scorer must be loaded while its group is out."""
    scorers: list[Scorer] = [SCORERS[metric]() for metric in ("pick_score", "sciscore", "aesthetic")]
    weights = {scorer.card.metric: scorer.resolve(files) for scorer in scorers}
    groups = []
    for loaded in devices.loaded_groups(scorers, weights, "cpu", "reference", files, group):
        assert all(vars(scorer) for scorer in loaded)
        groups.append([scorer.card.metric for scorer in loaded])
    assert not any(vars(scorer) for scorer in scorers)
    return groups


def test_models_are_loaded_together_or_one_by_one(files: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    together, alone = [["pick_score", "sciscore", "aesthetic"]], [["pick_score"], ["sciscore"], ["aesthetic"]]
    assert grouped(files, "all") == together
    assert grouped(files, "one") == alone
    monkeypatch.setattr(devices, "free_memory", lambda device: devices.RESERVE)
    assert grouped(files, "auto") == alone
    monkeypatch.setattr(devices, "free_memory", lambda device: devices.RESERVE + (1 << 30))
    assert grouped(files, "auto") == together


def test_the_estimate_allows_for_half_precision_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"x" * 1000)
    assert devices.estimate([LocalWeight("source", None, path)] * 2) == devices.RESERVE + 2 * 2000
