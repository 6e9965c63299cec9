"""A candidate is made as its baseline was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from generation.suites import SUITES
from harness.cli.growing import as_recorded, judged_stages
from harness.run.settings import GenerationSettings
from reports.gate.policy import parse_policy, read_policy
from reports.read.manifest import read_manifest
from reports.read.runs import read_run
from tests.reports.gate.builders import full_sweep, reward_sweep, usual, write_run
from wire.errors import UserError

RECORDED = {
    "suite": {"id": "geneval", "sha256": SUITES["geneval"].sha256, "prompts": 553},
    "samples": 2,
    "steps": 20,
    "guidance_scale": None,
    "resolution": "512x512",
    "seed": 7,
    "noise": "image",
    "batch_size": 8,
    "precision": "fp16",
    "reward_targets": {"aesthetic_score": 0.625},
    "negative_reward_targets": {},
}
ASKED = GenerationSettings("org/new", variant="small", trust_checkpoint=True)


def protocol(folder: Path, **other: object) -> dict[str, str]:
    path = folder / "run.json"
    path.write_text(json.dumps({"protocol": RECORDED | other}))
    return read_manifest(path).protocol


def test_the_sweep_is_the_baseline_s_and_the_checkpoint_is_new(tmp_path: Path) -> None:
    settings = as_recorded(protocol(tmp_path), ASKED)
    assert (settings.checkpoint, settings.variant, settings.trust_checkpoint) == ("org/new", "small", True)
    for name, value in RECORDED.items():
        if name not in ("suite", "batch_size"):  # the size moves last bits alone: it is the machine's matter
            assert getattr(settings, name) == value
    assert (settings.limit, settings.batch_size) == (None, "auto")


def test_the_batch_size_counts_under_upstream_s_noise_only(tmp_path: Path) -> None:
    assert "batch_size" not in protocol(tmp_path)
    assert protocol(tmp_path, noise="upstream")["batch_size"] == "8"


def test_what_cannot_be_followed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--noise upstream"):
        as_recorded(protocol(tmp_path, noise="upstream"), ASKED)
    with pytest.raises(UserError, match=r"geneval is not the baseline's suite \(\"own\"\): name it by --suite"):
        as_recorded(protocol(tmp_path, suite={"id": "own", "sha256": "00"}), ASKED)
    with pytest.raises(UserError, match="does not record samples, steps"):
        as_recorded({}, ASKED)


def test_stages_are_those_that_the_policy_needs(tmp_path: Path) -> None:
    both = read_run(write_run(tmp_path / "run", full_sweep(usual), reward_sweep()))
    assert judged_stages(both, read_policy(None))[0] == ["generate", "geneval"]
    text = "[metrics.rewards]\nmargin = 0.1\n[metrics.aesthetic]\nwatch = true\n"
    stages, rewards = judged_stages(both, parse_policy(text, "here"))
    assert (stages, rewards.metrics) == (["generate", "rewards"], ("hpsv2.1",))
