"""Damaged and odd configurations end in one of our errors. ``MIRO_EVAL_FUZZ_RUNS`` sets how many are tried."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

pytest.importorskip("miro", reason="runs in the generation environment")

from generation.checkpoints.hydra_config import TrainingConfig, expected_kinds
from generation.checkpoints.lightning import ema_prefix
from tests.fuzz.mutations import mutate
from wire.protocol import UserError

RUNS = int(os.environ.get("MIRO_EVAL_FUZZ_RUNS", "60"))
SEED = b"""data: {data_resolution: 16, in_channels: 4, num_cond_tokens: 8}
model:
  ema_decay: [0.999, 0.9999]
  default_ema_index: ${data.in_channels}
  coherence_values: {aesthetic_score_coherence: 1.0}
  preconditioning: {_target_: miro.models.preconditioning.FlowPrecond}
  inference_noise_scheduler: {_target_: miro.models.scheduler.LinearScheduler, start: 1, end: 0, clip_min: 1e-9}
  network: {instance: {_target_: os.system, command: "exit 1"}}
x: ${oc.env:HOME}
y: ${eval:'1 + 1'}
"""


def test_every_configuration_is_read_or_refused(tmp_path: Path) -> None:
    chance, path, read = random.Random(RUNS), tmp_path / "config.yaml", 0
    for _ in range(RUNS):
        data = mutate(SEED, chance)
        path.write_bytes(data)
        try:
            config = TrainingConfig(path, trusted=False)
            with expected_kinds(path):
                ema_prefix(config)
                config.build("model.preconditioning")
            config.get("y")
            read += 1
        except UserError as error:
            assert str(path) in str(error), data  # noqa: PT017 - and nothing else than a UserError
    assert 0 < read < RUNS


def test_what_would_run_a_command_is_never_built(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(SEED)
    with pytest.raises(UserError, match=r"would call os\.system"):
        TrainingConfig(tmp_path / "config.yaml", trusted=False).build("model.network.instance")
